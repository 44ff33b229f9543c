//! What lies in a backup that is a folder.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};

use crate::backup::directory::{self, part_of};

const DUMPS: &str = "dumps";

/// What a backup's folder holds: its own files, those of its folder `dumps` and of each folder in
/// that, and all of each folder beside it that holds a directory dump. Names are relative to it,
/// with `/`.
#[derive(Default)]
pub(crate) struct FolderMembers {
    /// Sorted by name.
    pub(crate) files: Vec<(String, Utf8PathBuf)>,
    /// What stands where a file could.
    pub(crate) refused: Vec<Refused>,
}

/// An entry of a folder that is no file of it. Nothing behind it is read: a link leads to what is
/// not part of the backup, a pipe has no end.
pub(crate) struct Refused {
    pub(crate) name: String,
    /// What it is, behind "it is": `a link`.
    pub(crate) what: &'static str,
    /// Whether a directory dump lies behind it, which its name does not say.
    pub(crate) holds_dump: bool,
}

/// The files of a folder backup; see [`FolderMembers`].
pub(crate) fn folder_members(folder: &Utf8Path) -> io::Result<Vec<(String, Utf8PathBuf)>> {
    Ok(walk_folder(folder)?.files)
}

/// Walks a folder backup. The folder itself and its folder `dumps` may be links.
///
/// # Errors
///
/// The system's, with the folder that it did not open.
pub(crate) fn walk_folder(folder: &Utf8Path) -> io::Result<FolderMembers> {
    let mut found = FolderMembers::default();
    for (prefix, place) in [("", folder.to_path_buf()), ("dumps/", folder.join(DUMPS))] {
        if !place.is_dir() {
            continue;
        }
        for entry in entries(&place)? {
            let Some(path) = found.take(prefix, &entry) else { continue };
            let name = format!("{prefix}{}", entry.shown);
            if name != DUMPS {
                let mut inner = FolderMembers::default();
                for entry in entries(&path)? {
                    inner.take(&format!("{name}/"), &entry);
                }
                if !prefix.is_empty() || inner.holds_parts() {
                    found.files.append(&mut inner.files);
                    found.refused.append(&mut inner.refused);
                }
            }
        }
    }
    found.files.sort_by(|(name, _), (other, _)| in_order(name).cmp(in_order(other)));
    found.refused.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

impl FolderMembers {
    /// Enters a file, or what is none; gives a folder back.
    fn take(&mut self, prefix: &str, entry: &Entry) -> Option<Utf8PathBuf> {
        let name = format!("{prefix}{}", entry.shown);
        let is_dumps = name == DUMPS;
        let what = match (what_is(entry.kind), &entry.path) {
            (None, Ok(path)) if entry.kind.is_dir() => return Some(path.clone()),
            (None, Ok(path)) => {
                self.files.push((name, path.clone()));
                return None;
            }
            (Some(_), Ok(path)) if is_dumps && path.is_dir() => return None,
            (Some(what), _) => what,
            (None, Err(_)) => "of a name that is no UTF-8",
        };
        let path = match &entry.path {
            Ok(path) => path.as_std_path(),
            Err(path) => path,
        };
        let holds_dump = is_dumps || holds_parts(path);
        self.refused.push(Refused { name, what, holds_dump });
        None
    }

    fn holds_parts(&self) -> bool {
        let files = self.files.iter().map(|(name, _)| name);
        files.chain(self.refused.iter().map(|refused| &refused.name)).any(|name| is_part(name))
    }
}

fn is_part(name: &str) -> bool {
    part_of(name.rsplit('/').next().unwrap_or(name)).is_some()
}

/// Whether this is a folder, or leads to one, that holds files of a directory dump.
fn holds_parts(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.take(10_000).any(|entry| is_part(&entry.file_name().to_string_lossy()))
}

/// What an entry is that is neither a file nor a folder.
fn what_is(kind: FileType) -> Option<&'static str> {
    if kind.is_file() || kind.is_dir() {
        None
    } else if kind.is_symlink() {
        Some("a link")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

struct Entry {
    /// As far as it is UTF-8.
    shown: String,
    path: Result<Utf8PathBuf, std::path::PathBuf>,
    kind: FileType,
}

fn entries(folder: &Utf8Path) -> io::Result<Vec<Entry>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("`{folder}`: {error}"));
    let entry = |entry: io::Result<fs::DirEntry>| -> io::Result<Entry> {
        let entry = entry.map_err(named)?;
        let shown = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(named)?;
        Ok(Entry { shown, path: Utf8PathBuf::from_path_buf(entry.path()), kind })
    };
    fs::read_dir(folder).map_err(named)?.map(entry).collect()
}

/// What a member is sorted by: its name, but a table of contents comes before what it speaks of.
fn in_order(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    let is_contents = part_of(file).is_some_and(|known| known.part == directory::Part::Contents);
    if is_contents { name.strip_suffix(file).unwrap_or(name) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_read_is_named() {
        let gone = Utf8Path::new("/nowhere/c/dumps");
        let Err(error) = entries(gone) else { panic!("it is there") };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("`/nowhere/c/dumps`: "), "{error}");
    }
}
