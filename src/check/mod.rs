//! How each kind of check judges what was observed. Asks nothing itself.

mod judge;
mod objective;
mod rows;

pub use judge::{Judged, judge_count, judge_value};
pub use objective::{NewestData, judge_rpo, judge_rto};
pub(crate) use rows::{RowMatcher, judge_columns};
