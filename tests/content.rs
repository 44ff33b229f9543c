//! Values in rows after a restore, against the fingerprints of the dump's rows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use support::both::on_both;
use support::{Bench, ENGINES, Ran, Source, image, plain_dump};

/// Every built-in type that a column may have, with the edges of its values, in the settings of a
/// shop in Berlin.
const TYPES: &str = r#"
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy');
    CREATE DOMAIN price AS numeric(12,2) CHECK (value >= 0);
    CREATE DOMAIN moment AS timestamptz;
    CREATE DOMAIN moods AS mood[];
    CREATE TYPE pair AS (a int, b text);
    CREATE TYPE textrange AS RANGE (subtype = text);
    CREATE TABLE numbers (a smallint, b int, c bigint, d numeric, e numeric(10,2), f real,
        g double precision, h money, i oid, j boolean, k price);
    INSERT INTO numbers VALUES
        (-32768, -2147483648, -9223372036854775808, 'NaN', -99999999.99, '-Infinity', 'NaN', '-92233720368547758.08', 0, true, 0),
        (32767, 2147483647, 9223372036854775807, 123456789012345678901234567890.123456789012345678901234567890, 0.01, 1e-45, 5e-324, 92233720368547758.07, 4294967295, false, 0.01),
        (0, 0, 0, 0.0000, 0.00, -0.0, -0.0, 0, 1, null, 99),
        (1, 1, 1, 1e-100, 1, 3.4028235e38, 1.7976931348623157e308, 1.5, 2, true, 1),
        (2, 2, 2, 1e100, 2, 0.1, 0.1, 2.5, 3, true, 2),
        (3, 3, 3, '1.10', 3, 'NaN', 'Infinity', 3, 4, true, 3),
        (null, null, null, null, null, null, null, null, null, null, null);
    CREATE TABLE texts (a text, b varchar(20), c char(10), d "char", e name, f bytea, g bit(5), h varbit, i uuid);
    INSERT INTO texts VALUES
        ('', '', '', '', '', '', B'00000', B'', '00000000-0000-0000-0000-000000000000'),
        (E'a\tb\nc\\d\re\bf\vg\fh', E'\\N', 'x', 'x', 'n', '\x00ff5c0a0d27', B'10101', B'1', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
        ('ä€𝄞', 'ß', 'ü', '\', repeat('n', 63), '\x', B'11111', B'0101', gen_random_uuid()),
        (repeat('lang ', 100000), null, null, null, null, decode(repeat('00ff', 50000), 'hex'), null, null, null),
        ('\.', '\N', E'\n', null, null, 'a\\b''c', null, null, null);
    CREATE TABLE times (a date, b time, c timetz, d timestamp, e timestamptz, f interval, g timestamptz(0), h moment, i interval year to month);
    INSERT INTO times VALUES
        ('4713-01-01 BC', '00:00', '00:00+15:59:59', '4713-01-01 00:00 BC', '4713-01-02 00:00+00 BC', '-178000000 years', '2024-03-31 01:59:59.6+01', '2024-10-27 02:30+02', '1 year'),
        ('5874897-12-31', '24:00', '24:00-15:59:59', '294276-12-31 23:59:59.999999', '294276-12-31 22:59:59.999999+00', '178000000 years', '2024-10-27 02:30+01', '1893-03-31 23:59+00', '-11 months'),
        ('infinity', '23:59:59.999999', '12:00+05:30', 'infinity', 'infinity', '1 mon -1 day 00:00:00.000001', '-infinity', '1850-01-01 12:00+00', null),
        ('-infinity', '12:00:00.5', '12:00', '-infinity', '-infinity', '-1 year 2 mons -3 days 04:05:06', 'epoch', 'infinity', '0'),
        ('0001-01-01', null, null, '0001-12-31 23:59:59 BC', '0001-01-01 00:00+00', '0', null, null, null),
        ('2000-01-01', null, null, '2000-01-01', '1945-05-24 00:30+03', '1 day', null, null, null);
    CREATE TABLE nets (a inet, b cidr, c macaddr, d macaddr8, e pg_lsn, f txid_snapshot, g pg_snapshot, h xid, i xid8, j cid, k tid);
    INSERT INTO nets VALUES
        ('0.0.0.0/0', '10.0.0.0/8', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '0/0', '1:1:', '10:20:10,14', '0', '0', '0', '(0,0)'),
        ('::ffff:1.2.3.4/96', '2001:db8::/32', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'FFFFFFFF/FFFFFFFF', null, null, '4294967295', '18446744073709551615', '4294967295', '(4294967295,65535)'),
        ('1.2.3.4', null, null, null, null, null, null, null, null, null, null);
    CREATE TABLE documents (a json, b jsonb, c jsonpath, d xml, e tsvector, f tsquery, g refcursor);
    INSERT INTO documents VALUES
        ('{"b":1,  "a":[1.10, 1e5, "\u00e4"]}', '{"b":1,  "a":[1.10, 1e5, "\u00e4", null], "a":2}', '$.a[*] ? (@.b > 1.50 && exists (@.c)).size()', '<a>&lt;ä</a>', 'a:1A fat:2B,4C ''it''''s'':3', 'fat & (rat | !cat:AB) <2> dog:*', 'c'),
        ('null', 'null', 'strict $.**{2 to last}."x y".type()', '<b/>', '', '', ''),
        ('[]', '{}', 'lax $."a" like_regex "^b" flag "i"', null, null, null, null),
        (' "x" ', '12345678901234567890.12345678901234567890', '$', null, null, null, null);
    CREATE TABLE shapes (a point, b line, c lseg, d box, e path, f polygon, g circle);
    INSERT INTO shapes VALUES ('(1.1,-0)', '{1,2,3.3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1e-300)]', '((0,0),(1,1),(1,0))', '<(0,0),1>');
    CREATE TABLE ranges (a int4range, b int8range, c numrange, d daterange, e tsrange, f tstzrange, g textrange);
    INSERT INTO ranges VALUES ('empty', '[1,5)', '(,1.50]', '[2024-01-01,infinity)', '["2024-01-01 00:00",)', '[2024-03-31 01:00+01,2024-03-31 03:00+02)', '["a b",c)'),
        ('[1,1]', '(,)', '[1e10,1e20]', '(,2024-01-01)', 'empty', '(,)', 'empty');
    CREATE TABLE arrays (a int[], b text[], c numeric[][], d bytea[], e timestamptz[], f float8[], g mood[], h moods, i "char"[], j oidvector, k int2vector, l json[], m interval[]);
    INSERT INTO arrays VALUES
        ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '', '', '{}', '{}'),
        ('[0:2]={1,null,3}', array['', 'NULL', null, '{', E'\\ "\n'], '{{1.0,2},{3,4.50}}', array['\x00'::bytea, null], array['2024-01-01 00:00+01'::timestamptz], '{0.1,NaN}', '{sad,"very happy"}', '{ok,null}', '{a,b}', '1 2', '3 4', array['{"a": 1}'::json], array['1 day'::interval]);
    CREATE TABLE others (a mood, b pair, c regclass, d regtype, e regproc, f aclitem, g pair[]);
    INSERT INTO others VALUES ('ok', '(1,"a,b")', 'numbers', 'int', 'now', 'postgres=arw/postgres', array[(1, 'x')::pair]);
    INSERT INTO others VALUES (null, null, null, null, null, null, null);
"#;

/// What PostgreSQL 13 lacks.
const NEWER_TYPES: &str = "
    CREATE TABLE multiranges (a int4multirange, b datemultirange, c nummultirange, d numeric);
    INSERT INTO multiranges VALUES ('{[1,3),[5,8)}', '{}', '{(,1.5)}', 'Infinity'), (null, null, null, '-Infinity');
";

/// Columns and tables that a dump writes in a way of its own.
const SHAPES: &str = r#"
    CREATE TABLE generated (id int GENERATED ALWAYS AS IDENTITY, a text, twice int GENERATED ALWAYS AS (length(a) * 2) STORED, b int GENERATED BY DEFAULT AS IDENTITY);
    INSERT INTO generated (a) SELECT repeat('x', i) FROM generate_series(1, 50) i;
    ALTER TABLE generated ADD COLUMN last text DEFAULT 'l', DROP COLUMN b, ADD COLUMN b bytea DEFAULT '\x01';
    CREATE TABLE parent (id int, name text);
    CREATE TABLE child (own timestamptz, name text, id int);
    INSERT INTO child SELECT now(), 'c' || i, i FROM generate_series(1, 20) i;
    INSERT INTO parent SELECT i, 'p' || i FROM generate_series(1, 20) i;
    ALTER TABLE child INHERIT parent;
    CREATE TABLE grandchild (more numeric) INHERITS (child);
    INSERT INTO grandchild VALUES (now(), 'g', 1, 1.50);
    ALTER TABLE parent ADD COLUMN late float8 DEFAULT 0.1;
    CREATE TABLE parted (id int, at timestamptz, note text) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (50);
    CREATE TABLE high (note text, id int, at timestamptz) PARTITION BY HASH (id);
    CREATE TABLE high0 PARTITION OF high FOR VALUES WITH (modulus 2, remainder 0);
    CREATE TABLE high1 PARTITION OF high FOR VALUES WITH (modulus 2, remainder 1);
    ALTER TABLE parted ATTACH PARTITION high FOR VALUES FROM (50) TO (200);
    INSERT INTO parted SELECT i, '2024-01-01'::timestamptz + i * interval '1 hour', 'n' || i FROM generate_series(0, 199) i;
    CREATE TABLE even (id mood, note text) PARTITION BY HASH (id);
    CREATE TABLE even0 PARTITION OF even FOR VALUES WITH (modulus 2, remainder 0);
    CREATE TABLE even1 PARTITION OF even FOR VALUES WITH (modulus 2, remainder 1);
    INSERT INTO even SELECT (array['sad', 'ok'])[1 + i % 2]::mood, 'n' || i FROM generate_series(1, 9) i;
    CREATE UNLOGGED TABLE unlogged AS SELECT i AS id FROM generate_series(1, 9) i;
    CREATE TABLE nothing ();
    INSERT INTO nothing SELECT FROM generate_series(1, 3);
    CREATE TABLE empty (id int);
    CREATE TABLE "Größe \ ""x""" ("Übel, ja" text, "select" int);
    INSERT INTO "Größe \ ""x""" VALUES ('ä', 1), (E'\\', 2);
    CREATE EXTENSION hstore;
    CREATE TABLE hstores (id int, h hstore);
    INSERT INTO hstores VALUES (1, 'a=>1');
    ALTER TABLE parted ENABLE ROW LEVEL SECURITY;
    ALTER TABLE parted FORCE ROW LEVEL SECURITY;
"#;

fn source(major: u32) -> Source {
    let source = Source::start(major);
    source.psql(
        "postgres",
        "create database shop; alter database shop set timezone = 'Europe/Berlin';
         alter database shop set lc_monetary = 'de_DE.iso88591'; alter database shop set bytea_output = 'escape';
         alter database shop set intervalstyle = 'sql_standard'; alter database shop set extra_float_digits = 0;
         alter database shop set datestyle = 'SQL, DMY'",
    );
    // Literals above are written in the styles of the standard session.
    let settings = "set datestyle = iso; set intervalstyle = postgres; set lc_monetary = 'C';";
    source.psql("shop", &format!("{settings} {TYPES}"));
    if major > 13 {
        source.psql("shop", NEWER_TYPES);
    }
    source.psql("shop", SHAPES);
    source
}

/// A cluster's folder with these dumps.
fn cluster(bench: &Bench, source: &Source, dumps: &[(String, Vec<u8>)]) -> String {
    bench.write("cluster/globals.sql", &source.globals());
    for (name, bytes) in dumps {
        bench.write(&format!("cluster/dumps/{name}"), bytes);
    }
    bench.path("cluster").to_str().unwrap().to_owned()
}

fn verified(bench: &Bench, backup: &str, major: u32) -> Ran {
    let image = image(major);
    let verify = ["verify", backup, "--restore-test", "--engine", "docker", "--content", "all"];
    bench.run(&[&verify[..], &["--image", &image]].concat())
}

fn content(ran: &Ran) -> &Value {
    &ran.scenario()["databases"][0]["content"]
}

fn not_tested(ran: &Ran) -> Vec<&str> {
    let sentences = ran.scenario()["not_tested"].as_array().unwrap();
    sentences.iter().map(|sentence| sentence.as_str().unwrap()).collect()
}

/// All values are the dump's; how many tables were compared, and how many cannot be.
fn same(ran: &Ran) -> BTreeMap<String, (u64, u64)> {
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.findings(), [], "{}", ran.text());
    let databases = ran.scenario()["databases"].as_array().unwrap();
    let facts = databases.iter().map(|database| {
        let content = &database["content"];
        assert_eq!(content["mode"], "all");
        let count = |key: &str| content[key].as_u64().unwrap();
        let name = database["name"].as_str().unwrap().to_owned();
        (name, (count("tables"), count("tables_not_comparable")))
    });
    facts.collect()
}

/// Of one major version, dumped in every format, and restored into the next version as well.
fn values_are_those_of_the_dump(major: u32, next: u32) {
    let source = source(major);
    let bench = Bench::new();
    let mut dumps = Vec::new();
    let mut last = "shop";
    for (name, extension, options) in [
        ("custom", "dump", &["-Fc"][..]),
        // Without it `lc_monetary` is not in the dump, and the server does not take its own money.
        ("plain", "sql", &["-Fp", "--create"]),
        ("archive", "tar", &["-Ft"]),
        ("root", "dump", &["-Fc", "--load-via-partition-root"]),
        ("root_plain", "sql", &["-Fp", "--create", "--load-via-partition-root"]),
    ] {
        source.psql("postgres", &format!("alter database {last} rename to {name}"));
        dumps.push((format!("{name}.{extension}"), source.dump(name, options)));
        last = name;
    }
    assert!(memchr::memmem::find(&dumps[1].1, b"2024-10-27 02:30:00+01").is_some());
    source.psql("postgres", &format!("alter database {last} rename to folder"));
    source.run("pg_dump -Fd -f /tmp/folder -h /tmp -U postgres folder", &[]);
    let backup = cluster(&bench, &source, &dumps);
    source.fetch("/tmp/folder", &bench.path("cluster/dumps/folder"));
    // `shapes` has no column with a canonical text. All partitions of `parted` are read as one table
    // where they go in by way of it, and their columns stand in two orders.
    let tables = if major > 13 { 21 } else { 20 };
    let (whole, by_root) = ((tables, 1), (tables - 3, 2));
    let expected = [
        ("archive", whole),
        ("custom", whole),
        ("folder", whole),
        ("plain", whole),
        ("root", by_root),
        ("root_plain", by_root),
    ];
    let expected = expected.map(|(name, facts)| (name.to_owned(), facts)).into();
    for into in BTreeSet::from([major, next]) {
        let ran = verified(&bench, &backup, into);
        assert_eq!(same(&ran), expected, "into {into}: {}", ran.text());
        let said = not_tested(&ran).join("\n");
        for part in ["custom: values in 1 table without a fingerprint", "public.shapes"] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(said.contains("public.arrays.d") && !said.contains("values in rows"), "{said}");
    }
}

#[test]
fn values_of_postgresql_13_are_those_of_the_dump_in_15_too() {
    values_are_those_of_the_dump(13, 15);
}

#[test]
fn values_of_postgresql_15_are_those_of_the_dump_in_17_too() {
    values_are_those_of_the_dump(15, 17);
}

#[test]
fn values_of_postgresql_17_are_those_of_the_dump() {
    values_are_those_of_the_dump(17, 17);
}

/// Names and values beyond ASCII, where statements are in another encoding than rows.
#[test]
fn values_in_other_encodings_are_those_of_the_dump() {
    let source = Source::start(15);
    let bench = Bench::new();
    let mut dumps = Vec::new();
    for (name, encoding) in [("latin", "LATIN1"), ("ascii", "SQL_ASCII"), ("euro", "WIN1252")] {
        let options =
            format!("template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'");
        source.psql("postgres", &format!("create database {name} {options}"));
        source.psql(
            name,
            r#"CREATE TABLE "Größe" ("Länge" text, at timestamptz);
               INSERT INTO "Größe" SELECT 'ä' || i, to_timestamp(i) FROM generate_series(1, 100) i"#,
        );
        dumps.push((format!("{name}.dump"), source.dump(name, &["-Fc"])));
        dumps.push((format!("{name}_plain.sql"), source.dump(name, &["-Fp"])));
    }
    let backup = cluster(&bench, &source, &dumps);
    let facts = same(&verified(&bench, &backup, 15));
    assert_eq!(facts.len(), 6);
    assert!(facts.values().all(|facts| *facts == (1, 0)), "{facts:?}");
}

/// Tables with `statement` run at the end of the restore.
fn damaged(statement: &str) -> String {
    plain_dump(&format!(
        "
CREATE TABLE public.items (id integer NOT NULL, name text, price numeric);
CREATE TABLE public.other (id integer NOT NULL);
CREATE TABLE public.ends (a money, \"B\" integer);

COPY public.items (id, name, price) FROM stdin;
1\tapple\t1.50
2\tpear\t2.50
3\t\\N\t0
\\.

COPY public.other (id) FROM stdin;
1
2
\\.

COPY public.ends (a, \"B\") FROM stdin;
$1.00\t1
\\.

CREATE FUNCTION public.damage() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    {statement};
END $$;
SELECT public.damage();
"
    ))
}

#[test]
fn other_values_in_as_many_rows_are_found() {
    let cases = [
        (
            "swapped between two rows",
            "UPDATE public.items SET name = CASE id WHEN 1 THEN 'pear' ELSE 'apple' END WHERE id < 3",
            Some("public.items"),
        ),
        ("one changed", "UPDATE public.items SET price = 2.51 WHERE id = 2", Some("public.items")),
        ("NULL to empty", "UPDATE public.items SET name = '' WHERE id = 3", Some("public.items")),
        (
            "one added, one removed",
            "DELETE FROM public.other WHERE id = 1; EXECUTE 'ins' || 'ert into public.other values (3)'",
            Some("public.other"),
        ),
        (
            "beside a column that is left out",
            "UPDATE public.ends SET \"B\" = 2",
            Some("public.ends"),
        ),
        ("the same in another order", "UPDATE public.items SET id = id WHERE id = 1", None),
    ];
    for (case, statement, table) in cases {
        let dump = damaged(statement);
        // Small databases are compared as a whole without being asked.
        let ran = on_both(|bench, engine| {
            bench.verify(&bench.write("shop.sql", dump.as_bytes()), engine)
        });
        let facts = content(&ran);
        assert_eq!(facts["mode"], "sampled", "{case}");
        assert_eq!(
            (facts["tables"].as_u64(), facts["rows"].as_u64()),
            (Some(4), Some(7)),
            "{case}"
        );
        let Some(table) = table else {
            assert_eq!(ran.code, Some(0), "{case}: {}", ran.text());
            continue;
        };
        assert_eq!(ran.code, Some(1), "{case}: {}", ran.text());
        assert_eq!(
            ran.findings(),
            [("content_differs".to_owned(), Some("shop".to_owned()))],
            "{case}"
        );
        let said = ran.text();
        let message = format!("1 table with as many rows as the dump, and other values: {table} (");
        assert!(said.contains(&message), "{case}: {said}");
        for value in ["apple", "pear", "2.51"] {
            assert!(!said.contains(value) && !ran.json.to_string().contains(value), "{case}");
        }
    }
}

/// Nothing is compared, and the report says so.
#[test]
fn without_content_rows_are_only_counted() {
    let dump = damaged("UPDATE public.items SET price = 2.51 WHERE id = 2");
    let bench = Bench::new();
    let path = bench.write("shop.sql", dump.as_bytes());
    let path = path.to_str().unwrap();
    for engine in ENGINES {
        let arguments = ["verify", path, "--restore-test", "--engine", engine, "--content", "none"];
        let ran = bench.run(&arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        assert_eq!(content(&ran)["tables"], 0);
        let sentence = "values in rows (`content: none`, their number is compared): shop";
        assert!(not_tested(&ran).contains(&sentence), "{}", ran.text());
    }
}

fn scenario(bench: &Bench, backup: &str, checks: &str) -> String {
    let yaml = format!("version: 1\nname: rows\nbackup: {{path: {backup}}}\nchecks:\n{checks}");
    let path = bench.write("rows.yaml", yaml.as_bytes());
    path.to_str().unwrap().to_owned()
}

fn checks(ran: &Ran) -> Vec<Value> {
    let checks = ran.scenario()["checks"].as_array().unwrap();
    let keys = ["name", "kind", "database", "outcome", "observed"];
    checks.iter().map(|check| keys.iter().map(|key| check[key].clone()).collect()).collect()
}

#[test]
fn a_check_of_rows_has_lines_of_its_own() {
    let ran = on_both(|bench, engine| {
        bench.write("shop.sql", damaged("NULL").as_bytes());
        let checks = "
  - rows: {name: all, databases: [shop], content: all}
  - rows: {name: gone, databases: [shop, 'app_*']}";
        bench.run(&["run", &scenario(bench, "shop.sql", checks), "--engine", engine])
    });
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(content(&ran)["mode"], "all");
    let observed = "4 tables with as many rows as the dump; the same values in 7 rows of 4 tables (46 B); 1 column left out";
    assert_eq!(
        checks(&ran),
        [
            json!(["all", "rows", "shop", "passed", observed]),
            json!([
                "gone",
                "rows",
                null,
                "failed",
                "the backup holds no database that matches `app_*`, or the scenario leaves it out"
            ]),
            json!(["gone", "rows", "shop", "passed", observed]),
        ]
    );

    // What the command line says wins.
    let bench = Bench::new();
    bench.write("shop.sql", damaged("DELETE FROM public.other WHERE id = 1").as_bytes());
    let file = scenario(&bench, "shop.sql", "  - rows: {name: all, content: all}");
    let ran = bench.run(&["run", &file, "--engine", "docker", "--content", "none"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(content(&ran)["mode"], "none");
    let lost = "1 table with another number of rows than in the dump: public.other (1 of 2)";
    assert_eq!(checks(&ran), [json!(["all", "rows", "shop", "failed", lost])]);

    // Nothing to look at is no pass.
    let empty = plain_dump("").replace("COPY public.t (id) FROM stdin;\n1\n\\.\n", "");
    bench.write("none.sql", empty.as_bytes());
    let file = scenario(&bench, "none.sql", "  - rows: {name: all}");
    let ran = bench.run(&["run", &file, "--engine", "docker"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let nothing = "nothing to look at: the dump has no table whose rows are counted";
    assert_eq!(checks(&ran), [json!(["all", "rows", "none", "failed", nothing])]);
}
