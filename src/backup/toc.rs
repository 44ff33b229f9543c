//! The table of contents of one dump, in the words of `pg_dump`.
//!
//! Custom-format archives carry it as records, plain dumps as comments
//! (`-- Name: orders; Type: TABLE; Schema: public; Owner: alice`). Both readers produce these
//! types, so that whatever compares a catalog with a dump need not know the format.

use super::rows::Fingerprint;

/// One entry of a dump's table of contents (`TocEntry` in PostgreSQL's `pg_backup_archiver.h`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TocEntry {
    /// `pg_dump`'s own number of the entry; 0 where the format has none (plain dumps).
    pub dump_id: i64,
    /// `pg_dump`'s description: `TABLE`, `TABLE DATA`, `INDEX`, `ACL`, `DATABASE`, …
    pub kind: String,
    /// The schema the object lives in; `None` for objects outside schemas.
    pub schema: Option<String>,
    /// `pg_dump`'s tag: mostly the object's name, `table constraint` for constraints,
    /// `name(argument types)` for functions.
    pub tag: String,
    /// The role that owns the object; `None` where the entry names none.
    pub owner: Option<String>,
    /// The tablespace, where it is not the default.
    pub tablespace: Option<String>,
    /// The SQL that makes the object; of `BLOB METADATA` the large objects it stands for, one a line. In
    /// plain dumps the statements below the entry's comment; empty where those are too long to be kept.
    pub definition: String,
    /// The `COPY … FROM stdin` statement of a `TABLE DATA` entry; empty where a plain dump has very
    /// many.
    pub copy_statement: String,
    /// The dump ids this entry depends on.
    pub dependencies: Vec<i64>,
    /// What the dump holds as data for this entry; `None` where it holds none.
    pub data: Option<EntryData>,
}

/// The data that a dump holds for one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct EntryData {
    /// Bytes as they lie in the dump, after compression.
    pub stored_bytes: u64,
    /// Bytes after decompression; `None` where they could not be decoded to their end.
    pub bytes: Option<u64>,
    /// Rows of a `COPY` block in text format; `None` where they are not known (`INSERT`s, large
    /// objects, broken data).
    pub rows: Option<u64>,
    /// The fingerprint of these rows (`docs/fingerprint.md`); `None` where there is none to be had:
    /// rows not known or not sound, no column with a canonical text, or not written by `pg_dump`.
    pub fingerprint: Option<Fingerprint>,
}
