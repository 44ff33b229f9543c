//! Whether the entries of a table of contents are such as `pg_dump` writes.
//!
//! `pg_restore` believes what it reads: data of an entry whose kind it does not know are not restored
//! by options that choose by kind, and rows go wherever the `COPY` statement says.

use std::collections::{HashMap, HashSet};

use crate::backup::rows::Declaration;
use crate::backup::sql::{CopyTarget, declaration};
use crate::backup::toc::TocEntry;

/// The newest major version of `pg_dump` whose kinds are all known.
const NEWEST: u32 = 18;

/// Entries' descriptions in `pg_dump.c`, `pg_backup_archiver.c` and `dumputils.c` of PostgreSQL 9.0 to
/// 18, with those that only their `pg_restore` still knows.
const KINDS: &[&str] = &[
    "ACCESS METHOD",
    "ACL",
    "ACL LANGUAGE",
    "AGGREGATE",
    "BLOB",
    "BLOB COMMENTS",
    "BLOB METADATA",
    "BLOBS",
    "CAST",
    "CHECK CONSTRAINT",
    "COLLATION",
    "COMMENT",
    "CONSTRAINT",
    "CONVERSION",
    "DATABASE",
    "DATABASE PROPERTIES",
    "DEFAULT",
    "DEFAULT ACL",
    "DOMAIN",
    "ENCODING",
    "EVENT TRIGGER",
    "EXTENSION",
    "FK CONSTRAINT",
    "FOREIGN DATA WRAPPER",
    "FOREIGN SERVER",
    "FOREIGN TABLE",
    "FUNCTION",
    "INDEX",
    "INDEX ATTACH",
    "LANGUAGE",
    "LARGE OBJECT",
    "MATERIALIZED VIEW",
    "MATERIALIZED VIEW DATA",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "POLICY",
    "PROCEDURAL LANGUAGE",
    "PROCEDURE",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY",
    "RULE",
    "SCHEMA",
    "SEARCHPATH",
    "SECURITY LABEL",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "SERVER",
    "SHELL TYPE",
    "STATISTICS",
    "STATISTICS DATA",
    "STDSTRINGS",
    "SUBSCRIPTION",
    "SUBSCRIPTION TABLE",
    "TABLE",
    "TABLE ATTACH",
    "TABLE DATA",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "TRANSFORM",
    "TRIGGER",
    "TYPE",
    "USER MAPPING",
    "VIEW",
    "WARNING",
    // With --binary-upgrade.
    "pg_largeobject",
    "pg_largeobject_metadata",
];

/// The kinds whose data are no SQL of their own (`dataDumper` in `pg_dump.c`).
const WITH_DATA: &[&str] = &["TABLE DATA", "BLOBS", "BLOB COMMENTS"];

/// Whether some `pg_dump` up to [`NEWEST`] writes entries of this kind.
pub(in crate::backup) fn is_known(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// What is wrong with entries, by their indexes. `has_data` says for which of them the table of
/// contents announces data.
pub(super) fn faults(
    entries: &[TocEntry],
    by_id: &HashMap<i64, usize>,
    pg_dump_version: &str,
    has_data: impl Fn(usize) -> bool,
) -> Vec<(usize, String)> {
    let is_newer = major(pg_dump_version).is_none_or(|major| major > NEWEST);
    let attached: HashSet<(Option<&str>, &str)> = entries
        .iter()
        .filter(|entry| entry.kind == "TABLE ATTACH")
        .map(|entry| (entry.schema.as_deref(), entry.tag.as_str()))
        .collect();
    let faults_of = |(index, entry): (usize, &TocEntry)| {
        let found = kind(entry, has_data(index), is_newer)
            .or_else(|| copy(entry, entries, by_id, &attached))
            .or_else(|| table(entry))?;
        Some((index, found))
    };
    entries.iter().enumerate().filter_map(faults_of).collect()
}

/// `17` of `17.6 (Debian 17.6-1)`, `9` of `9.4.26`.
fn major(version: &str) -> Option<u32> {
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    version.get(..digits)?.parse().ok()
}

fn kind(entry: &TocEntry, has_data: bool, is_newer: bool) -> Option<String> {
    let kind = entry.kind.as_str();
    if is_known(kind) {
        return (has_data && !WITH_DATA.contains(&kind))
            .then(|| format!("has data, and pg_dump writes none for a {kind}"));
    }
    if is_newer {
        return None;
    }
    if has_data {
        return Some(format!("has data, and pg_dump knows no entry of the kind {kind}"));
    }
    // Forks have kinds of their own (PACKAGE, EXTERNAL TABLE); a damaged letter leaves the others.
    KINDS.iter().find(|known| is_nearly(kind, known)).map(|known| {
        format!("is of the kind {kind}, which pg_dump does not know; {known} comes near")
    })
}

fn is_nearly(kind: &str, known: &str) -> bool {
    let most = if known.len() > 5 { 2 } else { 1 };
    kind.len() == known.len()
        && kind.bytes().zip(known.bytes()).filter(|(left, right)| left != right).count() <= most
}

/// `COPY schema.table (columns) FROM stdin;` (`dumpTableData` in `pg_dump.c`). Before the releases of
/// March 2018 the schema was in the search path.
fn copy(
    entry: &TocEntry,
    entries: &[TocEntry],
    by_id: &HashMap<i64, usize>,
    attached: &HashSet<(Option<&str>, &str)>,
) -> Option<String> {
    let statement = &entry.copy_statement;
    if statement.is_empty() {
        return None;
    }
    if entry.kind != "TABLE DATA" {
        // Of a kind that a fork has, or a newer PostgreSQL.
        return is_known(&entry.kind).then(|| {
            format!("has a COPY statement, and pg_dump writes none for a {}", entry.kind)
        });
    }
    let target = statement
        .starts_with("COPY ")
        .then(|| CopyTarget::parse(statement.as_bytes(), "UTF8"))
        .flatten();
    let Some(target) = target else {
        return Some("its rows follow a statement that is no COPY".to_owned());
    };
    let is_own =
        target.table == entry.tag && (target.schema.is_none() || target.schema == entry.schema);
    if is_own || fills_a_root(entry, entries, by_id, attached) {
        return None;
    }
    Some(format!("its COPY statement fills another table: {}", target.display()))
}

/// Whether the rows may go into another table than the entry's, as with `--load-via-partition-root`.
/// Releases since May 2023 say so; before, the table must be a partition, or not be in the dump.
fn fills_a_root(
    entry: &TocEntry,
    entries: &[TocEntry],
    by_id: &HashMap<i64, usize>,
    attached: &HashSet<(Option<&str>, &str)>,
) -> bool {
    if entry.definition.starts_with("-- load via partition root ") {
        return true;
    }
    let own =
        entry.dependencies.iter().filter_map(|id| entries.get(*by_id.get(id)?)).find(|used| {
            used.kind == "TABLE" && used.tag == entry.tag && used.schema == entry.schema
        });
    attached.contains(&(entry.schema.as_deref(), entry.tag.as_str()))
        || own.is_none_or(|own| {
            ["PARTITION OF ", "ATTACH PARTITION "].iter().any(|word| own.definition.contains(word))
        })
}

/// The table that the definition of a `TABLE` makes is the entry's.
fn table(entry: &TocEntry) -> Option<String> {
    if entry.kind != "TABLE" {
        return None;
    }
    let Some(Declaration::Table((schema, name), _)) =
        declaration(entry.definition.as_bytes(), "UTF8")
    else {
        return None;
    };
    let is_own = name == entry.tag && (schema.is_none() || schema == entry.schema);
    (!is_own).then(|| {
        let schema = schema.map_or_else(String::new, |schema| format!("{schema}."));
        format!("its definition makes another table: {schema}{name}")
    })
}

/// The unknown kinds among `entries`, for what the report says was not tested.
pub(in crate::backup) fn unknown(entries: &[TocEntry]) -> Vec<&str> {
    let mut kinds: Vec<&str> =
        entries.iter().map(|entry| entry.kind.as_str()).filter(|kind| !is_known(kind)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::custom::label;

    fn entry(kind: &str, tag: &str) -> TocEntry {
        TocEntry {
            dump_id: 1,
            kind: kind.to_owned(),
            schema: Some("public".to_owned()),
            tag: tag.to_owned(),
            ..TocEntry::default()
        }
    }

    fn of(entries: &[TocEntry], version: &str) -> Vec<String> {
        let by_id: HashMap<i64, usize> =
            entries.iter().enumerate().map(|(index, entry)| (entry.dump_id, index)).collect();
        let has_data = |index: usize| entries[index].data.is_some();
        let found = faults(entries, &by_id, version, has_data);
        found.iter().map(|(index, fault)| format!("{} {fault}", label(&entries[*index]))).collect()
    }

    #[test]
    fn a_kind_with_a_wrong_letter_is_damage_and_a_forks_is_not() {
        let one = |kind: &str, version: &str| of(&[entry(kind, "t")], version).len();
        for kind in KINDS {
            assert_eq!(one(kind, "9.4.26"), 0, "{kind}");
        }
        for kind in ["UABLE", "TABLE DATB", "VIEV", "table", "POLYCY", "RULF"] {
            let expected = usize::from(kind != "table");
            assert_eq!(one(kind, "15.20 (Debian 15.20-1)"), expected, "{kind}");
            assert_eq!(one(kind, "19.1"), 0, "{kind}");
        }
        for kind in ["PACKAGE", "EXTERNAL TABLE", "SYNONYM", "PROTOCOL", "DIRECTORY TABLE"] {
            assert_eq!(one(kind, "9.4.26"), 0, "{kind}");
        }
        assert_eq!(unknown(&[entry("PACKAGE", "p"), entry("TABLE", "t")]), ["PACKAGE"]);
    }

    #[test]
    fn data_belong_to_kinds_that_have_some() {
        let with = |kind: &str, version: &str| {
            let data = Some(crate::backup::toc::EntryData::default());
            of(&[TocEntry { data, ..entry(kind, "t") }], version).len()
        };
        assert_eq!((with("TABLE DATA", "17.1"), with("BLOBS", "17.1")), (0, 0));
        assert_eq!((with("VIEW", "17.1"), with("PACKAGE", "17.1")), (1, 1));
        assert_eq!((with("VIEW", "19.1"), with("PACKAGE", "19.1")), (1, 0));
    }

    #[test]
    fn rows_go_into_the_entrys_own_table() {
        let data = |statement: &str| TocEntry {
            dump_id: 2,
            copy_statement: statement.to_owned(),
            dependencies: vec![1],
            ..entry("TABLE DATA", "a \"b")
        };
        let made = |definition: &str| TocEntry {
            definition: definition.to_owned(),
            ..entry("TABLE", "a \"b")
        };
        let plain = "CREATE TABLE public.\"a \"\"b\" (\n    x integer\n);\n";
        let found = |definition: &str, statement: &str| {
            of(&[made(definition), data(statement)], "14.2").join("; ")
        };
        for sound in [
            "",
            "COPY public.\"a \"\"b\" (x) FROM stdin;\n",
            "COPY \"a \"\"b\" (x) FROM stdin;\n",
            "COPY public.\"a \"\"b\"  FROM stdin;\n",
            "COPY \"a \"\"b\" (x) WITH OIDS FROM stdin;\n",
        ] {
            assert_eq!(found(plain, sound), "", "{sound}");
        }
        let other = "COPY public.e (x) FROM stdin;\n";
        let label = "TABLE DATA public.a \"b";
        assert_eq!(
            found(plain, other),
            format!("{label} its COPY statement fills another table: public.e")
        );
        let elsewhere = found(plain, "COPY qublic.\"a \"\"b\" (x) FROM stdin;\n");
        assert!(elsewhere.contains("another table: qublic.a"), "{elsewhere}");
        for broken in ["COPX public.e (x) FROM stdin;\n", "COPY public.e (x) FROM stdim;\n"] {
            let expected = format!("{label} its rows follow a statement that is no COPY");
            assert_eq!(found(plain, broken), expected, "{broken}");
        }
        let attach =
            format!("{plain}ALTER TABLE ONLY public.e ATTACH PARTITION public.\"a \"\"b\"");
        assert_eq!(found(&attach, other), "");
        assert_eq!(found("CREATE TABLE \"a \"\"b\" PARTITION OF e DEFAULT;\n", other), "");
        assert_eq!(of(&[data(other)], "14.2"), [""; 0]);
        let marked = TocEntry {
            definition: "-- load via partition root public.e".to_owned(),
            ..data(other)
        };
        assert_eq!(of(&[made(plain), marked], "17.2"), [""; 0]);
        let attached = TocEntry { dump_id: 3, ..entry("TABLE ATTACH", "a \"b") };
        assert_eq!(of(&[made(plain), data(other), attached], "14.2"), [""; 0]);
        let view = TocEntry { copy_statement: other.to_owned(), ..entry("VIEW", "v") };
        assert_eq!(of(&[view], "14.2").len(), 1);
    }

    #[test]
    fn a_table_is_made_where_its_entry_says() {
        let made = |definition: &str| {
            let definition = definition.to_owned();
            of(&[TocEntry { definition, ..entry("TABLE", "t") }], "15.1").len()
        };
        for sound in ["CREATE TABLE public.t (\n);\n", "CREATE UNLOGGED TABLE t (\n);\n", ""] {
            assert_eq!(made(sound), 0, "{sound}");
        }
        assert_eq!(made("CREATE TABLE qublic.t (\n);\n"), 1);
        assert_eq!(made("CREATE TABLE public.u (\n);\n"), 1);
    }
}
