//! The files that dbbackup leaves beside a backup: `.meta.json`, `.info`, `.sha256`.

use std::fs;
use std::io::{self, Read as _};

use camino::Utf8Path;
use serde::Serialize;
use serde_json::Value;

use super::inventory::PostgresVersion;
use crate::finding::{Finding, FindingCode};

/// A sidecar larger than this is none.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// What the sidecars say, taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sidecar {
    /// Databases that the backup should hold; empty where no sidecar lists any.
    pub databases: Vec<String>,
    /// Databases that failed while the backup was made.
    pub failure_count: u64,
    /// The hash of the file, or of what was encrypted into it.
    pub sha256: Option<String>,
    /// Whether it says that the backup is encrypted.
    pub is_encrypted: bool,
    /// The source's version.
    pub server_version: Option<PostgresVersion>,
    /// When the backup was made (after its data was read).
    pub timestamp: Option<String>,
    /// The one database of a single backup.
    pub database: Option<String>,
}

/// Reads what lies beside `backup`. Absent sidecars are fine, unreadable ones are a notice.
pub(crate) fn read(backup: &Utf8Path) -> (Option<Sidecar>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut sidecar: Option<Sidecar> = None;
    for suffix in [".meta.json", ".info"] {
        let path = Utf8Path::new(backup.as_str().trim_end_matches('/')).to_string() + suffix;
        match read_limited(&path) {
            Ok(None) => {}
            Ok(Some(text)) => match serde_json::from_str::<Value>(&text) {
                Ok(value) if value.is_object() => {
                    merge(sidecar.get_or_insert_default(), &value);
                }
                Ok(_) => findings.push(unreadable(&path, "it is no JSON object")),
                Err(error) => findings.push(unreadable(&path, &error.to_string())),
            },
            Err(error) => findings.push(unreadable(&path, &error.to_string())),
        }
    }
    let path = format!("{backup}.sha256");
    match read_limited(&path) {
        Ok(None) => {}
        Ok(Some(text)) => match text.split_whitespace().next() {
            Some(hash) if is_sha256(hash) => {
                sidecar.get_or_insert_default().sha256 = Some(hash.to_ascii_lowercase());
            }
            _ => findings.push(unreadable(&path, "it does not begin with a SHA-256")),
        },
        Err(error) => findings.push(unreadable(&path, &error.to_string())),
    }
    (sidecar, findings)
}

fn unreadable(path: &str, cause: &str) -> Finding {
    Finding::new(
        FindingCode::SidecarUnreadable,
        format!("the sidecar `{path}` cannot be understood"),
    )
    .on(path.to_owned())
    .because(cause.to_owned())
}

fn read_limited(path: &str) -> io::Result<Option<String>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(LIMIT_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Both of dbbackup's structures, and the flat `.info`: what is absent stays as it was.
fn merge(sidecar: &mut Sidecar, value: &Value) {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let extra = &value["extra_info"];
    if let Some(databases) = value["databases"].as_array() {
        sidecar.databases =
            databases.iter().filter_map(|database| text(&database["database"])).collect();
        if let Some(version) = databases.iter().find_map(|item| text(&item["database_version"])) {
            sidecar.server_version = Some(PostgresVersion(version));
        }
    } else if let Some(database) = text(&value["database"]) {
        sidecar.database = Some(database);
    }
    for place in [extra, value] {
        // Counts are strings in `.meta.json` and numbers in `.info`.
        let failures = &place["failure_count"];
        let failures = failures.as_u64().or_else(|| failures.as_str()?.parse().ok());
        sidecar.failure_count = sidecar.failure_count.max(failures.unwrap_or(0));
        for key in ["archive_sha256", "sha256"] {
            if let Some(hash) = text(&place[key]).filter(|hash| is_sha256(hash)) {
                sidecar.sha256 = Some(hash.to_ascii_lowercase());
            }
        }
        if let Some(version) = text(&place["database_version"]).filter(|text| text != "unknown") {
            sidecar.server_version = Some(PostgresVersion(version));
        }
    }
    sidecar.is_encrypted |= value["encrypted"].as_bool().unwrap_or(false);
    if let Some(timestamp) = text(&value["timestamp"]) {
        sidecar.timestamp.get_or_insert(timestamp);
    }
}

/// What a sidecar says about a cluster archive that holds `names`.
pub(crate) fn compare(sidecar: &Sidecar, names: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if sidecar.failure_count > 0 {
        findings.push(
            Finding::new(
                FindingCode::BackupIncomplete,
                format!(
                    "{} failed while the backup was made",
                    crate::text::counted(
                        usize::try_from(sidecar.failure_count).unwrap_or(usize::MAX),
                        "database",
                    )
                ),
            )
            .because(format!("the sidecar says failure_count = {}", sidecar.failure_count)),
        );
    }
    if sidecar.databases.is_empty() {
        return findings;
    }
    for listed in &sidecar.databases {
        if !names.contains(&listed.as_str()) {
            findings.push(
                Finding::new(
                    FindingCode::DatabaseMissing,
                    format!(
                        "the sidecar lists database `{listed}`, the archive holds no dump of it"
                    ),
                )
                .in_database(listed.clone()),
            );
        }
    }
    for name in names {
        if !sidecar.databases.iter().any(|listed| listed == name) {
            findings.push(
                Finding::new(
                    FindingCode::MemberNotListed,
                    format!("the archive holds database `{name}`, its sidecar does not list it"),
                )
                .in_database((*name).to_owned()),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Sidecar {
        let mut sidecar = Sidecar::default();
        merge(&mut sidecar, &serde_json::from_str(text).unwrap());
        sidecar
    }

    #[test]
    fn counts_are_read_as_strings_and_as_numbers() {
        assert_eq!(parsed(r#"{"extra_info":{"failure_count":"2"}}"#).failure_count, 2);
        assert_eq!(parsed(r#"{"failure_count":3}"#).failure_count, 3);
        assert_eq!(parsed(r#"{"failure_count":"many"}"#).failure_count, 0);
    }

    #[test]
    fn a_lost_and_an_unlisted_database_are_both_seen() {
        let sidecar = parsed(r#"{"databases":[{"database":"a"},{"database":"lost"}]}"#);
        let codes: Vec<_> =
            compare(&sidecar, &["a", "extra"]).into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [FindingCode::DatabaseMissing, FindingCode::MemberNotListed]);
        assert!(compare(&sidecar, &["a", "lost"]).is_empty());
    }
}
