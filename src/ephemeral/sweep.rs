//! Removes what killed runs have left: containers, volumes, processes, folders.
//!
//! Never a living neighbour's: what is not proven to have lost its owner stays until it expires.
//! Looking and removing are the same walk, so that what is announced is what would go.

mod containers;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::EphemeralError;
use super::daemon::Daemon;
use super::endpoint::UNNAMED;
use super::ledger::{Ledger, Owner, OwnerState, Page, Resource};
use super::sandbox::Removal;
use crate::text::duration;

/// How long the start of a run may wait for the daemon to tell of leftovers.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Remove what may go.
    Remove,
    /// Only look.
    DryRun,
}

/// What became of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It has been removed, and is gone.
    Removed,
    /// It would have been removed, had this been more than a look.
    WouldGo,
    /// It could not be removed: what is still there.
    Stuck(Vec<String>),
    /// It must not be removed, or not yet.
    Stays,
}

/// One thing that was come across.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// What.
    pub what: String,
    /// What became of it.
    pub fate: Fate,
    /// Why that may go, or stays.
    pub why: String,
    /// When it was made, where that is known.
    pub made_at: Option<Timestamp>,
}

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct SweepReport {
    /// Everything it came across.
    pub swept: Vec<Swept>,
    /// Why containers could not be looked for, if they could not.
    pub docker: Option<String>,
    /// Whether containers may be left that could not be looked for: a daemon is named and does not
    /// answer, or the ledger has a container that is on another.
    pub is_blind: bool,
}

impl SweepReport {
    /// Whether everything that should go has gone, as far as there is anything to look at.
    pub fn is_complete(&self) -> bool {
        !self.is_blind && !self.swept.iter().any(|swept| matches!(swept.fate, Fate::Stuck(_)))
    }
}

/// What a sweep would remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// How many things.
    pub count: usize,
    /// How long ago the oldest of them was made, where that is known.
    pub oldest: Option<Duration>,
}

/// Sweeps the daemon, the ledger and the temporary folder.
pub async fn sweep(ledger: &Ledger, mode: Mode) -> SweepReport {
    let mut sweep = Sweep::new(ledger, mode);
    let daemon = match sweep.containers().await {
        Ok(daemon) => Some(daemon),
        Err(error) => {
            let cause = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
            // A machine without Docker has no containers.
            sweep.report.is_blind = !matches!(
                &error,
                EphemeralError::NoDaemon { origin, .. } if origin == UNNAMED
            );
            sweep.report.docker = Some(format!("{error}{cause}"));
            None
        }
    };
    sweep.pages(daemon.as_ref()).await;
    sweep.folders().await;
    sweep.report
}

/// Looks for what a sweep would remove. Takes a second at most: a daemon that does not answer by
/// then is not asked again.
pub async fn leftovers(ledger: &Ledger) -> Option<Leftovers> {
    let mut sweep = Sweep::new(ledger, Mode::DryRun);
    let look = async {
        let daemon = sweep.containers().await.ok();
        sweep.pages(daemon.as_ref()).await;
    };
    if tokio::time::timeout(PATIENCE, look).await.is_err() {
        sweep.report = SweepReport::default();
        sweep.pages(None).await;
    }
    sweep.folders().await;
    let now = sweep.now;
    let going: Vec<Swept> =
        sweep.report.swept.into_iter().filter(|swept| swept.fate == Fate::WouldGo).collect();
    let oldest = going.iter().filter_map(|swept| swept.made_at).min();
    let oldest = oldest.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
    (!going.is_empty()).then_some(Leftovers { count: going.len(), oldest })
}

/// A sweep on its way.
struct Sweep {
    mode: Mode,
    now: Timestamp,
    pages: Vec<Page>,
    /// The containers of ours that the daemon has told of, and whether each is gone by now.
    seen: BTreeMap<String, bool>,
    report: SweepReport,
}

impl Sweep {
    fn new(ledger: &Ledger, mode: Mode) -> Self {
        Self {
            mode,
            now: Timestamp::now(),
            pages: ledger.pages(),
            seen: BTreeMap::new(),
            report: SweepReport::default(),
        }
    }

    fn note(&mut self, what: &str, fate: Fate, why: String, made_at: Option<Timestamp>) {
        self.report.swept.push(Swept { what: what.to_owned(), fate, why, made_at });
    }

    /// The containers that our ledger knows.
    fn entered(&self) -> BTreeSet<String> {
        let entries = self.pages.iter().filter_map(|page| page.content.as_ref().ok());
        entries
            .filter_map(|entry| match &entry.resource {
                Resource::Container { name, .. } => Some(name.clone()),
                Resource::Local { .. } => None,
            })
            .collect()
    }

    /// The folders that our ledger knows.
    fn entered_folders(&self) -> BTreeSet<PathBuf> {
        let entries = self.pages.iter().filter_map(|page| page.content.as_ref().ok());
        entries
            .filter_map(|entry| match &entry.resource {
                Resource::Local { folder, .. } => Some(folder.clone()),
                Resource::Container { .. } => None,
            })
            .collect()
    }
}

fn fate_of(removal: Removal) -> Fate {
    if removal.leftovers.is_empty() { Fate::Removed } else { Fate::Stuck(removal.leftovers) }
}

/// How much the absence of an owner proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// What we do not see is not there.
    Full,
    /// It may be that a copy of this machine, down to its boot id, is what the owner lives on.
    Doubtful,
}

/// Whether a thing may go, and why.
#[derive(Debug)]
struct Judgement {
    goes: bool,
    why: String,
}

fn judge(
    owner: Option<&Owner>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    proof: Proof,
) -> Judgement {
    let state = owner.map_or(OwnerState::Untold, Owner::state);
    let mut why = owner.map_or_else(
        || "its labels do not say whose it is".to_owned(),
        |owner| owner.describe(state),
    );
    if state == OwnerState::Alive {
        return Judgement { goes: false, why };
    }
    if state.is_gone() {
        if proof == Proof::Full {
            return Judgement { goes: true, why };
        }
        "its run is not on this machine, and the daemon may serve others".clone_into(&mut why);
    }
    let Some(at) = expires_at else {
        why.push_str(" and it has no expiry: remove it by hand");
        return Judgement { goes: false, why };
    };
    let until = Duration::try_from(at.duration_since(now).abs()).unwrap_or_default();
    if at < now {
        why.push_str(&format!("; expired {} ago", duration(until)));
    } else {
        why.push_str(&format!("; expires in {}", duration(until)));
    }
    Judgement { goes: at < now, why }
}

/// Daemons that are reached over a socket file run on this machine and are its own; others may
/// serve several.
fn proof_of(daemon: &Daemon) -> Proof {
    if daemon.host.starts_with("unix://") { Proof::Full } else { Proof::Doubtful }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_owner_keeps_its_things_whatever_the_clock_says() {
        let now = Timestamp::now();
        let (past, future) = (Some(Timestamp::UNIX_EPOCH), Some(Timestamp::MAX));
        let goes = |owner: Option<&Owner>, at| judge(owner, at, now, Proof::Full).goes;
        let alive = Owner::this_process();
        assert!(!goes(Some(&alive), past));
        let gone = Owner { start_ticks: 1, ..alive.clone() };
        assert!(goes(Some(&gone), future));
        let elsewhere =
            Owner { boot_id: "another".into(), machine: "another".into(), ..alive.clone() };
        assert!(!goes(Some(&elsewhere), future));
        assert!(goes(Some(&elsewhere), past));
        assert!(!goes(None, None));
        assert!(!goes(None, future));
        assert!(goes(None, past));
        // Where a copy of this machine may be at work, only the expiry counts.
        assert!(!judge(Some(&gone), future, now, Proof::Doubtful).goes);
        assert!(judge(Some(&gone), past, now, Proof::Doubtful).goes);
        assert!(!judge(Some(&alive), past, now, Proof::Doubtful).goes);
    }

    #[tokio::test]
    async fn drafts_and_damaged_entries_neither_stay_for_ever_nor_go_at_once() {
        let home = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(home.path()).unwrap();
        let page = |name: &str, age: u64, text: &str| {
            let path = home.path().join("ledger").join(name);
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
            path
        };
        let old_draft = page("r-pgdrill-a.draft", 600, "{");
        let new_draft = page("r-pgdrill-b.draft", 0, "{");
        let old = page("r-pgdrill-c.json", 90_000, "{");
        let new = page("r-pgdrill-d.json", 600, "{");
        let mut look = Sweep::new(&ledger, Mode::DryRun);
        look.pages(None).await;
        assert_eq!(look.report.swept.len(), 4, "{:?}", look.report.swept);
        assert!([&old_draft, &new_draft, &old, &new].iter().all(|path| path.exists()));
        let mut sweep = Sweep::new(&ledger, Mode::Remove);
        sweep.pages(None).await;
        assert!(!old_draft.exists() && !old.exists());
        assert!(new_draft.exists() && new.exists());
        assert!(sweep.report.is_complete(), "{:?}", sweep.report);
    }
}
