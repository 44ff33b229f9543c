//! `pgdrill fingerprint`.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;
use glob::Pattern;

use super::settings;
use crate::console::{complain, complain_at_length, complain_of, say};
use crate::engine::{FingerprintError, FingerprintRequest, fingerprint};
use crate::outcome::ExitCode;
use crate::report;
use crate::scenario::duration_of;
use crate::text::{counted, one_line};

/// Options of `pgdrill fingerprint`.
#[derive(Debug, Args)]
pub(super) struct FingerprintCommand {
    /// The server, as a URL (`postgresql://user@host:5432/db?sslmode=verify-full`) or in keys and
    /// values (`host=… user=… dbname=…`).
    ///
    /// As with every program of `PostgreSQL`: PGHOST, PGPORT, PGUSER, PGDATABASE, PGSSLMODE,
    /// PGSSLROOTCERT, PGPASSWORD and the password file (PGPASSFILE, ~/.pgpass) say what is left out.
    #[arg(long, env = "PGDRILL_DSN", hide_env_values = true, value_name = "URL")]
    dsn: String,

    /// The snapshot to read in: what `pg_export_snapshot()` gave to the session that makes the
    /// backup (`pg_dump --snapshot`). Of one database.
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,

    /// Globs of databases [default: the one that the connection string names].
    #[arg(long, value_name = "GLOB", num_args = 1.., value_parser = glob)]
    databases: Vec<String>,

    /// Where to write the baseline, see docs/baseline.md; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = settings::STANDARD_OUTPUT)]
    output: Utf8PathBuf,

    /// How long one statement may take on the server.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration_of)]
    statement_timeout: Duration,

    /// Sessions that read tables at the same time, all in one snapshot.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

fn glob(text: &str) -> Result<String, String> {
    Pattern::new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(super) fn run(command: &FingerprintCommand) -> ExitCode {
    let request = FingerprintRequest {
        dsn: command.dsn.clone(),
        snapshot: command.snapshot.clone(),
        databases: command.databases.clone(),
        statement_timeout: command.statement_timeout,
        jobs: command.jobs.into(),
    };
    let Some(runtime) = settings::runtime() else { return ExitCode::Errored };
    let variables = |name: &str| std::env::var(name).ok();
    let taken = match runtime.block_on(fingerprint(&request, &variables)) {
        Ok(taken) => taken,
        Err(error) => return refuse(&error),
    };
    let text = match taken.to_json() {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("error: cannot write the baseline as JSON: {error}"));
            return ExitCode::Internal;
        }
    };
    if command.output == settings::STANDARD_OUTPUT {
        say(text.trim_end());
        return ExitCode::Success;
    }
    if let Err(finding) = report::write(&command.output, text.as_bytes()) {
        complain_of(&finding);
        return ExitCode::Errored;
    }
    let tables: usize = taken.databases.iter().map(|database| database.tables.len()).sum();
    complain(&format!(
        "✓ {}, {} of PostgreSQL {}: {}",
        counted(taken.databases.len(), "database"),
        counted(tables, "table"),
        one_line(&taken.server_version, 60),
        command.output
    ));
    ExitCode::Success
}

fn refuse(error: &FingerprintError) -> ExitCode {
    match error {
        FingerprintError::Usage(message) => {
            complain(&format!("error: {message}"));
            ExitCode::Usage
        }
        FingerprintError::Login(failure) => {
            complain_at_length(format!("error: {failure}").trim_end());
            ExitCode::Errored
        }
        FingerprintError::Refused { database, cause, step } => {
            complain_at_length(&format!(
                "error: no baseline of database `{}`: {cause}\n\n  1. {step}",
                one_line(database, 100)
            ));
            ExitCode::Errored
        }
    }
}
