//! Recovery objectives: what is measured, what is met, and what nobody could measure.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::time::Instant;

use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp};
use pgdrill::engine::{RunOptions, run_scenario};
use pgdrill::event::EventSender;
use pgdrill::outcome::{CheckOutcome, ScenarioReport, ScenarioResult};
use pgdrill::scenario::{RpoChoice, Scenario};
use serde_json::Value;
use support::both::on_both;
use support::{Bench, Ran, plain_dump};
use tokio_util::sync::CancellationToken;

fn backup(bench: &Bench, sql: &str) {
    bench.write("shop.sql", plain_dump(sql).as_bytes());
}

/// A sidecar that says when the backup was made.
fn made(bench: &Bench, time: &str) {
    let said = format!(r#"{{"version": "2.0", "timestamp": "{time}", "database": "shop"}}"#);
    bench.write("shop.sql.meta.json", said.as_bytes());
}

fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(hours)
}

fn run(bench: &Bench, engine: &str, objectives: &str) -> Ran {
    let yaml = format!(
        "version: 1\nname: promised\nbackup: {{path: shop.sql}}\nobjectives: {{{objectives}}}\n"
    );
    bench.write("s.yaml", yaml.as_bytes());
    bench.run(&["run", "s.yaml", "--engine", engine])
}

fn objective<'a>(ran: &'a Ran, name: &str) -> &'a Value {
    &ran.scenario()["objectives"][name]
}

fn case(ran: &Ran, name: &str) -> String {
    let class = ran.scenario()["name"].as_str().unwrap();
    let cases = ran.junit_shape();
    let own = cases.iter().find(|(of, case, _)| of == class && case == name);
    own.map_or_else(|| "none".to_owned(), |(_, _, fate)| fate.clone())
}

fn phases(ran: &Ran) -> Vec<(String, f64)> {
    let phases = ran.scenario()["phases"].as_array().unwrap();
    let one = |phase: &Value| {
        (phase["name"].as_str().unwrap().to_owned(), phase["duration_seconds"].as_f64().unwrap())
    };
    phases.iter().map(one).collect()
}

#[test]
fn recovery_is_measured_from_outside_and_in_phases() {
    let ran = on_both(|bench, engine| {
        backup(bench, "");
        let started = Instant::now();
        let newest = "rto: 10m, rpo: {target: 1h, query: {database: shop, sql: select now()}}";
        let ran = run(bench, engine, newest);
        let wall = started.elapsed().as_secs_f64();
        let phases = phases(&ran);
        let names: Vec<&str> = phases.iter().map(|(name, _)| name.as_str()).collect();
        let all = ["read", "start", "globals", "databases", "answer", "checks", "cleanup"];
        assert_eq!(names, all, "{}", ran.text());
        let sum: f64 = phases.iter().map(|(_, seconds)| seconds).sum();
        // What remains is the program's own start and end.
        assert!(sum <= wall && wall - sum < 3.0, "{sum} of {wall}");
        let recovery: f64 = phases[..5].iter().map(|(_, seconds)| seconds).sum();
        let measured = objective(&ran, "rto")["measured_seconds"].as_f64().unwrap();
        assert!((measured - recovery).abs() < 0.001, "{measured} is not {recovery}");
        ran
    });
    assert_eq!((ran.code, ran.verdict()), (Some(0), "restorable"), "{}", ran.text());
    for name in ["rto", "rpo"] {
        assert_eq!(objective(&ran, name)["met"], true, "{}", ran.text());
        assert_eq!(objective(&ran, name)["outcome"], "passed");
        assert_eq!(case(&ran, &format!("objective: {name}")), "passed");
    }
    assert_eq!(objective(&ran, "rto")["target_seconds"], 600.0);
    assert!(objective(&ran, "rpo")["measured_seconds"].as_f64().unwrap() < 60.0);
    assert!(ran.stdout.contains("✓ objective rto"), "{}", ran.text());
}

#[test]
fn a_missed_objective_fails_the_scenario_and_not_the_backup() {
    let ran = on_both(|bench, engine| {
        backup(bench, "");
        made(bench, &ago(30).to_string());
        run(bench, engine, "rto: 1ms, rpo: 26h")
    });
    assert_eq!((ran.code, ran.verdict()), (Some(1), "restorable"), "{}", ran.text());
    assert_eq!(ran.scenario()["result"], "failed");
    assert_eq!(ran.scenario()["expectation"], "unmet");
    for name in ["rto", "rpo"] {
        assert_eq!(objective(&ran, name)["met"], false, "{}", ran.text());
        assert_eq!(case(&ran, &format!("objective: {name}")), "failure");
    }
    let age = objective(&ran, "rpo")["measured_seconds"].as_f64().unwrap();
    assert!((108_000.0..108_600.0).contains(&age), "{age}");
    assert!(
        ran.stdout.contains("RESTORABLE: 1 of 1 database, but a recovery objective was missed")
    );
    assert!(ran.stdout.contains("✗ objective rpo"), "{}", ran.text());
}

#[test]
fn what_is_not_measured_is_never_met() {
    let bench = Bench::new();
    backup(&bench, "SELECT public.nothing_of_that_name();");
    let ran = run(&bench, "local", "rto: 10m, rpo: 26h");
    assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
    assert_eq!(objective(&ran, "rto")["met"], false);
    assert_eq!(objective(&ran, "rto")["measured_seconds"], Value::Null);
    assert_eq!(case(&ran, "objective: rto"), "skipped");
    assert_eq!(case(&ran, "objective: rpo"), "error", "no time inside");

    backup(&bench, "");
    let ran = run(&bench, "local", "rto: 10m, rpo: 26h");
    assert_eq!((ran.code, ran.verdict()), (Some(2), "restorable"), "{}", ran.text());
    assert_eq!(objective(&ran, "rto")["met"], true);
    let detail = objective(&ran, "rpo")["detail"].as_str().unwrap();
    assert!(detail.contains("name a query: objectives.rpo.query"), "{detail}");
    assert_eq!(case(&ran, "objective: rpo"), "error");
}

#[test]
fn a_query_that_finds_no_newest_data_is_a_miss() {
    const TIMES: &str = "CREATE TABLE public.e (made timestamptz);";
    let cases = [
        ("select max(made) from e", "failed", "NULL"),
        ("select made from e", "failed", "no row"),
        ("select 'soon'", "failed", "no time"),
        ("select max(gone) from e", "failed", "42703"),
        ("select '2020-01-01T00:00:00+00'::timestamptz", "failed", "old, the objective is"),
        ("select now() + '1 hour'", "errored", "in the future"),
        ("select max(made) from from", "errored", "42601"),
    ];
    for (sql, outcome, says) in cases {
        let bench = Bench::new();
        backup(&bench, TIMES);
        let objectives = format!(
            "rpo: {{target: 1h, query: {{database: shop, sql: {}}}}}",
            serde_json::to_string(sql).unwrap()
        );
        let ran = run(&bench, "local", &objectives);
        let report = objective(&ran, "rpo");
        assert_eq!((&report["outcome"], &report["met"]), (&outcome.into(), &false.into()), "{sql}");
        assert!(report["detail"].as_str().unwrap().contains(says), "{sql}: {report}");
        assert_eq!(ran.code, Some(if outcome == "failed" { 1 } else { 2 }), "{}", ran.text());
    }
}

#[test]
fn a_verification_knows_the_recovery_point() {
    let bench = Bench::new();
    backup(&bench, "");
    let rpo = |time: &str, variables: &[(&str, &str)], more: &[&str]| {
        made(&bench, time);
        let ran = bench.run_with(&[&["verify", "shop.sql"], more].concat(), variables);
        let outcome = objective(&ran, "rpo")["outcome"].as_str().unwrap_or("none").to_owned();
        (outcome, ran.code.unwrap())
    };
    let (passed, failed, errored) =
        (("passed".to_owned(), 0), ("failed".to_owned(), 1), ("errored".to_owned(), 2));
    let day = ago(24).to_string();
    assert_eq!(rpo(&day, &[], &[]), ("none".to_owned(), 0));
    assert_eq!(rpo(&day, &[], &["--rpo", "26h"]), passed);
    assert_eq!(rpo(&day, &[], &["--rpo", "23h"]), failed);
    assert_eq!(rpo(&day, &[("PGDRILL_RPO", "23h")], &[]), failed);
    assert_eq!(rpo(&day, &[("PGDRILL_RPO", "23h")], &["--rpo", "26h"]), passed);
    assert_eq!(rpo(&ago(-1).to_string(), &[], &["--rpo", "26h"]), errored);
    // Without a zone: a day ago by some clock.
    let bare = ago(24).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    assert_eq!(rpo(&bare, &[], &["--rpo", "39h"]), passed);
    assert_eq!(rpo(&bare, &[], &["--rpo", "26h"]), errored);
    assert_eq!(rpo(&bare, &[], &["--rpo", "11h"]), failed);
    let ran = bench.run(&["verify", "shop.sql", "--rto", "1h"]);
    assert_eq!((ran.code, ran.verdict()), (Some(2), "not_run"), "{}", ran.text());
    assert!(ran.stdout.contains("nothing was restored, add --restore-test"), "{}", ran.text());
    let ran = bench.run(&["verify", "shop.sql", "--rto", "soon"]);
    assert_eq!(ran.code, Some(64), "{}", ran.text());
    assert!(ran.stderr.contains("is no duration"), "{}", ran.text());
}

/// The moment of a clock that stands still.
fn standing() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

#[test]
fn ages_are_measured_from_the_clock_that_is_given() {
    let bench = Bench::new();
    backup(&bench, "");
    made(&bench, "2026-01-31T02:00:00Z");
    let report = |hours: u64| -> ScenarioReport {
        let path = Utf8PathBuf::from_path_buf(bench.path("shop.sql")).unwrap();
        let mut scenario = Scenario::of_backup("s".to_owned(), path, false);
        let target = std::time::Duration::from_secs(hours * 3600);
        scenario.objectives.rpo = Some(RpoChoice::from(target));
        let options = RunOptions {
            run_id: "objectives".to_owned(),
            home: bench.path("state"),
            engine: None,
            image: None,
            pull: None,
            pg_bindir: None,
            trust_dump: false,
            jobs: 1,
            clock: standing,
        };
        let (events, _stream) = EventSender::channel();
        let cancel = CancellationToken::new();
        let run = async { run_scenario(&scenario, &options, &events, &cancel).await };
        tokio::runtime::Runtime::new().unwrap().block_on(run)
    };
    let met = report(10);
    assert_eq!(met.objectives.rpo.as_ref().unwrap().measured_seconds, Some(36_000.0));
    assert_eq!(met.result, ScenarioResult::Passed);
    let missed = report(9);
    assert_eq!(missed.objectives.rpo.unwrap().outcome, CheckOutcome::Failed);
    assert_eq!(missed.result, ScenarioResult::Failed);
}
