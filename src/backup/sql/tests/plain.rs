//! Whole dumps.

use std::io::{self, Read};

use super::{ODD_NAMES, SJIS, Steps};
use crate::backup::sql::{PlainDump, PlainFlavour, inspect};
use crate::backup::toc::TocEntry;

fn read(text: &[u8]) -> PlainDump {
    inspect(&mut &*text)
}

fn data(dump: &PlainDump) -> Vec<(Option<String>, String, Option<u64>)> {
    let rows = |entry: &TocEntry| entry.data.as_ref().and_then(|data| data.rows);
    dump.entries
        .iter()
        .filter(|entry| entry.kind == "TABLE DATA")
        .map(|entry| (entry.schema.clone(), entry.tag.clone(), rows(entry)))
        .collect()
}

fn row(schema: &str, table: &str, rows: u64) -> (Option<String>, String, Option<u64>) {
    (Some(schema.to_owned()), table.to_owned(), Some(rows))
}

#[test]
fn a_real_dump_is_understood() {
    let dump = read(ODD_NAMES);
    assert_eq!(dump.flavour, PlainFlavour::PgDump);
    assert_eq!(dump.server_version.as_deref(), Some("15.18 (Debian 15.18-0+deb12u1)"));
    assert_eq!(dump.pg_dump_version, dump.server_version);
    assert_eq!(dump.client_encoding.as_deref(), Some("UTF8"));
    let expected = [
        row("Odd Schema", "t;a\\b \"c\" 'd'", 2),
        row("public", "empty", 0),
        row("public", "log", 0),
        row("public", "nocols", 2),
        row("public", "orders", 7),
    ];
    assert_eq!(data(&dump), expected);
    let roles: Vec<&str> = dump.roles_named.iter().map(String::as_str).collect();
    assert_eq!(roles, ["Bob O'x", "alice", "postgres", "svc", "we;ird \\ \"q\""]);
    let rule = dump.entries.iter().find(|entry| entry.kind == "RULE");
    assert_eq!(rule.map(|entry| entry.tag.as_str()), Some("orders r"));
    assert!(dump.trailer && dump.meta_commands.is_empty());
    assert_eq!((dump.unfinished, dump.io_error, dump.row_damage), (None, None, Vec::new()));
    assert_eq!((dump.statements, dump.bytes, dump.nul_at), (48, 5463, None));

    let dump = read(SJIS);
    assert_eq!(dump.client_encoding.as_deref(), Some("SJIS"));
    assert!(dump.trailer && dump.unfinished.is_none() && dump.row_damage.is_empty());
    assert_eq!(data(&dump), [row("public", "t", 1)]);
}

#[test]
fn every_cut_shows() {
    let last = b"-- PostgreSQL database dump complete";
    let end = memchr::memmem::find(ODD_NAMES, last).map(|at| at + last.len());
    for cut in 0..end.unwrap_or_default() {
        let dump = read(&ODD_NAMES[..cut]);
        assert!(!dump.trailer, "{cut}");
    }
    // The comment alone is no proof: what follows must end as well.
    let mut more = ODD_NAMES.to_vec();
    more.extend_from_slice(b"SELECT");
    let dump = read(&more);
    assert!(!dump.trailer && dump.unfinished.is_some());
    more.extend_from_slice(b" 1;\n");
    let dump = read(&more);
    assert_eq!((dump.trailer, dump.behind.statements, dump.behind.line), (true, 1, 285));
    let inside =
        "-- PostgreSQL database dump\nCOPY t FROM stdin;\n-- PostgreSQL database dump complete\n";
    assert!(!read(inside.as_bytes()).trailer);
}

#[test]
fn a_cut_in_rows_names_the_table() {
    let at = memchr::memmem::find(ODD_NAMES, b"5\t\\N\t\\N\n").unwrap_or_default();
    let dump = read(&ODD_NAMES[..at]);
    let found = dump.unfinished.as_ref().map(|cut| (cut.table.as_deref(), cut.rows));
    assert_eq!(found, Some((Some("public.orders"), 4)));
}

#[test]
fn a_whole_cluster_ends_as_a_cluster() {
    let one = String::from_utf8_lossy(ODD_NAMES);
    let text = format!(
        "--\n-- PostgreSQL database cluster dump\n--\n\n\\restrict abc\nCREATE ROLE alice;\nALTER ROLE alice WITH LOGIN;\n\
         CREATE TABLESPACE fast OWNER alice LOCATION '/x';\n\\unrestrict abc\n\\connect template1\n{one}\
         CREATE DATABASE \"o'dd\" WITH TEMPLATE = template0;\n\\encoding SQL_ASCII\n\
         \\connect -reuse-previous=on \"dbname='o\\'dd'\"\n{one}"
    );
    let dump = read(text.as_bytes());
    assert_eq!(dump.flavour, PlainFlavour::PgDumpAll);
    assert!(!dump.trailer, "only the last database's own trailer");
    let dump =
        read(format!("{text}--\n-- PostgreSQL database cluster dump complete\n--\n\n").as_bytes());
    assert!(dump.trailer && dump.meta_commands.is_empty());
    assert_eq!(dump.roles_created.into_iter().collect::<Vec<_>>(), ["alice"]);
    assert_eq!(dump.tablespaces_created.into_iter().collect::<Vec<_>>(), ["fast"]);
    assert_eq!(dump.databases_created.into_iter().collect::<Vec<_>>(), ["o'dd"]);
    let connects: Vec<(&str, usize)> =
        dump.connects.iter().map(|found| (found.database.as_str(), found.first_entry)).collect();
    assert_eq!(connects, [("template1", 0), ("o'dd", dump.entries.len() / 2)]);
    let orders: Vec<Option<u64>> = dump
        .entries
        .iter()
        .filter(|entry| entry.kind == "TABLE DATA" && entry.tag == "orders")
        .map(|entry| entry.data.as_ref().and_then(|data| data.rows))
        .collect();
    assert_eq!(orders, [Some(7), Some(7)]);
}

#[test]
fn dumps_without_comments_are_read_by_their_statements() {
    let text = "--\n-- PostgreSQL database dump (dbbackup native engine)\n-- Generated on: x\n--\n\n\
        CREATE TABLE \"public\".\"a\" (x int, y text);\nCOPY \"public\".\"a\" (\"x\", \"y\") FROM stdin;\n1\tb\n2\tc\n\\.\n\
        CREATE TABLE b (x int);\nINSERT INTO b VALUES (1);\nINSERT INTO b (x) VALUES (2);\nINSERT INTO bb VALUES (3);\n\
        CREATE EXTENSION citext;\n\n--\n-- PostgreSQL database dump complete\n--\n";
    let dump = read(text.as_bytes());
    assert_eq!(dump.flavour, PlainFlavour::DbbackupNative);
    assert!(dump.trailer);
    let tables: Vec<&str> = dump.entries.iter().map(|entry| entry.tag.as_str()).collect();
    assert_eq!(tables, ["a", "a", "b", "b", "bb"]);
    let none = |table: &str| (None, table.to_owned(), None);
    assert_eq!(data(&dump), [row("public", "a", 2), none("b"), none("bb")]);
    assert!(
        dump.entries
            .iter()
            .filter(|entry| entry.kind == "TABLE DATA")
            .all(|entry| entry.data.as_ref().is_some_and(|data| data.rows != Some(0)))
    );
    assert!(dump.extensions_created.contains("citext"));
    assert_eq!(read(b"-- MySQL dump 10.13\nselect 1;").flavour, PlainFlavour::Mysql);
    assert_eq!(read(b"select 1;").flavour, PlainFlavour::Unknown);

    let sample = read(b"-- Name: t; Type: TABLE; Schema: public; Owner: -\nCREATE TABLE t();\n\\copy (SELECT 1) TO STDOUT\n");
    assert_eq!(sample.meta_commands, [(3, "\\copy (SELECT 1) TO STDOUT".to_owned())]);
    assert_eq!(sample.entries[0].owner, None);
}

#[test]
fn rows_go_to_the_table_that_copy_names() {
    let comment = |table: &str| {
        format!("-- Data for Name: {table}; Type: TABLE DATA; Schema: public; Owner: x\n")
    };
    let copy =
        |table: &str, rows: &str| format!("COPY public.{table} (a, b) FROM stdin;\n{rows}\\.\n");
    let text = [
        comment("a"),
        comment("b"),
        copy("a", "1\t2\n"),
        copy("b", "1\t2\n1\t2\n"),
        comment("part"),
        copy("root", "1\t2\n"),
        comment("has space"),
        copy("\"has\nspace\"", ""),
    ]
    .concat();
    let dump = read(text.as_bytes());
    let expected = [
        row("public", "a", 1),
        row("public", "b", 2),
        row("public", "part", 1),
        row("public", "has space", 0),
    ];
    assert_eq!(data(&dump), expected);
}

#[test]
fn damaged_rows_are_found() {
    let shape = |rows: &str, step: usize| {
        let text = format!("COPY public.t (a, b, c) FROM stdin;\n{rows}\\.\n");
        let damage = inspect(&mut Steps { rest: text.as_bytes(), step }).row_damage;
        let first = damage.into_iter().next();
        first.map(|damage| (damage.table, damage.line, damage.offset, damage.fault.to_string()))
    };
    let good = "1\t2\t3\n".repeat(1000);
    for step in [1, 5, 8, 1 << 16] {
        assert_eq!(shape(&good, step), None);
        let found = |line, offset, fault: &str| {
            Some(("public.t".to_owned(), line, offset, fault.to_owned()))
        };
        let short =
            found(1002, 6036, "row 1001 (byte 6000 of its rows) has 2 columns, the table has 3");
        assert_eq!(shape(&format!("{good}1\t2\n"), step), short, "{step}");
        let long = found(2, 36, "row 1 (byte 0 of its rows) has 5 columns, the table has 3");
        assert_eq!(shape(&format!("1\t2\t31\t2\t3\n{good}"), step), long, "{step}");
        // Two rows that make up for each other.
        let second = found(3, 42, "row 2 (byte 6 of its rows) has 4 columns, the table has 3");
        assert_eq!(shape("1\t2\t3\n1\t2\t3\t4\n1\t2\n", step), second, "{step}");
    }
    let csv = read(b"COPY t (a, b) FROM stdin (FORMAT csv);\n\"1\n\",2\n\\.\n");
    assert_eq!((csv.row_damage.len(), data(&csv)[0].2), (0, None));
    assert!(read(b"COPY t  FROM stdin;\n1\t2\n\\.\n").row_damage.is_empty());
    let oids = read(b"COPY t (a, b) WITH OIDS FROM stdin;\n7\t1\t2\n\\.\n");
    assert!(oids.row_damage.is_empty());
    assert_eq!(read(b"select 1;\n\0").nul_at, Some(10));
    assert_eq!(read(b"COPY t FROM stdin;\n1\0\n\\.\n").nul_at, Some(20));
    assert_eq!(read(b"\\x \0\n").nul_at, Some(3));
}

#[test]
fn a_reader_that_fails_is_told() {
    /// Fails once and then pretends that nothing was.
    struct Fails(bool);
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Ok(0);
            }
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "gzip ends early"))
        }
    }
    let dump = inspect(&mut ODD_NAMES.chain(Fails(false)));
    assert_eq!(dump.io_error.as_deref(), Some("gzip ends early"));
    assert!(!dump.trailer);
    let at = memchr::memmem::find(ODD_NAMES, b"5\t\\N\t\\N\n").unwrap_or_default();
    let dump = inspect(&mut ODD_NAMES[..at].chain(Fails(false)));
    assert!(dump.unfinished.is_some_and(|cut| cut.rows == 4));
}

#[test]
fn damage_never_panics_and_reads_the_same_in_pieces() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below).unwrap_or(1)).unwrap_or(0)
    };
    let odd = b"'\"$\\;()\n\r-/*:eEuU&\0\xff\x83 \t.!";
    for round in 0..400 {
        let base = if round % 3 == 0 { SJIS } else { ODD_NAMES };
        let mut text = base.to_vec();
        for _ in 0..=random(6) {
            let at = random(text.len());
            match random(4) {
                0 => text[at] = odd[random(odd.len())],
                1 => text.insert(at, odd[random(odd.len())]),
                2 => drop(text.remove(at)),
                _ => {
                    let to = (at + random(200)).min(text.len());
                    text.drain(at..to);
                }
            }
        }
        let whole = read(&text);
        let step = 1 + random(40);
        let parts = inspect(&mut Steps { rest: &text, step });
        assert_eq!(parts, whole, "{round} {step}");
    }
}
