//! The rows of every table after a restore, against those that were counted in the dump.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use support::{Bench, ENGINES, Ran, Source, plain_dump};

const BODY: &str = "
CREATE TABLE public.kept (id integer);
CREATE TABLE public.fewer (id integer);
CREATE TABLE public.emptied (id integer);
CREATE TABLE public.\"More \" (id integer);
CREATE TABLE public.child (extra text) INHERITS (public.kept);

COPY public.kept (id) FROM stdin;
1
2
\\.

COPY public.fewer (id) FROM stdin;
1
2
3
\\.

COPY public.emptied (id) FROM stdin;
1
\\.

COPY public.\"More \" (id) FROM stdin;
1
\\.

COPY public.child (id, extra) FROM stdin;
7\tseven
\\.

";

/// A function that a dump calls may write whatever it likes.
const WRITES: &str = "
CREATE FUNCTION public.tidy() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM public.fewer WHERE id = 2;
    DELETE FROM public.emptied;
    EXECUTE 'ins' || 'ert into public.\"More \" values (2), (3)';
END $$;
SELECT public.tidy();
";

fn restored(bench: &Bench, name: &str, bytes: &[u8], engine: &str) -> Ran {
    bench.verify(&bench.write(name, bytes), engine)
}

#[test]
fn a_table_with_another_number_of_rows_is_named() {
    for engine in ENGINES {
        let bench = Bench::new();
        let sound = restored(&bench, "shop.sql", plain_dump(BODY).as_bytes(), engine);
        assert_eq!(sound.code, Some(0), "{engine}: {}", sound.text());
        assert_eq!(sound.findings(), []);
        let dump = plain_dump(&format!("{BODY}{WRITES}"));
        let ran = restored(&bench, "shop.sql", dump.as_bytes(), engine);
        assert_eq!(ran.code, Some(1), "{engine}: {}", ran.text());
        let shop = Some("shop".to_owned());
        assert_eq!(
            ran.findings(),
            [("rows_missing".to_owned(), shop.clone()), ("rows_differ".to_owned(), shop)],
            "{engine}: {}",
            ran.text()
        );
        let said = ran.json.to_string();
        assert!(said.contains("none in the database: public.emptied\""), "{said}");
        assert!(said.contains("public.More  (3 of 1), public.fewer (2 of 3)"), "{said}");
    }
}

/// How many rows `INSERT`s put in is not known, but that some were.
#[test]
fn a_table_that_inserts_filled_is_not_empty() {
    let body = "
CREATE TABLE public.wiped (id integer);
CREATE TABLE public.empty (id integer);

INSERT INTO public.wiped VALUES (1);
INSERT INTO public.wiped VALUES (2);

";
    let wipes = "CREATE FUNCTION public.wipe() RETURNS void LANGUAGE sql AS 'DELETE FROM public.wiped';\nSELECT public.wipe();\n";
    let bench = Bench::new();
    let sound = restored(&bench, "shop.sql", plain_dump(body).as_bytes(), "local");
    assert_eq!(sound.code, Some(0), "{}", sound.text());
    let dump = plain_dump(&format!("{body}{wipes}"));
    let ran = restored(&bench, "shop.sql", dump.as_bytes(), "local");
    assert_eq!(
        ran.findings(),
        [("rows_missing".to_owned(), Some("shop".to_owned()))],
        "{}",
        ran.text()
    );
    assert!(ran.json.to_string().contains("none in the database: public.wiped\""));
}

const SOUND: &str = "
    CREATE TABLE parted (id int, at date) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (50);
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE high (id int, at date) PARTITION BY HASH (at);
    CREATE TABLE high0 PARTITION OF high FOR VALUES WITH (modulus 2, remainder 0);
    CREATE TABLE high1 PARTITION OF high FOR VALUES WITH (modulus 2, remainder 1);
    ALTER TABLE parted ATTACH PARTITION high FOR VALUES FROM (50) TO (200);
    INSERT INTO parted SELECT i, date '2026-01-01' + i FROM generate_series(0, 199) i;
    CREATE TABLE moods (m mood) PARTITION BY HASH (m);
    CREATE TABLE moods0 PARTITION OF moods FOR VALUES WITH (modulus 2, remainder 0);
    CREATE TABLE moods1 PARTITION OF moods FOR VALUES WITH (modulus 2, remainder 1);
    INSERT INTO moods SELECT (array['sad', 'ok'])[1 + i % 2]::mood FROM generate_series(1, 9) i;
    CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS id;
    CREATE TABLE nothing ();
    INSERT INTO nothing SELECT FROM generate_series(1, 3);
    CREATE TABLE generated (id int, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO generated SELECT generate_series(1, 4);
    CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER stop BEFORE INSERT ON generated FOR EACH ROW EXECUTE FUNCTION stop();
    CREATE RULE off AS ON INSERT TO unlogged DO INSTEAD NOTHING;
    ALTER TABLE moods ENABLE ROW LEVEL SECURITY;
    ALTER TABLE moods FORCE ROW LEVEL SECURITY;
    CREATE TYPE announced;
    CREATE FUNCTION of_types(a mood, b text, c \"char\") RETURNS int LANGUAGE sql AS 'select 1';
    CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM parted;
";

/// The same rows, wherever their partitions put them.
#[test]
fn sound_dumps_have_their_rows_however_they_were_made() {
    let source = Source::start(17);
    source.psql("postgres", "create database shop");
    source.psql("shop", SOUND);
    let bench = Bench::new();
    for (name, options) in [
        ("shop.dump", &["-Fc"][..]),
        ("shop.sql", &["-Fp"]),
        ("root.dump", &["-Fc", "--load-via-partition-root"]),
        ("root.sql", &["-Fp", "--load-via-partition-root"]),
        ("shop.tar", &["-Ft"]),
        ("quoted.dump", &["-Fc", "--quote-all-identifiers"]),
    ] {
        let ran = restored(&bench, name, &source.dump("shop", options), "docker");
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.text());
        assert_eq!(ran.findings(), [], "{name}");
        let tables = ran.scenario()["databases"][0]["tables_compared"].as_u64().unwrap();
        let expected = if name.starts_with("root") { 5 } else { 7 };
        assert_eq!(tables, expected, "{name}: {}", ran.text());
        assert!(!ran.json.to_string().contains("not counted"), "{name}");
    }
}
