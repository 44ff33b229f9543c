//! How each kind of check judges what was observed. Asks nothing itself.

pub(crate) mod baseline;
pub(crate) mod cluster;
mod content;
mod judge;
mod objective;
mod pgtap;
mod rows;
mod sample;
pub(crate) mod structure;

pub use content::{Choice, choose};
pub use judge::{Judged, judge_count, judge_value};
pub use objective::{NewestData, judge_rpo, judge_rto};
pub(crate) use pgtap::{FileSaid, Tap, judge_files};
pub(crate) use rows::{RowMatcher, judge_columns};
pub use sample::{Sample, judge_sample, least_share};
