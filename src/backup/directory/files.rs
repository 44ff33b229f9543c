//! The files of a directory dump: what their names say, and what is in them.
//!
//! The names are those of `_ArchiveEntry`, `setFilePath`, `_StartLOs` and `_StartLO` in
//! `pg_backup_directory.c`; a compression's extension follows them.

use std::io::{self, BufRead as _, BufReader, Read};

use crate::backup::codec::{Codec, Decoder};
use crate::backup::custom::{DamageKind, FileRows};
use crate::backup::meter::Meter;
use crate::backup::rows::Fingerprint;
use crate::backup::{intake, member};

/// Read from a file at once.
const BUFFER: usize = crate::backup::buffer_bytes(64 * 1024);
/// More than a line of a list of large objects takes.
const LINE: u64 = 256;

/// What a file of a directory dump is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// `toc.dat`
    Contents,
    /// `3000.dat`: the rows of one table.
    Rows,
    /// `blobs.toc`, since PostgreSQL 17 `blobs_3000.toc`: which large objects there are.
    ObjectList,
    /// `blob_77777.dat`: one large object.
    Object(u32),
}

/// A file's name, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartName<'a> {
    pub(crate) part: Part,
    /// The name without the compression's extension.
    pub(crate) base: &'a str,
    /// What the extension says.
    pub(crate) codec: Codec,
}

/// What the file `name` of a directory dump is; `None` for one that `pg_dump` does not write.
pub(crate) fn part_of(name: &str) -> Option<PartName<'_>> {
    let (base, codec) = [Codec::Gzip, Codec::Lz4, Codec::Zstd]
        .into_iter()
        .find_map(|codec| {
            let base = name.strip_suffix(codec.extension()?)?.strip_suffix('.')?;
            Some((base, codec))
        })
        .unwrap_or((name, Codec::None));
    let is_number = |text: &str| {
        (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let part = if base == "toc.dat" {
        Part::Contents
    } else if base == "blobs.toc" {
        Part::ObjectList
    } else if let Some(id) = base.strip_prefix("blobs_").and_then(|id| id.strip_suffix(".toc")) {
        is_number(id).then_some(Part::ObjectList)?
    } else if let Some(oid) = base.strip_prefix("blob_").and_then(|oid| oid.strip_suffix(".dat")) {
        Part::Object(oid.parse().ok().filter(|_| is_number(oid))?)
    } else {
        is_number(base.strip_suffix(".dat")?).then_some(Part::Rows)?
    };
    Some(PartName { part, base, codec })
}

/// Something wrong with a file.
pub(super) type Fault = (DamageKind, String);

/// What is known of a data file once it went by. Small: a dump may have a file for each of a million
/// large objects.
#[derive(Debug)]
pub(super) struct FileFacts {
    pub(super) codec: Codec,
    /// Bytes as they lie in the dump.
    pub(super) stored_bytes: u64,
    /// Bytes after decompression.
    pub(super) bytes: u64,
    /// Its rows if it is what `COPY` wrote, or why it is not; `None` where it has no bytes.
    pub(super) rows: Option<Box<Rows>>,
    /// Whether it ends as `COPY`'s rows do, to the last byte.
    pub(super) ends_rows: bool,
    /// Whether it ends as `INSERT`s do.
    pub(super) ends_inserts: bool,
    /// The codec that its first bytes are in.
    pub(super) looks_like: Option<Codec>,
    /// Whether checksums covered all of it.
    pub(super) is_checked: bool,
    /// Why it could not be read.
    pub(super) fault: Option<Box<Fault>>,
}

/// The number of rows and their fingerprint.
pub(super) type Rows = Result<(u64, Option<Fingerprint>), Fault>;

/// Reads a data file to its end, as far as it can be decoded, and the rows in it by `rows`.
pub(super) fn read_data(
    name: PartName<'_>,
    stored_bytes: u64,
    reader: &mut dyn Read,
    mut rows: Option<FileRows>,
    meter: &Meter,
) -> FileFacts {
    let mut facts = FileFacts {
        codec: name.codec,
        stored_bytes,
        bytes: 0,
        rows: None,
        ends_rows: false,
        ends_inserts: false,
        looks_like: None,
        is_checked: false,
        fault: None,
    };
    let (head, mut decoded) = match open(name, reader, meter) {
        Ok(opened) => opened,
        Err(fault) => {
            facts.fault = Some(Box::new(fault));
            return facts;
        }
    };
    facts.looks_like = Codec::of_head(&head);
    if head.is_empty() {
        return facts;
    }
    let mut tail: Vec<u8> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match decoded.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                facts.fault = Some(Box::new(unreadable(name.codec, &error)));
                break;
            }
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        facts.bytes += count as u64;
        if let Some(rows) = &mut rows {
            rows.feed(bytes);
        }
        tail.extend_from_slice(bytes.get(count.saturating_sub(4)..).unwrap_or_default());
        tail.drain(..tail.len().saturating_sub(4));
    }
    if let Some(rows) = rows.filter(|_| facts.bytes > 0) {
        facts.rows = Some(Box::new(rows.finish()));
    }
    facts.is_checked = decoded.is_checked();
    // `dumpTableData_copy` and `dumpTableData_insert` in `pg_dump.c` end with two line ends behind
    // those of the end mark and of the last statement.
    facts.ends_rows = tail == b".\n\n\n";
    facts.ends_inserts = tail == b"\n\n" || tail == b";\n\n\n";
    facts
}

/// What a list of large objects holds.
#[derive(Debug, Default)]
pub(super) struct ObjectList {
    pub(super) oids: Vec<u32>,
    pub(super) fault: Option<Fault>,
}

/// Reads a list of large objects: lines `77777 blob_77777.dat`, as `_LoadLOs` takes them.
///
/// # Errors
///
/// Where they are more than are kept in mind.
pub(super) fn read_list(
    name: PartName<'_>,
    reader: &mut dyn Read,
    meter: &Meter,
) -> io::Result<ObjectList> {
    let mut list = ObjectList::default();
    let (_, decoded) = match open(name, reader, meter) {
        Ok(opened) => opened,
        Err(fault) => return Ok(ObjectList { fault: Some(fault), ..list }),
    };
    let mut lines = BufReader::new(decoded);
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                list.fault = Some(unreadable(name.codec, &error));
                break;
            }
        }
        let at = list.oids.len() + 1;
        let Some(text) = line.strip_suffix(b"\n") else {
            list.fault = Some((DamageKind::Truncated, format!("it ends within its line {at}")));
            break;
        };
        let object = std::str::from_utf8(text).ok().and_then(|text| text.split_once(' '));
        let oid = object.and_then(|(oid, file)| {
            let oid: u32 = oid.parse().ok()?;
            (file == format!("blob_{oid}.dat") && oid != 0).then_some(oid)
        });
        let Some(oid) = oid else {
            let detail = format!("its line {at} names no large object and its file");
            list.fault = Some((DamageKind::Corrupt, detail));
            break;
        };
        list.oids.push(oid);
        // An eighth of what is kept of the object's file.
        if list.oids.len() % 8 == 0 {
            meter.keep_file(1)?;
        }
    }
    Ok(list)
}

/// A file's first bytes as they lie there, and all of it decoded.
type Opened<'a> = (Vec<u8>, Decoder<intake::Peeked<&'a mut dyn Read>>);

/// Opens a file whose content is what its name says.
pub(super) fn open<'a>(
    name: PartName<'_>,
    reader: &'a mut dyn Read,
    meter: &Meter,
) -> Result<Opened<'a>, Fault> {
    let (head, reader) = intake::peek(reader).map_err(|error| unreadable(Codec::None, &error))?;
    // An empty large object is nothing to these two, and twenty bytes to gzip.
    let is_nothing = head.is_empty()
        && matches!((name.codec, name.part), (Codec::Lz4 | Codec::Zstd, Part::Object(_)));
    let codec = if is_nothing { Codec::None } else { name.codec };
    if codec != Codec::None && head.is_empty() {
        return Err((DamageKind::Truncated, "it has no bytes".to_owned()));
    }
    if codec != Codec::None && Codec::of_head(&head) != Some(name.codec) {
        let detail = match Codec::of_head(&head) {
            Some(codec) => format!("its name says {}, its content is {codec}", name.codec),
            None => format!("its name says {}, its content is something else", name.codec),
        };
        return Err((DamageKind::Corrupt, detail));
    }
    match codec.decoder(reader, meter) {
        Ok(decoded) => Ok((head, decoded)),
        Err(error) => Err(unreadable(name.codec, &error)),
    }
}

fn unreadable(codec: Codec, error: &io::Error) -> Fault {
    let kind =
        if member::is_cut_error(error) { DamageKind::Truncated } else { DamageKind::Corrupt };
    let what = if codec == Codec::None { String::new() } else { format!("its {codec} data: ") };
    (kind, format!("{what}{error}"))
}
