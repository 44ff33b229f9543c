//! What the lexer hands out.

use std::io;

use crate::backup::sql::copy::CopyTarget;
use crate::backup::sql::meta::Purpose;

/// Why a dump cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LexError {
    /// The reader failed: the file, or a decompressor before it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// One token needs more memory than any dump's token should.
    #[error("line {line}: a name of more than one megabyte")]
    Token {
        /// The token's line.
        line: u64,
    },
    /// A `COPY` statement whose columns are not all at hand, or too many of them in a line.
    #[error("line {line}: COPY statements too long to be read")]
    Copy {
        /// The statement's line.
        line: u64,
    },
}

/// A part of a dump.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the tests compare every field with psql"))]
pub(crate) enum Piece<'a> {
    /// SQL text as it stands, with whitespace and comments; its size means nothing.
    Sql(&'a [u8]),
    /// A `-- …` comment outside any statement; its bytes were part of [`Piece::Sql`] before.
    Comment(&'a [u8]),
    /// A `;` ended a statement, whose bytes were part of [`Piece::Sql`] before.
    StatementEnd {
        /// The statement from its first token to its `;`, at most 256 KiB of it.
        text: &'a [u8],
        /// Whether `text` is all of it.
        complete: bool,
        /// Where it begins.
        line: u64,
        /// Where it begins, in bytes.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// The rows of a `COPY … FROM stdin` begin.
    CopyStart(&'a CopyTarget),
    /// Rows as they stand; its size means nothing.
    CopyRows {
        /// The bytes.
        bytes: &'a [u8],
        /// The line they begin in.
        line: u64,
        /// Where in the dump they begin, in bytes.
        offset: u64,
    },
    /// The rows end.
    CopyEnd {
        /// The `\.` line as it stands; empty where it is missing.
        end: &'a [u8],
        /// The rows read.
        rows: u64,
        /// Whether a `\.` ended them.
        terminated: bool,
    },
    /// A meta-command, from its backslash to the end of its line.
    MetaCommand {
        /// The name without its backslash, as psql cuts it.
        name: &'a str,
        /// All of it, at most 64 KiB.
        text: &'a [u8],
        /// What it is for; always [`Purpose::Other`] within a statement.
        purpose: Purpose,
        /// Its line.
        line: u64,
    },
}
