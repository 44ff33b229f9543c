//! What the checks that run by default take of a restore test.
//!
//! `cargo bench --bench checks` prints
//!
//! ```text
//! checks / restore 0.07 (0.06-0.08)
//! ```
//!
//! It is the time that `pgdrill verify ARCHIVE --restore-test` spends on looking whether what came out is what went in
//! (`databases[].checked_seconds` of the report: structure, rows and the default share of their
//! content, and the phase `checks`), divided by the rest of the run: the median of the rounds, then the least and the greatest.
//!
//! Needs PostgreSQL's programs (`PGDRILL_PG_BINDIR`, else the newest in `/usr/lib/postgresql`) and
//! about 3 GB below the temporary folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench may fail"
)]

mod archive;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use archive::{archive, bindir, folder, make_dumps};
use serde_json::Value;

const ROUNDS: usize = 3;

fn main() {
    // `cargo test --benches` runs it too, and a bench is no test.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = folder();
    let bindir = bindir();
    let dumps = make_dumps(folder.path(), &bindir);
    let backup = folder.path().join("cluster_20260101_000000.tar.gz");
    archive(&dumps, &backup, 1);
    let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| ratio(&backup, &bindir)).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "checks / restore {:.2} ({:.2}-{:.2})",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
}

fn ratio(backup: &Path, bindir: &Path) -> f64 {
    let json = backup.with_extension("json");
    let status = Command::new(env!("CARGO_BIN_EXE_pgdrill"))
        .arg("verify")
        .arg(backup)
        .args(["--restore-test", "--engine", "local", "--progress", "none", "--pg-bindir"])
        .arg(bindir)
        .arg("--json")
        .arg(&json)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the restore test ended with {status}");
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let scenario = &report["scenarios"][0];
    let sum = |list: &str, key: &str| -> f64 {
        scenario[list].as_array().unwrap().iter().map(|one| one[key].as_f64().unwrap()).sum()
    };
    let phases = scenario["phases"].as_array().unwrap();
    let asked = phases.iter().find(|phase| phase["name"] == "checks");
    let asked = asked.map_or(0.0, |phase| phase["duration_seconds"].as_f64().unwrap());
    let checks = sum("databases", "checked_seconds") + asked;
    checks / (sum("phases", "duration_seconds") - checks)
}
