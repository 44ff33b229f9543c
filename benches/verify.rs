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

mod archive;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use archive::{archive, bindir, folder, make_dumps, run};

const ROUNDS: usize = 5;
/// The big archive holds each dump so many times, as a dump of another database each time.
const COPIES: usize = 48;

fn main() {
    // `cargo test --benches` runs it too, and a bench is no test.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = folder();
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
