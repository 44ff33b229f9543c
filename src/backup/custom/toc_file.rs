//! The `toc.dat` of directory and tar dumps: header and table of contents of the custom format,
//! with the name of a data file where that has an offset (`_WriteExtraToc` in
//! `pg_backup_directory.c` and `pg_backup_tar.c`).

use std::collections::HashMap;
use std::io::Read;

use super::header::{self, Keeping};
use super::source::{Source, Stop};
use super::{
    CONTENTS_LIMIT, CustomHeader, Damage, DamageKind, columns, contents, dependencies, kinds,
    label, note,
};
use crate::backup::rows::{Catalogue, FaultKind, Fingerprint, RowReader, TextEncoding};
use crate::backup::toc::TocEntry;

/// What a `toc.dat` says.
#[derive(Default)]
pub(in crate::backup) struct TocFile {
    /// Its header; `None` where it cannot be read.
    pub(in crate::backup) header: Option<CustomHeader>,
    /// The entries, without anything of their data.
    pub(in crate::backup) entries: Vec<TocEntry>,
    /// The file that each entry's data are in, without a compression's extension; empty for none.
    pub(in crate::backup) files: Vec<String>,
    /// What is wrong with the file itself.
    pub(in crate::backup) damage: Vec<Damage>,
    types: Catalogue,
    by_id: HashMap<i64, usize>,
    by_file: HashMap<String, usize>,
}

impl TocFile {
    /// Reads a `toc.dat` to its end.
    pub(in crate::backup) fn read(reader: &mut dyn Read) -> Self {
        let mut source = Source::new(reader);
        let mut file = Self::default();
        if let Err(stop) = file.fill(&mut source).and_then(|()| ends(&mut source)) {
            note(&mut file.damage, stop.into_damage(None));
        } else {
            file.index();
        }
        file
    }

    /// One that cannot be read at all.
    pub(in crate::backup) fn broken(kind: DamageKind, detail: String) -> Self {
        let damage = vec![Damage { kind, offset: 0, entry: None, detail }];
        Self { damage, ..Self::default() }
    }

    fn fill(&mut self, source: &mut Source) -> Result<(), Stop> {
        let (raw_header, layout) = header::read(source, Keeping::Files)?;
        source.enter("table of contents");
        let contents = contents::read(source, &layout, CONTENTS_LIMIT);
        let encoding = String::from_utf8_lossy(&contents.encoding).into_owned();
        self.header = Some(raw_header.decode(&layout, &encoding));
        for raw in contents.entries {
            self.files.push(String::from_utf8_lossy(&raw.file).into_owned());
            self.entries.push(raw.decode(&encoding));
        }
        contents.stop.map_or(Ok(()), Err)
    }

    fn index(&mut self) {
        for (index, entry) in self.entries.iter().enumerate() {
            if self.by_id.insert(entry.dump_id, index).is_some() {
                let detail = format!("two entries have the dump id {}", entry.dump_id);
                let found = Stop::corrupt(0, detail).into_damage(Some(label(entry)));
                note(&mut self.damage, found);
            }
        }
        let version = self.header.as_ref().map_or("", |header| header.pg_dump_version.as_str());
        let has_data = |index: usize| self.files.get(index).is_some_and(|file| !file.is_empty());
        for (index, detail) in kinds::faults(&self.entries, &self.by_id, version, has_data) {
            let found = Stop::corrupt(0, detail).into_damage(self.entries.get(index).map(label));
            note(&mut self.damage, found);
        }
        let circle = dependencies::circle(&self.entries, &self.by_id);
        if let Some(entry) = circle.and_then(|circle| self.entries.get(*circle.first()?)) {
            let found = Stop::corrupt(0, "depends on itself").into_damage(Some(label(entry)));
            note(&mut self.damage, found);
        }
        self.types = columns::types(&self.entries);
        let named = self.files.iter().enumerate().filter(|(_, file)| !file.is_empty());
        self.by_file = named.map(|(index, file)| (file.clone(), index)).collect();
    }

    /// The reader of the rows in this file.
    pub(in crate::backup) fn rows(&self, file: &str) -> FileRows {
        let encoding = self.header.as_ref().map(|header| TextEncoding::named(&header.encoding));
        let (Some(&index), Some(encoding)) = (self.by_file.get(file), encoding) else {
            return FileRows::unknown();
        };
        let columns = columns::of_rows(&self.entries, &self.by_id, &self.types, index);
        FileRows(RowReader::new(columns, encoding).until_mark())
    }
}

fn ends(source: &mut Source) -> Result<(), Stop> {
    let offset = source.offset();
    if source.peek(1)?.is_empty() {
        Ok(())
    } else {
        Err(Stop::corrupt(offset, "trailing garbage after the last entry"))
    }
}

/// Reads the rows of a data file.
pub(in crate::backup) struct FileRows(RowReader);

impl FileRows {
    /// Of a file whose entry has not come by yet: rows are counted, and have no fingerprint.
    pub(in crate::backup) fn unknown() -> Self {
        Self(RowReader::new(None, TextEncoding::ANY).until_mark())
    }

    pub(in crate::backup) fn feed(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    /// The number of rows and their fingerprint if the file is a `COPY`'s, or why it is none, or not
    /// whole.
    pub(in crate::backup) fn finish(
        self,
    ) -> Result<(u64, Option<Fingerprint>), (DamageKind, String)> {
        let summary = self.0.finish();
        match (summary.faults.first(), summary.rows) {
            (None, Some(rows)) => Ok((rows, summary.fingerprint)),
            (Some(fault), _) if fault.kind != FaultKind::Unended => {
                Err((DamageKind::Corrupt, fault.to_string()))
            }
            _ => Err((DamageKind::Truncated, FaultKind::Unended.to_string())),
        }
    }
}
