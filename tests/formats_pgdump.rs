//! `pg_dump`'s directory and tar formats and the output of `pg_dumpall`, of PostgreSQL 13, 15 and 17
//! (`tests/fixtures/pgdump`): restored, and what they hold asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::both::on_both;
use support::{Bench, Ran, gzip, tar};

/// What is true of database `kasse`, but for what a dump without its database's entries does not say.
const KASSE: [(&str, &str); 5] = [
    ("select count(*) from \"Straße\"", "30"),
    ("select string_agg(length(t)::text, ',' order by length(t)) from app.tricky", "0,1,1,2,6"),
    ("select pg_get_userbyid(relowner) from pg_class where relname = 'empty'", "alice"),
    ("select sum(length(lo_get(oid))) from pg_largeobject_metadata", "205"),
    ("select setting from pg_settings where name = 'work_mem'", "5120"),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pgdump").join(name)
}

fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(fixture(name)).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Restores `backup` and asks each database a question.
fn ask(bench: &Bench, engine: &str, backup: &Path, questions: &[(&str, &str, &str)]) -> Ran {
    let mut yaml = format!(
        "version: 1\nname: formats\nbackup: {{path: {}}}\nchecks:\n",
        quoted(backup.to_str().unwrap())
    );
    for (number, (database, sql, answer)) in questions.iter().enumerate() {
        yaml.push_str(&format!(
            "  - query: {{name: q{number}, database: {}, sql: {}, equals: {}}}\n",
            quoted(database),
            quoted(sql),
            quoted(answer)
        ));
    }
    let file = bench.write("s.yaml", yaml.as_bytes());
    bench.run(&["run", file.to_str().unwrap(), "--engine", engine])
}

fn of_kasse() -> Vec<(&'static str, &'static str, &'static str)> {
    KASSE.iter().map(|(sql, answer)| ("kasse", *sql, *answer)).collect()
}

fn of_cluster() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut questions = of_kasse();
    for database in ["postgres", "template1", "with space"] {
        questions.push((database, "select name from of_this", database));
    }
    let space =
        "select pg_get_userbyid(datdba) from pg_database where datname = current_database()";
    questions.push(("with space", space, "alice"));
    questions
}

fn assert_restored(ran: &Ran, format: &str, databases: &[&str]) {
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.verdict(), "restorable");
    assert_eq!(ran.scenario()["backup"]["format"], format);
    let outcomes = ran.outcomes();
    assert_eq!(outcomes.keys().collect::<Vec<_>>(), databases, "{}", ran.text());
    assert!(outcomes.values().all(|outcome| outcome == "restored"), "{}", ran.text());
}

const CLUSTER: [&str; 4] = ["kasse", "postgres", "template1", "with space"];

#[test]
fn a_directory_dump_restores() {
    let ran = on_both(|bench, engine| ask(bench, engine, &fixture("15-dir"), &of_kasse()));
    assert_restored(&ran, "directory", &["kasse"]);
}

#[test]
fn a_directory_dump_in_an_archive_restores_whatever_the_order() {
    let ran = on_both(|bench, engine| {
        let members: Vec<_> = files("15-dir").into_iter().rev().collect();
        let members: Vec<_> = members.into_iter().map(|(n, b)| (format!("kasse/{n}"), b)).collect();
        let path = bench.write("kasse_20260130_021011.tar.gz", &gzip(&tar(&members)));
        ask(bench, engine, &path, &of_kasse())
    });
    assert_restored(&ran, "directory_gz", &["kasse"]);
}

#[test]
fn a_tar_dump_restores() {
    let ran = on_both(|bench, engine| {
        let path = bench.write("kasse.tar.gz", &gzip(&fs::read(fixture("15.tar")).unwrap()));
        ask(bench, engine, &path, &of_kasse())
    });
    assert_restored(&ran, "tar_gz", &["kasse"]);
}

#[test]
fn a_cluster_of_directory_and_tar_dumps_restores() {
    let ran = on_both(|bench, engine| {
        let mut members = Vec::new();
        for (name, mut bytes) in files("15-dir") {
            members.push((format!("dumps/kasse/{name}"), bytes.clone()));
            if name == "toc.dat" {
                // A name of the same length is all that tells the second dump from the first.
                let text = bytes.windows(5).enumerate().filter(|(_, part)| part == b"kasse");
                for at in text.map(|(at, _)| at).collect::<Vec<_>>() {
                    bytes[at] = b'm';
                }
            }
            members.push((format!("dumps/masse/{name}"), bytes));
        }
        let mut third = fs::read(fixture("15.tar")).unwrap();
        let text = third.windows(5).enumerate().filter(|(_, part)| part == b"kasse");
        for at in text.map(|(at, _)| at).collect::<Vec<_>>() {
            third[at] = b'r';
        }
        members.insert(7, ("dumps/rasse.tar".to_owned(), third));
        members.push(("globals.sql".to_owned(), fs::read(fixture("15-globals.sql")).unwrap()));
        let path = bench.write("cluster_20260130_021011.tar.gz", &gzip(&tar(&members)));
        let mut questions = of_kasse();
        for database in ["masse", "rasse"] {
            questions.extend(KASSE.iter().map(|(sql, answer)| (database, *sql, *answer)));
        }
        ask(bench, engine, &path, &questions)
    });
    assert_restored(&ran, "cluster_tar_gz", &["kasse", "masse", "rasse"]);
}

#[test]
fn the_output_of_pg_dumpall_restores() {
    let ran = on_both(|bench, engine| {
        let path = bench.write("all.sql.gz", &gzip(&fs::read(fixture("15-all.sql")).unwrap()));
        ask(bench, engine, &path, &of_cluster())
    });
    assert_restored(&ran, "pg_dumpall_gz", &CLUSTER);
}

#[test]
fn with_clean_nothing_is_there_to_be_dropped() {
    let ran = on_both(|bench, engine| ask(bench, engine, &fixture("15-clean.sql"), &of_cluster()));
    assert_restored(&ran, "pg_dumpall", &CLUSTER);
}

fn restores_dumps_of(dumps: &[(&str, &str)], clusters: &[&str]) {
    let bench = Bench::new();
    for (name, format) in dumps {
        let ran = ask(&bench, "docker", &fixture(name), &of_kasse());
        assert_restored(&ran, format, &["kasse"]);
        let version = ran.scenario()["engine"]["server_version"].as_str().unwrap();
        assert!(name.starts_with(&version[..2]), "{version}");
    }
    for name in clusters {
        let ran = ask(&bench, "docker", &fixture(name), &of_cluster());
        assert_restored(&ran, "pg_dumpall", &CLUSTER);
    }
}

#[test]
fn dumps_of_postgresql_13_restore() {
    let dumps = [("13-dir", "directory"), ("13.tar", "tar"), ("13-create.sql", "plain")];
    restores_dumps_of(&dumps, &["13-all.sql"]);
}

#[test]
fn dumps_of_postgresql_17_restore() {
    let dumps = [("17-dir-zstd", "directory"), ("17-dir-lz4", "directory"), ("17.tar", "tar")];
    restores_dumps_of(&dumps, &["17-all.sql", "17-clean.sql"]);
}

#[test]
fn a_database_that_cannot_be_made_fails_alone() {
    let ran = on_both(|bench, engine| {
        let text = fs::read(fixture("15-all.sql")).unwrap();
        let text: Vec<u8> = {
            let made = b"CREATE DATABASE kasse WITH TEMPLATE = template0";
            let at = text.windows(made.len()).position(|part| part == made).unwrap();
            let broken = b"CREATE DATABASE kasse WITH TEMPLATE = template8";
            [&text[..at], broken, &text[at + made.len()..]].concat()
        };
        bench.verify(&bench.write("all.sql", &text), engine)
    });
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(ran.has("database_not_created", Some("kasse")), "{:?}", ran.findings());
    assert!(ran.findings().iter().all(|(_, of)| of.as_deref() == Some("kasse")));
    let outcomes = ran.outcomes();
    for (name, outcome) in &outcomes {
        assert_eq!(outcome, if name == "kasse" { "failed" } else { "restored" }, "{name}");
    }
    assert_eq!(outcomes.len(), 4);
}

#[test]
fn an_error_in_one_database_stays_there() {
    let ran = on_both(|bench, engine| {
        let text = fs::read(fixture("15-all.sql")).unwrap();
        let mark = b"-- Name: LARGE OBJECT 77778; Type: ACL";
        let at = text.windows(mark.len()).position(|part| part == mark).unwrap();
        // What a single session would take along: a role, a path, an open transaction.
        let added = b"SET ROLE alice; BEGIN; INSERT INTO nowhere VALUES (1);\n";
        let text = [&text[..at], &added[..], &text[at..]].concat();
        bench.verify(&bench.write("all.sql", &text), engine)
    });
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let outcomes = ran.outcomes();
    assert_eq!(outcomes["kasse"], "failed", "{}", ran.text());
    for name in ["postgres", "template1", "with space"] {
        assert_eq!(outcomes[name], "restored", "{}", ran.text());
    }
}

#[test]
fn a_dump_that_lost_a_file_is_not_restored_and_names_it() {
    let bench = Bench::new();
    let lost = files("15-dir").into_iter().find(|(name, _)| name.ends_with(".dat.gz")).unwrap().0;
    for (name, bytes) in files("15-dir").into_iter().filter(|(name, _)| *name != lost) {
        bench.write(&format!("kasse/{name}"), &bytes);
    }
    let ran = bench.verify(&bench.path("kasse"), "local");
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(ran.findings(), [("dump_truncated".to_owned(), Some("kasse".to_owned()))]);
    assert!(ran.stdout.contains("TABLE DATA"), "{}", ran.text());
    assert!(ran.scenario()["engine"].is_null(), "no server is started for it");
}

#[test]
fn globals_alone_are_never_a_pass() {
    let bench = Bench::new();
    let ran = bench.verify(&fixture("15-globals.sql"), "local");
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(ran.has("no_dump_in_archive", None), "{:?}", ran.findings());
}
