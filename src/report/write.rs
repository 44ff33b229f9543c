//! Puts reports where they were asked for: whole, or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{to_json, to_junit};
use crate::finding::{Finding, FindingCode};
use crate::outcome::RunReport;

/// How the name of a report that is being written begins.
const DRAFT: &str = ".pgdrill-report-";
/// A draft older than this is that of a killed run: writing takes a moment.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Where reports go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportPaths {
    /// JUnit XML.
    pub junit: Option<Utf8PathBuf>,
    /// JSON.
    pub json: Option<Utf8PathBuf>,
}

impl ReportPaths {
    pub(super) fn all(&self) -> impl Iterator<Item = &Utf8PathBuf> {
        self.junit.iter().chain(&self.json)
    }
}

fn not_written(path: &Utf8Path, error: &io::Error) -> Finding {
    Finding::new(FindingCode::ReportNotWritten, format!("the report `{path}` cannot be written"))
        .because(error.to_string())
}

/// Makes the folders and tries to write there, before anything starts: a wrong path should fail in
/// the first second, not after an hour.
pub fn check_destinations(paths: &ReportPaths) -> Vec<Finding> {
    paths
        .all()
        .filter_map(|path| {
            let tried = match Target::of(path) {
                Target::Stream => Ok(()),
                Target::Refused(reason) => Err(io::Error::other(reason)),
                Target::File => {
                    folder_of(path).and_then(|folder| tempfile::tempfile_in(folder).map(drop))
                }
            };
            tried.err().map(|error| not_written(path, &error))
        })
        .collect()
}

/// What a report's path leads to.
enum Target {
    /// A file, there or not.
    File,
    /// `/dev/stdout` and the like, `/dev/null`: written to, never replaced.
    Stream,
    /// Something else, which a new file in its place would destroy.
    Refused(&'static str),
}

impl Target {
    fn of(path: &Utf8Path) -> Self {
        // A file system in memory like any other, below a folder of devices.
        let is_device = path.starts_with("/dev") && !path.starts_with("/dev/shm");
        let is_stream = is_device || path.starts_with("/proc/self/fd");
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Self::Refused("it is a folder"),
            Ok(found) if found.is_file() && !is_stream => Self::File,
            Ok(_) if is_stream => Self::Stream,
            Ok(_) => Self::Refused("it is no file: a device, a pipe or a socket"),
            Err(_) => Self::File,
        }
    }
}

fn folder_of(path: &Utf8Path) -> io::Result<&Utf8Path> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    fs::create_dir_all(folder)?;
    Ok(folder)
}

/// Writes one file, whole or not at all.
///
/// # Errors
///
/// A finding that says why not.
pub fn write(path: &Utf8Path, content: &[u8]) -> Result<(), Box<Finding>> {
    replace(path, content).map_err(|error| Box::new(not_written(path, &error)))
}

/// Writes every report; what cannot be written is returned as findings.
pub fn write_all(report: &RunReport, paths: &ReportPaths) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut write = |path: &Option<Utf8PathBuf>, content: io::Result<Vec<u8>>| {
        if let Some(path) = path
            && let Err(error) = content.and_then(|content| replace(path, &content))
        {
            findings.push(not_written(path, &error));
        }
    };
    write(&paths.junit, to_junit(report));
    write(&paths.json, to_json(report).map_err(io::Error::from));
    findings
}

/// To a new file that is then renamed: a reader sees the old report or the new one.
fn replace(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    match Target::of(path) {
        Target::Stream => return fs::OpenOptions::new().write(true).open(path)?.write_all(content),
        Target::Refused(reason) => return Err(io::Error::other(reason)),
        Target::File => {}
    }
    let folder = folder_of(path)?;
    remove_abandoned(folder);
    let mut file = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder)?;
    file.write_all(content)?;
    let file = file.persist(path).map_err(|error| error.error)?;
    // Temporary files are private; a report is read by the CI server.
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Deletes the drafts that killed runs have left beside their reports. What cannot be deleted does
/// not keep a report from being written.
fn remove_abandoned(folder: &Utf8Path) {
    let Ok(entries) = folder.read_dir_utf8() else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_old = entry.metadata().is_ok_and(|metadata| {
            let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
            metadata.is_file() && age.is_some_and(|age| age > ABANDONED)
        });
        if entry.file_name().starts_with(DRAFT) && is_old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileTypeExt as _;
    use std::time::{Duration, SystemTime};

    use camino::Utf8Path;

    use super::ReportPaths;

    #[test]
    fn drafts_of_killed_runs_go_with_the_next_report() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let make = |name: &str, age: u64| {
            let file = File::create(folder.join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        make(".pgdrill-report-old", 7200);
        make(".pgdrill-report-new", 60);
        make("old", 7200);
        super::replace(&folder.join("junit.xml"), b"<testsuites/>").unwrap();
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".pgdrill-report-new", "junit.xml", "old"]);
    }

    #[test]
    fn a_shorter_report_leaves_nothing_of_a_longer_one_in_memorys_folder() {
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return };
        let path = Utf8Path::from_path(folder.path()).unwrap().join("r.json");
        super::replace(&path, b"{\"long\": 1}").unwrap();
        super::replace(&path, b"{}").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");
    }

    #[test]
    fn a_device_or_a_pipe_is_never_replaced_by_a_report() {
        // Its write fails, which tells that it was written to.
        let full = Utf8Path::new("/dev/full");
        assert!(super::replace(full, b"{}").is_err());
        assert!(fs::metadata(full).unwrap().file_type().is_char_device());
        let folder = tempfile::tempdir().unwrap();
        let socket = Utf8Path::from_path(folder.path()).unwrap().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let paths = ReportPaths { json: Some(socket.clone()), ..ReportPaths::default() };
        assert_eq!(super::check_destinations(&paths).len(), 1);
        assert!(super::replace(&socket, b"{}").is_err());
        assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    }
}
