//! Archives written here, for what no real `pg_dump` at hand writes.

mod codecs;
mod contents;
mod rows;
mod writer;

use std::io::{self, Read};

use writer::{Archive, Entry, data_entry, schema_entry, zlib};

use super::{entry, findings, lines, read_bytes};
use crate::backup::custom::{Compression, DamageKind, read_limited};
use crate::backup::meter::Meter;

const EMPTY: (DamageKind, &str, &str) = (DamageKind::Empty, "-", "the dump is empty");

fn check(archive: &Archive, expected: &[(DamageKind, &str, &str)]) {
    let dump = read_bytes(&archive.bytes());
    assert_eq!(findings(&dump), expected);
}

fn corrupt<'a>(entry: &'a str, detail: &'a str) -> (DamageKind, &'a str, &'a str) {
    (DamageKind::Corrupt, entry, detail)
}

/// 20 000 bytes.
const LONG: &str = match str::from_utf8(&[b'x'; 20_000]) {
    Ok(text) => text,
    Err(_) => "",
};
const A: &str = "TABLE DATA public.a";
const B: &str = "TABLE DATA public.b";
const BLOBS: &str = "BLOBS public.BLOBS";
const NOT_REACHED: &str = "its data were not reached";
const MISSING: &str = "its data are missing: the dump ends before them";

#[test]
fn all_versions_and_sizes_are_read() {
    for version in 12..=16 {
        for (int_size, offset_size) in [(4, 8), (4, 4), (8, 8), (8, 3)] {
            for compression in [0, 1] {
                let archive = Archive::with_blobs(version).with(|archive| {
                    (archive.int_size, archive.offset_size) = (int_size, offset_size);
                    archive.compression = compression;
                });
                let dump = read_bytes(&archive.bytes());
                assert_eq!(lines(&dump), Vec::<String>::new());
                let header = dump.header.as_ref().unwrap();
                assert_eq!(header.version, (1, version));
                let expected = if compression == 0 { Compression::None } else { Compression::Gzip };
                assert_eq!(header.compression, expected);
                assert_eq!(header.created, Some([1999, 1, 2, 3, 4, 5]));
                let texts = [
                    &header.database,
                    &header.server_version,
                    &header.pg_dump_version,
                    &header.encoding,
                ];
                assert_eq!(texts, ["Пр", "9.6.24", "12.1", "WIN1251"]);
                let table = entry(&dump, "TABLE DATA", "a");
                assert_eq!(table.owner.as_deref(), Some("Пр"));
                assert_eq!(table.tablespace.as_deref(), Some("fast"));
                assert_eq!(table.dependencies, [7]);
                assert_eq!(table.data.as_ref().unwrap().rows, Some(2));
                assert_eq!(entry(&dump, "TABLE DATA", "b").data.as_ref().unwrap().rows, Some(1));
                assert_eq!(entry(&dump, "BLOBS", "BLOBS").data.as_ref().unwrap().bytes, Some(3));
            }
        }
    }
}

#[test]
fn other_versions_and_formats_are_named() {
    let broken = |change: &dyn Fn(&mut Archive)| {
        let dump = read_bytes(&Archive::new(14).with(change).bytes());
        assert!(dump.header.is_none() && dump.entries.is_empty());
        (dump.damage.len(), dump.damage[0].kind)
    };
    assert_eq!(broken(&|archive| archive.version = (1, 9)), (1, DamageKind::PrivateVariant));
    assert_eq!(broken(&|archive| archive.version = (1, 0)), (1, DamageKind::PrivateVariant));
    for version in [(1, 10), (1, 11), (1, 17), (2, 14), (0, 14)] {
        assert_eq!(
            broken(&|archive| archive.version = version),
            (1, DamageKind::UnsupportedVersion)
        );
    }
    assert_eq!(broken(&|archive| archive.format = 3), (1, DamageKind::OtherFormat));
    assert_eq!(broken(&|archive| archive.format = 5), (1, DamageKind::OtherFormat));
    assert_eq!(broken(&|archive| archive.format = 4), (1, DamageKind::Corrupt));
    assert_eq!(broken(&|archive| archive.offset_size = 0), (1, DamageKind::Corrupt));
    assert_eq!(broken(&|archive| archive.int_size = 0), (1, DamageKind::Corrupt));
    assert_eq!(findings(&read_bytes(b"")), [EMPTY]);
    let expected = corrupt("-", "does not begin with PGDMP, as custom-format dumps do");
    assert_eq!(findings(&read_bytes(b"--\n-- PostgreSQL database dump\n")), [expected]);
    assert_eq!(findings(&read_bytes(b"PGD"))[0].0, DamageKind::Truncated);
    for (version, compression) in [(16, 4), (16, 0x7f), (14, 10), (14, -2), (12, 0x4000_0001)] {
        let archive = Archive::new(version).with(|archive| archive.compression = compression);
        let detail = format!("the unknown compression {compression} in the header");
        check(&archive, &[corrupt("-", &detail)]);
    }
    for compression in [1, 9] {
        check(&Archive::new(14).with(|archive| archive.compression = compression), &[]);
    }
}

#[test]
fn impossible_entries_are_refused() {
    let refused = |change: &dyn Fn(&mut Entry), detail: &str| {
        let archive = Archive::new(14).entry(1, change);
        check(&archive, &[corrupt("-", detail)]);
        let dump = read_bytes(&archive.bytes());
        assert_eq!(dump.entries.len(), 1, "{detail}");
        assert_eq!(dump.header.unwrap().encoding, "WIN1251");
    };
    refused(&|entry| entry.id = 0, "an entry with an impossible dump id");
    refused(&|entry| entry.id = -2, "an entry with an impossible dump id");
    refused(&|entry| entry.oid = None, "an entry with an impossible OID");
    refused(&|entry| entry.oid = Some("1x"), "an entry with an impossible OID");
    refused(&|entry| entry.kind = "", "an entry with no description");
    refused(&|entry| entry.section = 0, "an entry with an unknown section");
    refused(&|entry| entry.section = 5, "an entry with an unknown section");
    refused(&|entry| entry.with_oids = None, "an entry with no word on OIDs");
    refused(&|entry| entry.with_oids = Some("maybe"), "an entry with no word on OIDs");
    refused(&|entry| entry.dependency = "x", "an entry with an impossible dependency");
    refused(&|entry| entry.state = 0, "the unknown data offset flag 0");
    refused(&|entry| entry.state = 4, "the unknown data offset flag 4");
    let contradiction = "an entry with contradicting words on whether it has data";
    refused(&|entry| entry.state = 3, contradiction);
    refused(&|entry| entry.had_dumper = 0, contradiction);

    let archive =
        Archive::new(14).entry(0, |entry| entry.definition = "SET client_encoding = UTF8");
    check(&archive, &[corrupt("-", "the ENCODING entry names no encoding")]);
    let archive =
        Archive::new(14).entry(0, |entry| entry.definition = "SET client_encoding = 'UTF9';\n");
    check(&archive, &[corrupt("-", "the ENCODING entry names the unknown encoding UTF9")]);
    for (value, is_sound) in [("'on'", true), ("'off'", true), ("'nn'", false), ("on", false)] {
        let text = format!("SET standard_conforming_strings = {value};\n").leak();
        let archive = Archive::new(14).with(|archive| {
            archive.entries.insert(1, schema_entry(99, "STDSTRINGS", "STDSTRINGS", text));
        });
        let expected = corrupt("-", "the STDSTRINGS entry is neither on nor off");
        assert_eq!(
            findings(&read_bytes(&archive.bytes())).contains(&expected),
            !is_sound,
            "{value}"
        );
    }
    for count in [0, -3] {
        let archive = Archive::new(14).with(|archive| archive.count = Some(count));
        let detail = format!("a table of contents with {count} entries");
        check(&archive, &[corrupt("-", &detail)]);
    }
    let twice = Archive::new(14).entry(2, |entry| entry.id = 2).block(1, |block| block.id = 2);
    assert_eq!(
        findings(&read_bytes(&twice.bytes()))[0],
        corrupt(B, "two entries have the dump id 2")
    );
    // Fewer entries than there are: the rest is where data should be.
    let archive = Archive::new(14).with(|archive| archive.count = Some(2));
    let no_block = "no data block of any entry where the next one begins";
    check(&archive, &[corrupt("-", no_block), corrupt(A, NOT_REACHED)]);
}

#[test]
fn offsets_and_blocks_must_agree() {
    let missing = |entry| (DamageKind::Truncated, entry, MISSING);
    for state in [1, 2] {
        let archive = Archive::new(14)
            .entry(1, |entry| entry.state = state)
            .entry(2, |entry| entry.state = state);
        check(&archive, &[]);
        let archive = archive.clone().with(|archive| {
            archive.blocks.remove(1);
        });
        check(&archive, &[missing(B)]);
        let archive = archive.clone().with(|archive| archive.blocks.clear());
        check(&archive, &[missing(A), missing(B)]);
    }
    // An archive that lost its first block, its offsets still those of before.
    let bytes = Archive::new(14).bytes();
    let first = Archive::new(14).head(&[]).len();
    let second = b"\x01\x00\x03\x00\x00\x00";
    let second = first + bytes[first..].windows(6).position(|window| window == second).unwrap();
    let dump = read_bytes(&[&bytes[..first], &bytes[second..]].concat());
    let detail = format!("its data block begins at {first}, the table of contents says {second}");
    assert_eq!(findings(&dump), [corrupt(B, &detail), missing(A)]);

    let archive = Archive::new(14).entry(1, |entry| entry.state = 1).block(1, |block| block.id = 2);
    check(&archive, &[corrupt(A, "has a second data block"), missing(B)]);
    let archive = Archive::new(14).block(0, |block| block.id = 9);
    let no_block = "no data block of any entry where the next one begins";
    check(&archive, &[corrupt("-", no_block), corrupt(A, NOT_REACHED), corrupt(B, NOT_REACHED)]);
    let archive = Archive::new(14).block(1, |block| block.kind = 2);
    check(&archive, &[corrupt("-", no_block), corrupt(B, NOT_REACHED)]);
    let archive = Archive::new(14).entry(1, |entry| (entry.state, entry.had_dumper) = (3, 0));
    check(&archive, &[corrupt(A, "has a data block, but the table of contents denies it")]);
    let archive = Archive::new(14).entry(2, |entry| (entry.kind, entry.copy) = ("BLOBS", ""));
    assert_eq!(
        findings(&read_bytes(&archive.bytes()))[0],
        corrupt("BLOBS public.b", "its data block has the wrong type 1")
    );
}

/// As `pg_dump` in append mode leaves it.
#[test]
fn a_second_table_of_contents_must_be_the_same() {
    for version in [12, 14, 16] {
        let written = Archive::with_blobs(version).with(|archive| {
            for entry in &mut archive.entries {
                entry.state = if entry.state == 2 { 1 } else { entry.state };
            }
        });
        let bytes = written.bytes();
        let with = |second: &Archive, end: usize| {
            let head = second.head(&[(2, 1000), (3, 2000)]);
            let start = head.windows(4).position(|window| window == b"12.1").unwrap() + 4;
            let bytes = [&bytes[..], &head[start..head.len() - end]].concat();
            findings(&read_bytes(&bytes)).iter().map(|(kind, _, _)| *kind).collect::<Vec<_>>()
        };
        assert_eq!(with(&written, 0), []);
        assert_eq!(with(&Archive::with_blobs(version), 0), []);
        assert_eq!(with(&written, 1), [DamageKind::Truncated]);
        let garbage = [DamageKind::Corrupt];
        assert_eq!(with(&written.clone().entry(1, |entry| entry.tag = "c"), 0), garbage);
        assert_eq!(with(&written.clone().entry(1, |entry| entry.section = 9), 0), garbage);
        assert_eq!(with(&written.clone().entry(1, |entry| entry.id = 70), 0), garbage);
        let fewer = written.clone().with(|archive| {
            archive.entries.pop();
        });
        assert_eq!(with(&fewer, 0), garbage);
        let other_count = written.clone().with(|archive| archive.count = Some(99));
        assert_eq!(with(&other_count, 0), garbage);
    }
}

#[test]
fn streams_must_be_whole_zlib_streams() {
    let good = zlib(b"1\n2\n\\.\n\n\n");
    let with = |stream: &[u8], detail: &str| {
        let archive = Archive::new(14).block(0, |block| block.streams[0].1 = stream.to_vec());
        let mut archive = archive.with(|archive| archive.raw = true);
        archive.blocks[1].streams[0].1 = zlib(b"3\n\\.\n\n\n");
        if detail.is_empty() {
            check(&archive, &[]);
        } else {
            check(&archive, &[corrupt(A, detail)]);
        }
        assert_eq!(
            entry(&read_bytes(&archive.bytes()), "TABLE DATA", "b").data.as_ref().unwrap().rows,
            Some(1)
        );
    };
    with(&good, "");
    with(&[&good[..], b"x"].concat(), "bytes follow the end of its zlib stream");
    with(&[&good[..], &good].concat(), "bytes follow the end of its zlib stream");
    with(&[], "its zlib stream ends too early");
    for end in 1..good.len() {
        with(&good[..end], "its zlib stream ends too early");
    }
    // More output from the last input bytes than fits the buffer at once.
    let mut long = vec![b'x'; 3_000_000];
    long.extend(b"\n\\.\n\n\n");
    with(&zlib(&long), "");
    let archive = Archive::new(14).block(0, |block| block.streams[0].1 = long.clone());
    let data = entry(&read_bytes(&archive.bytes()), "TABLE DATA", "a").data.clone().unwrap();
    assert_eq!((data.bytes, data.rows), (Some(3_000_006), Some(1)));
}

#[test]
fn large_objects_are_those_listed() {
    for version in [14, 16] {
        let archive = Archive::with_blobs(version);
        check(&archive, &[]);
        let number = |oid: &str| format!("the large object {oid} comes twice or is not listed");
        let lost = (DamageKind::Truncated, BLOBS, "1 listed large objects have no data");
        let other = archive.clone().block(2, |block| block.streams[1].0 = Some(11));
        check(&other, &[corrupt(BLOBS, &number("11")), lost]);
        let twice =
            archive.clone().block(2, |block| block.streams.push((Some(10), b"ten".to_vec())));
        check(&twice, &[corrupt(BLOBS, &number("10"))]);
        let fewer = archive.clone().block(2, |block| {
            block.streams.remove(1);
        });
        check(&fewer, &[lost]);
        // `--section=data` lists none before 17.
        let unlisted = archive.clone().with(|archive| {
            archive.entries.retain(|entry| !matches!(entry.kind, "BLOB" | "BLOB METADATA"));
        });
        check(&unlisted, &[]);
        // A large object is no COPY data and needs no mark; a damaged one leaves the size unknown.
        let data = entry(&read_bytes(&archive.bytes()), "BLOBS", "BLOBS").data.clone().unwrap();
        assert_eq!((data.bytes, data.rows), (Some(3), None));
    }
}

#[test]
fn lengths_must_be_lengths() {
    let head = Archive::new(14).entry(1, |entry| entry.state = 1).head(&[]);
    let start = |rest: &[u8]| {
        let dump = read_bytes(&[&head, &b"\x01\x00\x02\x00\x00\x00"[..], rest].concat());
        findings(&dump)[0].2.to_owned()
    };
    assert_eq!(start(b"\x01\x05\x00\x00\x00hello"), "a chunk of -5 bytes");
    assert_eq!(start(b"\x01\x00\x00\x00\x00hello"), "no valid number where its data has one");
    assert_eq!(start(b"\x02\x05\x00\x00\x00hello"), "no valid number where its data has one");
    assert_eq!(start(b"\x00\x05\x00\x00\x80hello"), "no valid number where its data has one");
    assert_eq!(start(b"\x00\x05\x00\x00\x40hello"), "the dump ends in the middle of its data");
    let text = |length: &[u8]| {
        let mut bytes = Archive::new(14).bytes();
        let database = bytes.windows(2).position(|window| window == b"\xcf\xf0").unwrap();
        bytes[database - 5..database].copy_from_slice(length);
        findings(&read_bytes(&bytes))[0].2.to_owned()
    };
    assert_eq!(text(b"\x01\x02\x00\x00\x00"), "a text of -2 bytes");
    assert_eq!(text(b"\x00\xff\xff\xff\x7f"), "the dump ends in the middle of its header");
    assert_eq!(text(b"\x00\xff\xff\xff\xff"), "no valid number where its header has one");
}

/// Bytes without end, counted.
struct Endless<'a> {
    first: &'a [u8],
    given: u64,
    limit: u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.first.read(buffer)?;
        if count == 0 && self.given < self.limit {
            buffer.fill(b'x');
            count = buffer.len();
        }
        self.given += u64::try_from(count).unwrap();
        Ok(count)
    }
}

#[test]
fn a_huge_table_of_contents_is_refused() {
    // An entry whose definition has a gigabyte: not more than the limit is kept of it.
    let mut archive = Archive::new(14);
    archive.entries[1].definition = "Z";
    let mut bytes = archive.bytes();
    let at = bytes.windows(6).position(|window| window == b"\x00\x01\x00\x00\x00Z").unwrap();
    bytes.truncate(at);
    bytes.extend(b"\x00\xff\xff\xff\x3f");
    let mut endless = Endless { first: &bytes, given: 0, limit: 50_000_000 };
    let dump = read_limited(&mut endless, &Meter::default(), 1_000_000);
    assert_eq!(dump.damage[0].kind, DamageKind::TooLarge);
    assert_eq!(dump.entries.len(), 1);
    assert!(dump.stored_bytes >= 50_000_000);

    // Many small entries.
    let mut archive = Archive::new(14);
    archive.entries.extend(vec![schema_entry(50, "TABLE", "t", ""); 5000]);
    let dump = read_limited(&mut &archive.bytes()[..], &Meter::default(), 1_000_000);
    assert_eq!(dump.damage[0].kind, DamageKind::TooLarge);
    assert!((100..4000).contains(&dump.entries.len()), "{}", dump.entries.len());
    let dump = read_limited(&mut &archive.bytes()[..], &Meter::default(), 5_000_000);
    assert_ne!(dump.damage[0].kind, DamageKind::TooLarge);

    // Few entries with long texts, each of them within the limit.
    let mut archive = Archive::new(14);
    archive.entries.extend(
        (50..150).map(|id| Entry { definition: LONG, ..schema_entry(id, "TABLE", "t", "") }),
    );
    let dump = read_limited(&mut &archive.bytes()[..], &Meter::default(), 1_000_000);
    assert_eq!(dump.damage[0].kind, DamageKind::TooLarge);
    assert!((30..60).contains(&dump.entries.len()), "{}", dump.entries.len());

    // More entries announced than there are bytes.
    let archive = Archive::new(14).with(|archive| archive.count = Some(i64::from(i32::MAX)));
    let dump = read_bytes(&archive.bytes());
    assert_eq!((dump.damage.len(), dump.entries.len()), (1, 3));
}

#[test]
fn findings_have_a_limit() {
    let mut archive = Archive::new(14);
    archive.entries.extend((10..4000).map(|id| data_entry(id, "many")));
    let dump = read_bytes(&archive.bytes());
    assert_eq!(dump.damage.len(), 1000);
    assert_eq!(dump.damage[999].detail, "more damage follows that is not listed");
    assert_eq!(dump.damage[998].detail, MISSING);
}
