//! What stands around a plain dump, and in its place.

use memchr::memmem;

use super::plain_header::PlainFlavour;
use crate::backup::encoding::decode;

/// What stands behind the line that ends a dump.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Behind {
    /// Statements.
    pub statements: u64,
    /// The line of the first.
    pub line: u64,
    /// An entry of `pg_dump`'s, or its last line once more, with no first line before it.
    pub stray: Option<String>,
    /// First lines of further dumps.
    pub dumps: u64,
    /// A table that more than one of the dumps holds.
    pub twice: Option<String>,
}

/// As much of a statement as [`no_sql`] looks at.
pub(super) fn begin_of(text: &[u8]) -> Vec<u8> {
    text.get(..64).unwrap_or(text).to_vec()
}

/// What shows that a text is no SQL, from the beginning of its first statement.
pub(super) fn no_sql(first: &[u8]) -> Option<&'static str> {
    if first.starts_with(b"<") {
        return Some("it begins with `<`, as the page of a web server does");
    }
    let programs: [&[u8]; 3] = [b"pg_dump: ", b"pg_dumpall: ", b"pg_restore: "];
    programs
        .iter()
        .any(|name| first.starts_with(name))
        .then_some("it holds the message of a program in the place of a dump")
}

/// The writer of a dump whose first lines are a part of its first statement, and the first line of the
/// text before them: it has no end of its own, as the message of a program has none.
pub(super) fn within(first: &[u8]) -> Option<(PlainFlavour, String)> {
    let all: [(&[u8], PlainFlavour); 2] = [
        (b"\n-- PostgreSQL database dump\n", PlainFlavour::PgDump),
        (b"\n-- PostgreSQL database cluster dump\n", PlainFlavour::PgDumpAll),
    ];
    let (_, flavour) = all.iter().find(|(line, _)| memmem::find(first, line).is_some())?;
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Some((*flavour, decode(line.get(..200).unwrap_or(line), "UTF8")))
}

/// Where a statement ends to be UTF-8; one that is not whole may be cut within a character.
pub(super) fn no_utf8(text: &[u8], complete: bool) -> Option<usize> {
    let error = str::from_utf8(text).err()?;
    (complete || error.error_len().is_some()).then(|| error.valid_up_to())
}
