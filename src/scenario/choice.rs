//! What a scenario chooses, one type for each of its sections.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8PathBuf;
use glob::Pattern;
use serde::{Deserialize, Serialize};

pub use crate::outcome::ExpectedVerdict;
use crate::text::ByteCount;

/// The thing under test.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupChoice {
    /// A file, a folder, or a glob of them.
    pub path: Utf8PathBuf,
    /// Which of several matches; `None`: there must be exactly one.
    pub pick: Option<Pick>,
    /// The SHA-256 that the file must have, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Where the key of an encrypted backup is.
    pub decrypt: Option<KeyChoice>,
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChoice {
    /// In this file.
    File(Utf8PathBuf),
    /// In the environment variable of this name.
    Variable(String),
}

/// Which of the files that a glob matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The one made last, by the time in its name or inside; never by the file system's times.
    Newest,
}

/// The server's version and image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PostgresChoice {
    /// The major version; `None`: the backup's.
    pub major: Option<u32>,
    /// The image; `None`: `postgres:{major}`.
    pub image: Option<ImageChoice>,
}

/// Which image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageChoice {
    /// One reference for all; `{major}` stands for the major version.
    Template(String),
    /// One reference for each major version, `{major}` in it as well.
    Map(BTreeMap<u32, String>),
}

/// Where the server runs, and within which bounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SandboxChoice {
    /// The engine; `None`: [`EngineChoice::Auto`].
    pub engine: Option<EngineChoice>,
    /// How isolated it must be, as observed; `None`: [`IsolationDemand::Full`].
    pub isolation: Option<IsolationDemand>,
    /// When an image is pulled; `None`: [`PullPolicy::Missing`].
    pub pull: Option<PullPolicy>,
    /// What it may use.
    pub limits: Limits,
}

/// The engine a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// Docker where a daemon answers and has or can pull the image, else local binaries; these too
    /// only without a daemon where an image is named.
    #[default]
    Auto,
    /// A container of a Docker daemon.
    Docker,
    /// This machine's own PostgreSQL binaries in kernel namespaces.
    Local,
}

/// How isolated a sandbox must be before a dump goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationDemand {
    /// Nothing of the machine can be reached from inside, see `docs/isolation.md`.
    #[default]
    Full,
    /// Whatever can be had: the dump is trusted.
    Trusted,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum PullPolicy {
    /// Never: the image must be on the daemon.
    Never,
    /// If the daemon does not have it.
    #[default]
    Missing,
    /// Before every run.
    Always,
}

/// What a sandbox may use. `None`: a default that depends on the machine, see `docs/isolation.md`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Memory of all processes together, their temporary file systems included.
    pub memory: Option<ByteCount>,
    /// Processor cores, in fractions.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Shared memory in `/dev/shm`.
    pub shm: Option<ByteCount>,
    /// Disk space, of staged dumps and restored databases together.
    pub disk: Option<ByteCount>,
}

impl Limits {
    /// The keys of those that are set and that only a container holds: the local engine has no
    /// control group of its own, and refuses them.
    pub fn of_containers(&self) -> Vec<&'static str> {
        [
            ("sandbox.memory", self.memory.is_some()),
            ("sandbox.cpus", self.cpus.is_some()),
            ("sandbox.disk", self.disk.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_set)| is_set.then_some(key))
        .collect()
    }
}

/// What is restored.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreChoice {
    /// Databases to restore, as globs.
    pub only: Vec<String>,
    /// Databases not to restore, as globs; wins over `only`.
    pub exclude: Vec<String>,
    /// What to do after a database that failed.
    pub on_error: OnError,
    /// How long everything from the start of the server to the last check may take.
    pub time_limit: Option<Duration>,
    /// Of how many tables values are compared, where no check `rows` says it.
    pub content: ContentMode,
    /// Not all of these databases, but a sample.
    pub sample: Option<DatabaseSample>,
}

/// A seeded choice of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseSample {
    /// How many.
    pub databases: u64,
    /// Another one chooses others; `None`: the backup decides.
    pub seed: Option<u64>,
}

impl DatabaseSample {
    /// How many where nobody says it.
    pub const DATABASES: u64 = 3;
}

impl Default for RestoreChoice {
    fn default() -> Self {
        Self {
            only: vec!["*".to_owned()],
            exclude: Vec::new(),
            on_error: OnError::default(),
            time_limit: None,
            content: ContentMode::default(),
            sample: None,
        }
    }
}

/// Of how many tables the values in rows are compared with those in the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, clap::ValueEnum)]
pub enum ContentMode {
    /// None: rows are counted.
    None,
    /// A seeded choice up to a part of the data.
    #[default]
    Sampled,
    /// All.
    All,
}

impl ContentMode {
    /// The name used in scenarios and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sampled => "sampled",
            Self::All => "all",
        }
    }
}

impl RestoreChoice {
    /// Which key leaves a database out, if one does.
    pub fn leaves_out(&self, database: &str) -> Option<&'static str> {
        let any = |globs: &[String]| {
            globs.iter().any(|glob| Pattern::new(glob).is_ok_and(|glob| glob.matches(database)))
        };
        if any(&self.exclude) {
            Some("exclude")
        } else if any(&self.only) || self.only.is_empty() {
            None
        } else {
            Some("only")
        }
    }
}

/// What to do after a database that could not be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Restore the others too.
    #[default]
    Continue,
    /// Leave the others out.
    Stop,
}

/// Where a scenario's own reports go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportChoice {
    /// JUnit.
    pub junit: Option<Utf8PathBuf>,
    /// JSON.
    pub json: Option<Utf8PathBuf>,
}
