//! What a person sees: results on standard output, progress on standard error.

mod diagnostics;
mod inventory;
mod lines;
mod out;
mod place;
mod plan;
mod progress;

pub use diagnostics::show_scenario_error;
pub use inventory::describe_inventory;
pub use lines::{Style, show};
pub use out::{complain, complain_at_length, complain_of, keep, lost_output, put, say};
pub use plan::describe_plan;
pub use progress::ProgressChoice;
