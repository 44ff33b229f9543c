//! Whether the container's limits have been reached, and what it takes of its disk.

use std::time::Duration;

use testcontainers::bollard::query_parameters::{
    InspectContainerOptionsBuilder, TopOptionsBuilder,
};
use tokio::io::AsyncWriteExt as _;

use super::{DockerSandbox, WORK_DIR};
use crate::ephemeral::sandbox::{DiskUse, Exec, ExecCommand, ExecOutput, Pressure, SeenProcess};

/// Answers each line of its input with the counts of the container's control groups, version 2 and
/// then 1. Only the shell's own commands: it must still answer when no process can be made any
/// more.
const SCRIPT: &str = r#"
while read -r _; do
	for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control \
		/sys/fs/cgroup/pids.events /sys/fs/cgroup/pids/pids.events; do
		if [ -r "$file" ]; then
			while read -r key count; do echo "${file##*/} $key $count"; done <"$file"
		fi
	done
	echo end
done
"#;

/// A probe that does not answer by then is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program inside that answers questions, because starting one for each takes too long and may
/// not be possible when it matters.
#[derive(Default)]
pub(super) struct Probe {
    exec: Option<Exec>,
    /// What was seen stays seen, whatever becomes of the program.
    last: Pressure,
}

impl Probe {
    /// Asks once. `None` if there is none, or it has ended.
    async fn ask(&mut self) -> Option<Pressure> {
        let exec = self.exec.as_mut()?;
        let input = exec.stdin.as_mut()?;
        input.write_all(b"\n").await.ok()?;
        input.flush().await.ok()?;
        let mut text = String::new();
        loop {
            match exec.output.recv().await? {
                ExecOutput::Stdout(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                ExecOutput::Stderr(_) => {}
            }
            if text.ends_with("end\n") {
                return Some(counted(&text));
            }
        }
    }
}

/// What the probe has printed.
fn counted(text: &str) -> Pressure {
    let count = |keys: &[&str]| {
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .find(|(key, _)| keys.contains(key))
            .and_then(|(_, count)| count.parse().ok())
            .unwrap_or(0)
    };
    Pressure {
        memory_kills: count(&["memory.events oom_kill", "memory.oom_control oom_kill"]),
        forks_refused: count(&["pids.events max"]),
        machine_memory_low: false,
    }
}

impl DockerSandbox {
    /// Asks the probe, which is started first where there is none.
    pub(super) async fn ask_probe(&self) -> Pressure {
        let mut probe = self.probe.lock().await;
        if probe.exec.is_none() {
            let command = ExecCommand::new(["sh", "-c", SCRIPT]).with_stdin();
            probe.exec = self.run(command).await.ok();
        }
        match tokio::time::timeout(PATIENCE, probe.ask()).await {
            Ok(Some(pressure)) => probe.last = pressure,
            // The next look starts another.
            Ok(None) | Err(_) => probe.exec = None,
        }
        probe.last
    }

    /// The processes that the daemon's machine sees in the container.
    pub(super) async fn list_processes(&self) -> Vec<SeenProcess> {
        let options = TopOptionsBuilder::new().ps_args("-eo pid,ppid,comm").build();
        let listed = self.daemon.client.top_processes(&self.name, Some(options)).await;
        let rows = listed.ok().and_then(|listed| listed.processes).unwrap_or_default();
        rows.iter()
            .filter_map(|row| {
                let [pid, parent, name] = row.as_slice() else { return None };
                Some(SeenProcess {
                    pid: pid.parse().ok()?,
                    parent: parent.parse().ok()?,
                    name: name.clone(),
                })
            })
            .collect()
    }

    /// The size of the container's own layer, as the daemon measures it, and what is left below it.
    pub(super) async fn measure_disk(&self) -> DiskUse {
        let options = InspectContainerOptionsBuilder::new().size(true).build();
        let inspected = self.daemon.client.inspect_container(&self.name, Some(options)).await;
        let used = inspected.ok().and_then(|container| container.size_rw);
        DiskUse { used: used.and_then(|bytes| u64::try_from(bytes).ok()), free: self.free().await }
    }

    async fn free(&self) -> Option<u64> {
        let mut exec = self.run(ExecCommand::new(["df", "-Pk", WORK_DIR])).await.ok()?;
        let mut text = String::new();
        while let Some(piece) = exec.output.recv().await {
            if let ExecOutput::Stdout(bytes) = piece {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        free_bytes_of(&text)
    }
}

/// `df -P`: the fourth column of the second line, in kibibytes (POSIX).
fn free_bytes_of(df: &str) -> Option<u64> {
    let line = df.lines().nth(1)?;
    let kibibytes: u64 = line.split_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{Pressure, counted, free_bytes_of};

    #[test]
    fn counts_of_both_versions_are_read() {
        let second = "memory.events low 0\nmemory.events max 9\nmemory.events oom_kill 2\n\
            pids.events max 3\nend\n";
        let first = "memory.oom_control under_oom 0\nmemory.oom_control oom_kill 2\n\
            pids.events max 3\nend\n";
        let expected = Pressure { memory_kills: 2, forks_refused: 3, machine_memory_low: false };
        assert_eq!(counted(second), expected);
        assert_eq!(counted(first), expected);
        assert_eq!(counted("end\n"), Pressure::default());
    }

    #[test]
    fn free_space_is_read_from_df() {
        let df =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 100 40 60 40% /\n";
        assert_eq!(free_bytes_of(df), Some(61_440));
        assert_eq!(free_bytes_of(""), None);
    }
}
