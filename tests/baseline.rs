//! Baselines of live servers, and restored databases against them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Bench, Ran, docker, image};

const BIN: &str = "/usr/lib/postgresql/15/bin";
const PASSWORD: &str = "of nobody";

/// A server that answers this machine, with a database `shop` of which a dump can be had.
struct Live {
    folder: tempfile::TempDir,
    port: u16,
    container: Option<String>,
}

fn ok(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// As the account that a server may run as.
fn as_server(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", program]);
        command
    } else {
        Command::new(program)
    }
}

const HBA: &str = "local all all trust\n\
    hostssl all tls_only 127.0.0.1/32 scram-sha-256\n\
    host all barred 127.0.0.1/32 reject\n\
    host all postgres 127.0.0.1/32 scram-sha-256\n";

impl Live {
    /// The machine's own PostgreSQL 15, with passwords and TLS.
    fn local() -> Self {
        let folder = tempfile::Builder::new().prefix("live").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(at("own")).unwrap();
        fs::set_permissions(at("own"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(at("password"), PASSWORD).unwrap();
        let (data, password) = (at("own/data"), at("password"));
        ok(as_server(&format!("{BIN}/initdb"))
            .args(["-D", &data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args(["--auth=scram-sha-256", "--pwfile", &password])
            .current_dir("/tmp"));
        let (key, certificate) = (at("own/data/server.key"), at("own/data/server.crt"));
        ok(as_server("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-keyout", &key, "-out", &certificate]));
        fs::copy(&certificate, at("root.crt")).unwrap();
        fs::write(at("own/data/pg_hba.conf"), HBA).unwrap();
        let port = free_port();
        let options = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c ssl=on -c fsync=off -c log_min_messages=fatal",
            at("own")
        );
        ok(as_server(&format!("{BIN}/pg_ctl"))
            .args(["-D", &data, "-w", "-l", &at("own/log"), "-o", &options, "start"])
            .stdout(Stdio::null())
            .current_dir("/tmp"));
        let live = Self { folder, port, container: None };
        live.psql("postgres", "create role tls_only login password 'x'; create role barred login");
        live
    }

    /// A server of another major version, in a container that answers on a port.
    fn container(major: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = "initdb -D /tmp/data --auth=trust -U postgres -E UTF8 --locale=C.UTF-8 >/dev/null \
            && echo 'host all all all trust' >>/tmp/data/pg_hba.conf \
            && exec postgres -D /tmp/data -k /tmp -c fsync=off -c 'listen_addresses=*'";
        let args = ["run", "-d", "--user", "postgres", "-p", "127.0.0.1::5432"];
        let output = docker(&[&args[..], &[&image(major), "sh", "-c", script]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let shown = String::from_utf8(docker(&["port", &name, "5432/tcp"]).stdout).unwrap();
        let port = shown.lines().next().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        let live = Self { folder, port, container: Some(name) };
        for _ in 0..300 {
            if live.try_psql("postgres", "select 1").status.success() {
                return live;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("the server did not start");
    }

    fn program(&self, name: &str) -> Command {
        if let Some(container) = &self.container {
            let mut command = Command::new("docker");
            command.args(["exec", "-i", container, name, "-h", "/tmp", "-U", "postgres"]);
            command
        } else {
            let mut command = Command::new(format!("{BIN}/{name}"));
            let port = self.port.to_string();
            let socket = self.folder.path().join("own");
            command.args(["-h", socket.to_str().unwrap(), "-p", &port, "-U", "postgres"]);
            command
        }
    }

    fn try_psql(&self, database: &str, sql: &str) -> Output {
        let mut psql = self.program("psql");
        let mut child = psql
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn psql(&self, database: &str, sql: &str) -> String {
        let output = self.try_psql(database, sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn dump(&self, options: &[&str]) -> Vec<u8> {
        ok(self.program("pg_dump").arg("-Fc").args(options).args(["-d", "shop"])).stdout
    }

    /// A connection string without a password.
    fn dsn(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(container) = &self.container {
            docker(&["rm", "-f", "-v", container]);
        } else {
            let data = self.folder.path().join("own/data");
            let _ = as_server(&format!("{BIN}/pg_ctl"))
                .args(["-D", data.to_str().unwrap(), "-m", "immediate", "-w", "stop"])
                .current_dir("/tmp")
                .output();
        }
    }
}

const SHOP: &str = r"
create table orders (id bigint generated by default as identity primary key, at timestamptz, f float8, b bytea, t text);
insert into orders (at, f, b, t) select to_timestamp(n * 86400.5), n / 7.0, decode(md5(n::text), 'hex'), E'a\tb\\' || n
    from generate_series(1, 2000) n;
create table items (a text, b int, note text, primary key (b, a));
insert into items select E'k\t' || n, n % 7, 'the secret ' || n from generate_series(1, 300) n;
create table parted (id int primary key, v text) partition by range (id);
create table part_a partition of parted for values from (0) to (100);
create table part_b partition of parted for values from (100) to (1000);
insert into parted select n, 'v' || n from generate_series(1, 500) n;
create table bare (n int, m money);
insert into bare select n, n from generate_series(1, 10) n;
create table only_money (m money);
insert into only_money values (1);
create table nothing ();
create table gone (n int) inherits (bare);
";

fn filled(live: Live) -> Live {
    live.psql("postgres", "create database shop");
    live.psql("shop", SHOP);
    live
}

/// Takes a baseline of `shop` into a file, and reads it.
fn taken(bench: &Bench, live: &Live, more: &[&str]) -> (String, Value) {
    let file = bench.path("baseline.json");
    let output = fingerprint(
        bench,
        &live.dsn("shop"),
        &[&["--output", file.to_str().unwrap()], more].concat(),
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(file).unwrap();
    let json = serde_json::from_str(&text).unwrap();
    (text, json)
}

fn fingerprint(bench: &Bench, dsn: &str, more: &[&str]) -> Output {
    let mut command = bench.command();
    for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSSLMODE", "PGPASSFILE"] {
        command.env_remove(name);
    }
    command.env("HOME", bench.folder.path()).env("PGPASSWORD", PASSWORD);
    command.args(["fingerprint", "--dsn", dsn]).args(more).output().unwrap()
}

/// Restores the dump and compares it with the baseline.
fn run(bench: &Bench, dump: &[u8], keys: &str, engine: &str, server: u32) -> Ran {
    bench.write("shop.dump", dump);
    let scenario = format!(
        "version: 1\nname: b\nbackup: {{path: shop.dump}}\npostgres: {{version: {server}}}\nchecks:\n  \
         - baseline: {{name: as it was, file: baseline.json{keys}}}\n"
    );
    bench.write("b.yaml", scenario.as_bytes());
    bench.run(&["run", "b.yaml", "--engine", engine])
}

fn check(ran: &Ran) -> (String, String) {
    let check = &ran.scenario()["checks"][0];
    assert_eq!(check["kind"], "baseline", "{}", ran.text());
    let text = |key: &str| check[key].as_str().unwrap().to_owned();
    assert_eq!(text("database"), "shop");
    (text("outcome"), text("observed"))
}

fn unchanged_passes(live: &Live, major: u32, targets: &[(&str, u32)]) {
    let bench = Bench::new();
    let (text, json) = taken(&bench, live, &[]);
    assert_eq!(json["schema"], "pgdrill.baseline/v1");
    assert!(json["server_version"].as_str().unwrap().starts_with(&major.to_string()));
    assert!(!text.contains("secret") && !text.contains(PASSWORD), "{text}");
    let rows: Vec<String> = json["databases"][0]["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| format!("{} {}", table["name"].as_str().unwrap(), table["rows"]))
        .collect();
    let expected = [
        "bare 10",
        "gone 0",
        "items 300",
        "nothing 0",
        "only_money 1",
        "orders 2000",
        "parted 500",
    ];
    assert_eq!(rows, expected);
    let dump = live.dump(&[]);
    for (engine, server) in targets {
        let ran = run(&bench, &dump, "", engine, *server);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        let (outcome, observed) = check(&ran);
        assert_eq!(outcome, "passed", "{observed}");
        let said = "7 tables, 2811 rows as in the baseline; values of 1 table have no fingerprint";
        assert_eq!(observed, said, "{}", ran.text());
    }
}

#[test]
fn an_unchanged_restore_of_postgresql_13_passes() {
    unchanged_passes(
        &filled(Live::container(13)),
        13,
        &[("docker", 13), ("docker", 15), ("local", 15)],
    );
}

#[test]
fn an_unchanged_restore_of_postgresql_15_passes() {
    unchanged_passes(&filled(Live::local()), 15, &[("local", 15), ("docker", 17)]);
}

#[test]
fn an_unchanged_restore_of_postgresql_17_passes() {
    unchanged_passes(&filled(Live::container(17)), 17, &[("docker", 17)]);
}

/// What a person would ask the source for, to find the row of a hashed key.
fn hash_of(live: &Live, salt: &str, key: &str) -> String {
    live.psql(
        "shop",
        &format!("select left(encode(sha256(decode('{salt}', 'hex') || convert_to('{key}', 'UTF8')), 'hex'), 16)"),
    )
}

#[test]
fn changed_lost_and_added_rows_are_found_and_named_by_hashed_keys() {
    let live = filled(Live::local());
    let bench = Bench::new();
    let (_, json) = taken(&bench, &live, &["--jobs", "3"]);
    let salt = json["salt"].as_str().unwrap();
    live.psql(
        "shop",
        "update orders set f = f + 1e-9 where id = 7; delete from items where b = 3 and a = E'k\\t10'; \
         insert into parted values (900, 'x'); update bare set n = 99 where n = 5; \
         create table later (n int)",
    );
    let ran = run(&bench, &live.dump(&[]), "", "local", 15);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(ran.verdict(), "not_restorable");
    let (outcome, observed) = check(&ran);
    assert_eq!(outcome, "failed", "{observed}");
    // The key is `(b, a)`, in its own order and as COPY writes it.
    let item = hash_of(&live, salt, "3\tk\\t10");
    let (order, part) = (hash_of(&live, salt, "7"), hash_of(&live, salt, "900"));
    let expected = format!(
        "4 differences: public.bare: as many rows, other values, no primary key to tell which, \
         public.items: 299 of 300 rows, keys lost {item}, \
         public.orders: as many rows, other values, keys changed {order}, \
         public.parted: 501 of 500 rows, keys added {part}; \
         values of 1 table have no fingerprint; not in the baseline: public.later"
    );
    assert_eq!(observed, expected.replace('\t', " "), "{}", ran.text());
    assert!(!ran.json.to_string().contains("the secret"), "{}", ran.text());
    // Fewer than one in a hundred: within a tolerance rows alone count.
    let ran = run(&bench, &live.dump(&[]), ", within: 1%", "local", 15);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert!(check(&ran).1.contains("values and keys not compared"), "{}", ran.text());
    // What is not asked for is not looked at.
    let ran = run(&bench, &live.dump(&[]), ", tables: ['public.only_*', public.gone]", "local", 15);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
}

#[test]
fn a_stale_backup_and_another_database_of_the_name_fail() {
    let live = filled(Live::local());
    let bench = Bench::new();
    let dump = live.dump(&[]);
    live.psql("shop", "insert into orders (t) select 'new' from generate_series(1, 500)");
    taken(&bench, &live, &[]);
    for engine in ["local", "docker"] {
        let ran = run(&bench, &dump, ", within: 5%", engine, 15);
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        assert!(check(&ran).1.contains("public.orders: 2000 of 2500 rows"), "{}", ran.text());
        let ran = run(&bench, &dump, "", engine, 15);
        let (_, observed) = check(&ran);
        assert!(observed.contains("too many keys differ"), "{observed}");
        assert!(observed.contains("sequence public.orders_id_seq is behind"), "{observed}");
    }
    live.psql("postgres", "drop database shop; create database shop");
    live.psql("shop", "create table other (n int); insert into other values (1)");
    let ran = run(&bench, &live.dump(&[]), "", "local", 15);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(check(&ran).1.contains("public.orders is missing"), "{}", ran.text());
    // The baseline's database is not in the backup.
    live.psql("postgres", "alter database shop rename to shed");
    let dump = ok(live.program("pg_dump").args(["-Fc", "-d", "shed"])).stdout;
    let ran = run(&bench, &dump, "", "local", 15);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let (outcome, observed) = check(&ran);
    assert_eq!(outcome, "failed");
    assert!(observed.contains("holds no database `shop`"), "{observed}");
}

#[test]
fn a_snapshot_of_the_backup_holds_while_rows_are_added() {
    let live = filled(Live::local());
    let bench = Bench::new();
    let mut psql = live.program("psql");
    let mut keeper = psql
        .args(["-X", "-q", "-A", "-t", "-d", "shop"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = keeper.stdin.take().unwrap();
    input
        .write_all(b"begin isolation level repeatable read; select pg_export_snapshot();\n")
        .unwrap();
    let mut id = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut id).unwrap();
    let id = id.trim();
    live.psql("shop", "insert into parted select n, 'new' from generate_series(600, 700) n");
    let (_, json) = taken(&bench, &live, &["--snapshot", id, "--jobs", "4"]);
    assert_eq!(json["databases"][0]["snapshot"], id);
    let dump = live.dump(&["--snapshot", id]);
    live.psql("shop", "delete from items");
    let ran = run(&bench, &dump, "", "local", 15);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let two = fingerprint(&bench, &live.dsn("shop"), &["--snapshot", id, "--databases", "*"]);
    assert_eq!(two.status.code(), Some(64), "{}", String::from_utf8_lossy(&two.stderr));
    drop(input);
    keeper.wait().unwrap();
    let late = fingerprint(&bench, &live.dsn("shop"), &["--snapshot", id]);
    assert_eq!(late.status.code(), Some(2));
    let said = String::from_utf8_lossy(&late.stderr);
    assert!(said.contains("snapshot cannot be taken over"), "{said}");
    let wrong = fingerprint(&bench, &live.dsn("shop"), &["--snapshot", "x'; drop"]);
    assert_eq!(wrong.status.code(), Some(64));
}

/// The card, with what differs from run to run taken out.
fn card(output: &Output, live: &Live, bench: &Bench) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone())
        .unwrap()
        .replace(&live.port.to_string(), "PORT")
        .replace(live.folder.path().to_str().unwrap(), "FOLDER")
        .replace(bench.folder.path().to_str().unwrap(), "HOME")
}

#[test]
fn a_login_that_fails_is_explained() {
    let live = filled(Live::local());
    let bench = Bench::new();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("cards");
    let port = live.port;
    let at = |user: &str, database: &str, options: &str| {
        format!("postgresql://{user}@127.0.0.1:{port}/{database}{options}")
    };
    let root = live.folder.path().join("root.crt").display().to_string();
    let other = bench.path("other.crt").display().to_string();
    ok(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other"])
        .args(["-keyout", "/dev/null", "-out", &other]));
    let closed = free_port();
    let cases = [
        ("wrong-password", at("postgres:wrong", "shop", "")),
        ("unknown-database", at("postgres", "shp", "")),
        ("no-entry", at("barred", "shop", "")),
        ("tls-required", at("tls_only", "shop", "?sslmode=disable")),
        (
            "certificate-of-nobody",
            at("postgres", "shop", &format!("?sslmode=verify-ca&sslrootcert={other}")),
        ),
        (
            "certificate-of-another-name",
            at("postgres", "shop", &format!("?sslmode=verify-full&sslrootcert={root}")),
        ),
        ("no-authority", at("postgres", "shop", "?sslmode=verify-full")),
        ("no-socket", "host=/nowhere user=postgres dbname=shop".to_owned()),
        ("refused", format!("host=127.0.0.1 port={closed} user=postgres dbname=shop")),
    ];
    settings.bind(|| {
        for (name, dsn) in cases {
            let output = fingerprint(&bench, &dsn, &[]);
            let card = card(&output, &live, &bench).replace(&closed.to_string(), "PORT");
            insta::assert_snapshot!(name, card);
        }
        let mut command = bench.command();
        command.env_remove("PGPASSWORD").env("HOME", bench.folder.path());
        let output = command.args(["fingerprint", "--dsn", &live.dsn("shop")]).output().unwrap();
        insta::assert_snapshot!("no-password", card(&output, &live, &bench));
    });
    // What would have been right.
    for dsn in [
        at("postgres", "shop", "?sslmode=require"),
        at("postgres", "shop", &format!("?sslmode=verify-ca&sslrootcert={root}")),
        format!(
            "host=localhost hostaddr=127.0.0.1 port={port} user=postgres dbname=shop sslmode=verify-full sslrootcert={root}"
        ),
        format!(
            "host={} port={port} user=postgres dbname=shop sslmode=require",
            live.folder.path().join("own").display()
        ),
    ] {
        let output = fingerprint(&bench, &dsn, &[]);
        assert!(output.status.success(), "{dsn}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let pass =
        bench.write(".pgpass", format!("127.0.0.1:{port}:*:postgres:{PASSWORD}\n").as_bytes());
    fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = bench.command();
    command.env_remove("PGPASSWORD").env("HOME", bench.folder.path());
    let output = command.args(["fingerprint", "--dsn", &live.dsn("shop")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wrong = fingerprint(&bench, "nonsense hunter2", &[]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("hunter2"));
}

#[test]
fn what_the_role_may_not_read_is_no_baseline() {
    let live = filled(Live::local());
    let bench = Bench::new();
    live.psql(
        "shop",
        "alter role postgres password 'of nobody'; create role weak login password 'of nobody'",
    );
    fs::write(
        live.folder.path().join("own/data/pg_hba.conf"),
        "local all all trust\nhost all all all trust\n",
    )
    .unwrap();
    live.psql("shop", "select pg_reload_conf()");
    let dsn = live.dsn("shop").replace("postgres@", "weak@");
    let refused = || {
        let output = fingerprint(&bench, &dsn, &[]);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused().contains("pg_read_all_data"), "{}", refused());
    // Row security would leave rows out without a word.
    live.psql(
        "shop",
        "grant pg_read_all_data to weak; alter table items enable row level security",
    );
    assert!(refused().contains("bypassrls"), "{}", refused());
    live.psql("shop", "alter role weak bypassrls");
    let output = fingerprint(&bench, &dsn, &["--statement-timeout", "1ms"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let output = fingerprint(&bench, &dsn, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_that_is_no_baseline_is_told_before_anything_starts() {
    let live = filled(Live::local());
    let bench = Bench::new();
    let (text, _) = taken(&bench, &live, &[]);
    let scenario = "version: 1\nname: b\nbackup: {path: shop.dump}\nchecks:\n  \
        - baseline: {name: x, file: baseline.json, databases: [shop], within: 0.5%}\n";
    bench.write("b.yaml", scenario.as_bytes());
    let validate = || {
        let output = bench.command().args(["validate", "b.yaml"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(validate().0, Some(0), "{}", validate().1);
    for (bytes, said) in [
        (String::new(), "the file is empty"),
        (text[..text.len() / 2].to_owned(), "is cut"),
        (text.replace("baseline/v1", "baseline/v2"), "pgdrill.baseline/v2"),
        ("{\"a\": 1}".to_owned(), "no `schema`"),
        (text.replace("\"shop\"", "\"shed\""), "none of these databases"),
    ] {
        bench.write("baseline.json", bytes.as_bytes());
        let (code, stderr) = validate();
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.replace('\n', " ").contains(said), "{said}: {stderr}");
    }
    fs::remove_file(bench.path("baseline.json")).unwrap();
    let (code, stderr) = validate();
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("pgdrill fingerprint"), "{stderr}");
}
