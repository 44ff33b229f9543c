//! Whether the sandbox has reached a limit, and what it takes of the machine.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::processes;
use super::removal::Remains;
use crate::ephemeral::{DiskUse, SeenProcess};

/// The sandbox is ended when less than one part in this many of the machine's memory is available.
const MEMORY_PARTS: u64 = 20;

/// Processes that the kernel has killed for memory in our own control group, which the sandbox's
/// processes are in too: `oom_kill` of version 2, then 1. 0 where there is no such count.
pub(super) fn own_memory_kills() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    count_files(&groups).iter().find_map(|file| kills_in(file)).unwrap_or(0)
}

/// Where the count may stand, most specific first. `/proc/self/cgroup` has `0::/path` for version
/// 2 and `4:memory:/path` for version 1 (cgroups(7)); inside a container the path is another.
fn count_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|name| name == "memory") {
            let root = Path::new("/sys/fs/cgroup/memory");
            files.push(root.join(path).join("memory.oom_control"));
            files.push(root.join("memory.oom_control"));
        } else if controllers.is_empty() {
            let root = Path::new("/sys/fs/cgroup");
            files.push(root.join(path).join("memory.events"));
            files.push(root.join("memory.events"));
        }
    }
    files
}

fn kills_in(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// Whether the machine is about to run out of memory (`/proc/meminfo`, proc(5)).
pub(super) fn machine_memory_low() -> bool {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    is_low(&text)
}

fn is_low(meminfo: &str) -> bool {
    let kibibytes = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    match (kibibytes("MemTotal"), kibibytes("MemAvailable")) {
        (Some(total), Some(available)) => available < total / MEMORY_PARTS,
        _ => false,
    }
}

/// How many processes are in the sandbox's pid namespace.
pub(super) fn processes(remains: &Remains) -> u64 {
    let Some(inside) = &remains.pid_namespace else { return 0 };
    processes::all().filter(|pid| inside.has(*pid)).count() as u64
}

/// The processes in the sandbox.
pub(super) fn list(remains: &Remains) -> Vec<SeenProcess> {
    let seen = |pid: u32| {
        Some(SeenProcess {
            pid: pid.into(),
            parent: processes::status(pid, "PPid")?.parse().ok()?,
            name: processes::status(pid, "Name")?,
        })
    };
    remains.processes().into_iter().filter_map(seen).collect()
}

/// What the sandbox's folder takes, and what is left on its disk. Files that come and go meanwhile
/// may or may not count.
pub(super) fn disk(folder: &Path) -> DiskUse {
    let free = rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail * disk.f_frsize);
    DiskUse { used: Some(blocks_below(folder) * 512), free }
}

/// Blocks of 512 bytes, as `st_blocks` counts them.
fn blocks_below(folder: &Path) -> u64 {
    let mut blocks = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            // Of the entry itself: a symbolic link leads nowhere.
            let Ok(metadata) = entry.metadata() else { continue };
            blocks += metadata.blocks();
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{count_files, disk, is_low};

    #[test]
    fn the_count_is_looked_for_where_each_version_has_it() {
        let first = count_files("9:name=systemd:/\n4:memory:/a/b\n0::/\n");
        assert_eq!(first[0], Path::new("/sys/fs/cgroup/memory/a/b/memory.oom_control"));
        let second = count_files("0::/user.slice/x\n");
        assert_eq!(second[0], Path::new("/sys/fs/cgroup/user.slice/x/memory.events"));
        assert!(count_files("nonsense").is_empty());
    }

    #[test]
    fn little_memory_is_noticed() {
        let info = |available: u64| format!("MemTotal: 1000 kB\nMemAvailable: {available} kB\n");
        assert!(is_low(&info(49)));
        assert!(!is_low(&info(50)));
        assert!(!is_low(""));
    }

    #[test]
    fn files_are_added_up_and_links_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join("file"), vec![7; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("/usr", below.join("link")).unwrap();
        let found = disk(folder.path());
        let used = found.used.unwrap();
        assert!((1 << 20..2 << 20).contains(&used), "{used}");
        assert!(found.free.unwrap() > 0);
    }
}
