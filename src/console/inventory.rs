//! A backup's inventory as a table.

use super::lines::{Style, describe_finding};
use crate::finding::FindingCode;
use crate::plan::{InventoryDatabase, InventoryReport, InventorySource};
use crate::text::{ByteCount, counted, one_line};

/// A backup's contents for people.
pub fn describe_inventory(report: &InventoryReport, style: Style) -> String {
    let backup = &report.backup;
    let mut text = format!("{}\n", style.bold(&one_line(&backup.path, 300)));
    let mut line = |label: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("  {:<12} {}\n", format!("{label}:"), one_line(&value, 300)));
        }
    };
    let is_read = report.source == InventorySource::Backup;
    if !is_read {
        line("UNVERIFIED", Some("the sidecar's words alone; the backup was not read".to_owned()));
    }
    let encrypted = if backup.encrypted { ", encrypted" } else { "" };
    let is_gone = report.findings.iter().any(|finding| finding.code == FindingCode::BackupNotFound);
    let size = if is_gone { "not there".to_owned() } else { ByteCount(backup.bytes).to_string() };
    line("Format", Some(format!("{}, {size}{encrypted}", backup.format)));
    line("SHA-256", backup.sha256.clone());
    line("Made", backup.created_at.clone());
    line("Server", backup.server_version.clone());
    line("Needs", backup.needs_major.map(|major| format!("PostgreSQL {major} or newer")));
    let joined = |names: &std::collections::BTreeSet<String>| {
        Some(names.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    line("Roles", joined(&report.roles));
    line("Tablespaces", joined(&report.tablespaces));
    line("Sidecar", sidecar(report));
    line("Cached", report.cached.then(|| "read before, and not changed since".to_owned()));
    if !report.databases.is_empty() {
        text.push('\n');
        text.push_str(&table(&report.databases, style));
    }
    for finding in report.all_findings() {
        text.push_str(&describe_finding(finding, style));
        text.push('\n');
    }
    text.push_str("\n  Not tested:\n");
    for sentence in &report.not_tested {
        text.push_str(&format!("    - {}\n", one_line(sentence, 300)));
    }
    text
}

fn sidecar(report: &InventoryReport) -> Option<String> {
    let said = report.sidecar.as_ref()?;
    let files: Vec<&str> =
        said["files"].as_array()?.iter().filter_map(|one| one.as_str()).collect();
    let mut text = files.join(", ");
    if let Some(time) = said["timestamp"].as_str() {
        text.push_str(&format!("; of {time}"));
    }
    let listed = said["databases"].as_array().map_or(0, Vec::len);
    if listed > 0 {
        text.push_str(&format!("; lists {}", counted(listed, "database")));
    }
    if said["is_generated"].as_bool() == Some(true) {
        text.push_str("; made up by a restore");
    }
    Some(text)
}

const HEADS: [&str; 13] = [
    "Database",
    "Format",
    "Encoding",
    "Server",
    "pg_dump",
    "Made",
    "Archive",
    "Data",
    "Tables",
    "Rows",
    "LOs",
    "Findings",
    "Extensions",
];
/// Columns of numbers, which are read from the right.
const NUMBERS: std::ops::RangeInclusive<usize> = 6..=11;

fn table(databases: &[InventoryDatabase], style: Style) -> String {
    let rows: Vec<[String; 13]> = databases.iter().map(cells).collect();
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEADS[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let lay = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            if NUMBERS.contains(&column) { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = format!("  {}\n", style.bold(&lay(&HEADS.map(ToOwned::to_owned))));
    for row in &rows {
        text.push_str(&format!("  {}\n", lay(row)));
    }
    text
}

fn cells(database: &InventoryDatabase) -> [String; 13] {
    let known = database.format.is_some();
    let word = |text: Option<&str>| {
        let first = text.and_then(|text| text.split(' ').next()).unwrap_or("-");
        one_line(first, 20)
    };
    let number = |number: Option<u64>| {
        number.filter(|_| known).map_or_else(|| "-".to_owned(), |number| number.to_string())
    };
    let bytes = |bytes| if known { ByteCount(bytes).to_string() } else { "-".to_owned() };
    let codec = database.codec.as_deref().filter(|codec| *codec != "none");
    let format = match (&database.format, codec) {
        (Some(format), Some(codec)) => format!("{format} {codec}"),
        (Some(format), None) => format.clone(),
        (None, _) => "-".to_owned(),
    };
    let extensions: Vec<&str> = database.extensions.iter().map(String::as_str).collect();
    [
        one_line(&database.name, 40),
        format,
        word(database.encoding.as_deref()),
        word(database.server_version.as_deref()),
        word(database.pg_dump_version.as_deref()),
        word(database.created_at.as_deref()),
        bytes(database.archive_bytes),
        bytes(database.data_bytes),
        number(Some(database.tables)),
        number(database.rows),
        number(Some(database.large_objects)),
        database.findings.len().to_string(),
        one_line(&extensions.join(", "), 60),
    ]
}
