//! The shipped scenarios do what they say, on the archive that `pgdrill demo` makes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

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

/// Runs a shipped scenario from a folder that is not the project's.
fn run(bench: &Bench, backups: &Path, name: &str) -> Ran {
    let archive = backups.join(ARCHIVE);
    let sha256 = Sha256::digest(fs::read(&archive).unwrap());
    let sha256 = sha256.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let file = shipped(name);
    let mut variables = vec![
        ("PGDRILL_BACKUPS", backups.to_str().unwrap()),
        ("BACKUP", archive.to_str().unwrap()),
        ("BACKUP_SHA256", &sha256),
    ];
    let images = (image(15), image(17));
    variables.extend([("PG15_IMAGE", images.0.as_str()), ("PG17_IMAGE", &images.1)]);
    if name == "pinned-images.yaml" {
        variables.push(("PGDRILL_IMAGE", ""));
    }
    bench.run_with(&["run", file.to_str().unwrap()], &variables)
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
