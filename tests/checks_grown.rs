//! Checks of several databases, with thresholds, limits and expected rows, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use serde_json::Value;
use support::both::on_both;
use support::{Bench, Ran, plain_dump};

const GLOBALS: &str = "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE postgres;\n\
    --\n-- PostgreSQL database cluster dump complete\n--\n";

/// A backup of these databases, each with what SQL makes in it beside a table `t` of one row.
fn cluster(bench: &Bench, databases: &[(&str, &str)]) {
    bench.write("b/globals.sql", GLOBALS.as_bytes());
    for (name, sql) in databases {
        bench.write(&format!("b/dumps/{name}.sql"), plain_dump(sql).as_bytes());
    }
}

fn run(bench: &Bench, engine: &str, more: &str) -> Ran {
    let yaml = format!("version: 1\nname: grown\nbackup: {{path: b}}\n{more}");
    bench.write("s.yaml", yaml.as_bytes());
    bench.run(&["run", "s.yaml", "--engine", engine])
}

/// Name, database, outcome and what was observed of every check.
fn seen(ran: &Ran) -> Vec<[String; 4]> {
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or("-").to_owned();
    let checks = ran.scenario()["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| ["name", "database", "outcome", "observed"].map(|key| text(check, key)))
        .collect()
}

fn lines(expected: &[[&str; 4]]) -> Vec<[String; 4]> {
    expected.iter().map(|line| line.map(str::to_owned)).collect()
}

#[test]
fn every_database_that_matches_is_asked() {
    const BROKEN: &str = "SELECT public.nothing_of_that_name();";
    let ran = on_both(|bench, engine| {
        cluster(
            bench,
            &[("app_1", ""), ("app_2", "INSERT INTO public.t VALUES (2);"), ("shop", "")],
        );
        let checks = "checks:
  - query: {name: rows, each_database: ['app_*'], sql: select count(*) from t, equals: 1}
  - no_rows: {name: all, each_database: ['*'], sql: select from t where id is null}
  - query: {name: some, each_database: [shop, 'web_*', 'x?'], sql: select 1, equals: 1}
  - query: {name: left out, each_database: ['scratch_*'], sql: select 1, equals: 1}
restore: {exclude: ['scratch*']}
";
        cluster(bench, &[("scratch_1", "")]);
        run(bench, engine, checks)
    });
    assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
    let none = |globs: &str| {
        format!("the backup holds no database that matches {globs}, or the scenario leaves it out")
    };
    assert_eq!(
        seen(&ran),
        lines(&[
            ["rows", "app_1", "passed", "1"],
            ["rows", "app_2", "failed", "2"],
            ["all", "app_1", "passed", "0 rows"],
            ["all", "app_2", "passed", "0 rows"],
            ["all", "shop", "passed", "0 rows"],
            ["some", "-", "failed", &none("`web_*` or `x?`")],
            ["some", "shop", "passed", "1"],
            ["left out", "-", "failed", &none("`scratch_*`")],
        ])
    );
    let cases = ran.junit_shape();
    for (class, name, fate) in [
        ("grown / app_1", "check: rows", "passed"),
        ("grown / app_2", "check: rows", "failure"),
        ("grown", "check: some", "failure"),
        ("grown / shop", "check: some", "passed"),
    ] {
        assert!(cases.contains(&(class.into(), name.into(), fate.into())), "{cases:?}");
    }
    let ran = on_both(|bench, engine| {
        cluster(bench, &[("app_1", BROKEN), ("shop", "")]);
        let checks = "checks:
  - query: {name: lost, each_database: ['app_*'], sql: select 1, equals: 1}
";
        run(bench, engine, checks)
    });
    let lost = "database `app_1` was not restored";
    assert_eq!(seen(&ran), lines(&[["lost", "app_1", "skipped", lost]]));
    assert_eq!(ran.code, Some(1), "{}", ran.text());
}

#[test]
fn a_statement_gets_its_time_and_no_more() {
    let ran = on_both(|bench, engine| {
        const HUGE: &str = "CREATE TABLE public.h (id integer); INSERT INTO public.h VALUES (1);";
        cluster(bench, &[("shop", HUGE)]);
        let checks = "checks:
  - query: {name: slow, database: shop, sql: select pg_sleep(60), equals: x, time_limit: 1s}
  - no_rows: {name: slow rows, database: shop, sql: 'select pg_sleep(60), id from h', time_limit: 500ms}
  - query: {name: writes, database: shop, sql: insert into h values (2) returning id, equals: 2}
  - query: {name: hidden write, database: shop, sql: with w as (insert into h values (2) returning id) select id from w, equals: 2}
  - query: {name: two, database: shop, sql: select 1; select 2, equals: 1}
  - query: {name: huge, database: shop, sql: \"select repeat('x', 100000000)\", matches: ^x}
  - query: {name: hidden, database: shop, sql: \"${file:huge}\", matches: ^x}
  - query: {name: long, database: shop, sql: \"select length(repeat('x', 100000000))\", equals: 100000000}
  - query: {name: quoted, database: shop, sql: 'select ''a\"b''::text', equals: 'a\"b'}
  - query: {name: no value, database: shop, sql: 'select ''null''::jsonb', equals: x}
  - query: {name: digits, database: shop, sql: select 9007199254740993.10, equals: 9007199254740993.10}
  - query: {name: gone, database: shop, sql: select gone from h, equals: 1}
";
        bench.write("huge", b"select repeat('x', 100000000)");
        run(bench, engine, checks)
    });
    assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
    let got = seen(&ran);
    let expected = [
        ("slow", "errored", "no answer within 1.0s (`time_limit`) (SQLSTATE 57014)"),
        ("slow rows", "errored", "no answer within 0.5s (`time_limit`) (SQLSTATE 57014)"),
        ("writes", "errored", "42601"),
        ("hidden write", "errored", "0A000"),
        ("two", "errored", "42601"),
        ("huge", "errored", "a value of 100000000 characters, too long to compare"),
        ("hidden", "errored", "[redacted]"),
        ("long", "passed", "100000000"),
        ("quoted", "passed", "a\"b"),
        ("no value", "failed", "NULL"),
        ("digits", "passed", "9007199254740993.10"),
        ("gone", "failed", "42703"),
    ];
    assert_eq!(got.len(), expected.len(), "{got:?}");
    for ([name, _, outcome, observed], (of, becomes, says)) in got.iter().zip(expected) {
        assert_eq!((name.as_str(), outcome.as_str()), (of, becomes), "{observed}");
        assert!(observed.contains(says), "{of}: {observed}");
    }
}

#[test]
fn a_warning_passes_and_is_told() {
    const ROWS: &str = "INSERT INTO public.t SELECT generate_series(2, 50);";
    let ran = on_both(|bench, engine| {
        cluster(bench, &[("shop", ROWS)]);
        let checks = "checks:
  - query: {name: fine, database: shop, sql: select count(*) from t, warn_if: '> 50', error_if: '> 100'}
  - query: {name: many, database: shop, sql: select count(*) from t, warn_if: '>10', error_if: '> 100'}
  - query: {name: only warns, database: shop, sql: select count(*) from t, warn_if: '!= 1'}
  - no_rows: {name: allowed, database: shop, sql: select id from t where id < 4, error_if: '> 3'}
  - no_rows: {name: few, database: shop, sql: select id from t where id < 4, warn_if: '>= 1', error_if: '> 3'}
  - no_rows: {name: secret, database: shop, sql: '${file:query}', warn_if: '> 0'}
";
        bench.write("query", b"select id from t");
        run(bench, engine, checks)
    });
    assert_eq!((ran.code, ran.verdict()), (Some(0), "restorable"), "{}", ran.text());
    let warned: Vec<&str> = ran.scenario()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "check_warned" && finding["database"] == "shop")
        .map(|finding| finding["object"].as_str().unwrap())
        .collect();
    assert_eq!(warned, ["many", "only warns", "few", "secret"], "{}", ran.text());
    assert!(ran.stdout.contains("[NOTE] a check holds, and its `warn_if` holds too"));
    assert!(ran.stdout.contains("Cause: expected not > 100, a warning if > 10, observed 50"));
    assert!(ran.stdout.contains("observed [redacted]"), "{}", ran.text());
    let document = roxmltree::Document::parse(&ran.junit).unwrap();
    let body = |name: &str| {
        let case = document.descendants().find(|node| node.attribute("name") == Some(name));
        case.unwrap().descendants().filter_map(|node| node.text()).collect::<String>()
    };
    assert!(body("check: many").contains("[check_warned]"), "{}", ran.junit);
    assert!(!body("check: fine").contains("[check_warned]"), "{}", ran.junit);
    assert!(!body("read").contains("check_warned"), "{}", ran.junit);

    let ran = on_both(|bench, engine| {
        cluster(bench, &[("shop", "CREATE TABLE public.empty (id integer);")]);
        let checks = "checks:
  - query: {name: none, database: shop, sql: select id from empty, warn_if: '> 10'}
  - query: {name: text, database: shop, sql: select 'many', error_if: '> 10'}
  - query: {name: too many, database: shop, sql: select 11, error_if: '> 10'}
  - no_rows: {name: empty, database: shop, sql: select id from empty, error_if: '> 10'}
";
        run(bench, engine, checks)
    });
    assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
    assert!(seen(&ran).iter().all(|[_, _, outcome, _]| outcome == "failed"), "{:?}", seen(&ran));
}

const TABLE: &str = r#"
CREATE TABLE public.o (id integer, note text, done boolean, at timestamptz, raw bytea, "n""q" numeric);
INSERT INTO public.o VALUES
  (1, 'a "quoted", one', true, '2026-01-30 12:00:00+02', '\xdead', 1.50),
  (2, '', false, NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, NULL);
ALTER DATABASE shop SET timezone TO 'Asia/Tokyo';
ALTER DATABASE shop SET bytea_output TO 'escape';
"#;

const CSV: &str = "id,note,done,at,raw,\"n\"\"q\"\n3,,,,,\n2,\"\",f,,,\n3,,,,,\n\
    1,\"a \"\"quoted\"\", one\",t,2026-01-30 10:00:00+00,\\xdead,1.50\n";

#[test]
fn rows_are_those_of_a_file() {
    let ran = on_both(|bench, engine| {
        cluster(bench, &[("shop", TABLE)]);
        bench.write("expected/o.csv", CSV.as_bytes());
        bench.write("expected/dos.csv", CSV.replace('\n', "\r\n").as_bytes());
        bench.write("expected/null.csv", CSV.replace("2,\"\",f", "2,,f").as_bytes());
        bench.write("expected/few.csv", b"id\n1\n2\n");
        bench.write("expected/wide.csv", b"v\nxxx\n");
        bench.write("expected/secret.csv", CSV.replace("quoted", "hunter2").as_bytes());
        let all = "database: shop, sql: 'select * from o order by id'";
        let checks = format!(
            "checks:
  - query: {{name: same, {all}, equals_file: expected/o.csv}}
  - query: {{name: dos, {all}, equals_file: expected/dos.csv}}
  - query: {{name: empty, {all}, equals_file: expected/null.csv}}
  - query: {{name: value, {all}, equals_file: expected/secret.csv}}
  - query: {{name: fewer, database: shop, sql: select * from o where id < 3, equals_file: expected/o.csv}}
  - query: {{name: none, database: shop, sql: select * from o where false, equals_file: expected/o.csv}}
  - query: {{name: columns, database: shop, sql: select id as nr from o, equals_file: expected/few.csv}}
  - query: {{name: more, database: shop, sql: 'select generate_series(1, 2000000000) as id', equals_file: expected/few.csv, time_limit: 20s}}
  - query: {{name: wide, database: shop, sql: 'select repeat(''x'', 100000000) as v', equals_file: expected/wide.csv}}
  - query: {{name: writes, database: shop, sql: delete from o returning id, equals_file: expected/few.csv}}
  - query: {{name: gone, database: shop, sql: select id from gone, equals_file: expected/few.csv}}
  - query: {{name: slow, database: shop, sql: 'select 1 as id from pg_sleep(60)', equals_file: expected/few.csv, time_limit: 1s}}
"
        );
        run(bench, engine, &checks)
    });
    assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
    let got = seen(&ran);
    let columns = "columns that differ: note";
    let expected = [
        ("same", "passed", "4 rows, all as expected"),
        ("dos", "passed", "4 rows, all as expected"),
        ("empty", "failed", columns),
        ("value", "failed", "1 of 4 expected rows did not come (lines 5); 1 row not expected"),
        ("fewer", "failed", "2 of 4 expected rows did not come (lines 2, 4)"),
        ("none", "failed", "4 of 4 expected rows did not come (lines 2, 3, 4, 5)"),
        ("columns", "failed", "the file has the columns id, the query returns nr"),
        ("more", "failed", "at least 1 row not expected"),
        ("wide", "failed", "columns that differ: v"),
        ("writes", "errored", "42601"),
        ("gone", "failed", "42P01"),
        ("slow", "errored", "57014"),
    ];
    assert_eq!(got.len(), expected.len(), "{got:?}");
    for ([name, _, outcome, observed], (of, becomes, says)) in got.iter().zip(expected) {
        assert_eq!((name.as_str(), outcome.as_str()), (of, becomes), "{observed}");
        assert!(observed.contains(says), "{of}: {observed}");
    }
    for value in ["quoted", "hunter2", "dead"] {
        assert!(!format!("{}{}{}", ran.text(), ran.junit, ran.json).contains(value), "{value}");
    }
}

#[test]
fn a_file_that_is_none_is_seen_before_anything_starts() {
    let bench = Bench::new();
    let cases: [(&[u8], &str); 6] = [
        (b"", "it is empty"),
        (b"id\n", "it holds no row"),
        (b"id,x\n1\n", "line 2 has 1 values, and the header 2 columns"),
        (b"id\n\"1", "line 2: a quote is never closed"),
        (b"id,\n1,2\n", "a column in its first line has no name"),
        (b"id\n\xff\n", "it is not UTF-8"),
    ];
    for (bytes, says) in cases {
        bench.write("e.csv", bytes);
        let yaml = "version: 1\nname: a\nbackup: {path: b}\nchecks:
  - query: {name: a, database: b, sql: select 1, equals_file: e.csv}\n";
        bench.write("s.yaml", yaml.as_bytes());
        let ran = bench.run(&["run", "s.yaml"]);
        assert_eq!(ran.code, Some(64), "{}", ran.text());
        assert!(ran.stderr.contains(says), "{says}: {}", ran.text());
    }
}
