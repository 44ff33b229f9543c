//! Real dumps of PostgreSQL 13, 15 and 17 (`tests/fixtures/pgdump`), whole and damaged.

mod limits;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::backup::decrypt::testing::{KEY, encrypted};
use crate::backup::meter::Halt;
use crate::backup::{BackupInventory, DumpChunk, KeyOrigin, Opener, inspect, inspect_with};
use crate::finding::FindingClass;

type Files = BTreeMap<String, Vec<u8>>;

fn fixture(name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pgdump")).join(name)
}

fn files(name: &str) -> Files {
    let entries = fixture(name).read_dir_utf8().unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().to_owned(), fs::read(e.path()).unwrap())).collect()
}

/// What is found in a folder of these files.
fn of_folder(files: &Files) -> BackupInventory {
    let temp = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(temp.path()).unwrap().join("kasse");
    fs::create_dir(&folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    inspect(&folder, &mut |_, _| {})
}

fn tar<'a>(members: impl IntoIterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn of_file(name: &str, bytes: &[u8]) -> BackupInventory {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(temp.path()).unwrap().join(name);
    fs::write(&path, bytes).unwrap();
    inspect(&path, &mut |_, _| {})
}

/// What a restore gets of each database: the bytes of its files by their names, each as long as said.
fn sent(inventory: &BackupInventory) -> BTreeMap<usize, Files> {
    let wanted = (0..inventory.databases.len()).collect();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
    crate::backup::stream(inventory, &wanted, &sender);
    drop(sender);
    let mut sent: BTreeMap<usize, Files> = BTreeMap::new();
    let (mut dump, mut file, mut left) = (usize::MAX, String::new(), 0);
    while let Some(chunk) = receiver.blocking_recv() {
        match chunk.unwrap() {
            DumpChunk::Start(index) => {
                (dump, file) = (index, String::new());
                assert!(sent.insert(index, Files::new()).is_none(), "{index} twice");
            }
            DumpChunk::File { name, bytes } => {
                assert_eq!(left, 0, "{file}");
                (left, file) = (bytes, name.clone());
                sent.get_mut(&dump).unwrap().insert(name, Vec::new());
            }
            DumpChunk::Bytes(bytes) => {
                left = left.saturating_sub(bytes.len() as u64);
                let files = sent.get_mut(&dump).unwrap();
                files.entry(file.clone()).or_default().extend_from_slice(&bytes);
            }
            DumpChunk::End => dump = usize::MAX,
        }
    }
    assert_eq!(left, 0, "{file}");
    sent
}

fn findings(inventory: &BackupInventory) -> Vec<&Finding> {
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    let all = inventory.findings.iter().chain(of_dumps);
    all.filter(|found| found.class != FindingClass::Notice).collect()
}

fn rows(dump: &DatabaseDump) -> BTreeMap<&str, Option<u64>> {
    let data = dump.entries.iter().filter(|entry| entry.kind == "TABLE DATA");
    data.map(|entry| (entry.tag.as_str(), entry.data.as_ref().unwrap().rows)).collect()
}

/// The one finding about files that were changed by `change`.
fn damaged(name: &str, change: impl Fn(&mut Files)) -> (FindingCode, String, String) {
    let mut files = files(name);
    change(&mut files);
    let folder = of_folder(&files);
    let found = findings(&folder);
    assert_eq!(found.len(), 1, "{found:?}");
    let archived = of_file("x.tar", &tar(files.iter().map(|(n, b)| (format!("kasse/{n}"), &**b))));
    let codes = |found: &[&Finding]| found.iter().map(|f| f.code).collect::<Vec<_>>();
    assert_eq!(codes(&findings(&archived)), codes(&found));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (found[0].code, text(&found[0].object), text(&found[0].cause))
}

/// The data file of `app.tricky`, and that of the table of thirty rows.
fn data_files(name: &str) -> (String, String) {
    let temp = files(name);
    let mut data: Vec<&String> =
        temp.keys().filter(|n| part_of(n).is_some_and(|p| p.part == Part::Rows)).collect();
    data.sort_by_key(|name| temp[*name].len());
    (data[data.len() - 2].clone(), data[data.len() - 1].clone())
}

#[test]
fn every_real_dump_is_whole_and_its_rows_are_counted() {
    let mut seen = 0;
    for entry in fixture("").read_dir_utf8().unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        let is_folder = name.contains("-dir");
        if !is_folder && Utf8Path::new(name).extension() != Some("tar") {
            continue;
        }
        seen += 1;
        let inventory = inspect(entry.path(), &mut |_, _| {});
        assert!(findings(&inventory).is_empty(), "{name}: {:?}", findings(&inventory));
        let [dump] = inventory.databases.as_slice() else { panic!("{name}") };
        let format = if is_folder { DumpFormat::Directory } else { DumpFormat::Tar };
        assert_eq!((dump.format, dump.name.as_str()), (format, "kasse"), "{name}");
        assert_eq!(inventory.format.to_string(), if is_folder { "directory" } else { "tar" });
        let counted = |rows| (!name.contains("inserts")).then_some(rows);
        let expected = [("Straße", 30), ("empty", 0), ("no_columns", 7), ("tricky", 6)];
        let expected: Vec<_> = expected.iter().map(|(t, rows)| (*t, counted(*rows))).collect();
        assert_eq!(rows(dump).into_iter().collect::<Vec<_>>(), expected, "{name}");
        let objects = dump.entries.iter().filter(|entry| entry.kind == "BLOBS");
        let bytes: u64 = objects.map(|entry| entry.data.as_ref().unwrap().bytes.unwrap()).sum();
        assert_eq!(bytes, 205, "{name}");
        assert_eq!(inventory.bytes_read, inventory.bytes, "{name}");
        let is_checked = !dump.not_tested.iter().any(|text| text.contains("format with"));
        assert_eq!(
            is_checked,
            is_folder && !name.contains("none") && !name.contains("lz4") && !name.contains("zstd"),
            "{name}: {:?}",
            dump.not_tested
        );
    }
    assert_eq!(seen, 11);
}

#[test]
fn in_an_archive_files_come_in_any_order() {
    let files = files("17-dir");
    let plain: Vec<(String, &[u8])> =
        files.iter().map(|(name, bytes)| (format!("kasse/{name}"), &**bytes)).collect();
    let backwards: Vec<(String, &[u8])> = plain.iter().rev().cloned().collect();
    let root: Vec<(String, &[u8])> =
        files.iter().map(|(name, bytes)| (format!("./{name}"), &**bytes)).collect();
    let bare: Vec<(String, &[u8])> =
        files.iter().rev().map(|(name, bytes)| (name.clone(), &**bytes)).collect();
    let of_folder = of_folder(&files);
    for members in [plain, backwards, root, bare] {
        let is_contents_first = members[0].0.ends_with("toc.dat");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&tar(members)).unwrap();
        let archived = of_file("kasse.tar.gz", &encoder.finish().unwrap());
        assert!(findings(&archived).is_empty(), "{:?}", findings(&archived));
        assert_eq!(archived.format.to_string(), "directory_gz");
        let of_archive = &archived.databases[0];
        assert_eq!(rows(of_archive), rows(&of_folder.databases[0]));
        // Rows that come before the table of contents have no columns yet.
        let columns: Vec<bool> = of_archive
            .entries
            .iter()
            .filter(|entry| entry.kind == "TABLE DATA")
            .map(|entry| entry.data.as_ref().unwrap().fingerprint.is_some())
            .collect();
        assert_eq!(columns, [is_contents_first; 4]);
    }
}

#[test]
fn dumps_of_a_cluster_are_told_apart() {
    let (first, second) = (files("13-dir"), files("17-dir-zstd"));
    let mut members = Vec::new();
    for ((name, bytes), (other, others)) in first.iter().zip(&second) {
        members.push((format!("dumps/a/{name}"), &**bytes));
        members.push((format!("b/{other}"), &**others));
    }
    // The longer one's last file.
    members.extend(second.iter().skip(first.len()).map(|(n, b)| (format!("b/{n}"), &**b)));
    members.push(("globals.sql".to_owned(), b"--\n-- PostgreSQL database cluster dump\n--\nCREATE ROLE a;\n--\n-- PostgreSQL database cluster dump complete\n--\n"));
    let inventory = of_file("c.tar", &tar(members));
    let found: Vec<_> = findings(&inventory).iter().map(|f| f.code).collect();
    // Both are dumps of a database `kasse`.
    assert_eq!(found, [FindingCode::DuplicateMember]);
    assert_eq!(inventory.format.to_string(), "cluster_tar");
    assert_eq!(inventory.databases[0].member, "dumps/a");
}

#[test]
fn files_that_lie_between_those_of_another_dump_are_sent_with_their_own() {
    let (first, mut second) = (files("15-dir"), files("15-dir"));
    let toc = second.get_mut("toc.dat").unwrap();
    while let Some(at) = memchr::memmem::find(toc, b"kasse") {
        toc[at] = b'm';
    }
    let mut members = Vec::new();
    for ((name, bytes), (other, others)) in first.iter().zip(&second) {
        members.push((format!("dumps/kasse/{name}"), &**bytes));
        members.push((format!("masse/{other}"), &**others));
    }
    let plain =
        b"--\n-- PostgreSQL database dump\n--\n\n--\n-- PostgreSQL database dump complete\n--\n";
    members.insert(5, ("dumps/x.sql".to_owned(), plain));
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(temp.path()).unwrap().join("c.tar");
    fs::write(&path, tar(members)).unwrap();
    let inventory = inspect(&path, &mut |_, _| {});
    let names: Vec<_> = inventory.databases.iter().map(|dump| dump.name.as_str()).collect();
    assert_eq!(names, ["kasse", "masse", "x"]);
    let sent = sent(&inventory);
    assert_eq!(sent[&0], first);
    assert_eq!(sent[&1], second);
    assert_eq!(sent[&2][""], plain);
}

#[test]
fn what_a_lost_file_held_is_named() {
    for name in ["13-dir", "15-dir-none", "17-dir", "17-dir-lz4", "17-dir-zstd", "17-dir-inserts"] {
        let (tricky, _) = data_files(name);
        let lost = |change: &dyn Fn(&mut Files)| {
            let (code, object, cause) = damaged(name, change);
            assert_eq!(code, FindingCode::DumpTruncated, "{name}: {object} {cause}");
            assert!(object.starts_with("TABLE DATA app."), "{object}");
            cause
        };
        assert!(lost(&|files| drop(files.remove(&tricky))).contains("is not there"));
        lost(&|files| files.get_mut(&tricky).unwrap().clear());
        lost(&|files| {
            let data = files.get_mut(&tricky).unwrap();
            data.truncate(data.len() / 2);
        });
        lost(&|files| {
            let data = files.get_mut(&tricky).unwrap();
            data.truncate(data.len() - 1);
        });
        let (code, object, _) = damaged(name, |files| {
            files.retain(|file, _| !file.starts_with("blob_4000000000.dat"));
        });
        let expected = "LARGE OBJECT 4000000000, file blob_4000000000.dat of kasse";
        assert_eq!((code, object.as_str()), (FindingCode::DumpTruncated, expected));
        let (code, _, cause) =
            damaged(name, |files| files.retain(|file, _| part_of(file).unwrap().base != "toc.dat"));
        assert_eq!(code, FindingCode::DumpTruncated);
        assert!(cause.starts_with("pg_restore reads nothing without it"), "{cause}");
    }
}

#[test]
fn a_list_of_large_objects_that_is_cut_loses_them() {
    let cut = |files: &mut Files| {
        let list = files.get_mut("blobs.toc").unwrap();
        list.truncate(list.len() - 1);
    };
    let mut files = files("15-dir");
    cut(&mut files);
    let found = of_folder(&files);
    let found = findings(&found);
    assert!(found.iter().all(|f| f.code == FindingCode::DumpTruncated), "{found:?}");
    assert!(found[0].object.as_ref().unwrap().contains("blobs.toc"), "{found:?}");
    files.insert("blobs.toc".to_owned(), b"77777 blob_77777.dat\n77778 blob_77778.dat\n".to_vec());
    let found = of_folder(&files);
    let codes: Vec<_> = findings(&found).iter().map(|f| f.object.clone().unwrap()).collect();
    assert!(codes.iter().all(|object| object.contains("blob_4000000000.dat")), "{codes:?}");
}

#[test]
fn an_object_that_may_have_been_cut_to_nothing_is_said_to_be_unseen() {
    let is_said = |files: &Files| {
        let not_tested = &of_folder(files).databases[0].not_tested;
        not_tested.iter().any(|text| text.contains("that is cut to nothing"))
    };
    for codec in ["lz4", "zstd"] {
        let mut files = files(&format!("17-dir-{codec}"));
        let objects: Vec<String> =
            files.keys().filter(|name| name.starts_with("blob_")).cloned().collect();
        // The source has an empty one.
        let (empty, full): (Vec<String>, Vec<String>) =
            objects.into_iter().partition(|name| files[name].is_empty());
        assert!(is_said(&files) != empty.is_empty(), "{empty:?}");
        for name in &empty {
            files.insert(name.clone(), files[&full[0]].clone());
        }
        assert!(!is_said(&files), "{codec}");
        files.insert(full[0].clone(), Vec::new());
        assert!(is_said(&files), "{codec}");
    }
}

#[test]
fn files_that_are_not_what_they_should_be_are_damage() {
    let (tricky, large) = data_files("17-dir");
    let corrupt = |name: &str, change: &dyn Fn(&mut Files)| {
        let (code, object, cause) = damaged(name, change);
        assert_eq!(code, FindingCode::DumpDamaged, "{object} {cause}");
        cause
    };
    corrupt("17-dir", &|files| {
        let data = files.get_mut(&large).unwrap();
        let checksum = data.len() - 8;
        data[checksum] ^= 0x10;
    });
    corrupt("17-dir", &|files| files.get_mut(&large).unwrap().extend_from_slice(b"something else"));
    let cause = corrupt("17-dir", &|files| {
        let data = files.remove(&tricky).unwrap();
        files.insert(tricky.replace(".gz", ""), data);
    });
    assert!(cause.contains("its content is gzip"), "{cause}");
    let cause = corrupt("17-dir", &|files| {
        let data = files.remove(&tricky).unwrap();
        files.insert(tricky.replace(".gz", ".lz4"), data);
    });
    assert!(cause.contains("its name says lz4, its content is gzip"), "{cause}");
    let cause = corrupt("17-dir", &|files| {
        files.insert("9999.dat.gz".to_owned(), files[&tricky].clone());
    });
    assert!(cause.starts_with("toc.dat does not name it"), "{cause}");
    let cause = corrupt("17-dir", &|files| {
        files.insert(tricky.replace(".gz", ""), b"1\n\\.\n\n\n".to_vec());
    });
    assert!(cause.contains("twice"), "{cause}");
    corrupt("17-dir", &|files| {
        let toc = files.get_mut("toc.dat").unwrap();
        toc.push(0);
    });
}

#[test]
fn every_cut_of_a_toc_is_seen() {
    let files = files("15-dir");
    for length in (0..files["toc.dat"].len()).step_by(61) {
        let mut files = files.clone();
        files.get_mut("toc.dat").unwrap().truncate(length);
        let found = of_folder(&files);
        assert!(!findings(&found).is_empty(), "{length}");
    }
}

#[test]
fn every_cut_of_a_tar_dump_is_seen() {
    let whole = fs::read(fixture("17.tar")).unwrap();
    for length in (1..whole.len()).step_by(257) {
        let found = of_file("kasse.tar", &whole[..length]);
        assert!(!findings(&found).is_empty(), "{length}");
    }
}

#[test]
fn pg_restore_does_not_go_back_in_a_tar_dump() {
    let whole = fs::read(fixture("15.tar")).unwrap();
    let mut archive = tar::Archive::new(&whole[..]);
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        members.push((entry.path().unwrap().to_str().unwrap().to_owned(), bytes));
    }
    let packed = |members: &[(String, Vec<u8>)]| {
        of_file("kasse.tar", &tar(members.iter().map(|(name, bytes)| (name.clone(), &**bytes))))
    };
    let sound = packed(&members);
    assert!(findings(&sound).is_empty(), "{:?}", findings(&sound));
    members.swap(1, 2);
    let moved = packed(&members);
    assert_eq!(findings(&moved)[0].code, FindingCode::DumpDamaged);
    assert!(findings(&moved)[0].cause.as_ref().unwrap().contains("does not go back"));
    members.remove(1);
    let lost = packed(&members);
    assert_eq!(findings(&lost)[0].code, FindingCode::DumpTruncated);
    members.push(("evil.sh".to_owned(), Vec::new()));
    let strange = packed(&members);
    assert!(findings(&strange).iter().any(|found| found.message.contains("evil.sh")));
}
