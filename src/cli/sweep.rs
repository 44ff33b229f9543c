//! `pgdrill sweep`, and the warning of every run that there is something to sweep.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::settings;
use crate::console::{complain, say};
use crate::ephemeral::ledger::Ledger;
use crate::ephemeral::sweep::{Fate, Mode, Swept, leftovers, sweep};
use crate::outcome::ExitCode;
use crate::text::{counted, duration};

/// Options of `pgdrill sweep`.
#[derive(Debug, Args)]
pub(super) struct SweepCommand {
    /// Only list what would go, and what stays and why.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(command: &SweepCommand) -> ExitCode {
    let home = settings::home();
    let opened = if command.dry_run { Ledger::look(&home) } else { Ledger::open(&home) };
    let ledger = match opened {
        Ok(ledger) => ledger,
        Err(error) => {
            complain(&format!("error: {error}: {}", error.cause().unwrap_or_default()));
            return ExitCode::Errored;
        }
    };
    let Some(runtime) = settings::runtime() else { return ExitCode::Errored };
    let mode = if command.dry_run { Mode::DryRun } else { Mode::Remove };
    let report = runtime.block_on(sweep(&ledger, mode));
    let now = Timestamp::now();
    for swept in &report.swept {
        say(&line(swept, now));
    }
    if let Some(cause) = &report.docker {
        say(&format!("  containers were not looked for: {cause}"));
    }
    if report.swept.is_empty() && report.is_complete() {
        let else_ = if report.docker.is_some() { "else " } else { "" };
        say(&format!("✓ nothing {else_}was left"));
    }
    if report.is_complete() { ExitCode::Success } else { ExitCode::Errored }
}

fn line(swept: &Swept, now: Timestamp) -> String {
    let Swept { what, fate, why, made_at } = swept;
    let age = made_at.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
    let age = age.map(|age| format!(", made {} ago", duration(age))).unwrap_or_default();
    match fate {
        Fate::Removed => format!("✓ removed {what}: {why}{age}"),
        Fate::WouldGo => format!("  would remove {what}: {why}{age}"),
        Fate::Stuck(leftovers) => {
            format!("✗ {what} stays: {}; {why}{age}", leftovers.join(", "))
        }
        Fate::Stays => format!("  {what} stays: {why}{age}"),
    }
}

/// Warns of what killed runs have left, on standard error whatever progress is shown there, and
/// removes nothing. Takes a second at most.
pub(super) async fn warn() {
    let Ok(ledger) = Ledger::look(&settings::home()) else { return };
    let Some(found) = leftovers(&ledger).await else { return };
    let age = found.oldest.map(|age| format!(", the oldest {} old", duration(age)));
    complain(&format!(
        "warning: {} of killed or expired runs{}: `pgdrill sweep` removes, `--dry-run` lists them",
        counted(found.count, "leftover"),
        age.unwrap_or_default()
    ));
}
