//! The shipped scenarios do what they say, on the archive that `pgdrill demo` makes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and shows its plans"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use support::{Bench, Ran, image};

const ARCHIVE: &str = "cluster_20260130_021011.tar.gz";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

/// A folder with the demo's archive, one of its dumps by itself, and half of the archive.
fn backups(bench: &Bench) -> PathBuf {
    let folder = bench.path("backups");
    let made = bench.command().args(["demo", "--engine=docker", "--dir"]).arg(&folder).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    let archive = fs::read(folder.join(ARCHIVE)).unwrap();
    fs::write(folder.join("damaged.tar.gz"), &archive[..archive.len() / 2]).unwrap();
    let mut members = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    for member in members.entries().unwrap() {
        let mut member = member.unwrap();
        if member.path().unwrap().ends_with("dumps/shop.dump") {
            let mut dump = Vec::new();
            member.read_to_end(&mut dump).unwrap();
            fs::write(folder.join("shop_20260130_021011.dump"), dump).unwrap();
        }
    }
    folder
}

/// What a shipped scenario finds in its environment.
fn variables(backups: &Path, name: &str) -> Vec<(&'static str, String)> {
    let archive = backups.join(ARCHIVE);
    let sha256 = Sha256::digest(fs::read(&archive).unwrap());
    let sha256 = sha256.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut variables = vec![
        ("PGDRILL_BACKUPS", backups.to_str().unwrap().to_owned()),
        ("BACKUP", archive.to_str().unwrap().to_owned()),
        ("BACKUP_SHA256", sha256),
        ("PG15_IMAGE", image(15)),
        ("PG17_IMAGE", image(17)),
    ];
    if name == "pinned-images.yaml" {
        variables.push(("PGDRILL_IMAGE", String::new()));
    }
    variables
}

/// Runs a shipped scenario from a folder that is not the project's.
fn run(bench: &Bench, backups: &Path, name: &str) -> Ran {
    let variables = variables(backups, name);
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    bench.run_with(&["run", shipped(name).to_str().unwrap()], &variables)
}

/// Plans it, and says what `pgdrill plan` prints.
fn plan(bench: &Bench, backups: &Path, name: &str) -> String {
    let mut command = bench.command();
    command.arg("plan").arg(shipped(name));
    for (name, value) in variables(backups, name) {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{name}: {text}{words}");
    text
}

#[test]
fn every_shipped_scenario_does_what_it_says() {
    let bench = Bench::new();
    let backups = backups(&bench);
    let mut run_here = BTreeSet::from(["demo.yaml".to_owned()]);
    for (name, verdict, databases) in [
        ("weekly-cluster-audit.yaml", "restorable", 6),
        ("single-dump.yaml", "restorable", 1),
        ("ci-gate.yaml", "restorable", 6),
        ("some-databases.yaml", "restorable", 6),
        ("pinned-images.yaml", "restorable", 6),
        ("damaged-archive.yaml", "not_restorable", 0),
    ] {
        // Seen with `cargo nextest run --test shipped --success-output final`.
        let planned = plan(&bench, &backups, name);
        println!("{planned}");
        let stem = name.trim_end_matches(".yaml");
        assert!(planned.contains(stem), "{planned}");
        let ran = run(&bench, &backups, name);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.text());
        assert_eq!(ran.verdict(), verdict, "{name}: {}", ran.text());
        assert_eq!(ran.scenario()["expectation"], "met", "{name}");
        if databases > 0 {
            assert_eq!(ran.outcomes().len(), databases, "{name}: {}", ran.text());
        }
        run_here.insert(name.to_owned());
    }
    assert!(bench.path("reports/runs/weekly-cluster-audit.xml").exists());
    let there: BTreeSet<String> = fs::read_dir(shipped(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(there, run_here, "every shipped scenario is run by a test");
}

#[test]
fn a_sound_archive_that_should_be_bad_fails() {
    let bench = Bench::new();
    let backups = backups(&bench);
    fs::copy(backups.join(ARCHIVE), backups.join("damaged.tar.gz")).unwrap();
    let ran = run(&bench, &backups, "damaged-archive.yaml");
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(ran.verdict(), "restorable");
    assert_eq!(ran.scenario()["result"], "failed");
    // Bad for another reason than the expected one.
    fs::write(backups.join("damaged.tar.gz"), b"").unwrap();
    let ran = run(&bench, &backups, "damaged-archive.yaml");
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(
        (ran.verdict(), ran.scenario()["result"].as_str()),
        ("not_restorable", Some("failed"))
    );
}
