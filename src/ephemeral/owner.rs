//! The process that a sandbox belongs to, and whether it still runs.
//!
//! Whoever is wrongly taken for gone loses a run, whoever is wrongly taken for alive leaves a
//! container for a day. So *gone* has to be proven; all else waits for the expiry.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The first pid namespace of every kernel: `PROC_PID_INIT_INO` of `linux/proc_ns.h`.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// The process that owns a sandbox, told apart from a later one with the same number.
///
/// Sources: `/proc/sys/kernel/random/boot_id`, `/proc/self/ns/pid` and field 22 of
/// `/proc/PID/stat` (proc(5)), machine-id(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Identifies the boot of the machine; a container has that of the machine below it.
    pub boot_id: String,
    /// The pid namespace that `pid` belongs to (`pid:[4026531836]`).
    pub pid_namespace: String,
    /// Process id.
    pub pid: u32,
    /// Clock ticks between boot and the start of the process.
    pub start_ticks: u64,
    /// Identifies the machine over all its boots. Empty in a container, which does not know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
}

/// Whether an owner still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    /// It runs.
    Alive,
    /// No process is it any more.
    Ended,
    /// Its machine, this one, was started again since.
    Rebooted,
    /// It lived in another pid namespace, and we do not see all of them: only its expiry tells.
    OtherNamespace,
    /// It lived on another machine, or in a container before a restart: only its expiry tells.
    OtherMachine,
    /// What would tell it apart is not known: only its expiry tells.
    Untold,
}

impl OwnerState {
    /// Whether it is certain that the owner will never come back.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Ended | Self::Rebooted)
    }
}

/// Where owners are looked at from.
#[derive(Debug, Clone)]
struct Viewpoint {
    boot_id: String,
    pid_namespace: String,
    machine: String,
    /// Whether `/proc` shows our own pid namespace, and not one above it.
    proc_is_ours: bool,
}

impl Viewpoint {
    fn here() -> Self {
        let pid_namespace = fs::read_link("/proc/self/ns/pid")
            .map(|link| link.to_string_lossy().into_owned())
            .unwrap_or_default();
        let own = std::process::id().to_string();
        Self {
            boot_id: read_trimmed("/proc/sys/kernel/random/boot_id"),
            machine: if pid_namespace == INITIAL_PID_NAMESPACE { machine() } else { String::new() },
            proc_is_ours: fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == &*own),
            pid_namespace,
        }
    }

    /// Whether every process of the machine is in sight. `hidepid` hides those of other accounts,
    /// process 1 first.
    fn sees_all(&self) -> bool {
        self.pid_namespace == INITIAL_PID_NAMESPACE
            && self.proc_is_ours
            && fs::read("/proc/1/status").is_ok()
    }
}

/// A name for this machine that another start does not change. Hashed, as machine-id(5) asks for.
/// With the host's name, because copies of a machine often share the id.
fn machine() -> String {
    let id = read_trimmed("/etc/machine-id");
    if id.is_empty() || id == "uninitialized" {
        return String::new();
    }
    let host = read_trimmed("/proc/sys/kernel/hostname");
    let digest = Sha256::digest(format!("pgdrill {id} {host}"));
    let number = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}

impl Owner {
    /// This process.
    pub fn this_process() -> Self {
        let here = Viewpoint::here();
        Self {
            boot_id: here.boot_id,
            pid_namespace: here.pid_namespace,
            pid: std::process::id(),
            // Not by number: `/proc` may be that of a namespace above.
            start_ticks: stat("self").map_or(0, |stat| stat.start_ticks),
            machine: here.machine,
        }
    }

    /// Looks whether the owner still runs.
    pub fn state(&self) -> OwnerState {
        self.state_from(&Viewpoint::here())
    }

    fn state_from(&self, here: &Viewpoint) -> OwnerState {
        if self.boot_id.is_empty() || self.pid_namespace.is_empty() || here.boot_id.is_empty() {
            return OwnerState::Untold;
        }
        if self.boot_id != here.boot_id {
            let same = !self.machine.is_empty() && self.machine == here.machine;
            return if same { OwnerState::Rebooted } else { OwnerState::OtherMachine };
        }
        if self.pid_namespace == here.pid_namespace && here.proc_is_ours {
            let found = stat(&self.pid.to_string()).filter(|stat| self.is(stat));
            return if found.is_some() { OwnerState::Alive } else { OwnerState::Ended };
        }
        match self.look_everywhere() {
            Sighting::Seen => OwnerState::Alive,
            Sighting::NotAmongAll if here.sees_all() => OwnerState::Ended,
            Sighting::NotAmongAll | Sighting::NotAmongSome => OwnerState::OtherNamespace,
        }
    }

    /// One that has ended and is not noticed by its parent, as in containers whose process 1 does
    /// not care, is gone all the same.
    fn is(&self, stat: &Stat) -> bool {
        stat.start_ticks == self.start_ticks && !stat.has_ended
    }

    /// Looks for the owner among all processes in sight, by its number in its own namespace.
    fn look_everywhere(&self) -> Sighting {
        let Ok(entries) = fs::read_dir("/proc") else { return Sighting::NotAmongSome };
        let mut sighting = Sighting::NotAmongAll;
        for pid in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            if !pid.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            match innermost_number(&pid) {
                Ok(Some(number)) if number == self.pid => {}
                Ok(Some(_)) => continue,
                // It has ended meanwhile.
                Err(error) if has_vanished(&error) => continue,
                Ok(None) | Err(_) => {
                    sighting = Sighting::NotAmongSome;
                    continue;
                }
            }
            // Of another account's process we may not know the namespace: then it may be this.
            let elsewhere = fs::read_link(format!("/proc/{pid}/ns/pid"))
                .is_ok_and(|link| link.as_os_str() != &*self.pid_namespace);
            if !elsewhere && stat(&pid).is_some_and(|stat| self.is(&stat)) {
                return Sighting::Seen;
            }
        }
        sighting
    }

    /// The form used in container labels.
    pub fn to_label(&self) -> String {
        let label =
            format!("{}/{}/{}/{}", self.boot_id, self.pid_namespace, self.pid, self.start_ticks);
        if self.machine.is_empty() { label } else { format!("{label}/{}", self.machine) }
    }

    /// Reads [`Owner::to_label`]'s form back.
    pub fn from_label(label: &str) -> Option<Self> {
        let mut parts = label.split('/');
        let owner = Self {
            boot_id: parts.next()?.to_owned(),
            pid_namespace: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            start_ticks: parts.next()?.parse().ok()?,
            machine: parts.next().unwrap_or_default().to_owned(),
        };
        parts.next().is_none().then_some(owner)
    }

    /// What is known about it, in words.
    pub(super) fn describe(&self, state: OwnerState) -> String {
        let pid = self.pid;
        match state {
            OwnerState::Alive => format!("belongs to a run that goes on (process {pid})"),
            OwnerState::Ended => format!("its run, process {pid}, is gone"),
            OwnerState::Rebooted => "this machine was restarted since its run".to_owned(),
            OwnerState::OtherNamespace => format!(
                "its run, process {pid} of another container or pid namespace, cannot be seen from here"
            ),
            OwnerState::OtherMachine => {
                format!(
                    "its run, process {pid} of another machine or boot, cannot be seen from here"
                )
            }
            OwnerState::Untold => "its run cannot be told".to_owned(),
        }
    }
}

/// What a look at all processes in sight says.
enum Sighting {
    Seen,
    NotAmongAll,
    /// Some could not be looked at.
    NotAmongSome,
}

fn has_vanished(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// The number a process has in its own pid namespace; `None` on kernels before 4.1.
fn innermost_number(pid: &str) -> io::Result<Option<u32>> {
    let status = fs::read(format!("/proc/{pid}/status"))?;
    let status = String::from_utf8_lossy(&status);
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    Ok(numbers.and_then(|numbers| numbers.split_whitespace().next_back()?.parse().ok()))
}

struct Stat {
    has_ended: bool,
    start_ticks: u64,
}

/// Fields 3 and 22 of `/proc/PID/stat`; the name in field 2 may hold spaces and parentheses.
fn stat(pid: &str) -> Option<Stat> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some(Stat {
        has_ended: matches!(fields.next()?, "Z" | "X"),
        start_ticks: fields.nth(18)?.parse().ok()?,
    })
}

/// When a process started, in clock ticks since boot.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    stat(&pid.to_string()).map(|stat| stat.start_ticks)
}

fn read_trimmed(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{INITIAL_PID_NAMESPACE, Owner, OwnerState, Viewpoint};
    use std::process::{Child, Command, Stdio};

    #[test]
    fn this_process_is_alive_and_a_reused_pid_is_not() {
        let owner = Owner::this_process();
        assert_eq!(owner.state(), OwnerState::Alive);
        let later = Owner { start_ticks: owner.start_ticks + 1, ..owner };
        assert_eq!(later.state(), OwnerState::Ended);
    }

    #[test]
    fn another_boot_is_an_end_on_this_machine_only() {
        let here = Viewpoint { machine: "m".into(), ..Viewpoint::here() };
        let owner = Owner { boot_id: "x".into(), machine: "m".into(), ..Owner::this_process() };
        assert_eq!(owner.state_from(&here), OwnerState::Rebooted);
        for machine in ["", "n"] {
            let other = Owner { machine: machine.into(), ..owner.clone() };
            assert_eq!(other.state_from(&here), OwnerState::OtherMachine);
            // Nor does a container know which machine it is on.
            let here = Viewpoint { machine: machine.into(), ..here.clone() };
            assert_eq!(owner.state_from(&here), OwnerState::OtherMachine);
        }
        let untold = Owner { boot_id: String::new(), ..owner.clone() };
        assert_eq!(untold.state_from(&here), OwnerState::Untold);
        let blind = Viewpoint { boot_id: String::new(), ..here };
        assert_eq!(untold.state_from(&blind), OwnerState::Untold);
    }

    #[test]
    fn another_namespace_hides_its_processes_unless_ours_is_above_all() {
        let here = top();
        // The number of a namespace that no process is in any more.
        let owner = Owner { pid_namespace: "pid:[1]".into(), ..Owner::this_process() };
        assert_eq!(owner.state_from(&here), OwnerState::Ended);
        let inside = Viewpoint { pid_namespace: "pid:[2]".into(), ..here.clone() };
        assert_eq!(owner.state_from(&inside), OwnerState::OtherNamespace);
        let foreign_proc = Viewpoint { proc_is_ours: false, ..here };
        assert_eq!(owner.state_from(&foreign_proc), OwnerState::OtherNamespace);
    }

    /// Ours, if these tests do not run in a container themselves.
    fn top() -> Viewpoint {
        Viewpoint { pid_namespace: INITIAL_PID_NAMESPACE.into(), ..Viewpoint::here() }
    }

    /// A shell as process 1 of a namespace of its own.
    fn namespaced() -> Child {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--", "sh", "-c"]);
        command.arg("readlink /proc/self/ns/pid; cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().expect("this test needs namespaces: run it as root")
    }

    #[test]
    fn an_owner_in_a_namespace_below_is_seen_and_so_is_its_end() {
        use std::io::{BufRead as _, BufReader};
        let mut child = namespaced();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let children = format!("/proc/{pid}/task/{pid}/children", pid = child.id());
        let first = std::fs::read_to_string(children).unwrap();
        let start_ticks = super::start_ticks(first.trim().parse().unwrap()).unwrap();
        let pid_namespace = link.trim().to_owned();
        let owner = Owner { pid_namespace, pid: 1, start_ticks, ..Owner::this_process() };
        assert_eq!(owner.state_from(&top()), OwnerState::Alive);
        // Even from where not all are in sight.
        let inside = Viewpoint { pid_namespace: "pid:[2]".into(), ..Viewpoint::here() };
        assert_eq!(owner.state_from(&inside), OwnerState::Alive);
        let neighbour = Owner { pid: 2, ..owner.clone() };
        assert_eq!(neighbour.state_from(&inside), OwnerState::OtherNamespace);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(owner.state_from(&top()), OwnerState::Ended);
    }

    #[test]
    fn an_owner_that_nobody_has_waited_for_has_ended() {
        let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        let start_ticks = super::start_ticks(child.id()).unwrap();
        let owner = Owner { pid: child.id(), start_ticks, ..Owner::this_process() };
        for _ in 0..500 {
            if owner.state() == OwnerState::Ended {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(super::start_ticks(child.id()).is_some(), "it is still there as a zombie");
        assert_eq!(owner.state(), OwnerState::Ended);
        child.wait().unwrap();
    }

    #[test]
    fn an_owner_survives_its_label() {
        let owner = Owner { machine: "m".into(), ..Owner::this_process() };
        assert_eq!(Owner::from_label(&owner.to_label()), Some(owner.clone()));
        let without = Owner { machine: String::new(), ..owner };
        assert_eq!(without.to_label().split('/').count(), 4);
        assert_eq!(Owner::from_label(&without.to_label()), Some(without));
        assert_eq!(Owner::from_label("nonsense"), None);
        assert_eq!(Owner::from_label("a/b/1/2/m/n"), None);
    }
}
