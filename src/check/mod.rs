//! How each kind of check judges what was observed. Asks nothing itself.

mod judge;
mod objective;

pub use judge::{Judged, judge_count, judge_value};
pub use objective::{NewestData, judge_rpo, judge_rto};
