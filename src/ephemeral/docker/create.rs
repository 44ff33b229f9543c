//! Creating the container: what it may see and use is said here, in one place.

use std::collections::HashMap;

use jiff::Timestamp;
use testcontainers::bollard::models::HostConfig;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};
use tokio::sync::Mutex;

use super::{DockerSandbox, WORK_DIR};
use crate::ephemeral::EphemeralError;
use crate::ephemeral::daemon::{
    Daemon, Image, LABEL_EXPIRES, LABEL_OWNER, LABEL_RUN, LABEL_SCENARIO, LABEL_TOOL,
};
use crate::ephemeral::ledger::{Entry, Ledger, Owner, Resource};
use crate::ephemeral::sandbox::{Held, HeldLimit, LimitKey, Sandbox as _};
use crate::ephemeral::select::{SERVER_SCRIPT, StartRequest};
use crate::scenario::Limits;
use crate::text::ByteCount;

/// The default of 64 MB makes parallel queries fail with SQLSTATE 53100.
const SHM_BYTES: i64 = 1024 * 1024 * 1024;
/// Far above what a restore needs, far below what a fork bomb does.
const PIDS_LIMIT: i64 = 1024;

/// Splits a reference as testcontainers wants it: it joins both parts with a colon again.
pub(in crate::ephemeral) fn name_and_tag(reference: &str) -> (String, String) {
    match reference.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (reference.to_owned(), "latest".to_owned()),
    }
}

pub(in crate::ephemeral) async fn start(
    daemon: &Daemon,
    reference: &str,
    image: &Image,
    request: &StartRequest,
    ledger: &Ledger,
) -> Result<DockerSandbox, EphemeralError> {
    let name = format!("pgdrill-{}-{}", request.run_id, crate::random::hex(3));
    let owner = Owner::this_process();
    let receipt = ledger.enter(&Entry {
        run_id: request.run_id.clone(),
        scenario: request.scenario.clone(),
        owner: owner.clone(),
        expires_at: request.expires_at,
        resource: Resource::Container { name: name.clone(), host: daemon.host.clone() },
    })?;
    let bounds = Bounds::of(&request.limits, daemon.memory_bytes().await);
    let sandbox = DockerSandbox {
        daemon: daemon.clone(),
        name,
        image: reference.to_owned(),
        digest: image.digest.clone().unwrap_or_else(|| image.id.clone()),
        receipt,
        bounds,
        container: Mutex::new(None),
        probe: Mutex::default(),
    };
    match create(&sandbox, image, request, &owner, bounds).await {
        Ok(container) => {
            *sandbox.container.lock().await = Some(container);
            Ok(sandbox)
        }
        Err(error) => {
            sandbox.remove().await;
            Err(error)
        }
    }
}

async fn create(
    sandbox: &DockerSandbox,
    image: &Image,
    request: &StartRequest,
    owner: &Owner,
    bounds: Bounds,
) -> Result<ContainerAsync<GenericImage>, EphemeralError> {
    let (name, tag) = name_and_tag(&sandbox.image);
    let volumes = image.volumes.clone();
    let mut command = vec![
        "-c".to_owned(),
        SERVER_SCRIPT.to_owned(),
        "server.sh".to_owned(),
        WORK_DIR.to_owned(),
        String::new(),
        request.major.to_string(),
        request.superuser.clone(),
    ];
    command.extend(request.settings.iter().cloned());
    let expires = expiry_label(request.expires_at);
    GenericImage::new(name, tag)
        .with_entrypoint("sh")
        .with_cmd(command)
        .with_container_name(&sandbox.name)
        .with_user("postgres")
        .with_working_dir("/tmp")
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges:true")
        .with_labels([
            (LABEL_TOOL, "pgdrill".to_owned()),
            (LABEL_RUN, request.run_id.clone()),
            (LABEL_SCENARIO, request.scenario.clone()),
            (LABEL_OWNER, owner.to_label()),
            (LABEL_EXPIRES, expires),
        ])
        .with_host_config_modifier(move |host| bound(host, &volumes, bounds))
        .start()
        .await
        .map_err(|error| {
            let cause = error.to_string();
            // What a daemon says of more cores, or processes, than its machine can give.
            if cause.contains("Range of CPUs") {
                return EphemeralError::LimitUnenforceable { key: "sandbox.cpus", cause };
            }
            if cause.contains("pids.max") || cause.contains("pids limit") {
                return EphemeralError::LimitUnenforceable { key: "sandbox.pids", cause };
            }
            let action = format!("start a container of image `{}`", sandbox.image);
            EphemeralError::Docker { action, cause }
        })
}

/// What the container may use, in the daemon's units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) memory: Option<i64>,
    pub(super) nano_cpus: Option<i64>,
    pub(super) pids: i64,
    pub(super) shm: i64,
}

impl Bounds {
    /// The limits asked for, else defaults for a machine with that much memory.
    fn of(limits: &Limits, machine_bytes: Option<i64>) -> Self {
        let bytes = |count: ByteCount| i64::try_from(count.0).unwrap_or(i64::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and cores are few")]
        let nano = |cores: f64| (cores * 1e9) as i64;
        Self {
            memory: limits.memory.map(bytes).or(machine_bytes.map(|bytes| bytes / 5 * 4)),
            nano_cpus: limits.cpus.map(nano),
            pids: limits.pids.map_or(PIDS_LIMIT, |count| i64::try_from(count).unwrap_or(i64::MAX)),
            shm: limits.shm.map_or(SHM_BYTES, bytes),
        }
    }

    /// What the kernel holds of it.
    pub(super) fn held(&self) -> Vec<HeldLimit> {
        let enforced = |key, value| HeldLimit { key, value, held: Held::Enforced };
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        let mut limits = Vec::new();
        limits.extend(self.memory.map(|bytes| enforced(LimitKey::Memory, count(bytes))));
        limits.extend(self.nano_cpus.map(|nano| enforced(LimitKey::NanoCpus, count(nano))));
        limits.push(enforced(LimitKey::Pids, count(self.pids)));
        limits.push(enforced(LimitKey::Shm, count(self.shm)));
        limits
    }
}

/// The limits that a container would get on a machine with that much memory.
pub(in crate::ephemeral) fn limits_of(
    limits: &Limits,
    machine_bytes: Option<i64>,
) -> Vec<HeldLimit> {
    Bounds::of(limits, machine_bytes).held()
}

/// What testcontainers has no word for.
fn bound(host: &mut HostConfig, volumes: &[String], bounds: Bounds) {
    host.network_mode = Some("none".to_owned());
    host.publish_all_ports = Some(false);
    host.memory = bounds.memory;
    host.memory_swap = bounds.memory;
    host.nano_cpus = bounds.nano_cpus;
    host.pids_limit = Some(bounds.pids);
    host.shm_size = Some(bounds.shm);
    // An image's VOLUME would become an anonymous volume: cover it with an empty tmpfs.
    host.tmpfs = Some(
        volumes
            .iter()
            .filter(|path| !WORK_DIR.starts_with(path.as_str()))
            .map(|path| (path.clone(), "rw,noexec,nosuid,size=64k".to_owned()))
            .collect::<HashMap<_, _>>(),
    );
}

/// Seconds since the epoch: labels are compared by programs.
fn expiry_label(at: Timestamp) -> String {
    at.as_second().to_string()
}

#[cfg(test)]
mod tests {
    use super::name_and_tag;

    #[test]
    fn references_are_split_where_testcontainers_joins_them() {
        let split = |text: &str| name_and_tag(text);
        assert_eq!(split("postgres:15"), ("postgres".into(), "15".into()));
        assert_eq!(split("host:5000/pg"), ("host:5000/pg".into(), "latest".into()));
        assert_eq!(split("pg@sha256:ab"), ("pg@sha256".into(), "ab".into()));
    }
}
