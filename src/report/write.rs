//! Puts reports where they were asked for: whole, or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{to_json, to_junit};
use crate::finding::{Finding, FindingCode};
use crate::outcome::RunReport;

/// Where reports go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportPaths {
    /// JUnit XML.
    pub junit: Option<Utf8PathBuf>,
    /// JSON.
    pub json: Option<Utf8PathBuf>,
}

impl ReportPaths {
    fn all(&self) -> impl Iterator<Item = &Utf8PathBuf> {
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
            let tried = folder_of(path).and_then(|folder| tempfile::tempfile_in(folder).map(drop));
            let tried = tried.and_then(|()| {
                if path.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
            });
            tried.err().map(|error| not_written(path, &error))
        })
        .collect()
}

fn folder_of(path: &Utf8Path) -> io::Result<&Utf8Path> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    fs::create_dir_all(folder)?;
    Ok(folder)
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
    let folder = folder_of(path)?;
    let mut file = tempfile::Builder::new().prefix(".pgdrill-").tempfile_in(folder)?;
    file.write_all(content)?;
    let file = file.persist(path).map_err(|error| error.error)?;
    // Temporary files are private; a report is read by the CI server.
    file.set_permissions(fs::Permissions::from_mode(0o644))
}
