//! The Docker daemon: reaching it, its images, its containers of ours.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::ContainerInspectResponse;
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::EphemeralError;
use super::endpoint::{self, Endpoint};
use super::sandbox::Removal;

/// Labels of everything we create.
pub(super) const LABEL_TOOL: &str = "pgdrill.tool";
pub(super) const LABEL_RUN: &str = "pgdrill.run";
pub(super) const LABEL_SCENARIO: &str = "pgdrill.scenario";
pub(super) const LABEL_OWNER: &str = "pgdrill.owner";
pub(super) const LABEL_EXPIRES: &str = "pgdrill.expires";

/// The client's limit holds for a whole request, the body of an upload included: a dump that takes
/// an hour to go in must not be cut after the usual two minutes.
const REQUEST_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// A daemon that does not answer a ping in this time does not answer.
const PING_LIMIT: Duration = Duration::from_secs(10);

/// A daemon that answers.
#[derive(Clone)]
pub(super) struct Daemon {
    pub(super) client: Docker,
    pub(super) host: String,
}

/// An image as the daemon knows it.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) id: String,
    /// `NAME@sha256:…` by which the registry knows it; none for an image that was built here.
    pub(super) digest: Option<String>,
    pub(super) volumes: Vec<String>,
}

/// A container that carries our labels.
#[derive(Debug)]
pub(super) struct OurContainer {
    pub(super) name: String,
    pub(super) labels: HashMap<String, String>,
    pub(super) created_at: Option<Timestamp>,
}

impl Daemon {
    /// Reaches the daemon that the docker command would use; testcontainers uses it too.
    pub(super) async fn reach() -> Result<Self, EphemeralError> {
        let Endpoint { host, origin, .. } = endpoint::of_this_process()?;
        let no_daemon = |cause: String| EphemeralError::NoDaemon {
            host: host.clone(),
            origin: origin.clone(),
            cause,
        };
        let client = testcontainers::core::client::docker_client_instance()
            .await
            .map_err(|error| no_daemon(error.to_string()))?;
        let ping = async {
            // The newest API version we know may be younger than the daemon.
            let client = client.negotiate_version().await?;
            client.ping().await?;
            Ok::<_, BollardError>(client)
        };
        let client = tokio::time::timeout(PING_LIMIT, ping)
            .await
            .map_err(|_| no_daemon("no answer in 10 s".to_owned()))?
            .map_err(|error| no_daemon(with_sources(&error)))?;
        Ok(Self { client: client.with_timeout(REQUEST_LIMIT), host })
    }

    /// Looks an image up; `None` where the daemon does not have it.
    pub(super) async fn image(&self, reference: &str) -> Result<Option<Image>, EphemeralError> {
        match self.client.inspect_image(reference).await {
            Ok(image) => {
                let config = image.config.unwrap_or_default();
                Ok(Some(Image {
                    id: image.id.unwrap_or_default(),
                    digest: digest_of(reference, &image.repo_digests.unwrap_or_default()),
                    volumes: config.volumes.unwrap_or_default(),
                }))
            }
            Err(BollardError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(Self::failed("inspect an image", &error)),
        }
    }

    /// Bytes of memory and number of cores that the daemon's machine has.
    pub(super) async fn memory_bytes(&self) -> Option<i64> {
        self.client.info().await.ok()?.mem_total
    }

    /// A container by name or id; `None` where there is none.
    pub(super) async fn container(
        &self,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, EphemeralError> {
        match self.client.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(container) => Ok(Some(container)),
            Err(BollardError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(Self::failed("inspect a container", &error)),
        }
    }

    /// Every container of ours, running or not.
    pub(super) async fn our_containers(&self) -> Result<Vec<OurContainer>, EphemeralError> {
        let filter = HashMap::from([("label".to_owned(), vec![format!("{LABEL_TOOL}=pgdrill")])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
        let found = self
            .client
            .list_containers(Some(options))
            .await
            .map_err(|error| Self::failed("list containers", &error))?;
        Ok(found
            .into_iter()
            .filter_map(|container| {
                Some(OurContainer {
                    name: container.names?.first()?.trim_start_matches('/').to_owned(),
                    labels: container.labels.unwrap_or_default(),
                    created_at: container.created.and_then(|at| Timestamp::from_second(at).ok()),
                })
            })
            .collect())
    }

    /// Removes a container and its volumes, and looks whether they are gone.
    pub(super) async fn remove(&self, name: &str) -> Removal {
        let mut leftovers = Vec::new();
        let volumes = self.volumes_of(name).await;
        for attempt in 0..20_u64 {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let asked = self.client.remove_container(name, Some(options)).await;
            match self.container(name).await {
                Ok(None) => break,
                Ok(Some(_)) if attempt < 19 => {
                    // "removal already in progress" and "device busy" go away by themselves.
                    tokio::time::sleep(Duration::from_millis(100 * (attempt + 1))).await;
                }
                Ok(Some(_)) => {
                    let cause = asked.err().map(|error| error.to_string()).unwrap_or_default();
                    leftovers.push(format!("container {name} {cause}").trim().to_owned());
                }
                Err(error) => {
                    leftovers.push(format!("container {name}: {error}"));
                    break;
                }
            }
        }
        for volume in volumes {
            match self.client.inspect_volume(&volume).await {
                Err(BollardError::DockerResponseServerError { status_code: 404, .. }) => {}
                Ok(_) | Err(_) => leftovers.push(format!("volume {volume}")),
            }
        }
        Removal { leftovers }
    }

    async fn volumes_of(&self, name: &str) -> Vec<String> {
        let Ok(Some(container)) = self.container(name).await else { return Vec::new() };
        container.mounts.unwrap_or_default().into_iter().filter_map(|mount| mount.name).collect()
    }

    fn failed(action: &str, error: &BollardError) -> EphemeralError {
        EphemeralError::Docker { action: action.to_owned(), cause: error.to_string() }
    }
}

/// The digest of the repository that `reference` names; an image may have come from several.
fn digest_of(reference: &str, digests: &[String]) -> Option<String> {
    let (name, _) = super::docker::name_and_tag(reference);
    let name = name.trim_end_matches("@sha256");
    let repository = |digest: &str| digest.split('@').next().unwrap_or_default().to_owned();
    let same = |digest: &&String| repository(digest) == name;
    // Podman writes the registry out that the docker command leaves away.
    let alike = |digest: &&String| repository(digest).ends_with(&format!("/{name}"));
    let found = digests.iter().find(same).or_else(|| digests.iter().find(alike));
    found.or(digests.first()).cloned()
}

/// An error with all that lies behind it: the outermost one says no more than "error trying to
/// connect".
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::digest_of;

    #[test]
    fn the_digest_is_that_of_the_repository_that_was_named() {
        let digests = || {
            vec!["mirror.example/postgres@sha256:aa".to_owned(), "postgres@sha256:bb".to_owned()]
        };
        assert_eq!(digest_of("postgres:15", &digests()).unwrap(), "postgres@sha256:bb");
        assert_eq!(digest_of("postgres@sha256:bb", &digests()).unwrap(), "postgres@sha256:bb");
        assert_eq!(
            digest_of("mirror.example/postgres:15", &digests()).unwrap(),
            "mirror.example/postgres@sha256:aa"
        );
        assert_eq!(
            digest_of("renamed:1", &digests()).unwrap(),
            "mirror.example/postgres@sha256:aa"
        );
        assert_eq!(digest_of("built:1", &[]), None);
    }
}
