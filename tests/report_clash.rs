//! Reports that would destroy a backup, a scenario or each other, folders of scenarios that are
//! not what they seem, and sweeps that cannot look.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use support::Bench;

const BYTES: &[u8] = b"-- PostgreSQL database dump\n";

/// Exit code and standard error.
fn run(bench: &Bench, args: &[&str]) -> (Option<i32>, String) {
    let output = bench.command().args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn refused(bench: &Bench, args: &[&str], names: &[&str]) {
    let (code, said) = run(bench, args);
    assert_eq!(code, Some(64), "{args:?}: {said}");
    assert!(names.iter().all(|name| said.contains(&format!("`{name}`"))), "{args:?}: {said}");
}

#[test]
fn no_report_takes_the_place_of_a_backup_or_what_belongs_to_it() {
    let bench = Bench::new();
    let files = ["b.sql", "b.sql.meta.json", "b.sql.info", "b.sql.sha256", "folder/globals.sql"];
    fs::create_dir(bench.path("folder")).unwrap();
    for file in files {
        bench.write(file, BYTES);
    }
    symlink("b.sql", bench.path("latest.sql")).unwrap();
    symlink("folder", bench.path("way")).unwrap();
    fs::hard_link(bench.path("b.sql"), bench.path("hard.sql")).unwrap();
    let absolute = bench.path("b.sql");
    let absolute = absolute.to_str().unwrap();
    for (backup, report) in [
        ("b.sql", "b.sql"),
        ("b.sql", "./b.sql"),
        ("b.sql", "gone/../b.sql"),
        ("b.sql", absolute),
        ("b.sql", "latest.sql"),
        ("b.sql", "hard.sql"),
        ("latest.sql", "b.sql"),
        ("folder", "folder/globals.sql"),
        ("folder/", "folder/new/r.json"),
        ("folder", "way/r.json"),
        ("way", "folder/r.json"),
    ] {
        for option in ["--json", "--junit"] {
            refused(&bench, &["verify", backup, option, report], &[backup, report]);
        }
    }
    for end in [".meta.json", ".info", ".sha256", ".md5"] {
        let report = format!("b.sql{end}");
        refused(&bench, &["verify", "b.sql", "--json", &report], &["b.sql", &report]);
    }
    // A glob means every file that it matches, and will match.
    refused(&bench, &["verify", "?.sql", "--json", "b.sql"], &["b.sql"]);
    refused(&bench, &["verify", "*.sql", "--json", "r.sql"], &["*.sql", "r.sql"]);
    refused(&bench, &["verify", "f*r", "--json", "folder/r.json"], &["folder", "folder/r.json"]);
    for file in files {
        assert_eq!(fs::read(bench.path(file)).unwrap(), BYTES, "{file}");
    }
    assert!(!bench.path("folder/new").exists() && !bench.path("gone").exists());
    let (code, said) = run(&bench, &["verify", "b.sql", "--json", "b.json"]);
    assert!(code != Some(64) && bench.path("b.json").exists(), "{said}");
}

#[test]
fn no_report_takes_the_place_of_a_scenario_or_of_another_report() {
    let bench = Bench::new();
    bench.write("b.sql", BYTES);
    let scenario = |name: &str, more: &str| {
        let text = format!("version: 1\nname: {name}\nbackup: {{path: b.sql}}\n{more}");
        bench.write(&format!("{name}.yaml"), text.as_bytes());
        text
    };
    let one = scenario("one", "report: {json: same.json}\n");
    scenario("two", "report: {junit: ./same.json}\n");
    scenario("three", "report: {json: b.sql}\n");
    scenario("wrong", "nonsense: 1\n");
    refused(&bench, &["run", "one.yaml", "--json", "one.yaml"], &["one.yaml"]);
    refused(&bench, &["run", "three.yaml"], &["b.sql"]);
    refused(&bench, &["run", "one.yaml", "two.yaml"], &["same.json", "./same.json"]);
    refused(&bench, &["run", "one.yaml", "--junit", "same.json"], &["same.json"]);
    refused(&bench, &["verify", "b.sql", "--json", "x", "--junit", "./x"], &["x", "./x"]);
    assert!(!bench.path("same.json").exists() && !bench.path("x").exists());
    // What the backup of a wrong scenario is, nobody knows.
    for report in ["wrong.yaml", "b.sql", "one.yaml"] {
        let before = fs::read(bench.path(report)).unwrap();
        let (code, said) = run(&bench, &["run", "wrong.yaml", "--json", report]);
        assert_eq!((code, fs::read(bench.path(report)).unwrap()), (Some(64), before), "{said}");
    }
    assert_eq!(fs::read_to_string(bench.path("one.yaml")).unwrap(), one);
    // An older report may be replaced.
    for _ in 0..2 {
        assert_eq!(run(&bench, &["run", "wrong.yaml", "--json", "r.json"]).0, Some(64));
        assert!(fs::read_to_string(bench.path("r.json")).unwrap().contains("nonsense"));
    }
}

#[test]
fn a_folder_of_scenarios_leaves_none_out_in_silence() {
    let bench = Bench::new();
    let text = b"version: 1\nname: a\nbackup: {path: b.sql}\n";
    fs::create_dir(bench.path("s")).unwrap();
    bench.write("s/A.YAML", text);
    bench.write("s/.hidden.yaml", b"nonsense");
    bench.write("s/notes.txt", b"nonsense");
    let output = bench.command().args(["validate", "s"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), "✓ s/A.YAML: a\n"));
    symlink("nowhere", bench.path("s/gone.yaml")).unwrap();
    for command in ["validate", "run", "plan"] {
        refused(&bench, &[command, "s"], &["s/gone.yaml"]);
    }
    fs::remove_file(bench.path("s/gone.yaml")).unwrap();
    fs::write(bench.path("s").join(OsStr::from_bytes(b"b\xff.yml")), text).unwrap();
    refused(&bench, &["run", "s"], &["s/b\u{fffd}.yml"]);
}

#[test]
fn a_sweep_that_cannot_look_for_containers_does_not_say_that_none_are_left() {
    let bench = Bench::new();
    let sweep = |variables: &[(&str, &str)]| {
        let mut command = bench.command();
        command.env_remove("DOCKER_CONTEXT").env("DOCKER_HOST", "unix:///nowhere");
        command.args(["sweep"]).envs(variables.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    // As if nothing but the usual place had been found.
    let unnamed = ("PGDRILL_DOCKER_FROM", "nothing names another");
    for variables in [&[][..], &[("DOCKER_HOST", ""), ("DOCKER_CONTEXT", "unknown")]] {
        let (code, said) = sweep(variables);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("containers were not looked for") && !said.contains('✓'), "{said}");
    }
    let (code, said) = sweep(&[unnamed]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("containers were not looked for"), "{said}");
    assert!(said.ends_with("✓ nothing else was left\n"), "{said}");
    let entry = r#"{"run_id":"r","scenario":"s","expires_at":"2020-01-01T00:00:00Z",
        "owner":{"pid":1,"start_ticks":1,"boot_id":"b","pid_namespace":"p","machine":"m"},
        "resource":{"container":{"name":"pgdrill-x-y","host":"unix:///nowhere"}}}"#;
    bench.write("state/ledger/r-pgdrill-x-y.json", entry.as_bytes());
    let (code, said) = sweep(&[unnamed]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("container pgdrill-x-y stays") && !said.contains('✓'), "{said}");
}
