//! Which engine would run the server, without a pull and without a start.

use super::daemon::Daemon;
use super::sandbox::{EngineKind, HeldLimit};
use super::select::{EngineRequest, Selected, image_reference, instead_of_docker, local_engine};
use super::{EphemeralError, docker, local};
use crate::scenario::{EngineChoice, PullPolicy};

/// What [`select`](super::select) would choose.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Which.
    pub kind: EngineKind,
    /// The image's reference, or the folder of programs.
    pub source: String,
    /// Why this one.
    pub reason: String,
    /// The content digest of the image that the daemon has (its id where it has none).
    pub image_digest: Option<String>,
    /// Whether the image would be pulled first; nobody knows whether that would succeed.
    pub would_pull: bool,
    /// The version of local programs; an image is only known by its reference.
    pub version: Option<String>,
    /// The limits that the sandbox would hold itself.
    pub limits: Vec<HeldLimit>,
}

/// Looks for an engine as [`select`](super::select) does. Changes nothing: an image that is not
/// there is not pulled.
///
/// # Errors
///
/// Those of [`select`](super::select), as far as they are known without a pull.
pub async fn look(request: &EngineRequest) -> Result<Looked, EphemeralError> {
    match request.choice {
        EngineChoice::Docker => at_docker(request, Some("asked for")).await,
        EngineChoice::Local => Ok(at_local(request, local_engine(request, "asked for")?)),
        EngineChoice::Auto => match at_docker(request, None).await {
            Ok(looked) => Ok(looked),
            Err(error) => Ok(at_local(request, instead_of_docker(request, error)?)),
        },
    }
}

async fn at_docker(
    request: &EngineRequest,
    reason: Option<&str>,
) -> Result<Looked, EphemeralError> {
    let daemon = Daemon::reach().await?;
    let source = image_reference(request)?;
    let there = daemon.image(&source).await?;
    if there.is_none() && request.pull == PullPolicy::Never {
        return Err(EphemeralError::ImageMissing { image: source });
    }
    let reason = reason.unwrap_or(if there.is_some() {
        "a Docker daemon answers and has the image"
    } else if request.image.is_some() {
        "a Docker daemon answers, and an image is named"
    } else {
        "a Docker daemon answers; local programs only if the image cannot be pulled"
    });
    Ok(Looked {
        kind: EngineKind::Docker,
        source,
        reason: reason.to_owned(),
        would_pull: there.is_none() || request.pull == PullPolicy::Always,
        image_digest: there.map(|image| image.digest.unwrap_or(image.id)),
        version: None,
        limits: docker::limits_of(&request.limits, daemon.memory_bytes().await),
    })
}

fn at_local(request: &EngineRequest, selected: Selected) -> Looked {
    let namespaced = local::namespaces_allowed().is_ok();
    Looked {
        kind: selected.kind,
        version: selected.local_version().map(str::to_owned),
        source: selected.source,
        reason: selected.reason,
        image_digest: None,
        would_pull: false,
        limits: local::limits_of(&request.limits, namespaced),
    }
}
