//! The archive's data blocks (`_PrintTocData`, `_LoadLOs` and `_skipData` in `pg_backup_custom.c`).

use std::collections::{HashMap, HashSet};

use super::contents::{self, Place};
use super::header::Layout;
use super::source::{Source, Stop};
use super::stream::{Chunks, Decoders};
use super::{Damage, DamageKind, columns, dependencies, kinds, note};
use crate::backup::meter::Meter;
use crate::backup::rows::{Aside, Catalogue, FaultKind, RowReader, Rows, TextEncoding};
use crate::backup::toc::{EntryData, TocEntry};

const BLOCK_DATA: u8 = 1;
const BLOCK_BLOBS: u8 = 3;

/// What is known when the data begin.
pub(super) struct Known {
    pub(super) layout: Layout,
    pub(super) encoding: String,
    pub(super) contents_limit: usize,
    /// Where each entry's data are.
    pub(super) places: Vec<Place>,
    pub(super) pg_dump_version: String,
}

/// Walks the blocks from the end of the table of contents to the end of the dump.
pub(super) fn walk(
    source: &mut Source,
    known: Known,
    meter: &Meter,
    entries: &mut [TocEntry],
    damage: &mut Vec<Damage>,
) {
    let blobs = listed_blobs(entries);
    let mut walk = Walk {
        source,
        decoders: Decoders::new(meter.clone()),
        rows: Aside::default(),
        types: Catalogue::default(),
        text: TextEncoding::named(&known.encoding),
        by_id: HashMap::with_capacity(entries.len()),
        has_blob_list: !blobs.is_empty(),
        blobs,
        seen: vec![false; entries.len()],
        missing: known.places.iter().filter(|place| **place != Place::Nowhere).count(),
        known,
        entries,
        damage,
    };
    walk.index();
    let stop = walk.blocks();
    walk.account(stop);
}

/// The finding for bytes that belong to nothing.
fn garbage(offset: u64) -> Stop {
    Stop::corrupt(offset, "trailing garbage after the last data block")
}

/// The large objects that the table of contents lists: each a `BLOB` entry before 1.16, since then
/// many in the definition of one `BLOB METADATA` (`IssueCommandPerBlob` in `pg_backup_archiver.c`).
pub(in crate::backup) fn listed_blobs(entries: &[TocEntry]) -> HashSet<u32> {
    let lists = entries.iter().filter_map(|entry| match entry.kind.as_str() {
        "BLOB" => Some(&entry.tag),
        "BLOB METADATA" => Some(&entry.definition),
        _ => None,
    });
    lists.flat_map(|list| list.lines()).filter_map(|oid| oid.trim().parse().ok()).collect()
}

/// `TABLE DATA public.orders`.
pub(in crate::backup) fn label(entry: &TocEntry) -> String {
    match &entry.schema {
        Some(schema) => format!("{} {schema}.{}", entry.kind, entry.tag),
        None => format!("{} {}", entry.kind, entry.tag),
    }
}

struct Walk<'a, 'b> {
    source: &'a mut Source<'b>,
    decoders: Decoders,
    rows: Aside,
    types: Catalogue,
    text: TextEncoding,
    by_id: HashMap<i64, usize>,
    /// Listed large objects whose data did not come by yet.
    blobs: HashSet<u32>,
    has_blob_list: bool,
    known: Known,
    seen: Vec<bool>,
    missing: usize,
    entries: &'a mut [TocEntry],
    damage: &'a mut Vec<Damage>,
}

impl Walk<'_, '_> {
    fn index(&mut self) {
        let offset = self.source.offset();
        for (index, entry) in self.entries.iter().enumerate() {
            if self.by_id.insert(entry.dump_id, index).is_some() {
                let detail = format!("two entries have the dump id {}", entry.dump_id);
                let finding = Stop::corrupt(offset, detail).into_damage(Some(label(entry)));
                note(self.damage, finding);
            }
        }
        let places = &self.known.places;
        let has_data = |index: usize| places.get(index).is_some_and(|at| *at != Place::Nowhere);
        let version = &self.known.pg_dump_version;
        for (index, detail) in kinds::faults(self.entries, &self.by_id, version, has_data) {
            self.report(index, DamageKind::Corrupt, offset, detail);
        }
        self.types = columns::types(self.entries);
        if let Some(circle) = dependencies::circle(self.entries, &self.by_id) {
            let names: Vec<String> =
                circle.iter().skip(1).take(3).map(|index| label(&self.entries[*index])).collect();
            let detail = match circle.len() {
                1 => "depends on itself".to_owned(),
                count => format!(
                    "depends on itself, by way of {} ({count} entries in a circle)",
                    names.join(", ")
                ),
            };
            self.report(circle[0], DamageKind::Corrupt, offset, detail);
        }
    }

    fn report(&mut self, index: usize, kind: DamageKind, offset: u64, detail: impl Into<String>) {
        let entry = self.entries.get(index).map(label);
        note(self.damage, Damage { kind, offset, entry, detail: detail.into() });
    }

    /// Reads block after block; gives the kind of what ended it before the dump's end.
    fn blocks(&mut self) -> Option<DamageKind> {
        loop {
            let (index, stop) = match self.source.peek(1) {
                Ok([]) => return None,
                // No block begins with a 0; a number does.
                Ok([0, ..]) if self.missing == 0 => match self.second_contents() {
                    Ok(()) => return None,
                    Err(stop) => (None, stop),
                },
                Ok(_) => match self.start() {
                    Ok(index) => match self.body(index) {
                        Ok(()) => continue,
                        Err(stop) => (Some(index), stop),
                    },
                    Err(stop) => (None, stop),
                },
                Err(stop) => (None, stop),
            };
            let kind = stop.kind;
            let entry = index.and_then(|index| self.entries.get(index)).map(label);
            note(self.damage, stop.into_damage(entry));
            return Some(kind);
        }
    }

    /// Reads what may be a second table of contents, up to the dump's end.
    fn second_contents(&mut self) -> Result<(), Stop> {
        let offset = self.source.offset();
        self.source.enter("second table of contents");
        let Known { layout, encoding, contents_limit, .. } = &self.known;
        match contents::read_again(self.source, layout, *contents_limit, encoding, self.entries) {
            Ok(true) if self.source.peek(1)?.is_empty() => Ok(()),
            Ok(true) => Err(garbage(self.source.offset())),
            Err(stop) if matches!(stop.kind, DamageKind::Truncated | DamageKind::Io) => Err(stop),
            Ok(false) | Err(_) => Err(garbage(offset)),
        }
    }

    /// Reads a block's type and dump id; gives the entry's index.
    fn start(&mut self) -> Result<usize, Stop> {
        let offset = self.source.offset();
        let kind = self.source.byte()?;
        let index = match kind {
            BLOCK_DATA | BLOCK_BLOBS => match self.source.int() {
                Ok(id) => self.by_id.get(&id).copied(),
                Err(stop) if stop.kind == DamageKind::Io || self.missing > 0 => return Err(stop),
                Err(_) => None,
            },
            _ => None,
        };
        let Some(index) = index else {
            return Err(if self.missing == 0 {
                garbage(offset)
            } else {
                Stop::corrupt(offset, "no data block of any entry where the next one begins")
            });
        };
        let found = |detail: String| (index, DamageKind::Corrupt, offset, detail);
        let mut findings = Vec::new();
        if (kind == BLOCK_BLOBS) != self.is_blobs(index) {
            findings.push(found(format!("its data block has the wrong type {kind}")));
        }
        match self.known.places[index] {
            Place::Nowhere => {
                findings
                    .push(found("has a data block, but the table of contents denies it".into()));
            }
            Place::At(place) if place != offset && !self.seen[index] => {
                findings.push(found(format!(
                    "its data block begins at {offset}, the table of contents says {place}"
                )));
            }
            _ => {}
        }
        if self.seen[index] {
            findings.push(found("has a second data block".into()));
        } else if self.known.places[index] != Place::Nowhere {
            self.missing -= 1;
        }
        self.seen[index] = true;
        for (index, kind, offset, detail) in findings {
            self.report(index, kind, offset, detail);
        }
        Ok(index)
    }

    fn is_blobs(&self, index: usize) -> bool {
        self.entries[index].kind == "BLOBS"
    }

    fn body(&mut self, index: usize) -> Result<(), Stop> {
        let data = if self.is_blobs(index) {
            self.large_objects(index)?
        } else {
            let rows = self.row_reader(index);
            self.stream(index, rows)?
        };
        self.entries[index].data.get_or_insert(data);
        Ok(())
    }

    /// The reader of an entry's rows; `None` for `INSERT`s.
    fn row_reader(&self, index: usize) -> Option<RowReader> {
        (!self.entries[index].copy_statement.is_empty()).then(|| {
            let columns = columns::of_rows(self.entries, &self.by_id, &self.types, index);
            RowReader::new(columns, self.text).until_mark()
        })
    }

    /// Large objects: each an OID and a stream, then the OID 0.
    fn large_objects(&mut self, index: usize) -> Result<EntryData, Stop> {
        let mut sum = EntryData { bytes: Some(0), ..EntryData::default() };
        loop {
            let offset = self.source.offset();
            // `WriteInt` takes the OID as signed, so that the upper half appears negative.
            let number = self.source.int()?;
            if number == 0 {
                return Ok(sum);
            }
            let oid = u32::try_from(number.rem_euclid(1 << 32)).unwrap_or_default();
            if self.has_blob_list && !self.blobs.remove(&oid) {
                let detail = format!("the large object {oid} comes twice or is not listed");
                self.report(index, DamageKind::Corrupt, offset, detail);
            }
            let data = self.stream(index, None)?;
            sum.stored_bytes += data.stored_bytes;
            sum.bytes = sum.bytes.zip(data.bytes).map(|(sum, bytes)| sum.saturating_add(bytes));
        }
    }

    /// One stream. Wrong content is noted and the chunks go on; an error means that the next chunk
    /// cannot be found.
    fn stream(&mut self, index: usize, rows: Option<RowReader>) -> Result<EntryData, Stop> {
        let offset = self.source.offset();
        let mut rows = rows.map(|reader| self.rows.begin(reader));
        let mut chunks = Chunks::new(self.source);
        let compression = self.known.layout.compression;
        let decoded = self.decoders.decode(compression, &mut chunks, &mut |bytes| {
            if let Some(rows) = &mut rows {
                rows.feed(bytes);
            }
        })?;
        let mut data = EntryData { stored_bytes: chunks.finish()?, ..EntryData::default() };
        let summary = match decoded {
            Ok(bytes) => {
                data.bytes = Some(bytes);
                rows.and_then(Rows::finish)
            }
            Err(fault) => {
                drop(rows);
                self.report(index, DamageKind::Corrupt, offset, fault);
                None
            }
        };
        if let Some(summary) = summary {
            for fault in summary.faults {
                let kind = match fault.kind {
                    FaultKind::Unended => DamageKind::Truncated,
                    _ => DamageKind::Corrupt,
                };
                self.report(index, kind, offset, fault.to_string());
            }
            data.rows = summary.rows;
            data.fingerprint = summary.fingerprint;
        }
        Ok(data)
    }

    /// Names all data that the table of contents announces and that did not come by.
    fn account(&mut self, stop: Option<DamageKind>) {
        let offset = self.source.offset();
        let (kind, detail) = match stop {
            None => (DamageKind::Truncated, "its data are missing: the dump ends before them"),
            Some(kind) => (kind, "its data were not reached"),
        };
        for index in 0..self.entries.len() {
            if self.known.places[index] != Place::Nowhere && !self.seen[index] {
                self.report(index, kind, offset, detail);
            }
        }
        let blobs =
            (0..self.entries.len()).rfind(|index| self.is_blobs(*index) && self.seen[*index]);
        if let (None, 0, Some(index), false) = (stop, self.missing, blobs, self.blobs.is_empty()) {
            let detail = format!("{} listed large objects have no data", self.blobs.len());
            self.report(index, DamageKind::Truncated, offset, detail);
        }
    }
}
