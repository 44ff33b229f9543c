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
/// every one of them: `uid` is who they should be, `limit` how many there may be. `None` if none of
/// them could be observed.
pub(super) fn observe(pids: &[u32], uid: u32, limit: u64) -> Option<Isolation> {
    let observed: Vec<Observed> = pids.iter().filter_map(|pid| Observed::of(*pid)).collect();
    let last = observed.last()?;
    let all = |holds: &dyn Fn(&Observed) -> bool| observed.iter().all(holds);
    let own = |kind: usize| all(&|one| one.own_namespace.get(kind) == Some(&true));
    let mut facts = Vec::new();
    let mut missing = Vec::new();
    let mut note = |isolates: bool, fact: String| {
        if !isolates {
            missing.push(fact.clone());
        }
        facts.push(fact);
    };
    for (kind, (_, name)) in KINDS.iter().enumerate() {
        // A user namespace is how the others are had without being root, not itself a boundary.
        let isolates = own(kind) || *name == "user";
        note(isolates, format!("{name}_namespace={}", if own(kind) { "own" } else { "host" }));
    }
    let private_root = all(&|one| one.private_root);
    note(private_root, format!("root={}", if private_root { "private" } else { "host" }));
    let powerless = all(&Observed::is_powerless);
    let capabilities = if powerless { "none".to_owned() } else { last.capabilities.join("/") };
    note(powerless, format!("capabilities={capabilities}"));
    let no_new = all(&|one| one.no_new_privileges);
    note(no_new, format!("no_new_privileges={}", if no_new { "yes" } else { "no" }));
    let mut uids: Vec<u32> = observed.iter().flat_map(|one| one.uids.clone()).collect();
    uids.sort_unstable();
    uids.dedup();
    for seen in uids {
        note(seen == uid, format!("uid={seen}"));
    }
    let bounded = all(&|one| one.pids_limit == Some(limit));
    let shown = last.pids_limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    note(bounded, format!("pids_limit={shown}"));
    note(true, format!("interfaces={}", last.interfaces.join(",")));
    let is_boundary = (0..5).all(own) && private_root;
    Some(Isolation {
        boundary: if is_boundary { "namespaces" } else { "none" }.to_owned(),
        network_isolated: own(2),
        facts,
        missing,
    })
}

struct Observed {
    /// In the order of [`KINDS`].
    own_namespace: Vec<bool>,
    private_root: bool,
    /// Effective, permitted, ambient, bounding; in hexadecimal.
    capabilities: Vec<String>,
    no_new_privileges: bool,
    uids: Vec<u32>,
    /// Hard limit on the account's processes; `None`: none.
    pids_limit: Option<u64>,
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
            pids_limit: pids_limit(pid),
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

/// The hard limit of `RLIMIT_NPROC` (`/proc/PID/limits`: name, soft limit, hard limit, unit).
fn pids_limit(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max processes"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The network interfaces that a process can see (`/proc/PID/net/dev`, two lines of heading).
fn interfaces(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}
