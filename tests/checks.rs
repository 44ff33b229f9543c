//! What `no_rows` takes for a table that holds rows, whatever the planner makes of the statement.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use support::{Bench, Ran};

const BODY: &str = "
CREATE TABLE public.items (id integer NOT NULL, order_id integer NOT NULL);
CREATE TABLE public.days (day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE public.days_2026 (day date NOT NULL);
CREATE TABLE public.later (day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE public.none (id integer NOT NULL);
CREATE VIEW public.seen AS SELECT id, order_id FROM public.items;
ALTER TABLE ONLY public.days ATTACH PARTITION public.days_2026
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE FUNCTION public.inlined() RETURNS SETOF integer LANGUAGE sql STABLE
    AS 'select id from public.items where order_id is null';
CREATE FUNCTION public.called() RETURNS SETOF integer LANGUAGE sql VOLATILE
    AS 'select id from public.items where order_id < 0';

COPY public.items (id, order_id) FROM stdin;
1\t1
2\t1
\\.

COPY public.days_2026 (day) FROM stdin;
2026-01-30
\\.
";

const CHECKS: &str = "
  - no_rows: {name: never null, database: shop, sql: select id from items where order_id is null}
  - no_rows: {name: pruned, database: shop, sql: select day from days where day >= '2030-01-01'}
  - no_rows: {name: contradiction, database: shop, sql: select id from items where false}
  - no_rows: {name: inlined, database: shop, sql: select * from inlined()}
  - no_rows: {name: called, database: shop, sql: select * from called()}
  - no_rows: {name: view, database: shop, sql: select id from seen where false}
  - no_rows: {name: catalog, database: shop, sql: select 1 from pg_class where relname = 'gone'}
  - no_rows: {name: empty, database: shop, sql: select id from none where false}
  - no_rows: {name: no partition, database: shop, sql: select day from later}
  - no_rows: {name: no table, database: shop, sql: select 1 where false}
  - no_rows: {name: found, database: shop, sql: select id from items}
  - no_rows: {name: secret, database: shop, sql: '${file:query}'}
";

const NOTHING: &str = "nothing to look at: the tables of the query are empty";

fn checked(major: u32) -> Ran {
    let bench = Bench::new();
    let dump = format!(
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version {major}.1\n\
         -- Dumped by pg_dump version {major}.1\n\nSET standard_conforming_strings = on;\n{BODY}\n\
         --\n-- PostgreSQL database dump complete\n--\n\n"
    );
    bench.write("shop.sql", dump.as_bytes());
    bench.write("query", b"select id from items");
    let scenario = format!("version: 1\nname: checks\nbackup: {{path: shop.sql}}\nchecks:{CHECKS}");
    bench.write("checks.yaml", scenario.as_bytes());
    bench.run(&["run", "checks.yaml", "--engine", "docker"])
}

fn tables_are_looked_at_behind_the_plan(major: u32) {
    let ran = checked(major);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let checks = ran.scenario()["checks"].as_array().unwrap();
    let seen: Vec<_> = checks
        .iter()
        .map(|check| ["name", "outcome", "observed"].map(|key| check[key].as_str().unwrap()))
        .collect();
    let expected = [
        ["never null", "passed", "0 rows"],
        ["pruned", "passed", "0 rows"],
        ["contradiction", "passed", "0 rows"],
        ["inlined", "passed", "0 rows"],
        ["called", "passed", "0 rows"],
        ["view", "passed", "0 rows"],
        ["catalog", "passed", "0 rows"],
        ["empty", "failed", NOTHING],
        ["no partition", "failed", NOTHING],
        ["no table", "failed", NOTHING],
        ["found", "failed", "2 rows"],
        ["secret", "failed", "[redacted]"],
    ];
    assert_eq!(seen, expected, "{}", ran.text());
}

#[test]
fn postgresql_13() {
    tables_are_looked_at_behind_the_plan(13);
}

#[test]
fn postgresql_15() {
    tables_are_looked_at_behind_the_plan(15);
}

#[test]
fn postgresql_17() {
    tables_are_looked_at_behind_the_plan(17);
}
