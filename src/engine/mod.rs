//! Restores backups into throwaway servers and finds out what is true of them.
//!
//! [`run_scenario`] is the main job. It never prints: everything that happens is an event, and
//! everything that came of it is in the report it returns. It returns one whatever happens.

mod checks;
mod cluster;
mod compare;
mod contents;
mod diagnosis;
mod fingerprint;
mod globals;
mod limits;
mod outlook;
mod preflight;
mod programs;
mod read;
mod restore;
mod roles;
pub mod sample;
mod scenario_run;
mod watch;

pub use fingerprint::{FingerprintError, FingerprintRequest, fingerprint};
pub use outlook::look;
pub use read::{opener, read_backup};
pub use scenario_run::{RunOptions, run_scenario};
