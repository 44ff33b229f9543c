//! What a scenario asks for decides what counts: selection, version, expectation, time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use support::{Bench, Ran, image, plain_dump};

const GLOBALS: &str = "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE postgres;\n\
    ALTER ROLE postgres WITH SUPERUSER LOGIN;\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n";

/// Runs a scenario on a cluster of these dumps.
fn run(dumps: &[(&str, &str)], keys: &str) -> Ran {
    let bench = Bench::new();
    bench.write("c/globals.sql", GLOBALS.as_bytes());
    for (name, text) in dumps {
        bench.write(&format!("c/dumps/{name}.sql"), text.as_bytes());
    }
    let scenario = format!("version: 1\nname: s\nbackup: {{path: c}}\n{keys}");
    let file = bench.write("s.yaml", scenario.as_bytes());
    bench.run(&["run", file.to_str().unwrap(), "--engine", "docker"])
}

fn cut(text: &str) -> String {
    text[..text.len() / 2].to_owned()
}

#[test]
fn a_database_that_is_named_and_not_held_ends_the_run() {
    let good = plain_dump("");
    let ran = run(&[("a", &good), ("b", &good)], "restore: {only: [a, nosuch]}\n");
    assert_eq!((ran.code, ran.verdict()), (Some(2), "inconclusive"), "{}", ran.text());
    assert!(
        ran.has("no_database_selected", None) && ran.stdout.contains("nosuch"),
        "{}",
        ran.text()
    );
    assert!(ran.scenario()["engine"].is_null());
}

#[test]
fn a_server_of_another_version_than_the_named_one_is_no_answer() {
    let keys = "postgres: {version: 17}\n";
    let bench = Bench::new();
    bench.write("a.sql", plain_dump("").as_bytes());
    let scenario = format!("version: 1\nname: s\nbackup: {{path: a.sql}}\n{keys}");
    let file = bench.write("s.yaml", scenario.as_bytes());
    let args = ["run", file.to_str().unwrap(), "--engine", "docker", "--image", &image(15)];
    let ran = bench.run(&args);
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert!(ran.has("server_version_differs", None), "{}", ran.text());
}

#[test]
fn what_is_left_out_decides_nothing() {
    let good = plain_dump("");
    let ran = run(&[("a", &good), ("b", &cut(&good))], "restore: {exclude: [b]}\n");
    assert_eq!((ran.code, ran.verdict()), (Some(0), "restorable"), "{}", ran.text());
    assert_eq!(ran.outcomes()["b"], "skipped");
    // Nor does its finding count as the expected one.
    let keys = "restore: {exclude: [b]}\n\
        expect: {verdict: {not_restorable: {finding: dump_truncated}}}\n";
    let ran = run(&[("a", &plain_dump("SELECT 1 / 0;")), ("b", &cut(&good))], keys);
    assert_eq!(ran.verdict(), "not_restorable", "{}", ran.text());
    assert_eq!(ran.code, Some(1), "{}", ran.text());
}

#[test]
fn a_check_that_is_expected_to_fail_may() {
    let keys = "expect: {verdict: {not_restorable: {finding: check_failed, database: a}}}\n\
        checks:\n  - query: {name: rows, database: a, sql: select count(*) from t, equals: 7}\n";
    let ran = run(&[("a", &plain_dump(""))], keys);
    assert_eq!((ran.code, ran.verdict()), (Some(0), "not_restorable"), "{}", ran.text());
    assert!(!ran.junit.contains("<failure"), "{}", ran.junit);
    assert!(ran.stdout.contains("Expected: not_restorable: check_failed in a"), "{}", ran.text());
}

#[test]
fn a_limit_that_ends_a_run_leaves_every_database_and_check_in_the_report() {
    let good = plain_dump("");
    let slow = plain_dump("SELECT pg_sleep(600);");
    let keys = "restore: {time_limit: 40s}\n\
        checks:\n  - query: {name: rows, database: a, sql: select count(*) from t, equals: 1}\n";
    let ran = run(&[("a", &good), ("b", &slow), ("c", &good)], keys);
    assert_eq!((ran.code, ran.verdict()), (Some(2), "inconclusive"), "{}", ran.text());
    let outcomes = ran.outcomes();
    let of = |name: &str| outcomes[name].as_str();
    assert_eq!((of("a"), of("b"), of("c")), ("restored", "errored", "skipped"), "{}", ran.text());
    assert_eq!(ran.scenario()["checks"][0]["outcome"], "skipped", "{}", ran.text());
    assert!(ran.stdout.contains("`restore.time_limit` is 40.0s"), "{}", ran.text());
}

#[test]
fn the_first_database_that_fails_may_be_the_last() {
    let (good, bad) = (plain_dump(""), plain_dump("SELECT 1 / 0;"));
    let dumps = [("a", good.as_str()), ("b", bad.as_str()), ("c", good.as_str())];
    let ran = run(&dumps, "restore: {on_error: stop}\n");
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(ran.outcomes()["c"], "skipped", "{}", ran.text());
    let ran = run(&dumps, "restore: {on_error: continue}\n");
    assert_eq!(ran.outcomes()["c"], "restored", "{}", ran.text());
}
