//! `pgdrill inspect`.

mod cache;

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::settings::{self, KeyArgs};
use crate::backup::{self, Encryption, Several};
use crate::console::{self, complain, complain_of, say};
use crate::engine;
use crate::finding::{Finding, FindingClass};
use crate::outcome::ExitCode;
use crate::plan::InventoryReport;
use crate::report::{self, ReportPaths};
use crate::scenario::Scenario;

/// Options of `pgdrill inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectCommand {
    /// The backup: a cluster archive (tar, folder), a database's dump in any format, or a script of the whole cluster, compressed or not.
    #[arg(value_name = "BACKUP")]
    backup: Utf8PathBuf,

    /// Write everything as JSON, see docs/inspect.md; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<Utf8PathBuf>,

    /// Show what the sidecar says and read nothing of the backup: nothing is verified, and the exit
    /// code is never 0.
    #[arg(long)]
    quick: bool,

    /// Read the backup even if it was read before and has not changed, and remember nothing.
    #[arg(long)]
    no_cache: bool,

    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(command: &InspectCommand) -> ExitCode {
    if let Some(refusal) = clash(command) {
        return refusal;
    }
    let read = backup::choose(&command.backup, None, Several::Refuse).map(|chosen| chosen.path);
    let read = read
        .and_then(|path| if command.quick { quick(&path) } else { Ok(inventory(&path, command)) });
    let report = match read {
        Ok(report) => report,
        Err(finding) => {
            complain_of(&finding);
            return ExitCode::Errored;
        }
    };
    let code = show(command.json.as_deref(), &report);
    code.worse(report.exit_code())
}

fn show(json: Option<&Utf8Path>, report: &InventoryReport) -> ExitCode {
    let is_streamed = json.is_some_and(|path| path == settings::STANDARD_OUTPUT);
    if !is_streamed {
        say(console::describe_inventory(report, settings::style()).trim_end());
    }
    let Some(path) = json else { return ExitCode::Success };
    let text = match serde_json::to_string_pretty(report) {
        Ok(text) => text + "\n",
        Err(error) => {
            complain(&format!("error: cannot write the inventory as JSON: {error}"));
            return ExitCode::Internal;
        }
    };
    if is_streamed {
        say(text.trim_end());
        return ExitCode::Success;
    }
    match report::write(path, text.as_bytes()) {
        Ok(()) => ExitCode::Success,
        Err(finding) => {
            complain_of(&finding);
            ExitCode::Errored
        }
    }
}

/// Refuses JSON that would destroy the backup, what lies beside it, or the key.
fn clash(command: &InspectCommand) -> Option<ExitCode> {
    let json = command.json.clone().filter(|path| path != settings::STANDARD_OUTPUT)?;
    let mut scenarios = [Scenario::of_backup(String::new(), command.backup.clone(), false)];
    command.key.apply(&mut scenarios);
    let paths = ReportPaths { json: Some(json), ..ReportPaths::default() };
    let clashes = report::clashes(&scenarios, &[paths]);
    for message in &clashes {
        complain(&format!("error: {message}"));
    }
    (!clashes.is_empty()).then_some(ExitCode::Usage)
}

/// What is inside, read now or remembered.
fn inventory(path: &Utf8Path, command: &InspectCommand) -> InventoryReport {
    let cache = settings::cache().filter(|_| !command.no_cache);
    let cache = cache.and_then(|folder| cache::Slot::of(&folder, path));
    if let Some(report) = cache.as_ref().and_then(cache::Slot::load) {
        return report;
    }
    let opener = engine::opener(command.key.choice().as_ref());
    let inventory = backup::inspect_with(path, &opener, &mut |_, _| {});
    let report = InventoryReport::new(&inventory);
    // What is encrypted stays so, and what could not be found out may be by the next call.
    let is_known =
        |finding: &Finding| matches!(finding.class, FindingClass::Backup | FindingClass::Notice);
    if inventory.encryption == Encryption::None
        && command.key.choice().is_none()
        && report.all_findings().all(is_known)
        && let Some(slot) = cache
    {
        slot.store(&report);
    }
    report
}

/// What the sidecars say.
fn quick(path: &Utf8Path) -> Result<InventoryReport, Box<Finding>> {
    let (sidecar, mut findings) = backup::read_sidecar(path);
    let found = fs::metadata(path);
    let missing = found.as_ref().err().map(|error| backup::unreachable_backup(path, error));
    let Some(sidecar) = sidecar else {
        return Err(Box::new(missing.unwrap_or_else(|| backup::no_sidecar(path))));
    };
    findings.extend(backup::failures_said(&sidecar));
    findings.extend(missing);
    let bytes = found.map_or(0, |metadata| metadata.len());
    Ok(InventoryReport::of_sidecar(path, bytes, &sidecar, findings))
}
