//! Real source clusters, real archives, and the built program. Shared by the test binaries.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "shared by tests"
)]

pub mod background;
pub mod both;
pub mod encrypt;
pub mod far;
pub mod podman;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

pub const SOURCE_SQL: &str = include_str!("../fixtures/source.sql");

/// Where fixtures are kept between tests; made once.
fn fixtures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures-v5");
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn image(major: u32) -> String {
    let template = std::env::var("PGDRILL_TEST_IMAGE")
        .unwrap_or_else(|_| "pgdrill-postgres:{major}".to_owned());
    template.replace("{major}", &major.to_string())
}

/// The engines of a conformance case: both, always. A machine that lacks one fails the test.
pub const ENGINES: [&str; 2] = ["docker", "local"];
/// The major version that the local engine has.
pub const LOCAL_MAJOR: u32 = 15;

pub fn docker(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().expect("docker is needed by this test: ci/test")
}

fn docker_ok(args: &[&str]) -> Vec<u8> {
    let output = docker(args);
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A source server in a container, removed when dropped.
pub struct Source {
    name: String,
}

impl Source {
    pub fn start(major: u32) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("fixture-source-{major}-{}-{number}", std::process::id());
        let script = "initdb -D /tmp/data --auth=trust -U postgres -E UTF8 --locale=C.UTF-8 >/dev/null \
            && mkdir /tmp/fast && exec postgres -D /tmp/data -k /tmp -c fsync=off -c listen_addresses=";
        docker_ok(&[
            "run",
            "-d",
            "--network",
            "none",
            "--user",
            "postgres",
            "--tmpfs",
            "/var/lib/postgresql/data",
            "--name",
            &name,
            &image(major),
            "sh",
            "-c",
            script,
        ]);
        let source = Self { name };
        for _ in 0..300 {
            if source.try_psql("postgres", "select 1").is_ok() {
                return source;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        panic!("the source server did not start");
    }

    fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let conninfo =
            format!("host=/tmp user=postgres dbname='{}'", database.replace('\'', "\\'"));
        let mut child = Command::new("docker")
            .args([
                "exec",
                "-i",
                "-e",
                "PGCLIENTENCODING=UTF8",
                &self.name,
                "psql",
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
            ])
            .args(["-d", &conninfo])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    pub fn dump(&self, database: &str, options: &[&str]) -> Vec<u8> {
        let target = format!("--dbname=host=/tmp user=postgres dbname='{database}'");
        let mut args = vec!["exec", &self.name, "pg_dump"];
        args.extend(options);
        args.push(&target);
        docker_ok(&args)
    }

    /// What a shell script prints inside; its first line names a folder of files, which are copied
    /// there first.
    pub fn shell(&self, folder: &Path, script: &str) -> String {
        let target = format!("{}:/tmp/files", self.name);
        docker_ok(&["cp", "-q", folder.to_str().unwrap(), &target]);
        String::from_utf8(docker_ok(&["exec", &self.name, "sh", "-c", script])).unwrap()
    }

    /// Makes the [`DATABASES`].
    pub fn fill(&self) {
        for (index, part) in SOURCE_SQL.split("\n\\connect ").enumerate() {
            if index == 0 {
                self.psql("postgres", part);
                continue;
            }
            let (name, sql) = part.split_once('\n').unwrap();
            let name = name.trim_matches('"').replace("\"\"", "\"");
            self.psql(&name, sql);
        }
    }

    /// One of the [`FACTS`].
    pub fn fact(&self, database: &str, fact: &str) -> String {
        let (_, sql) = FACTS.iter().find(|(name, _)| *name == fact).unwrap();
        self.psql(
            database,
            &format!(
                "set client_encoding = 'UTF8'; set default_transaction_read_only = off; {sql}"
            ),
        )
    }

    /// Runs a shell script inside.
    pub fn run(&self, script: &str, args: &[&str]) {
        docker_ok(&[&["exec", &self.name, "sh", "-ec", script, "sh"], args].concat());
    }

    /// Copies a folder out of the container.
    pub fn fetch(&self, from: &str, folder: &Path) {
        docker_ok(&["cp", "-q", &format!("{}:{from}", self.name), folder.to_str().unwrap()]);
    }

    /// What a program inside prints.
    pub fn output(&self, command: &[&str]) -> Vec<u8> {
        docker_ok(&[&["exec", &self.name], command].concat())
    }

    pub fn globals(&self) -> Vec<u8> {
        docker_ok(&[
            "exec",
            &self.name,
            "pg_dumpall",
            "--globals-only",
            "-h",
            "/tmp",
            "-U",
            "postgres",
        ])
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        docker(&["rm", "-f", "-v", &self.name]);
    }
}

/// What must be the same after the restore: asked on the source, and by checks on the restored.
pub const FACTS: [(&str, &str); 5] = [
    (
        "owners",
        "select coalesce(string_agg(n.nspname || '.' || c.relname || ':' || c.relkind::text || ':' || pg_get_userbyid(c.relowner), ',' order by n.nspname, c.relname), '') from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'",
    ),
    (
        "grants",
        "select coalesce(string_agg(n.nspname || '.' || c.relname || ':' || a.item::text, ',' order by n.nspname, c.relname, a.item::text), '') from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join lateral unnest(coalesce(c.relacl, acldefault((case c.relkind when 'S' then 's' else 'r' end)::\"char\", c.relowner))) a (item) where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and a.item::text !~ '^pgdrill_'",
    ),
    (
        "rows",
        "select coalesce(string_agg(format('%s.%s=%s', schemaname, tablename, (xpath('/row/c/text()', query_to_xml(format('select count(*) as c from only %I.%I', schemaname, tablename), false, true, '')))[1]::text), ',' order by schemaname, tablename), '') from pg_tables where schemaname !~ '^pg_' and schemaname <> 'information_schema'",
    ),
    (
        "database",
        "select format('%s %s %s %s', pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba)) || coalesce((select string_agg(i::text, ',' order by i::text) from unnest(datacl) i where i::text !~ '^pgdrill_'), '') || coalesce((select string_agg(setconfig::text, ',') from pg_db_role_setting s where s.setdatabase = d.oid), '') || coalesce(shobj_description(oid, 'pg_database'), '') from pg_database d where datname = current_database()",
    ),
    (
        "roles",
        "select (select string_agg(format('%s %s %s %s', rolname, rolcanlogin, rolsuper, rolconfig), ',' order by rolname) from pg_roles where rolname !~ '^pg_|^pgdrill_') || (select string_agg(format('%s in %s %s', pg_get_userbyid(member), pg_get_userbyid(roleid), admin_option), ',' order by 1) from pg_auth_members where pg_get_userbyid(member) !~ '^pg_|^pgdrill_') || (select string_agg(spcname || pg_get_userbyid(spcowner), ',') from pg_tablespace where spcname !~ '^pg_')",
    ),
];

/// The databases of the source, and how their dumps are kept: as dbbackup mixes them.
pub const DATABASES: [(&str, &str); 10] = [
    ("-dash", "dump"),
    ("UPPER", "sql"),
    ("a\"b; DROP", "dump"),
    ("app", "dump"),
    ("latin", "dump"),
    ("per%cent$dollar", "dump"),
    ("postgres", "dump"),
    ("with space", "sql.gz"),
    ("x.sql", "dump"),
    ("ünïcode", "dump"),
];

/// A cluster's dumps as files, with what was true of the source.
#[derive(Debug, Clone)]
pub struct Fixture {
    pub folder: PathBuf,
    pub facts: BTreeMap<String, BTreeMap<String, String>>,
}

/// The fixture of a major version, made on a real server at first use.
pub fn fixture(major: u32) -> Fixture {
    let folder = fixtures().join(format!("pg{major}"));
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let facts_file = folder.join("facts.json");
    if !facts_file.exists() {
        let _ = fs::remove_dir_all(&folder);
        make_fixture(major, &folder);
    }
    let facts = serde_json::from_slice(&fs::read(facts_file).unwrap()).unwrap();
    Fixture { folder: folder.join("cluster"), facts }
}

fn make_fixture(major: u32, folder: &Path) {
    let source = Source::start(major);
    source.fill();
    let dumps = folder.join("cluster/dumps");
    fs::create_dir_all(&dumps).unwrap();
    let mut facts: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for (name, extension) in DATABASES {
        let bytes = match extension {
            "dump" => source.dump(name, &["--format=custom"]),
            "sql" => source.dump(name, &["--format=plain"]),
            _ => gzip(&source.dump(name, &["--format=plain"])),
        };
        fs::write(dumps.join(format!("{name}.{extension}")), bytes).unwrap();
        let of_database = FACTS.iter().map(|(fact, _)| (*fact, source.fact(name, fact))).collect();
        facts.insert(name, of_database);
    }
    fs::write(folder.join("cluster/globals.sql"), source.globals()).unwrap();
    fs::write(folder.join("facts.json"), serde_json::to_vec(&facts).unwrap()).unwrap();
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum, as zstd's own program and dbbackup write it.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum, as lz4's own program writes it.
pub fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// How an archive's members are named and ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// dbbackup 3: `tar -C folder .`, names begin with `./`, in the order of the folder.
    V3,
    /// dbbackup 4 to 6: sorted names, globals last.
    V4,
}

/// The members of a folder in an archive's order.
pub fn members(folder: &Path, layout: Layout) -> Vec<(String, Vec<u8>)> {
    let mut dumps: Vec<(String, Vec<u8>)> = fs::read_dir(folder.join("dumps"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (
                format!("dumps/{}", entry.file_name().to_str().unwrap()),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    dumps.sort();
    let globals = ("globals.sql".to_owned(), fs::read(folder.join("globals.sql")).unwrap());
    match layout {
        Layout::V3 => {
            let mut all = vec![globals];
            all.extend(dumps);
            all.into_iter().map(|(name, bytes)| (format!("./{name}"), bytes)).collect()
        }
        Layout::V4 => {
            dumps.push(globals);
            dumps
        }
    }
}

pub fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_size(0);
    folder.set_mode(0o755);
    let name = if members[0].0.starts_with("./") { "./dumps/" } else { "dumps" };
    archive.append_data(&mut folder, name, std::io::empty()).unwrap();
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A run's folder: archive, reports, state; and the program in it.
pub struct Bench {
    pub folder: tempfile::TempDir,
}

pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub json: Value,
    pub junit: String,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("drill test ").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The program with an environment of its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgdrill"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PGDRILL_")) {
            command.env_remove(name);
        }
        command
            .env("PGDRILL_HOME", self.path("state"))
            .env("PGDRILL_IMAGE", image(0).replace(":0", ":{major}"))
            .env("PGDRILL_PROGRESS", "none")
            .env("TMPDIR", self.temp())
            .current_dir(self.folder.path());
        command
    }

    /// The program's own temporary folder: what is left in it is a leak.
    pub fn temp(&self) -> PathBuf {
        let temp = self.path("tmp");
        fs::create_dir_all(&temp).unwrap();
        temp
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    /// [`Bench::run`] with more variables in the environment; an empty one is taken out of it.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let (json, junit) = (self.path("r.json"), self.path("j.xml"));
        let _ = fs::remove_file(&json);
        let _ = fs::remove_file(&junit);
        let mut command = self.command();
        command.args(args).arg("--json").arg(&json).arg("--junit").arg(&junit);
        for (name, value) in variables {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        let output = command.output().unwrap();
        let ran = Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            json: fs::read(&json)
                .map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap()),
            junit: fs::read_to_string(&junit).unwrap_or_default(),
        };
        if !ran.junit.is_empty() {
            roxmltree::Document::parse(&ran.junit).expect("JUnit is well-formed XML");
        }
        self.assert_nothing_left();
        ran
    }

    pub fn verify(&self, backup: &Path, engine: &str) -> Ran {
        self.run(&["verify", backup.to_str().unwrap(), "--restore-test", "--engine", engine])
    }

    /// Nothing of this run's: no container, no folder, no process, no ledger entry.
    pub fn assert_nothing_left(&self) {
        let state = self.path("state/ledger");
        let entries: Vec<PathBuf> = fs::read_dir(&state)
            .map(|found| found.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        assert!(entries.is_empty(), "the ledger is not empty: {entries:?}");
        let left: Vec<PathBuf> =
            fs::read_dir(self.temp()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left in the temporary folder: {left:?}");
    }
}

impl Ran {
    /// For assertions: everything that was printed.
    pub fn text(&self) -> String {
        format!("exit {:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }

    pub fn scenario(&self) -> &Value {
        &self.json["scenarios"][0]
    }

    pub fn verdict(&self) -> &str {
        self.scenario()["verdict"].as_str().unwrap_or("none")
    }

    pub fn outcomes(&self) -> BTreeMap<String, String> {
        self.scenario()["databases"]
            .as_array()
            .map(|databases| {
                databases
                    .iter()
                    .map(|database| {
                        let text = |key: &str| database[key].as_str().unwrap().to_owned();
                        (text("name"), text("outcome"))
                    })
                    .collect()
            })
            .unwrap_or_default()
    }

    /// (code, database) of every finding that is more than a notice.
    pub fn findings(&self) -> Vec<(String, Option<String>)> {
        let scenario = self.scenario();
        let own = scenario["findings"].as_array().cloned().unwrap_or_default();
        let of_databases = scenario["databases"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .flat_map(|database| database["findings"].as_array().cloned().unwrap_or_default());
        own.into_iter()
            .chain(of_databases)
            .filter(|finding| finding["class"] != "notice")
            .map(|finding| {
                let code = finding["code"].as_str().unwrap().to_owned();
                (code, finding["database"].as_str().map(str::to_owned))
            })
            .collect()
    }

    pub fn has(&self, code: &str, database: Option<&str>) -> bool {
        self.findings()
            .iter()
            .any(|(found, of)| found == code && (database.is_none() || of.as_deref() == database))
    }

    /// JUnit without what differs between engines and runs: suites, names and fates.
    pub fn junit_shape(&self) -> Vec<(String, String, String)> {
        let document = roxmltree::Document::parse(&self.junit).unwrap();
        document
            .descendants()
            .filter(|node| node.has_tag_name("testcase"))
            .map(|case| {
                let fate = case
                    .children()
                    .find(|node| {
                        ["failure", "error", "skipped"].iter().any(|tag| node.has_tag_name(*tag))
                    })
                    .map_or("passed", |node| node.tag_name().name());
                let attribute = |name| case.attribute(name).unwrap_or_default().to_owned();
                (attribute("classname"), attribute("name"), fate.to_owned())
            })
            .collect()
    }
}

/// A scenario that asks the restored databases for the facts of the source.
pub fn fact_scenario(fixture: &Fixture, backup: &str) -> String {
    let mut yaml =
        format!("version: 1\nname: facts\nbackup:\n  path: {}\nchecks:\n", quoted(backup));
    for (database, facts) in &fixture.facts {
        for (fact, sql) in FACTS {
            let plain = DATABASES.iter().any(|(name, kind)| name == database && *kind != "dump");
            // A plain dump carries nothing of its database's own properties.
            if fact == "database" && plain {
                continue;
            }
            yaml.push_str(&format!(
                "  - query: {{name: {}, database: {}, sql: {}, equals: {}}}\n",
                quoted(&format!("{fact} of {database}")),
                quoted(database),
                quoted(sql),
                quoted(&facts[fact])
            ));
        }
    }
    yaml
}

/// A YAML string in double quotes: JSON's are.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

const PLAIN_HEAD: &str = "--
-- PostgreSQL database dump
--

-- Dumped from database version 15.18
-- Dumped by pg_dump version 15.18

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

CREATE TABLE public.t (
    id integer
);

COPY public.t (id) FROM stdin;
1
\\.

";
const PLAIN_TAIL: &str = "

--
-- PostgreSQL database dump complete
--

";

/// A plain dump as `pg_dump` frames it, of one table with one row, and with this SQL in it.
pub fn plain_dump(sql: &str) -> String {
    format!("{PLAIN_HEAD}{sql}{PLAIN_TAIL}")
}
