//! What a person sees: results on standard output, progress on standard error.

mod diagnostics;
mod lines;
mod place;
mod plan;
mod progress;

pub use diagnostics::show_scenario_error;
pub use lines::{Style, complain, describe_inventory, say, show};
pub use plan::describe_plan;
pub use progress::ProgressChoice;
