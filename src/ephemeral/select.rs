//! Which engine runs the server, and why.

use std::path::PathBuf;

use jiff::Timestamp;
use testcontainers::GenericImage;
use testcontainers::ImageExt as _;
use testcontainers::runners::AsyncRunner as _;

use super::daemon::{Daemon, Image};
use super::ledger::Ledger;
use super::local::{self, Binaries, LocalSpec};
use super::sandbox::{EngineKind, Sandbox, SandboxIdentity};
use super::{EphemeralError, docker};
use crate::scenario::{EngineChoice, ImageChoice, Limits, PullPolicy, image_for};

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
    /// What is known of the sandbox before it is made.
    pub(crate) fn identity(&self) -> SandboxIdentity {
        match &self.means {
            Means::Docker { image, .. } => SandboxIdentity {
                image: Some(self.source.clone()),
                image_digest: Some(image.digest.clone().unwrap_or_else(|| image.id.clone())),
                bindir: None,
            },
            Means::Local { .. } => {
                SandboxIdentity { bindir: Some(self.source.clone()), ..SandboxIdentity::default() }
            }
        }
    }

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
/// When no engine that the request allows can run; with `auto` the message names both causes, if
/// local programs could have taken Docker's place.
pub async fn select(request: &EngineRequest) -> Result<Selected, EphemeralError> {
    match request.choice {
        EngineChoice::Docker => docker_engine(request, "asked for").await,
        EngineChoice::Local => local_engine(request, "asked for"),
        EngineChoice::Auto => {
            match docker_engine(request, "a Docker daemon answers and has the image").await {
                Ok(selected) => Ok(selected),
                Err(error) => instead_of_docker(request, error),
            }
        }
    }
}

/// Local programs, where `auto` was asked for and Docker cannot for this reason.
///
/// # Errors
///
/// The reason itself, if a daemon answers and the request names an image: a restore with other
/// programs would answer another question (`docs/decisions.md`). Both causes, if there are no
/// local programs either.
pub(super) fn instead_of_docker(
    request: &EngineRequest,
    error: EphemeralError,
) -> Result<Selected, EphemeralError> {
    let has_daemon =
        !matches!(error, EphemeralError::NoDaemon { .. } | EphemeralError::Endpoint(_));
    if has_daemon && request.image.is_some() {
        return Err(error);
    }
    local_engine(request, &format!("Docker cannot: {error}")).map_err(|local| {
        EphemeralError::NoEngine { docker: Box::new(error), local: Box::new(local) }
    })
}

async fn docker_engine(request: &EngineRequest, reason: &str) -> Result<Selected, EphemeralError> {
    let daemon = Daemon::reach().await?;
    let reference = image_reference(request)?;
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
    let template = match &request.image {
        None => DEFAULT_IMAGE,
        Some(ImageChoice::Template(template)) => template,
        Some(ImageChoice::Map(images)) => {
            images.get(&request.major).ok_or_else(|| EphemeralError::ImageNotMapped {
                major: request.major,
                known: images.keys().map(u32::to_string).collect::<Vec<_>>().join(", "),
            })?
        }
    };
    Ok(image_for(template, request.major))
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
    let of_namespaces =
        [("sandbox.pids", limits.pids.is_some()), ("sandbox.shm", limits.shm.is_some())];
    let unheld = of_namespaces.into_iter().filter(|(_, is_set)| *is_set && !namespaced);
    limits.of_containers().into_iter().chain(unheld.map(|(key, _)| key)).next()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn request(image: Option<ImageChoice>) -> EngineRequest {
        EngineRequest {
            choice: EngineChoice::Auto,
            image,
            pull: PullPolicy::Never,
            major: 15,
            pg_bindir: Some(PathBuf::from("/nowhere")),
            trust_dump: false,
            limits: Limits::default(),
        }
    }

    #[test]
    fn who_names_an_image_gets_no_other_programs() {
        let named = request(Some(ImageChoice::Template("pg:15".to_owned())));
        let missing = || EphemeralError::ImageMissing { image: "pg:15".to_owned() };
        let failed =
            || EphemeralError::Docker { action: "inspect".to_owned(), cause: String::new() };
        let silent = || EphemeralError::NoDaemon {
            host: "unix:///nowhere".to_owned(),
            origin: String::new(),
            cause: String::new(),
        };
        let refused = |request: &EngineRequest, error| instead_of_docker(request, error).err();
        // That both engines were tried is told by the error that names both.
        let both =
            |error: Option<EphemeralError>| matches!(error, Some(EphemeralError::NoEngine { .. }));
        assert!(!both(refused(&named, missing())) && !both(refused(&named, failed())));
        assert!(both(refused(&named, silent())));
        assert!(both(refused(&request(None), missing())));
        assert!(both(refused(&request(None), failed())));
    }

    #[test]
    fn a_major_version_is_filled_in_in_every_image() {
        let map = BTreeMap::from([(15, "pg:{major}-x".to_owned())]);
        let mapped = request(Some(ImageChoice::Map(map.clone())));
        assert_eq!(image_reference(&mapped).unwrap(), "pg:15-x");
        assert_eq!(image_reference(&request(None)).unwrap(), "postgres:15");
        let other = EngineRequest { major: 16, ..mapped };
        let error = image_reference(&other).unwrap_err();
        assert!(matches!(error, EphemeralError::ImageNotMapped { major: 16, .. }), "{error}");
    }
}
