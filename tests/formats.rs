//! Every format in which a backup may lie is restored, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;

use support::both::on_both;
use support::{LOCAL_MAJOR, Ran, fixture, gzip, lz4, tar, zstd};

/// A dump of the fixture.
fn dump(name: &str) -> Vec<u8> {
    fs::read(fixture(LOCAL_MAJOR).folder.join("dumps").join(name)).unwrap()
}

/// A cluster archive of the fixture's globals and these dumps.
fn cluster(dumps: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let globals = fs::read(fixture(LOCAL_MAJOR).folder.join("globals.sql")).unwrap();
    let mut all: Vec<(String, Vec<u8>)> =
        dumps.iter().map(|(name, bytes)| (format!("dumps/{name}"), bytes.clone())).collect();
    all.push(("globals.sql".to_owned(), globals));
    tar(&all)
}

fn restores(name: &str, bytes: &[u8]) -> Ran {
    on_both(|bench, engine| bench.verify(&bench.write(name, bytes), engine))
}

fn assert_restored(ran: &Ran, format: &str, databases: &[&str]) {
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.scenario()["backup"]["format"], format);
    let outcomes = ran.outcomes();
    assert_eq!(outcomes.keys().collect::<Vec<_>>(), databases, "{}", ran.text());
    assert!(outcomes.values().all(|outcome| outcome == "restored"), "{}", ran.text());
    // Each of them carries checksums.
    let open = ran.scenario()["not_tested"].to_string();
    assert!(!open.contains("no checksum"), "{open}");
}

#[test]
fn a_zstd_archive_restores() {
    let archive = cluster(&[
        ("UPPER.sql.zstd", zstd(&dump("UPPER.sql"))),
        ("app.dump", dump("app.dump")),
        ("latin.dump.zst", zstd(&dump("latin.dump"))),
        ("with space.sql.gz", dump("with space.sql.gz")),
    ]);
    let ran = restores("pg_cluster_20260130_021011.tar.zst", &zstd(&archive));
    assert_restored(&ran, "cluster_tar_zst", &["UPPER", "app", "latin", "with space"]);
}

#[test]
fn an_lz4_archive_restores() {
    let archive = cluster(&[
        ("UPPER.sql.lz4", lz4(&dump("UPPER.sql"))),
        ("app.dump.lz4", lz4(&dump("app.dump"))),
        ("latin.dump.gz", gzip(&dump("latin.dump"))),
    ]);
    let ran = restores("cluster_20260130_021011.tar.lz4", &lz4(&archive));
    assert_restored(&ran, "cluster_tar_lz4", &["UPPER", "app", "latin"]);
}

#[test]
fn single_files_restore_in_every_compression() {
    let (sql, custom) = (dump("UPPER.sql"), dump("app.dump"));
    for (name, bytes, format, database) in [
        ("UPPER_20260130_021011.sql.zst", zstd(&sql), "plain_zst", "UPPER"),
        ("UPPER.sql.lz4", lz4(&sql), "plain_lz4", "UPPER"),
        ("app.dump.gz", gzip(&custom), "custom_gz", "app"),
        ("app.backup.zstd", zstd(&custom), "custom_zst", "app"),
    ] {
        assert_restored(&restores(name, &bytes), format, &[database]);
    }
}
