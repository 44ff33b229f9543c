//! Which backup a path with `*`, `?` or `[` means.
//!
//! The newest is told by what the backups say of themselves, never by the file system's times: a
//! copy or a restore of an old backup must not pass for a new one. Where they do not say, nothing is
//! picked: the test of an older backup would speak for the newest.

mod made;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use glob::Pattern;

use self::made::Made;
use self::walk::{OPTIONS, is_glob, literal_part, walk};
use super::foreign;
use super::names::{self, Said};
use crate::finding::{Finding, FindingCode};
use crate::text::counted;

/// Ends of names that lie beside backups, or are not written to their end.
const NO_BACKUPS: [&str; 16] = [
    ".meta.json",
    ".info",
    ".sha256",
    ".sha512",
    ".sha1",
    ".md5",
    ".sig",
    ".asc",
    ".log",
    ".lock",
    ".partial",
    ".part",
    ".tmp",
    ".incomplete",
    ".swp",
    "~",
];
/// Matches that a message names.
const NAMED: usize = 3;

/// What to do with several matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    /// Say so.
    Refuse,
    /// Take the one that was made last.
    Newest,
}

/// The backup that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Where it lies.
    pub path: Utf8PathBuf,
    /// Why this one, such as `newest of 7 by the time in its name`; `None` for a path as it is.
    pub picked: Option<String>,
}

/// Finds the backup that `path` means: itself, or what it matches as a glob. A relative glob is
/// tried in the folder `beside` first.
///
/// Blocks: looks into folders, and into backups whose names hold no time.
///
/// # Errors
///
/// A finding: nothing matches, several do and one was wanted, or the newest cannot be told.
pub fn choose(
    path: &Utf8Path,
    beside: Option<&Utf8Path>,
    several: Several,
) -> Result<Chosen, Box<Finding>> {
    if !is_glob(path.as_str()) || fs::symlink_metadata(path).is_ok() {
        return Ok(Chosen { path: path.to_path_buf(), picked: None });
    }
    let mut causes = Vec::new();
    for pattern in patterns(path, beside) {
        let matches = Matches::of(&pattern)?;
        if let Some(doubt) = matches.doubt(path) {
            return Err(Box::new(doubt));
        }
        match matches.backups.as_slice() {
            [] => causes.push(matches.why_none(&pattern)),
            [only] => {
                let picked = Some("the only match".to_owned());
                return Ok(Chosen { path: only.clone(), picked });
            }
            all if several == Several::Newest => return newest(all, &literal_part(&pattern)),
            all => return Err(Box::new(too_many(path, all))),
        }
    }
    let message = format!("no backup matches `{path}`");
    Err(Box::new(Finding::new(FindingCode::BackupNotFound, message).because(causes.join("; "))))
}

/// Every path that `path` may mean, now or after a change beside it: itself, and all that it matches
/// as a glob; of its files those too that are no backups.
pub(crate) fn may_mean(path: &Utf8Path, beside: Option<&Utf8Path>) -> Vec<Utf8PathBuf> {
    let mut all = vec![path.to_path_buf()];
    if is_glob(path.as_str()) {
        let found = patterns(path, beside).into_iter().filter_map(|pattern| walk(&pattern).ok());
        let found = found.flat_map(|found| found.paths);
        all.extend(found.filter(|path| !path.is_dir() || is_backup(path.as_std_path())));
    }
    all
}

/// The folders in which a file of this name would match `path` as a glob.
pub(crate) fn folders_of_glob(
    path: &Utf8Path,
    beside: Option<&Utf8Path>,
    name: &str,
) -> Vec<Utf8PathBuf> {
    let last = path.file_name().filter(|last| is_glob(last));
    let last = last.and_then(|last| Pattern::new(last).ok());
    if !last.is_some_and(|last| last.matches_with(name, OPTIONS)) {
        return Vec::new();
    }
    let folders = patterns(path, beside).into_iter().flat_map(|pattern| {
        let folder = Utf8Path::new(&pattern).parent().filter(|folder| !folder.as_str().is_empty());
        walk(folder.map_or(".", Utf8Path::as_str)).map(|found| found.paths).unwrap_or_default()
    });
    folders.collect()
}

/// The paths that lie beside a backup and belong to it, whether they exist or not.
pub(crate) fn companions(backup: &Utf8Path) -> impl Iterator<Item = Utf8PathBuf> {
    let backup = backup.as_str().trim_end_matches('/');
    NO_BACKUPS.iter().map(move |end| Utf8PathBuf::from(format!("{backup}{end}")))
}

/// A glob as it is tried: in the folder `beside`, then as it is.
fn patterns(path: &Utf8Path, beside: Option<&Utf8Path>) -> Vec<String> {
    let beside = beside.filter(|folder| path.is_relative() && !folder.as_str().is_empty());
    let beside = beside.map(|folder| format!("{}/{path}", Pattern::escape(folder.as_str())));
    beside.into_iter().chain([path.to_string()]).collect()
}

/// What a glob matches.
struct Matches {
    backups: Vec<Utf8PathBuf>,
    /// One that may be a backup and cannot be named: its name is no UTF-8.
    odd: Option<PathBuf>,
    ignored: usize,
    /// Why a folder could not be looked into.
    unreadable: Option<String>,
}

impl Matches {
    fn of(pattern: &str) -> Result<Self, Box<Finding>> {
        let found = walk(pattern).map_err(|error| {
            let message = format!("`{pattern}` is no glob");
            let finding = Finding::new(FindingCode::ScenarioInvalid, message);
            Box::new(finding.because(error.to_string()))
        })?;
        let all = found.paths.len() + found.odd.len();
        let (backups, _): (Vec<_>, Vec<_>) =
            found.paths.into_iter().partition(|path| is_backup(path.as_std_path()));
        let odd: Vec<PathBuf> = found.odd.into_iter().filter(|path| is_backup(path)).collect();
        let ignored = all - backups.len() - odd.len();
        let odd = odd.into_iter().next();
        let mut matches = Self { backups, odd, ignored, unreadable: found.unreadable };
        // A link `latest` beside the files is one of them, and says less than the file's own name.
        matches.backups.sort_by_key(|path| (path.is_symlink(), path.clone()));
        let mut seen = BTreeSet::new();
        matches.backups.retain(|path| path.canonicalize().map_or(true, |real| seen.insert(real)));
        Ok(matches)
    }

    /// Why what is meant may be another than those that were found.
    fn doubt(&self, path: &Utf8Path) -> Option<Finding> {
        if let Some(odd) = &self.odd {
            return Some(unnameable(path, odd));
        }
        let unreadable = self.unreadable.as_ref().filter(|_| !self.backups.is_empty())?;
        let message = format!("`{path}` may match more than can be seen");
        Some(
            Finding::new(FindingCode::BackupUndecided, message)
                .because(unreadable.clone())
                .first_try("Run as an account that may list the folder, or name the backup."),
        )
    }

    fn why_none(&self, pattern: &str) -> String {
        let folder = literal_part(pattern);
        let folder = if folder.as_str().is_empty() { Utf8Path::new(".") } else { &folder };
        if let Some(unreadable) = &self.unreadable {
            return unreadable.clone();
        }
        match fs::read_dir(folder) {
            Ok(entries) => {
                let count = entries.count();
                let entries = if count == 1 { "entry" } else { "entries" };
                let ignored = match self.ignored {
                    0 => "none matches".to_owned(),
                    ignored => format!("those that match ({ignored}) are no backups"),
                };
                format!("the folder `{folder}` has {count} {entries}, {ignored}")
            }
            Err(error) => format!("the folder `{folder}` cannot be listed: {error}"),
        }
    }
}

/// Whether a match can be meant. One that cannot be looked at is: that it is unreadable must be said.
fn is_backup(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if NO_BACKUPS.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => !foreign::is_left_over(&name) && holds_backup(path),
        Ok(metadata) => metadata.is_file(),
        Err(_) => true,
    }
}

/// Whether a folder is meant: a cluster's, or what is left of one. An empty one is, too: it may be
/// what the last night has made.
fn holds_backup(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    let mut names = entries.filter_map(Result::ok).peekable();
    names.peek().is_none()
        || names.any(|entry| {
            let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
            let is_part = ["globals.sql", "dumps", "toc.dat"].contains(&name.as_str());
            // An archive is a backup of its own.
            let is_archive = matches!(names::said_by(&name), Some((_, Some(Said::Tar))));
            is_part
                || entry.path().join("toc.dat").is_file()
                || names::database_of_member(&name).is_some() && !is_archive
        })
}

fn named(backups: &[Utf8PathBuf]) -> String {
    let names: Vec<String> =
        backups.iter().take(NAMED).map(|backup| format!("`{backup}`")).collect();
    match backups.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// A backup is opened, shown and reported by its name, and this one has none that is text.
fn unnameable(path: &Utf8Path, odd: &Path) -> Finding {
    let message = format!("`{path}` matches `{}`, whose name is not UTF-8", odd.display());
    Finding::new(FindingCode::BackupUndecided, message)
        .because("it may be the backup that is meant, and cannot be opened by that name")
        .first_try("Rename it, or choose a glob that does not match it.")
}

fn too_many(path: &Utf8Path, backups: &[Utf8PathBuf]) -> Finding {
    let message = format!("`{path}` matches {}", counted(backups.len(), "backup"));
    Finding::new(FindingCode::ScenarioInvalid, message)
        .because(named(backups))
        .first_try("Name one of them, or set `pick: newest` beside `backup.path` in the scenario.")
}

fn newest(backups: &[Utf8PathBuf], literal: &Utf8Path) -> Result<Chosen, Box<Finding>> {
    let undecided = |message: String| Finding::new(FindingCode::BackupUndecided, message);
    let mut all: Vec<(Made, &Utf8PathBuf)> = Vec::new();
    for backup in backups {
        let Some(made) = made::of(backup, literal) else {
            let found = undecided(format!("when `{backup}` was made cannot be told"))
                .on(backup.to_string())
                .because("no time in its name, in a sidecar or inside it");
            return Err(Box::new(found));
        };
        all.push((made, backup));
    }
    let Some((last, path)) = all.iter().max_by_key(|(made, _)| made.order()) else {
        return Err(Box::new(undecided("there is nothing to pick from".to_owned())));
    };
    let rival = all.iter().find(|(made, other)| other != path && !last.is_newer(made));
    if let Some((made, other)) = rival {
        let message = format!("which of `{path}` and `{other}` is newer cannot be told");
        let found = undecided(message).because(format!("made {last} and {made}"));
        return Err(Box::new(found));
    }
    let picked = Some(format!("newest of {} by the time {}", all.len(), last.place()));
    Ok(Chosen { path: (*path).clone(), picked })
}
