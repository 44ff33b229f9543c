//! `pgdrill inspect`.

use camino::Utf8PathBuf;
use clap::Args;

use super::settings;
use crate::backup::{self, Several};
use crate::console::{self, complain};
use crate::finding::{Finding, FindingClass};
use crate::outcome::ExitCode;

/// Options of `pgdrill inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectCommand {
    /// The backup: a cluster archive (.tar.gz, .tar, folder), or a .dump, .sql or .sql.gz file.
    #[arg(value_name = "BACKUP")]
    backup: Utf8PathBuf,
}

pub(super) fn run(command: &InspectCommand) -> ExitCode {
    let chosen = match backup::choose(&command.backup, None, Several::Refuse) {
        Ok(chosen) => chosen,
        Err(finding) => {
            let cause =
                finding.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
            complain(&format!("error: {}{cause}", finding.message));
            return ExitCode::Errored;
        }
    };
    let inventory = backup::inspect(&chosen.path, &mut |_, _| {});
    console::say(console::describe_inventory(&inventory, settings::style()).trim_end());
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    let of_globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
    let all: Vec<&Finding> = inventory.findings.iter().chain(of_dumps).chain(of_globals).collect();
    if all.iter().any(|finding| finding.class == FindingClass::Backup) {
        ExitCode::Failed
    } else if all.iter().any(|finding| finding.class != FindingClass::Notice) {
        ExitCode::Errored
    } else {
        ExitCode::Success
    }
}
