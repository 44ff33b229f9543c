//! Which part of a definition is another. The texts themselves may carry data, and stay where they are.

use crate::backup::{TableShape, TocEntry, table_shape};

/// Parts named in a message.
const NAMED: usize = 4;

/// What of `other` is not as in `entry`, where that can be said.
pub(super) fn of(entry: &TocEntry, other: &TocEntry) -> Vec<String> {
    let mut parts = of_columns(entry, other, true);
    // pg_dump before 14 writes it behind the table.
    let is_attached = |entry: &TocEntry| entry.definition.contains(" ATTACH PARTITION ");
    if is_attached(entry) && !is_attached(other) {
        parts.push("it is no partition any more".to_owned());
    }
    parts.extend(of_validity(entry, other));
    let count = parts.len();
    if count > NAMED {
        parts.truncate(NAMED);
        parts.push(format!("{} more", count - NAMED));
    }
    parts
}

/// Whether a constraint or a trigger lost or won what stands behind its definition.
pub(super) fn of_validity(entry: &TocEntry, other: &TocEntry) -> Vec<String> {
    if !entry.kind.ends_with("CONSTRAINT") {
        return Vec::new();
    }
    let is_open = |entry: &TocEntry| entry.definition.trim_end().ends_with("NOT VALID;");
    match (is_open(entry), is_open(other)) {
        (false, true) => vec!["it is not validated".to_owned()],
        (true, false) => vec!["it is validated, and was not".to_owned()],
        _ => Vec::new(),
    }
}

/// Columns and constraints of a table. Expressions are compared where `exactly` says that both were
/// printed alike; else whether there is one.
pub(super) fn of_columns(entry: &TocEntry, other: &TocEntry, exactly: bool) -> Vec<String> {
    let shapes = table_shape(&entry.definition).zip(table_shape(&other.definition));
    let Some((should, is)) = shapes else { return Vec::new() };
    let mut parts = Vec::new();
    for (at, column) in should.columns.iter().enumerate() {
        let name = &column.name;
        let Some((there, now)) =
            is.columns.iter().enumerate().find(|(_, other)| other.name == *name)
        else {
            parts.push(format!("column {name} is missing"));
            continue;
        };
        if now.type_name != column.type_name {
            parts.push(format!("column {name} has another type"));
        }
        if now.is_not_null != column.is_not_null {
            let change = if column.is_not_null { "lost" } else { "won" };
            parts.push(format!("column {name} {change} NOT NULL"));
        }
        match (&column.default, &now.default) {
            (Some(_), None) => parts.push(format!("column {name} lost its default")),
            (None, Some(_)) => parts.push(format!("column {name} won a default")),
            (Some(should), Some(is)) if exactly && should != is => {
                parts.push(format!("column {name} has another default"));
            }
            _ => {}
        }
        if at != there && is.columns.len() == should.columns.len() && !should.inherits {
            parts.push(format!("column {name} is in another place"));
        }
    }
    let is_known = |name: &String| should.columns.iter().any(|column| column.name == *name);
    let new = is.columns.iter().filter(|column| !is_known(&column.name));
    parts.extend(new.map(|column| format!("column {} is new", column.name)));
    if exactly {
        constraints(&should, &is, &mut parts);
    }
    parts
}

fn constraints(should: &TableShape, is: &TableShape, parts: &mut Vec<String>) {
    for name in should.constraints.iter().filter(|name| !is.constraints.contains(name)) {
        parts.push(format!("constraint {name} is missing"));
    }
    for name in is.constraints.iter().filter(|name| !should.constraints.contains(name)) {
        parts.push(format!("constraint {name} is new"));
    }
}
