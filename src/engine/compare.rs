//! What came out against what the dump's table of contents says went in.

pub(super) mod properties;
mod rows;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::backup::{DatabaseDump, DumpFormat};
use crate::finding::{Finding, FindingCode};
use crate::postgres::catalog::{self, COMPARED_KINDS, ObjectName};
use crate::postgres::{Session, SessionError};
use crate::text::counted;

/// Names in a message; the count tells of the others.
const NAMED: usize = 8;

/// What a comparison looked at.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) entries: u64,
    pub(super) tables: u64,
    /// Tables of which the dump does not tell whether it holds rows.
    pub(super) tables_unknown: usize,
    pub(super) findings: Vec<Finding>,
    /// Kinds of entries that nobody looked at, with their number.
    pub(super) not_compared: BTreeMap<String, u64>,
}

/// Entries that say how to read the dump, and the database's own, which has been looked at when it
/// was made.
fn is_no_object(kind: &str, tag: &str) -> bool {
    matches!(
        kind,
        "ENCODING"
            | "STDSTRINGS"
            | "SEARCHPATH"
            | "DATABASE"
            | "DATABASE PROPERTIES"
            | "TABLE DATA"
            | "SEQUENCE SET"
            | "BLOBS"
            | "SHELL TYPE"
            | "BLOB METADATA"
    ) || tag.starts_with("DATABASE ")
}

/// Kinds that live outside schemas, whatever their entry says.
fn is_outside_schemas(kind: &str) -> bool {
    matches!(
        kind,
        "ACCESS METHOD"
            | "BLOB"
            | "EVENT TRIGGER"
            | "EXTENSION"
            | "FOREIGN DATA WRAPPER"
            | "PROCEDURAL LANGUAGE"
            | "PUBLICATION"
            | "SCHEMA"
            | "SERVER"
            | "SUBSCRIPTION"
    )
}

/// Compares every entry that has a place in the catalog, and every table that has rows in the dump.
pub(super) async fn compare(
    session: &Session,
    dump: &DatabaseDump,
) -> Result<Comparison, SessionError> {
    let mut catalog = catalog::objects(session).await?;
    if dump.format == DumpFormat::Plain {
        // pg_dump writes line feeds in names as spaces in its comments.
        catalog = catalog.into_iter().map(|(k, s, t)| (k, flat(&s), flat(&t))).collect();
    }
    let catalog = catalog.into_iter().map(|(kind, schema, tag)| {
        let tag = unquoted(&kind, &tag).into_owned();
        (kind, schema, tag)
    });
    let catalog = catalog.collect();
    let mut comparison = Comparison::default();
    let missing = missing_entries(dump, &catalog, &mut comparison);
    if !missing.is_empty() {
        let count = missing.len();
        comparison.findings.push(listed(
            FindingCode::ObjectMissing,
            &format!("{} of the table of contents not in the catalog", counted(count, "entry")),
            &missing,
        ));
    }
    rows::compare(session, dump, &mut comparison).await?;
    if comparison.entries == 0 && !dump.has_table_of_contents {
        comparison.findings.push(Finding::new(
            FindingCode::NothingCompared,
            "the dump has neither a table of contents nor statements that make tables",
        ));
    }
    Ok(comparison)
}

/// The types in a function's tag without quotes: with `--quote-all-identifiers` all of them have some.
fn unquoted<'t>(kind: &str, tag: &'t str) -> Cow<'t, str> {
    match tag.split_once('(') {
        Some((name, types)) if matches!(kind, "FUNCTION" | "PROCEDURE" | "AGGREGATE") => {
            Cow::Owned(format!("{name}({}", types.replace('"', "")))
        }
        _ => Cow::Borrowed(tag),
    }
}

fn flat(name: &str) -> String {
    name.replace(['\n', '\r'], " ")
}

pub(super) fn listed(code: FindingCode, message: &str, names: &[String]) -> Finding {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let rest = names.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let mut finding = Finding::new(code, format!("{message}: {shown}{more}"));
    finding.object = names.first().cloned();
    finding.count = names.len() as u64;
    finding
}

fn missing_entries(
    dump: &DatabaseDump,
    catalog: &BTreeSet<ObjectName>,
    comparison: &mut Comparison,
) -> Vec<String> {
    let mut missing = Vec::new();
    let mut look = |kind: &str, schema: &str, tag: &str| {
        comparison.entries += 1;
        let key = (kind.to_owned(), schema.to_owned(), unquoted(kind, tag).into_owned());
        if !catalog.contains(&key) {
            let place = if schema.is_empty() { String::new() } else { format!("{schema}.") };
            missing.push(format!("{kind} {place}{tag}"));
        }
    };
    let mut not_compared = BTreeMap::new();
    for entry in &dump.entries {
        let kind = entry.kind.as_str();
        if kind == "BLOB METADATA" {
            // Since PostgreSQL 17 one entry stands for many large objects, an OID a line.
            for oid in entry.definition.lines().filter(|line| line.parse::<u32>().is_ok()) {
                look("BLOB", "", oid);
            }
        } else if COMPARED_KINDS.contains(&kind) {
            let schema = match &entry.schema {
                Some(schema) if !is_outside_schemas(kind) => schema.as_str(),
                _ => "",
            };
            look(kind, schema, &entry.tag);
        } else if !is_no_object(kind, &entry.tag) {
            *not_compared.entry(kind.to_owned()).or_insert(0) += 1;
        }
    }
    comparison.not_compared = not_compared;
    missing
}
