//! What `inspect` shows, against the source and PostgreSQL's own tools.
//!
//! One backup of each format from PostgreSQL 13, 15 and 17: `inspect` and `verify` find nothing wrong
//! with it, show each entry that `pg_restore -l -C` of that version lists, and count the rows that
//! `select count(*) from only` counted in every table of the source. `--no-capture` prints the table.
//! The dumps of `tests/fixtures` show their entries likewise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "the table is for people")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Bench, DATABASES, Layout, Source, fixture, gzip, lz4, members, tar, zstd};

/// The database whose single dumps are made; the one with the most kinds of objects.
const DATABASE: &str = "app";

const MAKE: &str = r#"
mkdir -p /tmp/made && cd /tmp/made && export PGHOST=/tmp PGUSER=postgres
pg_dump -Fc app -f custom.dump
pg_dump -Fc -Z 0 app -f custom-none.dump
pg_dump -Fd app -f directory
pg_dump -Fd -Z 0 app -f directory-none
pg_dump -Ft app -f tar.tar
pg_dump -Fp app -f plain.sql
pg_dumpall -f pg_dumpall.sql
if [ "$1" -ge 16 ]; then
	for codec in lz4 zstd; do
		pg_dump -Fc -Z $codec app -f custom-$codec.dump
		pg_dump -Fd -Z $codec app -f directory-$codec
	done
fi
for dump in custom* directory* tar.tar; do
	pg_restore -l -C "$dump" | grep -v '^;' >"/tmp/made/$dump.list"
done
"#;

const LIST: &str = r#"
cd /tmp/files
for dump in custom/*.dump pgdump/*-dir* pgdump/*.tar; do
	echo "== $dump"
	pg_restore -l -C "$dump" | iconv -f LATIN1 -t UTF-8 | grep -v '^;'
done
"#;

/// Settings of the archive itself, which `pg_restore` does not list (`PrintTOCSummary` in
/// `pg_backup_archiver.c`).
const UNLISTED: [&str; 3] = ["ENCODING", "STDSTRINGS", "SEARCHPATH"];

/// An entry as `pg_restore -l` prints it, without the two OIDs, which no restore needs.
fn line(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let schema = entry["schema"].as_str().unwrap_or("-");
    format!("{}; {} {schema} {} {}", entry["id"], text("kind"), text("tag"), text("owner"))
}

fn without_oids(line: &str) -> String {
    let (id, rest) = line.split_once("; ").unwrap();
    format!("{id}; {}", rest.splitn(3, ' ').nth(2).unwrap())
}

/// The number of entries, which are those of the list.
fn compare_entries(name: &str, database: &Value, list: &str) -> usize {
    let theirs: Vec<String> = list.lines().map(without_oids).collect();
    let ours: Vec<String> = database["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| !UNLISTED.contains(&entry["kind"].as_str().unwrap()))
        .map(line)
        .collect();
    assert_eq!(ours, theirs, "{name}");
    ours.len()
}

/// The number of tables, and of rows in them; each has those of the source, none is missing.
fn compare_rows(name: &str, database: &Value, fact: &str) -> (usize, u64) {
    let source: BTreeMap<&str, u64> = fact
        .split(',')
        .filter_map(|table| table.rsplit_once('='))
        .map(|(table, rows)| (table, rows.parse().unwrap()))
        .collect();
    let mut counted = BTreeMap::new();
    for entry in database["entries"].as_array().unwrap() {
        if entry["kind"] == "TABLE DATA" {
            let table =
                format!("{}.{}", entry["schema"].as_str().unwrap(), entry["tag"].as_str().unwrap());
            counted.insert(table, entry["data"]["rows"].as_u64().unwrap());
        }
    }
    for (table, rows) in &source {
        // Partitioned tables have no rows and no data of their own.
        assert_eq!(counted.remove(*table).unwrap_or_default(), *rows, "{name}: {table}");
    }
    assert!(counted.is_empty(), "{name}: {counted:?}");
    (source.len(), source.values().sum())
}

struct Made {
    bench: Bench,
    backups: Vec<(String, PathBuf)>,
    lists: PathBuf,
}

/// Writes a backup in every format.
fn make(major: u32, source: &Source) -> Made {
    let bench = Bench::new();
    source.run(MAKE, &[&major.to_string()]);
    source.fetch("/tmp/made", bench.folder.path());
    let made = bench.path("made");
    let mut backups: Vec<(String, PathBuf)> = fs::read_dir(&made)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "list"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    for name in ["custom.dump", "tar.tar", "plain.sql", "pg_dumpall.sql"] {
        let bytes = fs::read(made.join(name)).unwrap();
        for (extension, packed) in
            [("gz", gzip(&bytes)), ("zst", zstd(&bytes)), ("lz4", lz4(&bytes))]
        {
            let name = format!("{name}.{extension}");
            backups.push((name.clone(), bench.write(&name, &packed)));
        }
    }
    let cluster = fixture(major).folder;
    let archive = tar(&members(&cluster, Layout::V4));
    for (extension, bytes) in [
        ("tar", archive.clone()),
        ("tar.gz", gzip(&archive)),
        ("tgz", gzip(&archive)),
        ("tar.zst", zstd(&archive)),
        ("tar.lz4", lz4(&archive)),
    ] {
        let name = format!("cluster_20260101_000000.{extension}");
        backups.push((name.clone(), bench.write(&name, &bytes)));
    }
    backups.push(("cluster folder".to_owned(), cluster));
    backups.sort();
    Made { bench, backups, lists: made }
}

fn every_format_of(major: u32) {
    let source = Source::start(major);
    source.fill();
    let rows: BTreeMap<&str, String> = DATABASES
        .iter()
        .map(|(name, _)| *name)
        // In the output of pg_dumpall alone.
        .chain(["template1"])
        .map(|name| (name, source.fact(name, "rows")))
        .collect();
    let made = make(major, &source);
    println!(
        "{:<6} {:<32} {:>7} {:>6} {:>9} {:>8} {:>7} {:>7}",
        "major", "backup", "inspect", "verify", "databases", "entries", "tables", "rows"
    );
    for (name, path) in &made.backups {
        let output =
            made.bench.command().args(["inspect", "--json", "-"]).arg(path).output().unwrap();
        let tree: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(tree["findings"].as_array().unwrap(), &[] as &[Value], "{name}");
        assert_eq!(output.status.code(), Some(0), "{name}");
        let verified = made.bench.run(&["verify", path.to_str().unwrap()]);
        assert_eq!(verified.code, Some(0), "{name}: {}", verified.text());
        let databases = tree["databases"].as_array().unwrap();
        let held = match name.split(['_', ' ']).next() {
            Some("cluster") => DATABASES.len(),
            Some("pg") => rows.len(),
            _ => 1,
        };
        assert_eq!(databases.len(), held, "{name}");
        let list = ["gz", "zst", "lz4"]
            .iter()
            .find_map(|extension| name.strip_suffix(&format!(".{extension}")))
            .unwrap_or(name);
        let list = made.lists.join(format!("{list}.list"));
        let entries =
            fs::read_to_string(list).ok().map(|list| compare_entries(name, &databases[0], &list));
        let (mut tables, mut sum) = (0, 0);
        for database in databases {
            let dumped = if held > 1 { database["name"].as_str().unwrap() } else { DATABASE };
            let (of_database, counted) = compare_rows(name, database, &rows[dumped]);
            (tables, sum) = (tables + of_database, sum + counted);
        }
        println!(
            "{major:<6} {name:<32} {:>7} {:>6} {:>9} {:>8} {tables:>7} {sum:>7}",
            output.status.code().unwrap(),
            verified.code.unwrap(),
            databases.len(),
            entries.map_or_else(|| "-".to_owned(), |entries| entries.to_string()),
        );
    }
    let expected = if major >= 16 { 29 } else { 25 };
    assert_eq!(made.backups.len(), expected, "{major}");
}

#[test]
fn every_format_of_postgresql_13_is_read_as_its_source_was() {
    every_format_of(13);
}

#[test]
fn every_format_of_postgresql_15_is_read_as_its_source_was() {
    every_format_of(15);
}

#[test]
fn every_format_of_postgresql_17_is_read_as_its_source_was() {
    every_format_of(17);
}

#[test]
fn every_entry_that_pg_restore_lists_is_shown() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let listed = Source::start(17).shell(&fixtures, LIST);
    let mut compared = 0;
    for part in listed.split("== ").filter(|part| !part.is_empty()) {
        let (name, lines) = part.split_once('\n').unwrap();
        let bench = Bench::new();
        let backup = fixtures.join(name);
        let output = bench
            .command()
            .args(["inspect", "--json", "-", "--no-cache"])
            .arg(&backup)
            .output()
            .unwrap();
        let tree: Value = serde_json::from_slice(&output.stdout).unwrap();
        compared += compare_entries(name, &tree["databases"][0], lines);
        assert!(lines.contains(" DATABASE - kasse postgres"), "{name}");
    }
    assert!(compared > 500, "only {compared} entries");
}
