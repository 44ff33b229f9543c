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
fn an_image_that_is_none_is_refused_before_anything_is_read() {
    let bench = Bench::new();
    let verify = ["verify", "nowhere.dump", "--restore-test"];
    for wrong in ["UPPER//x", "", "Postgres:17", "pg:{version}"] {
        let option = bench.command().args(verify).args(["--image", wrong]).output().unwrap();
        let variable = bench.command().args(verify).env("PGDRILL_IMAGE", wrong).output().unwrap();
        for output in [option, variable] {
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(64), "{wrong}: {said}");
            assert!(said.contains("--image"), "{said}");
        }
    }
    let fine = ["--image", "localhost:5000/pg:{major}"];
    let output = bench.command().args(verify).args(fine).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "there is no backup");
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
fn what_is_known_of_an_engine_is_reported_even_if_no_server_was_ready() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &small_archive());
    let text = "version: 1\nname: early\nbackup: {path: c.tar.gz}\nrestore: {time_limit: 1ms}\n";
    bench.write("s.yaml", text.as_bytes());
    let ran = bench.run(&["run", "s.yaml", "--engine", "local"]);
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert!(ran.has("timed_out", None), "{}", ran.text());
    let engine = &ran.scenario()["engine"];
    assert_eq!((&engine["kind"], &engine["reason"]), (&"local".into(), &"asked for".into()));
    assert!(engine["server_version"].is_null() && engine["isolation"].is_null(), "{engine}");
    assert!(!ran.junit.contains("\"globals\""), "no globals ran: {}", ran.junit);
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
        // In no folder of PATH.
        let line = format!("Again: {} run pgdrill-demo/demo.yaml", env!("CARGO_BIN_EXE_pgdrill"));
        assert!(text.lines().any(|found| found == line), "{text}");
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

/// Every command whose words are its result.
#[test]
fn output_that_cannot_be_written_is_no_success() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &small_archive());
    bench.write("bad.tar.gz", b"no backup at all");
    let text = "version: 1\nname: s\nbackup: {path: c.tar.gz}\nsandbox: {engine: local}\n";
    bench.write("s.yaml", text.as_bytes());
    let cases: [(&[&str], i32); 12] = [
        (&["inspect", "c.tar.gz"], 2),
        (&["inspect", "c.tar.gz", "--json", "-"], 2),
        (&["inspect", "bad.tar.gz"], 1),
        (&["verify", "c.tar.gz"], 2),
        (&["verify", "c.tar.gz", "--json", "-"], 2),
        (&["run", "s.yaml"], 2),
        (&["plan", "s.yaml"], 2),
        (&["validate", "s.yaml"], 2),
        (&["generate", "schema"], 2),
        (&["generate", "completions", "bash"], 2),
        (&["--help"], 2),
        (&["--version"], 2),
    ];
    for (args, code) in cases {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = bench.command().args(args).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        let cause = "cannot write to standard output: No space left on device";
        assert!(said.contains(cause), "{args:?}: {said}");
    }
    for (args, code) in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bench.command().args(args).stdout(writer).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(i32::from(code == 1)), "{args:?}: {said}");
        let is_quiet = !said.contains("error:") && !said.contains("panicked");
        assert!(is_quiet, "{args:?}: {said}");
    }
    bench.assert_nothing_left();
}

#[test]
fn nothing_that_a_terminal_obeys_comes_out_of_a_name() {
    let bench = Bench::new();
    let odd = "e\u{1b}[31mRED\rX\nY.tar.gz";
    bench.write(odd, &small_archive());
    let name = "\u{1b}[32mgreen\r\u{9b}1m";
    let cases: [&[&str]; 6] = [
        &["verify", odd, "--name", name],
        &["verify", "\u{1b}[31mgone\r.tar.gz", "--progress", "plain"],
        &["inspect", odd],
        &["inspect", "--quick", odd],
        &["inspect", "\u{1b}[31m*\r"],
        &["validate", "\u{1b}[31mgone\r.yaml"],
    ];
    for args in cases {
        let output = bench.command().args(args).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let obeyed = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(obeyed, None, "{args:?}: {text:?}");
        assert!(!text.is_empty() && !text.contains("X\nY"), "{args:?}: {text:?}");
    }
}

#[test]
fn a_report_on_standard_output_stands_there_alone() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &small_archive());
    bench.write("s.yaml", b"version: 1\nname: s\nbackup: {path: c.tar.gz}\n");
    let out = |args: &[&str], code: i32| {
        let output = bench.command().args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout}{stderr}");
        assert!(!bench.path("-").exists(), "{args:?}");
        (stdout, stderr)
    };
    let (json, words) = out(&["verify", "c.tar.gz", "--json", "-"], 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "pgdrill.report/v1");
    assert!(words.contains("Every byte could be read"), "{words}");
    let (junit, words) = out(&["verify", "c.tar.gz", "--junit", "-", "--json", "r.json"], 0);
    assert!(roxmltree::Document::parse(&junit).is_ok(), "{junit}");
    assert!(words.contains("Every byte could be read"), "{words}");
    assert!(bench.path("r.json").exists());
    // A command that is refused says so there, too.
    let (json, _) = out(&["run", "none.yaml", "--json", "-"], 64);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["scenarios"][0]["findings"][0]["code"], "scenario_invalid");
    for args in
        [&["verify", "c.tar.gz", "--json", "-", "--junit", "-"][..], &["demo", "--json", "-"]]
    {
        let (stdout, stderr) = out(args, 64);
        assert!(stdout.is_empty() && stderr.contains("standard output"), "{stdout}{stderr}");
    }
    bench.assert_nothing_left();
}

#[test]
fn a_key_that_is_typed_wins_over_one_of_the_environment() {
    /// Options, variables, exit code.
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], i32);
    const FILE: &str = "PGDRILL_DECRYPT_KEY_FILE";
    const NAME: &str = "PGDRILL_DECRYPT_KEY_ENV";
    let bench = Bench::new();
    let bytes = support::encrypt::encrypted(&small_archive(), support::encrypt::STEP);
    bench.write("c.tar.gz", &bytes);
    bench.write("key", support::encrypt::KEY_BASE64.as_bytes());
    bench.write("wrong", &[b'A'; 32]);
    let key = ("KK", support::encrypt::KEY_BASE64);
    let code = |command: &str, args: &[&str], variables: &[(&str, &str)]| {
        let mut all = bench.command();
        all.args([command, "c.tar.gz"]).args(args).env(key.0, key.1);
        let output = all.envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for command in ["verify", "inspect"] {
        let cases: [Case; 11] = [
            (&["--decrypt-key-env", "KK"], &[(FILE, "wrong")], 0),
            (&["--decrypt-key-env", "KK"], &[(FILE, "")], 0),
            (&["--decrypt-key-file", "key"], &[(NAME, "NONE")], 0),
            (&["--decrypt-key-file", "key"], &[(NAME, "")], 0),
            (&["--decrypt-key-file", "key"], &[(NAME, "NONE"), (FILE, "wrong")], 0),
            (&[], &[(NAME, "KK")], 0),
            (&[], &[(NAME, "KK"), (FILE, "key")], 64),
            (&["--decrypt-key-env", "KK", "--decrypt-key-file", "key"], &[], 64),
            (&["--decrypt-key-env", ""], &[], 64),
            (&["--decrypt-key-file", ""], &[], 64),
            (&["--decrypt-key-env", "$KK"], &[], 64),
        ];
        for (args, variables, expected) in cases {
            let (code, said) = code(command, args, variables);
            assert_eq!(code, Some(expected), "{command} {args:?} {variables:?}: {said}");
            assert_eq!(expected == 64, said.contains("--decrypt-key"), "{args:?}: {said}");
        }
    }
    let help = bench.command().args(["inspect", "--help"]).output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().to_lowercase().contains("scenario"));
}
