//! The output of `pg_dumpall`: globals, then one `pg_dump` after another.
//!
//! `dumpDatabases` in PostgreSQL's `src/bin/pg_dump/pg_dumpall.c` writes a comment
//! `-- Database "shop" dump` above each since version 13; older outputs are not cut up.

use std::collections::BTreeSet;
use std::io::Read;

use super::fresh;
use super::lexer::{Lexer, Piece};
use super::plain::{Gather, PlainDump};
use super::plain_header::PlainFlavour;
use super::plain_header::{self, Header};
use crate::backup::encoding::decode;

/// Databases of one output; a server holds fewer.
const MOST: usize = 20_000;
/// Globals larger than this are none: a role takes about a hundred bytes.
const HEAD_LIMIT: usize = 256 * 1024 * 1024;
/// Within so many bytes a dump says who wrote it.
const TELLS: usize = 64 * 1024;

/// One database's part of the output.
#[derive(Debug)]
pub(crate) struct Section {
    /// The database, as the comment above its part shows it.
    pub(crate) title: String,
    /// What it holds.
    pub(crate) dump: PlainDump,
    /// Where it begins, in bytes of the output.
    pub(crate) from: u64,
    /// Where it ends.
    pub(crate) to: u64,
}

/// What [`inspect_sections`] finds.
#[derive(Debug)]
pub(crate) struct Sections {
    /// What stands before the first database; of any other dump, all of it.
    pub(crate) head: PlainDump,
    /// Its text without meta-commands; `None` where it is too large to be kept. Of any other dump,
    /// nothing.
    pub(crate) head_sql: Option<Vec<u8>>,
    /// The databases in their order.
    pub(crate) databases: Vec<Section>,
    /// Whether the output ends as `pg_dumpall` ends it.
    pub(crate) is_complete: bool,
    /// Databases that its first part drops (`--clean`): more are not in it.
    pub(crate) dropped: BTreeSet<String>,
}

/// Reads a plain dump to its end, and cuts it up where `pg_dumpall` wrote it. Never fails.
pub(crate) fn inspect_sections(reader: &mut dyn Read) -> Sections {
    let mut lexer = Lexer::new(reader);
    let mut gather = Gather::default();
    let mut parts = Parts::default();
    loop {
        gather.wary = lexer.unclear().is_some();
        let mark = match lexer.next() {
            Ok(Some(Piece::Comment(text))) => {
                let mark = parts.mark(text, &gather.dump);
                if mark == Mark::None {
                    gather.piece(Piece::Comment(text));
                }
                mark
            }
            Ok(Some(piece)) => {
                parts.keep(&piece, gather.dump.flavour);
                parts.statement(&piece);
                gather.piece(piece);
                Mark::None
            }
            Ok(None) => break,
            Err(error) => {
                gather.dump.io_error = Some(error.to_string());
                break;
            }
        };
        match mark {
            Mark::Database(title) => parts.begin(title, std::mem::take(&mut gather), &lexer),
            Mark::End => parts.is_complete = true,
            Mark::None => {}
        }
    }
    parts.finish(gather, &lexer)
}

#[derive(Debug, PartialEq, Eq)]
enum Mark {
    Database(String),
    End,
    None,
}

#[derive(Debug, Default)]
struct Parts {
    head: Option<PlainDump>,
    head_sql: Vec<u8>,
    is_head_large: bool,
    sections: Vec<Section>,
    /// The title of the part that is being read, and where it began.
    open: Option<(String, u64)>,
    statements: u64,
    is_complete: bool,
    dropped: BTreeSet<String>,
}

impl Parts {
    /// What a comment says of the output as a whole.
    fn mark(&mut self, comment: &[u8], dump: &PlainDump) -> Mark {
        let is_in_sections = self.head.is_some();
        if !is_in_sections && dump.flavour != PlainFlavour::PgDumpAll {
            return Mark::None;
        }
        let comment = decode(comment, "UTF8");
        let text = comment.trim_start_matches('-').trim();
        let title = text.strip_prefix("Database \"").and_then(|rest| rest.strip_suffix("\" dump"));
        match title {
            Some(title) if self.sections.len() < MOST => Mark::Database(title.to_owned()),
            _ if is_in_sections && plain_header::read(&comment) == Header::Complete(true) => {
                Mark::End
            }
            _ => Mark::None,
        }
    }

    /// Keeps the text of the globals.
    fn keep(&mut self, piece: &Piece<'_>, flavour: PlainFlavour) {
        let bytes = match piece {
            Piece::Sql(bytes)
            | Piece::CopyRows { bytes, .. }
            | Piece::CopyEnd { end: bytes, .. } => *bytes,
            _ => return,
        };
        let limit = match flavour {
            _ if self.head.is_some() => 0,
            PlainFlavour::PgDumpAll => HEAD_LIMIT,
            PlainFlavour::Unknown => TELLS,
            _ => 0,
        };
        if self.head_sql.len() + bytes.len() <= limit {
            self.head_sql.extend_from_slice(bytes);
        } else if self.head.is_none() {
            self.is_head_large = true;
            self.head_sql = Vec::new();
        }
    }

    fn statement(&mut self, piece: &Piece<'_>) {
        if let Piece::StatementEnd { text, .. } = piece
            && self.head.is_none()
            && self.dropped.len() < MOST
            && let Some(database) = fresh::dropped_database(text)
        {
            self.dropped.insert(database);
        }
    }

    fn begin<R: Read>(&mut self, title: String, before: Gather, lexer: &Lexer<R>) {
        self.close(before, lexer);
        self.is_complete = false;
        self.open = Some((title, lexer.bytes()));
    }

    fn close<R: Read>(&mut self, gather: Gather, lexer: &Lexer<R>) {
        let mut dump = gather.finish(lexer);
        let to = lexer.bytes();
        let statements = std::mem::replace(&mut self.statements, dump.statements);
        dump.statements -= statements;
        match self.open.take() {
            None => self.head = Some(dump),
            Some((title, from)) => {
                dump.bytes = to - from;
                dump.nul_at = dump.nul_at.filter(|at| (from..to).contains(at));
                self.sections.push(Section { title, dump, from, to });
            }
        }
    }

    fn finish<R: Read>(mut self, gather: Gather, lexer: &Lexer<R>) -> Sections {
        self.close(gather, lexer);
        let mut head = self.head.unwrap_or_default();
        // The first database's title ends it.
        head.trailer |= !self.sections.is_empty();
        let is_complete = self.is_complete
            && self
                .sections
                .last()
                .is_some_and(|last| last.dump.unfinished.is_none() && last.dump.io_error.is_none());
        let head_sql = (!self.is_head_large).then_some(self.head_sql);
        let (sections, dropped) = (self.sections, self.dropped);
        Sections { head, head_sql, databases: sections, is_complete, dropped }
    }
}
