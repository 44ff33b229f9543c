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
mod pressure;
mod processes;
mod removal;
mod start;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use self::binaries::{Binaries, find_binaries};
pub(crate) use self::command::limits_of;
use self::command::{Namespaces, Plan};
use self::first::FirstProcess;
use self::removal::Remains;
pub(crate) use self::removal::{find_folders, sweep_local};
pub(crate) use self::start::{LocalSpec, check_account, namespaces_allowed, start};
use super::ledger::Receipt;
use super::sandbox::{BoxFuture, ByteStream, DiskUse, HeldLimit, Pressure};
use super::{
    EphemeralError, Exec, ExecCommand, Isolation, Removal, Sandbox, SandboxIdentity, SandboxState,
    SeenProcess,
};

/// A running sandbox.
#[derive(Debug)]
pub(crate) struct LocalSandbox {
    plan: Plan,
    first: FirstProcess,
    /// Closed by the removal.
    namespaces: Mutex<Option<Arc<Namespaces>>>,
    remains: Remains,
    /// Kills for memory in our own control group before the sandbox was made.
    kills_before: u64,
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
        let (uid, limit) = (self.plan.account.outside_uid, self.plan.bounds.pids);
        blocking(move || {
            let mut pids = remains.processes();
            if let Some((first, _)) = remains.first.filter(|_| namespaced) {
                // Process 1 is ours and runs nothing of the dump's. Programs that are on their way
                // in are left out too: these do not descend from it.
                pids.retain(|pid| *pid != first && processes::descends_from(*pid, first));
            }
            isolation::observe(&pids, uid, limit)
        })
        .await
    }

    /// Kills for memory since the sandbox was made.
    fn memory_kills(&self) -> u64 {
        pressure::own_memory_kills().saturating_sub(self.kills_before)
    }

    async fn ended(&self) -> EphemeralError {
        let last_lines = self.first.last_lines().await;
        EphemeralError::ServerEnded { last_lines, out_of_memory: self.memory_kills() > 0 }
    }
}

impl Sandbox for LocalSandbox {
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
            for _ in 0..if self.plan.namespaced { 50 } else { 0 } {
                if self.observe().await?.is_some_and(|it| it.missing.is_empty()) {
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

    fn limits(&self) -> Vec<HeldLimit> {
        self.plan.bounds.held(self.plan.namespaced)
    }

    fn pressure(&self) -> BoxFuture<'_, Pressure> {
        Box::pin(async move {
            let (remains, bounds) = (self.remains.clone(), self.plan.bounds);
            let counted = blocking(move || pressure::processes(&remains)).await;
            let full = counted.is_ok_and(|count| self.plan.namespaced && count >= bounds.pids);
            Pressure {
                memory_kills: self.memory_kills(),
                forks_refused: u64::from(full),
                machine_memory_low: pressure::machine_memory_low(),
            }
        })
    }

    fn processes(&self) -> BoxFuture<'_, Vec<SeenProcess>> {
        Box::pin(async move {
            let remains = self.remains.clone();
            blocking(move || pressure::list(&remains)).await.unwrap_or_default()
        })
    }

    fn disk(&self) -> BoxFuture<'_, DiskUse> {
        Box::pin(async move {
            let folder = self.plan.folder.clone();
            blocking(move || pressure::disk(&folder)).await.unwrap_or_default()
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
                SandboxState::Ended { last_lines, out_of_memory: self.memory_kills() > 0 }
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
