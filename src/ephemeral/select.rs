//! Which engine runs the server, and why.

use std::path::PathBuf;

use jiff::Timestamp;
use testcontainers::GenericImage;
use testcontainers::ImageExt as _;
use testcontainers::runners::AsyncRunner as _;

use super::daemon::{Daemon, Image};
use super::ledger::Ledger;
use super::local::{self, Binaries, LocalSpec};
use super::sandbox::{EngineKind, Sandbox};
use super::{EphemeralError, docker};
use crate::scenario::{EngineChoice, ImageChoice, Limits, PullPolicy};

/// The program that every sandbox runs first.
pub(super) const SERVER_SCRIPT: &str = include_str!("server.sh");
/// The image where nobody names another.
const DEFAULT_IMAGE: &str = "postgres:{major}";

/// What a user asks for.
#[derive(Debug, Clone)]
pub struct EngineRequest {
    /// The engine.
    pub choice: EngineChoice,
    /// The image.
    pub image: Option<ImageChoice>,
    /// When it is pulled.
    pub pull: PullPolicy,
    /// The major version that the backup needs at least.
    pub major: u32,
    /// A folder of PostgreSQL programs.
    pub pg_bindir: Option<PathBuf>,
    /// Whether to go without namespaces where the kernel does not allow them.
    pub trust_dump: bool,
    /// What the sandbox may use.
    pub limits: Limits,
}

/// The engine that was chosen.
pub struct Selected {
    /// Which.
    pub kind: EngineKind,
    /// The image's reference, or the folder of programs.
    pub source: String,
    /// Why this one, for the report.
    pub reason: String,
    means: Means,
}

enum Means {
    Docker { daemon: Box<Daemon>, image: Image },
    Local { binaries: Binaries, trust_dump: bool },
}

impl Selected {
    /// The version of local programs.
    pub(super) fn local_version(&self) -> Option<&str> {
        match &self.means {
            Means::Docker { .. } => None,
            Means::Local { binaries, .. } => Some(&binaries.version),
        }
    }
}

/// What a server is started with.
#[derive(Debug, Clone)]
pub(crate) struct StartRequest {
    pub(crate) run_id: String,
    pub(crate) scenario: String,
    /// Name of the bootstrap superuser.
    pub(crate) superuser: String,
    /// The major version that the backup needs at least.
    pub(crate) major: u32,
    /// What it may use.
    pub(crate) limits: Limits,
    /// Lines for `postgresql.conf`.
    pub(crate) settings: Vec<String>,
    pub(crate) expires_at: Timestamp,
}

/// Chooses an engine.
///
/// # Errors
///
/// When no engine that the request allows can run; with `auto` the message names both causes.
pub async fn select(request: &EngineRequest) -> Result<Selected, EphemeralError> {
    match request.choice {
        EngineChoice::Docker => docker_engine(request, "asked for").await,
        EngineChoice::Local => local_engine(request, "asked for"),
        EngineChoice::Auto => {
            let error =
                match docker_engine(request, "a Docker daemon answers and has the image").await {
                    Ok(selected) => return Ok(selected),
                    Err(error) => error,
                };
            match local_engine(request, &format!("Docker cannot: {error}")) {
                Ok(selected) => Ok(selected),
                Err(local) => Err(neither(error, local)),
            }
        }
    }
}

/// No engine can run, for these two reasons.
pub(super) fn neither(docker: EphemeralError, local: EphemeralError) -> EphemeralError {
    EphemeralError::NoEngine { docker: Box::new(docker), local: Box::new(local) }
}

async fn docker_engine(request: &EngineRequest, reason: &str) -> Result<Selected, EphemeralError> {
    let reference = image_reference(request)?;
    let daemon = Daemon::reach().await?;
    let image = match (daemon.image(&reference).await?, request.pull) {
        (Some(image), PullPolicy::Missing | PullPolicy::Never) => image,
        (None, PullPolicy::Never) => {
            return Err(EphemeralError::ImageMissing { image: reference });
        }
        (there, PullPolicy::Missing | PullPolicy::Always) => {
            pulled(&daemon, &reference, there.is_some()).await?
        }
    };
    Ok(Selected {
        kind: EngineKind::Docker,
        source: reference,
        reason: reason.to_owned(),
        means: Means::Docker { daemon: Box::new(daemon), image },
    })
}

/// The image for the major version that is needed.
pub(super) fn image_reference(request: &EngineRequest) -> Result<String, EphemeralError> {
    let major = request.major.to_string();
    match &request.image {
        None => Ok(DEFAULT_IMAGE.replace("{major}", &major)),
        Some(ImageChoice::Template(template)) => Ok(template.replace("{major}", &major)),
        Some(ImageChoice::Map(images)) => {
            images.get(&request.major).cloned().ok_or_else(|| EphemeralError::ImageNotMapped {
                major: request.major,
                known: images.keys().map(u32::to_string).collect::<Vec<_>>().join(", "),
            })
        }
    }
}

async fn pulled(daemon: &Daemon, reference: &str, is_there: bool) -> Result<Image, EphemeralError> {
    let not_pulled = |cause: String| EphemeralError::ImageNotPulled {
        image: reference.to_owned(),
        is_there,
        cause,
    };
    let (name, tag) = docker::name_and_tag(reference);
    let pulled = GenericImage::new(name, tag).with_user("postgres").pull_image().await;
    drop(pulled.map_err(|error| not_pulled(error.to_string()))?);
    daemon
        .image(reference)
        .await?
        .ok_or_else(|| not_pulled("it is not there after the pull".to_owned()))
}

pub(super) fn local_engine(
    request: &EngineRequest,
    reason: &str,
) -> Result<Selected, EphemeralError> {
    let binaries = local::find_binaries(request.pg_bindir.as_deref(), request.major)?;
    local::check_account()?;
    let namespaced = match local::namespaces_allowed() {
        Err(EphemeralError::NoNamespaces { .. }) if request.trust_dump => false,
        allowed => allowed.map(|()| true)?,
    };
    if let Some(key) = unenforceable(&request.limits, namespaced) {
        return Err(EphemeralError::LimitUnenforceable {
            key,
            cause: "the local engine has no control group of its own, as a container has"
                .to_owned(),
        });
    }
    Ok(Selected {
        kind: EngineKind::Local,
        source: binaries.bindir.display().to_string(),
        reason: reason.to_owned(),
        means: Means::Local { binaries, trust_dump: request.trust_dump },
    })
}

/// A limit that the local engine cannot hold: refused, because one that is ignored is worse.
fn unenforceable(limits: &Limits, namespaced: bool) -> Option<&'static str> {
    [
        ("sandbox.memory", limits.memory.is_some()),
        ("sandbox.cpus", limits.cpus.is_some()),
        ("sandbox.disk", limits.disk.is_some()),
        ("sandbox.pids", limits.pids.is_some() && !namespaced),
        ("sandbox.shm", limits.shm.is_some() && !namespaced),
    ]
    .into_iter()
    .find_map(|(key, is_set)| is_set.then_some(key))
}

/// Starts the server's sandbox. The server may not accept sessions yet.
pub(crate) async fn start(
    selected: &Selected,
    request: StartRequest,
    ledger: &Ledger,
) -> Result<Box<dyn Sandbox>, EphemeralError> {
    match &selected.means {
        Means::Docker { daemon, image } => {
            let started = docker::start(daemon, &selected.source, image, &request, ledger).await?;
            Ok(Box::new(started))
        }
        Means::Local { binaries, trust_dump } => {
            let bindir = binaries.bindir.display().to_string();
            let mut args = vec![bindir, request.major.to_string(), request.superuser];
            args.extend(request.settings);
            let spec = LocalSpec {
                binaries: binaries.clone(),
                trust_dump: *trust_dump,
                temp_dir: None,
                script: SERVER_SCRIPT.to_owned(),
                args,
                run_id: request.run_id,
                scenario: request.scenario,
                expires_at: request.expires_at,
                limits: request.limits,
            };
            Ok(Box::new(local::start(spec, ledger).await?))
        }
    }
}
