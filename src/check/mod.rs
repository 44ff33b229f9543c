//! How each kind of check judges what was observed. Asks nothing itself.

mod content;
mod judge;
mod sample;

pub use content::{Choice, choose};
pub use judge::{Judged, judge_count, judge_value};
pub use sample::{Sample, judge_sample, least_share};
