//! What stays of a run: one file for each format. Every format is a view of [`RunReport`].

mod clash;
mod json;
mod junit;
mod sanitize;
mod write;

pub use clash::{clashes, harmless};
pub use json::to_json;
pub use junit::to_junit;
pub use write::{ReportPaths, check_destinations, write, write_all};

#[cfg(doc)]
use crate::outcome::RunReport;
