//! What an engine has to offer: run a program, open a connection, tell how isolated it is, vanish.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::EphemeralError;

/// A future that a trait object can return.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection to the server, whatever it is made of.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// The engine a cluster runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// A container of a Docker daemon.
    Docker,
    /// This machine's own PostgreSQL binaries.
    Local,
}

impl EngineKind {
    /// The name used in scenarios, options and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Local => "local",
        }
    }
}

/// What kind of isolation was observed once the sandbox ran, not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Isolation {
    /// `container`, `namespaces` or `none` (local engine with `--trust-dump`).
    pub boundary: String,
    /// Whether the sandbox has no way to any network but its own loopback.
    pub network_isolated: bool,
    /// Observed facts, one each: `network=none`, `capabilities=none`, `uid=61712`, …
    pub facts: Vec<String>,
    /// What should isolate and was not observed, one fact each; empty = fully isolated.
    pub missing: Vec<String>,
}

/// What a scenario calls a limit, and in which unit it stands in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKey {
    /// Bytes of memory.
    Memory,
    /// Billionths of a processor core.
    NanoCpus,
    /// Processes and threads.
    Pids,
    /// Bytes of shared memory.
    Shm,
    /// Bytes on disk.
    Disk,
}

impl LimitKey {
    /// The scenario's key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "sandbox.memory",
            Self::NanoCpus => "sandbox.cpus",
            Self::Pids => "sandbox.pids",
            Self::Shm => "sandbox.shm",
            Self::Disk => "sandbox.disk",
        }
    }
}

/// How a limit is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// By the kernel.
    Enforced,
    /// By looking again and again, so for a moment more may be used.
    Watched,
}

/// A limit of a running sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldLimit {
    /// Which.
    pub key: LimitKey,
    /// How much, in the key's unit.
    pub value: u64,
    /// How it is held.
    pub held: Held,
}

/// Whether limits have been reached. What cannot be seen counts as not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressure {
    /// Processes that the kernel has killed for memory.
    pub memory_kills: u64,
    /// New processes that the kernel has refused.
    pub forks_refused: u64,
    /// Whether the machine itself is about to run out of memory.
    pub machine_memory_low: bool,
}

/// A process of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenProcess {
    /// Its number, as seen from outside.
    pub pid: u64,
    /// Its parent's; one that came in from outside has a parent that is not in the sandbox.
    pub parent: u64,
    /// What it runs, without its folder; the process may have changed it.
    pub name: String,
}

/// What a sandbox takes of its disk; `None` where that cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// Bytes in use by the sandbox.
    pub used: Option<u64>,
    /// Bytes that are left on the disk below it.
    pub free: Option<u64>,
}

/// Which sandbox runs the server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SandboxIdentity {
    /// The image's reference; `None` on the local engine.
    pub image: Option<String>,
    /// The image's content digest (its id where it has no registry digest).
    pub image_digest: Option<String>,
    /// The folder of the server's programs inside the sandbox, once known.
    pub bindir: Option<String>,
}

/// What became of a removal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// What could still be observed afterwards; empty = nothing was left.
    pub leftovers: Vec<String>,
}

/// A program to run inside a sandbox. No shell is involved unless `argv` names one.
#[derive(Debug, Clone)]
pub(crate) struct ExecCommand {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Whether the program reads from [`Exec::stdin`]; otherwise it sees an empty input.
    pub(crate) stdin: bool,
}

impl ExecCommand {
    pub(crate) fn new<I, S>(argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self { argv: argv.into_iter().map(Into::into).collect(), env: Vec::new(), stdin: false }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with_stdin(mut self) -> Self {
        self.stdin = true;
        self
    }
}

/// A piece of a program's output.
#[derive(Debug)]
pub(crate) enum ExecOutput {
    Stdout(Bytes),
    Stderr(Bytes),
}

/// A program running inside a sandbox.
///
/// `output` must be drained, or the program blocks. It ends when both streams have ended. Dropping
/// an `Exec` does not end the program: the sandbox's removal does.
pub(crate) struct Exec {
    /// Shut down (or dropped) it becomes the program's end of input.
    pub(crate) stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    pub(crate) output: mpsc::Receiver<ExecOutput>,
    /// The exit status, to be awaited after `output` has ended; 128 + n where signal n ended it.
    pub(crate) exit: BoxFuture<'static, Result<i64, EphemeralError>>,
}

/// Whether the sandbox's first program (the server) still runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SandboxState {
    Running,
    /// It ended; the last lines it printed and whether the kernel killed it for memory.
    Ended {
        last_lines: String,
        out_of_memory: bool,
    },
}

/// A place where untrusted programs run. See the module's documentation.
pub(crate) trait Sandbox: Send + Sync {
    /// The folder inside the sandbox that belongs to us and is writable by the server's account.
    fn work_dir(&self) -> &str;

    fn identity(&self) -> SandboxIdentity;

    /// Observes the isolation of the running sandbox.
    fn isolation(&self) -> BoxFuture<'_, Result<Isolation, EphemeralError>>;

    /// What it may use.
    fn limits(&self) -> Vec<HeldLimit>;

    /// Whether limits have been reached. Quick: is asked several times a second.
    fn pressure(&self) -> BoxFuture<'_, Pressure>;

    /// The processes that run in it now; none where they cannot be seen.
    fn processes(&self) -> BoxFuture<'_, Vec<SeenProcess>>;

    /// What it takes of its disk. May take a while: every file is looked at.
    fn disk(&self) -> BoxFuture<'_, DiskUse>;

    /// Starts a program as the server's account.
    fn exec(&self, command: ExecCommand) -> BoxFuture<'_, Result<Exec, EphemeralError>>;

    /// Opens a byte stream to the server that listens on `$work_dir/sock/.s.PGSQL.5432` and on
    /// 127.0.0.1:5432 inside the sandbox.
    fn dial(&self) -> BoxFuture<'_, Result<Box<dyn ByteStream>, EphemeralError>>;

    fn state(&self) -> BoxFuture<'_, Result<SandboxState, EphemeralError>>;

    /// Ends every process, removes everything and looks whether it is gone. May be called again.
    fn remove(&self) -> BoxFuture<'_, Removal>;
}
