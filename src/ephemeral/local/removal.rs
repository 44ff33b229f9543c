//! Ending and deleting everything of a sandbox, and looking whether it is gone.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::folder;
use super::processes::{self, PidNamespace, Process};
use crate::ephemeral::Removal;
use crate::ephemeral::ledger::{Owner, Resource};

/// How long processes may take to die: one in the middle of writing to a slow disk takes a while.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a sandbox consists of.
#[derive(Debug, Clone)]
pub(super) struct Remains {
    pub(super) folder: PathBuf,
    /// The process that everything ends with, and when it started.
    pub(super) first: Option<(u32, u64)>,
    /// All that is in it is ours.
    pub(super) pid_namespace: Option<PidNamespace>,
    /// In the environment of the processes, unless they have cleared it.
    pub(super) token: Option<String>,
    /// Whether being in the work folder tells a process of ours: without namespaces.
    pub(super) by_folder: bool,
    /// Without namespaces: the account and group of the processes, if they are not ours.
    pub(super) account: Option<(u32, u32)>,
}

/// Finds processes as their own account; see there.
const FIND: &str = include_str!("find.sh");

impl Remains {
    /// The sandbox's processes that still run.
    pub(super) fn processes(&self) -> Vec<u32> {
        let variable = self.token.as_ref().map(|token| format!("PGDRILL_SANDBOX={token}"));
        let work = self.folder.join("work");
        let own = std::process::id();
        processes::all()
            .filter(|pid| *pid != own)
            .filter(|pid| {
                self.pid_namespace.as_ref().is_some_and(|inside| inside.has(*pid))
                    || variable.as_ref().is_some_and(|one| processes::has_variable(*pid, one))
                    || self.by_folder
                        && processes::working_folder(*pid).is_some_and(|cwd| cwd.starts_with(&work))
            })
            .chain(self.found_as_account())
            .filter(|pid| !processes::is_zombie(*pid))
            .collect()
    }

    fn found_as_account(&self) -> Vec<u32> {
        let Some(((uid, gid), token)) = self.account.zip(self.token.as_ref()) else {
            return Vec::new();
        };
        let output = Command::new("setpriv")
            .args([format!("--reuid={uid}"), format!("--regid={gid}")])
            .args(["--clear-groups", "--", "sh", "-c", FIND, "pgdrill-find"])
            .arg(format!("PGDRILL_SANDBOX={token}"))
            .arg(self.folder.join("work"))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null())
            .output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Ends all processes, deletes the folder and reports what is left. Takes its time.
    pub(super) fn remove(&self) -> Removal {
        let mut leftovers = self.end_processes();
        if let Err(error) = folder::delete(&self.folder) {
            leftovers.push(format!("folder {} ({error})", self.folder.display()));
        } else if fs::symlink_metadata(&self.folder).is_ok() {
            leftovers.push(format!("folder {}", self.folder.display()));
        }
        Removal { leftovers }
    }

    /// Without an IPC namespace a server that is killed leaves its shared memory to the machine; one
    /// that is asked to quit takes it away.
    fn end_server(&self) {
        let file = self.folder.join("work/data/postmaster.pid");
        let Ok(text) = fs::read_to_string(file) else { return };
        let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) else {
            return;
        };
        if !self.processes().contains(&pid) {
            return;
        }
        let Some(server) = Process::find(pid) else { return };
        server.quit();
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(5)
            && Process::find_exact(pid, server.start_ticks).is_some()
        {
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn end_processes(&self) -> Vec<String> {
        if self.by_folder {
            self.end_server();
        }
        if let Some(first) = self.first.and_then(|(pid, ticks)| Process::find_exact(pid, ticks)) {
            first.kill();
        }
        let deadline = Instant::now() + PATIENCE;
        let mut clean = 0;
        loop {
            let running: Vec<Process> =
                self.processes().into_iter().filter_map(Process::find).collect();
            clean = if running.is_empty() { clean + 1 } else { 0 };
            // A process made while we looked may have been missed once, but not its like forever.
            if clean == 2 {
                return Vec::new();
            }
            if Instant::now() > deadline {
                return running.iter().map(Process::describe).collect();
            }
            for process in &running {
                process.kill();
            }
            if clean == 0 {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// A sandbox's folder as its own marker describes it.
#[derive(Debug)]
pub(crate) struct FoundFolder {
    pub(crate) path: PathBuf,
    pub(crate) owner: Owner,
    pub(crate) expires_at: Timestamp,
    pub(crate) made_at: Option<Timestamp>,
}

/// The sandboxes in the temporary folder, be they in our ledger or in none. A folder without a
/// marker of ours, or of another account, is none.
pub(crate) fn find_folders() -> Vec<FoundFolder> {
    // By the same way as when it was chosen: the ledger has it so.
    let Ok(entries) = std::env::temp_dir().canonicalize().and_then(fs::read_dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let (owner, expires_at) = folder::recognise(&path).ok()??.owner?;
            let made_at = fs::metadata(&path).and_then(|folder| folder.modified()).ok();
            let made_at = made_at.and_then(|at| Timestamp::try_from(at).ok());
            Some(FoundFolder { path, owner, expires_at, made_at })
        })
        .collect()
}

/// Removes what a run that is gone has left, going by its ledger entry; may take a while.
///
/// Nothing is touched that cannot be recognised as a sandbox's: not a process that merely has the
/// number, be it of another boot, not a folder that merely has the name.
pub(crate) fn sweep_local(resource: &Resource) -> Removal {
    let Resource::Local { folder, pid, start_ticks } = resource else {
        return Removal { leftovers: vec!["not a sandbox of the local engine".to_owned()] };
    };
    let (marker, refusal) = match folder::recognise(folder) {
        Ok(marker) => (marker, None),
        Err(reason) => (None, Some(reason)),
    };
    let known = marker.as_ref().map(|marker| format!("PGDRILL_SANDBOX={}", marker.token));
    let is_ours = |pid: u32| match &known {
        Some(variable) => processes::has_variable(pid, variable),
        None => processes::has_some_variable(pid, "PGDRILL_SANDBOX"),
    };
    let first = pid.zip(*start_ticks).filter(|(pid, _)| is_ours(*pid));
    // Looked at in this order, the namespace is that of the process in question.
    let pid_namespace = first.and_then(|(pid, _)| PidNamespace::of(pid));
    let first = first.filter(|(pid, ticks)| Process::find_exact(*pid, *ticks).is_some());
    let remains = Remains {
        folder: folder.clone(),
        first,
        pid_namespace: pid_namespace.filter(|_| first.is_some()),
        token: marker.as_ref().map(|marker| marker.token.clone()),
        by_folder: marker.as_ref().is_some_and(|marker| !marker.namespaced),
        account: marker.and_then(|marker| marker.account),
    };
    match refusal {
        None => remains.remove(),
        Some(reason) => {
            let mut leftovers = remains.end_processes();
            leftovers.push(format!("folder {}, not deleted: {reason}", folder.display()));
            Removal { leftovers }
        }
    }
}
