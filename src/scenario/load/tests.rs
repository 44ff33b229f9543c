//! From text to a scenario: what is read, what is filled in, where problems are.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;

use super::*;
use crate::finding::FindingCode;
use crate::scenario::{
    CheckKind, Comparison, Databases, EngineChoice, ExpectedVerdict, ImageChoice, IsolationDemand,
    OnError, Pick, PullPolicy,
};
use crate::text::ByteCount;

fn environment(name: &str) -> Option<OsString> {
    match name {
        "ENGINE" => Some("docker".into()),
        "LIMIT" => Some("1000".into()),
        _ => None,
    }
}

fn loaded(text: &str) -> Result<Scenario, ScenarioError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    fs::write(folder.path().join("day"), "24h\n").unwrap();
    let file = Utf8PathBuf::from_path_buf(folder.path().join("s.yaml")).unwrap();
    fs::write(&file, text).unwrap();
    load(&file, &environment)
}

fn messages(text: &str) -> Vec<(u64, u64, String)> {
    match loaded(text) {
        Err(ScenarioError::Wrong { problems, .. }) => {
            problems.into_iter().map(|p| (p.line, p.column, p.message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

const GOOD: &str = "version: 1
name: demo
backup:
  path: /b/cluster.tar.gz
postgres: {version: 17, image: 'pg:{major}'}
sandbox: {engine: docker}
restore: {only: ['app_*', shop], exclude: [app_old]}
checks:
  - query: {name: a, database: shop, sql: select 1, at_least: 1000}
  - no_rows: {name: b, database: shop, sql: select 1}
report: {junit: out/j.xml}
";

const WHOLE: &str = r#"
version: 1
name: weekly
description: >
  Weekly audit
backup: {path: "/b/cluster_*.tar.gz", pick: newest}
postgres: {version: auto, image: {15: "pg:15", 17: pg:17}}
sandbox:
  engine: ${ENGINE}
  isolation: trusted
  pull: ${PULL:-never}
  memory: 4GiB
  cpus: 1.5
  pids: 512
  shm: 256 MB
  disk: "40GB"
restore: {on_error: stop, time_limit: 2h 30m}
expect: {verdict: {not_restorable: {finding: dump_truncated, database: shop}}}
checks:
  - query: &check {name: a, database: shop, sql: "select '$${x}', $1", equals: "${file:secret}"}
  - query: {name: b, database: shop, sql: select 1, newer_than: "${file:day}"}
  - query: {name: c, database: shop, sql: select 1, between: [0.5, "${LIMIT}"]}
  - query: {name: d, database: shop, sql: select 1, matches: '^a\d$'}
"#;

#[test]
fn a_scenario_is_read_as_written() {
    let scenario = loaded(GOOD).unwrap();
    assert_eq!(scenario.postgres.major, Some(17));
    assert_eq!(scenario.checks.len(), 2);
    let place = scenario.checks[0].place.as_ref().unwrap();
    assert_eq!((place.line, place.column, place.length), (9, 53, "at_least: 1000".len()));
    assert_eq!(place.text, GOOD.lines().nth(8).unwrap());
    assert_eq!(scenario.checks[1].place.as_ref().unwrap().line, 10);
    let CheckKind::Query(question, comparison) = &scenario.checks[0].kind else { panic!() };
    assert_eq!(question.databases, Databases::One("shop".to_owned()));
    assert_eq!(*comparison, Comparison::AtLeast("1000".into()));
    assert_eq!(scenario.restore.unwrap().only, ["app_*", "shop"]);
}

#[test]
fn every_key_arrives() {
    let scenario = loaded(WHOLE).unwrap();
    assert_eq!(scenario.description.as_deref(), Some("Weekly audit\n"));
    assert_eq!(scenario.backup.pick, Some(Pick::Newest));
    let map = [(15, "pg:15".to_owned()), (17, "pg:17".to_owned())];
    assert_eq!(scenario.postgres.image, Some(ImageChoice::Map(map.into())));
    assert_eq!(scenario.sandbox.engine, Some(EngineChoice::Docker));
    assert_eq!(scenario.sandbox.isolation, Some(IsolationDemand::Trusted));
    assert_eq!(scenario.sandbox.pull, Some(PullPolicy::Never));
    let limits = scenario.sandbox.limits;
    assert_eq!(limits.memory, Some(ByteCount(4 << 30)));
    assert_eq!((limits.cpus, limits.pids), (Some(1.5), Some(512)));
    assert_eq!(limits.shm, Some(ByteCount(256_000_000)));
    assert_eq!(limits.disk, Some(ByteCount(40_000_000_000)));
    let restore = scenario.restore.unwrap();
    assert_eq!(restore.on_error, OnError::Stop);
    assert_eq!(restore.time_limit, Some(Duration::from_secs(9000)));
    let expected = ExpectedVerdict::NotRestorable {
        finding: FindingCode::DumpTruncated,
        database: Some("shop".into()),
    };
    assert_eq!(scenario.expect, expected);
    let CheckKind::Query(question, _) = &scenario.checks[0].kind else { panic!() };
    assert_eq!(question.sql.expose(), "select '${x}', $1");
    let CheckKind::Query(_, comparison) = &scenario.checks[2].kind else { panic!() };
    assert_eq!(*comparison, Comparison::Between("0.5".into(), "1000".into()));
}

#[test]
fn secrets_are_shown_as_they_were_written() {
    let scenario = loaded(WHOLE).unwrap();
    assert!(!format!("{scenario:?}").contains("hunter2"));
    let expected: Vec<String> =
        scenario.checks.iter().map(crate::scenario::Check::expected).collect();
    assert_eq!(expected[..2], ["= ${file:secret}", "newer than ${file:day}"]);
    let hidden: Vec<bool> =
        scenario.checks.iter().map(crate::scenario::Check::hides_observed).collect();
    assert_eq!(hidden, [true, true, false, false]);
    let CheckKind::Query(_, Comparison::Equals(value)) = &scenario.checks[0].kind else { panic!() };
    assert_eq!(value.expose(), "hunter2");
    let wrong = WHOLE.replace("newer_than: \"${file:day}\"", "newer_than: \"${file:secret}\"");
    let found = messages(&wrong);
    assert_eq!(found[0].2, "`${file:secret}` is no duration");
}

#[test]
fn every_problem_is_reported_at_its_place() {
    let text = GOOD
        .replace("version: 1\n", "version: 2\n")
        .replace("engine: docker", "engine: podman")
        .replace("at_least: 1000", "at_least: many");
    let found = messages(&text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!((found[0].0, found[0].1), (1, 10));
    assert_eq!((found[1].0, found[1].1), (6, 19));
    assert_eq!(found[2].0, 9);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let plain = loaded(GOOD).unwrap();
    let odd = loaded(&format!("\u{feff}{}", GOOD.replace('\n', "\r\n"))).unwrap();
    assert_eq!(
        odd.checks[0].place.as_ref().unwrap().text,
        plain.checks[0].place.as_ref().unwrap().text
    );
    let found = messages(&format!("\u{feff}{}", GOOD.replace("version: 1", "version: 3")));
    assert_eq!((found[0].0, found[0].1), (1, 10));
}

#[test]
fn hostile_files_are_answered_at_once() {
    let started = std::time::Instant::now();
    let deep = ["[", "{a: ", "- ", "? "].map(|open| open.repeat(100_000));
    let nested: Vec<String> =
        (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let nested = nested.concat();
    let bomb: String = (1..12).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let last = format!("*a{}, ", level - 1).repeat(10);
        format!("{text}a{level}: &a{level} [{last}]\n")
    });
    let copies = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a, ".repeat(50_000));
    let large = format!("a: {}", "x".repeat(10 << 20));
    let keys: Vec<String> = (0..60_000).map(|key| format!("k{key}: 1\n")).collect();
    let keys = keys.concat();
    for text in deep.iter().chain([&nested, &bomb, &copies, &large, &keys]) {
        let found = messages(text);
        assert!(found.len() <= 3, "{}", found.len());
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

fn read_text(text: &str) {
    if let Err(problems) = read(Utf8Path::new("s.yaml"), text, &environment) {
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(text.is_char_boundary(problem.offset), "{problem:?}");
            assert!(text.is_char_boundary(problem.offset + problem.length), "{problem:?}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC*") {
        read_text(&text);
    }

    #[test]
    fn yaml_like_text_does_not_panic(text in "[a-z:\\-\\[\\]{}#&*!|>'\"%@` \t\r\n$0-9é\u{feff}\u{0}]{0,200}") {
        read_text(&text);
    }

    #[test]
    fn a_mutated_scenario_does_not_panic(
        at in 0..WHOLE.len(),
        removed in 0_usize..40,
        put in "[a-z:\\-\\[\\]{}#&*!|>'\" \t\n$0-9é]{0,6}",
    ) {
        let until = (at + removed).min(WHOLE.len());
        let text = format!("{}{put}{}", &WHOLE[..at], &WHOLE[until..]);
        read_text(&text);
        let twice = format!("{text}{}", &WHOLE[at..]);
        read_text(&twice);
    }
}
