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

#[cfg(test)]
mod tests {
    use std::fs;

    use camino::Utf8PathBuf;

    use super::*;
    use crate::backup::inspect;

    fn place() -> MemberPlace<'static> {
        MemberPlace {
            name: "dumps/a.dump",
            database: "a".to_owned(),
            position: 0,
            bytes: 1,
            is_named: true,
        }
    }

    fn entry(kind: &str, definition: &str, copy_statement: &str) -> TocEntry {
        TocEntry {
            kind: kind.to_owned(),
            schema: Some("public".to_owned()),
            tag: "t".to_owned(),
            definition: definition.to_owned(),
            copy_statement: copy_statement.to_owned(),
            ..TocEntry::default()
        }
    }

    #[test]
    fn entries_are_named_and_counted() {
        let entries = [
            entry("TABLE", "CREATE TABLE public.t (program int);\n", ""),
            entry("TABLE DATA", "", "COPY public.t (program) FROM stdin;\n"),
            entry("TABLE DATA", "", "COPY public.t FROM PROGRAM 'secret';\n"),
            entry("VIEW", "CREATE VIEW v AS SELECT 1; ALTER SYSTEM RESET ALL;\n", ""),
        ];
        assert_eq!(in_custom(&place(), &entries[..2]), None);
        let found = in_custom(&place(), &entries).unwrap();
        assert_eq!(found.code, FindingCode::UnsafeStatement);
        assert_eq!(found.object.as_deref(), Some("TABLE DATA public.t of member dumps/a.dump"));
        assert!(found.message.contains("`COPY … FROM PROGRAM`"), "{}", found.message);
        assert!(!format!("{found:?}").contains("secret"));
        assert_eq!((found.count, found.database.as_deref()), (2, Some("a")));
    }

    #[test]
    fn real_dumps_hold_none() {
        let folder =
            Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/custom"));
        let mut seen = 0;
        for file in fs::read_dir(folder).unwrap() {
            let path = Utf8PathBuf::from_path_buf(file.unwrap().path()).unwrap();
            for dump in inspect(&path, &mut |_, _| {}).databases {
                seen += dump.entries.len();
                let codes: Vec<_> = dump.findings.iter().map(|finding| finding.code).collect();
                assert!(!codes.contains(&FindingCode::UnsafeStatement), "{path}: {codes:?}");
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
