//! Looks after a running sandbox while a dump is in it: has a limit been reached, what does it take
//! of the disk, which programs did the dump start?

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::limits::{self, Bounds};
use crate::ephemeral::{DiskUse, Pressure, Sandbox, SeenProcess};
use crate::finding::Finding;

/// How often limits are looked at: a program that eats memory takes gigabytes in a second.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often the disk is, at most.
const DISK_INTERVAL: Duration = Duration::from_secs(1);
/// A look at the disk may take a third of the time, as a large cluster has many files, ...
const DISK_SHARE: u32 = 2;
/// ... but on a machine that is too slow for that there is one in so many seconds all the same.
const DISK_INTERVAL_MOST: Duration = Duration::from_secs(5);
/// Names of programs kept.
const NAMES: usize = 20;

/// A watch over one sandbox. Dropping it ends it.
pub(super) struct Watch {
    sandbox: Arc<dyn Sandbox>,
    /// What had been reached before the dump went in.
    before: Pressure,
    seen: Arc<Seen>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    peak_bytes: AtomicU64,
    /// Numbers of the processes that were there before the dump went in.
    ours: BTreeSet<u64>,
    programs: Mutex<BTreeSet<String>>,
}

impl Watch {
    /// Begins to watch a sandbox that nothing of the backup is in yet. `reached` is told, once,
    /// when a limit is reached that leaves nothing to wait for.
    pub(super) async fn start(
        sandbox: Arc<dyn Sandbox>,
        bounds: Bounds,
        reached: oneshot::Sender<Finding>,
    ) -> Self {
        let before = sandbox.pressure().await;
        let ours = sandbox.processes().await.into_iter().map(|process| process.pid).collect();
        let seen = Arc::new(Seen { ours, ..Seen::default() });
        let round =
            Round { sandbox: Arc::clone(&sandbox), bounds, before, seen: Arc::clone(&seen) };
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let finding = round.until_reached().await;
            // Nobody listens any more once the run has ended by itself.
            let _ = reached.send(finding);
        }));
        Self { sandbox, before, seen, _task: task }
    }

    /// What has been reached since the dump went in, or since an earlier look.
    pub(super) async fn since(&self, earlier: Option<Pressure>) -> Pressure {
        let (now, earlier) = (self.sandbox.pressure().await, earlier.unwrap_or(self.before));
        Pressure {
            memory_kills: now.memory_kills.saturating_sub(earlier.memory_kills),
            forks_refused: now.forks_refused.saturating_sub(earlier.forks_refused),
            machine_memory_low: now.machine_memory_low,
        }
    }

    /// What has been reached so far, for [`Watch::since`].
    pub(super) async fn now(&self) -> Pressure {
        self.sandbox.pressure().await
    }

    /// What the sandbox takes of its disk now.
    pub(super) async fn disk(&self) -> DiskUse {
        let disk = self.sandbox.disk().await;
        self.seen.measure(disk.used);
        disk
    }

    /// The most bytes that were seen in use.
    pub(super) async fn peak_bytes(&self) -> Option<u64> {
        self.disk().await;
        Some(self.seen.peak_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Names of the programs that the server has started, as far as they lived long enough to be
    /// seen.
    pub(super) async fn programs(&self) -> Vec<String> {
        self.seen.look(&self.sandbox.processes().await);
        let names = self.seen.programs.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().cloned().collect()
    }
}

impl Seen {
    fn measure(&self, used: Option<u64>) {
        self.peak_bytes.fetch_max(used.unwrap_or(0), Ordering::Relaxed);
    }

    /// A program of the dump is a child of a server process, or an orphan that has become a child
    /// of one that was there before, and is no server process itself. Programs of ours come in from
    /// outside and have no parent here.
    fn look(&self, processes: &[SeenProcess]) {
        let parent = |pid: u64| processes.iter().find(|process| process.pid == pid);
        let is_server = |process: &SeenProcess| process.name == "postgres";
        let mut names = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        for process in processes {
            let started_inside = parent(process.parent)
                .is_some_and(|parent| is_server(parent) || self.ours.contains(&parent.pid));
            let is_ours = self.ours.contains(&process.pid) || is_server(process);
            if started_inside && !is_ours && names.len() < NAMES {
                names.insert(crate::text::one_line(&process.name, 40));
            }
        }
    }
}

struct Round {
    sandbox: Arc<dyn Sandbox>,
    bounds: Bounds,
    before: Pressure,
    seen: Arc<Seen>,
}

impl Round {
    async fn until_reached(&self) -> Finding {
        let mut disk_due = Instant::now();
        loop {
            let now = self.sandbox.pressure().await;
            if now.machine_memory_low {
                return limits::machine_memory_low();
            }
            if now.forks_refused > self.before.forks_refused {
                return self.bounds.forks_refused();
            }
            let started = Instant::now();
            if started >= disk_due {
                self.seen.look(&self.sandbox.processes().await);
                let disk = self.sandbox.disk().await;
                self.seen.measure(disk.used);
                if let Some(finding) = self.bounds.judge_disk(disk) {
                    return finding;
                }
                let pause = (started.elapsed() * DISK_SHARE).min(DISK_INTERVAL_MOST);
                disk_due = Instant::now() + pause.max(DISK_INTERVAL);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, SeenProcess};

    #[test]
    fn programs_of_the_dump_are_told_from_ours() {
        let process = |pid, parent, name: &str| SeenProcess { pid, parent, name: name.to_owned() };
        let server = [process(1, 0, "sh"), process(2, 1, "postgres"), process(9, 0, "sh")];
        let seen = Seen { ours: [1, 2, 9].into(), ..Seen::default() };
        let mut later = server.to_vec();
        // A relay and a restore of ours, come in from outside, and a backend.
        later.extend([
            process(20, 0, "bash"),
            process(21, 20, "cat"),
            process(22, 0, "pg_restore"),
        ]);
        later.push(process(23, 2, "postgres"));
        seen.look(&later);
        assert!(seen.programs.lock().unwrap().is_empty());
        later.extend([process(30, 23, "sh"), process(31, 30, "curl"), process(32, 1, "miner")]);
        seen.look(&later);
        let names: Vec<String> = seen.programs.lock().unwrap().iter().cloned().collect();
        assert_eq!(names, ["miner", "sh"]);
    }
}
