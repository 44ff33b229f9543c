//! `pgdrill run`, and what every command that runs scenarios shares.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::objectives::ObjectiveArgs;
use super::settings::{self, ContentArgs, KeyArgs, ReportArgs, RunArgs, Streamed};
use super::{signals, sweep};
use crate::console;
use crate::console::{Style, complain, complain_at_length, complain_of};
use crate::engine::run_scenario;
use crate::event::{EventSender, RunEvent};
use crate::finding::{Finding, FindingCode};
use crate::outcome::{
    ExitCode, REPORT_SCHEMA, RunFacts, RunReport, ScenarioReport, ScenarioResult,
};
use crate::report::{self, ReportPaths};
use crate::scenario::{self, Scenario, ScenarioError};

/// Options of `pgdrill run`.
#[derive(Debug, Args)]
pub(super) struct RunCommand {
    /// Scenario files, or folders with them.
    #[arg(value_name = "SCENARIO|DIR", default_value = "scenarios")]
    scenarios: Vec<Utf8PathBuf>,

    #[command(flatten)]
    objectives: ObjectiveArgs,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    content: ContentArgs,

    #[command(flatten)]
    args: RunArgs,
}

pub(super) fn run(command: &RunCommand) -> ExitCode {
    match load_all(&command.scenarios) {
        Ok(mut scenarios) => {
            command.key.apply(&mut scenarios);
            command.content.apply(&mut scenarios);
            command.objectives.apply(&mut scenarios);
            run_scenarios(&scenarios, &command.args)
        }
        Err(Refusal { name, file, message }) => {
            refuse(&command.args.reports, &name, file.as_deref(), message)
        }
    }
}

/// Why nothing starts; a person has been told already.
pub(super) struct Refusal {
    /// The scenario that is to blame, else what comes nearest.
    name: String,
    file: Option<Utf8PathBuf>,
    message: String,
}

/// Loads every scenario at these paths, and complains about each that is wrong.
pub(super) fn load_all(paths: &[Utf8PathBuf]) -> Result<Vec<Scenario>, Refusal> {
    let refused = |name: &str, message: String| {
        complain(&format!("error: {message}"));
        Refusal { name: name.to_owned(), file: None, message }
    };
    let files = scenario_files(paths).map_err(|message| refused("scenarios", message))?;
    let mut scenarios = Vec::new();
    let mut wrong = None;
    for file in &files {
        match scenario::load(file, &settings::variable) {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => {
                complain_at_length(console::show_scenario_error(&error).trim_end());
                wrong.get_or_insert((file.clone(), error));
            }
        }
    }
    if let Some((file, error)) = wrong {
        let name = file.file_stem().unwrap_or("scenario").to_owned();
        return Err(Refusal { name, file: Some(file), message: words(&error) });
    }
    if let Some((twin, message)) = twins(&scenarios) {
        return Err(refused(&twin, message));
    }
    Ok(scenarios)
}

fn words(error: &ScenarioError) -> String {
    match error {
        ScenarioError::Unreadable { .. } => error.to_string(),
        ScenarioError::Wrong { file, problems, .. } => problems
            .iter()
            .map(|problem| {
                format!("{file}:{}:{}: {}", problem.line, problem.column, problem.message)
            })
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// The first name that two scenarios have, and words about it.
pub(super) fn twins(scenarios: &[Scenario]) -> Option<(String, String)> {
    let file = |scenario: &Scenario| scenario.file.clone().unwrap_or_default();
    scenarios.iter().enumerate().find_map(|(index, scenario)| {
        let first = scenarios[..index].iter().find(|first| first.name == scenario.name)?;
        let name = scenario.name.clone();
        let (first, second) = (file(first), file(scenario));
        let message = format!(
            "two scenarios are named `{name}`, in `{first}` and `{second}`: names must be unique"
        );
        Some((name, message))
    })
}

/// Files as they are, folders as the scenarios in them, sorted by name.
pub(super) fn scenario_files(paths: &[Utf8PathBuf]) -> Result<Vec<Utf8PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            if !path.exists() {
                return Err(format!("there is no scenario at `{path}`"));
            }
            // Reading a pipe would wait for whoever writes it.
            if !path.is_file() {
                return Err(format!("`{path}` is neither a file nor a folder: it is no scenario"));
            }
            files.push(path.clone());
            continue;
        }
        let mut found = scenarios_in(path)?;
        if found.is_empty() {
            return Err(format!("the folder `{path}` holds no scenario (*.yaml, *.yml)"));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// The scenarios of a folder: what is named like one and cannot be one is an error, since a test
/// that is left out in silence is taken for one that was passed.
fn scenarios_in(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, String> {
    let unread = |error: io::Error| format!("cannot read the folder `{folder}`: {error}");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if !is_named_like_a_scenario(&path) {
            continue;
        }
        let shown = path.display().to_string();
        let kind = fs::metadata(&path)
            .map_err(|error| format!("the scenario `{shown}` cannot be read: {error}"))?;
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return Err(format!("the scenario `{shown}` is no file: rename or remove it"));
        }
        found.push(
            Utf8PathBuf::from_path_buf(path).map_err(|_| {
                format!("the name of the scenario `{shown}` is not UTF-8: rename it")
            })?,
        );
    }
    Ok(found)
}

/// Hidden files are editors' and not meant.
fn is_named_like_a_scenario(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
    let is_yaml = path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    });
    is_yaml && !is_hidden
}

/// Refuses a command before anything starts; the JUnit and JSON that were asked for say so too,
/// unless that would cost a file that is no report: what the scenarios need is not known here.
fn refuse(reports: &ReportArgs, name: &str, file: Option<&Utf8Path>, message: String) -> ExitCode {
    let finding = Finding::new(FindingCode::ScenarioInvalid, message);
    let scenario = ScenarioReport {
        file: file.map(ToString::to_string),
        result: ScenarioResult::Errored,
        findings: vec![finding],
        ..ScenarioReport::untried(name)
    };
    let now = Timestamp::now();
    let report = RunReport {
        schema: REPORT_SCHEMA,
        run: facts(String::new(), now, now),
        scenarios: vec![scenario],
    };
    for finding in report::write_all(&report, &report::harmless(&reports.paths())) {
        complain(&format!("error: {}", finding.message));
    }
    let _ = stream(&report, reports.streamed());
    ExitCode::Usage
}

/// Writes the report that was asked for on standard output.
fn stream(report: &RunReport, streamed: Streamed) -> ExitCode {
    let made = match streamed {
        Streamed::None | Streamed::Both => return ExitCode::Success,
        Streamed::Junit => report::to_junit(report),
        Streamed::Json => report::to_json(report).map_err(io::Error::from),
    };
    match made {
        Ok(text) => {
            console::put(&text);
            ExitCode::Success
        }
        Err(error) => {
            complain(&format!("error: the report cannot be made: {error}"));
            ExitCode::Errored
        }
    }
}

fn facts(id: String, started: Timestamp, finished: Timestamp) -> RunFacts {
    RunFacts {
        id,
        started_at: started.to_string(),
        finished_at: finished.to_string(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        trigger: settings::trigger(),
    }
}

/// Runs scenarios one after another, shows them, writes every report, and tells the exit code.
pub(super) fn run_scenarios(scenarios: &[Scenario], args: &RunArgs) -> ExitCode {
    if let Some(refusal) = clash(scenarios, args) {
        return refusal;
    }
    let mut destinations = report::check_destinations(&args.reports.paths());
    for scenario in scenarios {
        destinations.extend(report::check_destinations(&own_paths(scenario)));
    }
    if let Some(finding) = destinations.first() {
        complain_of(finding);
        return ExitCode::Errored;
    }
    let Some(runtime) = settings::runtime() else { return ExitCode::Errored };
    let code = runtime.block_on(run_all(scenarios, args));
    // A thread that still reads a cancelled backup must not hold the process.
    runtime.shutdown_background();
    code
}

/// Refuses reports that would destroy something, before their folders are made.
fn clash(scenarios: &[Scenario], args: &RunArgs) -> Option<ExitCode> {
    let of_all = args.reports.paths();
    let reports: Vec<ReportPaths> = scenarios.iter().map(own_paths).chain([of_all]).collect();
    let mut clashes = report::clashes(scenarios, &reports);
    if args.reports.streamed() == Streamed::Both {
        clashes.push("two reports would go to standard output: give one of them a file".to_owned());
    }
    for message in &clashes {
        complain(&format!("error: {message}"));
    }
    (!clashes.is_empty()).then_some(ExitCode::Usage)
}

async fn run_all(scenarios: &[Scenario], args: &RunArgs) -> ExitCode {
    let cancel = CancellationToken::new();
    let received = match signals::listen(&cancel) {
        Ok(received) => received,
        Err(error) => {
            complain(&format!("error: cannot listen for signals: {error}"));
            return ExitCode::Errored;
        }
    };
    if scenarios.iter().any(|scenario| scenario.restore.is_some()) {
        tokio::select! {
            () = sweep::warn() => {}
            () = cancel.cancelled() => {}
        }
    }
    let options = args.options();
    let started = Timestamp::now();
    let (events, events_seen) = EventSender::channel();
    // A program that reads a report reads nothing else.
    let (style, say): (Style, fn(&str)) = match args.reports.streamed() {
        Streamed::None => (settings::style(), console::say),
        _ => (Style::plain(), complain_at_length),
    };
    let shown = tokio::spawn(console::show(events_seen, style, args.reports.progress, say));
    let mut ran = Vec::new();
    for scenario in scenarios {
        ran.push(run_scenario(scenario, &options, &events, &cancel).await);
    }
    // Not when every sender is gone: a thread that waits for a dead file system holds one for ever.
    events.send(RunEvent::RunEnded);
    let _ = shown.await;
    let finished = Timestamp::now();
    let run = facts(options.run_id.clone(), started, finished);
    let whole = RunReport { schema: REPORT_SCHEMA, run: run.clone(), scenarios: ran };
    let mut code = whole.exit_code();
    let mut unwritten = report::write_all(&whole, &args.reports.paths());
    for (scenario, report) in scenarios.iter().zip(&whole.scenarios) {
        let own =
            RunReport { schema: REPORT_SCHEMA, run: run.clone(), scenarios: vec![report.clone()] };
        unwritten.extend(report::write_all(&own, &own_paths(scenario)));
    }
    code = code.worse(stream(&whole, args.reports.streamed()));
    unwritten.iter().for_each(complain_of);
    if !unwritten.is_empty() {
        code = code.worse(ExitCode::Errored);
    }
    match received.exit_code() {
        // A scenario only knows that it was cancelled, not by which signal.
        Some(signalled) if code == ExitCode::Interrupted => signalled,
        Some(signalled) => code.worse(signalled),
        None => code,
    }
}

fn own_paths(scenario: &Scenario) -> ReportPaths {
    ReportPaths { junit: scenario.report.junit.clone(), json: scenario.report.json.clone() }
}
