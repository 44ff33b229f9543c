#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use super::{Chosen, Matches, Several, choose, folders_of_glob, made, may_mean};
use crate::finding::{Finding, FindingCode};

const DUMP: &[u8] = include_bytes!("../../../tests/fixtures/custom/15-none.dump");

fn folder(files: &[(&str, &[u8])]) -> (TempDir, Utf8PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temp.path().to_path_buf()).unwrap();
    for (name, bytes) in files {
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    (temp, path)
}

fn named(names: &[&str]) -> (TempDir, Utf8PathBuf) {
    folder(&names.iter().map(|name| (*name, &b""[..])).collect::<Vec<_>>())
}

fn newest(folder: &Utf8Path, glob: &str) -> Result<Chosen, Box<Finding>> {
    choose(&folder.join(glob), None, Several::Newest)
}

fn name_of(folder: &Utf8Path, chosen: Result<Chosen, Box<Finding>>) -> String {
    let path = chosen.unwrap().path;
    path.strip_prefix(folder).unwrap().to_string()
}

/// A custom-format dump with another second in its header.
fn dump_of_second(second: u8) -> Vec<u8> {
    let mut bytes = DUMP.to_vec();
    // Magic, version, sizes, format, compression; then the time's fields, five bytes each.
    bytes[17] = second;
    bytes
}

#[test]
fn a_path_is_itself_even_if_it_looks_like_a_glob() {
    let (_temp, at) = named(&["a[1].dump", "a1.dump"]);
    for path in [at.join("a[1].dump"), at.join("absent.dump"), Utf8PathBuf::from("x")] {
        let chosen = choose(&path, Some(&at), Several::Refuse).unwrap();
        assert_eq!(chosen, Chosen { path, picked: None });
    }
}

#[test]
fn what_lies_beside_backups_is_none() {
    let (_temp, at) = named(&[
        "c_20260130_021011.tar.gz",
        "c_20260131_021011.tar.gz.partial",
        "c_20260130_021011.tar.gz.meta.json",
        "c_20260130_021011.tar.gz.info",
        "c_20260130_021011.tar.gz.SHA256",
        "c_20260131_021011.tar.gz.tmp",
        ".c_20260131_021011.tar.gz",
        "c_20260201/readme.txt",
    ]);
    let chosen = choose(&at.join("*"), None, Several::Refuse).unwrap();
    assert_eq!(chosen.path, at.join("c_20260130_021011.tar.gz"));
    assert_eq!(chosen.picked.as_deref(), Some("the only match"));
    symlink(at.join("c_20260130_021011.tar.gz"), at.join("a_latest")).unwrap();
    let chosen = choose(&at.join("*"), None, Several::Refuse).unwrap();
    assert_eq!(chosen.path, at.join("c_20260130_021011.tar.gz"));
}

#[test]
fn nothing_that_matches_is_said_with_what_is_there() {
    let (_temp, at) = named(&["a.txt", "b.txt", "c.dump.tmp"]);
    let found = choose(&at.join("*.dump"), None, Several::Newest).unwrap_err();
    assert_eq!(found.code, FindingCode::BackupNotFound);
    assert!(found.cause.unwrap().ends_with("has 3 entries, none matches"));
    let found = choose(&at.join("*.dump*"), None, Several::Newest).unwrap_err();
    assert!(found.cause.unwrap().ends_with("has 3 entries, those that match (1) are no backups"));
    let found = choose(&at.join("gone/*.dump"), None, Several::Newest).unwrap_err();
    let cause = found.cause.unwrap();
    assert!(cause.contains("gone` cannot be listed: No such file"), "{cause}");
    let found = choose(&at.join("**x/[.dump"), None, Several::Newest).unwrap_err();
    assert_eq!(found.code, FindingCode::ScenarioInvalid);
}

#[test]
fn several_matches_are_named_unless_one_is_to_be_picked() {
    let names = ["a_20260101.dump", "b_20260102.dump", "c_20260103.dump", "d_20260104.dump"];
    let (_temp, at) = named(&names);
    let found = choose(&at.join("*.dump"), None, Several::Refuse).unwrap_err();
    assert_eq!(found.code, FindingCode::ScenarioInvalid);
    assert!(found.message.contains("matches 4 backups"), "{}", found.message);
    let cause = found.cause.unwrap();
    assert!(cause.contains("a_20260101.dump`") && cause.ends_with("and 1 more"), "{cause}");
    assert!(found.remedy[0].contains("pick: newest"));
}

#[test]
fn a_relative_glob_is_tried_beside_the_scenario_first() {
    let (_temp, at) = named(&["odd[1]/x_20260101.dump"]);
    let beside = at.join("odd[1]");
    let chosen = choose("x_*.dump".into(), Some(&beside), Several::Refuse).unwrap();
    assert_eq!(chosen.path, beside.join("x_20260101.dump"));
    let found = choose("y_*.dump".into(), Some(&beside), Several::Refuse).unwrap_err();
    let cause = found.cause.unwrap();
    assert!(cause.contains("odd[1]` has 1 entry, none matches; the folder `.` has"), "{cause}");
    // Tests run in the crate's own folder.
    let chosen = choose("Cargo.tom?".into(), Some(&beside), Several::Refuse).unwrap();
    assert_eq!(chosen.path, "Cargo.toml");
}

#[test]
fn times_are_read_from_names() {
    let cases = [
        ("cluster_20260130_021011.tar.gz", "2026-01-30T02:10:11 (in its name)"),
        ("db_sales_20240101_20260130_021011.dump", "2026-01-30T02:10:11 (in its name)"),
        ("x-2026-01-30T02:10:11.sql", "2026-01-30T02:10:11 (in its name)"),
        ("x-2026-01-30T02:10:11Z.sql", "2026-01-30T02:10:11Z (in its name)"),
        ("x-20260130T021011+0230.sql", "2026-01-29T23:40:11Z (in its name)"),
        ("x-2026-01-30T22:10:11-05:00", "2026-01-31T03:10:11Z (in its name)"),
        ("x_2026-01-30_02-10.sql", "2026-01-30T02:10:00 to 2026-01-30T02:10:59 (in its name)"),
        ("20260130.sql", "2026-01-30T00:00:00 to 2026-01-30T23:59:59 (in its name)"),
        ("20260130021011.sql", "2026-01-30T02:10:11 (in its name)"),
        ("x_20260130_990000", "2026-01-30T00:00:00 to 2026-01-30T23:59:59 (in its name)"),
    ];
    for (name, expected) in cases {
        assert_eq!(made::in_name(name).unwrap().to_string(), expected, "{name}");
    }
    for name in
        ["shop.dump", "orders_123456.sql", "20261330.sql", "1769740000.dump", "202601301.x", "x_0"]
    {
        assert_eq!(made::in_name(name), None, "{name}");
    }
}

#[test]
fn the_newest_is_picked_by_name_even_if_it_is_empty() {
    let (_temp, at) = folder(&[
        ("c_20260130_021011.dump", DUMP),
        ("c_20260131_021011.dump", b""),
        ("c_20251231_235959.dump", DUMP),
    ]);
    // The file system says otherwise.
    let old = fs::File::options().append(true).open(at.join("c_20260131_021011.dump")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    let chosen = newest(&at, "*.dump").unwrap();
    assert_eq!(chosen.path, at.join("c_20260131_021011.dump"));
    assert_eq!(chosen.picked.as_deref(), Some("newest of 3 by the time in its name"));
}

#[test]
fn folders_tell_the_time_too() {
    let (_temp, at) = named(&[
        "20260130/2026-02-01/c.dump",
        "20260130/2026-01-31/c.dump",
        "20260130/2026-01-15/globals.sql",
        "20260130/2026-03-15/notes.txt",
    ]);
    assert_eq!(name_of(&at, newest(&at, "20260130/*/c.dump")), "20260130/2026-02-01/c.dump");
    // A folder of notes is none; one with a loose dump, and an empty one, may be all that is left.
    assert_eq!(name_of(&at, newest(&at, "20260130/*")), "20260130/2026-02-01");
    fs::create_dir(at.join("20260130/2026-02-02")).unwrap();
    assert_eq!(name_of(&at, newest(&at, "20260130/*")), "20260130/2026-02-02");
}

#[test]
fn without_a_time_in_the_name_sidecars_and_dumps_are_asked() {
    let later = br#"{"timestamp": "2026-01-31T01:00:00+02:00"}"#;
    let (_temp, at) = folder(&[
        ("a.tar.gz", b"x"),
        ("a.tar.gz.meta.json", br#"{"timestamp": "2026-01-30T22:00:00Z"}"#),
        ("b.tar.gz", b"x"),
        ("b.tar.gz.meta.json", later),
    ]);
    let chosen = newest(&at, "*.tar.gz").unwrap();
    assert_eq!(chosen.path, at.join("b.tar.gz"));
    assert_eq!(chosen.picked.as_deref(), Some("newest of 2 by the time in its sidecar"));

    let started = |day: u8| {
        format!("--\n-- PostgreSQL database dump\n--\n\n-- Started on 2026-01-{day} 02:10:11 CET\n")
    };
    let (_temp, at) =
        folder(&[("a.sql", started(12).as_bytes()), ("b.sql", started(11).as_bytes())]);
    assert_eq!(name_of(&at, newest(&at, "*.sql")), "a.sql");
}

#[test]
fn dumps_in_archives_tell_when_they_were_made() {
    let archive = |dump: &[u8]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in [("globals.sql", &b"-- roles\n"[..]), ("dumps/a.dump", dump)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &tar.into_inner().unwrap()).unwrap();
        gzip.finish().unwrap()
    };
    let (first, second) = (dump_of_second(11), dump_of_second(12));
    assert_eq!(crate::backup::custom::created(&mut &first[..]).unwrap()[5], 11);
    let (_temp, at) = folder(&[
        ("b.tar.gz", &archive(&first)),
        ("a.tar.gz", &archive(&second)),
        ("f2/dumps/a.dump", &first),
        ("f1/dumps/a.dump", &second),
        ("2.dump", &first),
        ("1.dump", &second),
    ]);
    assert_eq!(name_of(&at, newest(&at, "*.tar.gz")), "a.tar.gz");
    assert_eq!(name_of(&at, newest(&at, "f*")), "f1");
    assert_eq!(name_of(&at, newest(&at, "[12].dump")), "1.dump");
    // The same second, twice.
    let found = newest(&at, "[1a].*").unwrap_err();
    assert_eq!(found.code, FindingCode::BackupUndecided);
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    let undecided = |files: &[(&str, &[u8])]| {
        let (_temp, at) = folder(files);
        let found = newest(&at, "*.[ds]*").unwrap_err();
        assert_eq!(found.code, FindingCode::BackupUndecided, "{files:?}");
        found
    };
    let found = undecided(&[("a_20260130.dump", b""), ("b.dump", b"")]);
    assert!(found.message.contains("when `") && found.message.contains("b.dump`"));
    let found = undecided(&[("a_20260130_021011.dump", b""), ("b_20260130_021011.dump", b"")]);
    assert!(found.cause.unwrap().starts_with("made 2026-01-30T02:10:11 (in its name) and 2026"));
    // A day alone may be earlier or later than a time on that day.
    undecided(&[("a_20260130.dump", b""), ("b_20260130_021011.dump", b"")]);
    // Nobody knows the zone of one of the two.
    undecided(&[("a_20260130_021011.dump", b""), ("b_20260130T230000Z.dump", b"")]);
    let sql = b"--\n-- Started on 2026-01-30 22:10:11 CET\n";
    undecided(&[("a_20260130_021011.dump", b""), ("b.sql", sql)]);
    let (_temp, at) = folder(&[("a_20260201_021011.dump", b""), ("b.sql", sql)]);
    assert_eq!(name_of(&at, newest(&at, "*.[ds]*")), "a_20260201_021011.dump");
}

#[test]
fn a_name_that_is_no_text_breaks_no_glob_and_is_not_left_out_in_silence() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = |at: &Utf8Path, name: &[u8]| {
        fs::write(at.as_std_path().join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
    };
    let (_temp, at) = named(&["c_20260130_021011.dump", "c_20260131_021011.dump"]);
    // What matches nothing, and what lies beside a backup.
    odd(&at, b"other\xff.tmp");
    odd(&at, b"c_\xff.dump.log");
    odd(&at, b".\xff.dump");
    let newest_name = "c_20260131_021011.dump";
    assert_eq!(name_of(&at, newest(&at, "*.dump")), newest_name);
    assert_eq!(name_of(&at, newest(&at, "c_*")), newest_name);
    let found = choose(&at.join("*.tar"), None, Several::Refuse).unwrap_err();
    assert!(found.cause.unwrap().ends_with("has 5 entries, none matches"));
    odd(&at, b"c_20260201_\xff.dump");
    assert_eq!(name_of(&at, newest(&at, "c_*_021011.dump")), newest_name);
    for several in [Several::Refuse, Several::Newest] {
        let found = choose(&at.join("c_*.dump"), None, several).unwrap_err();
        assert_eq!(found.code, FindingCode::BackupUndecided, "{several:?}");
        assert!(found.message.contains("c_20260201_\u{fffd}.dump`"), "{}", found.message);
        assert!(found.remedy[0].contains("Rename"), "{:?}", found.remedy);
    }
    // Reports keep off what the glob means.
    assert_eq!(may_mean(&at.join("c_*.dump"), None).len(), 3);
    assert_eq!(folders_of_glob(&at.join("c_*.dump"), None, "c_x.dump"), [at]);
}

/// Root may list every folder, so that no test can make one that it may not.
#[test]
fn a_folder_that_cannot_be_listed_may_hold_what_is_meant() {
    let of = |backups: &[&str], unreadable: Option<&str>| {
        let backups = backups.iter().map(Utf8PathBuf::from).collect();
        let unreadable = unreadable.map(str::to_owned);
        let matches = Matches { backups, odd: None, ignored: 0, unreadable };
        matches.doubt(Utf8Path::new("/b/*/c.tar")).map(|finding| (finding.code, finding.cause))
    };
    let why = "the folder `/b/new` cannot be listed: Permission denied";
    let undecided = Some((FindingCode::BackupUndecided, Some(why.to_owned())));
    assert_eq!(of(&["/b/old/c.tar"], Some(why)), undecided);
    assert_eq!(of(&["/b/old/c.tar"], None), None);
    // With nothing to choose from it is the reason for that.
    assert_eq!(of(&[], Some(why)), None);
}
