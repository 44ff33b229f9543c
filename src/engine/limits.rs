//! What is said when a limit of the sandbox has been reached. Every text names the key of the
//! scenario that raises it.

use std::time::Duration;

use crate::ephemeral::{DiskUse, Held, HeldLimit, LimitKey, Pressure};
use crate::finding::{Finding, FindingCode};
use crate::outcome::LimitFacts;
use crate::text::{ByteCount, duration};

/// What must stay free on the disk below the sandbox: others need it too.
const RESERVE: u64 = 1_000_000_000;

/// The limits of a running sandbox.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    held: Vec<HeldLimit>,
    /// Bytes that the sandbox may take of its disk.
    disk: Option<u64>,
    /// Bytes that must stay free there.
    reserve: u64,
}

impl Bounds {
    /// The limits that a sandbox holds itself, and what is watched: the scenario's own `disk`, and
    /// the reserve of a disk that has `free` bytes before the restore.
    pub(super) fn new(held: Vec<HeldLimit>, disk: Option<ByteCount>, free: Option<u64>) -> Self {
        let reserve = RESERVE.min(free.unwrap_or(0) / 10);
        Self { held, disk: disk.map(|bytes| bytes.0), reserve }
    }

    /// All of them, for the report.
    pub(super) fn all(&self) -> Vec<HeldLimit> {
        let disk =
            self.disk.map(|value| HeldLimit { key: LimitKey::Disk, value, held: Held::Watched });
        self.held.iter().copied().chain(disk).collect()
    }

    fn value(&self, key: LimitKey) -> Option<u64> {
        self.held.iter().find(|limit| limit.key == key).map(|limit| limit.value)
    }

    /// What reaching a limit says about whatever was being done meanwhile.
    pub(super) fn judge(&self, pressure: Pressure) -> Vec<Finding> {
        let mut findings = Vec::new();
        if pressure.memory_kills > 0 {
            findings.push(self.killed_for_memory());
        }
        if pressure.forks_refused > 0 {
            findings.push(self.forks_refused());
        }
        findings
    }

    /// The kernel has killed a process of the sandbox for memory.
    pub(super) fn killed_for_memory(&self) -> Finding {
        let cause = match self.value(LimitKey::Memory) {
            Some(bytes) => format!("`sandbox.memory` is {}", ByteCount(bytes)),
            None => "the machine's memory, or that of its control group, is used up".to_owned(),
        };
        Finding::new(
            FindingCode::OutOfMemory,
            "the kernel killed a process of the restore for memory",
        )
        .because(cause)
    }

    pub(super) fn forks_refused(&self) -> Finding {
        let limit = self.value(LimitKey::Pids).unwrap_or(0);
        Finding::new(
            FindingCode::ProcessLimit,
            "the restore needs more processes than the sandbox allows",
        )
        .because(format!("`sandbox.pids` is {limit}"))
    }

    /// Whether the scenario bounds the disk.
    pub(super) fn bounds_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Whether too much of the disk is taken.
    pub(super) fn judge_disk(&self, disk: DiskUse) -> Option<Finding> {
        if let (Some(limit), Some(used)) = (self.disk, disk.used)
            && used > limit
        {
            let finding = Finding::new(
                FindingCode::DiskFull,
                "the restore takes more of the disk than the sandbox allows",
            )
            .because(format!(
                "`sandbox.disk` is {}, in use are {}",
                ByteCount(limit),
                ByteCount(used)
            ))
            .first_try("Raise `sandbox.disk` in the scenario.");
            return Some(finding);
        }
        let free = disk.free.filter(|free| *free < self.reserve)?;
        let finding = Finding::new(
            FindingCode::DiskFull,
            "the restore was ended before the disk of the throwaway server was full",
        )
        .because(format!(
            "{} are free, {} must stay so",
            ByteCount(free),
            ByteCount(self.reserve)
        ));
        Some(finding)
    }
}

/// A limit in the report's words.
pub(super) fn limit_facts(limit: &HeldLimit) -> LimitFacts {
    let held = match limit.held {
        Held::Enforced => "enforced",
        Held::Watched => "watched",
    };
    let (value, unit) = match limit.key {
        LimitKey::Memory | LimitKey::Shm | LimitKey::Disk => (limit.value, "bytes"),
        LimitKey::NanoCpus => (limit.value / 1_000_000, "millicores"),
        LimitKey::Pids => (limit.value, "processes"),
    };
    LimitFacts { key: limit.key.as_str(), value, unit, held }
}

/// The machine itself has hardly any memory left.
pub(super) fn machine_memory_low() -> Finding {
    Finding::new(
        FindingCode::OutOfMemory,
        "the restore was ended before the machine ran out of memory",
    )
    .because("less than a twentieth of the machine's memory was available")
    .first_try("Use --engine docker with `sandbox.memory`: it bounds the restore, not the machine.")
}

/// The scenario's time is up.
pub(super) fn time_is_up(limit: Duration) -> Finding {
    Finding::new(FindingCode::TimedOut, "the restore took longer than the scenario allows")
        .because(format!("`restore.time_limit` is {}", duration(limit)))
        .first_try("Raise `restore.time_limit` in the scenario.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(disk: Option<u64>, free: u64) -> Bounds {
        let memory =
            HeldLimit { key: LimitKey::Memory, value: 2_000_000_000, held: Held::Enforced };
        Bounds::new(vec![memory], disk.map(ByteCount), Some(free))
    }

    #[test]
    fn each_limit_names_its_key() {
        let limits = bounds(Some(10), 100_000_000_000);
        let findings =
            limits.judge(Pressure { memory_kills: 1, forks_refused: 1, machine_memory_low: false });
        let causes: Vec<&str> =
            findings.iter().filter_map(|finding| finding.cause.as_deref()).collect();
        assert_eq!(causes, ["`sandbox.memory` is 2.0 GB", "`sandbox.pids` is 0"]);
        let full = limits.judge_disk(DiskUse { used: Some(11), free: None }).unwrap();
        assert!(full.remedy[0].contains("sandbox.disk"), "{full:?}");
        assert!(limits.judge_disk(DiskUse { used: Some(10), free: Some(RESERVE) }).is_none());
        assert!(limits.judge_disk(DiskUse { used: None, free: Some(RESERVE - 1) }).is_some());
    }

    #[test]
    fn a_small_disk_is_not_all_reserve() {
        let limits = bounds(None, 1_000_000_000);
        assert!(limits.judge_disk(DiskUse { used: None, free: Some(200_000_000) }).is_none());
        assert!(limits.judge_disk(DiskUse { used: None, free: Some(99_000_000) }).is_some());
        assert!(bounds(None, 0).judge_disk(DiskUse::default()).is_none());
    }
}
