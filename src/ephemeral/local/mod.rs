//! The local engine: this machine's own PostgreSQL programs in kernel namespaces.
//!
//! A dump's SQL runs as superuser and so has a shell. That shell runs as an account that owns
//! nothing, sees a read-only root with nothing of the machine's but its programs, has no network,
//! no capabilities and no way to get any. Everything inside ends with process 1 of its pid
//! namespace, which the kernel ends when pgdrill ends, however that happens.
//!
//! Where the kernel does not allow namespaces the engine refuses, unless the user trusts the dump.

mod account;
mod binaries;
mod command;
mod exec;
mod first;
mod folder;
mod isolation;
mod processes;
mod removal;
mod start;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use self::binaries::{Binaries, find_binaries};
use self::command::{Namespaces, Plan};
use self::first::FirstProcess;
use self::removal::Remains;
pub(crate) use self::removal::{find_folders, sweep_local};
pub(crate) use self::start::{LocalSpec, check_account, namespaces_allowed, start};
use super::ledger::Receipt;
use super::sandbox::{BoxFuture, ByteStream};
use super::{
    EngineKind, EphemeralError, Exec, ExecCommand, Isolation, Removal, Sandbox, SandboxIdentity,
    SandboxState,
};

/// A running sandbox.
#[derive(Debug)]
pub(crate) struct LocalSandbox {
    plan: Plan,
    first: FirstProcess,
    /// Closed by the removal.
    namespaces: Mutex<Option<Arc<Namespaces>>>,
    remains: Remains,
    receipt: Receipt,
    removal: tokio::sync::Mutex<()>,
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EphemeralError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| EphemeralError::Exec {
        program: "local engine".to_owned(),
        cause: error.to_string(),
    })
}

impl LocalSandbox {
    fn namespaces(&self) -> Option<Arc<Namespaces>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the server's processes, which are where the dump's words are obeyed.
    async fn observe(&self) -> Result<Option<Isolation>, EphemeralError> {
        let remains = self.remains.clone();
        let namespaced = self.plan.namespaced;
        blocking(move || {
            let mut pids = remains.processes();
            if let Some((first, _)) = remains.first.filter(|_| namespaced) {
                // Process 1 is ours and runs nothing of the dump's. Programs that are on their way
                // in are left out too: these do not descend from it.
                pids.retain(|pid| *pid != first && processes::descends_from(*pid, first));
            }
            isolation::observe(&pids)
        })
        .await
    }

    async fn ended(&self) -> EphemeralError {
        let last_lines = self.first.last_lines().await;
        EphemeralError::ServerEnded { last_lines, out_of_memory: false }
    }
}

impl Sandbox for LocalSandbox {
    fn kind(&self) -> EngineKind {
        EngineKind::Local
    }

    fn work_dir(&self) -> &str {
        &self.plan.work_dir
    }

    fn identity(&self) -> SandboxIdentity {
        let bindir = self.plan.bindir.display().to_string();
        SandboxIdentity { bindir: Some(bindir), ..SandboxIdentity::default() }
    }

    fn isolation(&self) -> BoxFuture<'_, Result<Isolation, EphemeralError>> {
        Box::pin(async move {
            // The server's way into its account takes a moment.
            let uid = self.plan.account.outside_uid;
            for _ in 0..if self.plan.namespaced { 50 } else { 0 } {
                if self.observe().await?.is_some_and(|it| isolation::is_complete(&it, uid)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            match self.observe().await? {
                Some(isolation) => Ok(isolation),
                None => Err(self.ended().await),
            }
        })
    }

    fn exec(&self, command: ExecCommand) -> BoxFuture<'_, Result<Exec, EphemeralError>> {
        Box::pin(async move {
            let namespaces = self.namespaces();
            if self.first.has_ended() || self.plan.namespaced && namespaces.is_none() {
                return Err(self.ended().await);
            }
            exec::start(&self.plan, &command, namespaces)
        })
    }

    fn dial(&self) -> BoxFuture<'_, Result<Box<dyn ByteStream>, EphemeralError>> {
        Box::pin(async move {
            match folder::connect(&self.plan.folder).await {
                Ok(stream) => Ok(Box::new(stream) as Box<dyn ByteStream>),
                Err(error) => Err(EphemeralError::Session {
                    action: "connect to the throwaway server's socket".to_owned(),
                    cause: error.to_string(),
                }),
            }
        })
    }

    fn state(&self) -> BoxFuture<'_, Result<SandboxState, EphemeralError>> {
        Box::pin(async move {
            Ok(if self.first.has_ended() {
                let last_lines = self.first.last_lines().await;
                SandboxState::Ended { last_lines, out_of_memory: false }
            } else {
                SandboxState::Running
            })
        })
    }

    fn remove(&self) -> BoxFuture<'_, Removal> {
        Box::pin(async move {
            let _turn = self.removal.lock().await;
            // Held open they would outlive their processes.
            drop(self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.first.process.kill();
            let remains = self.remains.clone();
            let removal = match blocking(move || remains.remove()).await {
                Ok(removal) => removal,
                Err(error) => Removal { leftovers: vec![error.to_string()] },
            };
            if removal.leftovers.is_empty() {
                self.receipt.strike();
            }
            removal
        })
    }
}
