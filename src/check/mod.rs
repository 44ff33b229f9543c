//! How each kind of check judges what was observed. Asks nothing itself.

mod judge;

pub use judge::{Judged, judge_count, judge_value};
