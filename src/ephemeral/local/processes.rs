//! What `/proc` tells about processes, and ending them without hitting a successor by mistake.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::ephemeral::ledger::start_ticks;

/// One process, told apart from a later one with the same number.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
    /// Absent on kernels before 5.3.
    handle: Option<OwnedFd>,
}

impl Process {
    /// The process that has number `pid` now; `None` if there is none.
    pub(super) fn find(pid: u32) -> Option<Self> {
        // The handle first: if the start is then the expected one, so is what the handle stands for.
        let handle = pidfd_open(number(pid)?, PidfdFlags::empty()).ok();
        Some(Self { pid, start_ticks: start_ticks(pid)?, handle })
    }

    /// The process with this number if it started then.
    pub(super) fn find_exact(pid: u32, ticks: u64) -> Option<Self> {
        Self::find(pid).filter(|found| found.start_ticks == ticks)
    }

    /// Ends it at once. One that is gone is fine.
    pub(super) fn kill(&self) {
        self.send(Signal::KILL);
    }

    /// Asks a server to end without finishing its work: PostgreSQL's immediate shutdown.
    pub(super) fn quit(&self) {
        self.send(Signal::QUIT);
    }

    fn send(&self, signal: Signal) {
        let sent = match (&self.handle, number(self.pid)) {
            (Some(handle), _) => pidfd_send_signal(handle, signal),
            (None, Some(pid)) if start_ticks(self.pid) == Some(self.start_ticks) => {
                kill_process(pid, signal)
            }
            (None, _) => Ok(()),
        };
        if let Err(error) = sent {
            tracing::debug!(pid = self.pid, %error, "no signal sent");
        }
    }

    /// `123 (postgres)`.
    pub(super) fn describe(&self) -> String {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        format!("process {} ({})", self.pid, name.trim())
    }
}

fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The numbers of all processes that we can see.
pub(super) fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A line of `/proc/PID/status`, without its name.
pub(super) fn status(pid: u32, name: &str) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/status")).ok()?;
    String::from_utf8_lossy(&text)
        .lines()
        .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

/// The accounts of a process: real, effective, saved, file system.
pub(super) fn uids(pid: u32) -> Vec<u32> {
    let line = status(pid, "Uid").unwrap_or_default();
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Whether it has ended and only waits for its parent to notice.
pub(super) fn is_zombie(pid: u32) -> bool {
    status(pid, "State").is_none_or(|state| state.starts_with(['Z', 'X']))
}

/// Whether `ancestor` is among the parents of a process.
pub(super) fn descends_from(pid: u32, ancestor: u32) -> bool {
    let parent = |pid: u32| status(pid, "PPid")?.parse().ok().filter(|parent| *parent != 0);
    let mut above = parent(pid);
    while let Some(pid) = above {
        if pid == ancestor {
            return true;
        }
        above = parent(pid);
    }
    false
}

/// A namespace of a process, such as `pid:[4026531836]`; `None` if we may not look.
pub(super) fn namespace(pid: u32, kind: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// A pid namespace. Held open, because the kernel gives the number of one that is gone to the next,
/// and what is in that one is not ours.
#[derive(Debug, Clone)]
pub(super) struct PidNamespace {
    name: String,
    _file: Arc<File>,
}

impl PidNamespace {
    /// That of a process; `None` if it is ours too or we may not look.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let file = File::open(format!("/proc/{pid}/ns/pid")).ok()?;
        let name = format!("pid:[{}]", file.metadata().ok()?.ino());
        let own = own_namespace("pid")?;
        (name != own).then(|| Self { name, _file: Arc::new(file) })
    }

    /// Whether a process is in it.
    pub(super) fn has(&self, pid: u32) -> bool {
        namespace(pid, "pid").as_ref() == Some(&self.name)
    }
}

/// A namespace of this process.
pub(super) fn own_namespace(kind: &str) -> Option<String> {
    namespace(std::process::id(), kind)
}

/// Whether a process was started with this environment variable, given as `NAME=value`.
pub(super) fn has_variable(pid: u32, variable: &str) -> bool {
    environment(pid).split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
}

/// Whether a process was started with a variable of this name.
pub(super) fn has_some_variable(pid: u32, name: &str) -> bool {
    environment(pid)
        .split(|byte| *byte == 0)
        .any(|one| one.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}

fn environment(pid: u32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

/// The folder a process is in.
pub(super) fn working_folder(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

#[cfg(test)]
mod tests {
    use super::{Process, all, has_some_variable, has_variable, is_zombie, own_namespace, uids};
    use std::process::Command;

    #[test]
    fn a_child_is_seen_and_ended() {
        let mut child = Command::new("sleep").arg("60").env("PGDRILL_X", "1").spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        // Until it has executed `sleep` it has our environment.
        while !has_variable(child.id(), "PGDRILL_X=1") {
            std::thread::yield_now();
        }
        assert!(!has_variable(child.id(), "PGDRILL_X="));
        assert!(has_some_variable(child.id(), "PGDRILL_X"));
        assert!(!has_some_variable(child.id(), "PGDRILL_"));
        assert!(all().any(|pid| pid == child.id()));
        assert_eq!(uids(child.id())[1], rustix::process::geteuid().as_raw());
        assert!(Process::find_exact(child.id(), process.start_ticks + 1).is_none());
        process.kill();
        assert!(!child.wait().unwrap().success());
        assert!(is_zombie(child.id()));
        process.kill();
        assert!(own_namespace("pid").unwrap().starts_with("pid:["));
    }
}
