//! Structure: every kind of object that a dump lists, damaged after its restore, and undamaged.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "the table of damages is shown")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use support::{Bench, LOCAL_MAJOR, Layout, Ran, Source, image, members, tar};

const DAMAGED: &str = include_str!("fixtures/damaged.sql");
const OBJECTS: &str = include_str!("fixtures/objects.sql");

/// What is damaged, with which statement, and what must be said of which object.
const DAMAGE: &[(&str, &str, &str, &str)] = &[
    ("nothing", "", "", ""),
    ("table dropped", "DROP TABLE app.extra", "object_missing", "TABLE app.extra"),
    (
        "column dropped",
        "ALTER TABLE app.t DROP COLUMN lost",
        "definition_differs",
        "column lost is missing",
    ),
    (
        "column added",
        "ALTER TABLE app.t ADD COLUMN won int",
        "definition_differs",
        "column won is new",
    ),
    (
        "column of another type",
        "ALTER TABLE app.t ALTER COLUMN lost TYPE bigint",
        "definition_differs",
        "column lost has another type",
    ),
    (
        "NOT NULL dropped",
        "ALTER TABLE app.t ALTER COLUMN code DROP NOT NULL",
        "definition_differs",
        "column code lost NOT NULL",
    ),
    (
        "default dropped",
        "ALTER TABLE app.t ALTER COLUMN price DROP DEFAULT",
        "definition_differs",
        "column price lost its default",
    ),
    (
        "default changed",
        "ALTER TABLE app.t ALTER COLUMN code SET DEFAULT 'b'",
        "definition_differs",
        "column code has another default",
    ),
    (
        "serial's default dropped",
        "ALTER TABLE app.t ALTER COLUMN id DROP DEFAULT",
        "object_missing",
        "DEFAULT app.t id",
    ),
    (
        "identity dropped",
        "ALTER TABLE app.u ALTER COLUMN n DROP IDENTITY",
        "object_missing",
        "SEQUENCE app.u_n_seq",
    ),
    (
        "generation dropped",
        "ALTER TABLE app.t ALTER COLUMN twice DROP EXPRESSION",
        "definition_differs",
        "column twice lost its default",
    ),
    (
        "inline constraint dropped",
        "ALTER TABLE app.t DROP CONSTRAINT t_state_check",
        "definition_differs",
        "constraint t_state_check is missing",
    ),
    (
        "constraint not validated",
        "ALTER TABLE app.u DROP CONSTRAINT to_t; ALTER TABLE app.u ADD CONSTRAINT to_t FOREIGN KEY (t) REFERENCES app.t NOT VALID",
        "definition_differs",
        "FK CONSTRAINT app.u to_t (it is not validated)",
    ),
    (
        "foreign key dropped",
        "ALTER TABLE app.u DROP CONSTRAINT to_t",
        "object_missing",
        "FK CONSTRAINT app.u to_t",
    ),
    (
        "unique constraint dropped",
        "ALTER TABLE app.u DROP CONSTRAINT u_t_key",
        "object_missing",
        "CONSTRAINT app.u u_t_key",
    ),
    (
        "storage changed",
        "ALTER TABLE app.t ALTER COLUMN code SET STORAGE PLAIN",
        "definition_differs",
        "TABLE app.t",
    ),
    (
        "made logged",
        "ALTER TABLE app.fleeting SET LOGGED",
        "definition_differs",
        "TABLE app.fleeting",
    ),
    ("index dropped", "DROP INDEX app.by_code", "object_missing", "INDEX app.by_code"),
    (
        "index of another column",
        "DROP INDEX app.by_price; CREATE INDEX by_price ON app.t (lost)",
        "definition_differs",
        "INDEX app.by_price",
    ),
    (
        "index invalid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.by_price'::regclass",
        "definition_differs",
        "INDEX app.by_price",
    ),
    ("statistics dropped", "DROP STATISTICS app.stats", "object_missing", "STATISTICS app.stats"),
    (
        "partition detached",
        "ALTER TABLE app.parted DETACH PARTITION app.parted_1",
        "object_missing",
        "TABLE ATTACH app.parted_1",
    ),
    (
        "inheritance ended",
        "ALTER TABLE app.child NO INHERIT app.parent",
        "definition_differs",
        "TABLE app.child",
    ),
    ("sequence's value", "PERFORM setval('app.counter', 3)", "sequence_differs", "app.counter"),
    ("sequence's mark", "PERFORM setval('app.fresh', 1, true)", "sequence_differs", "app.fresh"),
    (
        "sequence's step",
        "ALTER SEQUENCE app.counter INCREMENT 7",
        "definition_differs",
        "SEQUENCE app.counter",
    ),
    (
        "sequence's column",
        "ALTER SEQUENCE app.t_id_seq OWNED BY NONE",
        "object_missing",
        "SEQUENCE OWNED BY app.t_id_seq",
    ),
    (
        "view replaced",
        "CREATE OR REPLACE VIEW app.v AS SELECT id, code FROM app.t WHERE state = 'old'",
        "definition_differs",
        "VIEW app.v",
    ),
    ("view dropped", "DROP VIEW app.v", "object_missing", "VIEW app.v"),
    (
        "materialized view emptied",
        "REFRESH MATERIALIZED VIEW app.m WITH NO DATA",
        "not_populated",
        "app.m",
    ),
    (
        "function replaced",
        "CREATE OR REPLACE FUNCTION app.f(a int) RETURNS int LANGUAGE sql AS 'select 2'",
        "definition_differs",
        "FUNCTION app.f(integer)",
    ),
    ("function dropped", "DROP FUNCTION app.f(int)", "object_missing", "FUNCTION app.f(integer)"),
    ("procedure dropped", "DROP PROCEDURE app.p()", "object_missing", "PROCEDURE app.p()"),
    ("trigger dropped", "DROP TRIGGER g ON app.t", "object_missing", "TRIGGER app.t g"),
    (
        "trigger disabled",
        "ALTER TABLE app.t DISABLE TRIGGER g",
        "definition_differs",
        "TRIGGER app.t g",
    ),
    ("rule dropped", "DROP RULE r ON app.u", "object_missing", "RULE app.u r"),
    ("rule disabled", "ALTER TABLE app.u DISABLE RULE r", "definition_differs", "RULE app.u r"),
    ("policy dropped", "DROP POLICY pol ON app.u", "object_missing", "POLICY app.u pol"),
    (
        "policy changed",
        "ALTER POLICY pol ON app.u USING (id > 1)",
        "definition_differs",
        "POLICY app.u pol",
    ),
    (
        "row security off",
        "ALTER TABLE app.u DISABLE ROW LEVEL SECURITY",
        "object_missing",
        "ROW SECURITY app.u",
    ),
    ("enum's value", "ALTER TYPE app.mood ADD VALUE 'new'", "definition_differs", "TYPE app.mood"),
    ("type dropped", "DROP TYPE app.pair", "object_missing", "TYPE app.pair"),
    (
        "domain's constraint",
        "ALTER DOMAIN app.positive DROP CONSTRAINT positive_check",
        "definition_differs",
        "DOMAIN app.positive",
    ),
    (
        "aggregate dropped",
        "DROP AGGREGATE app.agg (int)",
        "object_missing",
        "AGGREGATE app.agg(integer)",
    ),
    ("operator dropped", "DROP OPERATOR app.=== (int, int)", "object_missing", "OPERATOR app.==="),
    (
        "operator class dropped",
        "DROP OPERATOR CLASS app.backwards USING btree",
        "object_missing",
        "OPERATOR CLASS app.backwards",
    ),
    (
        "cast dropped",
        "DROP CAST (app.mood AS int)",
        "object_missing",
        "CAST CAST (app.mood AS integer)",
    ),
    ("collation dropped", "DROP COLLATION app.plain", "object_missing", "COLLATION app.plain"),
    ("conversion dropped", "DROP CONVERSION app.conv", "object_missing", "CONVERSION app.conv"),
    (
        "dictionary dropped",
        "DROP TEXT SEARCH DICTIONARY app.dict",
        "object_missing",
        "TEXT SEARCH DICTIONARY app.dict",
    ),
    (
        "configuration's mapping",
        "ALTER TEXT SEARCH CONFIGURATION app.conf DROP MAPPING FOR email",
        "definition_differs",
        "TEXT SEARCH CONFIGURATION app.conf",
    ),
    (
        "parser dropped",
        "DROP TEXT SEARCH PARSER app.pars",
        "object_missing",
        "TEXT SEARCH PARSER app.pars",
    ),
    (
        "template dropped",
        "DROP TEXT SEARCH TEMPLATE app.temp",
        "object_missing",
        "TEXT SEARCH TEMPLATE app.temp",
    ),
    (
        "access method dropped",
        "DROP ACCESS METHOD second",
        "object_missing",
        "ACCESS METHOD second",
    ),
    (
        "transform dropped",
        "DROP TRANSFORM FOR public.hstore LANGUAGE sql",
        "object_missing",
        "TRANSFORM TRANSFORM FOR public.hstore LANGUAGE sql",
    ),
    ("extension dropped", "DROP EXTENSION citext", "object_missing", "EXTENSION citext"),
    (
        "wrapper dropped",
        "DROP FOREIGN DATA WRAPPER wrap",
        "object_missing",
        "FOREIGN DATA WRAPPER wrap",
    ),
    (
        "server's option",
        "ALTER SERVER srv OPTIONS (SET host 'elsewhere.invalid')",
        "definition_differs",
        "SERVER srv",
    ),
    (
        "user mapping dropped",
        "DROP USER MAPPING FOR alice SERVER srv",
        "object_missing",
        "USER MAPPING USER MAPPING alice SERVER srv",
    ),
    (
        "foreign table's option",
        "ALTER FOREIGN TABLE app.far OPTIONS (SET table_name 'z')",
        "definition_differs",
        "FOREIGN TABLE app.far",
    ),
    ("publication dropped", "DROP PUBLICATION pub", "object_missing", "PUBLICATION pub"),
    (
        "publication's table",
        "ALTER PUBLICATION pub DROP TABLE app.u",
        "object_missing",
        "PUBLICATION TABLE app.pub u",
    ),
    (
        "event trigger dropped",
        "DROP EVENT TRIGGER watcher",
        "object_missing",
        "EVENT TRIGGER watcher",
    ),
    (
        "event trigger disabled",
        "ALTER EVENT TRIGGER watcher DISABLE",
        "definition_differs",
        "EVENT TRIGGER watcher",
    ),
    (
        "comment dropped",
        "COMMENT ON COLUMN app.t.price IS NULL",
        "object_missing",
        "COMMENT COLUMN t.price in app",
    ),
    (
        "comment changed",
        "COMMENT ON SCHEMA app IS 'other'",
        "definition_differs",
        "COMMENT SCHEMA app",
    ),
    (
        "table's owner",
        "ALTER TABLE app.t OWNER TO bob",
        "owner_differs",
        "TABLE app.t (bob instead of alice)",
    ),
    (
        "function's owner",
        "ALTER FUNCTION app.trg() OWNER TO bob",
        "owner_differs",
        "FUNCTION app.trg() (bob instead of alice)",
    ),
    (
        "schema's owner",
        "ALTER SCHEMA app OWNER TO bob",
        "owner_differs",
        "SCHEMA app (bob instead of alice)",
    ),
    (
        "privilege revoked",
        "REVOKE SELECT ON app.t FROM carol",
        "object_missing",
        "ACL TABLE t in app",
    ),
    (
        "column's privilege revoked",
        "REVOKE UPDATE (code) ON app.t FROM carol",
        "object_missing",
        "ACL COLUMN t.code in app",
    ),
    ("privilege won", "GRANT DELETE ON app.t TO carol", "acl_differs", "ACL TABLE t in app"),
    (
        "privilege handed on",
        "GRANT SELECT ON app.t TO carol WITH GRANT OPTION",
        "acl_differs",
        "ACL TABLE t in app",
    ),
    (
        "privilege of another table",
        "GRANT SELECT ON app.u TO PUBLIC",
        "acl_differs",
        "ACL TABLE u in app (granted, and not in the dump)",
    ),
    (
        "function opened",
        "GRANT EXECUTE ON FUNCTION app.f(int) TO PUBLIC",
        "object_missing",
        "ACL FUNCTION f(a integer) in app",
    ),
    (
        "default privileges dropped",
        "ALTER DEFAULT PRIVILEGES FOR ROLE alice IN SCHEMA app REVOKE SELECT ON TABLES FROM carol",
        "object_missing",
        "DEFAULT ACL app.DEFAULT PRIVILEGES FOR TABLES",
    ),
    ("large object dropped", "PERFORM lo_unlink(7001)", "object_missing", "BLOB 7001"),
    (
        "large object's owner",
        "ALTER LARGE OBJECT 7001 OWNER TO bob",
        "owner_differs",
        "BLOB 7001 (bob instead of alice)",
    ),
    (
        "large object's privilege",
        "REVOKE SELECT ON LARGE OBJECT 7002 FROM carol",
        "acl_differs",
        "BLOB 7002",
    ),
    (
        "large object opened",
        "GRANT SELECT ON LARGE OBJECT 7001 TO PUBLIC",
        "acl_differs",
        "BLOB 7001",
    ),
    (
        "table added",
        "CREATE TABLE app.surprise (id int)",
        "object_unexpected",
        "TABLE app.surprise",
    ),
];

/// What runs during a restore only, and with the rights of a superuser.
fn damage(sql: &str) -> String {
    let quoted = sql.split("; ").fold(String::new(), |mut all, one| {
        match one {
            "" => {}
            one if one.starts_with("PERFORM") => _ = write!(all, "{one};"),
            one => _ = write!(all, "EXECUTE $sql${one}$sql$;"),
        }
        all
    });
    format!(
        "CREATE OR REPLACE FUNCTION app.damage() RETURNS int LANGUAGE plpgsql AS $do$ BEGIN
            IF current_setting('application_name') = 'pgdrill_restore' THEN {quoted} END IF;
            RETURN 0; END $do$;"
    )
}

fn database(index: usize) -> String {
    format!("d{index:02}")
}

/// A cluster with one database for each damage.
fn damaged_cluster(major: u32, format: &str, extension: &str) -> tempfile::TempDir {
    let source = Source::start(major);
    source.psql(
        "postgres",
        "create role alice; create role bob; create role carol; create database base",
    );
    source.psql("base", DAMAGED);
    let folder = tempfile::tempdir().unwrap();
    let dumps = folder.path().join("dumps");
    std::fs::create_dir_all(&dumps).unwrap();
    let mut last = "base".to_owned();
    for (index, (_, sql, ..)) in DAMAGE.iter().enumerate() {
        // A dump says which database it is of.
        let name = database(index);
        source.psql("postgres", &format!("alter database {last} rename to {name}"));
        source.psql(&name, &damage(sql));
        let dump = source.dump(&name, &[format]);
        std::fs::write(dumps.join(format!("{name}.{extension}")), dump).unwrap();
        last = name;
    }
    std::fs::write(folder.path().join("globals.sql"), source.globals()).unwrap();
    folder
}

/// Every finding of a database: code and message.
fn said(ran: &Ran) -> BTreeMap<String, Vec<(String, String)>> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let databases = ran.scenario()["databases"].as_array().unwrap().clone();
    databases
        .iter()
        .map(|database| {
            let found = database["findings"].as_array().unwrap().iter();
            let found = found.map(|one| (text(&one["code"]), text(&one["message"]))).collect();
            (text(&database["name"]), found)
        })
        .collect()
}

/// Runs a cluster of damaged databases; returns one line for each damage.
fn table(folder: &Path, engine: &str, major: u32) -> Vec<String> {
    let bench = Bench::new();
    let archive = bench.write("cluster_20260130_021011.tar", &tar(&members(folder, Layout::V4)));
    // With several jobs the damage may come before what it damages.
    let backup = archive.to_str().unwrap();
    let ran = bench.run(&["verify", backup, "--restore-test", "--engine", engine, "--jobs", "1"]);
    let said = said(&ran);
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (index, (what, _, code, object)) in DAMAGE.iter().enumerate() {
        let found = &said[&database(index)];
        let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
        let is_right = if code.is_empty() {
            found.is_empty()
        } else {
            // pg_dump before 14 has no entry for it.
            let behind = "TABLE app.parted_1 (it is no partition any more)";
            let is_behind = *what == "partition detached" && major < 14;
            let (code, object) =
                if is_behind { (&"definition_differs", &behind) } else { (code, object) };
            found.iter().any(|(one, message)| one == code && message.contains(object))
        };
        lines.push(format!("{what}: {}", codes.join(" ")));
        if !is_right {
            wrong.push(format!("{what}: wanted {code} of {object}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{engine}:\n{}\n{}", wrong.join("\n"), ran.text());
    lines
}

fn shown(title: &str, lines: &[String]) {
    println!("\n{title}\n{}", lines.join("\n"));
}

#[test]
fn each_damage_has_its_finding_on_postgresql_13() {
    let folder = damaged_cluster(13, "-Fc", "dump");
    shown("docker, 13", &table(folder.path(), "docker", 13));
}

#[test]
fn each_damage_has_its_finding_on_postgresql_15() {
    let folder = damaged_cluster(15, "-Fc", "dump");
    shown("docker, 15", &table(folder.path(), "docker", 15));
}

#[test]
fn each_damage_has_its_finding_on_local_programs() {
    let folder = damaged_cluster(LOCAL_MAJOR, "-Fc", "dump");
    shown("local, 15", &table(folder.path(), "local", LOCAL_MAJOR));
}

#[test]
fn each_damage_of_a_plain_dump_has_its_finding() {
    let folder = damaged_cluster(LOCAL_MAJOR, "-Fp", "sql");
    shown("local, 15, plain", &table(folder.path(), "local", LOCAL_MAJOR));
}

#[test]
fn each_damage_has_its_finding_on_postgresql_17() {
    let folder = damaged_cluster(17, "-Fc", "dump");
    shown("docker, 17", &table(folder.path(), "docker", 17));
}

/// A server in another time zone, with more than 400 objects of every kind.
fn many_objects(major: u32) -> Source {
    let source = Source::start(major);
    source.psql(
        "postgres",
        "create role app_owner; create role \"Report User\"; create role reader; create database shop owner app_owner;
         alter database shop set timezone = 'Europe/Berlin'",
    );
    source.psql("shop", OBJECTS);
    source
}

fn sound(bench: &Bench, backup: &Path, engine: &str, image: Option<&str>) -> Ran {
    let mut args = vec!["verify", backup.to_str().unwrap(), "--restore-test", "--engine", engine];
    if let Some(image) = image {
        args.extend(["--image", image]);
    }
    let ran = bench.run(&args);
    assert_eq!(ran.code, Some(0), "{} {engine} {image:?}: {}", backup.display(), ran.text());
    for database in ran.scenario()["databases"].as_array().unwrap() {
        assert_eq!(database["findings"].as_array().unwrap().len(), 0, "{database}");
        assert_eq!(database["entries"]["failed_count"], 0);
    }
    let entries = &ran.scenario()["databases"][0]["entries"];
    let restored = entries["restored"].as_u64().unwrap();
    assert!(restored > 400, "{}: {entries}", backup.display());
    let total = &entries["total"];
    println!("{} {engine} {image:?}: {restored} of {total}", backup.display());
    ran
}

fn many_objects_are_found_as_they_were(major: u32, next: Option<u32>) {
    let source = many_objects(major);
    let bench = Bench::new();
    let write = |name: &str, options: &[&str]| bench.write(name, &source.dump("shop", options));
    source.run("pg_dump -h /tmp -U postgres -Fd -f /tmp/shop shop", &[]);
    source.fetch("/tmp/shop", &bench.path("shop"));
    let files: Vec<PathBuf> =
        vec![write("shop.dump", &["-Fc"]), write("shop.sql", &["-Fp"]), bench.path("shop")];
    let newer = next.map(image);
    for file in &files {
        sound(&bench, file, "docker", None);
        if let Some(newer) = &newer {
            let ran = sound(&bench, file, "docker", Some(newer));
            assert!(ran.scenario()["not_tested"].to_string().contains("are written otherwise"));
        }
        if major == LOCAL_MAJOR {
            sound(&bench, file, "local", None);
        }
    }
}

#[test]
fn many_objects_of_postgresql_13_are_as_they_were_on_13_and_15() {
    many_objects_are_found_as_they_were(13, Some(15));
}

#[test]
fn many_objects_of_postgresql_15_are_as_they_were_on_15_and_17() {
    many_objects_are_found_as_they_were(15, Some(17));
}

#[test]
fn many_objects_of_postgresql_17_are_as_they_were() {
    many_objects_are_found_as_they_were(17, None);
}

/// Options of `pg_dump` that change how entries are written, or which.
#[test]
fn no_option_of_pg_dump_makes_a_difference_of_its_own() {
    let source = many_objects(LOCAL_MAJOR);
    let bench = Bench::new();
    let options: &[(&str, &[&str])] = &[
        ("no_owner.sql", &["-Fp", "--no-owner"]),
        ("no_acl.sql", &["-Fp", "--no-acl"]),
        ("no_parts.dump", &["-Fc", "--no-comments", "--no-publications", "--no-subscriptions"]),
        ("quoted.dump", &["-Fc", "--quote-all-identifiers"]),
        ("quoted.sql", &["-Fp", "--quote-all-identifiers"]),
        ("quotes.sql", &["-Fp", "--disable-dollar-quoting"]),
        ("inserts.sql", &["-Fp", "--inserts"]),
        ("create.sql", &["-Fp", "--create", "--clean"]),
        ("create.dump", &["-Fc", "--create", "--clean"]),
        ("schema.dump", &["-Fc", "--schema-only"]),
        ("pre_data.sql", &["-Fp", "--section=pre-data", "--section=data"]),
        ("encoding.dump", &["-Fc", "--encoding=SQL_ASCII"]),
        ("shop.tar", &["-Ft"]),
    ];
    for (name, options) in options {
        sound(&bench, &bench.write(name, &source.dump("shop", options)), "local", None);
    }
    // A part of it: nothing that is missing was asked for.
    let part = ["-Fc", "-t", "public.\"table 1\"", "-t", "public.\"table 2\""];
    let ran = bench.verify(&bench.write("part.dump", &source.dump("shop", &part)), "local");
    assert_eq!((ran.code, ran.findings()), (Some(0), Vec::new()), "{}", ran.text());
    let all = source.output(&["pg_dumpall", "-h", "/tmp", "-U", "postgres"]);
    let ran = bench.verify(&bench.write("all.sql", &all), "local");
    assert_eq!((ran.code, ran.findings()), (Some(0), Vec::new()), "{}", ran.text());
}

#[test]
fn the_check_says_it_of_each_database() {
    let source = many_objects(LOCAL_MAJOR);
    let bench = Bench::new();
    bench.write("shop.dump", &source.dump("shop", &["-Fc"]));
    let yaml = "version: 1\nname: structure\nbackup: {path: shop.dump}\nchecks:\n  - structure: {name: all there}\n  \
                - structure: {name: no such, databases: [tenant_*]}\n";
    let file = bench.write("structure.yaml", yaml.as_bytes());
    let ran = bench.run(&["run", file.to_str().unwrap(), "--engine", "local"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let checks = ran.scenario()["checks"].as_array().unwrap();
    assert_eq!(checks[0]["outcome"], "passed", "{}", checks[0]);
    assert_eq!(checks[0]["database"], "shop");
    assert!(checks[0]["observed"].as_str().unwrap().contains("0 failed"), "{}", checks[0]);
    assert_eq!(checks[1]["outcome"], "failed", "{}", checks[1]);
}
