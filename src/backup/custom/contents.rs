//! The archive's table of contents (`ReadToc` in `pg_backup_archiver.c`).

use super::header::{Keeping, Layout};
use super::source::{Source, Stop};
use crate::backup::encoding::{decode, is_known};
use crate::backup::toc::TocEntry;

/// Where an entry's data are (`ReadOffset` in `pg_backup_archiver.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// There are none (`K_OFFSET_NO_DATA`).
    Nowhere,
    /// Somewhere after the table of contents (`K_OFFSET_POS_NOT_SET`): `pg_dump` could not seek in
    /// its output, or did not finish.
    Somewhere,
    /// At this offset (`K_OFFSET_POS_SET`).
    At(u64),
}

/// An entry whose texts are still in the dump's encoding.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub(super) place: Place,
    /// The file that holds its data, where data lie in files; empty for none.
    pub(super) file: Vec<u8>,
    dump_id: i64,
    tag: Vec<u8>,
    kind: Vec<u8>,
    definition: Vec<u8>,
    copy_statement: Vec<u8>,
    schema: Vec<u8>,
    tablespace: Vec<u8>,
    owner: Vec<u8>,
    dependencies: Vec<i64>,
}

impl RawEntry {
    pub(super) fn decode(self, encoding: &str) -> TocEntry {
        let named = |bytes: &[u8]| (!bytes.is_empty()).then(|| decode(bytes, encoding));
        TocEntry {
            dump_id: self.dump_id,
            kind: decode(&self.kind, encoding),
            schema: named(&self.schema),
            tag: decode(&self.tag, encoding),
            owner: named(&self.owner),
            tablespace: named(&self.tablespace),
            definition: decode(&self.definition, encoding),
            copy_statement: decode(&self.copy_statement, encoding),
            dependencies: self.dependencies,
            data: None,
        }
    }
}

/// The table of contents, as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) entries: Vec<RawEntry>,
    pub(super) encoding: Vec<u8>,
    pub(super) stop: Option<Stop>,
}

/// Reads the table of contents into at most about `limit` bytes of memory.
pub(super) fn read(source: &mut Source, layout: &Layout, limit: usize) -> Contents {
    let mut contents = Contents::default();
    contents.stop = read_entries(source, layout, limit, &mut contents).err();
    contents
}

fn read_entries(
    source: &mut Source,
    layout: &Layout,
    limit: usize,
    contents: &mut Contents,
) -> Result<(), Stop> {
    let offset = source.offset();
    let count = source.int()?;
    // `pg_dump` writes at least ENCODING and its like; `pg_restore` would do nothing, successfully.
    if count <= 0 {
        return Err(Stop::corrupt(offset, format!("a table of contents with {count} entries")));
    }
    let mut reader = EntryReader { source, layout, left: limit };
    for _ in 0..count {
        let offset = reader.source.offset();
        let entry = reader.entry()?;
        if entry.kind == b"ENCODING" {
            match quoted(&entry.definition) {
                // `pg_restore` reads nothing of such a dump (`processEncodingEntry`).
                Some(name) if !is_known(name) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let detail = format!("the ENCODING entry names the unknown encoding {name}");
                    return Err(Stop::corrupt(offset, detail));
                }
                Some(name) => contents.encoding = name.to_vec(),
                None => {
                    return Err(Stop::corrupt(offset, "the ENCODING entry names no encoding"));
                }
            }
        }
        // `processStdStringsEntry`: neither does it where this is neither of the two.
        if entry.kind == b"STDSTRINGS" && !matches!(quoted(&entry.definition), Some(b"on" | b"off"))
        {
            let detail = "the STDSTRINGS entry is neither on nor off";
            return Err(Stop::corrupt(offset, detail));
        }
        contents.entries.push(entry);
    }
    Ok(())
}

/// Reads a second table of contents; whether it is that of `entries`, offsets apart.
///
/// `_CloseArchive` in `pg_backup_custom.c` seeks back and writes the table of contents again, to
/// fill in the offsets. Where its output is in append mode, the second one lands behind the data:
/// after `pg_dump -Fc >> file`, and since PostgreSQL 16 after `pg_dump -Fc > file`, too, because
/// `_allocAH` in `pg_backup_archiver.c` opens a stream on standard output for appending.
/// `pg_restore` does not look at it.
pub(super) fn read_again(
    source: &mut Source,
    layout: &Layout,
    limit: usize,
    encoding: &str,
    entries: &[TocEntry],
) -> Result<bool, Stop> {
    let count = source.int()?;
    if usize::try_from(count) != Ok(entries.len()) {
        return Ok(false);
    }
    let mut reader = EntryReader { source, layout, left: limit };
    for entry in entries {
        reader.left = limit;
        let mut again = reader.entry()?.decode(encoding);
        again.data.clone_from(&entry.data);
        if again != *entry {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `UTF8` of `SET client_encoding = 'UTF8';`, as `processEncodingEntry` finds it.
fn quoted(definition: &[u8]) -> Option<&[u8]> {
    let mut parts = definition.split(|byte| *byte == b'\'');
    let (_, name, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some(name)
}

struct EntryReader<'a, 'b> {
    source: &'a mut Source<'b>,
    layout: &'a Layout,
    /// The memory that may still be taken.
    left: usize,
}

impl EntryReader<'_, '_> {
    fn entry(&mut self) -> Result<RawEntry, Stop> {
        let offset = self.source.offset();
        let wrong = |what: &str| Err(Stop::corrupt(offset, format!("an entry with {what}")));
        // The decoded entry and what the data walk notes about it.
        self.take(size_of::<RawEntry>() + size_of::<TocEntry>() + 64)?;
        let dump_id = self.source.int()?;
        if dump_id <= 0 {
            return wrong("an impossible dump id");
        }
        let had_dumper = self.source.int()? != 0;
        // The catalog's and the object's OID.
        if self.number()?.is_none() || self.number()?.is_none() {
            return wrong("an impossible OID");
        }
        let (tag, kind) = (self.text()?, self.text()?);
        if kind.is_empty() {
            return wrong("no description");
        }
        // `teSection`; `pg_restore` silently leaves out entries of any other section.
        if !(1..=4).contains(&self.source.int()?) {
            return wrong("an unknown section");
        }
        let definition = self.text()?;
        self.skip_text()?; // The DROP statement.
        let (copy_statement, schema, tablespace) = (self.text()?, self.text()?, self.text()?);
        if self.layout.version >= (1, 14) {
            self.skip_text()?; // The table access method.
        }
        if self.layout.version >= (1, 16) {
            self.source.int()?; // The kind of relation.
        }
        let owner = self.text()?;
        // Whether the table has OIDs.
        if !matches!(self.skip_text()?.as_deref(), Some(b"false" | b"true")) {
            return wrong("no word on OIDs");
        }
        let dependencies = self.dependencies()?;
        let (place, file) = match self.layout.keeping {
            Keeping::Blocks | Keeping::Any => (self.place()?, Vec::new()),
            // `_WriteExtraToc` in `pg_backup_directory.c` and `pg_backup_tar.c`.
            Keeping::Files => (Place::Nowhere, self.text()?),
        };
        // `_ArchiveEntry` and `WriteToc` derive both from the same pointer; where they differ,
        // `pg_restore` silently restores no data.
        if had_dumper == (place == Place::Nowhere && file.is_empty()) {
            return wrong("contradicting words on whether it has data");
        }
        Ok(RawEntry {
            place,
            file,
            dump_id,
            tag,
            kind,
            definition,
            copy_statement,
            schema,
            tablespace,
            owner,
            dependencies,
        })
    }

    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        let Some(left) = self.left.checked_sub(bytes) else {
            return Err(self.source.too_large(self.source.offset()));
        };
        self.left = left;
        Ok(())
    }

    /// A text that is kept; no text at all is the same as an empty one.
    fn text(&mut self) -> Result<Vec<u8>, Stop> {
        let mut text = self.skip_text()?.unwrap_or_default();
        text.shrink_to_fit();
        self.take(text.len())?;
        Ok(text)
    }

    fn skip_text(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        self.source.string(self.left)
    }

    /// A number in decimal digits; `None` for anything else.
    fn number(&mut self) -> Result<Option<i64>, Stop> {
        let text = self.skip_text()?.unwrap_or_default();
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()))
    }

    fn dependencies(&mut self) -> Result<Vec<i64>, Stop> {
        let mut dependencies = Vec::new();
        loop {
            let offset = self.source.offset();
            let Some(text) = self.skip_text()? else {
                dependencies.shrink_to_fit();
                return Ok(dependencies);
            };
            match std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
                Some(dump_id) => dependencies.push(dump_id),
                None => {
                    return Err(Stop::corrupt(offset, "an entry with an impossible dependency"));
                }
            }
            self.take(size_of::<i64>())?;
        }
    }

    fn place(&mut self) -> Result<Place, Stop> {
        let offset = self.source.offset();
        let state = self.source.byte()?;
        let position = self.source.little_endian(self.layout.offset_size)?;
        match state {
            1 => Ok(Place::Somewhere),
            2 => Ok(Place::At(position)),
            3 => Ok(Place::Nowhere),
            _ => Err(Stop::corrupt(offset, format!("the unknown data offset flag {state}"))),
        }
    }
}
