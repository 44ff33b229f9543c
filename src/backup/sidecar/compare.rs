//! What sidecars say against what the backup is.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use camino::Utf8Path;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::Sidecar;
use crate::backup::decrypt::Encryption;
use crate::finding::{Finding, FindingCode};
use crate::text::counted;

/// Dumps name no zone: their clock and UTC differ by no more than this.
const ZONES: SignedDuration = SignedDuration::from_hours(26);

/// That databases failed while the backup was made.
pub(crate) fn failures_said(sidecar: &Sidecar) -> Option<Finding> {
    let count = usize::try_from(sidecar.failure_count).unwrap_or(usize::MAX);
    let message = format!("{} failed while the backup was made", counted(count, "database"));
    (count > 0).then(|| {
        Finding::new(FindingCode::BackupIncomplete, message)
            .because(format!("the sidecar says failure_count = {count}"))
    })
}

/// That there is nothing that speaks for the backup at `path`.
pub(crate) fn no_sidecar(path: &Utf8Path) -> Finding {
    let message = format!("no sidecar lies beside `{path}` that could be understood");
    Finding::new(FindingCode::SidecarUnreadable, message)
        .because("without one, only reading the backup tells what is in it: leave --quick out")
}

/// What a sidecar says about a cluster archive that holds `names`.
pub(crate) fn compare_members(sidecar: &Sidecar, names: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = failures_said(sidecar).into_iter().collect();
    if sidecar.databases.is_empty() {
        findings.extend(sidecar.success_count.and_then(|count| compare_count(count, names.len())));
        return findings;
    }
    for listed in &sidecar.databases {
        if !names.contains(listed.as_str()) {
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

/// What a number of databases says where no sidecar lists them.
fn compare_count(said: u64, held: usize) -> Option<Finding> {
    let said = usize::try_from(said).unwrap_or(usize::MAX);
    let (code, but) = match said.cmp(&held) {
        Ordering::Equal => return None,
        Ordering::Greater => (FindingCode::DatabaseMissing, "only "),
        Ordering::Less => (FindingCode::MemberNotListed, ""),
    };
    let message = format!(
        "the sidecar says that {} backed up, the archive holds {but}{held}",
        match said {
            1 => "1 database was".to_owned(),
            count => format!("{count} databases were"),
        }
    );
    Some(Finding::new(code, message))
}

/// What is known of a backup that is one file.
pub(crate) struct FileFacts<'a> {
    pub(crate) path: &'a Utf8Path,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// In hexadecimal, lower case; none where it was not read to its end.
    pub(crate) sha256: Option<&'a str>,
    pub(crate) encryption: &'a Encryption,
    /// When its dumps were made, each by its own clock.
    pub(crate) dumps_made: &'a [&'a str],
}

/// What sidecars say about the file that they lie beside: its hash decides, the rest is a notice.
///
/// Sizes and hashes may be those of the file or of what was encrypted into it; nothing is compared
/// with those of an encrypted file that was not opened.
pub(crate) fn compare_file(sidecar: &Sidecar, file: &FileFacts<'_>) -> Vec<Finding> {
    let path = file.path;
    let (hash_within, bytes_within) = match file.encryption {
        Encryption::None => (None, None),
        Encryption::Closed => return Vec::new(),
        Encryption::Opened { bytes, sha256 } => (Some(sha256.as_str()), Some(*bytes)),
    };
    let mut findings = Vec::new();
    if let Some(actual) = file.sha256 {
        let fits = |hash: &str| hash == actual || Some(hash) == hash_within;
        for said in sidecar.hashes.iter().filter(|said| !fits(&said.value)) {
            let within = hash_within
                .map_or_else(String::new, |hash| format!(", of what is encrypted in it {hash}"));
            let message = format!("`{path}` is not the file that its sidecar was written for");
            findings.push(
                Finding::new(FindingCode::ChecksumMismatch, message)
                    .on(format!("{}{}", sidecar.beside, said.by))
                    .because(format!(
                        "SHA-256 is {actual}{within}, the sidecar says {}",
                        said.value
                    )),
            );
        }
    }
    let mut differs = Vec::new();
    for said in &sidecar.sizes {
        if said.value != file.bytes && Some(said.value) != bytes_within {
            let within = bytes_within
                .map_or_else(String::new, |bytes| format!(", what is encrypted in it {bytes}"));
            differs.push(format!(
                "`{}` says {} bytes, the file has {}{within}",
                said.by, said.value, file.bytes
            ));
        }
    }
    let newest = file.dumps_made.iter().filter_map(|text| time(text)).max();
    if let (Some(text), Some(newest)) = (&sidecar.timestamp, newest)
        && let Some(written) = time(text)
        && written.checked_add(ZONES).is_ok_and(|latest| latest < newest)
    {
        differs.push(format!("it was written at {text}, and a dump was made at {newest}"));
    }
    if !differs.is_empty() {
        let message = format!("the sidecar of `{path}` was written for another file");
        findings.push(
            Finding::new(FindingCode::SidecarStale, message)
                .on(path.to_string())
                .because(differs.join("; ")),
        );
    }
    findings
}

/// The times of `.meta.json`, of dumps, and of `.info` (`20260130_021011`).
fn time(text: &str) -> Option<DateTime> {
    match text.parse::<Timestamp>() {
        Ok(instant) => Some(TimeZone::UTC.to_datetime(instant)),
        Err(_) => text.parse().ok().or_else(|| DateTime::strptime("%Y%m%d_%H%M%S", text).ok()),
    }
}
