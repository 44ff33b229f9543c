//! The check `sample`: which rows it reads, what it finds, and how often.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and says what it measured"
)]

mod support;

use std::fmt::Write as _;

use pgdrill::check::least_share;
use serde_json::{Value, json};
use support::both::on_both;
use support::{Bench, Ran, plain_dump};

fn run(bench: &Bench, engine: &str, dump: &str, checks: &str) -> Ran {
    bench.write("shop.sql", dump.as_bytes());
    let yaml = format!("version: 1\nname: samples\nbackup: {{path: shop.sql}}\nchecks:\n{checks}");
    bench.write("s.yaml", yaml.as_bytes());
    bench.run(&["run", "s.yaml", "--engine", engine, "--content", "none"])
}

fn checks(ran: &Ran) -> Vec<(String, String)> {
    let checks = ran.scenario()["checks"].as_array().unwrap();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    checks.iter().map(|check| (text(check, "outcome"), text(check, "observed"))).collect()
}

/// Statements that run at the end of the restore, as nobody's triggers and keys look.
fn breaking(statements: &str) -> String {
    format!(
        "
CREATE FUNCTION public.break() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.set_config('session_replication_role', 'replica', true);
    {statements}
END $$;
SELECT public.break();
"
    )
}

const ROWS: u64 = 2000;
const DAMAGED: u64 = 40;

/// Orders and their items, of which every fiftieth refers to no order.
fn shop() -> String {
    let mut sql = "
CREATE TABLE public.orders (id integer NOT NULL);
CREATE TABLE public.items (id integer NOT NULL, order_id integer, name text);
COPY public.orders (id) FROM stdin;
1
2
\\.

COPY public.items (id, order_id, name) FROM stdin;
"
    .to_owned();
    for id in 0..ROWS {
        writeln!(sql, "{id}\t{}\titem {id}", 1 + id % 2).unwrap();
    }
    sql.push_str(
        "\\.\n
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.items ADD CONSTRAINT items_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.items ADD CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES public.orders(id);
",
    );
    let every = ROWS / DAMAGED;
    plain_dump(&format!(
        "{sql}{}",
        breaking(&format!("UPDATE public.items SET order_id = 7 WHERE id % {every} = 3;"))
    ))
}

/// The chance to read at least one of the damaged rows.
fn predicted(read: u64) -> f64 {
    let float = |count: u64| f64::from(u32::try_from(count).unwrap());
    let missed: f64 = (0..DAMAGED).map(|at| float(ROWS - read - at) / float(ROWS - at)).product();
    1.0 - missed
}

/// Over a thousand seeds damage is found as often as is predicted, and what is said to be found with
/// 99 % probability is.
#[test]
fn damage_is_found_as_often_as_is_predicted() {
    let seeds = 1000_u32;
    let float = |count: u64| f64::from(u32::try_from(count).unwrap());
    // As few rows as are said to find this damage.
    let enough = (1..ROWS).find(|read| least_share(ROWS, *read) <= float(DAMAGED) / float(ROWS));
    for rows in [30, enough.unwrap()] {
        let mut yaml = String::new();
        for seed in 1..=seeds {
            writeln!(yaml, "  - sample: {{name: s{seed}, tables: 9, rows: {rows}, seed: {seed}}}")
                .unwrap();
        }
        let ran = run(&Bench::new(), "local", &shop(), &yaml);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let checks = checks(&ran);
        assert_eq!(checks.len(), seeds as usize);
        let found = checks.iter().filter(|(outcome, _)| outcome == "failed").count();
        let measured = float(found as u64) / f64::from(seeds);
        let predicted = predicted(rows);
        println!(
            "{rows} of {ROWS} rows, {DAMAGED} damaged, {seeds} seeds: found in {measured:.3}, predicted {predicted:.3}"
        );
        let deviation = (predicted * (1.0 - predicted) / f64::from(seeds)).sqrt();
        assert!((measured - predicted).abs() < 4.0 * deviation, "{measured} {predicted}");
        for (outcome, observed) in checks {
            let found = format!("of {rows} rows refer to nothing by `items_order`");
            let found = observed.contains(&found);
            assert_eq!(outcome == "failed", found, "{outcome}: {observed}");
            assert!(!observed.contains("item "), "{observed}");
        }
    }
}

/// Tables with keys of many types, and without; half of the rows of each refer to nothing.
fn keys(major: u32) -> String {
    let mut sql = format!(
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version {major}.1\n\
         -- Dumped by pg_dump version {major}.1\n\nSET client_encoding = 'UTF8';\n\
         SET standard_conforming_strings = on;\n
CREATE TABLE public.parents (id integer NOT NULL);
COPY public.parents (id) FROM stdin;
1
\\.

ALTER TABLE ONLY public.parents ADD CONSTRAINT parents_pkey PRIMARY KEY (id);
"
    );
    let tables = [
        ("plain", "id integer", "id", "i"),
        (
            "composite",
            "a text, b timestamp with time zone",
            "a, b",
            "'ä' || i % 7, to_timestamp(i * 1000)",
        ),
        (
            "numbers",
            "a double precision, b numeric, c interval",
            "a, b",
            "i / 7.0, i / 3.0, i * interval '1 hour'",
        ),
        ("bytes", "a bytea, b uuid", "a", "decode(md5(i::text), 'hex'), md5(i::text)::uuid"),
        (
            "none",
            "a real, b jsonb, c timestamp with time zone, d money, e text[]",
            "",
            "i / 9.0, jsonb_build_object('k', i), to_timestamp(i), i, array['x', i::text]",
        ),
        ("Größe \"x\"", "\"Nr\" date", "\"Nr\"", "date '2024-01-01' + i"),
    ];
    let mut fill = String::new();
    for (name, columns, key, values) in tables {
        let table = format!("public.\"{}\"", name.replace('"', "\"\""));
        writeln!(sql, "CREATE TABLE {table} ({columns}, parent integer);").unwrap();
        writeln!(fill, "EXECUTE $q$ins$q$ || $q$ert into {table} select {values}, 1 + i % 2 from generate_series(1, 200) i$q$;").unwrap();
        if !key.is_empty() {
            writeln!(sql, "ALTER TABLE ONLY {table} ADD PRIMARY KEY ({key});").unwrap();
        }
        writeln!(
            sql,
            "ALTER TABLE ONLY {table} ADD FOREIGN KEY (parent) REFERENCES public.parents(id);"
        )
        .unwrap();
    }
    format!("{sql}{}\n--\n-- PostgreSQL database dump complete\n--\n\n", breaking(&fill))
}

#[test]
fn the_same_rows_are_read_on_every_version_and_engine() {
    let mut yaml = String::new();
    for seed in 1..=60 {
        writeln!(yaml, "  - sample: {{name: s{seed}, tables: 1, rows: 1, seed: {seed}}}").unwrap();
    }
    for seed in 1..=20 {
        writeln!(yaml, "  - sample: {{name: p{seed}, rows: 2.5%, seed: {seed}}}").unwrap();
    }
    let of = |major: u32, engine: &str| checks(&run(&Bench::new(), engine, &keys(major), &yaml));
    let expected = of(15, "docker");
    let failed = expected.iter().filter(|(outcome, _)| outcome == "failed").count();
    assert!((30..70).contains(&failed), "{expected:?}");
    let share = expected[70].1.clone();
    assert!(share.contains(" of 1201 rows of 7 of 7 tables"), "{share}");
    for (major, engine) in [(13, "docker"), (17, "docker"), (15, "local")] {
        assert_eq!(of(major, engine), expected, "{major} {engine}");
    }
}

const SHAPES: &str = "
CREATE TABLE public.parents (a integer NOT NULL, b text NOT NULL);
CREATE TABLE public.simple (id integer, a integer, b text);
CREATE TABLE public.full_ (id integer, a integer, b text);
CREATE TABLE public.unchecked (id integer, a integer, b text);
CREATE TABLE public.parted (id integer, a integer, b text) PARTITION BY RANGE (id);
CREATE TABLE public.low (id integer, a integer, b text);
CREATE TABLE public.high (b text, id integer, a integer);
ALTER TABLE ONLY public.parted ATTACH PARTITION public.low FOR VALUES FROM (0) TO (10);
ALTER TABLE ONLY public.parted ATTACH PARTITION public.high FOR VALUES FROM (10) TO (20);
CREATE TABLE public.nothing ();
CREATE TABLE public.empty (id integer);
COPY public.parents (a, b) FROM stdin;
1\tx
\\.

COPY public.simple (id, a, b) FROM stdin;
1\t1\tx
2\t\\N\tx
3\t9\t\\N
4\t\\N\t\\N
\\.

COPY public.full_ (id, a, b) FROM stdin;
1\t1\tx
2\t\\N\t\\N
\\.

COPY public.unchecked (id, a, b) FROM stdin;
1\t9\tx
\\.

COPY public.low (id, a, b) FROM stdin;
1\t1\tx
\\.

COPY public.high (id, a, b) FROM stdin;
11\t1\tx
\\.

COPY public.nothing  FROM stdin;

\\.

ALTER TABLE ONLY public.parents ADD CONSTRAINT parents_pkey PRIMARY KEY (a, b);
ALTER TABLE ONLY public.simple ADD CONSTRAINT simple_fk FOREIGN KEY (a, b) REFERENCES public.parents(a, b);
ALTER TABLE ONLY public.full_ ADD CONSTRAINT full_fk FOREIGN KEY (a, b) REFERENCES public.parents(a, b) MATCH FULL;
ALTER TABLE public.unchecked ADD CONSTRAINT unchecked_fk FOREIGN KEY (a, b) REFERENCES public.parents(a, b) NOT VALID;
ALTER TABLE public.parted ADD CONSTRAINT parted_fk FOREIGN KEY (a, b) REFERENCES public.parents(a, b);
";

const ALL: &str = "
  - sample: {name: all, rows: 100%}
  - sample: {name: none, databases: [gone, 'shop']}";

#[test]
fn foreign_keys_are_looked_up_as_they_are_declared() {
    let ran = on_both(|bench, engine| run(bench, engine, &plain_dump(SHAPES), ALL));
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let sound = "read 12 of 12 rows of 7 of 8 tables, all columns";
    let checks_seen = checks(&ran);
    let (outcome, observed) = &checks_seen[0];
    assert_eq!(outcome, "passed", "{observed}");
    assert!(observed.starts_with(sound), "{observed}");
    let rest = "looked up 3 foreign keys, 1 table without rows; any damaged row of these tables would have been found";
    assert!(observed.ends_with(rest), "{observed}");
    let lost = "the backup holds no database that matches `gone`, or the scenario leaves it out";
    assert_eq!(checks_seen[1], ("failed".to_owned(), lost.to_owned()));
    assert_eq!(ran.scenario()["checks"][1]["database"], json!(null));
    assert_eq!(checks_seen[2].0, "passed");

    let broken = breaking(
        "UPDATE public.simple SET b = 'y' WHERE id = 1;
         UPDATE public.full_ SET a = 1 WHERE id = 2;
         UPDATE public.high SET a = 2;",
    );
    let dump = plain_dump(&format!("{SHAPES}{broken}"));
    let ran =
        on_both(|bench, engine| run(bench, engine, &dump, "  - sample: {name: all, rows: 100%}"));
    let (outcome, observed) = &checks(&ran)[0];
    assert_eq!(outcome, "failed");
    for part in [
        "public.simple: 1 of 4 rows refer to nothing by `simple_fk`",
        "public.full_: 1 of 2 rows refer to nothing by `full_fk`",
        "public.parted: 1 of 2 rows refer to nothing by `parted_fk`",
    ] {
        assert!(observed.contains(part), "{part} in {observed}");
    }
}

/// A value of which a part is gone: counting does not see it.
#[test]
fn a_value_that_cannot_be_read_is_found() {
    let ran = on_both(|bench, engine| {
        let body = "
CREATE EXTENSION pg_surgery;
CREATE TABLE public.long (id integer, t text);
CREATE FUNCTION public.fill() RETURNS void LANGUAGE plpgsql AS $$
DECLARE toast regclass;
BEGIN
    EXECUTE 'alter table public.long alter t set storage external';
    EXECUTE 'ins' || 'ert into public.long select i, repeat(md5(i::text), 200) from generate_series(1, 3) i';
    SELECT reltoastrelid INTO toast FROM pg_catalog.pg_class WHERE relname = 'long';
    PERFORM public.heap_force_kill(toast, array['(0,2)'::tid]);
END $$;
SELECT public.fill();
";
        run(bench, engine, &plain_dump(body), "  - sample: {name: all, rows: 100%}")
    });
    let (outcome, observed) = &checks(&ran)[0];
    assert_eq!(outcome, "failed", "{}", ran.text());
    assert!(
        observed.contains("public.long: ") && observed.contains("(SQLSTATE XX001)"),
        "{observed}"
    );
}

/// Nothing read is no pass.
#[test]
fn a_sample_of_empty_tables_fails() {
    let empty = plain_dump("").replace("COPY public.t (id) FROM stdin;\n1\n\\.\n", "");
    let ran = on_both(|bench, engine| run(bench, engine, &empty, "  - sample: {name: all}"));
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let nothing = "nothing to look at: 1 table, none has rows";
    assert_eq!(checks(&ran), [("failed".to_owned(), nothing.to_owned())]);

    // Beside another that has rows, unless it was asked for by its name.
    let bench = Bench::new();
    bench.write(
        "cluster/globals.sql",
        b"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE alice;\n\n--\n-- PostgreSQL database cluster dump complete\n--\n",
    );
    bench.write("cluster/dumps/empty.sql", empty.as_bytes());
    bench.write("cluster/dumps/shop.sql", plain_dump("").as_bytes());
    let yaml = "version: 1\nname: samples\nbackup: {path: cluster}\nchecks:
  - sample: {name: all}
  - sample: {name: named, databases: [empty, shop]}
  - rows: {name: rows}\n";
    bench.write("s.yaml", yaml.as_bytes());
    let ran = bench.run(&["run", "s.yaml", "--engine", "docker"]);
    let seen: Vec<_> = ran.scenario()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| ["name", "database", "outcome"].map(|key| check[key].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ["all", "empty", "skipped"],
            ["all", "shop", "passed"],
            ["named", "empty", "failed"],
            ["named", "shop", "passed"],
            ["rows", "empty", "skipped"],
            ["rows", "shop", "passed"],
        ],
        "{}",
        ran.text()
    );
}
