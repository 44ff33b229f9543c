//! Real outputs of `pg_dumpall` 13, 15 and 17 (`tests/fixtures/pgdump`), whole and cut.

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::mpsc;

use super::*;
use crate::backup::{BackupInventory, DumpChunk, inspect, stream};
use crate::finding::FindingClass;

fn fixture(name: &str) -> Vec<u8> {
    let folder = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pgdump"));
    fs::read(folder.join(name)).unwrap()
}

fn inspected<T>(bytes: &[u8], then: impl FnOnce(BackupInventory) -> T) -> T {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(temp.path()).unwrap().join("all.sql");
    fs::write(&path, bytes).unwrap();
    then(inspect(&path, &mut |_, _| {}))
}

fn of(bytes: &[u8]) -> BackupInventory {
    inspected(bytes, |inventory| inventory)
}

fn names(inventory: &BackupInventory) -> Vec<&str> {
    inventory.databases.iter().map(|dump| dump.name.as_str()).collect()
}

/// Code and database of each finding.
fn found(inventory: &BackupInventory) -> Vec<(FindingCode, Option<String>)> {
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    let of_globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
    let all = inventory.findings.iter().chain(of_globals).chain(of_dumps);
    let grave = all.filter(|found| found.class != FindingClass::Notice);
    grave.map(|found| (found.code, found.database.clone())).collect()
}

#[test]
fn an_output_is_globals_and_databases() {
    for (name, is_clean) in [
        ("13-all.sql", false),
        ("15-all.sql", false),
        ("15-clean.sql", true),
        ("17-all.sql", false),
        ("17-clean.sql", true),
    ] {
        let inventory = of(&fixture(name));
        assert_eq!(found(&inventory), [], "{name}");
        assert_eq!(inventory.format.to_string(), "pg_dumpall");
        assert_eq!(names(&inventory), ["template1", "kasse", "postgres", "with space"]);
        let makes: Vec<bool> = inventory.databases.iter().map(|d| d.creates_database).collect();
        assert_eq!(makes, [is_clean, true, is_clean, true], "{name}");
        let globals = inventory.globals.as_ref().unwrap();
        let roles: Vec<&str> = globals.roles.iter().map(String::as_str).collect();
        assert_eq!((roles, globals.tablespaces.len()), (vec!["alice", "postgres"], 1));
        assert_eq!(globals.bootstrap_role.as_deref(), Some("postgres"));
        let text = String::from_utf8(globals.sql.clone()).unwrap();
        assert!(
            text.contains("CREATE TABLESPACE fast") && !text.contains("in_template1"),
            "{text}"
        );
        assert!(inventory.databases.iter().all(|dump| dump.has_table_of_contents));
        let rows = |dump: &DatabaseDump| -> u64 {
            dump.entries.iter().filter_map(|entry| entry.data.as_ref()?.rows).sum()
        };
        assert_eq!(inventory.databases.iter().map(rows).collect::<Vec<_>>(), [1, 43, 1, 1]);
    }
}

#[test]
fn a_cut_names_the_database_it_is_in_and_loses_those_behind_it() {
    let whole = fixture("15-clean.sql");
    let find = |text: &str| memchr::memmem::find(&whole, text.as_bytes()).unwrap();
    let title = |name: &str| {
        let title = format!("-- Database \"{name}\" dump");
        find(&title) + title.len()
    };
    let starts = ["template1", "kasse", "postgres", "with space"].map(title);
    let last_line = find("-- PostgreSQL database cluster dump complete");
    for length in (1..last_line).step_by(89) {
        let inventory = of(&whole[..length]);
        let found = found(&inventory);
        let in_section = starts.iter().rposition(|start| *start < length);
        let says_cut = found.iter().any(|(code, _)| {
            matches!(code, FindingCode::DumpTruncated | FindingCode::NoDumpInArchive)
        });
        assert!(says_cut, "{length}: {found:?}");
        let Some(section) = in_section else { continue };
        assert!(found.contains(&(FindingCode::DumpTruncated, None)), "{length}: {found:?}");
        // `--clean` says at the beginning which databases there are.
        let lost = |name: &str| found.iter().any(|(_, of)| of.as_deref() == Some(name));
        assert!(lost("kasse") || section >= 1, "{length}: {found:?}");
        assert!(lost("with space") || section >= 3, "{length}: {found:?}");
        for sound in &inventory.databases[..section] {
            assert!(sound.findings.is_empty(), "{length}: {:?}", sound.findings);
        }
    }
    // Between two databases nothing else tells.
    let between = of(&whole[..starts[3] - 40]);
    assert_eq!(
        found(&between),
        [
            (FindingCode::DumpTruncated, None),
            (FindingCode::DumpTruncated, Some("with space".to_owned()))
        ]
    );
}

#[test]
fn a_part_that_is_gone_is_found_in_its_database() {
    let whole = fixture("13-all.sql");
    let text = String::from_utf8_lossy(&whole);
    let cut = |from: &str, to: &str| {
        let start = text.find(from).unwrap();
        let end = start + text[start..].find(to).unwrap();
        of(format!("{}{}", &text[..start], &text[end..]).as_bytes())
    };
    let of_database = |name: &str| [(FindingCode::DumpTruncated, Some(name.to_owned()))];
    // kasse's last lines, and what is left of postgres runs on.
    let gone = cut("-- Name: LARGE OBJECT 77778; Type: ACL", "-- Database \"postgres\" dump");
    assert_eq!(found(&gone), of_database("kasse"));
    let gone = cut("-- PostgreSQL database dump\n", "\\connect kasse");
    let template1 = |code| (code, Some("template1".to_owned()));
    assert_eq!(
        found(&gone),
        [template1(FindingCode::DumpTruncated), template1(FindingCode::DumpDamaged)]
    );
    let gone = cut("\\.\n\n\n--\n-- PostgreSQL database dump complete", "-- Name: kasse; Type");
    assert!(found(&gone).contains(&(FindingCode::DumpDamaged, Some("template1".to_owned()))));
}

#[test]
fn a_part_says_its_name_three_times() {
    for name in ["13-all.sql", "15-clean.sql", "17-all.sql"] {
        let whole = String::from_utf8_lossy(&fixture(name)).into_owned();
        let changed = |from: &str, to: &str| {
            assert!(whole.contains(from), "{name}: {from}");
            found(&of(whole.replace(from, to).as_bytes()))
        };
        let connect = "\\connect kasse\n";
        let title = "-- Database \"kasse\" dump";
        let space = "\\connect -reuse-previous=on \"dbname='with space'\"";
        let damaged = |name: &str| [(FindingCode::DumpDamaged, Some(name.to_owned()))];
        assert_eq!(changed(connect, "\\connect kosse\n"), damaged("kosse"), "{name}");
        assert_eq!(changed(connect, ""), damaged("kasse"), "{name}");
        assert_eq!(changed(title, "-- Database \"kosse\" dump"), damaged("kasse"), "{name}");
        assert_eq!(changed(space, &space.replace("with", "wits")), damaged("wits space"), "{name}");
        assert_eq!(changed("CREATE DATABASE kasse", "CREATE DATABASE kosse"), damaged("kasse"));
        assert_eq!(changed("CREATE DATABASE kasse", "CREATE DAT kasse"), damaged("kasse"));
    }
}

#[test]
fn a_title_shows_a_name_on_one_line_and_in_any_encoding() {
    for (title, name, encoding, expected) in [
        ("a b", "a\nb", "UTF8", true),
        ("a b", "a_b", "UTF8", false),
        ("müller", "müller", "UTF8", true),
        ("müller", "möller", "UTF8", false),
        ("m\u{fffd}ller", "müller", "LATIN1", true),
        ("müller", "mÃ¼ller", "LATIN1", true),
        ("m\u{fffd}ller", "muller", "LATIN1", false),
    ] {
        assert_eq!(is_title_of(title, name, Some(encoding)), expected, "{title} {name}");
    }
}

#[test]
fn globals_alone_are_no_backup_of_a_cluster() {
    let inventory = of(&fixture("15-globals.sql"));
    assert_eq!(found(&inventory), [(FindingCode::NoDumpInArchive, None)]);
    assert_eq!(inventory.globals.unwrap().roles.len(), 2);
}

#[test]
fn a_dump_that_connects_twice_to_its_own_database_is_one_dump() {
    let inventory = of(&fixture("13-create.sql"));
    assert_eq!(found(&inventory), []);
    assert_eq!(
        (inventory.format.to_string().as_str(), names(&inventory)),
        ("plain", vec!["kasse"])
    );
    assert!(inventory.databases[0].creates_database);
}

#[test]
fn databases_are_sent_one_by_one() {
    let whole = fixture("17-all.sql");
    let sent = inspected(&whole, |inventory| {
        let (sender, mut receiver) = mpsc::channel(100);
        stream(&inventory, &BTreeSet::from([1, 3]), &sender);
        drop(sender);
        let mut sent: Vec<(usize, Vec<u8>)> = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            match chunk.unwrap() {
                DumpChunk::Start(index) => sent.push((index, Vec::new())),
                DumpChunk::Bytes(bytes) => sent.last_mut().unwrap().1.extend_from_slice(&bytes),
                DumpChunk::File { .. } => panic!("no directory dump"),
                DumpChunk::End => {}
            }
        }
        sent
    });
    let [(1, kasse), (3, space)] = sent.as_slice() else { panic!("{}", sent.len()) };
    let holds = |bytes: &[u8], text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    assert!(holds(kasse, "CREATE DATABASE kasse") && holds(kasse, "COPY app.tricky"));
    assert!(!holds(kasse, "postgres\" dump") || !holds(kasse, "\\connect postgres"));
    assert!(
        holds(space, "CREATE DATABASE \"with space\"") && holds(space, "cluster dump complete")
    );
}
