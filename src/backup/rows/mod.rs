//! The rows of a `COPY` in text format: counted, checked, and made into a fingerprint.
//!
//! One [`RowReader`] serves every source of such rows: data blocks of custom-format dumps, plain
//! dumps, and `COPY … TO STDOUT` of a server. It is pure: bytes go in, piece by piece and cut
//! anywhere, and a [`RowSummary`] comes out. No row is ever held whole, so that a line of 100 MB
//! takes no more memory than one of ten bytes.
//!
//! The format is that of `CopyAttributeOutText` in PostgreSQL's `src/backend/commands/copyto.c`
//! and `CopyReadLineText` in `copyfromparse.c`; what the fingerprint is made of is a contract,
//! written down in `docs/fingerprint.md`.

mod aside;
mod bytea;
mod catalogue;
mod column;
mod fault;
mod fields;
mod fingerprint;
mod line_ends;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub(crate) use aside::{Aside, Rows};
pub(crate) use catalogue::{Catalogue, Declaration, Name, TableColumns, TypeName, of_copy};
pub(crate) use column::{Column, Form};
pub(crate) use fault::{FaultKind, RowFault};
pub use fingerprint::Fingerprint;
pub(crate) use reader::{RowReader, RowSummary};
pub(crate) use text::TextEncoding;
