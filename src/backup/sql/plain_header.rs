//! The comments by which `pg_dump` and `pg_dumpall` tell what a plain dump is.

use crate::backup::toc::TocEntry;

/// The program that wrote a plain dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PlainFlavour {
    /// `pg_dump`
    PgDump,
    /// `pg_dumpall`
    PgDumpAll,
    /// dbbackup's own writer, which shares `pg_dump`'s last lines.
    DbbackupNative,
    /// `mysqldump` or `mariadb-dump`: nothing for PostgreSQL.
    Mysql,
    /// Not told.
    #[default]
    Unknown,
}

/// What one `-- …` comment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Header {
    /// The first lines of a dump.
    Flavour(PlainFlavour),
    /// `Dumped from database version …`
    ServerVersion(String),
    /// `Dumped by pg_dump version …`
    DumpVersion(String),
    /// The last lines of a dump; `true` for a whole cluster's.
    Complete(bool),
    /// What the next statements make.
    Entry(Box<TocEntry>),
    /// A comment without text: `--`
    Empty,
    /// Any other.
    Other,
}

/// Reads a comment with its dashes.
///
/// The texts stand in `RestoreArchive` and `_printTocEntry` of PostgreSQL's
/// `src/bin/pg_dump/pg_backup_archiver.c` and in `src/bin/pg_dump/pg_dumpall.c`.
pub(super) fn read(comment: &str) -> Header {
    let text = comment.trim_start_matches('-').trim();
    if text.is_empty() {
        return Header::Empty;
    }
    match text {
        "PostgreSQL database dump" => return Header::Flavour(PlainFlavour::PgDump),
        "PostgreSQL database cluster dump" => return Header::Flavour(PlainFlavour::PgDumpAll),
        "PostgreSQL database dump complete" => return Header::Complete(false),
        "PostgreSQL database cluster dump complete" => return Header::Complete(true),
        _ => {}
    }
    if text.starts_with("PostgreSQL database dump (dbbackup") {
        return Header::Flavour(PlainFlavour::DbbackupNative);
    }
    if text.starts_with("MySQL dump ") || text.starts_with("MariaDB dump ") {
        return Header::Flavour(PlainFlavour::Mysql);
    }
    if let Some(version) = text.strip_prefix("Dumped from database version ") {
        return Header::ServerVersion(version.to_owned());
    }
    if let Some(version) = text.strip_prefix("Dumped by pg_dump version ") {
        return Header::DumpVersion(version.to_owned());
    }
    entry(text).map_or(Header::Other, |entry| Header::Entry(Box::new(entry)))
}

/// `Name: x; Type: TABLE; Schema: s; Owner: o[; Tablespace: t]`, perhaps with `Data for ` before.
///
/// Names stand unquoted, so the text is cut from its end, where role names stand alone.
fn entry(text: &str) -> Option<TocEntry> {
    let rest = ["Data for ", "Statistics for "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let rest = rest.strip_prefix("Name: ")?;
    // The owner of what has none is an empty name, and the space before it is cut off above.
    let (rest, owner) = match rest.strip_suffix("; Owner:") {
        Some(rest) => (rest, ""),
        None => rest.rsplit_once("; Owner: ")?,
    };
    let (owner, tablespace) = match owner.rsplit_once("; Tablespace: ") {
        Some((owner, tablespace)) => (owner, Some(tablespace)),
        None => (owner, None),
    };
    let (rest, schema) = rest.rsplit_once("; Schema: ")?;
    let (tag, kind) = rest.rsplit_once("; Type: ")?;
    let given = |text: &str| (text != "-" && !text.is_empty()).then(|| text.to_owned());
    Some(TocEntry {
        kind: kind.to_owned(),
        schema: given(schema),
        tag: tag.to_owned(),
        owner: given(owner),
        tablespace: tablespace.and_then(given),
        ..TocEntry::default()
    })
}
