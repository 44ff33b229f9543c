//! A sandbox that is a container.
//!
//! testcontainers creates, starts and removes; bollard streams, executes and observes. No bind
//! mount and no published port: the daemon may share neither our file system nor our loopback.

mod create;
mod exec;
mod isolation;
mod pressure;

use futures_util::StreamExt as _;
use testcontainers::bollard::query_parameters::LogsOptionsBuilder;
use testcontainers::{ContainerAsync, GenericImage};
use tokio::sync::Mutex;

use self::create::Bounds;
pub(super) use self::create::{limits_of, name_and_tag, start};
use self::pressure::Probe;
use super::EphemeralError;
use super::daemon::Daemon;
use super::ledger::Receipt;
use super::relay;
use super::sandbox::{
    BoxFuture, ByteStream, DiskUse, Exec, ExecCommand, HeldLimit, Isolation, Pressure, Removal,
    Sandbox, SandboxIdentity, SandboxState, SeenProcess,
};

/// Writable in every image, and in the container's own layer: nothing outside is touched.
const WORK_DIR: &str = "/tmp/pgdrill";

/// What `server.sh` prints when the kernel has killed for memory.
const KILLED_FOR_MEMORY: &str = "pgdrill: killed for memory";

/// A running container.
pub(super) struct DockerSandbox {
    daemon: Daemon,
    name: String,
    image: String,
    digest: String,
    receipt: Receipt,
    bounds: Bounds,
    container: Mutex<Option<ContainerAsync<GenericImage>>>,
    probe: Mutex<Probe>,
}

impl DockerSandbox {
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

impl Sandbox for DockerSandbox {
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
        Box::pin(self.observe())
    }

    fn limits(&self) -> Vec<HeldLimit> {
        self.bounds.held()
    }

    fn pressure(&self) -> BoxFuture<'_, Pressure> {
        Box::pin(self.ask_probe())
    }

    fn processes(&self) -> BoxFuture<'_, Vec<SeenProcess>> {
        Box::pin(self.list_processes())
    }

    fn disk(&self) -> BoxFuture<'_, DiskUse> {
        Box::pin(self.measure_disk())
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
                state => {
                    let last_lines = self.last_lines().await;
                    // The daemon only notices when it is the first process that was killed.
                    let out_of_memory = last_lines.contains(KILLED_FOR_MEMORY)
                        || state.and_then(|state| state.oom_killed).unwrap_or(false);
                    SandboxState::Ended { last_lines, out_of_memory }
                }
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
