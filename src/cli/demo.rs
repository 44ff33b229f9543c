//! `pgdrill demo`.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use camino::Utf8PathBuf;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::run::run_scenarios;
use super::settings::{self, EngineArgs, ReportArgs, RunArgs, Streamed};
use super::signals;
use crate::console::{complain, complain_at_length, say};
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
    if command.args.reports.streamed() != Streamed::None {
        complain("error: the demo tells what it does on standard output: give the report a file");
        return ExitCode::Usage;
    }
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
            complain_at_length(crate::console::show_scenario_error(&error).trim_end());
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
    let called = env::args_os().next().unwrap_or_default();
    let search = env::var_os("PATH").unwrap_or_default();
    let program = program(Path::new(&called), env::current_exe().ok().as_deref(), &search);
    say(&format!("Again: {} run {}", shell_word(&program), shell_word(file.as_str())));
    code
}

/// What to call this program by: its name where a shell finds it by that, else as it was called.
fn program(called: &Path, own: Option<&Path>, search: &OsStr) -> String {
    const NAME: &str = "pgdrill";
    let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let found = env::split_paths(search).find(|folder| folder.join(NAME).is_file());
    let is_own = found.is_some_and(|folder| {
        let found = identity(&folder.join(NAME));
        found.is_some() && found == own.and_then(identity)
    });
    let called = if called.as_os_str().is_empty() { own.unwrap_or(called) } else { called };
    if is_own { NAME.to_owned() } else { called.display().to_string() }
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_so_that_a_shell_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["own", "other", "link"] {
            fs::create_dir(at(name)).unwrap();
        }
        for name in ["own/pgdrill", "other/pgdrill"] {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(at("own/pgdrill"), at("link/pgdrill")).unwrap();
        let called = |typed: &str, search: &[&str]| {
            let search = env::join_paths(search.iter().map(|name| at(name))).unwrap();
            program(Path::new(typed), Some(&at("own/pgdrill")), &search)
        };
        let typed = "target/release/pgdrill";
        assert_eq!(called(typed, &["none", "own"]), "pgdrill");
        assert_eq!(called(typed, &["link"]), "pgdrill");
        assert_eq!(called(typed, &["none"]), typed);
        // A shell takes the first.
        assert_eq!(called(typed, &["other", "own"]), typed);
        assert_eq!(called("", &["none"]), at("own/pgdrill").display().to_string());
    }

    #[test]
    fn a_word_stays_one() {
        assert_eq!(shell_word("a/b-c_d.yaml"), "a/b-c_d.yaml");
        assert_eq!(shell_word("my $drill's"), r"'my $drill'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
