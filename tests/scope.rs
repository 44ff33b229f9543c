//! A sample of a cluster's databases: which are restored, and what is said of the others.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeSet;

use support::both::on_both;
use support::{Bench, Ran, plain_dump};

const NAMES: [&str; 5] = ["alpha", "beta", "delta", "epsilon", "gamma"];

fn cluster(bench: &Bench) {
    let globals = "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE alice;\n\n--\n-- PostgreSQL database cluster dump complete\n--\n";
    bench.write("cluster/globals.sql", globals.as_bytes());
    for name in NAMES {
        bench.write(&format!("cluster/dumps/{name}.sql"), plain_dump("").as_bytes());
    }
}

fn run(bench: &Bench, engine: &str, scope: &str, more: &str) -> Ran {
    cluster(bench);
    let yaml = format!(
        "version: 1\nname: scope\nbackup: {{path: cluster}}\nrestore: {{scope: {scope}}}\n{more}"
    );
    bench.write("s.yaml", yaml.as_bytes());
    bench.run(&["run", "s.yaml", "--engine", engine])
}

fn restored(ran: &Ran) -> BTreeSet<String> {
    let outcomes = ran.outcomes().into_iter().filter(|(_, outcome)| outcome == "restored");
    outcomes.map(|(name, _)| name).collect()
}

#[test]
fn some_databases_are_restored_and_the_verdict_says_so() {
    let ran = on_both(|bench, engine| run(bench, engine, "{sample: {databases: 2, seed: 7}}", ""));
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.verdict(), "restorable");
    let taken = restored(&ran);
    assert_eq!(taken.len(), 2, "{}", ran.text());
    let line = "✓ Backup is RESTORABLE: sample: 2 of 5 databases, 2 restored";
    assert!(ran.stdout.contains(line), "{}", ran.text());
    assert_eq!(ran.scenario()["scope"], "sample: 2 of 5 databases");
    assert!(ran.junit.contains("verdict: restorable (sample: 2 of 5 databases)"), "{}", ran.junit);
    let others: Vec<&str> = NAMES.into_iter().filter(|name| !taken.contains(*name)).collect();
    let named =
        format!("sample: 2 of 5 databases: read and not restored were {}", others.join(", "));
    assert!(ran.stdout.contains(&named), "{named}\n{}", ran.text());
    assert!(ran.outcomes().values().filter(|outcome| *outcome == "skipped").count() == 3);
}

/// One database that a check asks is always there, and what reading finds decides for all.
#[test]
fn what_is_asked_is_restored_and_what_is_broken_is_found_in_any() {
    let bench = Bench::new();
    let asked = restored(&run(&bench, "docker", "{sample: {databases: 1, seed: 7}}", ""));
    let other = NAMES.into_iter().find(|name| !asked.contains(*name)).unwrap();
    let check =
        format!("checks:\n  - query: {{name: a, database: {other}, sql: select 1, equals: 1}}\n");
    let ran = run(&bench, "docker", "{sample: {databases: 1, seed: 7}}", &check);
    assert_eq!(restored(&ran), BTreeSet::from([other.to_owned()]), "{}", ran.text());
    assert_eq!(ran.scenario()["checks"][0]["outcome"], "passed");

    // The sample is sound, and a dump beside it is cut.
    let dump = plain_dump("");
    let ran = {
        let yaml = "version: 1\nname: scope\nbackup: {path: cluster}\nrestore: {scope: {sample: {databases: 1, seed: 7}}}\n";
        bench.write("s.yaml", yaml.as_bytes());
        bench.write(&format!("cluster/dumps/{other}.sql"), &dump.as_bytes()[..dump.len() - 40]);
        bench.run(&["run", "s.yaml", "--engine", "docker"])
    };
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(ran.findings(), [("dump_truncated".to_owned(), Some(other.to_owned()))]);
    assert_eq!(restored(&ran), asked, "{}", ran.text());
}

#[test]
fn verify_restores_a_sample_that_the_backup_chooses() {
    let bench = Bench::new();
    cluster(&bench);
    let folder = bench.path("cluster");
    let verify =
        ["verify", folder.to_str().unwrap(), "--restore-test=sample", "--engine", "docker"];
    let ran = bench.run(&verify);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert!(ran.stdout.contains("RESTORABLE: sample: 3 of 5 databases"), "{}", ran.text());
    assert_eq!(restored(&ran), restored(&bench.run(&verify)));
    // All of them are no sample.
    let ran = run(&bench, "docker", "{sample: {databases: 5}}", "");
    assert!(ran.stdout.contains("RESTORABLE: 5 of 5 databases"), "{}", ran.text());
    assert_eq!(ran.scenario()["scope"], serde_json::Value::Null);
}
