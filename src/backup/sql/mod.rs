//! Plain SQL dumps, read as `psql` would read them.
//!
//! A plain dump is a program for `psql`: between its SQL statements it may carry meta-commands
//! (`\!` runs a shell, `\i` reads files), and the rows of a `COPY … FROM stdin` lie in the same
//! stream as the statements. Whether a `\` is data or a command, and whether a dump ends where it
//! should, can only be told by a reader that splits the text exactly as `psql` does. That is
//! [`lexer::Lexer`], after PostgreSQL's `src/fe_utils/psqlscan.l` and `src/bin/psql/mainloop.c`.
//!
//! [`plain::inspect`] says what a dump holds and whether it is whole, [`sections`] the same of each
//! database in the output of `pg_dumpall`; [`feed::feed`] reads it a
//! second time and yields only what may be sent to `psql`; [`statement`] understands single
//! statements.

mod canonical;
mod clear;
mod columns;
mod copy;
mod feed;
mod forbidden;
mod fresh;
mod input;
mod lexer;
mod mask;
mod meta;
mod plain;
mod plain_entries;
mod plain_frame;
mod plain_header;
mod plain_rows;
mod scanner;
mod script;
mod sections;
mod shape;
mod statement;
mod tokens;
mod whole;

pub(crate) use canonical::canonical;
pub(crate) use clear::is_command;
pub(crate) use columns::declaration;
pub(crate) use copy::CopyTarget;
pub(crate) use feed::{Fragment, Rewrite, feed};
pub(crate) use forbidden::forbidden;
pub(crate) use fresh::drop_if_exists;
pub(crate) use lexer::{Lexer, Piece};
pub(crate) use plain::{PlainDump, inspect};
pub(crate) use plain_frame::Behind;
pub(crate) use plain_header::PlainFlavour;
pub(crate) use script::{ScriptKind, ScriptPart, script};
pub(crate) use sections::{Section, Sections, inspect_sections};
pub(crate) use shape::{TableShape, table_shape};
pub(crate) use statement::cluster;
pub use statement::{CollationOptions, CollationsNeeded};
pub(crate) use statement::{rewrite_tablespace_location, roles_named_in};
pub(crate) use whole::Construct;

#[cfg(test)]
mod tests;
#[cfg(test)]
use {
    feed::FeedError,
    statement::{StatementKind, classify, roles_named},
};
