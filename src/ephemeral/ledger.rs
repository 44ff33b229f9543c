//! The list of what exists outside this process and must vanish with the run.
//!
//! One JSON file for each sandbox, written before the sandbox is created and deleted after its
//! removal was observed. `pgdrill sweep` removes what a killed run has left; an entry whose owner
//! still lives is a neighbour's and is never touched.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::EphemeralError;

/// The process that owns a sandbox, told apart from a later one with the same number.
///
/// Sources: `/proc/sys/kernel/random/boot_id`, `/proc/self/ns/pid` and field 22 of
/// `/proc/PID/stat` (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Identifies the boot of the machine.
    pub boot_id: String,
    /// The pid namespace that `pid` belongs to (`pid:[4026531836]`).
    pub pid_namespace: String,
    /// Process id.
    pub pid: u32,
    /// Clock ticks between boot and the start of the process.
    pub start_ticks: u64,
}

/// Whether an owner still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    /// It runs.
    Alive,
    /// It is gone.
    Gone,
    /// It lived in another pid namespace: only its expiry tells.
    Unknown,
}

impl Owner {
    /// This process.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            boot_id: read_trimmed("/proc/sys/kernel/random/boot_id"),
            pid_namespace: own_pid_namespace(),
            pid,
            start_ticks: start_ticks(pid).unwrap_or(0),
        }
    }

    /// Looks whether the owner still runs.
    pub fn state(&self) -> OwnerState {
        if self.boot_id != read_trimmed("/proc/sys/kernel/random/boot_id") {
            return OwnerState::Gone;
        }
        if self.pid_namespace != own_pid_namespace() {
            return OwnerState::Unknown;
        }
        match start_ticks(self.pid) {
            Some(ticks) if ticks == self.start_ticks => OwnerState::Alive,
            Some(_) | None => OwnerState::Gone,
        }
    }

    /// The form used in container labels.
    pub fn to_label(&self) -> String {
        format!("{}/{}/{}/{}", self.boot_id, self.pid_namespace, self.pid, self.start_ticks)
    }

    /// Reads [`Owner::to_label`]'s form back.
    pub fn from_label(label: &str) -> Option<Self> {
        let mut parts = label.split('/');
        let owner = Self {
            boot_id: parts.next()?.to_owned(),
            pid_namespace: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            start_ticks: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(owner)
    }
}

fn read_trimmed(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn own_pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Field 22 of `/proc/PID/stat`; the command name in field 2 may hold spaces and parentheses.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

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

    /// All entries, with the paths they stand in. Unreadable files are skipped: another run may be
    /// writing or deleting them.
    pub fn entries(&self) -> Vec<(Receipt, Entry)> {
        let Ok(files) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut found: Vec<(Receipt, Entry)> = files
            .filter_map(Result::ok)
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| {
                let text = fs::read_to_string(&path).ok()?;
                let entry = serde_json::from_str(&text).ok()?;
                Some((Receipt { path }, entry))
            })
            .collect();
        found.sort_by(|left, right| left.0.path.cmp(&right.0.path));
        found
    }
}

/// Where an entry stands; striking it needs the receipt.
#[derive(Debug, Clone)]
pub struct Receipt {
    path: PathBuf,
}

impl Receipt {
    /// Replaces the entry, atomically.
    pub fn rewrite(&self, entry: &Entry) -> Result<(), EphemeralError> {
        let folder_error = |source: io::Error| EphemeralError::Folder {
            action: "write",
            path: self.path.display().to_string(),
            source,
        };
        let text = serde_json::to_vec_pretty(entry).map_err(|e| folder_error(e.into()))?;
        let draft = self.path.with_extension("draft");
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
    use super::{Owner, OwnerState};

    #[test]
    fn this_process_is_alive_and_a_reused_pid_is_not() {
        let owner = Owner::this_process();
        assert_eq!(owner.state(), OwnerState::Alive);
        let later = Owner { start_ticks: owner.start_ticks + 1, ..owner.clone() };
        assert_eq!(later.state(), OwnerState::Gone);
        let other_boot = Owner { boot_id: "x".into(), ..owner.clone() };
        assert_eq!(other_boot.state(), OwnerState::Gone);
        let elsewhere = Owner { pid_namespace: "pid:[1]".into(), ..owner };
        assert_eq!(elsewhere.state(), OwnerState::Unknown);
    }

    #[test]
    fn an_owner_survives_its_label() {
        let owner = Owner::this_process();
        assert_eq!(Owner::from_label(&owner.to_label()), Some(owner));
        assert_eq!(Owner::from_label("nonsense"), None);
    }
}
