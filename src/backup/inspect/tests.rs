mod members;

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use lz4_flex::frame::FrameInfo;
use sha2::{Digest as _, Sha256};

use crate::backup::codec::tests::{gzip, lz4, zstd};
use crate::backup::{BackupInventory, inspect};
use crate::finding::{Finding, FindingClass, FindingCode};

const DUMP: &[u8] = include_bytes!("../../../tests/fixtures/custom/15.dump");
const SQL: &[u8] =
    b"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.18\n\n\
    CREATE TABLE public.t (a integer);\n\nCOPY public.t (a) FROM stdin;\n1\n2\n\\.\n\n\
    --\n-- PostgreSQL database dump complete\n--\n\n";
const GLOBALS: &[u8] = b"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE app;\n\n\
    --\n-- PostgreSQL database cluster dump complete\n--\n\n";

fn inspected(name: &str, bytes: &[u8]) -> BackupInventory {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temp.path().join(name)).unwrap();
    fs::write(&path, bytes).unwrap();
    inspect(&path, &mut |_, _| {})
}

/// A folder with these files.
fn inspected_folder(name: &str, files: &[(&str, &[u8])]) -> BackupInventory {
    let temp = tempfile::tempdir().unwrap();
    let folder = Utf8PathBuf::from_path_buf(temp.path().join(name)).unwrap();
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    inspect(&folder, &mut |_, _| {})
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn lz4_checked(bytes: &[u8]) -> Vec<u8> {
    lz4(bytes, FrameInfo::new().content_checksum(true))
}

fn codes(inventory: &BackupInventory) -> Vec<FindingCode> {
    let of_globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    inventory.findings.iter().chain(of_globals).chain(of_dumps).map(|found| found.code).collect()
}

fn is_bad(inventory: &BackupInventory) -> bool {
    codes(inventory).iter().any(|code| code.class() == FindingClass::Backup)
}

#[test]
fn clusters_are_read_in_every_compression() {
    let (gz, zst, lz) = (gzip(SQL), zstd(DUMP, true), lz4_checked(SQL));
    let members: [(&str, &[u8]); 6] = [
        ("globals.sql", GLOBALS),
        ("dumps/a.sql", SQL),
        ("dumps/b.sql.gz", &gz),
        ("dumps/fixture.dump.zstd", &zst),
        ("dumps/c.sql.lz4", &lz),
        ("notes.txt", b"\0"),
    ];
    let archive = tar(&members);
    for (name, bytes, format) in [
        ("c.tar", archive.clone(), "cluster_tar"),
        ("c.tgz", gzip(&archive), "cluster_tar_gz"),
        ("c.tar.zst", zstd(&archive, false), "cluster_tar_zst"),
        ("c.tar.zstd", zstd(&archive, true), "cluster_tar_zst"),
        ("c.tar.lz4", lz4_checked(&archive), "cluster_tar_lz4"),
    ] {
        let inventory = inspected(name, &bytes);
        let expected = [FindingCode::MemberIgnored, FindingCode::NameDiffers];
        assert_eq!(codes(&inventory), expected, "{name}: {:?}", inventory.findings);
        assert_eq!(inventory.format.to_string(), format);
        let names: Vec<_> = inventory.databases.iter().map(|dump| dump.name.as_str()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!((names[0], names[1], names[3]), ("a", "b", "c"));
        assert_eq!(inventory.bytes_read, bytes.len() as u64);
        let hash = inventory.sha256.unwrap();
        let byte = |at: usize| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap();
        assert_eq!((0..32).map(byte).collect::<Vec<_>>(), Sha256::digest(&bytes).to_vec());
    }
    let inventory = inspected_folder("c", &members);
    assert_eq!(codes(&inventory), [FindingCode::NameDiffers]);
    assert_eq!(inventory.databases.len(), 4);
}

#[test]
fn checksums_around_a_dump_are_told_from_none() {
    let open = |inventory: &BackupInventory| {
        let said = &inventory.databases[0].not_tested;
        said.iter().any(|text| text.contains("no checksum"))
    };
    assert!(open(&inspected("a.sql", SQL)));
    assert!(open(&inspected("a.sql.zst", &zstd(SQL, false))));
    assert!(open(&inspected("a.sql.lz4", &lz4(SQL, FrameInfo::new()))));
    assert!(!open(&inspected("a.sql.gz", &gzip(SQL))));
    assert!(!open(&inspected("a.sql.zst", &zstd(SQL, true))));
    assert!(!open(&inspected("a.sql.lz4", &lz4_checked(SQL))));
    let archive = |member: &[u8]| tar(&[("globals.sql", GLOBALS), ("dumps/a.sql.zst", member)]);
    assert!(open(&inspected("c.tar", &archive(&zstd(SQL, false)))));
    assert!(!open(&inspected("c.tar", &archive(&zstd(SQL, true)))));
    assert!(open(&inspected("c.tar.zst", &zstd(&archive(&zstd(SQL, false)), false))));
    assert!(!open(&inspected("c.tar.zst", &zstd(&archive(&zstd(SQL, false)), true))));
}

#[test]
fn no_cut_of_a_cluster_or_of_a_file_passes() {
    let archive =
        tar(&[("globals.sql", GLOBALS), ("dumps/a.sql", SQL), ("dumps/b.sql.gz", &gzip(SQL))]);
    let halves = archive.split_at(archive.len() / 2);
    for (name, bytes) in [
        ("c.tar", archive.clone()),
        ("c.tar.gz", gzip(&archive)),
        ("c.tar.gz", [gzip(halves.0), gzip(halves.1)].concat()),
        ("c.tar.zst", zstd(&archive, false)),
        ("c.tar.zst", [zstd(halves.0, true), zstd(halves.1, true)].concat()),
        ("c.tar.lz4", lz4(&archive, FrameInfo::new())),
        ("a.sql.zst", zstd(SQL, false)),
        ("a.sql.lz4", lz4(SQL, FrameInfo::new())),
        ("a.dump.gz", gzip(DUMP)),
        ("a.dump.lz4", lz4_checked(DUMP)),
    ] {
        assert!(!is_bad(&inspected(name, &bytes)), "{name}: {:?}", codes(&inspected(name, &bytes)));
        let step = (bytes.len() / 150).max(1);
        for cut in (1..bytes.len()).filter(|cut| cut % step == 0 || bytes.len() - cut < 16) {
            // The last of the zeros at the end may be missing.
            if name == "c.tar" && archive.len() - cut <= 512 {
                continue;
            }
            assert!(is_bad(&inspected(name, &bytes[..cut])), "{name} cut at {cut}");
        }
        let garbage = inspected(name, &[&bytes[..], b"garbage"].concat());
        assert!(is_bad(&garbage), "{name}");
    }
}

#[test]
fn a_name_that_lies_is_noted_and_changes_nothing() {
    let archive = tar(&[("globals.sql", GLOBALS), ("dumps/a.sql", SQL)]);
    let twice = |bytes: &[u8]| {
        let inventory =
            inspected("c.tar", &tar(&[("globals.sql", GLOBALS), ("dumps/a.dump", bytes)]));
        assert_eq!(inventory.databases.len(), 1);
        inventory
    };
    for inventory in [
        inspected("c.tar.zst", &gzip(&archive)),
        inspected("c.dump", &archive),
        inspected("c.sql.gz", &gzip(&archive)),
        inspected("a.dump", SQL),
        inspected("a.sql", DUMP),
        inspected("a.sql.gz", SQL),
        twice(SQL),
        twice(&gzip(SQL)),
    ] {
        assert_eq!(codes(&inventory), [FindingCode::ExtensionDiffers], "{:?}", inventory.findings);
    }
    let told = inspected("a.sql", &gzip(DUMP));
    let text = "`a.sql` is a custom-format dump compressed with gzip, its name says SQL";
    assert_eq!(told.findings[0].message, text);
    assert_eq!(codes(&inspected("a.backup", DUMP)), []);
}

#[test]
fn backups_of_another_kind_are_named_and_never_pass() {
    let twice = gzip(&gzip(SQL));
    let sample = b"-- Sample Database Backup\n-- Database: shop\n\\copy (SELECT 1) TO STDOUT\n";
    let archive = |name: &str| tar(&[(name, b"x"), ("globals.sql", GLOBALS), ("dumps/a.sql", SQL)]);
    for (inventory, what) in [
        (inspected("a.sql.gz", &twice), "doubly compressed"),
        (inspected("a.sql.gz", &gzip(sample)), "sample backup"),
        (inspected("a.sql", b"BZh91AY&SY"), "bzip2"),
        (inspected("a.dump", b"Salted__12345678"), "openssl"),
        (inspected("a.sql.zip", b"PK\x03\x04aaaa"), "zip"),
        (inspected("m.json", b"{\"version\": 1}"), "JSON"),
        (inspected("base.tar.gz", &gzip(&archive("backup_label"))), "pg_basebackup"),
        (inspected("a_incr_1.tar.gz", &gzip(&archive("base/5/1259"))), "incremental"),
        (inspected("a.tar", &archive("data/PG_VERSION")), "data directory"),
        (inspected("a.tar", &archive("shop.split/blob_stream_0.bin")), "split backup"),
        (inspected_folder("b", &[("base.tar.gz", b"x"), ("pg_wal.tar", b"x")]), "pg_basebackup"),
        (inspected_folder("b", &[("PG_VERSION", b"15"), ("x.sql", SQL)]), "data directory"),
        (inspected_folder("shop.split", &[("schema.sql", SQL)]), "split backup"),
        (
            inspected_folder("b", &[("dedup/chunks/ab/c", b"x"), ("dedup/manifests/m", b"")]),
            "dedup",
        ),
    ] {
        assert_eq!(codes(&inventory), [FindingCode::FormatNotSupported], "{what}");
        assert!(inventory.findings[0].message.contains(what), "{:?}", inventory.findings);
        assert!(inventory.databases.is_empty(), "{what}");
    }
    let left = inspected_folder(".cluster_20260130_021011", &[("globals.sql", GLOBALS)]);
    assert_eq!(codes(&left), [FindingCode::NoBackupInFolder]);
    // In a cluster's archive, a member of another kind is its database's.
    let mixed = tar(&[("globals.sql", GLOBALS), ("dumps/a.sql", SQL), ("dumps/b.sql.gz", &twice)]);
    let inventory = inspected("c.tar", &mixed);
    assert_eq!(codes(&inventory), [FindingCode::FormatNotSupported]);
    assert_eq!(inventory.findings[0].database.as_deref(), Some("b"));
}

/// A tar archive whose only member is `size` zeros, in zstd: 128 KiB of zeros take 4 bytes.
fn bomb(size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("dumps/a.dump").unwrap();
    header.set_size(size);
    header.set_cksum();
    let block = |kind: u32, length: u32| (length << 3 | kind << 1).to_le_bytes()[..3].to_vec();
    let mut frame =
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3][..], &block(0, 512), header.as_bytes()].concat();
    for _ in 0..size.div_ceil(128 * 1024) {
        frame.extend([&block(1, 128 * 1024)[..], &[0]].concat());
    }
    frame.extend([1, 0, 0]);
    frame
}

#[test]
fn a_bomb_is_not_read_to_its_end() {
    let inventory = inspected("c.tar.zst", &bomb(6 << 30));
    assert_eq!(codes(&inventory), [FindingCode::ExpansionLimit]);
    let found = &inventory.findings[0];
    assert_eq!(found.database.as_deref(), Some("a"));
    assert!(found.cause.as_ref().unwrap().contains("more than 4 GiB"), "{found:?}");
}

#[test]
fn what_stops_a_reading_inside_a_dump_does_not_make_the_dump_bad() {
    // A second frame that needs a window of 256 MiB, in the midst of a table's rows.
    let (front, _) = SQL.split_at(SQL.len() / 2);
    let frames = [&zstd(front, true)[..], &[0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3, 1, 0, 0]].concat();
    let archive = tar(&[("globals.sql", GLOBALS), ("dumps/a.sql.zst", &frames)]);
    let custom = [&zstd(&DUMP[..DUMP.len() / 2], true)[..], &frames[frames.len() - 9..]].concat();
    for inventory in [
        inspected("a.sql.zst", &frames),
        inspected("a.dump.zst", &custom),
        inspected("c.tar.gz", &gzip(&archive)),
        inspected_folder("c", &[("globals.sql", GLOBALS), ("dumps/a.sql.zst", &frames)]),
    ] {
        let found: Vec<_> = codes(&inventory)
            .into_iter()
            .filter(|code| code.class() != FindingClass::Notice)
            .collect();
        assert_eq!(found, [FindingCode::FormatNotSupported], "{:?}", inventory.findings);
        assert!(!inventory.outer_is_sound);
    }
}

#[test]
fn globals_are_told_from_a_database_of_that_name_and_from_others() {
    let dumps = [("globals.sql", GLOBALS), ("dumps/globals.sql", SQL)];
    let inventory = inspected("c.tar", &tar(&dumps));
    assert_eq!(codes(&inventory), []);
    assert_eq!(inventory.databases[0].name, "globals");
    let twice = [("globals.sql", GLOBALS), ("dumps/a.sql", SQL), ("./globals.sql", GLOBALS)];
    assert_eq!(codes(&inspected("c.tar", &tar(&twice))), [FindingCode::DuplicateMember]);
    // Held in memory, they are bounded; what is too large is not taken for damaged.
    let large = [GLOBALS, &b"-- x\n".repeat(14 << 20)].concat();
    let inventory = inspected("c.tar", &tar(&[("dumps/a.sql", SQL), ("globals.sql", &large)]));
    assert_eq!(codes(&inventory), [FindingCode::FormatNotSupported]);
}

/// A scenario that leaves `a` out still has to hear of `b`.
#[test]
fn findings_beyond_those_kept_are_of_the_whole_backup() {
    let mut members: Vec<(&str, &[u8])> = vec![("globals.sql", GLOBALS)];
    members.extend([("dumps/a.sql", SQL); 103]);
    members.extend([("dumps/b.sql", SQL); 2]);
    let inventory = inspected("c.tar", &tar(&members));
    let twice: Vec<_> = inventory
        .findings
        .iter()
        .filter(|found| found.code == FindingCode::DuplicateMember)
        .collect();
    assert_eq!(twice.iter().map(|found| found.count).sum::<u64>(), 103);
    let (last, others) = twice.split_last().unwrap();
    assert_eq!((last.database.as_deref(), last.count), (None, 4));
    assert!(others.len() == 99 && others.iter().all(|found| found.database.is_some()));
}

#[test]
fn contents_and_globals_are_said_to_have_no_checksum() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pgdump/");
    let said = |inventory: &BackupInventory| {
        let globals = inventory.globals.iter().flat_map(|globals| &globals.not_tested);
        let dumps = inventory.databases.iter().flat_map(|dump| &dump.not_tested);
        dumps.chain(globals).cloned().collect::<Vec<_>>()
    };
    let folder = inspect(&Utf8PathBuf::from(format!("{fixtures}15-dir")), &mut |_, _| {});
    let said_of_folder = said(&folder);
    assert_eq!(said_of_folder.len(), 1, "{said_of_folder:?}");
    assert!(said_of_folder[0].starts_with("the table of contents has no checksum"));
    let script = fs::read(format!("{fixtures}15-all.sql")).unwrap();
    let is_open = |text: &String| text.starts_with("globals have no checksum");
    assert!(said(&inspected("all.sql", &script)).iter().any(is_open));
    let sealed = said(&inspected("all.sql.gz", &gzip(&script)));
    assert!(!sealed.iter().any(|text| text.contains("no checksum")), "{sealed:?}");
    assert!(sealed.iter().any(|text| text.contains("before the checksum around it")), "{sealed:?}");
    let archive = tar(&[("globals.sql", GLOBALS), ("dumps/a.sql", SQL)]);
    assert!(said(&inspected("c.tar", &archive)).iter().any(is_open));
    assert!(!said(&inspected("c.tar.gz", &gzip(&archive))).iter().any(is_open));
}

#[test]
fn no_archive_holds_more_directory_dumps_than_a_server_has_databases() {
    let mut tar = tar::Builder::new(Vec::new());
    for n in 0..=super::MOST_DATABASES {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        tar.append_data(&mut header, format!("{n}/1.dat"), &b""[..]).unwrap();
    }
    let inventory = inspected("c.tar", &tar.into_inner().unwrap());
    assert!(inventory.databases.is_empty());
    assert_eq!(codes(&inventory), [FindingCode::FormatNotSupported]);
}

#[test]
fn whatever_stands_behind_gzip_data_is_not_their_end() {
    let archive = tar(&[("globals.sql", GLOBALS), ("dumps/a.sql", SQL)]);
    for length in 1..20 {
        let garbage = [&gzip(&archive)[..], &b"abcdefghijklmnopqrst"[..length]].concat();
        let found = inspected("c.tar.gz", &garbage);
        assert_eq!(codes(&found), [FindingCode::ArchiveDamaged], "{length}");
        assert!(found.findings[0].cause.as_ref().unwrap().contains("behind its last member"));
    }
    let next = [&gzip(&archive)[..], &gzip(b"")[..5]].concat();
    assert_eq!(codes(&inspected("c.tar.gz", &next)), [FindingCode::ArchiveTruncated]);
}

#[test]
fn what_is_no_file_is_not_a_matter_of_permission() {
    let found = inspect(Utf8Path::new("/dev/null"), &mut |_, _| {}).findings;
    assert_eq!(found[0].code, FindingCode::BackupUnreadable);
    assert!(found[0].remedy.len() == 1 && found[0].remedy[0].contains("Name a file"), "{found:?}");
}

#[test]
fn a_flipped_bit_in_the_first_length_of_an_encrypted_file_is_damage() {
    use crate::backup::decrypt::testing::{KEY, encrypted};
    use crate::backup::{KeyOrigin, Opener, inspect_with};
    let temp = tempfile::tempdir().unwrap();
    let at = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
    fs::write(at.join("key"), KEY).unwrap();
    let given = Opener::load(Some(&KeyOrigin::File(at.join("key"))));
    for (step, chunks) in [(65_536, 1), (40, 5)] {
        let whole = encrypted(SQL, step);
        for bit in 0..32 {
            let mut file = whole.clone();
            file[12 + bit / 8] ^= 0x80 >> (bit % 8);
            fs::write(at.join("a.sql"), &file).unwrap();
            let found = inspect_with(&at.join("a.sql"), &given, &mut |_, _| {});
            let length = u32::from_be_bytes(file[12..16].try_into().unwrap());
            let expected = if (17..=65_552).contains(&length) {
                // It may be the key's fault, or the file may be cut.
                [FindingCode::KeyWrong, FindingCode::ArchiveTruncated]
            } else {
                [FindingCode::ArchiveDamaged; 2]
            };
            let codes = codes(&found);
            assert!(codes.len() == 1 && expected.contains(&codes[0]), "{chunks} {bit}: {codes:?}");
        }
        let mut file = whole;
        file[12] ^= 1;
        fs::write(at.join("a.sql"), &file).unwrap();
        let without = inspect(&at.join("a.sql"), &mut |_, _| {});
        let told =
            if chunks > 1 { FindingCode::ArchiveDamaged } else { FindingCode::UnknownFormat };
        assert_eq!(codes(&without), [told]);
    }
    // What is not encrypted at all does not become so with a key.
    fs::write(at.join("noise"), [200, 0, 9, 255].repeat(1000)).unwrap();
    let noise = inspect_with(&at.join("noise"), &given, &mut |_, _| {});
    assert_eq!(codes(&noise), [FindingCode::UnknownFormat]);
}
