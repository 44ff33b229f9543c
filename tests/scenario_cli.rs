//! `validate` and `generate`, and a failed check against its line.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Bench, LOCAL_MAJOR, Layout, fixture, gzip, members, tar};

fn said(bench: &Bench, args: &[&str]) -> (Option<i32>, String, String) {
    let output = bench.command().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn validate_tells_all_of_all_files() {
    let bench = Bench::new();
    let text = |name: &str| format!("version: 1\nname: {name}\nbackup: {{path: /b}}\n");
    fs::create_dir(bench.path("all")).unwrap();
    bench.write("all/a.yaml", text("a").as_bytes());
    bench.write("all/b.yml", text("b").as_bytes());
    bench.write("all/notes.txt", b"no scenario");
    let (code, out, err) = said(&bench, &["validate", "all"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "✓ all/a.yaml: a\n✓ all/b.yml: b\n");

    bench.write("all/c.yaml", b"versoin: 1\nname: c\nbackup: {}\n");
    bench.write("all/d.yaml", b"version: [\n");
    let (code, out, err) = said(&bench, &["validate", "all"]);
    assert_eq!(code, Some(64));
    assert_eq!(out, "✓ all/a.yaml: a\n✓ all/b.yml: b\n");
    assert!(err.contains("did you mean `version`?"), "{err}");
    assert!(err.contains("2 problems in all/c.yaml"), "{err}");
    assert!(err.contains("1 problem in all/d.yaml"), "{err}");

    bench.write("twin.yaml", text("a").as_bytes());
    let (code, _, err) = said(&bench, &["validate", "all/a.yaml", "twin.yaml"]);
    assert_eq!(code, Some(64));
    assert!(err.contains("named `a`, in `all/a.yaml` and `twin.yaml`"), "{err}");
    assert_eq!(said(&bench, &["validate", "nowhere"]).0, Some(64));
}

#[test]
fn a_scenario_that_is_no_file_is_refused_and_not_waited_for() {
    let bench = Bench::new();
    assert!(Command::new("mkfifo").arg(bench.path("p.yaml")).status().unwrap().success());
    for command in ["validate", "plan", "run"] {
        for path in ["p.yaml", "/dev/zero"] {
            let mut child = bench
                .command()
                .args([command, path])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let started = Instant::now();
            while child.try_wait().unwrap().is_none() && started.elapsed().as_secs() < 10 {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(64), "{command} {path}: {said}");
            assert!(said.contains(&format!("`{path}` is neither a file nor a folder")), "{said}");
        }
    }
}

#[test]
fn validate_fills_in_from_the_environment_of_the_process() {
    let bench = Bench::new();
    bench.write("s.yaml", b"version: 1\nname: ${SCENARIO_NAME}\nbackup: {path: /b}\n");
    let (code, _, err) = said(&bench, &["validate", "s.yaml"]);
    assert_eq!(code, Some(64));
    assert!(err.contains("`SCENARIO_NAME` is not set"), "{err}");
    let output =
        bench.command().env("SCENARIO_NAME", "n1").args(["validate", "s.yaml"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "✓ s.yaml: n1\n");
}

#[test]
fn the_program_describes_itself() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = said(&bench, &["generate", "completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        assert!(out.contains("validate") && out.contains("trust-dump"), "{shell}");
    }
    let (code, page, _) = said(&bench, &["generate", "man"]);
    assert_eq!(code, Some(0));
    assert!(page.contains(".TH pgdrill 1"), "{page}");
    assert_eq!(said(&bench, &["generate", "man", "--dir", "man/man1"]).0, Some(0));
    for page in ["pgdrill.1", "pgdrill-run.1", "pgdrill-generate-schema.1"] {
        assert!(bench.path("man/man1").join(page).is_file(), "{page}");
    }
    assert_eq!(said(&bench, &["generate", "completions", "cmd"]).0, Some(64));
}

#[test]
fn a_failed_check_is_shown_at_its_line_and_tells_no_secret() {
    let bench = Bench::new();
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql");
    bench.write("c.tar.gz", &gzip(&tar(&all)));
    bench.write("token", b"hunter2\n");
    bench.write("query", b"select 'hunter3'::int\n");
    let scenario = "version: 1
name: lines
backup: {path: c.tar.gz}
checks:
  - query:
      name: plain
      database: x.sql
      sql: select 12
      at_least: 1000
  - query: {name: secret, database: x.sql, sql: select 'other', equals: '${file:token}'}
  - query: {name: included, database: x.sql, sql: '${file:query}', equals: 1}
  - query: {name: good, database: x.sql, sql: select 'hunter2', equals: '${file:token}'}
";
    let file = bench.write("lines.yaml", scenario.as_bytes());
    let ran = bench.run(&["run", file.to_str().unwrap(), "--engine", "local"]);
    let text = ran.text();
    assert_eq!(ran.code, Some(1), "{text}");
    let shown =
        "lines.yaml:9:7\n      |\n    9 |       at_least: 1000\n      |       ^^^^^^^^^^^^^^\n";
    assert!(text.contains(shown), "{text}");
    assert!(text.contains("expected = ${file:token}, observed [redacted]"), "{text}");
    assert!(text.contains("observed [redacted] (SQLSTATE 22P02)"), "{text}");
    let json = ran.json.to_string();
    for told in [&text, &ran.junit, &json] {
        assert!(!told.contains("hunter"), "{told}");
    }
    let checks = &ran.json["scenarios"][0]["checks"];
    assert_eq!((&checks[0]["line"], &checks[0]["column"]), (&9.into(), &7.into()));
    assert_eq!(checks[3]["outcome"], "passed");
}
