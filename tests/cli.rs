//! The command line: help, exit codes, names, environment, reports that cannot be written.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use support::{Bench, LOCAL_MAJOR, Layout, fixture, gzip, members, tar};

fn small_archive() -> Vec<u8> {
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql");
    gzip(&tar(&all))
}

#[test]
fn every_command_is_in_the_help_and_has_its_own() {
    let bench = Bench::new();
    let help = bench.command().arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for command in ["run", "plan", "verify", "validate", "inspect", "demo", "sweep", "generate"] {
        assert!(text.contains(&format!("\n  {command} ")), "{text}");
        let own = bench.command().args([command, "--help"]).output().unwrap();
        assert!(own.status.success(), "{command}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_64() {
    let bench = Bench::new();
    for args in [
        &["verify"][..],
        &["nonsense"],
        &["verify", "x", "--engine", "podman"],
        &["run", "a", "--junitt", "x"],
    ] {
        let output = bench.command().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_wrong_scenario_is_shown_at_its_place_and_in_junit() {
    let bench = Bench::new();
    let file = bench.write(
        "bad.yaml",
        b"version: 1\nname: bad\nbackup: {path: x}\nsandbox: {engine: podman}\n",
    );
    let ran = bench.run(&["run", file.to_str().unwrap()]);
    assert_eq!(ran.code, Some(64), "{}", ran.text());
    assert!(ran.stderr.contains("bad.yaml:4:19"), "{}", ran.text());
    assert!(ran.stderr.contains("one of: auto, docker, local"), "{}", ran.text());
    assert!(ran.junit.contains("<error"), "{}", ran.junit);
    assert!(ran.has("scenario_invalid", None));
    let ran = bench.run(&["run", "no-such-folder"]);
    assert_eq!(ran.code, Some(64), "{}", ran.text());
    assert!(ran.junit.contains("no-such-folder"), "{}", ran.junit);
}

#[test]
fn a_report_that_cannot_be_written_is_seen_before_anything_starts() {
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &small_archive());
    bench.write("file", b"");
    let output = bench
        .command()
        .args([
            "verify",
            path.to_str().unwrap(),
            "--restore-test",
            "--engine",
            "local",
            "--json",
            "file/r.json",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("file/r.json"));
    bench.assert_nothing_left();
}

#[test]
fn options_come_from_the_environment_too() {
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &small_archive());
    let output = bench
        .command()
        .env("PGDRILL_ENGINE", "local")
        .env("PGDRILL_NAME", "named")
        .env("PGDRILL_JSON", bench.path("env.json"))
        .args(["verify", path.to_str().unwrap(), "--restore-test"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let json = fs::read_to_string(bench.path("env.json")).unwrap();
    assert!(json.contains("\"name\": \"named\"") && json.contains("\"kind\": \"local\""), "{json}");
}

#[test]
fn the_json_report_has_the_promised_paths() {
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &small_archive());
    let ran = bench.verify(&path, "local");
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.json["schema"], "pgdrill.report/v1");
    for path in [
        "/run/id",
        "/run/started_at",
        "/run/finished_at",
        "/run/tool_version",
        "/run/trigger",
        "/scenarios/0/name",
        "/scenarios/0/file",
        "/scenarios/0/verdict",
        "/scenarios/0/result",
        "/scenarios/0/expectation",
        "/scenarios/0/backup/path",
        "/scenarios/0/backup/format",
        "/scenarios/0/backup/bytes",
        "/scenarios/0/backup/sha256",
        "/scenarios/0/backup/created_at",
        "/scenarios/0/backup/server_version",
        "/scenarios/0/backup/bytes_read",
        "/scenarios/0/engine/kind",
        "/scenarios/0/engine/image",
        "/scenarios/0/engine/image_digest",
        "/scenarios/0/engine/server_version",
        "/scenarios/0/engine/isolation",
        "/scenarios/0/databases/0/name",
        "/scenarios/0/databases/0/outcome",
        "/scenarios/0/databases/0/archive_bytes",
        "/scenarios/0/databases/0/restored_bytes",
        "/scenarios/0/databases/0/duration_seconds",
        "/scenarios/0/databases/0/findings",
        "/scenarios/0/checks",
        "/scenarios/0/findings",
        "/scenarios/0/phases/0/name",
        "/scenarios/0/phases/0/duration_seconds",
        "/scenarios/0/objectives/rto",
        "/scenarios/0/objectives/rpo",
        "/scenarios/0/disk/temp_path",
        "/scenarios/0/disk/peak_bytes",
        "/scenarios/0/disk/free_bytes",
        "/scenarios/0/cleanup/complete",
        "/scenarios/0/cleanup/leftovers",
        "/scenarios/0/not_tested/0",
    ] {
        assert!(ran.json.pointer(path).is_some(), "{path} is missing");
    }
    let sum: f64 = ran.scenario()["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["duration_seconds"].as_f64().unwrap())
        .sum();
    assert!(sum > 0.0);
    let hashed = std::process::Command::new("sha256sum").arg(&path).output().unwrap();
    let hash = String::from_utf8(hashed.stdout).unwrap();
    assert_eq!(ran.scenario()["backup"]["sha256"], hash.split_whitespace().next().unwrap());
}

#[test]
fn inspect_lists_databases_and_starts_nothing() {
    let bench = Bench::new();
    let path =
        bench.write("c.tar.gz", &gzip(&tar(&members(&fixture(LOCAL_MAJOR).folder, Layout::V3))));
    let output = bench
        .command()
        .env("DOCKER_HOST", "unix:///nowhere")
        .args(["inspect", path.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in ["app_owner", "Report User", "a\"b; DROP", "with space", "custom", "plain", "15."] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let output = bench.command().args(["inspect", "/nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn called_dbbackup_it_takes_restore_tests_and_hands_over_the_rest() {
    let bench = Bench::new();
    let (ours, theirs) = (bench.path("ours"), bench.path("theirs"));
    fs::create_dir(&ours).unwrap();
    fs::create_dir(&theirs).unwrap();
    symlink(env!("CARGO_BIN_EXE_pgdrill"), ours.join("dbbackup")).unwrap();
    let real = theirs.join("dbbackup");
    fs::write(&real, "#!/bin/sh\necho \"real dbbackup: $*\"\nexit 7\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
    let path_with = |folders: &[&Path]| {
        let own = std::env::var("PATH").unwrap();
        let mut all: Vec<String> = folders.iter().map(|f| f.to_str().unwrap().to_owned()).collect();
        all.push(own);
        all.join(":")
    };
    let call = |path: String, args: &[&str]| {
        let mut command = bench.command();
        let mut renamed = std::process::Command::new(ours.join("dbbackup"));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => renamed.env(name, value),
                None => renamed.env_remove(name),
            };
        }
        command.env("PATH", &path);
        renamed.env("PATH", path).args(args).current_dir(bench.folder.path()).output().unwrap()
    };
    let output = call(path_with(&[&ours, &theirs]), &["backup", "cluster", "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "real dbbackup: backup cluster --jobs 2\n");
    let output = call(path_with(&[&ours, &theirs]), &["verify", "x.tar.gz"]);
    assert_eq!(output.status.code(), Some(7));
    let archive = bench.write("c.tar.gz", &small_archive());
    let output = call(
        path_with(&[&ours, &theirs]),
        &["verify", archive.to_str().unwrap(), "--restore-test", "--engine", "local"],
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("✓ Backup is RESTORABLE"), "{text}");
    let output = call(path_with(&[&ours]), &["backup"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no real dbbackup"));
    bench.assert_nothing_left();
}

#[test]
fn the_demo_is_green_on_both_engines_and_writes_every_report() {
    for engine in support::ENGINES {
        let bench = Bench::new();
        let output = bench.command().args(["demo", "--engine", engine]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(text.contains("✓ Backup is RESTORABLE: 6 of 6 databases"), "{text}");
        for file in [
            "cluster_20260130_021011.tar.gz",
            "cluster_20260130_021011.tar.gz.meta.json",
            "demo.yaml",
            "junit.xml",
            "report.json",
        ] {
            assert!(bench.path("pgdrill-demo").join(file).exists(), "{file}");
        }
        bench.assert_nothing_left();
        let again = bench
            .command()
            .args(["run", "pgdrill-demo/demo.yaml", "--engine", engine])
            .output()
            .unwrap();
        assert_eq!(again.status.code(), Some(0));
    }
}

#[test]
fn the_version_is_the_packages() {
    let bench = Bench::new();
    let version = bench.command().arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        format!("pgdrill {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_reader_that_goes_away_changes_nothing_about_a_run() {
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &small_archive());
    let mut child = bench
        .command()
        .args(["verify", path.to_str().unwrap(), "--restore-test", "--engine", "local", "--json"])
        .arg(bench.path("r.json"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    assert!(fs::read_to_string(bench.path("r.json")).unwrap().contains("\"restorable\""));
    bench.assert_nothing_left();
}
