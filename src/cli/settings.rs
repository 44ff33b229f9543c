//! Options that several commands share, each also an environment variable, and the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use camino::Utf8PathBuf;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::console::{ProgressChoice, Style, complain};
use crate::engine::RunOptions;
use crate::report::ReportPaths;
use crate::scenario::{EngineChoice, PullPolicy};

/// How to run, whatever is run.
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) engine: EngineArgs,

    #[command(flatten)]
    pub(super) reports: ReportArgs,
}

/// What to restore with.
#[derive(Debug, Clone, Args)]
pub(super) struct EngineArgs {
    /// Engine of the throwaway server.
    #[arg(long, env = "PGDRILL_ENGINE", value_enum, value_name = "ENGINE")]
    pub(super) engine: Option<EngineChoice>,

    /// Docker image; `{major}` stands for the backup's major version [default: postgres:{major}].
    #[arg(long, env = "PGDRILL_IMAGE", value_name = "IMAGE")]
    pub(super) image: Option<String>,

    /// When the image is pulled [default: missing].
    #[arg(long, env = "PGDRILL_PULL", value_enum, value_name = "WHEN")]
    pub(super) pull: Option<PullPolicy>,

    /// Folder of PostgreSQL server programs for the local engine.
    #[arg(long, env = "PGDRILL_PG_BINDIR", value_name = "DIR")]
    pub(super) pg_bindir: Option<PathBuf>,

    /// Let the local engine run without kernel namespaces where they are not allowed: the dump's
    /// SQL can then do what your account can.
    #[arg(long, env = "PGDRILL_TRUST_DUMP")]
    pub(super) trust_dump: bool,

    /// Parallel jobs of one `pg_restore` [default: number of cores, at most 4].
    #[arg(long, env = "PGDRILL_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) jobs: Option<u16>,
}

/// Where results go.
#[derive(Debug, Clone, Args)]
pub(super) struct ReportArgs {
    /// Write a JUnit report.
    #[arg(long, env = "PGDRILL_JUNIT", value_name = "FILE")]
    pub(super) junit: Option<Utf8PathBuf>,

    /// Write a JSON report.
    #[arg(long, env = "PGDRILL_JSON", value_name = "FILE")]
    pub(super) json: Option<Utf8PathBuf>,

    /// How progress is shown on standard error.
    #[arg(long, env = "PGDRILL_PROGRESS", value_enum, default_value_t, value_name = "HOW")]
    pub(super) progress: ProgressChoice,
}

impl ReportArgs {
    pub(super) fn paths(&self) -> ReportPaths {
        ReportPaths { junit: self.junit.clone(), json: self.json.clone() }
    }
}

impl RunArgs {
    pub(super) fn options(&self) -> RunOptions {
        self.engine.options()
    }
}

impl EngineArgs {
    pub(super) fn options(&self) -> RunOptions {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        RunOptions {
            run_id: new_run_id(),
            home: home(),
            engine: self.engine,
            image: self.image.clone(),
            pull: self.pull,
            pg_bindir: self.pg_bindir.clone(),
            trust_dump: self.trust_dump,
            jobs: self.jobs.map_or(cores.min(4), usize::from),
        }
    }
}

/// `20260130t021011-3f9a1c`: sorts by time, and is unique.
fn new_run_id() -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    format!("{}-{}", now.strftime("%Y%m%dt%H%M%S"), crate::random::hex(3))
}

/// An environment variable, for what scenarios fill in.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Where pgdrill keeps what outlives a run.
pub(super) fn home() -> PathBuf {
    let from =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("PGDRILL_HOME")
        .or_else(|| from("XDG_STATE_HOME").map(|state| state.join("pgdrill")))
        .or_else(|| from("HOME").map(|home| home.join(".local/state/pgdrill")))
        .unwrap_or_else(|| std::env::temp_dir().join(".pgdrill-state"))
}

/// Who or what started the run, for the report.
pub(super) fn trigger() -> String {
    // GitLab, Jenkins, GitHub: each names its job by an address or a number.
    for name in ["CI_JOB_URL", "BUILD_URL", "GITHUB_RUN_ID"] {
        if let Ok(value) = std::env::var(name)
            && !value.is_empty()
        {
            return format!("{name}={value}");
        }
    }
    "command line".to_owned()
}

pub(super) fn style() -> Style {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style::detect(no_color)
}

/// The threads that a command runs on; `None`, and a word about it, where there can be none.
pub(super) fn runtime() -> Option<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.inspect_err(|error| complain(&format!("error: cannot start threads: {error}"))).ok()
}

/// Diagnostics of our own go to standard error, and only where `RUST_LOG` asks for them.
pub(super) fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}
