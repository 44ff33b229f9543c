//! `pgdrill demo`.

use std::fs;

use camino::Utf8PathBuf;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::run::run_scenarios;
use super::settings::{self, EngineArgs, ReportArgs, RunArgs};
use super::signals;
use crate::console::{complain, say};
use crate::engine::sample;
use crate::outcome::ExitCode;
use crate::scenario;
use crate::scenario::EngineChoice;

/// The scenario that the demo runs: one of the shipped ones.
const SCENARIO: &str = include_str!("../../scenarios/demo.yaml");

/// Options of `pgdrill demo`.
#[derive(Debug, Args)]
pub(super) struct DemoCommand {
    /// Folder for the sample archive, the scenario and the reports.
    #[arg(long, value_name = "DIR", default_value = "pgdrill-demo")]
    dir: Utf8PathBuf,

    #[command(flatten)]
    args: RunArgs,
}

pub(super) fn run(command: &DemoCommand) -> ExitCode {
    let folder = &command.dir;
    if let Err(error) = fs::create_dir_all(folder) {
        complain(&format!("error: cannot create the folder `{folder}`: {error}"));
        return ExitCode::Errored;
    }
    let Some(runtime) = settings::runtime() else { return ExitCode::Errored };
    say("Making a sample cluster archive on a throwaway server …");
    let made = runtime.block_on(async {
        let cancel = CancellationToken::new();
        let received = signals::listen(&cancel);
        let made = sample::make(folder, &command.args.options(), &cancel).await;
        (made, received.ok().and_then(|received| received.exit_code()))
    });
    runtime.shutdown_background();
    let made = match made {
        (Ok(made), None) => made,
        (_, Some(signalled)) => return signalled,
        (Err(error), None) => {
            complain(&format!("error: {error}"));
            for line in error.help() {
                complain(&format!("  {line}"));
            }
            return error.exit_code();
        }
    };
    say(&format!(
        "  {} ({} databases) by PostgreSQL {}, engine {}\n",
        made.archive,
        made.databases,
        made.server_version,
        made.engine.as_str()
    ));
    let file = folder.join("demo.yaml");
    if let Err(error) = fs::write(&file, SCENARIO) {
        complain(&format!("error: cannot write `{file}`: {error}"));
        return ExitCode::Errored;
    }
    let scenario = match scenario::load(&file, &settings::variable) {
        Ok(scenario) => scenario,
        Err(error) => {
            complain(crate::console::show_scenario_error(&error).trim_end());
            return ExitCode::Internal;
        }
    };
    let reports = ReportArgs {
        junit: command.args.reports.junit.clone().or_else(|| Some(folder.join("junit.xml"))),
        json: command.args.reports.json.clone().or_else(|| Some(folder.join("report.json"))),
        progress: command.args.reports.progress,
    };
    // The engine that could make the archive can restore it.
    let engine = match made.engine {
        crate::ephemeral::EngineKind::Docker => EngineChoice::Docker,
        crate::ephemeral::EngineKind::Local => EngineChoice::Local,
    };
    let engine = EngineArgs { engine: Some(engine), ..command.args.engine.clone() };
    let args = RunArgs { engine, reports };
    let code = run_scenarios(&[scenario], &args);
    say(&format!(
        "\nWritten to {folder}/: {}, demo.yaml",
        made.archive.file_name().unwrap_or_default()
    ));
    for path in args.reports.junit.iter().chain(&args.reports.json) {
        say(&format!("Report: {path}"));
    }
    say(&format!("Again: pgdrill run {file}"));
    code
}
