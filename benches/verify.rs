//! What a static verification costs beside PostgreSQL's and gzip's own programs, and in memory.
//!
//! `cargo bench --bench verify` prints
//!
//! ```text
//! verify / tools 0.47 (0.45-0.50)
//! peak RSS 41 MiB (archive of 105 MB), 41 MiB (archive of 5.1 GB)
//! ```
//!
//! The first line is the time of `pgdrill verify ARCHIVE` divided by that of `gzip -t ARCHIVE` and one
//! `pg_restore -f /dev/null` for each dump: the median of the rounds, then the least and the
//! greatest. Each round times both, so that whatever else the machine does concerns both. The
//! second line is the high-water mark of `pgdrill verify`'s resident memory.
//!
//! Needs PostgreSQL's programs (`PGDRILL_PG_BINDIR`, else the newest in `/usr/lib/postgresql`), gzip
//! and about 7 GB below the temporary folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench may fail"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

const ROUNDS: usize = 5;
/// Databases of the small archive, with the rows of their large table.
const DATABASES: [(&str, u32); 4] =
    [("ledger_00", 800_000), ("events_00", 500_000), ("shop_00", 300_000), ("wiki_00", 120_000)];
/// The big archive holds each dump so many times, as a dump of another database each time.
const COPIES: usize = 48;

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

fn main() {
    // `cargo test --benches` runs it too, and a bench is no test.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("pgdrill-bench-").tempdir().unwrap();
    // The server runs as another account where this is root.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let bindir = bindir();
    let dumps = make_dumps(folder.path(), &bindir);
    let small = folder.path().join("cluster_20260101_000000.tar.gz");
    archive(&dumps, &small, 1);

    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let tools = timed(|| {
                run(Command::new("gzip").arg("-t").arg(&small));
                for (_, dump) in &dumps {
                    run(Command::new(bindir.join("pg_restore"))
                        .args(["-f", "/dev/null"])
                        .arg(dump));
                }
            });
            let ours = timed(|| assert!(verify(&small).wait().unwrap().success()));
            ours.as_secs_f64() / tools.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
    println!("verify / tools {median:.2} ({least:.2}-{most:.2})");

    let peak_small = peak(&small);
    let big = folder.path().join("big_20260101_000000.tar.gz");
    archive(&dumps, &big, COPIES);
    let peak_big = peak(&big);
    println!(
        "peak RSS {} MiB (archive of {} MB), {} MiB (archive of {} MB)",
        mebibytes(peak_small),
        fs::metadata(&small).unwrap().len() / 1_000_000,
        mebibytes(peak_big),
        fs::metadata(&big).unwrap().len() / 1_000_000,
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?} failed");
}

/// Starts a static verification.
fn verify(archive: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pgdrill"))
        .arg("verify")
        .arg(archive)
        .args(["--progress", "none"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The high-water mark of its resident memory in KiB (`VmHWM` in `proc_pid_status(5)`), which only
/// grows: the last look before its end is near enough.
fn peak(archive: &Path) -> u64 {
    let mut child = verify(archive);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = mark
            .and_then(|mark| mark.trim().strip_suffix("kB")?.trim().parse().ok())
            .map_or(peak, |mark: u64| mark.max(peak));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn mebibytes(kibibytes: u64) -> u64 {
    kibibytes.div_ceil(1024)
}

/// A cluster archive with these dumps, each so many times.
fn archive(dumps: &[(String, PathBuf)], path: &Path, copies: usize) {
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

fn bindir() -> PathBuf {
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
fn make_dumps(folder: &Path, bindir: &Path) -> Vec<(String, PathBuf)> {
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
