//! The table of contents of a plain dump, gathered as the dump is read.

use std::collections::{HashMap, HashSet};

use crate::backup::encoding::decode;
use crate::backup::toc::TocEntry;

use super::copy::CopyTarget;
use super::plain_rows::Counted;

/// What is kept; a database of more objects is still read to its end.
const MOST: usize = 500_000;
/// Bytes of definitions that are kept: as many as of an archive's table of contents.
const DEFINITIONS: usize = 192 * 1024 * 1024;

type Key = (Option<String>, String);

/// Entries from `pg_dump`'s comments or, in dumps without such comments, from the statements.
#[derive(Debug, Default)]
pub(super) struct Entries {
    list: Vec<TocEntry>,
    /// Whether the entries come from comments.
    named: bool,
    data_by_table: HashMap<Key, usize>,
    /// The entry whose comment was read last.
    current: Option<usize>,
    /// The entry that the rows being read belong to.
    open: Option<usize>,
    /// Its rows before these, as far as they are known.
    before: Option<u64>,
    /// Whether these are its first ones.
    is_first: bool,
    /// The entry that the last `INSERT` belongs to.
    inserted: Option<usize>,
    dropped: u64,
    /// Bytes of definitions that were kept, and the entry whose definition is not kept as a whole.
    kept: usize,
    cut: Option<usize>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn finish(self) -> (Vec<TocEntry>, u64) {
        (self.list, self.dropped)
    }

    /// What follows is no entry's.
    pub(super) fn end(&mut self) {
        self.current = None;
    }

    /// A statement below the comment of an entry: a part of its definition. One that is too long to be
    /// known leaves the entry without any.
    pub(super) fn statement(&mut self, text: &[u8], complete: bool, encoding: &str) {
        let Some(at) = self.current.filter(|at| self.named && self.cut != Some(*at)) else {
            return;
        };
        let Some(entry) = self.list.get_mut(at).filter(|entry| is_defined(&entry.kind)) else {
            return;
        };
        if complete && self.kept + text.len() <= DEFINITIONS {
            self.kept += text.len() + 1;
            entry.definition.push_str(&decode(text, encoding));
            entry.definition.push('\n');
        } else {
            entry.definition = String::new();
            self.cut = Some(at);
        }
    }

    /// Another database begins; its tables may have the names of the last one's.
    pub(super) fn new_database(&mut self) {
        self.data_by_table.clear();
        self.current = None;
        self.open = None;
    }

    /// An entry that `pg_dump`'s comment names.
    pub(super) fn comment(&mut self, entry: TocEntry) {
        if !self.named {
            self.named = true;
            self.list.clear();
            self.data_by_table.clear();
        }
        self.current = self.push(entry);
    }

    /// `CREATE TABLE`
    pub(super) fn table(&mut self, schema: Option<String>, name: String) {
        if !self.named {
            self.push(TocEntry {
                kind: "TABLE".to_owned(),
                schema,
                tag: name,
                ..TocEntry::default()
            });
        }
    }

    /// `SELECT pg_catalog.lo_create('16481');` below an entry that stands for many large objects, since
    /// PostgreSQL 17 (`IssueCommandPerBlob` in `pg_backup_archiver.c`). Archives list them in its definition.
    pub(super) fn select(&mut self, statement: &[u8]) {
        let Some(entry) = self.current.and_then(|at| self.list.get_mut(at)) else { return };
        let oid = statement
            .strip_prefix(b"SELECT pg_catalog.lo_create('")
            .and_then(|rest| rest.strip_suffix(b"');"))
            .and_then(|oid| str::from_utf8(oid).ok()?.parse::<u32>().ok());
        if let (Some(oid), "BLOB METADATA") = (oid, entry.kind.as_str()) {
            entry.definition.push_str(&format!("{oid}\n"));
        }
    }

    /// `COPY … FROM stdin`
    pub(super) fn copy(&mut self, target: &CopyTarget) {
        self.open = self.data_entry(target.schema.as_deref(), &target.table);
        let entry = self.open.and_then(|at| self.list.get_mut(at));
        if let Some(entry) = entry {
            self.is_first = entry.data.is_none();
            if entry.tag != target.table {
                // pg_dump --load-via-partition-root
                entry.copy_statement = target.statement();
            }
            self.before = entry.data.as_ref().map_or(Some(0), |data| data.rows);
            let data = entry.data.get_or_insert_default();
            data.bytes.get_or_insert(0);
            // Not known before their end has come by.
            data.rows = None;
            data.fingerprint = None;
        }
    }

    /// Bytes of the rows of the last `COPY`.
    pub(super) fn rows(&mut self, bytes: u64) {
        self.add(bytes);
    }

    /// The rows of the last `COPY` have ended.
    pub(super) fn rows_end(&mut self, counted: Counted) {
        let entry = self.open.take().and_then(|at| self.list.get_mut(at));
        if let Some(data) = entry.and_then(|entry| entry.data.as_mut()) {
            data.rows = self.before.zip(counted.rows).map(|(old, new)| old + new);
            data.fingerprint = counted.fingerprint.filter(|_| self.is_first);
        }
    }

    /// An `INSERT`, whose rows are not counted.
    pub(super) fn insert(&mut self, schema: Option<&str>, table: &str, bytes: u64) {
        self.inserted = self.data_entry(schema, table);
        self.insert_again(bytes);
    }

    /// An `INSERT` into the table of the last one.
    pub(super) fn insert_again(&mut self, bytes: u64) {
        self.open = self.inserted;
        self.add(bytes);
        if let Some(entry) = self.open.take().and_then(|at| self.list.get_mut(at))
            && let Some(data) = &mut entry.data
        {
            data.rows = None;
            data.fingerprint = None;
        }
    }

    fn add(&mut self, bytes: u64) {
        if let Some(entry) = self.open.and_then(|at| self.list.get_mut(at)) {
            let data = entry.data.get_or_insert_default();
            data.stored_bytes += bytes;
            data.bytes = Some(data.bytes.unwrap_or_default() + bytes);
        }
    }

    /// The `TABLE DATA` entry that a table's rows belong to.
    fn data_entry(&mut self, schema: Option<&str>, table: &str) -> Option<usize> {
        let is_data = |entry: &TocEntry| entry.kind == "TABLE DATA";
        let current = self.current.filter(|at| self.list.get(*at).is_some_and(is_data));
        if let Some(at) = current
            && let Some(entry) = self.list.get(at)
            && entry.tag == table
            && entry.schema.as_deref() == schema
        {
            return current;
        }
        let key = (schema.map(str::to_owned), table.to_owned());
        if let Some(at) = self.data_by_table.get(&key) {
            return Some(*at);
        }
        // `--load-via-partition-root` copies into another table than the comment names, and
        // comments show line ends within names as spaces.
        if current.is_some() {
            return current;
        }
        self.push(TocEntry {
            kind: "TABLE DATA".to_owned(),
            schema: key.0,
            tag: key.1,
            ..TocEntry::default()
        })
    }

    fn push(&mut self, entry: TocEntry) -> Option<usize> {
        if self.list.len() >= MOST {
            self.dropped += 1;
            return None;
        }
        let at = self.list.len();
        if entry.kind == "TABLE DATA" {
            self.data_by_table.insert((entry.schema.clone(), entry.tag.clone()), at);
        }
        self.list.push(entry);
        Some(at)
    }
}

/// Whether an entry's statements make an object, and are no data.
fn is_defined(kind: &str) -> bool {
    !matches!(
        kind,
        "TABLE DATA" | "BLOBS" | "BLOB" | "BLOB METADATA" | "DATABASE" | "DATABASE PROPERTIES"
    )
}

/// A table, or the rows of one, that is there more than once.
pub(super) fn twice(entries: &[TocEntry]) -> Option<String> {
    let mut seen = HashSet::new();
    let tables =
        entries.iter().filter(|entry| matches!(entry.kind.as_str(), "TABLE" | "TABLE DATA"));
    let mut tables = tables.map(|entry| (&entry.kind, &entry.schema, &entry.tag));
    let (_, schema, tag) = tables.find(|key| !seen.insert(*key))?;
    Some(schema.as_ref().map_or_else(|| tag.clone(), |schema| format!("{schema}.{tag}")))
}
