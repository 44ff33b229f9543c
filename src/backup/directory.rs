//! Reads `pg_dump`'s directory format (`pg_dump -Fd`), file by file, in whatever order they come.
//!
//! `toc.dat` names a file for each entry that has data; lists name those of large objects. The
//! files may come before `toc.dat`, as they do in many tar archives: what each one holds is counted
//! as it passes, nothing of it is kept, and [`DirectoryReading::finish`] compares the two. The
//! format is defined by `src/bin/pg_dump/pg_backup_directory.c`; the members of the tar format
//! (`pg_backup_tar.c`) are the same files.

mod files;
mod judge;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::codec::Codec;
use super::custom::{CustomDump, FileRows, TocFile};
use super::inventory::{DatabaseDump, DumpFormat};
use super::member::{self, MemberPlace};
use super::meter::Meter;
use crate::finding::{Finding, FindingCode};
use files::{FileFacts, ObjectList};
pub(crate) use files::{Part, part_of};

/// What the facts of a file of rows weigh beside those of a large object.
const WEIGHT_OF_ROWS: u64 = 5;
/// Odd files that are named; nobody reads more.
const MOST_NAMED: usize = 100;

/// A directory dump that is being read.
#[derive(Default)]
pub(crate) struct DirectoryReading {
    meter: Meter,
    contents: Option<TocFile>,
    /// By name without a compression's extension.
    rows: BTreeMap<String, FileFacts>,
    lists: BTreeMap<String, ObjectList>,
    objects: BTreeMap<u32, FileFacts>,
    /// Files that stand beside one of the same name and another extension.
    twins: Vec<String>,
    /// Files that `pg_dump` does not write.
    strange: Vec<String>,
    /// The files of rows in the order in which they came.
    order: Vec<String>,
    /// Whether rows came before `toc.dat`.
    is_contents_late: bool,
    files: usize,
    stored_bytes: u64,
}

impl DirectoryReading {
    /// None of whose files went by yet; `meter` counts what comes out of them.
    pub(crate) fn new(meter: &Meter) -> Self {
        Self { meter: meter.clone(), ..Self::default() }
    }

    /// Reads the file `name` of the dump, of `bytes` bytes, to its end.
    ///
    /// # Errors
    ///
    /// Only what `reader` itself reports; what is wrong within the file is kept for
    /// [`Self::finish`].
    pub(crate) fn file(&mut self, name: &str, bytes: u64, reader: &mut dyn Read) -> io::Result<()> {
        self.stored_bytes = self.stored_bytes.saturating_add(bytes);
        self.files += 1;
        match part_of(name) {
            Some(known) => {
                let base = known.base.to_owned();
                let is_twin = match known.part {
                    Part::Contents => {
                        let contents = match files::open(known, reader, &self.meter) {
                            Ok((_, mut decoded)) => TocFile::read(&mut decoded),
                            Err((kind, detail)) => TocFile::broken(kind, detail),
                        };
                        self.contents.replace(contents).is_some()
                    }
                    Part::Rows => {
                        self.meter.keep_file(WEIGHT_OF_ROWS)?;
                        self.is_contents_late |= self.contents.is_none();
                        self.order.push(base.clone());
                        let rows = self
                            .contents
                            .as_ref()
                            .map_or_else(FileRows::unknown, |contents| contents.rows(&base));
                        let facts = files::read_data(known, bytes, reader, Some(rows), &self.meter);
                        self.rows.insert(base, facts).is_some()
                    }
                    Part::ObjectList => {
                        let list = files::read_list(known, reader, &self.meter)?;
                        self.lists.insert(base, list).is_some()
                    }
                    Part::Object(oid) => {
                        self.meter.keep_file(1)?;
                        let facts = files::read_data(known, bytes, reader, None, &self.meter);
                        self.objects.insert(oid, facts).is_some()
                    }
                };
                if is_twin && self.twins.len() < MOST_NAMED {
                    self.twins.push(name.to_owned());
                }
            }
            None if self.strange.len() < MOST_NAMED => self.strange.push(name.to_owned()),
            None => {}
        }
        if self.meter.halt().is_none() {
            // What a decoder has left is part of the dump's bytes.
            io::copy(reader, &mut io::sink())?;
        }
        Ok(())
    }

    /// Whether any of its data are compressed file by file.
    pub(crate) fn is_compressed(&self) -> bool {
        let all = self.rows.values().chain(self.objects.values());
        all.map(|facts| facts.codec).any(|codec| codec != Codec::None)
    }

    /// What the dump holds and what is wrong with it, once every file went by.
    pub(crate) fn finish(mut self, place: &MemberPlace<'_>, format: DumpFormat) -> DatabaseDump {
        let mut findings = Vec::new();
        let contents = self.contents.take().unwrap_or_else(|| {
            findings.push(missing_contents(place, self.files));
            TocFile::default()
        });
        let TocFile { header, mut entries, files, damage, .. } = contents;
        let not_tested = self.not_tested(format);
        let judged = match &header {
            Some(header) if damage.is_empty() => {
                self.judge(&mut entries, &files, format, header.version)
            }
            _ => Vec::new(),
        };
        let custom =
            CustomDump { header, entries, damage, has_checksums: true, ..CustomDump::default() };
        let toc = format!("{}/toc.dat", place.name);
        let mut dump = member::from_custom(&MemberPlace { name: &toc, ..place.clone() }, custom);
        place.name.clone_into(&mut dump.member);
        dump.format = format;
        dump.archive_bytes = self.stored_bytes;
        dump.not_tested.extend(not_tested);
        for wrong in judged {
            findings.push(wrong.finding(place));
        }
        for name in &self.strange {
            let message = format!("the file `{name}` in `{}` is none of pg_dump's", place.name);
            findings.push(Finding::new(FindingCode::MemberIgnored, message));
        }
        for finding in findings {
            dump.findings.push(finding.in_database(dump.name.clone()));
        }
        dump
    }

    fn not_tested(&self, format: DumpFormat) -> Option<String> {
        let all = || self.rows.values().chain(self.objects.values());
        let codec = all().find(|facts| !facts.is_checked).map(|facts| facts.codec)?;
        let name = if format == DumpFormat::Tar { "tar" } else { "directory" };
        let mut text = format!(
            "{name} format with {codec} has no checksum, a flipped bit that still restores is not seen"
        );
        // `pg_dump` writes an empty large object as a file without a byte in these codecs too.
        let is_empty = |facts: &FileFacts| facts.stored_bytes == 0;
        let mut objects = self.objects.values().filter(|_| format == DumpFormat::Directory);
        if objects.clone().any(|facts| facts.codec == Codec::None) {
            text.push_str(", nor is a large object that is cut");
        } else if objects.any(is_empty) {
            text.push_str(", nor is a large object that is cut to nothing");
        }
        Some(text)
    }
}

fn missing_contents(place: &MemberPlace<'_>, files: usize) -> Finding {
    let message = format!("the dump `{}` has no toc.dat", place.name);
    member::finding(place, FindingCode::DumpTruncated, message).because(format!(
        "pg_restore reads nothing without it: {} of data cannot be told apart",
        crate::text::counted(files, "file")
    ))
}
