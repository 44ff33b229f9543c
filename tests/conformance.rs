//! Every case on both engines: the same verdict, databases, checks and JUnit.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;

use support::both::on_both;
use support::{DATABASES, LOCAL_MAJOR, Layout, Ran, fact_scenario, fixture, gzip, members, tar};

fn archive(layout: Layout) -> Vec<u8> {
    gzip(&tar(&members(&fixture(LOCAL_MAJOR).folder, layout)))
}

fn assert_all_restored(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.verdict(), "restorable");
    let outcomes = ran.outcomes();
    for (name, _) in DATABASES {
        assert_eq!(outcomes[name], "restored", "{name}: {}", ran.text());
    }
    assert!(ran.stdout.contains("✓ Backup is RESTORABLE: 10 of 10 databases"), "{}", ran.text());
}

#[test]
fn an_archive_with_globals_last_restores_with_every_fact_of_the_source() {
    let ran = on_both(|bench, engine| {
        bench.write("cluster_20260130_021011.tar.gz", &archive(Layout::V4));
        let yaml = fact_scenario(&fixture(LOCAL_MAJOR), "cluster_20260130_021011.tar.gz");
        let file = bench.write("facts.yaml", yaml.as_bytes());
        bench.run(&["run", file.to_str().unwrap(), "--engine", engine])
    });
    assert_all_restored(&ran);
}

#[test]
fn an_archive_with_dot_slash_names_restores() {
    let ran = on_both(|bench, engine| {
        let path = bench.write("cluster_20260130_021011.tar.gz", &archive(Layout::V3));
        bench.verify(&path, engine)
    });
    assert_all_restored(&ran);
    assert_eq!(ran.scenario()["name"], "cluster");
    for item in ["archive integrity", "dump validity", "disk space", "tools or image"] {
        assert!(ran.stdout.contains(&format!("✓ {item}")), "{item}: {}", ran.text());
    }
}

#[test]
fn a_plain_tar_and_a_folder_restore() {
    let ran = on_both(|bench, engine| {
        let bytes = tar(&members(&fixture(LOCAL_MAJOR).folder, Layout::V4));
        let path = bench.write("cluster_20260130_021011.tar", &bytes);
        bench.verify(&path, engine)
    });
    assert_all_restored(&ran);
    let ran = on_both(|bench, engine| bench.verify(&fixture(LOCAL_MAJOR).folder, engine));
    assert_all_restored(&ran);
    assert_eq!(ran.scenario()["backup"]["format"], "cluster_folder");
}

#[test]
fn a_single_dump_restores_with_placeholders_for_its_roles() {
    for (name, file) in
        [("app", "app.dump"), ("with space", "with space.sql.gz"), ("UPPER", "UPPER.sql")]
    {
        let ran = on_both(|bench, engine| {
            let bytes = fs::read(fixture(LOCAL_MAJOR).folder.join("dumps").join(file)).unwrap();
            let path = bench.write(file, &bytes);
            bench.verify(&path, engine)
        });
        assert_eq!(ran.code, Some(0), "{file}: {}", ran.text());
        assert_eq!(ran.outcomes()[name], "restored");
        let not_tested = ran.scenario()["not_tested"].to_string();
        let role = if name == "UPPER" { "Report User" } else { "app_owner" };
        assert!(
            not_tested.contains("placeholders") && not_tested.contains(role),
            "{file}: {not_tested}"
        );
    }
}

#[test]
fn databases_are_chosen_by_globs_and_named_as_left_out() {
    let ran = on_both(|bench, engine| {
        bench.write("c.tar.gz", &archive(Layout::V4));
        let file = bench.write(
            "some.yaml",
            b"version: 1\nname: some\nbackup: {path: c.tar.gz}\nrestore: {only: ['*a*', x.sql], exclude: ['-*', latin]}\n",
        );
        bench.run(&["run", file.to_str().unwrap(), "--engine", engine])
    });
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let outcomes = ran.outcomes();
    assert_eq!(outcomes["app"], "restored");
    assert_eq!(outcomes["x.sql"], "restored");
    assert_eq!(outcomes["latin"], "skipped");
    assert_eq!(outcomes["UPPER"], "skipped");
    let not_tested = ran.scenario()["not_tested"].to_string();
    assert!(
        not_tested.contains("left out by the scenario") && not_tested.contains("latin"),
        "{not_tested}"
    );
}

#[test]
fn checks_fail_and_error_as_documented() {
    let ran = on_both(|bench, engine| {
        bench.write("c.tar.gz", &archive(Layout::V4));
        let file = bench.write("checks.yaml", br#"version: 1
name: checks
backup: {path: c.tar.gz}
restore: {exclude: ["-dash", UPPER, "a?b*", latin, "per*", postgres, "with*", "*code"]}
checks:
  - query: {name: holds, database: app, sql: select count(*) from shop.orders, between: [4000, 4000]}
  - query: {name: too few, database: app, sql: select count(*) from shop.orders, at_least: 5000}
  - query: {name: no row, database: app, sql: select 1 where false, equals: 1}
  - query: {name: is null, database: app, sql: select null, equals: 1}
  - query: {name: no table, database: app, sql: select count(*) from gone, equals: 1}
  - query: {name: syntax, database: app, sql: selct 1, equals: 1}
  - query: {name: writes, database: app, sql: "with x as (insert into shop.empty_one values (1) returning id) select id from x", equals: 1}
  - query: {name: two commands, database: app, sql: "select 1) as q (a); create table shop.mine (); select * from (select 1", equals: 1}
  - query: {name: old, database: app, sql: select max(at) from shop.events, newer_than: 24h}
  - query: {name: matches, database: app, sql: "select current_setting('server_version_num')::int / 10000", matches: "^1[5-9]$"}
  - no_rows: {name: population, database: app, sql: select id from shop.empty_one}
  - no_rows: {name: rows found, database: app, sql: select id from shop.orders where id < 4}
  - no_rows: {name: none found, database: app, sql: select id from shop.orders where id < 0}
  - query: {name: elsewhere, database: nowhere, sql: select 1, equals: 1}
"#);
        bench.run(&["run", file.to_str().unwrap(), "--engine", engine])
    });
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(ran.verdict(), "not_restorable");
    let checks = ran.scenario()["checks"].as_array().unwrap();
    let outcome = |name: &str| {
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        check["outcome"].as_str().unwrap().to_owned()
    };
    for (name, expected) in [
        ("holds", "passed"),
        ("too few", "failed"),
        ("no row", "failed"),
        ("is null", "failed"),
        ("no table", "failed"),
        ("syntax", "errored"),
        ("writes", "errored"),
        ("two commands", "errored"),
        ("old", "failed"),
        ("matches", "passed"),
        ("population", "failed"),
        ("rows found", "failed"),
        ("none found", "passed"),
        ("elsewhere", "failed"),
    ] {
        assert_eq!(outcome(name), expected, "{name}: {}", ran.text());
    }
    assert_eq!(checks[1]["line"], 7);
}
