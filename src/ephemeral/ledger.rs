//! The list of what exists outside this process and must vanish with the run.
//!
//! One JSON file for each sandbox, written before the sandbox is created and deleted after its
//! removal was observed. `pgdrill sweep` removes what a killed run has left; an entry whose owner
//! still lives is a neighbour's and is never touched.
//!
//! An entry is drafted beside its place and moved there. So a draft whose entry is missing is of a
//! sandbox that was never made.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::EphemeralError;
pub(crate) use super::owner::start_ticks;
pub use super::owner::{Owner, OwnerState};

/// What was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A container, by the unique name it is created with.
    Container {
        /// Its name.
        name: String,
        /// The daemon it lives on, as a `DOCKER_HOST` value.
        host: String,
    },
    /// A local sandbox.
    Local {
        /// Its private folder; everything it writes is below it.
        folder: PathBuf,
        /// The first process of its pid namespace as seen from here, once it runs.
        pid: Option<u32>,
        /// That process's start, in clock ticks since boot.
        start_ticks: Option<u64>,
    },
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The run that made it.
    pub run_id: String,
    /// The scenario that made it.
    pub scenario: String,
    /// The process that made it.
    pub owner: Owner,
    /// After this moment it may be removed even if its owner cannot be observed.
    pub expires_at: Timestamp,
    /// What was made.
    pub resource: Resource,
}

/// The folder with the entries.
#[derive(Debug, Clone)]
pub struct Ledger {
    folder: PathBuf,
}

impl Ledger {
    /// The user's ledger below `home` (`PGDRILL_HOME`, else `$XDG_STATE_HOME/pgdrill`, else
    /// `~/.local/state/pgdrill`).
    pub fn open(home: &Path) -> Result<Self, EphemeralError> {
        let folder = home.join("ledger");
        fs::create_dir_all(&folder).map_err(|source| EphemeralError::Folder {
            action: "create",
            path: folder.display().to_string(),
            source,
        })?;
        Ok(Self { folder })
    }

    /// The ledger as it is, to look into: nothing is created, and where there is none it is empty.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be read.
    pub fn look(home: &Path) -> Result<Self, EphemeralError> {
        let folder = home.join("ledger");
        match fs::read_dir(&folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(EphemeralError::Folder {
                    action: "read",
                    path: folder.display().to_string(),
                    source,
                })
            }
            Ok(_) | Err(_) => Ok(Self { folder }),
        }
    }

    fn path(&self, run_id: &str, scenario_index: &str) -> PathBuf {
        self.folder.join(format!("{run_id}{scenario_index}.json"))
    }

    /// Writes `entry` durably: to a new file that is then renamed.
    pub fn enter(&self, entry: &Entry) -> Result<Receipt, EphemeralError> {
        let suffix = match &entry.resource {
            Resource::Container { name, .. } => format!("-{name}"),
            Resource::Local { folder, .. } => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                format!("-{name}")
            }
        };
        let path = self.path(&entry.run_id, &suffix);
        let receipt = Receipt { path };
        receipt.rewrite(entry)?;
        Ok(receipt)
    }

    /// All that stands in it, sorted by name.
    pub fn pages(&self) -> Vec<Page> {
        let Ok(files) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = files
            .filter_map(Result::ok)
            .map(|file| file.path())
            .filter(|path| is_page(path))
            .collect();
        paths.sort();
        paths.into_iter().filter_map(Page::read).collect()
    }

    /// The readable entries, with the paths they stand in.
    pub fn entries(&self) -> Vec<(Receipt, Entry)> {
        let pages = self.pages().into_iter().filter(|page| !page.is_draft());
        pages.filter_map(|page| Some((page.receipt, page.content.ok()?))).collect()
    }
}

const DRAFT: &str = "draft";

fn is_page(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension == "json" || extension == DRAFT)
}

/// One file of the ledger: an entry, or the draft of one.
#[derive(Debug)]
pub struct Page {
    /// Where it stands.
    pub receipt: Receipt,
    /// What it says, or why that cannot be read.
    pub content: Result<Entry, String>,
    /// When it was written.
    pub written_at: Option<Timestamp>,
}

impl Page {
    /// `None` where it is gone by now: another run has struck it.
    fn read(path: PathBuf) -> Option<Self> {
        let read = fs::read(&path).and_then(|text| Ok((text, fs::metadata(&path)?.modified()?)));
        let (content, written_at) = match read {
            Ok((text, written_at)) => (
                serde_json::from_slice(&text).map_err(|error| error.to_string()),
                Timestamp::try_from(written_at).ok(),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => (Err(error.to_string()), None),
        };
        Some(Self { receipt: Receipt { path }, content, written_at })
    }

    /// Whether it was never put in its place.
    pub fn is_draft(&self) -> bool {
        self.receipt.path.extension().is_some_and(|extension| extension == DRAFT)
    }

    /// The name of the sandbox, as the file's own name ends with it.
    pub fn sandbox(&self) -> Option<&str> {
        let stem = self.receipt.path.file_stem()?.to_str()?;
        stem.match_indices("-pgdrill-").next().map(|(at, _)| &stem[at + 1..])
    }
}

/// Where an entry stands; striking it needs the receipt.
#[derive(Debug, Clone)]
pub struct Receipt {
    path: PathBuf,
}

impl Receipt {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the entry, atomically.
    pub fn rewrite(&self, entry: &Entry) -> Result<(), EphemeralError> {
        let folder_error = |source: io::Error| EphemeralError::Folder {
            action: "write",
            path: self.path.display().to_string(),
            source,
        };
        let text = serde_json::to_vec_pretty(entry).map_err(|e| folder_error(e.into()))?;
        let draft = self.path.with_extension(DRAFT);
        let mut file = fs::File::create(&draft).map_err(folder_error)?;
        file.write_all(&text).map_err(folder_error)?;
        file.sync_all().map_err(folder_error)?;
        fs::rename(&draft, &self.path).map_err(folder_error)
    }

    /// Deletes the entry; one that is gone already is fine.
    pub fn strike(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a ledger entry stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_shown_and_drafts_are_no_entries() {
        let home = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(home.path()).unwrap();
        let entry = Entry {
            run_id: "20260130t021011-3f9a1c".to_owned(),
            scenario: "nightly".to_owned(),
            owner: Owner::this_process(),
            expires_at: Timestamp::now(),
            resource: Resource::Local {
                folder: PathBuf::from("/tmp/pgdrill-0123456789"),
                pid: None,
                start_ticks: None,
            },
        };
        let receipt = ledger.enter(&entry).unwrap();
        let cut = home.path().join("ledger/x-pgdrill-x-abc.json");
        fs::write(&cut, "{\"run_id\"").unwrap();
        fs::copy(receipt.path(), home.path().join("ledger/y.draft")).unwrap();
        fs::write(home.path().join("ledger/notes.txt"), "").unwrap();
        let pages = ledger.pages();
        assert_eq!(pages.len(), 3);
        assert_eq!(pages[0].sandbox(), Some("pgdrill-0123456789"));
        assert_eq!(pages[0].content.as_ref().unwrap(), &entry);
        assert_eq!(pages[1].sandbox(), Some("pgdrill-x-abc"));
        assert!(pages[1].content.is_err() && !pages[1].is_draft());
        assert!(pages[2].content.is_ok() && pages[2].is_draft());
        assert_eq!(ledger.entries().len(), 1);
        receipt.strike();
        assert!(ledger.entries().is_empty());
    }
}
