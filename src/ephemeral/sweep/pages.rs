//! What the ledger knows, and the folders that no ledger knows.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Fate, Judgement, Mode, Proof, Sweep, fate_of, judge};
use crate::ephemeral::daemon::Daemon;
use crate::ephemeral::ledger::{Entry, Page, Resource};
use crate::ephemeral::{Removal, local};

/// A daemon goes on making a container whose client was killed. After this time it has made it.
const CREATION: SignedDuration = SignedDuration::from_secs(10);
/// How long a draft that says nothing may be one that is just being written.
const WRITING: SignedDuration = SignedDuration::from_mins(1);
/// How long an entry that says nothing may belong to a run that goes on.
const UNREADABLE: SignedDuration = SignedDuration::from_hours(24);

impl Sweep {
    /// Goes through the ledger.
    pub(super) async fn pages(&mut self, daemon: Option<&Daemon>) {
        for page in std::mem::take(&mut self.pages) {
            match &page.content {
                Err(cause) => self.unreadable(&page, cause),
                Ok(entry) => {
                    let judgement =
                        judge(Some(&entry.owner), Some(entry.expires_at), self.now, Proof::Full);
                    self.entry(&page, entry, judgement, daemon).await;
                }
            }
            self.pages.push(page);
        }
    }

    async fn entry(
        &mut self,
        page: &Page,
        entry: &Entry,
        judgement: Judgement,
        daemon: Option<&Daemon>,
    ) {
        if page.is_draft() {
            // Its sandbox was never made, or stands in an entry of its own.
            if judgement.goes {
                self.strike(page, "draft", judgement.why);
            }
            return;
        }
        match &entry.resource {
            Resource::Container { name, host } => match daemon {
                Some(daemon) if daemon.host == *host => {
                    if judgement.goes {
                        self.entered_container(page, name, judgement.why, daemon).await;
                    }
                }
                // Another daemon's container: only a sweep that reaches that one can tell.
                Some(_) | None => {
                    self.report.is_blind |= judgement.goes || daemon.is_none();
                    let why =
                        format!("{}; not looked for, it is on the daemon {host}", judgement.why);
                    self.note(&format!("container {name}"), Fate::Stays, why, page.written_at);
                }
            },
            Resource::Local { folder, .. } => {
                let what = format!("folder {}", folder.display());
                let (existed, resource) = (folder.exists(), entry.resource.clone());
                let fate = self.local(resource, &judgement).await;
                match fate {
                    Fate::Removed | Fate::WouldGo if !existed => {
                        self.strike(page, "entry", judgement.why);
                        return;
                    }
                    Fate::Removed => page.receipt.strike(),
                    Fate::WouldGo | Fate::Stuck(_) | Fate::Stays => {}
                }
                self.note(&what, fate, judgement.why, page.written_at);
            }
        }
    }

    async fn local(&self, resource: Resource, judgement: &Judgement) -> Fate {
        if !judgement.goes {
            return Fate::Stays;
        }
        if self.mode == Mode::DryRun {
            return Fate::WouldGo;
        }
        let swept = tokio::task::spawn_blocking(move || local::sweep_local(&resource)).await;
        fate_of(swept.unwrap_or_else(|error| Removal { leftovers: vec![error.to_string()] }))
    }

    /// A container that the daemon may not have told of when it was asked for all.
    async fn entered_container(&mut self, page: &Page, name: &str, why: String, daemon: &Daemon) {
        match self.seen.get(name) {
            Some(true) => return page.receipt.strike(),
            // It could not be removed, or this is but a look: it has been noted already.
            Some(false) => return,
            None => {}
        }
        let what = format!("container {name}");
        match self.appears(page, name, daemon).await {
            Err(cause) => self.note(&what, Fate::Stuck(vec![cause]), why, page.written_at),
            Ok(false) => self.strike(page, "entry", why),
            Ok(true) if self.mode == Mode::DryRun => {
                self.note(&what, Fate::WouldGo, why, page.written_at);
            }
            Ok(true) => {
                let fate = fate_of(daemon.remove(name).await);
                if fate == Fate::Removed {
                    page.receipt.strike();
                }
                self.note(&what, fate, why, page.written_at);
            }
        }
    }

    /// Whether a container is there, or comes while the daemon may still be making it.
    async fn appears(&self, page: &Page, name: &str, daemon: &Daemon) -> Result<bool, String> {
        loop {
            if daemon.container(name).await.map_err(|error| error.to_string())?.is_some() {
                return Ok(true);
            }
            if self.mode == Mode::DryRun || is_older(page, Timestamp::now(), CREATION) {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A file that says nothing. Its sandbox is looked for by labels and markers all the same.
    fn unreadable(&mut self, page: &Page, cause: &str) {
        if page.is_draft() {
            if is_older(page, self.now, WRITING) {
                self.strike(page, "draft", "it was cut short before its sandbox was made".into());
            } else {
                let why = "it may be being written just now".to_owned();
                self.note(&file(page, "draft"), Fate::Stays, why, page.written_at);
            }
            return;
        }
        let sandbox = page.sandbox().unwrap_or_default();
        let is_there = !sandbox.is_empty()
            && (self.seen.get(sandbox) == Some(&false)
                || std::env::temp_dir().join(sandbox).exists());
        if is_older(page, self.now, UNREADABLE) && !is_there {
            self.strike(page, "entry", format!("it cannot be read ({cause})"));
        } else {
            let why = format!("it cannot be read ({cause}); goes after a day if nothing is left");
            self.note(&file(page, "entry"), Fate::Stays, why, page.written_at);
        }
    }

    fn strike(&mut self, page: &Page, kind: &str, why: String) {
        // Its run may have done so itself by now.
        if !page.receipt.path().exists() {
            return;
        }
        let fate = match self.mode {
            Mode::DryRun => Fate::WouldGo,
            Mode::Remove => {
                page.receipt.strike();
                Fate::Removed
            }
        };
        self.note(&file(page, kind), fate, why, page.written_at);
    }

    /// Goes through the temporary folder for sandboxes of another ledger, or of a lost one.
    pub(super) async fn folders(&mut self) {
        let entered = self.entered_folders();
        let found = tokio::task::spawn_blocking(local::find_folders).await.unwrap_or_default();
        for folder in found.into_iter().filter(|folder| !entered.contains(&folder.path)) {
            let judgement =
                judge(Some(&folder.owner), Some(folder.expires_at), self.now, Proof::Full);
            let what = format!("folder {}", folder.path.display());
            let fate = self.local(lost(folder.path), &judgement).await;
            self.note(&what, fate, judgement.why, folder.made_at);
        }
    }
}

/// What an entry of it would have said.
fn lost(folder: PathBuf) -> Resource {
    Resource::Local { folder, pid: None, start_ticks: None }
}

fn file(page: &Page, kind: &str) -> String {
    format!("ledger {kind} {}", page.receipt.path().display())
}

fn is_older(page: &Page, now: Timestamp, age: SignedDuration) -> bool {
    page.written_at.is_none_or(|at| now.duration_since(at) > age)
}
