//! Options that several commands share, each also an environment variable, and the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use camino::Utf8PathBuf;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::console::{ProgressChoice, Style, complain};
use crate::engine::RunOptions;
use crate::report::ReportPaths;
use crate::scenario::{ContentMode, EngineChoice, KeyChoice, PullPolicy, Scenario, image_fault};

/// The path that stands for standard output.
pub(super) const STANDARD_OUTPUT: &str = "-";

/// How to run, whatever is run.
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) engine: EngineArgs,

    #[command(flatten)]
    pub(super) reports: ReportArgs,
}

/// How to open an encrypted backup.
#[derive(Debug, Clone)]
pub(super) struct KeyArgs(Option<KeyChoice>);

/// The same as it is typed.
#[derive(Debug, Args)]
struct TypedKeyArgs {
    /// File with the key of an encrypted backup: 32 bytes, or those in base64.
    #[arg(long, env = "PGDRILL_DECRYPT_KEY_FILE", hide_env_values = true, value_name = "FILE")]
    decrypt_key_file: Option<Utf8PathBuf>,

    /// Name of the environment variable that holds the key, in base64.
    #[arg(long, env = "PGDRILL_DECRYPT_KEY_ENV", hide_env_values = true, value_name = "NAME")]
    decrypt_key_env: Option<String>,
}

impl Args for KeyArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        TypedKeyArgs::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        TypedKeyArgs::augment_args_for_update(command)
    }
}

/// By hand, as clap takes a variable of the environment for an option that was typed: what is set
/// for all calls would make an option of one call wrong.
impl FromArgMatches for KeyArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let (typed_file, typed_name) = (is_typed("decrypt_key_file"), is_typed("decrypt_key_env"));
        let typed = TypedKeyArgs::from_arg_matches(matches)?;
        let wrong = |kind, message: String| Err(clap::Error::raw(kind, message + "\n"));
        let choice = match (typed.decrypt_key_file, typed.decrypt_key_env) {
            (None, None) => None,
            (Some(file), name) if name.is_none() || typed_file && !typed_name => {
                if file.as_str().is_empty() {
                    let message = "--decrypt-key-file names no file: it is empty";
                    return wrong(ErrorKind::InvalidValue, message.to_owned());
                }
                Some(KeyChoice::File(file))
            }
            (file, Some(name)) if file.is_none() || typed_name && !typed_file => {
                // What is in one could be the key itself, and is not shown.
                if !is_variable(&name) {
                    let message = "--decrypt-key-env takes the name of a variable, without a `$` \
                        and without its value: letters, digits and _";
                    return wrong(ErrorKind::InvalidValue, message.to_owned());
                }
                Some(KeyChoice::Variable(name))
            }
            _ => {
                let by = if typed_file { "" } else { ", by PGDRILL_DECRYPT_KEY_FILE and …_ENV" };
                let message = format!(
                    "the key is named twice{by}: give --decrypt-key-file or --decrypt-key-env"
                );
                return wrong(ErrorKind::ArgumentConflict, message);
            }
        };
        Ok(Self(choice))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl KeyArgs {
    pub(super) fn choice(&self) -> Option<KeyChoice> {
        self.0.clone()
    }

    /// What the command line says wins over what scenarios say.
    pub(super) fn apply(&self, scenarios: &mut [Scenario]) {
        if let Some(choice) = self.choice() {
            for scenario in scenarios {
                scenario.backup.decrypt = Some(choice.clone());
            }
        }
    }
}

/// What to compare.
#[derive(Debug, Clone, Args)]
pub(super) struct ContentArgs {
    /// Of how many restored tables the values are compared with the dump's, besides the number of
    /// rows: none, a seeded choice of up to 16 MiB or 5 % of each database, or all [default: what the
    /// scenario says, else sampled].
    #[arg(long, env = "PGDRILL_CONTENT", value_enum, value_name = "HOW")]
    content: Option<ContentMode>,
}

impl ContentArgs {
    /// What the command line says wins over what scenarios say.
    pub(super) fn apply(&self, scenarios: &mut [Scenario]) {
        if let Some(mode) = self.content {
            for scenario in scenarios {
                scenario.set_content(mode);
            }
        }
    }
}

/// What to restore with.
#[derive(Debug, Clone, Args)]
pub(super) struct EngineArgs {
    /// Engine of the throwaway server.
    #[arg(long, env = "PGDRILL_ENGINE", value_enum, value_name = "ENGINE")]
    pub(super) engine: Option<EngineChoice>,

    /// Docker image; `{major}` stands for the backup's major version [default: postgres:{major}].
    #[arg(long, env = "PGDRILL_IMAGE", value_name = "IMAGE", value_parser = image)]
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
    /// Write a JUnit report; `-` is standard output, and what people read goes to standard error.
    #[arg(long, env = "PGDRILL_JUNIT", value_name = "FILE")]
    pub(super) junit: Option<Utf8PathBuf>,

    /// Write a JSON report; `-` as above.
    #[arg(long, env = "PGDRILL_JSON", value_name = "FILE")]
    pub(super) json: Option<Utf8PathBuf>,

    /// How progress is shown on standard error.
    #[arg(long, env = "PGDRILL_PROGRESS", value_enum, default_value_t, value_name = "HOW")]
    pub(super) progress: ProgressChoice,
}

/// The reference of an image, for the command line.
fn image(text: &str) -> Result<String, String> {
    match image_fault(text) {
        None => Ok(text.to_owned()),
        Some(fault) => Err(format!(
            "it {fault}; an image is [HOST[:PORT]/]NAME[:TAG][@DIGEST], such as postgres:{{major}}"
        )),
    }
}

/// The report that goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streamed {
    None,
    Junit,
    Json,
    /// Both would, which nobody can read.
    Both,
}

impl ReportArgs {
    /// The reports that go to files.
    pub(super) fn paths(&self) -> ReportPaths {
        let file = |path: &Option<Utf8PathBuf>| path.clone().filter(|path| path != STANDARD_OUTPUT);
        ReportPaths { junit: file(&self.junit), json: file(&self.json) }
    }

    pub(super) fn streamed(&self) -> Streamed {
        let is_streamed =
            |path: &Option<Utf8PathBuf>| path.as_ref().is_some_and(|path| path == STANDARD_OUTPUT);
        match (is_streamed(&self.junit), is_streamed(&self.json)) {
            (false, false) => Streamed::None,
            (true, false) => Streamed::Junit,
            (false, true) => Streamed::Json,
            (true, true) => Streamed::Both,
        }
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
            clock: Timestamp::now,
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

/// Where `inspect` remembers what it has read; `None` where this account has no folder of its own.
pub(super) fn cache() -> Option<PathBuf> {
    let from =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("PGDRILL_HOME")
        .map(|home| home.join("cache"))
        .or_else(|| from("XDG_CACHE_HOME").map(|cache| cache.join("pgdrill")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/pgdrill")))
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
