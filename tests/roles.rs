//! Roles, memberships, tablespaces and databases of a restored cluster, against what globals and the
//! databases' own entries say.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use support::{Bench, ENGINES, LOCAL_MAJOR, Ran, Source};

const ROLES: &str = r#"
create role app login createdb connection limit 7 password 'of nobody' valid until '2035-01-01 12:00:00+02';
create role "Staff's" noinherit;
create role boss createrole bypassrls;
comment on role app is E'the\\application''s';
alter role app set search_path = "$user", 'my "schema"', public;
alter role app set work_mem = '7MB';
alter role app set "app.tenant" = 'x, y';
alter role boss set temp_tablespaces = '';
grant "Staff's" to app with admin option;
grant pg_monitor to "Staff's";
create tablespace fast owner app location '/tmp/fast' with (random_page_cost = 1.5);
grant create on tablespace fast to boss with grant option;
revoke create on tablespace fast from app;
comment on tablespace fast is 'quick';
create database shop owner app connection limit 30;
create database bare;
alter database shop set work_mem = '9MB';
alter role app in database shop set jit = off;
grant connect, temp on database shop to boss with grant option;
revoke all on database shop from public;
comment on database shop is 'the shop''s';
"#;
const SINCE_15: &str =
    "grant set, alter system on parameter log_statement to boss with grant option";
const SINCE_16: &str = "grant boss to app with inherit false, set false;";
const SHOP: &str = "create table t (id int); insert into t values (1);";
/// The constraint's function runs when the dump is restored, and last did so on the source before the
/// setting was put right there.
const TREACHERY: &str = "create function public.treachery(i int) returns int language plpgsql as $f$ begin \
    execute 'alter database shop set work_mem = ''1MB'''; return i; end $f$; \
    alter table public.t add check (public.treachery(id) > 0); \
    alter database shop set work_mem = '9MB';";

/// A cluster folder of a major version with `globals.sql`, `shop.dump` and `bare.sql`, beside a second
/// `shop.dump` that changes its own database when it is restored. Made once.
fn cluster(major: u32) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("roles-v2-{major}"));
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if folder.join("done").exists() {
        return folder;
    }
    let source = Source::start(major);
    for statement in ROLES.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        source.psql("postgres", statement);
    }
    if major >= 15 {
        source.psql("postgres", SINCE_15);
    }
    if major >= 16 {
        source.psql("postgres", SINCE_16);
    }
    source.psql("shop", SHOP);
    source.psql("bare", SHOP);
    fs::create_dir_all(folder.join("cluster/dumps")).unwrap();
    fs::write(folder.join("cluster/globals.sql"), source.globals()).unwrap();
    fs::write(folder.join("cluster/dumps/shop.dump"), source.dump("shop", &["-Fc"])).unwrap();
    fs::write(folder.join("cluster/dumps/bare.sql"), source.dump("bare", &[])).unwrap();
    source.psql("shop", TREACHERY);
    fs::write(folder.join("treacherous.dump"), source.dump("shop", &["-Fc"])).unwrap();
    fs::write(folder.join("done"), "").unwrap();
    folder
}

/// The cluster in a folder of its own, with statements at the end of its plain dump.
fn copied(bench: &Bench, major: u32, appended: &str) -> PathBuf {
    let cluster = cluster(major).join("cluster");
    for name in ["globals.sql", "dumps/shop.dump", "dumps/bare.sql"] {
        let mut bytes = fs::read(cluster.join(name)).unwrap();
        if name.ends_with("bare.sql") {
            let text = String::from_utf8(bytes).unwrap();
            let (body, end) = text.rsplit_once("--\n-- PostgreSQL database dump complete").unwrap();
            bytes =
                format!("{body}{appended}\n\n--\n-- PostgreSQL database dump complete{end}").into();
        }
        bench.write(&format!("cluster/{name}"), &bytes);
    }
    bench.path("cluster")
}

fn run(bench: &Bench, engine: &str, server: u32) -> Ran {
    let scenario = format!(
        "version: 1\nname: roles\nbackup: {{path: cluster}}\npostgres: {{version: {server}}}\n\
         checks:\n  - roles: {{name: who is there}}\n"
    );
    bench.write("roles.yaml", scenario.as_bytes());
    bench.run(&["run", "roles.yaml", "--engine", engine])
}

fn check(ran: &Ran) -> (String, String) {
    let check = &ran.scenario()["checks"][0];
    assert_eq!(check["kind"], "roles", "{}", ran.text());
    assert!(check["database"].is_null());
    let text = |key: &str| check[key].as_str().unwrap().to_owned();
    (text("outcome"), text("observed"))
}

fn engines(server: u32) -> impl Iterator<Item = &'static str> {
    ENGINES.into_iter().filter(move |engine| *engine == "docker" || server == LOCAL_MAJOR)
}

fn undamaged_passes(major: u32, server: u32) {
    for engine in engines(server) {
        let bench = Bench::new();
        copied(&bench, major, "");
        let ran = run(&bench, engine, server);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        assert_eq!(ran.verdict(), "restorable", "{}", ran.text());
        let grants = if major >= 16 { 3 } else { 2 };
        let extent = format!("4 roles, {grants} memberships, 1 tablespace as globals say");
        assert_eq!(check(&ran), ("passed".to_owned(), extent), "{}", ran.text());
        assert!(!ran.text().contains("SCRAM-SHA-256$") && !ran.json.to_string().contains("md5"));
    }
}

#[test]
fn postgresql_13_passes_on_13_and_15() {
    undamaged_passes(13, 13);
    undamaged_passes(13, 15);
}

#[test]
fn postgresql_15_passes_on_15_and_17() {
    undamaged_passes(15, 15);
    undamaged_passes(15, 17);
}

#[test]
fn postgresql_17_passes() {
    undamaged_passes(17, 17);
}

/// What a dump does to the cluster beside its own database.
const DAMAGE: [(&str, &str, &str); 7] = [
    ("alter role app nologin;", "role_differs", "role app: NOLOGIN"),
    ("alter role boss set work_mem = '1MB';", "role_differs", "role boss: setting work_mem"),
    ("create role extra;", "role_differs", "role extra, which globals do not create"),
    ("comment on role boss is 'x';", "role_differs", "role boss: setting work_mem, comment"),
    ("grant boss to \"Staff's\";", "membership_differs", "Staff's in boss, which globals do not"),
    (
        "revoke pg_monitor from \"Staff's\";",
        "membership_differs",
        "Staff's in pg_monitor is missing",
    ),
    ("alter tablespace fast owner to boss;", "tablespace_differs", "tablespace fast: owner"),
];

fn damage_is_named(major: u32) {
    let all: Vec<&str> = DAMAGE.iter().map(|(statement, _, _)| *statement).collect();
    let all = all.join("\n");
    for engine in engines(major) {
        let bench = Bench::new();
        copied(&bench, major, &all);
        let ran = run(&bench, engine, major);
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        let scenario = ran.scenario();
        let findings = scenario["findings"].as_array().unwrap();
        let (outcome, observed) = check(&ran);
        assert_eq!(outcome, "failed", "{}", ran.text());
        for (statement, code, said) in DAMAGE {
            let is_said = findings.iter().any(|finding| {
                finding["code"] == code && finding["message"].as_str().unwrap().contains(said)
            });
            // Two changes of one role stand in one phrase.
            assert!(is_said || observed.contains(said), "{statement}: {}", ran.text());
        }
        // Whoever changes a role that another dump needs is found where it happens, too.
        assert!(ran.has("server_altered", Some("bare")), "{}", ran.text());
    }
}

#[test]
fn damage_is_named_on_postgresql_13() {
    damage_is_named(13);
}

#[test]
fn damage_is_named_on_postgresql_15() {
    damage_is_named(15);
}

#[test]
fn damage_is_named_on_postgresql_17() {
    damage_is_named(17);
}

/// What nothing but the comparison would see.
#[test]
fn a_grant_alone_makes_a_backup_bad() {
    for (statement, code) in [
        ("grant boss to \"Staff's\";", "membership_differs"),
        ("grant create on tablespace fast to public;", "tablespace_differs"),
        ("grant set on parameter work_mem to app;", "role_differs"),
    ] {
        let bench = Bench::new();
        copied(&bench, 15, statement);
        let ran = run(&bench, "local", 15);
        assert_eq!(ran.code, Some(1), "{statement}: {}", ran.text());
        let codes: BTreeSet<String> = ran.findings().into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [code.to_owned()].into(), "{statement}: {}", ran.text());
    }
}

fn a_database_that_is_not_as_its_entries_say_fails(major: u32) {
    let bench = Bench::new();
    copied(&bench, major, "");
    let treacherous = fs::read(cluster(major).join("treacherous.dump")).unwrap();
    bench.write("cluster/dumps/shop.dump", &treacherous);
    for engine in engines(major) {
        let ran = run(&bench, engine, major);
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        assert_eq!(ran.outcomes()["shop"], "failed", "{}", ran.text());
        let found = ran.findings();
        let code = ("database_differs".to_owned(), Some("shop".to_owned()));
        assert_eq!(found, [code], "{}", ran.text());
        assert!(ran.text().contains("setting work_mem"), "{}", ran.text());
        assert_eq!(check(&ran).0, "passed", "{}", ran.text());
    }
}

#[test]
fn a_database_that_changes_itself_is_found_on_postgresql_13() {
    a_database_that_is_not_as_its_entries_say_fails(13);
}

#[test]
fn a_database_that_changes_itself_is_found_on_postgresql_15() {
    a_database_that_is_not_as_its_entries_say_fails(15);
}

#[test]
fn a_database_that_changes_itself_is_found_on_postgresql_17() {
    a_database_that_is_not_as_its_entries_say_fails(17);
}

/// What a `DO` block does is part of what globals say, and not known.
#[test]
fn a_statement_that_is_not_understood_leaves_roles_open() {
    let bench = Bench::new();
    copied(&bench, 15, "");
    let globals = fs::read_to_string(bench.path("cluster/globals.sql")).unwrap();
    let (head, end) = globals.rsplit_once("--\n-- PostgreSQL database cluster dump").unwrap();
    let block = "DO $$ begin execute 'create role made'; end $$;";
    let globals = format!("{head}{block}\n\n--\n-- PostgreSQL database cluster dump{end}");
    bench.write("cluster/globals.sql", globals.as_bytes());
    let ran = run(&bench, "local", 15);
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    let (outcome, observed) = check(&ran);
    assert_eq!(outcome, "errored", "{}", ran.text());
    assert!(observed.contains("DO (1)") && observed.contains("role made"), "{observed}");
    assert!(ran.findings().is_empty(), "{}", ran.text());
    // Without the check it stands among what was not tested.
    let ran = bench.verify(&bench.path("cluster"), "local");
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert!(ran.scenario()["not_tested"].to_string().contains("DO (1)"), "{}", ran.text());
}

#[test]
fn globals_without_passwords_are_said_and_a_single_dump_has_none() {
    let bench = Bench::new();
    copied(&bench, 15, "");
    let globals = fs::read_to_string(bench.path("cluster/globals.sql")).unwrap();
    let bare: Vec<&str> = globals
        .lines()
        .map(|line| line.split_once(" PASSWORD '").map_or(line, |(before, _)| before))
        .collect();
    let bare = bare.join("\n").replace("CONNECTION LIMIT 7\n", "CONNECTION LIMIT 7;\n");
    bench.write("cluster/globals.sql", bare.as_bytes());
    let ran = run(&bench, "local", 15);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert!(ran.scenario()["not_tested"].to_string().contains("no-role-passwords"));
    let dump = fs::read(cluster(15).join("cluster/dumps/shop.dump")).unwrap();
    bench.write("shop.dump", &dump);
    let scenario =
        "version: 1\nname: one\nbackup: {path: shop.dump}\nchecks:\n  - roles: {name: who}\n";
    bench.write("one.yaml", scenario.as_bytes());
    let ran = bench.run(&["run", "one.yaml", "--engine", "local"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let said = "the backup holds no globals: it makes no roles".to_owned();
    assert_eq!(check(&ran), ("failed".to_owned(), said), "{}", ran.text());
}
