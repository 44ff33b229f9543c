//! What the lexer says about a whole dump.

/// What a dump breaks off in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Construct {
    /// The rows of a `COPY … FROM stdin`: no `\.` follows.
    CopyRows,
    /// A string literal.
    Text,
    /// A `"quoted identifier"`.
    Identifier,
    /// A `$tag$ … $tag$` text.
    DollarText,
    /// A `/* … */` comment.
    Comment,
    /// A statement whose `;` is missing.
    Statement,
}

/// A construct without its end: how a cut shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// What lacks its end.
    pub construct: Construct,
    /// The line it begins in.
    pub line: u64,
    /// The table whose rows break off, as `schema.table`.
    pub table: Option<String>,
    /// The rows read of it.
    pub rows: u64,
}

/// Why a dump must not be given to a `psql` without `\restrict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unclear {
    /// The first line found.
    pub line: u64,
    /// What stands there: a meta-command's name with its backslash, a variable or a setting.
    pub what: String,
}
