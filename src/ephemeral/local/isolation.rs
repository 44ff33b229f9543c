//! What the kernel says about the processes of a running sandbox.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::processes;
use crate::ephemeral::Isolation;

/// The kinds of namespaces that isolate, and what they are called in a report.
const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("mnt", "mount"),
    ("net", "network"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
];

/// Looks at all of `pids`, the processes that run what the dump says, and reports what holds for
/// every one of them. `None` if none of them could be observed.
pub(super) fn observe(pids: &[u32]) -> Option<Isolation> {
    let observed: Vec<Observed> = pids.iter().filter_map(|pid| Observed::of(*pid)).collect();
    let last = observed.last()?;
    let all = |holds: &dyn Fn(&Observed) -> bool| observed.iter().all(holds);
    let own = |kind: usize| all(&|one| one.own_namespace.get(kind) == Some(&true));
    let mut facts: Vec<String> = KINDS
        .iter()
        .enumerate()
        .map(|(kind, (_, name))| {
            format!("{name}_namespace={}", if own(kind) { "own" } else { "host" })
        })
        .collect();
    let private_root = all(&|one| one.private_root);
    facts.push(format!("root={}", if private_root { "private" } else { "host" }));
    let powerless = all(&Observed::is_powerless);
    facts.push(if powerless {
        "capabilities=none".to_owned()
    } else {
        format!("capabilities={}", last.capabilities.join("/"))
    });
    let no_new = all(&|one| one.no_new_privileges);
    facts.push(format!("no_new_privileges={}", if no_new { "yes" } else { "no" }));
    let mut uids: Vec<u32> = observed.iter().flat_map(|one| one.uids.clone()).collect();
    uids.sort_unstable();
    uids.dedup();
    facts.extend(uids.iter().map(|uid| format!("uid={uid}")));
    facts.push(format!("interfaces={}", last.interfaces.join(",")));
    // A user namespace is how the others are had without being root, not itself a boundary.
    let bounded = (0..5).all(own) && private_root;
    Some(Isolation {
        boundary: if bounded { "namespaces" } else { "none" }.to_owned(),
        network_isolated: own(2),
        facts,
    })
}

/// Whether an observation shows all that the namespaces are to give, for this account only.
pub(super) fn is_complete(isolation: &Isolation, uid: u32) -> bool {
    let has = |fact: &str| isolation.facts.iter().any(|one| one == fact);
    let accounts = isolation.facts.iter().filter(|one| one.starts_with("uid=")).count();
    isolation.boundary == "namespaces"
        && has("capabilities=none")
        && has("no_new_privileges=yes")
        && has(&format!("uid={uid}"))
        && accounts == 1
}

struct Observed {
    /// In the order of [`KINDS`].
    own_namespace: Vec<bool>,
    private_root: bool,
    /// Effective, permitted, ambient, bounding; in hexadecimal.
    capabilities: Vec<String>,
    no_new_privileges: bool,
    uids: Vec<u32>,
    interfaces: Vec<String>,
}

impl Observed {
    /// `None` if the process has ended meanwhile. What we may not look at counts as not isolated.
    fn of(pid: u32) -> Option<Self> {
        let capabilities = ["CapEff", "CapPrm", "CapAmb", "CapBnd"]
            .into_iter()
            .map(|set| processes::status(pid, set))
            .collect::<Option<_>>()?;
        let root = |path: &str| fs::metadata(path).map(|root| (root.dev(), root.ino())).ok();
        let observed = Self {
            own_namespace: KINDS
                .iter()
                .map(|(kind, _)| {
                    let inside = processes::namespace(pid, kind);
                    inside.is_some() && inside != processes::own_namespace(kind)
                })
                .collect(),
            private_root: root(&format!("/proc/{pid}/root/"))
                .is_some_and(|it| Some(it) != root("/")),
            capabilities,
            no_new_privileges: processes::status(pid, "NoNewPrivs")? == "1",
            uids: processes::uids(pid),
            interfaces: interfaces(pid),
        };
        // Its files vanish one by one while a process ends.
        (!processes::is_zombie(pid)).then_some(observed)
    }

    /// Whether it has no capabilities and cannot get any. The bounding set, which an ordinary
    /// account may not empty, only limits what `no_new_privileges` rules out altogether.
    fn is_powerless(&self) -> bool {
        let none = |set: &String| set.trim_matches('0').is_empty();
        self.capabilities.iter().take(3).all(none)
            && (self.no_new_privileges || self.capabilities.iter().all(none))
    }
}

/// The network interfaces that a process can see (`/proc/PID/net/dev`, two lines of heading).
fn interfaces(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}
