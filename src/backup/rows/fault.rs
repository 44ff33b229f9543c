//! What can be wrong with rows.

use std::fmt;

/// The first fault of its kind among a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowFault {
    pub(crate) kind: FaultKind,
    /// The row, from 1.
    pub(crate) row: u64,
    /// The byte, from 0, counted from the first one of the first row.
    pub(crate) offset: u64,
}

/// The kinds of [`RowFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    /// The row has `found` columns, the `COPY` lists `expected`.
    Columns { found: u64, expected: u64 },
    /// A carriage return where rows end otherwise; `COPY` escapes those within values.
    LineEnd,
    /// A backslash followed by what `COPY` does not write behind one.
    Escape,
    /// A NUL byte.
    Nul,
    /// Bytes that are no text in the dump's encoding.
    Encoding,
    /// A line that begins with `\.` and goes on.
    EndMark,
    /// Data behind the line `\.`.
    Leftover,
    /// The rows end without `\.`.
    Unended,
}

impl FaultKind {
    /// Whether the two are of the same kind, whatever the numbers in them.
    pub(super) fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// What is wrong, without its place: `has 2 columns, the table has 3`.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns { found, expected: 0 } => {
                write!(f, "has {found} columns or more, the table has none")
            }
            Self::Columns { found, expected } => {
                let plural = if *found == 1 { "" } else { "s" };
                write!(f, "has {found} column{plural}, the table has {expected}")
            }
            Self::LineEnd => f.write_str("has a carriage return that COPY would have escaped"),
            Self::Escape => f.write_str(r"has a backslash that COPY does not write"),
            Self::Nul => f.write_str("has a NUL byte"),
            Self::Encoding => f.write_str("has bytes that are no text in the dump's encoding"),
            Self::EndMark => f.write_str(r"a line that begins with \. has more to it"),
            Self::Leftover => f.write_str(r"data follow the line \. that ends them"),
            Self::Unended => f.write_str(r"the line \. that ends the rows is missing"),
        }
    }
}

/// With its place, where the kind has one of its own.
impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::EndMark | FaultKind::Leftover | FaultKind::Unended => self.kind.fmt(f),
            kind => write!(f, "row {} (byte {} of its rows) {kind}", self.row, self.offset),
        }
    }
}
