//! The command line: what is asked for, run, and turned into an exit code.

mod dbbackup;
mod demo;
mod fingerprint;
mod generate;
mod inspect;
mod objectives;
mod plan;
mod run;
mod settings;
mod signals;
mod sweep;
mod validate;
mod verify;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::console;
use crate::outcome::ExitCode;

/// Restore tests for PostgreSQL backups.
///
/// Restores a backup into a throwaway PostgreSQL (in Docker, or from local binaries in kernel
/// namespaces), compares what came out, throws everything away and says whether the backup is
/// restorable.
///
/// Exit codes: 0 restorable (or whatever the scenario expects), 1 the backup is bad, 2 we could not
/// find out, 64 wrong command line or scenario, 70 a bug of pgdrill, 130 and 143 ended by a signal.
#[derive(Debug, Parser)]
#[command(name = "pgdrill", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios: the main job.
    Run(run::RunCommand),
    /// Verify one backup, without a scenario.
    Verify(verify::VerifyCommand),
    /// Check scenarios and start nothing.
    Validate(validate::ValidateCommand),
    /// Show what is inside a backup. Starts nothing.
    Inspect(inspect::InspectCommand),
    /// Show what a run would do and take. Starts and pulls nothing.
    ///
    /// The backups are read to their last byte, as a run does it. Exit codes: 0 every run could
    /// start, 64 wrong command line or scenario, else what a run would end with by what is known
    /// already: 1 the backup is bad, 2 there is no engine, no backup, no database.
    Plan(plan::PlanCommand),
    /// Make a sample cluster archive on a throwaway server and run a scenario on it.
    Demo(demo::DemoCommand),
    /// Take counts and fingerprints of a live server's tables: a baseline for checks of its backup.
    ///
    /// Reads only, in one snapshot of each database, and writes no row values. Exit codes: 0 taken,
    /// 2 no login, or something could not be read, 64 wrong command line.
    Fingerprint(fingerprint::FingerprintCommand),
    /// Remove what killed runs have left: containers, volumes, processes, folders.
    ///
    /// A thing goes once its run is proven to be gone, or once it has expired: a day after its run
    /// began, and after the time limit of that. A run that goes on loses nothing, on this machine
    /// or another. Exit code 2: something could not be removed, or containers not looked for.
    Sweep(sweep::SweepCommand),
    /// Write the scenarios' JSON Schema, completions for a shell, or manual pages.
    Generate(generate::GenerateCommand),
}

impl Command {
    fn may_use_docker(&self) -> bool {
        match self {
            Self::Run(_) | Self::Verify(_) | Self::Plan(_) | Self::Demo(_) | Self::Sweep(_) => true,
            Self::Validate(_) | Self::Inspect(_) | Self::Fingerprint(_) | Self::Generate(_) => {
                false
            }
        }
    }
}

/// Runs the command line and returns the exit code.
pub fn run(args: &[OsString]) -> ExitCode {
    if let Some(code) = dbbackup::hand_over(args) {
        return code;
    }
    settings::start_logging();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no mistakes.
            let printed = error.print();
            if error.use_stderr() {
                return ExitCode::Usage;
            }
            console::keep(printed);
            return checked(ExitCode::Success);
        }
    };
    if cli.command.may_use_docker() {
        crate::ephemeral::settle_docker_endpoint(args);
    }
    checked(match cli.command {
        Command::Run(command) => run::run(&command),
        Command::Verify(command) => verify::run(&command),
        Command::Validate(command) => validate::run(&command),
        Command::Inspect(command) => inspect::run(&command),
        Command::Plan(command) => plan::run(&command),
        Command::Demo(command) => demo::run(&command),
        Command::Fingerprint(command) => fingerprint::run(&command),
        Command::Sweep(command) => sweep::run(&command),
        Command::Generate(command) => generate::run(&command),
    })
}

/// What a command ends with if all that it said could be written: a full disk that swallows the
/// result must not look like a good one.
fn checked(code: ExitCode) -> ExitCode {
    let Some(cause) = console::lost_output() else { return code };
    console::complain(&format!("error: cannot write to standard output: {cause}"));
    code.worse(ExitCode::Errored)
}
