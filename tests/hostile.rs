//! Dumps that attack the sandbox: each is contained on both engines, and said to be what it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and tells its row of the table"
)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use support::{Bench, ENGINES, Ran, docker, image, plain_dump as dump};

/// What every attack would leave on the machine if it got out.
const TRACE: &str = "/tmp/pgdrill_escape";

/// SQL that runs a shell command without saying so in a statement of the dump.
fn program(command: &str) -> String {
    let copy = format!("copy (select 1) to program '{}'", command.replace('\'', "''"));
    format!("DO $x$ begin execute $y${copy}$y$; end $x$;")
}

/// What is to come of an attack.
struct Expected {
    exit: i32,
    verdict: &'static str,
    /// The finding, notices included.
    finding: &'static str,
}

const fn expected(exit: i32, verdict: &'static str, finding: &'static str) -> Expected {
    Expected { exit, verdict, finding }
}

fn all_findings(ran: &Ran) -> Vec<String> {
    let scenario = ran.scenario();
    let own = scenario["findings"].as_array().cloned().unwrap_or_default();
    let databases = scenario["databases"].as_array().cloned().unwrap_or_default();
    let of = databases.iter().flat_map(|d| d["findings"].as_array().cloned().unwrap_or_default());
    own.into_iter().chain(of).map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

fn attack(name: &str, sql: &str, keys: &str, expected: &Expected) {
    for engine in ENGINES {
        attack_on(engine, name, sql, keys, expected);
    }
}

fn attack_on(engine: &str, name: &str, sql: &str, keys: &str, expected: &Expected) -> Ran {
    let bench = Bench::new();
    bench.write("hostile.sql", dump(sql).as_bytes());
    let scenario = format!("version: 1\nname: hostile\nbackup: {{path: hostile.sql}}\n{keys}");
    bench.write("hostile.yaml", scenario.as_bytes());
    let ran = bench.run(&["run", "hostile.yaml", "--engine", engine]);
    judge(name, engine, &ran, expected);
    ran
}

fn judge(name: &str, engine: &str, ran: &Ran, expected: &Expected) {
    let findings = all_findings(ran);
    // The table of the record: `cargo nextest run --test hostile --success-output final`.
    println!(
        "| {name} | {engine} | {} | {} | {:?} |",
        findings.join(", "),
        ran.verdict(),
        ran.code
    );
    assert!(findings.iter().any(|code| code == expected.finding), "{findings:?}\n{}", ran.text());
    assert_eq!(ran.verdict(), expected.verdict, "{}", ran.text());
    assert_eq!(ran.code, Some(expected.exit), "{}", ran.text());
    let scenario = ran.scenario();
    assert_eq!(scenario["cleanup"]["complete"], true, "{}", ran.text());
    if !scenario["engine"].is_null() {
        let isolation = &scenario["engine"]["isolation"];
        assert_eq!(isolation["network_isolated"], true, "{isolation}");
        assert_eq!(isolation["missing"].as_array().unwrap().len(), 0, "{isolation}");
    }
    assert!(!Path::new(TRACE).exists());
}

#[test]
fn a_program_in_a_statement_is_refused_before_anything_runs() {
    let sql = format!("COPY (SELECT 1) TO PROGRAM 'touch {TRACE}';");
    let ran = attack_on(
        "docker",
        "COPY … TO PROGRAM",
        &sql,
        "",
        &expected(1, "not_restorable", "unsafe_statement"),
    );
    assert!(ran.scenario()["engine"].is_null(), "{}", ran.text());
}

#[test]
fn a_setting_of_the_whole_server_is_refused_before_anything_runs() {
    let sql = format!("ALTER SYSTEM SET archive_command = 'touch {TRACE}';");
    let ran = attack_on(
        "docker",
        "ALTER SYSTEM",
        &sql,
        "",
        &expected(1, "not_restorable", "unsafe_statement"),
    );
    assert!(ran.scenario()["engine"].is_null(), "{}", ran.text());
}

#[test]
fn a_program_in_a_function_runs_in_the_sandbox_only() {
    let sql = program(&format!("(sleep 90 >/dev/null 2>&1 &) ; touch {TRACE}"));
    attack("program in a DO block", &sql, "", &expected(0, "restorable", "program_started"));
}

#[test]
fn an_event_trigger_runs_in_the_sandbox_only() {
    let sql = format!(
        "CREATE FUNCTION public.spy() RETURNS event_trigger LANGUAGE plpgsql AS $f$ begin {} end $f$;\n\
         CREATE EVENT TRIGGER spy ON ddl_command_end EXECUTE FUNCTION public.spy();\n\
         CREATE TABLE public.u (id integer);",
        format_args!(
            "execute $y$copy (select 1) to program 'cat >/dev/null ; (sleep 90 >/dev/null 2>&1 &) ; touch {TRACE}'$y$;"
        )
    );
    attack("event trigger", &sql, "", &expected(0, "restorable", "program_started"));
}

#[test]
fn a_function_that_runs_while_we_check_is_not_root_of_anything() {
    let sql = format!(
        "CREATE FUNCTION public.spy() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $f$ begin \
         execute $y$copy (select 1) to program 'cat >/dev/null ; (sleep 90 >/dev/null 2>&1 &) ; touch {TRACE}'$y$; \
         return 1; end $f$;\nCREATE VIEW public.v AS SELECT public.spy() AS id;"
    );
    let checks =
        "checks:\n  - query: {name: looks, database: hostile, sql: select id from v, equals: 1}\n";
    attack("function in a check", &sql, checks, &expected(0, "restorable", "program_started"));
}

#[test]
fn nothing_outside_can_be_reached() {
    // On every address of this machine: a container would reach it through its bridge.
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["172.17.0.1", "127.0.0.1", "192.0.2.1"] {
        let connect = format!(
            "CREATE EXTENSION dblink;\nSELECT dblink_connect('host={host} port={port} dbname=x connect_timeout=5');"
        );
        attack("dblink to outside", &connect, "", &expected(2, "inconclusive", "network_needed"));
    }
    assert!(listener.accept().is_err(), "something came out of a sandbox");
}

#[test]
fn a_foreign_table_needs_a_network() {
    let sql = "CREATE EXTENSION postgres_fdw;\n\
        CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '172.17.0.1');\n\
        CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'x', password 'y');\n\
        CREATE FOREIGN TABLE public.f (id integer) SERVER s;\n\
        CREATE MATERIALIZED VIEW public.m AS SELECT id FROM public.f;";
    attack("postgres_fdw to outside", sql, "", &expected(2, "inconclusive", "network_needed"));
}

#[test]
fn a_subscription_does_not_connect() {
    let sql = "CREATE SUBSCRIPTION s CONNECTION 'host=172.17.0.1 dbname=x connect_timeout=5' PUBLICATION p;";
    attack("subscription", sql, "", &expected(2, "inconclusive", "network_needed"));
}

#[test]
fn a_fork_bomb_reaches_the_limit_on_processes() {
    // Its processes need a moment to become many, and the restore would not wait for them.
    let bomb = program("f() { f | f & }; f; sleep 5");
    attack("fork bomb", &bomb, "", &expected(2, "inconclusive", "process_limit"));
    let ran = attack_on(
        "docker",
        "fork bomb, 200 processes",
        &bomb,
        "sandbox: {pids: 200}\n",
        &expected(2, "inconclusive", "process_limit"),
    );
    assert!(ran.stdout.contains("`sandbox.pids` is 200"), "{}", ran.text());
}

const EATER: &str = "DO $x$ declare a text[]; begin \
    loop a := array_append(a, repeat(md5(random()::text), 300000)); end loop; end $x$;";

#[test]
fn a_backend_that_eats_memory_is_killed_and_nothing_is_known() {
    let ran = attack_on(
        "docker",
        "memory eater",
        EATER,
        "sandbox: {memory: 512MiB}\n",
        &expected(2, "inconclusive", "out_of_memory"),
    );
    assert!(ran.stdout.contains("`sandbox.memory` is 536.8 MB"), "{}", ran.text());
    assert_eq!(ran.outcomes()["hostile"], "errored");
}

#[test]
fn a_program_that_eats_memory_does_not_make_the_backup_bad() {
    let sql = program("perl -e 'push @a, chr(65+$_) x (1 << 28) for 1..40'");
    attack_on(
        "docker",
        "program that eats memory",
        &sql,
        "sandbox: {memory: 512MiB}\n",
        &expected(2, "inconclusive", "out_of_memory"),
    );
}

/// The local engine as in a Kubernetes pod: a container with a bound on its memory, the program and
/// PostgreSQL's own programs in it, no daemon.
#[test]
fn the_local_engine_notices_a_kill_for_memory_in_its_own_control_group() {
    let bench = Bench::new();
    let backup = bench.write("hostile.sql", dump(EATER).as_bytes());
    let json = bench.path("r.json");
    let binary = format!("{}:/usr/bin/pgdrill:ro", env!("CARGO_BIN_EXE_pgdrill"));
    let folder = bench.folder.path().to_str().unwrap();
    let output = docker(&[
        "run",
        "--rm",
        "--memory=700m",
        "--memory-swap=700m",
        "--network=none",
        "--cap-add=SYS_ADMIN",
        "--cap-add=SYS_PTRACE",
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
        "--tmpfs=/tmp/state",
        "--volume",
        &binary,
        "--volume",
        &format!("{folder}:{folder}"),
        "--env=PGDRILL_HOME=/tmp/state",
        "--user=root",
        &image(15),
        "pgdrill",
        "verify",
        backup.to_str().unwrap(),
        "--restore-test",
        "--engine=local",
        "--json",
        json.to_str().unwrap(),
    ]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_slice(&fs::read(json).unwrap_or_default()).unwrap_or_default();
    let ran = Ran {
        code: output.status.code(),
        stdout: text,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        json: report,
        junit: String::new(),
    };
    judge("memory eater in a pod", "local", &ran, &expected(2, "inconclusive", "out_of_memory"));
}

#[test]
fn a_disk_filler_is_stopped() {
    let sql = program("dd if=/dev/zero of=filler bs=1M count=4000 2>/dev/null; sleep 30");
    let ran = attack_on(
        "docker",
        "disk filler",
        &sql,
        "sandbox: {disk: 600MiB}\n",
        &expected(2, "inconclusive", "disk_full"),
    );
    assert!(ran.stdout.contains("`sandbox.disk` is 629.1 MB"), "{}", ran.text());

    let bench = Bench::new();
    let backup = bench.write("hostile.sql", dump(&sql).as_bytes());
    let small = SmallDisk::mount(&bench.path("small"));
    let json = bench.path("r.json");
    let output = bench
        .command()
        .env("TMPDIR", &small.0)
        .args(["verify", backup.to_str().unwrap(), "--restore-test", "--engine", "local", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    let left = fs::read_dir(&small.0).unwrap().count();
    let ran = Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        json: serde_json::from_slice(&fs::read(json).unwrap()).unwrap(),
        junit: String::new(),
    };
    judge("disk filler", "local", &ran, &expected(2, "inconclusive", "disk_full"));
    assert_eq!(left, 0, "{}", ran.text());
}

/// A file system of 1 GB, unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Self {
        fs::create_dir(path).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1g", "tmpfs"])
            .arg(path)
            .status()
            .unwrap();
        assert!(mounted.success(), "this test mounts a small file system: it needs root");
        Self(path.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn settings_changed_through_the_back_door_are_noticed() {
    let sql = format!(
        "CREATE EXTENSION dblink;\nSELECT dblink_exec('host=127.0.0.1 dbname=' || current_database() || ' user=' \
         || session_user, 'alter system set archive_command = ''touch {TRACE}''');"
    );
    attack(
        "ALTER SYSTEM through dblink",
        &sql,
        "",
        &expected(1, "not_restorable", "server_altered"),
    );
}

#[test]
fn a_dump_that_takes_our_rights_is_noticed() {
    let sql = "DO $x$ begin execute format('alter role %I nosuperuser', session_user); end $x$;";
    attack(
        "ALTER ROLE of our superuser",
        sql,
        "",
        &expected(1, "not_restorable", "server_altered"),
    );
}

/// A cluster of two databases, of which the second dump attacks the first.
fn attack_neighbour(name: &str, sql: &str, expected: &Expected) {
    for engine in ENGINES {
        let bench = Bench::new();
        let globals = "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE postgres;\n\
            ALTER ROLE postgres WITH SUPERUSER LOGIN;\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n";
        bench.write("c/globals.sql", globals.as_bytes());
        bench.write("c/dumps/a.sql", dump("").as_bytes());
        bench.write("c/dumps/b.sql", dump(sql).as_bytes());
        let ran = bench.verify(&bench.path("c"), engine);
        judge(name, engine, &ran, expected);
        assert_ne!(ran.outcomes()["b"], "restored", "{}", ran.text());
        assert_eq!(ran.outcomes()["a"], "restored", "{}", ran.text());
    }
}

#[test]
fn a_database_dropped_by_another_dump_is_noticed() {
    let altered = expected(1, "not_restorable", "server_altered");
    attack_neighbour("DROP DATABASE", "DROP DATABASE a;", &altered);
}

const DELETE: &str =
    "SELECT dblink_exec('host=127.0.0.1 dbname=a user=' || session_user, 'delete from t');";

#[test]
fn a_restored_database_is_closed_to_the_dumps_after_it() {
    let sql = format!("CREATE EXTENSION dblink;\n{DELETE}");
    let closed = expected(2, "inconclusive", "network_needed");
    attack_neighbour("dblink to a restored database", &sql, &closed);
}

#[test]
fn a_restored_database_that_was_opened_is_noticed() {
    let sql = format!(
        "CREATE EXTENSION dblink;\nALTER DATABASE a ALLOW_CONNECTIONS true;\n{DELETE}\n\
         ALTER DATABASE a ALLOW_CONNECTIONS false;"
    );
    let altered = expected(1, "not_restorable", "server_altered");
    attack_neighbour("rows of a restored database", &sql, &altered);
}

#[test]
fn an_untrusted_language_is_not_in_the_image() {
    attack(
        "untrusted language",
        "CREATE EXTENSION plperlu;",
        "",
        &expected(2, "inconclusive", "extension_missing"),
    );
}

#[test]
fn a_server_that_is_killed_or_stopped_leaves_us_without_an_answer() {
    let killed = program("kill -9 -1");
    attack("kill -9 -1", &killed, "", &expected(2, "inconclusive", "server_ended"));
    let stopped = program("kill -STOP -1; sleep 600");
    attack(
        "kill -STOP -1",
        &stopped,
        "restore: {time_limit: 20s}\n",
        &expected(2, "inconclusive", "timed_out"),
    );
}

#[test]
fn a_check_cannot_write() {
    let checks = "checks:
  - query: {name: two statements, database: hostile, sql: 'commit; create table made (id integer)', equals: 1}
  - query: {name: a writing function, database: hostile, sql: 'select writes()', equals: 1}
  - query: {name: neither has, database: hostile, sql: \"select to_regclass('public.made') is null\", equals: true}
";
    let sql = "CREATE FUNCTION public.writes() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS \
        $f$ begin create table public.made (id integer); return 1; end $f$;";
    for engine in ENGINES {
        let bench = Bench::new();
        bench.write("hostile.sql", dump(sql).as_bytes());
        let scenario =
            format!("version: 1\nname: hostile\nbackup: {{path: hostile.sql}}\n{checks}");
        bench.write("hostile.yaml", scenario.as_bytes());
        let ran = bench.run(&["run", "hostile.yaml", "--engine", engine]);
        let outcomes: Vec<&str> = ran.scenario()["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["outcome"].as_str().unwrap())
            .collect();
        assert_eq!(outcomes, ["errored", "errored", "passed"], "{}", ran.text());
    }
}
