//! Sidecars as dbbackup writes them.

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::*;
use crate::backup::decrypt::Encryption;

const CLUSTER: &str = r#"{
  "version": "2.0",
  "timestamp": "2026-01-30T02:10:11.123456789+01:00",
  "cluster_name": "localhost:5432",
  "database_type": "postgres",
  "host": "localhost",
  "port": 5432,
  "databases": [
    {"version": "", "timestamp": "2026-01-30T02:10:11.1+01:00", "database": "app",
     "database_type": "postgres", "database_version": "PostgreSQL 15.18 (Debian 15.18-0) on x86_64",
     "host": "", "port": 0, "user": "", "backup_file": "", "size_bytes": 0, "sha256": "",
     "compression": "", "backup_type": "", "duration_seconds": 0, "encrypted": false},
    {"version": "", "database": "shop", "database_type": "postgres", "size_bytes": 0, "sha256": ""}
  ],
  "total_size_bytes": 123,
  "duration_seconds": 0.2,
  "extra_info": {"archive_sha256": "HASH", "database_count": "2",
    "database_version": "PostgreSQL 15.18 (Debian 15.18-0) on x86_64",
    "failure_count": "0", "success_count": "2"}
}"#;

/// What dbbackup makes of an encrypted cluster's: saved through the structure of a single backup.
const ENCRYPTED_CLUSTER: &str = r#"{
  "version": "2.0", "timestamp": "2026-01-30T02:10:11+01:00", "database": "", "database_type": "postgres",
  "database_version": "", "host": "localhost", "port": 5432, "user": "", "backup_file": "", "size_bytes": 0,
  "sha256": "", "compression": "", "backup_type": "", "duration_seconds": 0.2,
  "extra_info": {"archive_sha256": "HASH", "database_count": "2", "failure_count": "1", "success_count": "1"},
  "encrypted": true, "encryption_algorithm": "aes-256-gcm"
}"#;

const SINGLE: &str = r#"{
  "version": "2.0", "timestamp": "2026-01-30T02:10:11Z", "database": "shop", "database_type": "postgres",
  "database_version": "unknown", "host": "db", "port": 5432, "user": "postgres",
  "backup_file": "/var/backups/db_shop_20260130_021011.dump", "size_bytes": 123, "sha256": "HASH",
  "compression": "gzip-6", "backup_type": "single", "duration_seconds": 1.5, "encrypted": false
}"#;

/// Written by a restore that found no sidecar.
const GENERATED: &str = r#"{
  "version": "2.0", "timestamp": "2026-02-01T00:00:00Z", "cluster_name": "auto-generated", "database_type": "postgres",
  "host": "", "port": 0, "databases": [{"database": "app", "backup_file": "dumps/app.dump", "size_bytes": 7}],
  "total_size_bytes": 55, "duration_seconds": 0, "extra_info": {"generated_by": "dbbackup-restore-passthrough"}
}"#;

const INFO: &str = r#"{
  "type": "cluster", "database": "cluster", "timestamp": "20260130_021011", "host": "localhost", "port": 5432,
  "user": "postgres", "db_type": "postgres", "compression": 6, "size_bytes": 123,
  "database_count": 3, "success_count": 1, "failure_count": 2
}"#;

fn hash(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// What is read beside a backup that has these sidecars.
fn beside(files: &[(&str, &str)]) -> (Option<Sidecar>, Vec<Finding>) {
    let folder = tempfile::tempdir().unwrap();
    let backup = Utf8PathBuf::from_path_buf(folder.path().join("c.tar.gz")).unwrap();
    for (suffix, text) in files {
        fs::write(format!("{backup}{suffix}"), text.replace("HASH", &hash('a'))).unwrap();
    }
    read(&backup)
}

fn one(suffix: &str, text: &str) -> Sidecar {
    let (sidecar, findings) = beside(&[(suffix, text)]);
    assert_eq!(findings, []);
    sidecar.unwrap()
}

fn hashes(sidecar: &Sidecar) -> Vec<&str> {
    sidecar.hashes.iter().map(|said| &*said.value).collect()
}

fn sizes(sidecar: &Sidecar) -> Vec<u64> {
    sidecar.sizes.iter().map(|said| said.value).collect()
}

#[test]
fn absent_sidecars_say_nothing() {
    assert_eq!(beside(&[]), (None, Vec::new()));
}

#[test]
fn every_structure_is_read() {
    let cluster = one(".meta.json", CLUSTER);
    assert_eq!(cluster.databases, ["app", "shop"]);
    assert_eq!((hashes(&cluster), sizes(&cluster)), (vec![&*hash('a')], vec![123]));
    assert_eq!((cluster.failure_count, cluster.is_generated), (0, false));
    assert_eq!(cluster.server_version.unwrap().major(), Some(15));
    let single = one(".meta.json", SINGLE);
    assert_eq!((single.database.as_deref(), single.server_version.as_ref()), (Some("shop"), None));
    assert_eq!((hashes(&single), sizes(&single)), (vec![&*hash('a')], vec![123]));
    let info = one(".info", INFO);
    assert_eq!((info.failure_count, sizes(&info)), (2, vec![123]));
    assert_eq!(info.timestamp.as_deref(), Some("20260130_021011"));
    let generated = one(".meta.json", GENERATED);
    assert!(generated.is_generated && generated.hashes.is_empty() && generated.sizes.is_empty());
    assert_eq!(generated.databases, ["app"]);
}

#[test]
fn an_encrypted_cluster_has_lost_its_list_and_keeps_what_failed() {
    let sidecar = one(".meta.json", ENCRYPTED_CLUSTER);
    assert!(sidecar.is_encrypted && sidecar.databases.is_empty());
    assert_eq!((sidecar.database.as_deref(), sidecar.failure_count), (None, 1));
    assert_eq!(hashes(&sidecar), [hash('a')]);
    let codes: Vec<_> = compare_members(&sidecar, &BTreeSet::from(["app"]))
        .into_iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, [FindingCode::BackupIncomplete]);
}

#[test]
fn what_cannot_be_understood_is_a_notice() {
    for (suffix, text, cause) in [
        (".meta.json", "", "it is empty"),
        (".meta.json", " \n", "it is empty"),
        (".meta.json", "{\"version\": \"2.0\", ", "EOF"),
        (".meta.json", "[1]", "it is no JSON object"),
        (".info", "", "it is empty"),
        (".sha256", "", "it is empty"),
        (".sha256", "abc  /x\n", "it holds no SHA-256"),
    ] {
        let (sidecar, findings) = beside(&[(suffix, text)]);
        assert_eq!(sidecar, None, "{suffix} {text}");
        let [finding] = &findings[..] else { panic!("{suffix} {text}: {findings:?}") };
        assert_eq!(finding.code, FindingCode::SidecarUnreadable);
        assert!(finding.cause.as_ref().unwrap().contains(cause), "{finding:?}");
    }
}

#[test]
fn quotes_that_break_an_info_do_not_hide_what_failed() {
    let text = INFO.replace("\"database\": \"cluster\"", "\"database\": \"a\"b; DROP\"");
    let (sidecar, findings) = beside(&[(".info", &text)]);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(sidecar.unwrap().failure_count, 2);
}

#[test]
fn a_hash_counts_whatever_path_stands_behind_it() {
    let text = format!("{}  /mnt/elsewhere/old name.dump\n", hash('B'));
    assert_eq!(hashes(&one(".sha256", &text)), [hash('b')]);
}

#[test]
fn counts_are_read_as_strings_and_as_numbers() {
    for (text, count) in [
        (r#"{"extra_info":{"failure_count":"2"}}"#, 2),
        (r#"{"failure_count":3}"#, 3),
        (r#"{"failure_count":""}"#, 0),
        (r#"{"failure_count":99999999999999999999999}"#, u64::MAX),
        (r#"{"failure_count":"99999999999999999999999"}"#, u64::MAX),
        (r#"{"failure_count":0.5}"#, 1),
    ] {
        assert_eq!(one(".meta.json", text).failure_count, count, "{text}");
    }
}

#[test]
fn a_lost_and_an_unlisted_database_are_both_seen() {
    let sidecar = one(".meta.json", CLUSTER);
    let codes = |names: &[&str]| -> Vec<_> {
        compare_members(&sidecar, &names.iter().copied().collect())
            .into_iter()
            .map(|finding| finding.code)
            .collect()
    };
    assert_eq!(
        codes(&["app", "extra"]),
        [FindingCode::DatabaseMissing, FindingCode::MemberNotListed]
    );
    assert_eq!(codes(&["app", "shop"]), []);
}

fn compared(
    sidecar: &Sidecar,
    bytes: u64,
    digit: char,
    within: Option<(u64, char)>,
) -> Vec<Finding> {
    let encryption = within.map_or(Encryption::None, |(bytes, digit)| Encryption::Opened {
        bytes,
        sha256: hash(digit),
    });
    compare_file(
        sidecar,
        &FileFacts {
            path: Utf8Path::new("c.tar.gz"),
            bytes,
            sha256: Some(&hash(digit)),
            encryption: &encryption,
            dumps_made: &["2026-01-30T02:00:00", "2026-01-30T02:05:00"],
        },
    )
}

fn codes(findings: &[Finding]) -> Vec<FindingCode> {
    findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_hash_may_be_of_the_file_or_of_what_is_encrypted_in_it() {
    let sidecar = one(".meta.json", CLUSTER);
    assert_eq!(compared(&sidecar, 123, 'a', None), []);
    assert_eq!(compared(&sidecar, 150, 'c', Some((123, 'a'))), []);
    assert_eq!(compared(&sidecar, 123, 'a', Some((100, 'c'))), []);
    assert_eq!(codes(&compared(&sidecar, 123, 'c', None)), [FindingCode::ChecksumMismatch]);
    let neither = compared(&sidecar, 123, 'c', Some((100, 'd')));
    assert_eq!(codes(&neither), [FindingCode::ChecksumMismatch]);
    let cause = neither[0].cause.as_ref().unwrap();
    assert!([hash('a'), hash('c'), hash('d')].iter().all(|hash| cause.contains(hash)), "{cause}");
    let facts = FileFacts {
        path: Utf8Path::new("c.tar.gz"),
        bytes: 1,
        sha256: Some(&hash('c')),
        encryption: &Encryption::Closed,
        dumps_made: &[],
    };
    assert_eq!(compare_file(&sidecar, &facts), []);
}

#[test]
fn each_hash_must_fit() {
    let other = format!("{}  /x\n", hash('e'));
    let (sidecar, _) = beside(&[(".meta.json", CLUSTER), (".sha256", &other)]);
    let found = compared(&sidecar.unwrap(), 123, 'a', None);
    assert_eq!(codes(&found), [FindingCode::ChecksumMismatch]);
    assert!(found[0].object.as_ref().unwrap().ends_with("/c.tar.gz.sha256"), "{found:?}");
}

#[test]
fn a_sidecar_of_another_size_or_time_is_stale() {
    let sidecar = one(".info", INFO);
    assert_eq!(compared(&sidecar, 123, 'a', None), []);
    let stale = compared(&sidecar, 124, 'a', None);
    assert_eq!(codes(&stale), [FindingCode::SidecarStale]);
    let cause = stale[0].cause.as_ref().unwrap();
    assert!(cause.contains("`.info` says 123 bytes, the file has 124"), "{cause}");
    for (time, is_stale) in [
        ("20260129_000400", true),
        ("20260129_000600", false),
        ("20260301_000000", false),
        ("2026-01-28T23:59:59-01:00", false),
        ("2026-01-28T23:59:59+01:00", true),
        ("no time", false),
    ] {
        let text = INFO.replace("20260130_021011", time);
        let found = compared(&one(".info", &text), 123, 'a', None);
        assert_eq!(!found.is_empty(), is_stale, "{time}: {found:?}");
    }
}

#[test]
fn a_count_that_is_none_is_not_taken_for_zero() {
    for count in ["true", "\"many\"", "-1", "[]", "\"NaN\""] {
        let (sidecar, findings) = beside(&[(".info", &format!("{{\"failure_count\":{count}}}"))]);
        assert_eq!(sidecar, None, "{count}");
        assert_eq!(codes(&findings), [FindingCode::SidecarUnreadable], "{count}");
        assert!(findings[0].cause.as_ref().unwrap().contains(count), "{findings:?}");
    }
    let cut = "{\"failure_count\": 99999999999999999999999, \"database\": \"a\"b\"}";
    assert_eq!(beside(&[(".info", cut)]).0.unwrap().failure_count, u64::MAX);
}

#[test]
fn how_many_were_backed_up_is_compared_with_how_many_there_are() {
    let info = one(".info", r#"{"database_count":3,"success_count":2,"failure_count":0}"#);
    assert_eq!(
        codes(&compare_members(&info, &BTreeSet::from(["a"]))),
        [FindingCode::DatabaseMissing]
    );
    assert_eq!(compare_members(&info, &BTreeSet::from(["a", "b"])), []);
    assert_eq!(
        codes(&compare_members(&info, &BTreeSet::from(["a", "b", "c"]))),
        [FindingCode::MemberNotListed]
    );
    // A list says more than a number.
    let sidecar = one(".meta.json", &CLUSTER.replace("\"2\"", "\"7\""));
    assert_eq!(compare_members(&sidecar, &BTreeSet::from(["app", "shop"])), []);
}

#[test]
fn a_list_of_hashes_speaks_of_the_file_that_it_names() {
    let (a, b, c) = (hash('a'), hash('b'), hash('c'));
    for (text, expected) in [
        (format!("{b}  other.dump\n{a}  c.tar.gz\n"), vec![&a]),
        (format!("{a} */mnt/c.tar.gz\n{b} *c.tar.gz.old\n"), vec![&a]),
        // Whatever contradicts counts as well.
        (format!("{a}  c.tar.gz\n{b}  ./c.tar.gz\n"), vec![&a, &b]),
        (format!("SHA256 (c.tar.gz) = {a}\n"), vec![&a]),
        (format!("SHA256 (other) = {b}\nSHA256 (/x (1)/c.tar.gz) = {a}\n"), vec![&a]),
        (format!("SHA2-256(c.tar.gz)= {a}\n"), vec![&a]),
        (format!("\\{a}  /odd\\nplace/c.tar.gz\n\\{b}  c.tar.gz\\\\\n"), vec![&a]),
        (format!("\\{a}  /odd\\nplace/renamed\n"), vec![&a]),
        (a.to_ascii_uppercase(), vec![&a]),
        (format!("# of the night\n\n{a}\n{b}  other\n"), vec![&a]),
        (format!("{c}  old.tar.gz\n{c}  older.tar.gz\n"), vec![&c]),
    ] {
        assert_eq!(hashes(&one(".sha256", &text)), expected, "{text}");
    }
    let (sidecar, findings) = beside(&[(".sha256", &format!("{a}  one\n{b}  two\n"))]);
    assert_eq!(sidecar, None);
    assert_eq!(codes(&findings), [FindingCode::SidecarUnreadable]);
}

#[test]
fn a_link_without_sidecars_has_those_of_its_target() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
    fs::create_dir(at.join("links")).unwrap();
    let (real, link) = (at.join("real.tar.gz"), at.join("links/latest.tar.gz"));
    fs::write(&real, b"x").unwrap();
    symlink("../real.tar.gz", &link).unwrap();
    assert_eq!(read(&link), (None, Vec::new()));
    let list = format!("{}  other\n{}  real.tar.gz\n", hash('b'), hash('a'));
    fs::write(format!("{real}.sha256"), list).unwrap();
    let sidecar = read(&link).0.unwrap();
    assert_eq!(hashes(&sidecar), [hash('a')]);
    assert_eq!(sidecar.beside, real);
    fs::write(format!("{link}.sha256"), hash('c')).unwrap();
    assert_eq!(hashes(&read(&link).0.unwrap()), [hash('c')]);
    fs::write(format!("{link}.sha256"), "nothing").unwrap();
    let (sidecar, findings) = read(&link);
    assert_eq!((sidecar, codes(&findings)), (None, vec![FindingCode::SidecarUnreadable]));
}
