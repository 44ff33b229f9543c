//! What reading a dump says about its rows, against the servers that the dumps were taken from.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::path::Path;

use camino::Utf8Path;
use pgdrill::backup::{BackupInventory, EntryData, TocEntry, inspect};
use support::{Bench, DATABASES, Source, fixture};

fn read(path: &Path) -> BackupInventory {
    inspect(Utf8Path::from_path(path).unwrap(), &mut |_, _| {})
}

fn table_data(inventory: &BackupInventory, database: &str) -> Vec<TocEntry> {
    let dump = inventory.databases.iter().find(|dump| dump.name == database).unwrap();
    dump.entries.iter().filter(|entry| entry.kind == "TABLE DATA").cloned().collect()
}

/// Every table of every database has the rows that `select count(*) from only` counted.
fn rows_are_those_of_the_source(major: u32) {
    let fixture = fixture(major);
    let inventory = read(&fixture.folder);
    assert!(inventory.findings.is_empty(), "{:?}", inventory.findings);
    let mut tables = 0;
    for (database, _) in DATABASES {
        let mut left = format!(",{},", fixture.facts[database]["rows"]);
        for entry in table_data(&inventory, database) {
            let rows = entry.data.as_ref().and_then(|data| data.rows).unwrap();
            let fact = format!(",{}.{}={rows},", entry.schema.unwrap(), entry.tag);
            assert!(left.contains(&fact), "{database}: no {fact} in {left}");
            left = left.replacen(&fact, ",", 1);
            tables += 1;
        }
        // What has no data in a dump: partitioned tables.
        let others: Vec<&str> = left.split(',').filter(|fact| !fact.is_empty()).collect();
        assert!(others.iter().all(|fact| fact.ends_with("=0")), "{database}: {others:?}");
        let dump = inventory.databases.iter().find(|dump| dump.name == database).unwrap();
        assert!(dump.findings.is_empty(), "{database}: {:?}", dump.findings);
    }
    assert!(tables > 10, "{tables}");
}

#[test]
fn rows_of_postgresql_13_are_those_of_the_source() {
    rows_are_those_of_the_source(13);
}

#[test]
fn rows_of_postgresql_15_are_those_of_the_source() {
    rows_are_those_of_the_source(15);
}

#[test]
fn rows_of_postgresql_17_are_those_of_the_source() {
    rows_are_those_of_the_source(17);
}

const TABLES: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN price AS numeric(10,2);
    CREATE TABLE plain (id int, t text);
    INSERT INTO plain SELECT i, 'ä' || repeat('x', i % 50) || E'\\t\\n\\\\' FROM generate_series(1, 5000) i;
    CREATE TABLE sessions (id int, at timestamptz, f double precision, r real, b bytea, m mood, p price);
    INSERT INTO sessions SELECT i, to_timestamp(i * 86400.5), i / 7.0, i / 3.0, decode(md5(i::text), 'hex'), 'ok', i
        FROM generate_series(-30000, 2000) i;
    CREATE TABLE child (extra timestamptz) INHERITS (sessions);
    INSERT INTO child SELECT *, now() FROM ONLY sessions LIMIT 10;
    CREATE TABLE left_out (id int, m money, c regclass);
    INSERT INTO left_out VALUES (1, 2, 'plain');
    CREATE TABLE none (m money);
    INSERT INTO none VALUES (1);
    CREATE TABLE nothing ();
    INSERT INTO nothing SELECT FROM generate_series(1, 3);
    CREATE TABLE empty (id int);
    CREATE TABLE long (t text);
    INSERT INTO long SELECT repeat(md5(i::text), 300000) FROM generate_series(1, 3) i;
    CREATE TABLE parted (id int, at timestamptz) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (100);
    INSERT INTO parted SELECT i, '2024-01-01' FROM generate_series(1, 99) i;
    SELECT lo_from_bytea(0, '');
    SELECT lo_from_bytea(0, 'x');
";

/// The same rows in the same tables, however they were dumped.
#[test]
fn all_ways_to_dump_say_the_same() {
    let bench = Bench::new();
    let source = Source::start(17);
    source.psql("postgres", "create database d");
    source.psql("d", TABLES);
    let facts = |name: &str, options: &[&str]| {
        let inventory = read(&bench.write(name, &source.dump("d", options)));
        assert!(inventory.findings.is_empty(), "{name}: {:?}", inventory.findings);
        let dump = &inventory.databases[0];
        assert!(dump.findings.is_empty(), "{name}: {:?}", dump.findings);
        table_data(&inventory, &dump.name)
            .into_iter()
            .map(|entry| {
                let EntryData { rows, fingerprint, bytes, .. } = entry.data.unwrap();
                assert!(bytes.is_some(), "{name}");
                let left_out = fingerprint.as_ref().map(|found| found.left_out().join(","));
                (entry.tag, rows, fingerprint.map(|found| found.to_string()), left_out)
            })
            .collect::<Vec<_>>()
    };
    let expected = facts("gzip.dump", &["-Fc"]);
    let known: Vec<_> = expected
        .iter()
        .map(|(table, rows, _, left_out)| (table.as_str(), rows.unwrap(), left_out.as_deref()))
        .collect();
    let all = Some("");
    assert_eq!(
        known,
        [
            ("child", 10, all),
            ("empty", 0, all),
            ("left_out", 1, Some("m,c")),
            ("long", 3, all),
            ("none", 1, None),
            ("nothing", 3, all),
            ("part", 99, all),
            ("plain", 5000, all),
            ("sessions", 32_001, all),
        ]
    );
    for (name, options) in [
        ("none.dump", &["-Fc", "-Z", "none"][..]),
        ("lz4.dump", &["-Fc", "-Z", "lz4"]),
        ("zstd.dump", &["-Fc", "-Z", "zstd:level=19,long"]),
        ("plain.sql", &["-Fp"]),
        ("partitions.sql", &["-Fp", "--load-via-partition-root"]),
        ("partitions.dump", &["-Fc", "--load-via-partition-root"]),
    ] {
        assert_eq!(facts(name, options), expected, "{name}");
    }
    source.psql(
        "postgres",
        "alter database d set timezone = 'Asia/Kolkata'; alter database d set bytea_output = 'escape'",
    );
    let kolkata = source.dump("d", &["-Fp"]);
    assert!(memchr::memmem::find(&kolkata, b"+05:30").is_some());
    assert_eq!(facts("kolkata.dump", &["-Fc", "-Z", "zstd"]), expected);
    assert_eq!(facts("kolkata.sql", &["-Fp"]), expected);
    // INSERTs are not counted.
    for (name, format) in [("inserts.dump", "-Fc"), ("inserts.sql", "-Fp")] {
        let inserts = facts(name, &[format, "--inserts", "-t", "plain"]);
        assert_eq!(inserts, [("plain".to_owned(), None, None, None)]);
    }
    // Without its CREATE TABLE nobody knows the types of a table's columns.
    let data_only = facts("data.dump", &["-Fc", "--data-only", "-t", "plain"]);
    assert_eq!(data_only, [("plain".to_owned(), Some(5000), None, None)]);

    // One changed row, and only that.
    source.psql("d", "update sessions set f = f + 1e-12 where id = 77");
    let changed = facts("changed.dump", &["-Fc"]);
    let differing: Vec<&str> = changed
        .iter()
        .zip(&expected)
        .filter(|(new, old)| new != old)
        .map(|(new, _)| new.0.as_str())
        .collect();
    assert_eq!(differing, ["sessions"]);
}
