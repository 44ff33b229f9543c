//! Removes what killed runs have left: containers, volumes, processes, folders.
//!
//! Never a living neighbour's: an owner is told by boot id, pid namespace, pid and start time; one
//! that lives where we cannot see it keeps its things until they expire.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::EphemeralError;
use super::daemon::{Daemon, LABEL_EXPIRES, LABEL_OWNER};
use super::ledger::{Ledger, Owner, OwnerState, Resource};
use super::local;
use super::sandbox::Removal;

/// What was done about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swept {
    /// It has been removed, and is gone.
    Removed(String),
    /// It could not be removed.
    Stuck {
        /// What.
        what: String,
        /// What is still there.
        leftovers: Vec<String>,
    },
    /// It belongs to a run that goes on.
    InUse(String),
}

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct SweepReport {
    /// Everything it came across.
    pub swept: Vec<Swept>,
    /// Why containers could not be looked for, if they could not.
    pub docker: Option<String>,
}

impl SweepReport {
    /// Whether everything that should go has gone.
    pub fn is_complete(&self) -> bool {
        !self.swept.iter().any(|swept| matches!(swept, Swept::Stuck { .. }))
    }
}

fn may_remove(owner: Option<&Owner>, expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    match owner.map(Owner::state) {
        Some(OwnerState::Alive) => false,
        Some(OwnerState::Gone) => true,
        Some(OwnerState::Unknown) | None => expires_at.is_some_and(|at| at < now),
    }
}

/// Sweeps the daemon and the ledger.
pub async fn sweep(ledger: &Ledger) -> SweepReport {
    let mut report = SweepReport::default();
    let now = Timestamp::now();
    let mut seen = BTreeSet::new();
    let daemon = match Daemon::reach().await {
        Ok(daemon) => Some(daemon),
        Err(error) => {
            report.docker = Some(error.to_string());
            None
        }
    };
    if let Some(daemon) = &daemon
        && let Err(error) = sweep_containers(daemon, now, &mut seen, &mut report).await
    {
        report.docker = Some(error.to_string());
    }
    for (receipt, entry) in ledger.entries() {
        if !may_remove(Some(&entry.owner), Some(entry.expires_at), now) {
            if let Resource::Local { folder, .. } = &entry.resource {
                report.swept.push(Swept::InUse(format!("folder {}", folder.display())));
            }
            continue;
        }
        match &entry.resource {
            Resource::Container { name, host } => {
                let gone = match &daemon {
                    // Another daemon's container: only a sweep that reaches that one can tell.
                    Some(daemon) if daemon.host == *host => {
                        seen.contains(name) || matches!(daemon.container(name).await, Ok(None))
                    }
                    Some(_) | None => false,
                };
                if gone {
                    receipt.strike();
                }
            }
            Resource::Local { folder, .. } => {
                let what = format!("folder {}", folder.display());
                let existed = folder.exists();
                let resource = entry.resource.clone();
                let swept =
                    tokio::task::spawn_blocking(move || local::sweep_local(&resource)).await;
                let removal = swept.unwrap_or_else(|error| Removal {
                    leftovers: vec![format!("{what}: {error}")],
                });
                if removal.leftovers.is_empty() {
                    receipt.strike();
                    if existed {
                        report.swept.push(Swept::Removed(what));
                    }
                } else {
                    report.swept.push(Swept::Stuck { what, leftovers: removal.leftovers });
                }
            }
        }
    }
    report
}

async fn sweep_containers(
    daemon: &Daemon,
    now: Timestamp,
    removed: &mut BTreeSet<String>,
    report: &mut SweepReport,
) -> Result<(), EphemeralError> {
    for (name, labels) in daemon.our_containers().await? {
        let owner = labels.get(LABEL_OWNER).and_then(|label| Owner::from_label(label));
        let expires_at = labels
            .get(LABEL_EXPIRES)
            .and_then(|label| label.parse().ok())
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        let what = format!("container {name}");
        if !may_remove(owner.as_ref(), expires_at, now) {
            report.swept.push(Swept::InUse(what));
            continue;
        }
        let removal = daemon.remove(&name).await;
        report.swept.push(if removal.leftovers.is_empty() {
            removed.insert(name);
            Swept::Removed(what)
        } else {
            Swept::Stuck { what, leftovers: removal.leftovers }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_owner_keeps_its_things_whatever_the_clock_says() {
        let now = Timestamp::now();
        let past = Some(Timestamp::UNIX_EPOCH);
        let alive = Owner::this_process();
        assert!(!may_remove(Some(&alive), past, now));
        let gone = Owner { start_ticks: 1, ..alive.clone() };
        assert!(may_remove(Some(&gone), Some(Timestamp::MAX), now));
        let elsewhere = Owner { pid_namespace: "pid:[1]".into(), ..alive };
        assert!(!may_remove(Some(&elsewhere), Some(Timestamp::MAX), now));
        assert!(may_remove(Some(&elsewhere), past, now));
        assert!(!may_remove(None, None, now));
    }
}
