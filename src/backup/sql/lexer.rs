//! The streaming lexer over a whole dump.
//!
//! It follows `MainLoop` of PostgreSQL's `src/bin/psql/mainloop.c`: text is scanned line by line,
//! settings reported by the server count from the next line on, and the rows of a
//! `COPY … FROM stdin` begin in the line after the one that holds its `;` (`handleCopyIn` in
//! `src/bin/psql/copy.c`); several `COPY`s in one line take their rows one after the other.

mod meta;
mod piece;
mod rows;
mod sql;

use std::collections::VecDeque;
use std::io::Read;

use memchr::memmem::Finder;

use super::clear::Clear;
use super::copy::CopyTarget;
use super::input::{Input, as_u64};
use super::meta::Purpose;
use super::scanner::{Scanner, State};
use super::whole::{Construct, Unclear, Unfinished};

pub(crate) use piece::{LexError, Piece};

/// What is kept of one comment or meta-command.
const LINE: usize = 64 * 1024;

/// A piece that waits to be handed out, by its places in the buffer.
#[derive(Debug)]
enum Event {
    Sql(usize, usize),
    Comment,
    StatementEnd,
    CopyStart,
    Rows { from: usize, to: usize, line: u64, offset: u64 },
    CopyEnd(usize, usize, bool),
    Meta(Purpose),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Sql,
    Meta,
    Copy,
    End,
}

/// Splits a dump as `psql` does, in bounded memory.
pub(crate) struct Lexer<R> {
    input: Input<R>,
    scanner: Scanner,
    clear: Clear,
    events: VecDeque<Event>,
    mode: Mode,
    statement: Vec<u8>,
    statement_length: u64,
    statement_line: u64,
    statement_offset: u64,
    construct_line: u64,
    /// A comment or meta-command.
    text: Vec<u8>,
    meta_line: u64,
    meta_name: String,
    copies: VecDeque<CopyTarget>,
    copy: CopyTarget,
    copy_line: u64,
    rows: u64,
    at_row: bool,
    /// A `COPY` began whose `\.` was not seen yet.
    rows_open: bool,
    /// More `COPY`s of the line before wait for their rows.
    line_begins: bool,
    terminator: Finder<'static>,
    /// Settings that count from the next line on.
    new_std_strings: Option<bool>,
    new_encoding: Option<Encoding>,
    encoding: Option<String>,
    statements: u64,
}

/// A client encoding; `None` for the server's default.
type Encoding = Option<String>;

impl<R: Read> Lexer<R> {
    /// A lexer at the start of a dump.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            input: Input::new(reader),
            scanner: Scanner::new(),
            clear: Clear::new(),
            events: VecDeque::new(),
            mode: Mode::Sql,
            statement: Vec::new(),
            statement_length: 0,
            statement_line: 1,
            statement_offset: 0,
            construct_line: 1,
            text: Vec::new(),
            meta_line: 1,
            meta_name: String::new(),
            copies: VecDeque::new(),
            copy: CopyTarget::default(),
            copy_line: 1,
            rows: 0,
            at_row: true,
            rows_open: false,
            line_begins: false,
            terminator: Finder::new("\n\\."),
            new_std_strings: None,
            new_encoding: None,
            encoding: None,
            statements: 0,
        }
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Piece<'_>>, LexError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(self.piece(event)));
            }
            match self.mode {
                Mode::Sql => self.sql()?,
                Mode::Meta => self.meta()?,
                Mode::Copy => self.rows()?,
                Mode::End => return Ok(None),
            }
        }
    }

    /// The bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.input.offset()
    }

    /// The statements ended so far.
    pub(crate) fn statements(&self) -> u64 {
        self.statements
    }

    /// Where the first NUL byte lies.
    pub(crate) fn nul_at(&self) -> Option<u64> {
        self.clear.nul_at()
    }

    /// The first thing that a `psql` without restricted mode must not see.
    pub(crate) fn unclear(&self) -> Option<&Unclear> {
        self.clear.first()
    }

    /// The statement whose `;` was not seen yet; at its end psql runs it all the same.
    pub(crate) fn open_statement(&self) -> Option<(&[u8], u64)> {
        self.scanner.in_statement().then_some((self.statement.as_slice(), self.statement_line))
    }

    /// What the text read so far leaves open; at the end of a dump: how it was cut.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        if self.rows_open {
            return Some(Unfinished {
                construct: Construct::CopyRows,
                line: self.copy_line,
                table: Some(self.copy.display()),
                rows: self.rows,
            });
        }
        let construct = match self.scanner.state() {
            State::Text(_) => Construct::Text,
            State::Identifier => Construct::Identifier,
            State::Dollar { .. } => Construct::DollarText,
            State::BlockComment { .. } => Construct::Comment,
            State::Initial | State::LineComment if self.scanner.in_statement() => {
                return Some(Unfinished {
                    construct: Construct::Statement,
                    line: self.statement_line,
                    table: None,
                    rows: 0,
                });
            }
            State::Initial | State::LineComment => return None,
        };
        Some(Unfinished { construct, line: self.construct_line, table: None, rows: 0 })
    }

    fn piece(&self, event: Event) -> Piece<'_> {
        match event {
            Event::Sql(from, to) => Piece::Sql(self.input.slice(from, to)),
            Event::Comment => Piece::Comment(&self.text),
            Event::StatementEnd => Piece::StatementEnd {
                text: &self.statement,
                complete: as_u64(self.statement.len()) == self.statement_length,
                line: self.statement_line,
                offset: self.statement_offset,
                length: self.statement_length,
            },
            Event::CopyStart => Piece::CopyStart(&self.copy),
            Event::Rows { from, to, line, offset } => {
                Piece::CopyRows { bytes: self.input.slice(from, to), line, offset }
            }
            Event::CopyEnd(from, to, terminated) => {
                Piece::CopyEnd { end: self.input.slice(from, to), rows: self.rows, terminated }
            }
            Event::Meta(purpose) => Piece::MetaCommand {
                name: &self.meta_name,
                text: &self.text,
                purpose,
                line: self.meta_line,
            },
        }
    }

    /// Passes over the next `count` bytes of the dump.
    fn take(&mut self, count: usize, rows: bool) -> (usize, usize) {
        let from = self.input.start();
        let bytes = self.input.slice(from, from + count);
        self.clear.feed(bytes, self.input.line(), self.input.offset(), rows);
        self.input.advance(count);
        (from, self.input.start())
    }

    fn fill(&mut self) -> Result<(), LexError> {
        if self.input.fill()? { Ok(()) } else { Err(LexError::Token { line: self.input.line() }) }
    }
}

/// Appends as much of `text` as keeps `to` within `most` bytes.
fn append(to: &mut Vec<u8>, text: &[u8], most: usize) {
    let space = most.saturating_sub(to.len()).min(text.len());
    to.extend_from_slice(text.get(..space).unwrap_or_default());
}
