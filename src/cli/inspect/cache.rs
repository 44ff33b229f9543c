//! What `inspect` remembers of backups that it has read.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::backup;
use crate::plan::{INVENTORY_SCHEMA, InventoryReport};

/// Inventories that are kept; the ones written first go first.
const KEPT: usize = 64;
/// A larger inventory is not kept, in bytes.
const LIMIT_BYTES: u64 = 64 * 1024 * 1024;
/// A file that changed this recently may change again within one tick of the file system's clock.
const TICK: Duration = Duration::from_secs(2);
const EXTENSION: &str = "inventory";

/// What is written.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    /// Everything that must be the same for it to be true still.
    key: String,
    report: InventoryReport,
}

/// The place of one backup's inventory.
#[derive(Debug)]
pub(super) struct Slot {
    folder: PathBuf,
    /// As the call names it: what is shown depends on it.
    given: Utf8PathBuf,
    key: String,
}

impl Slot {
    /// `None` where the backup cannot be told from another one: it is gone, has only just changed,
    /// or is named by what is another file for another call.
    pub(super) fn of(folder: &Path, given: &Utf8Path) -> Option<Self> {
        let key = key_of(given)?;
        Some(Self { folder: folder.to_owned(), given: given.to_owned(), key })
    }

    fn file(&self) -> PathBuf {
        let name =
            Sha256::digest(self.key.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        self.folder.join(name).with_extension(EXTENSION)
    }

    /// What an earlier call has read. Whatever is damaged, or speaks of something else, is nothing.
    pub(super) fn load(&self) -> Option<InventoryReport> {
        let file = File::open(self.file()).ok()?;
        let metadata = file.metadata().ok()?;
        // Others must not be able to put words into it.
        let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
        if !is_own || !metadata.is_file() || metadata.mode() & 0o077 != 0 {
            return None;
        }
        let mut text = Vec::new();
        file.take(LIMIT_BYTES).read_to_end(&mut text).ok()?;
        let remembered: Remembered = serde_json::from_slice(&text).ok()?;
        let is_meant = remembered.key == self.key && remembered.report.schema == INVENTORY_SCHEMA;
        is_meant.then_some(InventoryReport { cached: true, ..remembered.report })
    }

    /// Remembers, unless the backup has changed since. A failure only costs the next call its speed.
    pub(super) fn store(&self, report: &InventoryReport) {
        if key_of(&self.given).as_ref() != Some(&self.key) {
            return;
        }
        if let Err(error) = self.try_store(report) {
            tracing::debug!(%error, "the inventory is not remembered");
        }
    }

    fn try_store(&self, report: &InventoryReport) -> io::Result<()> {
        let remembered = Remembered { key: self.key.clone(), report: report.clone() };
        let text = serde_json::to_vec(&remembered)?;
        if text.len() as u64 >= LIMIT_BYTES {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        // Temporary files are readable by their owner alone.
        let mut draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(&self.folder)?;
        draft.write_all(&text)?;
        draft.persist(self.file()).map_err(|error| error.error)?;
        self.bound()
    }

    /// Removes the oldest beyond [`KEPT`], and drafts that killed calls have left.
    fn bound(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let Ok(modified) = fs::symlink_metadata(&path).and_then(|found| found.modified())
            else {
                continue;
            };
            let is_draft = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b".draft-"));
            if is_draft && modified.elapsed().is_ok_and(|age| age > Duration::from_secs(3600)) {
                fs::remove_file(&path)?;
            } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                kept.push((modified, path));
            }
        }
        kept.sort();
        let surplus = kept.len().saturating_sub(KEPT);
        kept.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// Path as it was given and where it leads, sizes, times and places of the backup and of what lies
/// beside either, and pgdrill's version.
fn key_of(given: &Utf8Path) -> Option<String> {
    if leads_through_devices(given)? {
        return None;
    }
    let backup = given.canonicalize_utf8().ok()?;
    let kind = fs::metadata(&backup).ok()?;
    if !kind.is_file() && !kind.is_dir() {
        return None;
    }
    let mut key = format!("{} {}\n", env!("CARGO_PKG_VERSION"), INVENTORY_SCHEMA);
    let _ = writeln!(key, "{}", given.as_str().escape_debug());
    let mut files = vec![backup.clone().into_std_path_buf()];
    if kind.is_dir() {
        files.extend(backup::files_of_folder(&backup).ok()?);
    }
    files.extend(backup::companions(&backup).map(Utf8PathBuf::into_std_path_buf));
    if given != backup {
        files.extend(backup::companions(given).map(Utf8PathBuf::into_std_path_buf));
    }
    for file in files {
        let identity = match fs::metadata(&file) {
            Ok(found) => {
                let changed =
                    [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())];
                if changed.iter().any(|(seconds, _)| is_recent(*seconds)) {
                    return None;
                }
                format!("{} {} {} {changed:?}", found.dev(), found.ino(), found.len())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => "absent".to_owned(),
            Err(_) => return None,
        };
        let _ = writeln!(key, "{} {identity}", file.display().to_string().escape_debug());
    }
    Some(key)
}

/// Whether a path goes by `/dev` or `/proc`, as `/dev/stdin` does: it is a file like any other at
/// its end, and another one for the next call.
fn leads_through_devices(given: &Utf8Path) -> Option<bool> {
    let mut path = std::path::absolute(given).ok()?;
    // As many links as the kernel follows.
    for _ in 0..40 {
        let folder = path.parent().map(fs::canonicalize)?.ok()?;
        let at = folder.join(path.file_name()?);
        let is_device = at.starts_with("/dev") && !at.starts_with("/dev/shm");
        if is_device || at.starts_with("/proc") {
            return Some(true);
        }
        match fs::read_link(&at) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Some(false),
        }
    }
    None
}

fn is_recent(seconds: i64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let then = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    then + TICK > now
}
