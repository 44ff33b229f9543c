//! Reads `pg_dump`'s custom format (`pg_dump -Fc`) from its first byte to its last.
//!
//! Archive versions 1.12 to 1.16, which PostgreSQL 9.0 to 18 write. The format is defined by
//! PostgreSQL's `src/bin/pg_dump/pg_backup_archiver.c` (header and table of contents: `ReadHead`,
//! `ReadToc`, `ReadInt`, `ReadStr`, `ReadOffset`) and `src/bin/pg_dump/pg_backup_custom.c` (data
//! blocks: `_PrintTocData`, `_LoadLOs`, `_skipData`).
//!
//! `pg_restore` reads only what it needs; this reader looks at every byte once, in order and in
//! bounded memory, and names every entry whose data are not as the table of contents says.
//! What it cannot see: a changed byte in the header or the table of contents that leaves both
//! readable, and changed bytes in data without checksums (all codecs but gzip). Only a restore
//! tells about those.

mod columns;
mod contents;
mod data;
mod dependencies;
mod header;
mod kinds;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod toc_file;

use std::io::Read;

use super::meter::Meter;
use super::toc::TocEntry;
pub(super) use data::{label, listed_blobs};
use header::Keeping;
pub(super) use kinds::unknown as unknown_kinds;
use source::{Source, Stop};
pub(super) use toc_file::{FileRows, TocFile};

/// The memory that a table of contents may take: 100,000 entries of two kilobytes each. A dump with a
/// larger one is not read further.
const CONTENTS_LIMIT: usize = 192 * 1024 * 1024;
/// How many findings are kept; a broken dump of a database with many tables has one for each.
const DAMAGE_LIMIT: usize = 1000;

/// What [`read`] found in a custom-format dump.
#[derive(Debug, Default)]
pub(crate) struct CustomDump {
    /// The archive's header; `None` where it cannot be read.
    pub header: Option<CustomHeader>,
    /// The table of contents, as far as it could be read, with the sizes and rows of its data.
    pub entries: Vec<TocEntry>,
    /// What is wrong with the dump; empty where every byte was read and is sound.
    pub damage: Vec<Damage>,
    /// The bytes that the reader gave, to its end.
    pub stored_bytes: u64,
    /// Whether all data carry checksums, which were compared (gzip's Adler-32).
    pub has_checksums: bool,
}

/// The header of a custom-format dump (`ReadHead` in `pg_backup_archiver.c`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustomHeader {
    /// The archive's version, like (1, 14); not PostgreSQL's.
    pub version: (u8, u8),
    /// How the data are compressed.
    pub compression: Compression,
    /// When the dump began: year, month, day, hour, minute, second in the dumping machine's own
    /// time zone, which the header does not name; `None` where the fields make no date.
    pub created: Option<[i64; 6]>,
    /// The dumped database.
    pub database: String,
    /// The version of the server that was dumped, as it words it.
    pub server_version: String,
    /// The version of the `pg_dump` that wrote the archive.
    pub pg_dump_version: String,
    /// The encoding of all text in the dump, like `UTF8`; empty where the dump names none.
    pub encoding: String,
}

/// How the data of a custom-format dump are compressed (`pg_compress_algorithm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// Zlib streams.
    Gzip,
    /// LZ4 frames (since archive version 1.15).
    Lz4,
    /// Zstandard frames (since archive version 1.15).
    Zstd,
}

/// One finding about a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// What kind of finding.
    pub kind: DamageKind,
    /// Where in the dump, in bytes from its beginning.
    pub offset: u64,
    /// The entry whose data are concerned, like `TABLE DATA public.orders`.
    pub entry: Option<String>,
    /// What was found there.
    pub detail: String,
}

/// The kinds of [`Damage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DamageKind {
    /// There is not a single byte.
    Empty,
    /// The dump ends too early, or data that it announces are missing.
    Truncated,
    /// Bytes are not what `pg_dump` writes.
    Corrupt,
    /// An archive version that this reader does not know; the dump may well be sound.
    UnsupportedVersion,
    /// `PGDMP` with a version below 1.10: not from any `pg_dump` since PostgreSQL 8.0, but from a
    /// program with its own variant of the format.
    PrivateVariant,
    /// The header belongs to another of `pg_dump`'s formats (`toc.dat` of a tar or directory dump).
    OtherFormat,
    /// The table of contents is larger than this reader accepts; the dump may well be sound.
    TooLarge,
    /// The dump could not be read.
    Io,
}

/// Reads a custom-format dump from its first byte (`PGDMP`) to its end, sequentially. What its
/// decoders make is counted on `meter`.
pub(crate) fn read(reader: &mut dyn Read, meter: &Meter) -> CustomDump {
    read_limited(reader, meter, CONTENTS_LIMIT)
}

/// When a custom-format dump, or one with a `toc.dat`, began, from its header alone: year, month, day, hour, minute, second
/// as in [`CustomHeader::created`].
pub(crate) fn created(reader: &mut dyn Read) -> Option<[i64; 6]> {
    header::read(&mut Source::new(reader), Keeping::Any).ok()?.0.created
}

fn read_limited(reader: &mut dyn Read, meter: &Meter, contents_limit: usize) -> CustomDump {
    let mut source = Source::new(reader);
    let mut dump = CustomDump::default();
    if let Err(stop) = read_archive(&mut source, meter, contents_limit, &mut dump) {
        note(&mut dump.damage, stop.into_damage(None));
    }
    if let Err(stop) = source.drain() {
        note(&mut dump.damage, stop.into_damage(None));
    }
    dump.stored_bytes = source.offset();
    dump
}

fn read_archive(
    source: &mut Source,
    meter: &Meter,
    contents_limit: usize,
    dump: &mut CustomDump,
) -> Result<(), Stop> {
    let (raw_header, layout) = header::read(source, Keeping::Blocks)?;
    dump.has_checksums = layout.compression == Compression::Gzip;
    source.enter("table of contents");
    let contents = contents::read(source, &layout, contents_limit);
    let encoding = String::from_utf8_lossy(&contents.encoding).into_owned();
    dump.header = Some(raw_header.decode(&layout, &encoding));
    let mut places = Vec::with_capacity(contents.entries.len());
    for raw in contents.entries {
        places.push(raw.place);
        dump.entries.push(raw.decode(&encoding));
    }
    if let Some(stop) = contents.stop {
        return Err(stop);
    }
    source.enter("data");
    let pg_dump_version = dump.header.as_ref().map_or("", |header| header.pg_dump_version.as_str());
    let known = data::Known {
        layout,
        encoding,
        contents_limit,
        places,
        pg_dump_version: pg_dump_version.to_owned(),
    };
    data::walk(source, known, meter, &mut dump.entries, &mut dump.damage);
    Ok(())
}

/// Keeps one finding, up to [`DAMAGE_LIMIT`] of them.
fn note(damage: &mut Vec<Damage>, finding: Damage) {
    if damage.len() + 1 < DAMAGE_LIMIT {
        damage.push(finding);
    } else if damage.len() < DAMAGE_LIMIT {
        damage.push(Damage {
            entry: None,
            detail: "more damage follows that is not listed".to_owned(),
            ..finding
        });
    }
}
