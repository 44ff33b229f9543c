//! The archive that the benches measure with.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Databases of the small archive, with the rows of their large table.
const DATABASES: [(&str, u32); 4] =
    [("ledger_00", 800_000), ("events_00", 500_000), ("shop_00", 300_000), ("wiki_00", 120_000)];
/// Rows as they occur: half of the bytes do not compress.
const TABLES: &str = "
create table orders (
    id bigint primary key, customer int not null, placed timestamptz not null,
    amount numeric(12,2) not null, weight float8, state text not null, note text, token text not null
);
insert into orders
select n, n % 9973, timestamptz '2026-01-01 00:00+00' + n * interval '37 seconds',
    (n::bigint * 7919 % 1000003) / 100.0, n * 0.37, (array['new','paid','sent','back'])[1 + n % 4],
    case when n % 5 = 0 then null else 'customer asked for delivery in week ' || n % 53 end,
    md5(n::text || random()) || md5(random()::text || n)
from generate_series(1, :rows) n;
create table customers (id int primary key, name text not null, mail text unique, seen date);
insert into customers
select n, 'Customer ' || n, md5(random()::text) || '@example.com', date '2020-01-01' + n % 2000
from generate_series(1, :rows / 10) n;
create index on orders (customer);
";

/// A folder that the server may reach, which runs as another account where this is root.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("pgdrill-bench-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Runs a program that must succeed.
pub(crate) fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?} failed");
}

/// A cluster archive with these dumps, each so many times.
pub(crate) fn archive(dumps: &[(String, PathBuf)], path: &Path, copies: usize) {
    let file = BufWriter::new(File::create(path).unwrap());
    let level = if copies == 1 { Compression::default() } else { Compression::fast() };
    let mut tar = tar::Builder::new(GzEncoder::new(file, level));
    for copy in 0..copies {
        for (name, dump) in dumps {
            let mut bytes = fs::read(dump).unwrap();
            let other = name.replace("00", &format!("{copy:02}"));
            // Header and table of contents name it; data are compressed, and come after.
            let finder = memchr::memmem::Finder::new(name);
            let places: Vec<usize> = finder.find_iter(&bytes[..bytes.len().min(65_536)]).collect();
            for at in places {
                bytes[at..at + other.len()].copy_from_slice(other.as_bytes());
            }
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("dumps/{other}.dump"), &bytes[..]).unwrap();
        }
    }
    let globals = b"--\n-- PostgreSQL database cluster dump\n--\n\nSET client_encoding = 'UTF8';\n\
        CREATE ROLE bench;\nALTER ROLE bench WITH SUPERUSER LOGIN;\n\n\
        --\n-- PostgreSQL database cluster dump complete\n--\n\n";
    let mut header = tar::Header::new_ustar();
    header.set_size(globals.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "globals.sql", &globals[..]).unwrap();
    tar.into_inner().unwrap().finish().unwrap().flush().unwrap();
}

/// The folder of PostgreSQL's programs.
pub(crate) fn bindir() -> PathBuf {
    if let Some(named) = std::env::var_os("PGDRILL_PG_BINDIR") {
        return named.into();
    }
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL's programs in /usr/lib/postgresql, or PGDRILL_PG_BINDIR")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("a PostgreSQL with initdb in /usr/lib/postgresql")
}

/// A server for the time that making the dumps takes.
struct Server<'a> {
    folder: PathBuf,
    bindir: &'a Path,
}

impl Server<'_> {
    /// One of PostgreSQL's programs, as the account that the server runs as.
    fn program(&self, name: &str) -> Command {
        let program = self.bindir.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder).env("PGHOST", &self.folder).env("PGUSER", "bench");
        command
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        let _ = stop.args(["stop", "-D", "data", "-m", "immediate"]).stdout(Stdio::null()).status();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// One custom-format dump for each database: its name and its file.
pub(crate) fn make_dumps(folder: &Path, bindir: &Path) -> Vec<(String, PathBuf)> {
    let server = Server { folder: folder.join("server"), bindir };
    fs::create_dir(&server.folder).unwrap();
    fs::set_permissions(&server.folder, fs::Permissions::from_mode(0o777)).unwrap();
    run(server.program("initdb").args(["-D", "data", "-U", "bench", "-A", "trust", "--no-sync"]));
    let options = format!(
        "-c listen_addresses= -c fsync=off -c max_wal_size=4GB -k '{}'",
        server.folder.display()
    );
    run(server
        .program("pg_ctl")
        .args(["start", "-w", "-D", "data", "-l", "log", "-o"])
        .arg(options));
    DATABASES
        .iter()
        .map(|(name, rows)| {
            run(server.program("createdb").arg(name));
            let mut psql = server.program("psql");
            psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", name, "-v"])
                .arg(format!("rows={rows}"));
            let mut psql = psql.stdin(Stdio::piped()).spawn().unwrap();
            psql.stdin.take().unwrap().write_all(TABLES.as_bytes()).unwrap();
            assert!(psql.wait().unwrap().success());
            let file = server.folder.join(format!("{name}.dump"));
            run(server.program("pg_dump").args(["-Fc", "-f"]).arg(&file).args(["-d", name]));
            ((*name).to_owned(), file)
        })
        .collect()
}
