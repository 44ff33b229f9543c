//! Which backup is tested, and what is in it that must not run: with the built program and, for what
//! only a scenario can say, with the engine itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::Path;

use camino::Utf8PathBuf;
use pgdrill::engine::{RunOptions, run_scenario};
use pgdrill::event::EventSender;
use pgdrill::finding::FindingCode;
use pgdrill::outcome::{ScenarioReport, ScenarioResult, Verdict};
use pgdrill::scenario::{Pick, Scenario};
use support::{Bench, ENGINES, LOCAL_MAJOR, Layout, background, fixture, gzip, members, tar};
use tokio_util::sync::CancellationToken;

const DUMP: &[u8] = include_bytes!("fixtures/custom/15.dump");

/// Runs a static verification of a scenario in the file `at/s.yaml`.
fn read(bench: &Bench, change: impl Fn(&mut Scenario)) -> ScenarioReport {
    let mut scenario = Scenario::of_backup("s".to_owned(), "b_*.dump".into(), false);
    scenario.file = Some(Utf8PathBuf::from_path_buf(bench.path("at/s.yaml")).unwrap());
    change(&mut scenario);
    let options = RunOptions {
        run_id: "picking".to_owned(),
        home: bench.path("state"),
        engine: None,
        image: None,
        pull: None,
        pg_bindir: None,
        trust_dump: false,
        jobs: 1,
        clock: jiff::Timestamp::now,
    };
    let (events, _stream) = EventSender::channel();
    let run = async { run_scenario(&scenario, &options, &events, &CancellationToken::new()).await };
    tokio::runtime::Runtime::new().unwrap().block_on(run)
}

fn codes(report: &ScenarioReport) -> Vec<FindingCode> {
    report.all_findings().map(|finding| finding.code).collect()
}

#[test]
fn a_quoted_glob_must_match_one_backup() {
    let bench = Bench::new();
    bench.write("b_20260130_021011.dump", DUMP);
    let ran = bench.run(&["verify", "b_*.dump"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let backup = &ran.scenario()["backup"];
    assert_eq!(backup["path"], "b_20260130_021011.dump");
    assert_eq!(backup["picked"], "the only match");
    bench.write("b_20260131_021011.dump", DUMP);
    let ran = bench.run(&["verify", "b_*.dump"]);
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert!(ran.has("scenario_invalid", None), "{}", ran.text());
    assert!(ran.stdout.contains("b_20260131_021011.dump"), "{}", ran.text());
    let ran = bench.run(&["verify", "c_*.dump"]);
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert!(ran.has("backup_not_found", None), "{}", ran.text());
    for (glob, code) in [("b_*30*.dump", 0), ("b_*.dump", 2), ("c_*.dump", 2)] {
        let output = bench.command().args(["inspect", glob]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{glob}: {output:?}");
    }
}

#[test]
fn a_name_that_is_no_text_beside_the_backups_breaks_no_command() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = |name: &[u8]| std::ffi::OsStr::from_bytes(name).to_owned();
    let bench = Bench::new();
    bench.write("b_20260130_021011.dump", DUMP);
    bench.write("s.yaml", b"version: 1\nname: s\nbackup: {path: 'b_*.dump', pick: newest}\n");
    fs::write(bench.folder.path().join(odd(b"other\xff.tmp")), "").unwrap();
    let code = |args: &[&str]| {
        let output = bench.command().args(args).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        (output.status.code(), said)
    };
    for args in [["verify", "b_*.dump"], ["inspect", "b_*.dump"]] {
        assert_eq!(code(&args).0, Some(0), "{args:?}: {}", code(&args).1);
    }
    assert!(code(&["plan", "s.yaml"]).1.contains("b_20260130_021011.dump"));
    fs::write(bench.folder.path().join(odd(b"b_\xff.dump")), DUMP).unwrap();
    for args in [["verify", "b_*.dump"], ["inspect", "b_*.dump"], ["plan", "s.yaml"]] {
        let (code, said) = code(&args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains("is not UTF-8"), "{args:?}: {said}");
    }
}

#[test]
fn the_newest_beside_the_scenario_is_judged_even_if_it_is_empty() {
    let bench = Bench::new();
    bench.write("at/b_20260130_021011.dump", DUMP);
    let newest = bench.write("at/b_20260131_021011.dump", DUMP);
    let pick = |scenario: &mut Scenario| scenario.backup.pick = Some(Pick::Newest);
    let report = read(&bench, pick);
    assert_eq!(report.result, ScenarioResult::Passed, "{:?}", report.findings);
    assert_eq!(report.backup.path, newest.to_str().unwrap());
    assert_eq!(report.backup.picked.as_deref(), Some("newest of 2 by the time in its name"));
    fs::write(&newest, b"").unwrap();
    let report = read(&bench, pick);
    assert_eq!(report.verdict, Verdict::NotRestorable);
    assert_eq!(codes(&report), [FindingCode::BackupEmpty]);
    bench.write("at/b_shop.dump", b"");
    let report = read(&bench, pick);
    assert_eq!(codes(&report), [FindingCode::BackupUndecided]);
    assert_eq!((report.verdict, report.result), (Verdict::Inconclusive, ScenarioResult::Errored));
}

#[test]
fn a_picked_backup_that_is_still_written_is_inconclusive() {
    let bench = Bench::new();
    bench.write("at/b_20260130_021011.dump", DUMP);
    let (now, later) = DUMP.split_at(DUMP.len() / 2);
    let path = bench.write("at/b_20260131_021011.dump", now);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            let mut file = fs::File::options().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, later).unwrap();
        });
        read(&bench, |scenario| scenario.backup.pick = Some(Pick::Newest))
    });
    assert_eq!(codes(&report), [FindingCode::BackupChanging]);
    assert_eq!((report.verdict, report.result), (Verdict::Inconclusive, ScenarioResult::Errored));
}

/// Whatever the databases became before it was seen: nobody knows which backup was tested.
#[test]
fn a_backup_replaced_while_it_is_restored_is_inconclusive() {
    let half = |path: &Path| {
        let whole = fs::read(path).unwrap();
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    };
    let other = |path: &Path| {
        let all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
        fs::write(path.with_extension("new"), gzip(&tar(&all[1..]))).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    for engine in ENGINES {
        for (way, replace) in [("cut", half as fn(&Path)), ("another", other)] {
            let bench = Bench::new();
            let mut running = background::start(&bench, engine, "server ready");
            replace(&bench.path("c.tar.gz"));
            assert_eq!(running.wait(), Some(2), "{engine} {way}");
            let json = fs::read_to_string(bench.path("r.json")).unwrap();
            let report: serde_json::Value = serde_json::from_str(&json).unwrap();
            let scenario = &report["scenarios"][0];
            assert_eq!(scenario["verdict"], "inconclusive", "{engine} {way} {json}");
            let codes: Vec<&str> = scenario["findings"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|found| found["class"] != "notice")
                .map(|found| found["code"].as_str().unwrap())
                .collect();
            assert!(codes.contains(&"backup_changing"), "{engine} {way} {codes:?}");
            let outcomes = scenario["databases"].as_array().unwrap();
            let is_failed = outcomes.iter().any(|database| database["outcome"] == "failed");
            assert!(!is_failed, "{engine} {way} {json}");
            bench.assert_nothing_left();
        }
    }
}

#[test]
fn a_pinned_hash_that_differs_fails() {
    let bench = Bench::new();
    bench.write("at/b_1.dump", DUMP);
    let report = read(&bench, |_| {});
    let hash = report.backup.sha256.clone().unwrap();
    let report = read(&bench, |scenario| scenario.backup.sha256 = Some(hash.clone()));
    assert_eq!(report.result, ScenarioResult::Passed, "{:?}", report.findings);
    let other = "0".repeat(64);
    let report = read(&bench, |scenario| scenario.backup.sha256 = Some(other.clone()));
    assert_eq!(codes(&report), [FindingCode::ChecksumMismatch]);
    assert_eq!((report.verdict, report.result), (Verdict::NotRestorable, ScenarioResult::Failed));
}

/// One dump of a cluster with a statement before its first table.
fn with_statement(name: &str, before: &str, statement: &str) -> Vec<u8> {
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    let text = &mut all.iter_mut().find(|(found, _)| found.ends_with(name)).unwrap().1;
    let place = text.windows(before.len()).position(|part| part == before.as_bytes()).unwrap();
    text.splice(place..place, format!("{statement}\n").into_bytes());
    all.retain(|(found, _)| {
        found.ends_with(name) || found == "globals.sql" || found.contains("x.sql")
    });
    gzip(&tar(&all))
}

#[test]
fn a_dump_with_an_unsafe_statement_is_not_run_and_the_others_are() {
    let touched = Path::new("/tmp/pgdrill-unsafe-touched");
    for (statement, kind) in [
        ("COPY (SELECT 1) TO PROGRAM 'touch /tmp/pgdrill-unsafe-touched';", "COPY … TO PROGRAM"),
        ("ALTER SYSTEM SET archive_command = 'touch /tmp/pgdrill-unsafe-touched';", "ALTER SYSTEM"),
    ] {
        let bench = Bench::new();
        let archive = with_statement("UPPER.sql", "CREATE TABLE", statement);
        let path = bench.write("cluster_20260130_021011.tar.gz", &archive);
        let ran = bench.run(&["verify", path.to_str().unwrap()]);
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        assert!(ran.has("unsafe_statement", Some("UPPER")), "{}", ran.text());
        assert!(ran.stdout.contains(kind) && !ran.text().contains("touch /"), "{}", ran.text());
        for engine in ENGINES {
            let ran = bench.verify(&path, engine);
            assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
            assert!(ran.has("unsafe_statement", Some("UPPER")), "{}", ran.text());
            assert_eq!(ran.outcomes()["UPPER"], "failed", "{}", ran.text());
            assert_eq!(ran.outcomes()["x.sql"], "restored", "{}", ran.text());
            assert!(!ran.has("program_started", None), "{}", ran.text());
        }
        assert!(!touched.exists());
    }
}

#[test]
fn globals_with_an_unsafe_statement_start_nothing() {
    let bench = Bench::new();
    let archive = with_statement("globals.sql", "CREATE ROLE", "COPY (SELECT 1) TO '/tmp/x';");
    let path = bench.write("cluster_20260130_021011.tar.gz", &archive);
    let ran = bench.verify(&path, "local");
    assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
    assert!(ran.has("unsafe_statement", None), "{}", ran.text());
    assert!(ran.scenario()["engine"].is_null(), "{}", ran.text());
    assert_eq!(ran.outcomes()["x.sql"], "skipped", "{}", ran.text());
}
