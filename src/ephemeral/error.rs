//! Why a throwaway cluster could not be had or used. All of these are the surroundings' fault,
//! never the backup's.

use std::io;

use super::EndpointError;

/// An error of the surroundings: daemon, binaries, kernel, disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EphemeralError {
    /// No Docker daemon answers.
    #[error("no Docker daemon answers at `{host}`")]
    NoDaemon {
        /// Where it was looked for.
        host: String,
        /// What named that address.
        origin: String,
        /// The client's error.
        cause: String,
    },
    /// Nobody can say where the Docker daemon is.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No engine can run, for these two reasons.
    #[error("neither engine can run: {docker}; {local}")]
    NoEngine {
        /// Why not Docker.
        docker: Box<EphemeralError>,
        /// Why not local programs.
        local: Box<EphemeralError>,
    },
    /// The image is not there, and the pull policy is `never`.
    #[error(
        "image `{image}` is not on the Docker daemon, and the pull policy `never` forbids to pull it"
    )]
    ImageMissing {
        /// The image's reference.
        image: String,
    },
    /// The image could not be pulled.
    #[error(
        "image `{image}` could not be pulled, and {}",
        if *is_there { "the pull policy `always` does not take the one that the Docker daemon has" }
        else { "the Docker daemon does not have it" }
    )]
    ImageNotPulled {
        /// The image's reference.
        image: String,
        /// Whether the daemon has one of that name.
        is_there: bool,
        /// The daemon's words.
        cause: String,
    },
    /// The scenario's map of images has none for the version that is needed.
    #[error("`postgres.image` names no image for PostgreSQL {major}")]
    ImageNotMapped {
        /// The major version.
        major: u32,
        /// The versions that it names one for.
        known: String,
    },
    /// A request to the Docker daemon failed.
    #[error("the Docker daemon failed to {action}")]
    Docker {
        /// What was asked, as a verb phrase.
        action: String,
        /// The daemon's words.
        cause: String,
    },
    /// No PostgreSQL server programs of a fitting major version on this machine.
    #[error("no PostgreSQL {wanted} server programs on this machine")]
    NoBinaries {
        /// `15 or newer`, …
        wanted: String,
        /// What was found instead, for the message.
        found: String,
    },
    /// The kernel or a missing program does not let us make namespaces.
    #[error("this machine does not allow the namespaces that isolate a dump")]
    NoNamespaces {
        /// The kernel's or the program's words.
        cause: String,
    },
    /// The scenario sets a limit that the engine cannot hold.
    #[error("this engine cannot hold the limit `{key}`")]
    LimitUnenforceable {
        /// The scenario's key.
        key: &'static str,
        /// Why not.
        cause: String,
    },
    /// The local engine would have to run as an account it must not use.
    #[error("the local engine must not run as account `{account}`")]
    ForbiddenAccount {
        /// The account's name.
        account: String,
    },
    /// A folder or file of ours could not be used.
    #[error("failed to {action} `{path}`")]
    Folder {
        /// A verb: `create`, `write`, …
        action: &'static str,
        /// The path.
        path: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The server did not start.
    #[error("the throwaway PostgreSQL server did not start{}", in_image(image.as_deref()))]
    ServerNotStarted {
        /// The image, on the Docker engine.
        image: Option<String>,
        /// The last lines of initdb or the server.
        last_lines: String,
    },
    /// The server ended while it was needed.
    #[error("the throwaway PostgreSQL server ended")]
    ServerEnded {
        /// Its last lines.
        last_lines: String,
        /// Whether the kernel killed it for memory.
        out_of_memory: bool,
    },
    /// A program could not be run inside the sandbox.
    #[error("failed to run `{program}` inside the sandbox")]
    Exec {
        /// The program.
        program: String,
        /// The engine's words.
        cause: String,
    },
    /// The server refused a session or lost one.
    #[error("failed to {action}")]
    Session {
        /// What was tried.
        action: String,
        /// The server's or the protocol's words.
        cause: String,
    },
}

/// A server's last lines without what every server says when its log begins.
fn telling(last_lines: &str) -> String {
    let is_routine = |line: &&str| {
        ["redirecting log output to", "ending log output to", "Future log output will"]
            .iter()
            .any(|words| line.contains(words))
    };
    last_lines.lines().filter(|line| !is_routine(line)).collect::<Vec<_>>().join("\n")
}

impl EphemeralError {
    /// What lies behind the message: the daemon's, the kernel's or the server's own words.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::NoDaemon { cause, origin, .. } => {
                Some(format!("{cause} (the address is from: {origin})"))
            }
            Self::Endpoint(error) => error.cause(),
            Self::ImageNotPulled { cause, .. }
            | Self::Docker { cause, .. }
            | Self::NoNamespaces { cause }
            | Self::LimitUnenforceable { cause, .. }
            | Self::Exec { cause, .. }
            | Self::Session { cause, .. } => Some(cause.clone()),
            Self::NoBinaries { found, .. } => Some(found.clone()),
            Self::ImageNotMapped { known, .. } => Some(format!("it names images for {known}")),
            Self::Folder { source, .. } => Some(source.to_string()),
            Self::ServerNotStarted { last_lines, .. } | Self::ServerEnded { last_lines, .. } => {
                Some(telling(last_lines)).filter(|lines| !lines.is_empty())
            }
            Self::ForbiddenAccount { .. } | Self::ImageMissing { .. } => None,
            Self::NoEngine { docker, local } => {
                let causes: Vec<String> =
                    [docker, local].into_iter().filter_map(|error| error.cause()).collect();
                Some(causes.join("; "))
            }
        }
    }

    /// What to do next, where this error knows more than its finding's code.
    pub fn next_step(&self) -> Option<String> {
        match self {
            Self::Endpoint(error) => Some(error.next_step()),
            Self::ImageMissing { .. } => Some(
                "Let pgdrill pull it: --pull missing (PGDRILL_PULL, or `sandbox.pull` in the scenario)."
                    .to_owned(),
            ),
            Self::ImageNotPulled { is_there: true, .. } => Some(
                "Go without the registry: --pull missing (PGDRILL_PULL, or `sandbox.pull` in the scenario)."
                    .to_owned(),
            ),
            Self::NoEngine { docker, .. } => docker.next_step(),
            _ => None,
        }
    }

    /// The finding that this error becomes.
    pub fn finding(&self) -> crate::finding::Finding {
        let mut finding = crate::finding::Finding::new(self.code(), self.to_string());
        finding.cause = self.cause().map(|cause| crate::text::one_line(&cause, 1_000));
        match self.next_step() {
            Some(step) => finding.first_try(step),
            None => finding,
        }
    }

    /// The finding's code that this error becomes.
    pub fn code(&self) -> crate::finding::FindingCode {
        use crate::finding::FindingCode as Code;
        match self {
            Self::NoDaemon { .. }
            | Self::Endpoint(_)
            | Self::NoBinaries { .. }
            | Self::NoEngine { .. } => Code::EngineUnavailable,
            Self::ImageMissing { .. }
            | Self::ImageNotPulled { .. }
            | Self::ImageNotMapped { .. } => Code::ImageUnavailable,
            Self::NoNamespaces { .. } | Self::ForbiddenAccount { .. } => Code::IsolationUnavailable,
            Self::LimitUnenforceable { .. } => Code::LimitUnenforceable,
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Code::DiskFull
            }
            Self::ServerNotStarted { last_lines, .. } | Self::ServerEnded { last_lines, .. }
                if last_lines.contains("No space left on device") =>
            {
                Code::DiskFull
            }
            Self::ServerEnded { out_of_memory: true, .. } => Code::OutOfMemory,
            Self::ServerEnded { .. } | Self::Session { .. } | Self::Exec { .. } => {
                Code::ServerEnded
            }
            Self::Folder { .. } => Code::FolderUnusable,
            Self::ServerNotStarted { .. } | Self::Docker { .. } => Code::ClusterNotStarted,
        }
    }
}

fn in_image(image: Option<&str>) -> String {
    image.map(|image| format!(" in image `{image}`")).unwrap_or_default()
}
