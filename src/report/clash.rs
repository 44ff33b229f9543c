//! Keeps reports off what they would destroy: backups, scenarios, each other.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use camino::Utf8Path;

use super::ReportPaths;
use crate::backup;
use crate::scenario::{KeyChoice, Scenario};

/// What a file begins with, at most, for us to know it for a report, in bytes.
const HEAD_BYTES: u64 = 4096;

/// A file that a report would go to, by every name that it has.
#[derive(Debug)]
struct Place {
    /// Its own place: what a rename replaces.
    at: PathBuf,
    /// Where it leads, if it is a symbolic link.
    target: PathBuf,
    /// Device and inode, where it exists: hard links share them.
    id: Option<(u64, u64)>,
}

impl Place {
    fn of(path: &Utf8Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let at = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => real(folder).join(name),
            _ => real(&path),
        };
        let id = fs::metadata(&at).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        Self { target: real(&at), at, id }
    }

    fn is_at(&self, other: &Self) -> bool {
        [&other.at, &other.target].iter().any(|path| **path == self.at || **path == self.target)
    }

    fn is(&self, other: &Self) -> bool {
        self.is_at(other) || self.id.is_some() && self.id == other.id
    }

    fn is_in(&self, folder: &Self) -> bool {
        self.at.starts_with(&folder.target) || self.target.starts_with(&folder.target)
    }
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut real, component| match component {
        Component::ParentDir => {
            real.pop();
            real
        }
        Component::CurDir => real,
        other => {
            real.push(other);
            real.canonicalize().unwrap_or(real)
        }
    })
}

/// Why reports cannot go where they are to go, one line for each that cannot: it would replace a
/// backup, what lies beside or inside one, a scenario's file or another report. Looks only; must be
/// asked before the first folder is made.
pub fn clashes(scenarios: &[Scenario], reports: &[ReportPaths]) -> Vec<String> {
    let all: Vec<&Utf8Path> = reports.iter().flat_map(ReportPaths::all).map(|p| &**p).collect();
    let mut found = twice(&all);
    for report in all {
        let place = Place::of(report);
        let taken = scenarios.iter().find_map(|scenario| taken(report, &place, scenario));
        found.extend(
            taken.map(|what| {
                format!("the report `{report}` would {what}: give it a path of its own")
            }),
        );
    }
    found
}

/// Reports that have the place of one before.
fn twice(reports: &[&Utf8Path]) -> Vec<String> {
    let places: Vec<Place> = reports.iter().map(|report| Place::of(report)).collect();
    let again = |index: usize| places[..index].iter().position(|one| one.is_at(&places[index]));
    (0..reports.len())
        .filter_map(|index| {
            let (first, second) = (reports[again(index)?], reports[index]);
            let also = if first == second { String::new() } else { format!(" and `{first}`") };
            Some(format!(
                "two reports would go to the same file, `{second}`{also}: give each a path of its \
                 own"
            ))
        })
        .collect()
}

/// What a report would do to a scenario or its backup.
fn taken(report: &Utf8Path, place: &Place, scenario: &Scenario) -> Option<String> {
    if let Some(file) = &scenario.file
        && place.is(&Place::of(file))
    {
        return Some(format!("overwrite the scenario `{file}`"));
    }
    if let Some(KeyChoice::File(key)) = &scenario.backup.decrypt
        && place.is(&Place::of(key))
    {
        return Some(format!("overwrite the key file `{key}`"));
    }
    let path = &scenario.backup.path;
    let beside = scenario.file.as_ref().and_then(|file| file.parent());
    for backup in backup::may_mean(path, beside) {
        let of_backup = Place::of(&backup);
        if place.is(&of_backup) {
            return Some(format!("overwrite the backup `{backup}`"));
        }
        if backup.is_dir() && place.is_in(&of_backup) {
            return Some(format!("change the backup folder `{backup}`"));
        }
        let sidecar = backup::companions(&backup).find(|sidecar| place.is(&Place::of(sidecar)));
        if let Some(sidecar) = sidecar {
            return Some(format!("overwrite `{sidecar}`, which belongs to the backup `{backup}`"));
        }
    }
    let name = report.file_name()?;
    let folders = backup::folders_of_glob(path, beside, name);
    let is_match = folders.iter().any(|folder| place.is_at(&Place::of(&folder.join(name))));
    is_match.then(|| format!("be taken for a backup, as `{path}` matches it"))
}

/// Those of `paths` to which a report can go although nobody knows what the scenarios need: there
/// is nothing yet, or a report, and only one goes there.
pub fn harmless(paths: &ReportPaths) -> ReportPaths {
    let all: Vec<&Utf8Path> = paths.all().map(|path| &**path).collect();
    if !twice(&all).is_empty() {
        return ReportPaths::default();
    }
    let mut paths = paths.clone();
    paths.junit = paths.junit.filter(|path| is_free(path));
    paths.json = paths.json.filter(|path| is_free(path));
    paths
}

fn is_free(path: &Utf8Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return true };
    if !metadata.is_file() {
        return false;
    }
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    let head = String::from_utf8_lossy(&head);
    read.is_ok()
        && (head.is_empty() || head.contains("<testsuite") || head.contains("\"pgdrill.report/"))
}
