//! What the table of contents of a directory dump names, against the files that were there.

use std::collections::{BTreeSet, HashSet};

use super::DirectoryReading;
use super::files::{Fault, FileFacts, Part, part_of};
use crate::backup::codec::Codec;
use crate::backup::custom::{DamageKind, label, listed_blobs};
use crate::backup::inventory::DumpFormat;
use crate::backup::member::{self, MemberPlace};
use crate::backup::rows::Fingerprint;
use crate::backup::toc::{EntryData, TocEntry};
use crate::finding::{Finding, FindingCode};
use crate::text::one_line;

/// Findings kept of one dump; a folder that has lost its files has one for each.
const KEPT: usize = 1000;

/// Something wrong with one file of a dump.
#[derive(Debug)]
pub(super) struct Wrong {
    kind: DamageKind,
    /// `TABLE DATA public.orders`, or what else is lost.
    entry: Option<String>,
    file: String,
    detail: String,
}

impl Wrong {
    pub(super) fn finding(self, place: &MemberPlace<'_>) -> Finding {
        let name = place.name;
        let (code, message) = match self.kind {
            DamageKind::Truncated | DamageKind::Empty => (
                FindingCode::DumpTruncated,
                format!("the dump `{name}` is not whole: `{}` is missing or cut", self.file),
            ),
            _ => (
                FindingCode::DumpDamaged,
                format!("the dump `{name}` is damaged in its file `{}`", self.file),
            ),
        };
        let object = match &self.entry {
            Some(entry) => format!("{entry}, file {} of {name}", self.file),
            None => format!("file {} of {name}", self.file),
        };
        member::finding(place, code, message).on(object).because(one_line(&self.detail, 300))
    }
}

impl DirectoryReading {
    /// Compares the files with what `entries` and their `files` say, and fills in the entries' data.
    pub(super) fn judge(
        &mut self,
        entries: &mut [TocEntry],
        files: &[String],
        format: DumpFormat,
        version: (u8, u8),
    ) -> Vec<Wrong> {
        let mut judge = Judge {
            format,
            version,
            listed: listed_blobs(entries),
            has_objects: false,
            named: HashSet::new(),
            seen_objects: BTreeSet::new(),
            wrong: Vec::new(),
            reading: self,
        };
        for (entry, file) in entries.iter_mut().zip(files) {
            if !file.is_empty() {
                entry.data = Some(judge.entry(entry, file));
            }
        }
        judge.leftovers();
        if format == DumpFormat::Tar {
            judge.order(files);
        }
        judge.wrong
    }
}

struct Judge<'a> {
    format: DumpFormat,
    version: (u8, u8),
    reading: &'a mut DirectoryReading,
    /// Large objects that the table of contents lists.
    listed: HashSet<u32>,
    has_objects: bool,
    /// Files that entries name.
    named: HashSet<String>,
    seen_objects: BTreeSet<u32>,
    wrong: Vec<Wrong>,
}

impl Judge<'_> {
    fn note(&mut self, kind: DamageKind, entry: Option<String>, file: &str, detail: String) {
        if self.wrong.len() < KEPT {
            let file = one_line(file, 100);
            self.wrong.push(Wrong { kind, entry, file, detail });
        }
    }

    fn entry(&mut self, entry: &TocEntry, file: &str) -> EntryData {
        let label = label(entry);
        let nothing = EntryData::default();
        if !self.named.insert(file.to_owned()) {
            let detail = "two entries of toc.dat name it".to_owned();
            self.note(DamageKind::Corrupt, Some(label.clone()), file, detail);
        }
        let list = self.list_of_tar(entry, file);
        let file = list.as_deref().unwrap_or(file);
        let part = part_of(file).filter(|name| name.base == file).map(|name| name.part);
        match part {
            Some(Part::ObjectList) if entry.kind == "BLOBS" => self.objects(&label, file),
            Some(Part::Rows) if entry.kind != "BLOBS" => {
                let Some(facts) = self.reading.rows.remove(file) else {
                    let detail = format!("{label} is lost: its file is not there");
                    self.note(DamageKind::Truncated, Some(label), file, detail);
                    return nothing;
                };
                let found = rows_of(&facts, !entry.copy_statement.is_empty());
                let rows = match found {
                    Ok(rows) => rows,
                    Err((kind, detail)) => {
                        self.note(kind, Some(label), &facts.codec.name_of(file), detail);
                        return EntryData { stored_bytes: facts.stored_bytes, ..nothing };
                    }
                };
                let (rows, fingerprint) = rows;
                let FileFacts { stored_bytes, bytes, .. } = facts;
                EntryData { stored_bytes, bytes: Some(bytes), rows, fingerprint }
            }
            _ => {
                let detail = "toc.dat names a file that pg_dump would not".to_owned();
                self.note(DamageKind::Corrupt, Some(label), file, detail);
                nothing
            }
        }
    }

    /// The list of an entry of large objects in a tar dump, where the table of contents names it as
    /// if it were a table's rows (`_ArchiveEntry` and `_StartLOs` in `pg_backup_tar.c`).
    fn list_of_tar(&self, entry: &TocEntry, file: &str) -> Option<String> {
        let is_list = self.format == DumpFormat::Tar && entry.kind == "BLOBS";
        let id = file.strip_suffix(".dat").filter(|_| is_list)?;
        Some(if self.version < (1, 16) {
            "blobs.toc".to_owned()
        } else {
            format!("blobs_{id}.toc")
        })
    }

    /// The large objects of one list.
    fn objects(&mut self, label: &str, file: &str) -> EntryData {
        self.has_objects = true;
        let mut sum = EntryData { bytes: Some(0), ..EntryData::default() };
        let Some(list) = self.reading.lists.remove(file) else {
            let detail = "the list is not there: the large objects it names are lost".to_owned();
            self.note(DamageKind::Truncated, Some(label.to_owned()), file, detail);
            return sum;
        };
        if let Some((kind, detail)) = list.fault {
            self.note(kind, Some(label.to_owned()), file, detail);
        }
        for oid in list.oids {
            if !self.seen_objects.insert(oid) {
                let detail = format!("large object {oid} is listed twice");
                self.note(DamageKind::Corrupt, Some(label.to_owned()), file, detail);
                continue;
            }
            let entry = Some(format!("LARGE OBJECT {oid}"));
            let object_file = format!("blob_{oid}.dat");
            let Some(facts) = self.reading.objects.remove(&oid) else {
                let detail = format!("large object {oid} is lost: its file is not there");
                self.note(DamageKind::Truncated, entry, &object_file, detail);
                continue;
            };
            sum.stored_bytes = sum.stored_bytes.saturating_add(facts.stored_bytes);
            sum.bytes = sum.bytes.map(|bytes| bytes.saturating_add(facts.bytes));
            let object_file = facts.codec.name_of(&object_file);
            if let Some((kind, detail)) = facts.fault.map(|fault| *fault) {
                self.note(kind, entry, &object_file, detail);
            } else if !self.listed.is_empty() && !self.listed.contains(&oid) {
                let detail = format!("large object {oid} is not in the table of contents");
                self.note(DamageKind::Corrupt, entry, &object_file, detail);
            }
        }
        sum
    }

    /// Files that nothing names, and large objects that no list does.
    fn leftovers(&mut self) {
        let mut unlisted: Vec<u32> =
            self.listed.difference(&self.seen_objects.iter().copied().collect()).copied().collect();
        unlisted.sort_unstable();
        if self.has_objects && self.wrong.is_empty() && !unlisted.is_empty() {
            for oid in unlisted {
                let detail = format!("large object {oid} is lost: no list of toc.dat names it");
                let entry = Some(format!("LARGE OBJECT {oid}"));
                self.note(DamageKind::Truncated, entry, &format!("blob_{oid}.dat"), detail);
            }
        }
        let rows = std::mem::take(&mut self.reading.rows).into_keys();
        let lists = std::mem::take(&mut self.reading.lists).into_keys();
        let mut objects: Vec<u32> = std::mem::take(&mut self.reading.objects).into_keys().collect();
        objects.sort_unstable();
        // Objects whose list is broken have been said to be lost.
        let is_list_sound = self.wrong.iter().all(|wrong| !wrong.file.starts_with("blobs"));
        let objects = objects.into_iter().filter(|_| is_list_sound);
        let left = rows.chain(lists).chain(objects.map(|oid| format!("blob_{oid}.dat")));
        for file in left {
            let detail = "toc.dat does not name it: what it holds would not be restored";
            self.note(DamageKind::Corrupt, None, &file, detail.to_owned());
        }
        for file in std::mem::take(&mut self.reading.twins) {
            let detail = "it is there twice, and pg_restore reads only one of them".to_owned();
            self.note(DamageKind::Corrupt, None, &file, detail);
        }
    }

    /// `pg_restore` reads a tar dump from its beginning to its end and never goes back
    /// (`_tarPositionTo` in `pg_backup_tar.c`).
    fn order(&mut self, files: &[String]) {
        if self.reading.is_contents_late {
            let detail = "it stands behind the data, where pg_restore does not look for it";
            self.note(DamageKind::Corrupt, None, "toc.dat", detail.to_owned());
        }
        let stored: HashSet<&String> = self.reading.order.iter().collect();
        let in_contents = files.iter().filter(|file| stored.contains(file));
        let moved = in_contents.zip(&self.reading.order).find(|(named, stored)| named != stored);
        if let Some((named, stored)) = moved.map(|(named, stored)| (named.clone(), stored.clone()))
        {
            let detail = format!("`{named}` should come here, and pg_restore does not go back");
            self.note(DamageKind::Corrupt, None, &stored, detail);
        }
    }
}

/// The rows of a data file and their fingerprint, where they can be counted.
fn rows_of(facts: &FileFacts, is_copy: bool) -> Result<(Option<u64>, Option<Fingerprint>), Fault> {
    if let Some(fault) = &facts.fault {
        return Err((**fault).clone());
    }
    let rows = match &facts.rows {
        Some(rows) => (**rows).clone(),
        None => Err((DamageKind::Truncated, "it has no bytes".to_owned())),
    };
    let fault = match rows {
        Ok((rows, fingerprint)) if is_copy && facts.ends_rows => {
            return Ok((Some(rows), fingerprint));
        }
        Ok(_) if is_copy => {
            (DamageKind::Truncated, "the empty lines behind its end mark are missing".to_owned())
        }
        Err(fault) if is_copy => fault,
        _ if facts.ends_inserts => return Ok((None, None)),
        _ => (DamageKind::Truncated, "the lines that end its INSERTs are missing".to_owned()),
    };
    match facts.looks_like.filter(|_| facts.codec == Codec::None) {
        Some(codec) => {
            Err((DamageKind::Corrupt, format!("its content is {codec}, its name says nothing")))
        }
        None => Err(fault),
    }
}
