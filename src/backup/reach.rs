//! What a dump holds that reaches past its database, as findings.

use super::member::{MemberPlace, finding};
use super::sql::{PlainDump, forbidden};
use super::toc::TocEntry;
use crate::finding::{Finding, FindingCode};

/// What a plain dump, or globals, hold.
pub(super) fn in_plain(place: &MemberPlace<'_>, plain: &PlainDump) -> Option<Finding> {
    let (line, kind) = plain.first_forbidden?;
    let object = format!("line {line} of member {}", place.name);
    Some(unsafe_statement(place, kind, object, plain.forbidden_count))
}

/// What the table of contents of a custom-format dump holds: `pg_restore` sends its texts as they
/// are.
pub(super) fn in_custom(place: &MemberPlace<'_>, entries: &[TocEntry]) -> Option<Finding> {
    let mut first = None;
    let mut count = 0;
    for entry in entries {
        let texts = [&entry.definition, &entry.copy_statement];
        if let Some(kind) = texts.iter().find_map(|text| forbidden(text.as_bytes())) {
            first.get_or_insert((entry, kind));
            count += 1;
        }
    }
    let (entry, kind) = first?;
    let schema = entry.schema.as_ref().map_or_else(String::new, |schema| format!("{schema}."));
    let object = format!("{} {schema}{} of member {}", entry.kind, entry.tag, place.name);
    Some(unsafe_statement(place, kind, object, count))
}

fn unsafe_statement(place: &MemberPlace<'_>, kind: &str, object: String, count: u64) -> Finding {
    let message =
        format!("the dump `{}` holds the statement `{kind}`; the dump was not run", place.name);
    let mut found = finding(place, FindingCode::UnsafeStatement, message).on(object);
    found.count = count;
    found
}
