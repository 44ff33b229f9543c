//! Files of pgTAP tests, on both engines. pgTAP itself is in no image of ours: what stands for it keeps its
//! results in a temporary table and sequence too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::process::Command;

use support::both::on_both;
use support::{Bench, Ran, image, plain_dump};

const STAND_IN: &str = include_str!("fixtures/pgtap_stand_in.sql");

const SHOP: &str = "
CREATE TABLE public.orders (id integer, note text);
INSERT INTO public.orders VALUES (1, 'hunter2'), (2, 'hunter2'), (4711, 'hunter2');
CREATE TABLE public.everybodys (id integer);
INSERT INTO public.everybodys VALUES (1), (2);
GRANT ALL ON public.everybodys TO PUBLIC;
CREATE TABLE public.fed (id serial);
INSERT INTO public.fed SELECT generate_series(1, 10);
CREATE FUNCTION public.push() RETURNS bigint LANGUAGE sql SECURITY DEFINER
  AS $$ SELECT pg_catalog.setval('public.fed_id_seq', 1000) $$;
REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC;
";

/// Name, SQL, outcome, and what is said.
const FILES: [(&str, &str, &str, &str); 20] = [
    (
        "holds",
        "SELECT plan(2);\nSELECT ok(true, 'a; b');\nSELECT is((SELECT count(*) FROM orders), 3::bigint, 'orders');\nSELECT * FROM finish();",
        "passed",
        "2 tests in 1 file, none failed",
    ),
    (
        "no plan",
        "SELECT * FROM no_plan(); SELECT ok(true, 'a'); SELECT * FROM finish()",
        "passed",
        "1 test in 1 file, none failed",
    ),
    (
        "columns",
        "SELECT plan(2);\nSELECT ok(false, 'a'), ok(true, 'b');",
        "failed",
        "failed: 1 (a)",
    ),
    (
        "fails",
        "SELECT plan(2);\nSELECT is((SELECT max(id) FROM orders), 5, 'the newest');\nSELECT ok(false, note) FROM orders LIMIT 1;",
        "failed",
        "2 tests in 1 file; t/fails.sql: failed: 1 (the newest), 2",
    ),
    (
        "to do",
        "SELECT plan(2); SELECT ok(true, 'a'); SELECT * FROM todo('later', 1); SELECT ok(false, 'b');",
        "passed",
        "2 tests in 1 file, 1 to do, none failed",
    ),
    ("fewer", "SELECT plan(5); SELECT ok(true, 'a');", "failed", "5 tests planned, 1 run"),
    (
        "more",
        "SELECT plan(1); SELECT ok(true, 'a'); SELECT ok(true, 'b');",
        "failed",
        "1 test planned, 2 run",
    ),
    (
        "lost",
        "SELECT * FROM no_plan(); DO $$ BEGIN PERFORM ok(false, 'a'); END $$; SELECT ok(true, 'b'); SELECT * FROM finish();",
        "failed",
        "a result was lost",
    ),
    ("none", "SELECT 1;", "failed", "no test has run"),
    (
        "sleeps",
        "SELECT plan(1); SET statement_timeout = 0; SELECT ok(true, 'a');\nSELECT pg_sleep(60);",
        "errored",
        "line 5: no answer within 2.0s",
    ),
    (
        "writes",
        "SELECT plan(1); SELECT ok(true, 'a');\nDELETE FROM orders;",
        "errored",
        "line 5: permission denied for table orders (SQLSTATE 42501)",
    ),
    ("locks", "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;", "errored", "42501"),
    (
        "deletes",
        "SELECT plan(1);\nDELETE FROM everybodys;\nSELECT is(count(*), 0::bigint, 'gone') FROM everybodys;\nSELECT push();\nCOMMIT;",
        "passed",
        "1 test in 1 file, none failed",
    ),
    (
        "after",
        "SELECT plan(1); SELECT is(count(*), 2::bigint, 'rolled back') FROM everybodys;",
        "passed",
        "1 test in 1 file, none failed",
    ),
    (
        "huge",
        "SELECT plan(1); SELECT ok(true, 'a'); SELECT repeat('x', 10000000);",
        "errored",
        "a value of more than 65536 characters",
    ),
    (
        "many",
        "SELECT plan(1); SELECT ok(true, 'a'); SELECT generate_series(1, 2000000000);",
        "errored",
        "more than 100000 rows",
    ),
    (
        "executes",
        "SELECT plan(1); PREPARE p AS SELECT ok(false, 'a'); EXECUTE p;",
        "errored",
        "rows of another statement",
    ),
    (
        "gone",
        "SELECT plan(1);\nSELECT is(count(*), 0::bigint, 'a') FROM gone;",
        "failed",
        "line 5: relation \"gone\" does not exist (SQLSTATE 42P01)",
    ),
    (
        "raises",
        "DO $$ BEGIN RAISE EXCEPTION 'hunter2'; END $$;",
        "errored",
        "an error raised by a function",
    ),
    ("wrong", "SELECT plan(1); SELEC ok($1, 'a');", "errored", "42601"),
];

fn head(sql: &str) -> String {
    let end = if sql.contains("COMMIT") { "" } else { "\nROLLBACK;\n" };
    format!("\\unset ECHO\n\\set QUIET 1\n\\pset pager off\nBEGIN; {sql}{end}")
}

fn run(bench: &Bench, engine: &str, major: u32) -> Ran {
    let dump = |sql: &str| plain_dump(sql).replace("version 15.18", &format!("version {major}.1"));
    let globals = "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE postgres;\n\
        --\n-- PostgreSQL database cluster dump complete\n--\n";
    bench.write("b/globals.sql", globals.as_bytes());
    bench.write("b/dumps/shop.sql", dump(&format!("{STAND_IN}{SHOP}")).as_bytes());
    bench.write("b/dumps/bare.sql", dump("").as_bytes());
    let mut yaml = "version: 1\nname: pgtap\nbackup: {path: b}\nchecks:\n".to_owned();
    for (name, sql, _, _) in FILES {
        bench.write(&format!("t/{name}.sql"), head(sql).as_bytes());
        let limit = if name == "sleeps" { "2s" } else { "1m" };
        yaml.push_str(&format!(
            "  - pgtap: {{name: {name}, database: shop, files: ['t/{name}.sql'], time_limit: {limit}}}\n"
        ));
    }
    yaml.push_str(
        "  - pgtap: {name: two files, each_database: ['*'], files: ['t/h*s.sql', t/after.sql]}
  - sequences: {name: untouched, databases: [shop]}\n",
    );
    bench.write("s.yaml", yaml.as_bytes());
    bench.run(&["run", "s.yaml", "--engine", engine])
}

fn assert_told(ran: &Ran) {
    assert_eq!((ran.code, ran.verdict()), (Some(1), "not_restorable"), "{}", ran.text());
    let checks = ran.scenario()["checks"].as_array().unwrap();
    let seen: Vec<[&str; 4]> = checks
        .iter()
        .map(|check| {
            ["name", "database", "outcome", "observed"]
                .map(|key| check[key].as_str().unwrap_or("-"))
        })
        .collect();
    // Tests come last, whatever they do to a sequence.
    assert_eq!(seen[0][..3], ["untouched", "shop", "failed"], "{}", ran.text());
    for (line, (name, _, outcome, says)) in seen[1..].iter().zip(FILES) {
        assert_eq!(line[..3], [name, "shop", outcome], "{}", line[3]);
        assert!(line[3].contains(says), "{name}: {}", line[3]);
    }
    let [bare, shop] = [seen[FILES.len() + 1], seen[FILES.len() + 2]];
    assert_eq!(bare[..3], ["two files", "bare", "errored"]);
    assert!(bare[3].contains("name an image that has it under `postgres.image`"), "{}", bare[3]);
    assert_eq!(shop, ["two files", "shop", "passed", "3 tests in 2 files, none failed"]);
    assert_eq!(seen.len(), FILES.len() + 3);
    for value in ["hunter2", "4711"] {
        assert!(!format!("{}{}{}", ran.text(), ran.junit, ran.json).contains(value), "{value}");
    }
}

#[test]
fn both_engines() {
    assert_told(&on_both(|bench, engine| run(bench, engine, 15)));
}

#[test]
fn postgresql_13() {
    assert_told(&run(&Bench::new(), "docker", 13));
}

#[test]
fn an_image_may_bring_what_the_dump_lacks() {
    let bench = Bench::new();
    let control = "comment = 'stand-in'\ndefault_version = '1.0'\nrelocatable = true\n";
    bench.write("i/pgtap.control", control.as_bytes());
    bench.write("i/pgtap--1.0.sql", STAND_IN.as_bytes());
    let recipe = format!(
        "FROM {}\nUSER root\nCOPY pgtap.control pgtap--1.0.sql /tmp/\n\
         RUN mv /tmp/pgtap* \"$(dirname \"$(find / -name plpgsql.control -path '*15*' | head -n 1)\")\"\n",
        image(15)
    );
    bench.write("i/Dockerfile", recipe.as_bytes());
    let tag = format!("pgdrill-test-pgtap:{}", std::process::id());
    let built =
        Command::new("docker").args(["build", "-q", "-t", &tag]).arg(bench.path("i")).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    bench.write("shop.sql", plain_dump("").as_bytes());
    bench
        .write("t/a.sql", b"BEGIN; SELECT plan(1); SELECT ok(count(*) = 1, 'a') FROM t; ROLLBACK;");
    bench.write("t/b.sql", b"SELECT plan(1); SELECT ok(count(*) = 2, 'b') FROM t;");
    let yaml = format!(
        "version: 1\nname: image\nbackup: {{path: shop.sql}}\npostgres: {{image: '{tag}'}}\nchecks:
  - pgtap: {{name: a, each_database: ['*'], files: [t/a.sql]}}
  - pgtap: {{name: b, each_database: ['*'], files: [t/b.sql]}}\n"
    );
    bench.write("s.yaml", yaml.as_bytes());
    let ran = bench.run_with(&["run", "s.yaml", "--engine", "docker"], &[("PGDRILL_IMAGE", "")]);
    Command::new("docker").args(["rmi", "-f", &tag]).output().unwrap();
    let checks = ran.scenario()["checks"].as_array().unwrap();
    let outcomes: Vec<&str> = checks.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["passed", "failed"], "{}", ran.text());
    assert_eq!(checks[1]["observed"], "1 test in 1 file; t/b.sql: failed: 1 (b)");
}

#[test]
fn a_file_that_cannot_run_is_seen_before_anything_starts() {
    let bench = Bench::new();
    for (text, files, says) in [
        ("SELECT 1;\n\\i b.sql\n", "[t/a.sql]", "`t/a.sql`, line 2: the psql command `\\i`"),
        ("SELECT 1;\n\\! id\n", "['t/*.sql']", "`t/a.sql`, line 2: the psql command `\\!`"),
        ("COMMIT;\nSELECT 1;\n", "[t/a.sql]", "`t/a.sql`, line 2: a statement behind the end"),
        ("SELECT 1;", "['u/*.sql']", "no file of tests matches `u/*.sql`"),
        ("SELECT 1;", "[t/b.sql]", "cannot take `t/b.sql`: No such file"),
        ("SELECT 1;", "[]", "a check of no file tests nothing"),
    ] {
        bench.write("t/a.sql", text.as_bytes());
        let yaml = format!(
            "version: 1\nname: a\nbackup: {{path: b}}\nchecks:
  - pgtap: {{name: a, database: b, files: {files}}}\n"
        );
        bench.write("s.yaml", yaml.as_bytes());
        let ran = bench.run(&["run", "s.yaml"]);
        assert_eq!(ran.code, Some(64), "{}", ran.text());
        assert!(ran.stderr.contains(says), "{says}: {}", ran.text());
    }
}
