//! `pgdrill plan`: what a run would do, without doing any of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::process::Output;

use serde_json::Value;
use support::{Bench, LOCAL_MAJOR, Layout, docker, fixture, gzip, image, members, tar};

const CHECKS: &str = "restore: {exclude: [latin, 'with*']}\nchecks:\n  \
    - query: {name: enough orders, database: app, sql: select count(*) from shop.orders, at_least: 1000}\n  \
    - no_rows: {name: none below zero, database: app, sql: select 1 from shop.orders where amount < 0}\n";

/// Names that no other test's containers have.
fn name(of: &str) -> String {
    format!("plan-{of}-{}", std::process::id())
}

/// A scenario over the fixture's archive; its dumps changed by `change`.
fn write(bench: &Bench, of: &str, change: impl Fn(&mut Vec<(String, Vec<u8>)>)) {
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    change(&mut all);
    bench.write("c.tar.gz", &gzip(&tar(&all)));
    let text = format!("version: 1\nname: {}\nbackup: {{path: c.tar.gz}}\n{CHECKS}", name(of));
    bench.write("s.yaml", text.as_bytes());
}

/// Plans, and proves that nothing was started or written down as started.
fn plan(bench: &Bench, of: &str, args: &[&str]) -> Output {
    let output = bench.command().args(["plan", "s.yaml"]).args(args).output().unwrap();
    let filter = format!("label=pgdrill.scenario={}", name(of));
    assert!(docker(&["ps", "-aq", "--filter", &filter]).stdout.is_empty(), "a container was made");
    assert!(!bench.path("state").exists(), "the ledger was opened");
    assert_eq!(fs::read_dir(bench.temp()).unwrap().count(), 0, "something was left behind");
    output
}

fn json(output: &Output) -> Value {
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["schema"], "pgdrill.plan/v1");
    plan["scenarios"][0].clone()
}

#[test]
fn the_text_says_what_would_be_done_and_what_it_takes() {
    let bench = Bench::new();
    write(&bench, "text", |_| {});
    let output = plan(&bench, "text", &["--engine", "docker"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "  backup             c.tar.gz: cluster_tar_gz, ",
        "  engine             docker: asked for\n",
        &format!("  image              {}, on the daemon (sha256:", image(LOCAL_MAJOR)),
        "memory ",
        "pids 1024 (enforced)",
        "  left out           ",
        "    1. read ",
        "globals.sql: 4 roles",
        "    query    enough orders in app: >= 1000\n",
        "    no_rows  none below zero in app: no row, from tables that hold rows\n",
        "Estimate: ",
        "at 40.0 MB a second",
        "Will not be tested",
        "nothing was started, nothing was pulled",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let at = |name: &str| text.find(&format!("\n  {name} ")).unwrap_or_else(|| panic!("{text}"));
    assert!(at("-dash") < at("UPPER") && at("UPPER") < at("app"), "{text}");
    assert!(text.contains("pg_trgm, postgres_fdw"), "{text}");
}

#[test]
fn the_json_has_the_reports_names_on_both_engines() {
    let bench = Bench::new();
    write(&bench, "json", |_| {});
    let docker = json(&plan(&bench, "json", &["--format", "json", "--engine", "docker"]));
    let local = json(&plan(&bench, "json", &["--format", "json", "--engine", "local"]));
    for found in [&docker, &local] {
        assert_eq!(found["backup"]["format"], "cluster_tar_gz");
        assert_eq!(found["engine"]["major"], LOCAL_MAJOR);
        assert_eq!(found["sandboxes"], 1);
        assert_eq!(found["databases"].as_array().unwrap().len(), 8);
        assert_eq!(found["excluded"], serde_json::json!(["latin", "with space"]));
        assert_eq!(found["databases"][0]["name"], "-dash");
        assert_eq!(found["checks"][0]["expected"], ">= 1000");
        assert!(found["starts"].as_bool().unwrap() && found["decided"].is_null(), "{found}");
        let of_steps = found["steps"].as_array().unwrap().iter();
        let seconds: u64 = of_steps.map(|step| step["estimated_seconds"].as_u64().unwrap()).sum();
        assert_eq!(found["estimate"]["seconds"], seconds);
        assert!(found["estimate"]["space_bytes"].as_u64().unwrap() > 200_000_000);
    }
    assert_eq!(docker["engine"]["kind"], "docker");
    assert_eq!(docker["engine"]["would_pull"], false);
    assert_eq!(local["engine"]["kind"], "local");
    assert!(local["engine"]["programs"].as_str().unwrap().ends_with("/bin"), "{local}");
    assert!(local["engine"]["image"].is_null());
}

#[test]
fn an_image_that_is_not_there_is_announced_and_not_pulled() {
    let bench = Bench::new();
    write(&bench, "pull", |_| {});
    let args = ["--format", "json", "--engine", "docker", "--image", "no-such-image:{major}"];
    let found = json(&plan(&bench, "pull", &args));
    assert_eq!(found["engine"]["image"], "no-such-image:15");
    assert_eq!(found["engine"]["would_pull"], true);
    assert!(found["engine"]["image_digest"].is_null());
    let never = plan(&bench, "pull", &[&args[..], &["--pull", "never"]].concat());
    assert_eq!(never.status.code(), Some(2));
    let found = json(&never);
    assert_eq!(found["findings"][0]["code"], "image_unavailable");
    assert_eq!((&found["starts"], &found["decided"]["exit_code"]), (&false.into(), &2.into()));
}

#[test]
fn a_named_image_that_cannot_be_had_is_not_replaced_by_local_programs() {
    let bench = Bench::new();
    write(&bench, "auto", |_| {});
    let args = ["--format", "json", "--image", "no-such-image:{major}", "--pull", "never"];
    let output = plan(&bench, "auto", &args);
    let found = json(&output);
    assert_eq!(output.status.code(), Some(2), "{found}");
    assert_eq!((&found["starts"], &found["engine"]), (&false.into(), &Value::Null));
    assert_eq!(found["findings"][0]["code"], "image_unavailable");
    // Without a daemon there is no image to be had anyway.
    let output = bench
        .command()
        .env("DOCKER_HOST", "unix:///nowhere")
        .args(["plan", "s.yaml"])
        .args(args)
        .output()
        .unwrap();
    assert_eq!(json(&output)["engine"]["kind"], "local");
    // A map of images names them too.
    let text = fs::read_to_string(bench.path("s.yaml")).unwrap();
    let text = format!("{text}postgres: {{image: {{13: 'pg:13'}}}}\n");
    bench.write("s.yaml", text.as_bytes());
    let output = bench
        .command()
        .env_remove("PGDRILL_IMAGE")
        .args(["plan", "s.yaml", "--format", "json"])
        .output()
        .unwrap();
    let found = json(&output);
    assert_eq!((output.status.code(), &found["engine"]), (Some(2), &Value::Null));
    assert_eq!(found["findings"][0]["code"], "image_unavailable", "{found}");
}

#[test]
fn what_is_broken_is_said_and_the_others_could_still_run() {
    let bench = Bench::new();
    let cut = |all: &mut Vec<(String, Vec<u8>)>| {
        let dump = &mut all.iter_mut().find(|(name, _)| name.ends_with("app.dump")).unwrap().1;
        dump.truncate(3000);
    };
    write(&bench, "cut", cut);
    let output = plan(&bench, "cut", &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let found = json(&output);
    let decided = serde_json::json!({"verdict": "not_restorable", "exit_code": 1});
    assert_eq!(found["decided"], decided);
    let app = found["databases"].as_array().unwrap().iter().find(|one| one["name"] == "app");
    assert_eq!(app.unwrap()["restores"], false);
    assert_eq!(app.unwrap()["findings"][0]["code"], "dump_truncated");
    write(&bench, "cut", |all| {
        all.retain(|(name, _)| name.ends_with("app.dump") || name == "globals.sql");
        cut(all);
    });
    let output = plan(&bench, "cut", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("(dump_truncated)") && text.contains("start no server"), "{text}");
}

#[test]
fn a_database_that_the_backup_does_not_hold_is_named() {
    let bench = Bench::new();
    write(&bench, "lost", |all| all.retain(|(name, _)| !name.ends_with("app.dump")));
    let output = plan(&bench, "lost", &["--engine", "local"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let warning = "check `enough orders` asks the database `app`, which the backup does not hold: a run fails it";
    assert!(text.contains(&format!("  warning: {warning}\n")), "{text}");
    assert!(text.contains("it would end with `not_restorable`, exit 1."), "{text}");
    let found = json(&plan(&bench, "lost", &["--format", "json", "--engine", "local"]));
    assert_eq!(found["warnings"][0], warning);
    assert_eq!(found["warnings"].as_array().unwrap().len(), 2);
    assert_eq!((&found["starts"], &found["decided"]["exit_code"]), (&true.into(), &1.into()));
    // As the run itself says; one that is selected and lost is an error already.
    let text = fs::read_to_string(bench.path("s.yaml")).unwrap();
    let text = text.replace("restore: {", "restore: {only: ['*', app], ");
    bench.write("s.yaml", text.as_bytes());
    let output = plan(&bench, "lost", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("`restore.only` names `app`"), "{text}");
}

#[test]
fn a_wrong_scenario_exits_with_64_as_a_run_does() {
    let bench = Bench::new();
    bench.write("s.yaml", b"version: 1\nname: x\nbackup: {path: x}\nsandbox: {engine: podman}\n");
    let output = plan(&bench, "wrong", &[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("s.yaml:4:19"));
    assert!(output.stdout.is_empty());
}
