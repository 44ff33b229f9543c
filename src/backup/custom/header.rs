//! The archive's header (`ReadHead` in `pg_backup_archiver.c`).

use super::source::{Source, Stop};
use super::{Compression, CustomHeader, DamageKind};
use crate::backup::encoding::decode;

/// Where an archive keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// In blocks behind the table of contents: the custom format.
    Blocks,
    /// In files of their own: the directory and tar formats.
    Files,
    /// In either way.
    Any,
}

const MAGIC: &[u8; 5] = b"PGDMP";
/// More than any database name or version text takes.
const TEXT_LIMIT: usize = 64 * 1024;

/// What the header says about the rest of the archive.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) version: (u8, u8),
    pub(super) compression: Compression,
    pub(super) offset_size: usize,
    pub(super) keeping: Keeping,
}

/// The header's texts, in an encoding that only the table of contents names.
#[derive(Debug)]
pub(super) struct RawHeader {
    pub(super) created: Option<[i64; 6]>,
    database: Vec<u8>,
    server_version: Vec<u8>,
    pg_dump_version: Vec<u8>,
}

impl RawHeader {
    pub(super) fn decode(&self, layout: &Layout, encoding: &str) -> CustomHeader {
        CustomHeader {
            version: layout.version,
            compression: layout.compression,
            created: self.created,
            database: decode(&self.database, encoding),
            server_version: decode(&self.server_version, encoding),
            pg_dump_version: decode(&self.pg_dump_version, encoding),
            encoding: encoding.to_owned(),
        }
    }
}

/// Reads a header, which must be of an archive that keeps its data as `keeping` says.
pub(super) fn read(source: &mut Source, keeping: Keeping) -> Result<(RawHeader, Layout), Stop> {
    magic(source)?;
    let version = version(source)?;
    let int_size = size(source, "integers")?;
    source.set_int_size(int_size);
    let offset_size = size(source, "offsets")?;
    format(source, keeping)?;
    let compression = compression(source, version)?;
    let header = RawHeader {
        created: created(source)?,
        database: source.string(TEXT_LIMIT)?.unwrap_or_default(),
        server_version: source.string(TEXT_LIMIT)?.unwrap_or_default(),
        pg_dump_version: source.string(TEXT_LIMIT)?.unwrap_or_default(),
    };
    Ok((header, Layout { version, compression, offset_size, keeping }))
}

fn magic(source: &mut Source) -> Result<(), Stop> {
    if source.peek(1)?.is_empty() {
        let detail = "the dump is empty".to_owned();
        return Err(Stop { kind: DamageKind::Empty, offset: 0, detail });
    }
    for expected in MAGIC {
        if source.byte()? != *expected {
            return Err(Stop::corrupt(0, "does not begin with PGDMP, as custom-format dumps do"));
        }
    }
    Ok(())
}

fn version(source: &mut Source) -> Result<(u8, u8), Stop> {
    let offset = source.offset();
    let (major, minor) = (source.byte()?, source.byte()?);
    let _revision = source.byte()?;
    let (kind, detail) = match (major, minor) {
        (1, 12..=16) => return Ok((major, minor)),
        (1, 0..=9) => (DamageKind::PrivateVariant, "which no pg_dump since PostgreSQL 8.0 writes"),
        _ => (
            DamageKind::UnsupportedVersion,
            "and only 1.12 to 1.16 (PostgreSQL 9.0 to 18) are known",
        ),
    };
    let detail = format!("the archive has version {major}.{minor}, {detail}");
    Err(Stop { kind, offset, detail })
}

fn size(source: &mut Source, what: &str) -> Result<usize, Stop> {
    let offset = source.offset();
    match source.byte()? {
        size @ 1..=8 => Ok(usize::from(size)),
        size => Err(Stop::corrupt(offset, format!("{what} of {size} bytes in the header"))),
    }
}

/// `ArchiveFormat` in `pg_backup.h`. A directory dump's `toc.dat` says that it is a tar dump's
/// (`_CloseArchive` in `pg_backup_directory.c`).
fn format(source: &mut Source, keeping: Keeping) -> Result<(), Stop> {
    let offset = source.offset();
    let other = |detail: &str| {
        Err(Stop { kind: DamageKind::OtherFormat, offset, detail: detail.to_owned() })
    };
    match (source.byte()?, keeping) {
        (1, Keeping::Blocks | Keeping::Any) | (3 | 5, Keeping::Files | Keeping::Any) => Ok(()),
        (3 | 5, Keeping::Blocks) => {
            other("this is the toc.dat of a directory or tar dump, not a custom-format dump")
        }
        (1, Keeping::Files) => {
            other("this is a custom-format dump, not the toc.dat of a directory or tar dump")
        }
        (other, _) => {
            Err(Stop::corrupt(offset, format!("the archive has the unknown format {other}")))
        }
    }
}

/// Since 1.15 the algorithm (`pg_compress_algorithm` in `src/include/common/compression.h`),
/// before that zlib's level, with 0 for none.
fn compression(source: &mut Source, version: (u8, u8)) -> Result<Compression, Stop> {
    let offset = source.offset();
    if version < (1, 15) {
        return match source.int()? {
            0 => Ok(Compression::None),
            -1 | 1..=9 => Ok(Compression::Gzip),
            // `pg_restore` before 16: "invalid compression code" (`compress_io.c`).
            other => Err(unknown_compression(offset, other)),
        };
    }
    match source.byte()? {
        0 => Ok(Compression::None),
        1 => Ok(Compression::Gzip),
        2 => Ok(Compression::Lz4),
        3 => Ok(Compression::Zstd),
        other => Err(unknown_compression(offset, other.into())),
    }
}

fn unknown_compression(offset: u64, code: i64) -> Stop {
    Stop::corrupt(offset, format!("the unknown compression {code} in the header"))
}

/// The fields of C's `struct tm`; nothing in a restore depends on them.
fn created(source: &mut Source) -> Result<Option<[i64; 6]>, Stop> {
    let (second, minute, hour) = (source.int()?, source.int()?, source.int()?);
    let (day, month, year) = (source.int()?, source.int()? + 1, source.int()? + 1900);
    let _daylight_saving = source.int()?;
    let is_date = (0..=60).contains(&second)
        && (0..=59).contains(&minute)
        && (0..=23).contains(&hour)
        && (1..=31).contains(&day)
        && (1..=12).contains(&month)
        && (1..=9999).contains(&year);
    Ok(is_date.then_some([year, month, day, hour, minute, second]))
}
