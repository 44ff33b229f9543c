//! The texts of sidecars.

use serde_json::Value;

use super::checksums::{self, is_sha256};
use super::{Said, Sidecar};
use crate::backup::inventory::PostgresVersion;
use crate::text::one_line;

/// Adds what one of them says about the backup that is called `name`.
///
/// # Errors
///
/// Why it, or a part of it, cannot be understood; what was understood has been added.
pub(super) fn add(
    sidecar: &mut Sidecar,
    by: &'static str,
    text: &str,
    name: &str,
) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if by == ".sha256" {
        for hash in checksums::of(text, name)? {
            say(&mut sidecar.hashes, by, hash);
        }
        return Ok(());
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() => merge(sidecar, by, &value),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) => {
            // Names are printed into `.info` without escaping; the counts in it are still plain.
            sidecar.failure_count = sidecar.failure_count.max(failures_in(text));
            Err(error.to_string())
        }
    }
}

fn say<T: PartialEq>(all: &mut Vec<Said<T>>, by: &'static str, value: T) {
    if !all.iter().any(|said| said.value == value) {
        all.push(Said { by, value });
    }
}

/// Both of dbbackup's structures, and the flat `.info`: what is absent stays as it was.
fn merge(sidecar: &mut Sidecar, by: &'static str, value: &Value) -> Result<(), String> {
    let mut read = Ok(());
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    // Counts are strings in `.meta.json` and numbers in `.info`.
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
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
    sidecar.is_generated |= text(&extra["generated_by"]).is_some()
        || text(&value["cluster_name"]).is_some_and(|name| name == "auto-generated");
    for place in [extra, value] {
        let said = &place["failure_count"];
        if let Some(count) = failures(said) {
            sidecar.failure_count = sidecar.failure_count.max(count);
        } else {
            let said = one_line(&said.to_string(), 100);
            read = Err(format!("its failure_count is no number: {said}"));
        }
        if let Some(count) = number(&place["success_count"]).filter(|_| !sidecar.is_generated) {
            sidecar.success_count = sidecar.success_count.max(Some(count));
        }
        for key in ["archive_sha256", "sha256"] {
            if let Some(hash) = text(&place[key]).filter(|hash| is_sha256(hash)) {
                say(&mut sidecar.hashes, by, hash.to_ascii_lowercase());
            }
        }
        for key in ["total_size_bytes", "size_bytes"] {
            // A restore sums up what it has unpacked.
            let is_of_file = |bytes: &u64| *bytes > 0 && !sidecar.is_generated;
            if let Some(bytes) = number(&place[key]).filter(is_of_file) {
                say(&mut sidecar.sizes, by, bytes);
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
    read
}

/// A number of failures; `None` for what is none. More than fit are as many as fit, and a part of
/// one is one: neither is nothing.
fn failures(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Null => return Some(0),
        Value::String(text) if text.is_empty() => return Some(0),
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    (number >= 0.0).then(|| number.ceil() as u64)
}

/// The largest `"failure_count": 2` of a text that is no JSON.
fn failures_in(text: &str) -> u64 {
    let counts = text.split("\"failure_count\"").skip(1).filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix(':')?.trim_start().trim_start_matches('"');
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
    });
    counts.max().unwrap_or(0)
}
