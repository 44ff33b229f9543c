//! Dumps that PostgreSQL 13, 15 and 17 wrote: what they hold, and every way to break them.

use std::io::ErrorKind;

use super::{Pieces, Random, entry, findings, lines, read_bytes};
use crate::backup::custom::{Compression, CustomDump, DamageKind, read};
use crate::backup::meter::{Halt, Meter};
use crate::backup::toc::EntryData;

macro_rules! fixtures {
    ($($name:literal)*) => {
        const ALL: &[(&str, &[u8])] = &[$((
            $name,
            include_bytes!(concat!("../../../../tests/fixtures/custom/", $name, ".dump")),
        )),*];
    };
}

fixtures!(
    "13" "13-none" "13-inserts" "13-schema" "13-pipe"
    "15" "15-none" "15-inserts" "15-schema" "15-pipe"
    "17" "17-none" "17-inserts" "17-schema" "17-pipe" "17-lz4" "17-zstd"
    "13-append" "17-append" "17-stdout" "17-stdout-schema"
);

fn fixture(name: &str) -> &'static [u8] {
    ALL.iter().find(|(known, _)| *known == name).unwrap().1
}

fn parse(name: &str) -> CustomDump {
    read_bytes(fixture(name))
}

/// The end of the table of contents, where the first block begins: that of `app.empty`.
fn data_start(bytes: &[u8]) -> usize {
    let dump = read_bytes(bytes);
    let id = entry(&dump, "TABLE DATA", "empty").dump_id;
    let block = [&[1, 0][..], &id.to_le_bytes()[..4]].concat();
    let mut starts = bytes.windows(block.len()).enumerate().filter(|(_, window)| *window == block);
    let (start, _) = starts.next().unwrap();
    assert!(starts.next().is_none());
    start
}

#[test]
fn sound_dumps_are_sound() {
    for (name, bytes) in ALL {
        let dump = read_bytes(bytes);
        assert_eq!(lines(&dump), Vec::<String>::new(), "{name}");
        assert_eq!(dump.stored_bytes, u64::try_from(bytes.len()).unwrap(), "{name}");
        let plain = ["none", "lz4", "zstd"].iter().any(|codec| name.ends_with(codec));
        assert_eq!(dump.has_checksums, !plain, "{name}");
    }
}

/// The numbers of entries are those of `pg_restore -l` ("TOC Entries").
#[test]
fn headers_and_entries_are_those_of_pg_restore() {
    for (name, version, compression, entries, server) in [
        ("13", (1, 14), Compression::Gzip, 23, "13.23 (Debian 13.23-0+deb11u4)"),
        ("13-schema", (1, 14), Compression::Gzip, 13, "13.23 (Debian 13.23-0+deb11u4)"),
        ("13-none", (1, 14), Compression::None, 23, "13.23 (Debian 13.23-0+deb11u4)"),
        ("15", (1, 14), Compression::Gzip, 25, "15.18 (Debian 15.18-0+deb12u1)"),
        ("15-schema", (1, 14), Compression::Gzip, 15, "15.18 (Debian 15.18-0+deb12u1)"),
        ("17", (1, 16), Compression::Gzip, 23, "17.12 (Debian 17.12-0+deb13u1)"),
        ("17-lz4", (1, 16), Compression::Lz4, 23, "17.12 (Debian 17.12-0+deb13u1)"),
        ("17-zstd", (1, 16), Compression::Zstd, 23, "17.12 (Debian 17.12-0+deb13u1)"),
        ("17-none", (1, 16), Compression::None, 23, "17.12 (Debian 17.12-0+deb13u1)"),
    ] {
        let dump = parse(name);
        let header = dump.header.unwrap();
        assert_eq!(dump.entries.len(), entries, "{name}");
        assert_eq!((header.version, header.compression), (version, compression), "{name}");
        assert_eq!((header.database.as_str(), header.encoding.as_str()), ("kasse", "LATIN1"));
        assert_eq!(
            (header.server_version.as_str(), header.pg_dump_version.as_str()),
            (server, server)
        );
        assert_eq!(header.created.unwrap()[..3], [2026, 11, 22], "{name}");
    }
}

#[test]
fn entries_carry_what_pg_dump_wrote() {
    for name in ["13", "15", "17", "17-zstd"] {
        let dump = parse(name);
        let data = entry(&dump, "TABLE DATA", "Straße");
        assert_eq!(data.schema.as_deref(), Some("public"));
        assert_eq!(data.owner.as_deref(), Some("postgres"));
        assert_eq!(data.tablespace, None);
        assert_eq!(data.copy_statement, "COPY public.\"Straße\" (a, \"größe\") FROM stdin;\n");
        assert_eq!(data.definition, "");
        let table = entry(&dump, "TABLE", "empty");
        assert_eq!(table.schema.as_deref(), Some("app"));
        assert_eq!(table.owner.as_deref(), Some("alice"));
        assert!(table.definition.starts_with("CREATE TABLE app.empty ("));
        let data = entry(&dump, "TABLE DATA", "empty");
        assert_eq!(data.dependencies, [table.dump_id]);
        let encoding = entry(&dump, "ENCODING", "ENCODING");
        assert_eq!((&encoding.schema, &encoding.owner, &encoding.data), (&None, &None, &None));
        assert!(dump.entries.iter().any(|entry| entry.kind == "DATABASE"));
    }
}

#[test]
fn rows_and_bytes_are_counted() {
    let stored = [13, 15, 50, 84, 33, 116, 37];
    for name in ["13", "13-pipe", "13-none", "15", "15-pipe", "15-none", "17", "17-pipe", "17-none"]
    {
        let dump = parse(name);
        let data: Vec<_> = dump
            .entries
            .iter()
            .filter_map(|entry| entry.data.as_ref())
            .map(|data| (data.stored_bytes, data.bytes, data.rows))
            .collect();
        let expected = [
            (5, Some(0)),
            (12, Some(7)),
            (55, Some(10)),
            (145, Some(20)),
            (28, Some(6)),
            (197, Some(30)),
            (205, None),
        ];
        let expected = expected.iter().zip(stored).map(|((bytes, rows), stored)| {
            (if name.ends_with("none") { *bytes } else { stored }, Some(*bytes), *rows)
        });
        assert_eq!(data, expected.collect::<Vec<_>>(), "{name}");
        let tables: Vec<_> = dump
            .entries
            .iter()
            .filter(|entry| entry.data.is_some())
            .map(|entry| entry.tag.as_str())
            .collect();
        assert_eq!(tables[..6], ["empty", "no_columns", "part_a", "part_b", "tricky", "Straße"]);
        assert!(["BLOBS", "77777..4000000000"].contains(&tables[6]), "{name}");
    }
    let dump = parse("15-inserts");
    let expected = EntryData { stored_bytes: 109, bytes: Some(412), ..EntryData::default() };
    assert_eq!(entry(&dump, "TABLE DATA", "part_a").data, Some(expected));
    let facts = |name: &str| -> Vec<_> {
        let dump = parse(name);
        let data = dump.entries.into_iter().filter_map(|entry| entry.data);
        data.map(|data| (data.bytes, data.rows, data.fingerprint)).collect()
    };
    assert_eq!(facts("17-zstd"), facts("17"));
    assert_eq!(facts("17-lz4"), facts("17"));
    assert_eq!(facts("13").len(), 7);
    assert_eq!(facts("13"), facts("17"));
    assert_eq!(facts("17").iter().filter(|(.., fingerprint)| fingerprint.is_some()).count(), 6);
    assert!(parse("17-schema").entries.iter().all(|entry| entry.data.is_none()));
}

/// Only `pg_dump` into a pipe leaves the offsets out, and in append mode it writes the table of
/// contents twice; all else must be the same.
#[test]
fn the_way_of_writing_makes_no_difference() {
    for (file, pipe) in [
        ("13", "13-pipe"),
        ("15", "15-pipe"),
        ("17", "17-pipe"),
        ("13", "13-append"),
        ("17", "17-append"),
        ("17", "17-stdout"),
        ("17-schema", "17-stdout-schema"),
    ] {
        assert_ne!(fixture(file), fixture(pipe));
        assert_eq!(parse(file).entries, parse(pipe).entries);
    }
}

#[test]
fn every_cut_is_found() {
    for (name, bytes) in ALL {
        // Everywhere in some dumps; here and there in those that are much the same.
        let (start, step) = match *name {
            "15" => (0, 1),
            "17-stdout" | "15-none" | "17-lz4" => (data_start(bytes), 1),
            _ => (1, 17),
        };
        // Where a second table of contents begins, the dump is already whole, as from a pipe.
        let complete = match *name {
            "13-append" => Some(fixture("13").len()),
            "17-append" | "17-stdout" => Some(fixture("17").len()),
            "17-stdout-schema" => Some(fixture("17-schema").len()),
            _ => None,
        };
        for end in (start..bytes.len()).step_by(step) {
            let dump = read_bytes(&bytes[..end]);
            if Some(end) == complete {
                assert_eq!(
                    lines(&dump),
                    Vec::<String>::new(),
                    "{name} without its second table of contents"
                );
                continue;
            }
            let expected = if end == 0 { DamageKind::Empty } else { DamageKind::Truncated };
            assert!(!dump.damage.is_empty(), "{name} cut at {end} is not sound");
            assert!(
                dump.damage.iter().all(|damage| damage.kind == expected),
                "{name} {end}: {:?}",
                lines(&dump)
            );
            assert_eq!(dump.stored_bytes, u64::try_from(end).unwrap());
        }
    }
}

#[test]
fn a_cut_in_the_data_names_the_table_cut_and_all_after_it() {
    for name in ["13", "15-pipe", "17-none", "17-lz4"] {
        let bytes = fixture(name);
        let tags: Vec<_> = parse(name)
            .entries
            .iter()
            .filter(|entry| entry.data.is_some())
            .map(|entry| entry.tag.clone())
            .collect();
        let mut alive = 0;
        for end in data_start(bytes)..bytes.len() {
            let dump = read_bytes(&bytes[..end]);
            let sound = dump.entries.iter().filter(|entry| entry.data.is_some()).count();
            let broken: Vec<_> =
                dump.damage.iter().filter_map(|damage| damage.entry.clone()).collect();
            assert_eq!(broken.len(), tags.len() - sound, "{name} {end}: {:?}", lines(&dump));
            for (entry, tag) in broken.iter().zip(&tags[sound..]) {
                assert!(entry.ends_with(tag.as_str()), "{name} {end}: {entry} is not {tag}");
            }
            assert!(sound == alive || sound == alive + 1);
            alive = sound;
        }
        assert_eq!(alive, tags.len() - 1);
    }
}

#[test]
fn every_changed_byte_in_gzip_data_is_found() {
    for name in ["13", "15-pipe", "17", "17-inserts"] {
        let original = fixture(name);
        for position in data_start(original)..original.len() {
            for mask in [0x01, 0xff] {
                let mut bytes = original.to_vec();
                bytes[position] ^= mask;
                let dump = read_bytes(&bytes);
                assert!(!dump.damage.is_empty(), "{name}: {mask:#x} at {position} is not found");
            }
        }
    }
}

/// Where content has no checksum, at least the framing around it is checked.
#[test]
fn changed_framing_is_found_in_every_codec() {
    for name in ["15-none", "17-none", "17-lz4", "17-zstd"] {
        let bytes = fixture(name);
        let start = data_start(bytes);
        // The first block: type, dump id and the first chunk's length, each of 5 bytes.
        for position in start..start + 11 {
            let mut bytes = bytes.to_vec();
            bytes[position] ^= 0x02;
            assert!(!read_bytes(&bytes).damage.is_empty(), "{name} at {position}");
        }
    }
}

#[test]
fn broken_tables_do_not_hide_each_other() {
    for name in ["13", "15-pipe", "17"] {
        let mut bytes = fixture(name).to_vec();
        // Adler-32 of two streams: the bytes before a stream's final chunk length 0.
        let find =
            |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|window| window == part);
        let empty = find(&bytes, b"\x78\x9c\x8b\xd1\xe3\xe2\xe2\x02\x00\x02\xc5\x00\xa9").unwrap();
        bytes[empty + 12] ^= 1;
        let blob = find(&bytes, b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15").unwrap();
        bytes[blob + 12] ^= 1;
        let dump = read_bytes(&bytes);
        let blobs = format!("BLOBS {}", if name == "17" { "77777..4000000000" } else { "BLOBS" });
        let found: Vec<_> =
            findings(&dump).iter().map(|(kind, entry, _)| (*kind, (*entry).to_owned())).collect();
        assert_eq!(
            found,
            [
                (DamageKind::Corrupt, "TABLE DATA app.empty".to_owned()),
                (DamageKind::Corrupt, blobs)
            ]
        );
        let data = entry(&dump, "TABLE DATA", "empty").data.clone();
        assert_eq!(data, Some(EntryData { stored_bytes: 13, ..EntryData::default() }));
        assert_eq!(entry(&dump, "TABLE DATA", "Straße").data.as_ref().unwrap().rows, Some(30));
    }
}

#[test]
fn bytes_after_the_last_block_are_garbage() {
    for (name, bytes) in ALL {
        for garbage in [&b"\0\0\0\0\0\0"[..], b"\x01", b"\x03\0\x01\0\0\0", b"PGDMP\x01\x0e", b"\n"]
        {
            let bytes = [bytes, garbage].concat();
            let dump = read_bytes(&bytes);
            let expected = (DamageKind::Corrupt, "-", "trailing garbage after the last data block");
            assert_eq!(findings(&dump), [expected], "{name} {garbage:?}");
            assert_eq!(dump.damage[0].offset, u64::try_from(bytes.len() - garbage.len()).unwrap());
            assert_eq!(dump.stored_bytes, u64::try_from(bytes.len()).unwrap());
        }
    }
}

#[test]
fn small_and_interrupted_reads_make_no_difference() {
    for (name, bytes) in ALL {
        let mut pieces = Pieces { bytes, error: None, interrupt: false };
        let dump = read(&mut pieces, &Meter::default());
        assert_eq!(lines(&dump), Vec::<String>::new(), "{name}");
        assert_eq!(dump.entries, read_bytes(bytes).entries);
    }
}

#[test]
fn errors_of_the_reader_are_findings() {
    for (error, expected) in [
        (ErrorKind::UnexpectedEof, DamageKind::Truncated),
        (ErrorKind::InvalidData, DamageKind::Io),
        (ErrorKind::Other, DamageKind::Io),
    ] {
        let original = fixture("15");
        for end in (0..=original.len()).rev().step_by(7) {
            let bytes = &original[..end];
            let dump = read(
                &mut Pieces { bytes, error: Some(error), interrupt: false },
                &Meter::default(),
            );
            let first = dump.damage.first().unwrap();
            assert_eq!(first.kind, expected, "{end}");
            assert!(first.detail.contains("the disk says no"), "{}", first.detail);
            assert_eq!(first.offset, u64::try_from(end).unwrap());
        }
    }
}

/// What was made before comes from layers around the dump: all of them count together.
#[test]
fn decoders_that_make_too_much_end_the_reading() {
    for name in ["15", "17-lz4", "17-zstd"] {
        let meter = Meter::default();
        meter.set_read(1);
        meter.add_decoded(4 << 30).unwrap();
        let mut bytes = fixture(name);
        let dump = read(&mut bytes, &meter);
        assert!(matches!(meter.halt(), Some(Halt::TooMuch { read: 1, .. })), "{name}");
        assert_eq!(dump.damage[0].kind, DamageKind::Io, "{name}: {:?}", lines(&dump));
        assert!(dump.damage[0].detail.contains("more than 4 GiB"), "{name}");
    }
}

/// Wild changes: whatever comes out, the reader ends, reads all bytes and does not panic; and what
/// it calls sound has the entries that the original has, or their texts changed.
#[test]
fn mutants_end() {
    let mut random = Random(0x5eed_cafe);
    for round in 0..8_000 {
        let (name, original) = ALL[random.below(ALL.len())];
        let mut bytes = original.to_vec();
        for _ in 0..=random.below(6) {
            let position = random.below(bytes.len());
            match random.below(6) {
                0 => bytes[position] = 0xff,
                1 => bytes[position] = 0,
                2 => bytes[position] ^= 1 << random.below(8),
                3 => bytes[position] = random.byte(),
                4 => {
                    bytes.remove(position);
                }
                _ => bytes.insert(position, random.byte()),
            }
        }
        let dump = read_bytes(&bytes);
        assert_eq!(dump.stored_bytes, u64::try_from(bytes.len()).unwrap(), "{round} {name}");
        if dump.damage.is_empty() {
            let (now, before) = (&dump.entries, read_bytes(original).entries);
            assert_eq!(now.len(), before.len(), "{round} {name}");
            let blocks = |entries: &[crate::backup::toc::TocEntry]| {
                entries.iter().filter(|entry| entry.data.is_some()).count()
            };
            assert_eq!(blocks(now), blocks(&before), "{round} {name}");
        }
    }
}
