//! Archives of PostgreSQL 13, 15 and 17 in both layouts: restored, and equal to their source.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use support::{Bench, DATABASES, Layout, fact_scenario, fixture, gzip, members, tar};

fn restores_equal_to_its_source(major: u32, layout: Layout) {
    let fixture = fixture(major);
    let bench = Bench::new();
    let archive = gzip(&tar(&members(&fixture.folder, layout)));
    bench.write("cluster_20260130_021011.tar.gz", &archive);
    let yaml = fact_scenario(&fixture, "cluster_20260130_021011.tar.gz");
    let file = bench.write("facts.yaml", yaml.as_bytes());
    let ran = bench.run(&["run", file.to_str().unwrap(), "--engine", "docker"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let outcomes = ran.outcomes();
    for (name, _) in DATABASES {
        assert_eq!(outcomes[name], "restored", "{}", ran.text());
    }
    let version = ran.scenario()["engine"]["server_version"].as_str().unwrap();
    assert!(version.starts_with(&format!("{major}.")), "{version}");
    let checks = ran.scenario()["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 48, "five facts of each database, but two have no properties");
    let app = &ran.scenario()["databases"].as_array().unwrap()[3];
    assert_eq!(app["name"], "app");
    assert!(app["entries_compared"].as_u64().unwrap() > 45, "{app}");
    assert!(app["tables_compared"].as_u64().unwrap() >= 6, "{app}");
}

#[test]
fn postgresql_13_globals_last() {
    restores_equal_to_its_source(13, Layout::V4);
}

#[test]
fn postgresql_13_dot_slash() {
    restores_equal_to_its_source(13, Layout::V3);
}

#[test]
fn postgresql_15_globals_last() {
    restores_equal_to_its_source(15, Layout::V4);
}

#[test]
fn postgresql_15_dot_slash() {
    restores_equal_to_its_source(15, Layout::V3);
}

#[test]
fn postgresql_17_globals_last() {
    restores_equal_to_its_source(17, Layout::V4);
}

#[test]
fn postgresql_17_dot_slash() {
    restores_equal_to_its_source(17, Layout::V3);
}

#[test]
fn an_older_backup_in_a_newer_image_tests_an_upgrade_and_says_so() {
    let fixture = fixture(13);
    let bench = Bench::new();
    let archive = gzip(&tar(&members(&fixture.folder, Layout::V4)));
    bench.write("c.tar.gz", &archive);
    let file = bench.write(
        "upgrade.yaml",
        b"version: 1\nname: upgrade\nbackup: {path: c.tar.gz}\npostgres: {version: 17}\n",
    );
    let ran = bench.run(&["run", file.to_str().unwrap(), "--engine", "docker"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let not_tested = ran.scenario()["not_tested"].to_string();
    assert!(not_tested.contains("tests an upgrade"), "{not_tested}");
}
