//! The table of contents of one dump, in the words of `pg_dump`.
//!
//! Custom-format archives carry it as records, plain dumps as comments
//! (`-- Name: orders; Type: TABLE; Schema: public; Owner: alice`). Both readers produce these
//! types, so that whatever compares a catalog with a dump need not know the format.

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
    /// The SQL that makes the object; empty in plain dumps, whose text is restored as it is.
    pub definition: String,
    /// The `COPY … FROM stdin` statement of a `TABLE DATA` entry.
    pub copy_statement: String,
    /// The dump ids this entry depends on.
    pub dependencies: Vec<i64>,
    /// What the dump holds as data for this entry; `None` where it holds none.
    pub data: Option<EntryData>,
}

/// The data that a dump holds for one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryData {
    /// Bytes as they lie in the dump, after compression.
    pub stored_bytes: u64,
    /// Bytes after decompression; `None` where they could not be inflated here.
    pub bytes: Option<u64>,
    /// Rows of a `COPY` block; `None` where they cannot be counted (`INSERT`s, codecs not read).
    pub rows: Option<u64>,
}

impl TocEntry {
    /// Whether the dump holds rows for this `TABLE DATA` entry; `None` where that cannot be told.
    ///
    /// Sizes tell nothing: an empty table takes two bytes with `--inserts`, twenty with lz4.
    pub fn has_rows(&self) -> Option<bool> {
        if self.kind != "TABLE DATA" {
            return Some(false);
        }
        match self.data {
            None => Some(false),
            Some(data) => data.rows.map(|rows| rows > 0),
        }
    }
}
