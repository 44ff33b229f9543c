//! `pgdrill sweep`.

use clap::Args;

use super::settings;
use crate::console::{complain, say};
use crate::ephemeral::ledger::Ledger;
use crate::ephemeral::sweep::{Swept, sweep};
use crate::outcome::ExitCode;

/// Options of `pgdrill sweep`.
#[derive(Debug, Args)]
pub(super) struct SweepCommand {}

pub(super) fn run(_command: &SweepCommand) -> ExitCode {
    let ledger = match Ledger::open(&settings::home()) {
        Ok(ledger) => ledger,
        Err(error) => {
            complain(&format!("error: {error}: {}", error.cause().unwrap_or_default()));
            return ExitCode::Errored;
        }
    };
    let Some(runtime) = settings::runtime() else { return ExitCode::Errored };
    let report = runtime.block_on(sweep(&ledger));
    for swept in &report.swept {
        match swept {
            Swept::Removed(what) => say(&format!("✓ removed {what}")),
            Swept::Stuck { what, leftovers } => {
                say(&format!("✗ {what} stays: {}", leftovers.join(", ")));
            }
            Swept::InUse(what) => say(&format!("  {what} belongs to a run that goes on")),
        }
    }
    if let Some(cause) = &report.docker {
        say(&format!("  containers were not looked for: {cause}"));
    }
    if report.swept.is_empty() {
        say("✓ nothing was left");
    }
    if report.is_complete() { ExitCode::Success } else { ExitCode::Errored }
}
