//! How each kind of check judges what was observed. Asks nothing itself.

pub(crate) mod baseline;
pub(crate) mod cluster;
mod judge;

pub use judge::{Judged, judge_count, judge_value};
