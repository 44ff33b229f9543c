//! The files that dbbackup leaves beside a backup: `.meta.json`, `.info`, `.sha256`.
//!
//! Their fields are those of dbbackup 3 to 6: `ClusterMetadata` and `BackupMetadata`, the flat `.info`
//! that is printed without escaping, and the line that `sha256sum` writes.

mod checksums;
mod compare;
mod parse;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Read as _};

use camino::Utf8Path;
use serde::Serialize;

pub(crate) use compare::{FileFacts, compare_file, compare_members, failures_said, no_sidecar};

use super::inventory::PostgresVersion;
use crate::finding::{Finding, FindingCode};

/// A sidecar larger than this is none.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;
/// What a sidecar's name has behind that of its backup.
pub(crate) const SUFFIXES: [&str; 3] = [".meta.json", ".info", ".sha256"];

/// What the sidecars say, taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sidecar {
    /// The files that were there and could be read, by the ends of their names.
    pub files: Vec<&'static str>,
    /// Databases that the backup should hold; empty where no sidecar lists any.
    pub databases: Vec<String>,
    /// Databases that failed while the backup was made.
    pub failure_count: u64,
    /// Databases that were backed up, as far as sidecars count them.
    #[serde(skip)]
    pub success_count: Option<u64>,
    /// The hashes of the file, or of what was encrypted into it.
    pub hashes: Vec<Said<String>>,
    /// Its size in bytes, or that of what was encrypted into it.
    pub sizes: Vec<Said<u64>>,
    /// Whether it says that the backup is encrypted.
    pub is_encrypted: bool,
    /// Whether a restore made it up from the archive: it says nothing of how that was made.
    pub is_generated: bool,
    /// The source's version.
    pub server_version: Option<PostgresVersion>,
    /// When the backup was made (after its data was read).
    pub timestamp: Option<String>,
    /// The one database of a single backup.
    pub database: Option<String>,
    /// What they lie beside: the backup's path, or that of the file which it leads to.
    #[serde(skip)]
    pub(crate) beside: String,
}

/// What one of the sidecars says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said<T> {
    /// Which, by the end of its name.
    pub by: &'static str,
    /// What.
    pub value: T,
}

/// Reads what lies beside `backup`. Absent sidecars are fine, unreadable ones are a notice. Where
/// nothing lies beside a link, what lies beside the file that it leads to counts.
pub fn read(backup: &Utf8Path) -> (Option<Sidecar>, Vec<Finding>) {
    match read_beside(backup) {
        (None, findings) if findings.is_empty() => match backup.canonicalize_utf8() {
            Ok(target) if target != backup => read_beside(&target),
            _ => (None, findings),
        },
        read => read,
    }
}

fn read_beside(backup: &Utf8Path) -> (Option<Sidecar>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut sidecar = Sidecar::default();
    let stem = backup.as_str().trim_end_matches('/');
    let name = backup.file_name().unwrap_or_default();
    for suffix in SUFFIXES {
        let path = format!("{stem}{suffix}");
        let read = match read_limited(&path) {
            Ok(None) => continue,
            Ok(Some(text)) => parse::add(&mut sidecar, suffix, &text, name),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(()) => sidecar.files.push(suffix),
            Err(cause) => findings.push(unreadable(&path, cause)),
        }
    }
    let says_something = sidecar != Sidecar::default();
    stem.clone_into(&mut sidecar.beside);
    (says_something.then_some(sidecar), findings)
}

fn unreadable(path: &str, cause: String) -> Finding {
    Finding::new(
        FindingCode::SidecarUnreadable,
        format!("the sidecar `{path}` cannot be understood"),
    )
    .on(path.to_owned())
    .because(cause)
}

fn read_limited(path: &str) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        // A folder or a pipe of that name is no sidecar; a pipe might never end.
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::other("it is no file"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut text = String::new();
    fs::File::open(path)?.take(LIMIT_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}
