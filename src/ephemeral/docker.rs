//! A sandbox that is a container.
//!
//! testcontainers creates, starts and removes; bollard streams, executes and observes. No bind
//! mount and no published port: the daemon may share neither our file system nor our loopback.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use testcontainers::bollard::models::HostConfig;
use testcontainers::bollard::query_parameters::LogsOptionsBuilder;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};
use tokio::sync::{Mutex, mpsc};

use super::EphemeralError;
use super::daemon::{
    Daemon, Image, LABEL_EXPIRES, LABEL_OWNER, LABEL_RUN, LABEL_SCENARIO, LABEL_TOOL,
};
use super::ledger::{Entry, Ledger, Owner, Receipt, Resource};
use super::relay;
use super::sandbox::{
    BoxFuture, ByteStream, EngineKind, Exec, ExecCommand, ExecOutput, Isolation, Removal, Sandbox,
    SandboxIdentity, SandboxState,
};
use super::select::{SERVER_SCRIPT, StartRequest};
use crate::scenario::Limits;
use crate::text::ByteCount;

/// Writable in every image, and in the container's own layer: nothing outside is touched.
const WORK_DIR: &str = "/tmp/pgdrill";
/// The default of 64 MB makes parallel queries fail with SQLSTATE 53100.
const SHM_BYTES: i64 = 1024 * 1024 * 1024;
/// Far above what a restore needs, far below what a fork bomb does.
const PIDS_LIMIT: i64 = 1024;

/// A running container.
pub(super) struct DockerSandbox {
    daemon: Daemon,
    name: String,
    image: String,
    digest: String,
    receipt: Receipt,
    container: Mutex<Option<ContainerAsync<GenericImage>>>,
}

/// Splits a reference as testcontainers wants it: it joins both parts with a colon again.
pub(super) fn name_and_tag(reference: &str) -> (String, String) {
    match reference.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (reference.to_owned(), "latest".to_owned()),
    }
}

pub(super) async fn start(
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
    let sandbox = DockerSandbox {
        daemon: daemon.clone(),
        name,
        image: reference.to_owned(),
        digest: image.digest.clone().unwrap_or_else(|| image.id.clone()),
        receipt,
        container: Mutex::new(None),
    };
    let bounds = Bounds::of(&request.limits, daemon.memory_bytes().await);
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
        .map_err(|error| EphemeralError::Docker {
            action: format!("start a container of image `{}`", sandbox.image),
            cause: error.to_string(),
        })
}

/// What the container may use, in the daemon's units.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    memory: Option<i64>,
    nano_cpus: Option<i64>,
    pids: i64,
    shm: i64,
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

impl DockerSandbox {
    async fn run(&self, command: ExecCommand) -> Result<Exec, EphemeralError> {
        let program = command.argv.first().cloned().unwrap_or_default();
        let failed = |error: testcontainers::bollard::errors::Error| EphemeralError::Exec {
            program: program.clone(),
            cause: error.to_string(),
        };
        let client = self.daemon.client.clone();
        let created = client
            .create_exec(
                &self.name,
                CreateExecOptions {
                    attach_stdin: Some(command.stdin),
                    attach_stdout: Some(true),
                    attach_stderr: Some(true),
                    env: Some(
                        command.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
                    ),
                    cmd: Some(command.argv),
                    ..CreateExecOptions::default()
                },
            )
            .await
            .map_err(failed)?;
        let options =
            StartExecOptions { detach: false, tty: false, output_capacity: Some(256 * 1024) };
        let started = client.start_exec(&created.id, Some(options)).await.map_err(failed)?;
        let StartExecResults::Attached { mut output, input } = started else {
            return Err(EphemeralError::Exec { program, cause: "it was detached".to_owned() });
        };
        let (sender, receiver) = mpsc::channel(64);
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut broken = None;
            while let Some(piece) = output.next().await {
                let piece = match piece {
                    Ok(LogOutput::StdErr { message }) => ExecOutput::Stderr(message),
                    Ok(
                        LogOutput::StdOut { message }
                        | LogOutput::StdIn { message }
                        | LogOutput::Console { message },
                    ) => ExecOutput::Stdout(message),
                    Err(error) => {
                        broken = Some(error.to_string());
                        break;
                    }
                };
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            let _ = ended.send(broken);
        });
        let id = created.id;
        Ok(Exec {
            stdin: command.stdin.then(|| Box::new(InputStream(input)) as _),
            output: receiver,
            exit: Box::pin(async move {
                let broken = has_ended.await.ok().flatten();
                exit_status(&client, &id, &program, broken).await
            }),
        })
    }

    async fn last_lines(&self) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("40").build();
        let mut logs = self.daemon.client.logs(&self.name, Some(options));
        let mut text = String::new();
        while let Some(Ok(piece)) = logs.next().await {
            text.push_str(&piece.to_string());
        }
        text.trim().to_owned()
    }
}

/// A daemon may need a moment after the end of the streams until it knows the exit status.
async fn exit_status(
    client: &testcontainers::bollard::Docker,
    id: &str,
    program: &str,
    broken: Option<String>,
) -> Result<i64, EphemeralError> {
    let failed = |cause: String| EphemeralError::Exec { program: program.to_owned(), cause };
    for _ in 0..100 {
        let state = client.inspect_exec(id).await.map_err(|error| failed(error.to_string()))?;
        if state.running == Some(false)
            && let Some(code) = state.exit_code
        {
            return match broken {
                Some(cause) => Err(failed(cause)),
                None => Ok(code),
            };
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err(failed(broken.unwrap_or_else(|| "its output ended while it runs".to_owned())))
}

/// bollard's input as a type that can be boxed without a pin.
struct InputStream(std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>);

impl tokio::io::AsyncWrite for InputStream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.0.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        self.0.as_mut().poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        self.0.as_mut().poll_shutdown(context)
    }
}

impl Sandbox for DockerSandbox {
    fn kind(&self) -> EngineKind {
        EngineKind::Docker
    }

    fn work_dir(&self) -> &str {
        WORK_DIR
    }

    fn identity(&self) -> SandboxIdentity {
        SandboxIdentity {
            image: Some(self.image.clone()),
            image_digest: Some(self.digest.clone()),
            bindir: None,
        }
    }

    fn isolation(&self) -> BoxFuture<'_, Result<Isolation, EphemeralError>> {
        Box::pin(async move {
            let container = self.daemon.container(&self.name).await?.unwrap_or_default();
            let host = container.host_config.unwrap_or_default();
            let network = host.network_mode.unwrap_or_default();
            let dropped = host.cap_drop.unwrap_or_default();
            let options = host.security_opt.unwrap_or_default();
            let mounts = container.mounts.unwrap_or_default();
            let ports = host.port_bindings.unwrap_or_default();
            let user = container.config.and_then(|config| config.user).unwrap_or_default();
            Ok(Isolation {
                boundary: "container".to_owned(),
                network_isolated: network == "none",
                facts: vec![
                    format!("network={network}"),
                    format!("published_ports={}", ports.len()),
                    format!("mounts={}", mounts.len()),
                    format!("privileged={}", host.privileged.unwrap_or_default()),
                    format!("cap_drop={}", dropped.join(",")),
                    format!("security_opt={}", options.join(",")),
                    format!("user={user}"),
                    format!("pids_limit={}", host.pids_limit.unwrap_or_default()),
                    format!("memory_bytes={}", host.memory.unwrap_or_default()),
                ],
            })
        })
    }

    fn exec(&self, command: ExecCommand) -> BoxFuture<'_, Result<Exec, EphemeralError>> {
        Box::pin(self.run(command))
    }

    fn dial(&self) -> BoxFuture<'_, Result<Box<dyn ByteStream>, EphemeralError>> {
        Box::pin(async move {
            let relay = ExecCommand::new(["sh", "-c", relay::SCRIPT]).with_stdin();
            let exec = self.run(relay).await?;
            let stream = relay::RelayStream::new(exec).map_err(|error| EphemeralError::Exec {
                program: "the relay".to_owned(),
                cause: error.to_string(),
            })?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn state(&self) -> BoxFuture<'_, Result<SandboxState, EphemeralError>> {
        Box::pin(async move {
            let state = self.daemon.container(&self.name).await?.and_then(|found| found.state);
            Ok(match state {
                Some(state) if state.running == Some(true) => SandboxState::Running,
                state => SandboxState::Ended {
                    last_lines: self.last_lines().await,
                    out_of_memory: state.and_then(|state| state.oom_killed).unwrap_or(false),
                },
            })
        })
    }

    fn remove(&self) -> BoxFuture<'_, Removal> {
        Box::pin(async move {
            if let Some(container) = self.container.lock().await.take()
                && let Err(error) = container.rm().await
            {
                tracing::debug!(%error, "a container could not be removed at once");
            }
            let removal = self.daemon.remove(&self.name).await;
            if removal.leftovers.is_empty() {
                self.receipt.strike();
            }
            removal
        })
    }
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
