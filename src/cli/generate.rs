//! `pgdrill generate`: what the program knows about itself, for editors, shells and `man`.

use camino::Utf8PathBuf;
use clap::{Args, CommandFactory as _, Subcommand};
use clap_complete::Shell;

use super::Cli;
use crate::console::{complain, put};
use crate::outcome::ExitCode;
use crate::scenario;

/// Options of `pgdrill generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The JSON Schema of scenarios, for editors.
    Schema,
    /// Completions for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// The manual page of pgdrill.
    Man {
        /// Write a page for each command into this folder instead.
        #[arg(long, value_name = "DIR")]
        dir: Option<Utf8PathBuf>,
    },
}

pub(super) fn run(command: &GenerateCommand) -> ExitCode {
    let made = match &command.what {
        What::Schema => Ok(scenario::schema().into_bytes()),
        What::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "pgdrill", &mut script);
            Ok(script)
        }
        What::Man { dir: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map(|()| page)
                .map_err(|error| format!("cannot make the manual page: {error}"))
        }
        What::Man { dir: Some(dir) } => std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
            .map(|()| Vec::new())
            .map_err(|error| format!("cannot write manual pages into `{dir}`: {error}")),
    };
    match made {
        Ok(text) => {
            put(&text);
            ExitCode::Success
        }
        Err(message) => {
            complain(&format!("error: {message}"));
            ExitCode::Errored
        }
    }
}
