//! By what entries of two tables of contents are told to be the same.

use crate::backup::TocEntry;

use super::{Sides, Written};

/// What an entry is called on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: String,
    pub(super) schema: String,
    pub(super) tag: String,
}

/// Where an entry is compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Here.
    Object,
    /// Its rows, values and large objects are compared by those who ask the server for them.
    Elsewhere,
    /// Nowhere, for this reason.
    Excluded(&'static str),
}

pub(super) fn fate(entry: &TocEntry) -> Fate {
    if entry.tag.starts_with("DATABASE ") {
        return Fate::Excluded("the database's own properties, set when it was made");
    }
    if entry.tag.starts_with("LARGE OBJECT ") || entry.tag.starts_with("LARGE OBJECTS ") {
        return Fate::Elsewhere;
    }
    match entry.kind.as_str() {
        "ENCODING" | "STDSTRINGS" | "SEARCHPATH" => Fate::Excluded("how the dump is to be read"),
        "DATABASE" | "DATABASE PROPERTIES" => {
            Fate::Excluded("the database's own properties, set when it was made")
        }
        "WARNING" => Fate::Excluded("a remark of pg_dump's"),
        "STATISTICS DATA" => Fate::Excluded("the planner's statistics, which age"),
        "SUBSCRIPTION TABLE" => Fate::Excluded("the state of a replication"),
        "TABLE DATA"
        | "SEQUENCE SET"
        | "BLOB"
        | "BLOBS"
        | "BLOB COMMENTS"
        | "BLOB METADATA"
        | "MATERIALIZED VIEW DATA"
        | "LARGE OBJECT" => Fate::Elsewhere,
        _ => Fate::Object,
    }
}

/// Kinds that live outside schemas, whatever their entry says.
fn is_outside_schemas(kind: &str) -> bool {
    matches!(
        kind,
        "ACCESS METHOD"
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

pub(super) fn key_of(entry: &TocEntry) -> Key {
    let schema = match &entry.schema {
        Some(schema) if !is_outside_schemas(&entry.kind) => schema.clone(),
        _ => String::new(),
    };
    Key { kind: entry.kind.clone(), schema, tag: unquoted(&entry.kind, &entry.tag) }
}

/// The types in a function's tag without quotes: with `--quote-all-identifiers` all of them have some.
/// Before PostgreSQL 14 a procedure's arguments were not called `IN`.
pub(super) fn unquoted(kind: &str, tag: &str) -> String {
    match tag.split_once('(') {
        Some((name, types)) if matches!(kind, "FUNCTION" | "PROCEDURE" | "AGGREGATE") => {
            format!("{name}({}", types.replace('"', ""))
        }
        Some(_) if tag.starts_with("PROCEDURE ") => tag.replace("(IN ", "(").replace(", IN ", ", "),
        _ => tag.to_owned(),
    }
}

/// `TABLE public.orders`; `ACL TABLE orders in public`, where the tag tells what it is of.
pub(super) fn shown(entry: &TocEntry) -> String {
    let is_of_another = matches!(entry.kind.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
    match entry.schema.as_deref() {
        Some(schema) if is_of_another => format!("{} {} in {schema}", entry.kind, entry.tag),
        Some(schema) if !schema.is_empty() && !is_outside_schemas(&entry.kind) => {
            format!("{} {schema}.{}", entry.kind, entry.tag)
        }
        _ => format!("{} {}", entry.kind, entry.tag),
    }
}

impl Key {
    fn is_of_public(&self) -> bool {
        self.tag == "SCHEMA public"
    }

    fn is_of_system(&self) -> bool {
        matches!(self.schema.as_str(), "pg_catalog" | "information_schema")
            || matches!(self.tag.as_str(), "SCHEMA pg_catalog" | "SCHEMA information_schema")
            || self.tag.starts_with("LANGUAGE ")
    }

    /// Whether a database may have what this entry says without an entry that says it. What a server brings
    /// by itself is another with each major version.
    pub(super) fn may_go_without(&self, sides: &Sides<'_>) -> bool {
        match self.kind.as_str() {
            "COMMENT" => self.is_of_public(),
            "ACL" => {
                self.is_of_public() && is_cleaned(sides)
                    || sides.written == Written::Otherwise
                        && (self.is_of_public() || self.is_of_system())
            }
            _ => false,
        }
    }

    /// Whether the server makes it by itself, so that it may be there without an entry.
    pub(super) fn comes_by_itself(&self, sides: &Sides<'_>) -> bool {
        match self.kind.as_str() {
            "TABLE ATTACH" | "INDEX ATTACH" | "SHELL TYPE" => true,
            "COMMENT" => self.is_of_public() || self.tag.starts_with("EXTENSION "),
            "SCHEMA" => self.tag == "public",
            "ACL" => {
                (self.is_of_public() || self.is_of_system())
                    && (sides.written == Written::Otherwise || is_cleaned(sides))
            }
            _ => false,
        }
    }
}

/// Whether the dump makes the schema public anew, as `pg_dump --clean` does: its privileges are none that
/// initdb has set then.
fn is_cleaned(sides: &Sides<'_>) -> bool {
    sides.dump.iter().any(|entry| entry.kind == "SCHEMA" && entry.tag == "public")
}

/// Whether a dump was made with `--quote-all-identifiers`.
pub(crate) fn is_written_quoted(entries: &[TocEntry]) -> bool {
    let is_plain = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    };
    let (mut quoted, mut bare) = (0_usize, 0_usize);
    for entry in entries.iter().filter(|entry| {
        matches!(
            entry.kind.as_str(),
            "TABLE" | "VIEW" | "SEQUENCE" | "FUNCTION" | "SCHEMA" | "TYPE"
        )
    }) {
        let name = entry.tag.split('(').next().unwrap_or_default();
        if !is_plain(name) {
            continue;
        }
        if entry.definition.contains(&format!("\"{name}\"")) {
            quoted += 1;
        } else {
            bare += 1;
        }
    }
    quoted > bare
}
