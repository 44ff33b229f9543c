//! The streaming lexer over a whole dump.
//!
//! It follows `MainLoop` of PostgreSQL's `src/bin/psql/mainloop.c`: text is scanned line by line,
//! settings reported by the server count from the next line on, and the rows of a
//! `COPY … FROM stdin` begin in the line after the one that holds its `;` (`handleCopyIn` in
//! `src/bin/psql/copy.c`); several `COPY`s in one line take their rows one after the other.

use std::collections::VecDeque;
use std::io::{self, Read};

use memchr::memchr;
use memchr::memmem::Finder;

use super::clear::{Clear, mentions_setting};
use super::copy::CopyTarget;
use super::input::{Input, as_u64, newlines};
use super::mask::Mask;
use super::meta::{Purpose, purpose};
use super::scanner::{Scanner, State, Stop};
use super::statement::{Setting, setting};
use super::whole::{Construct, Unclear, Unfinished};

/// What is kept of one statement.
const STATEMENT: usize = 256 * 1024;
/// What is kept of one comment or meta-command.
const LINE: usize = 64 * 1024;
/// `COPY … FROM stdin` statements in one line; no tool writes more than one.
const COPIES: usize = 64;

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
        /// The line ends among them.
        line_ends: u64,
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

#[derive(Debug)]
enum Event {
    Sql(usize, usize),
    Comment,
    StatementEnd,
    CopyStart,
    Rows(usize, usize, u64, u64),
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

    /// The dump's `client_encoding`, as it stands here.
    pub(crate) fn encoding(&self) -> Option<&str> {
        match &self.new_encoding {
            Some(new) => new.as_deref(),
            None => self.encoding.as_deref(),
        }
    }

    /// The bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.input.offset()
    }

    /// The line that is read.
    pub(crate) fn line(&self) -> u64 {
        self.input.line()
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
        Some(Unfinished {
            construct,
            line: self.construct_line,
            table: None,
            rows: 0,
        })
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
            Event::Rows(from, to, line, line_ends) => Piece::CopyRows {
                bytes: self.input.slice(from, to),
                line,
                line_ends,
            },
            Event::CopyEnd(from, to, terminated) => Piece::CopyEnd {
                end: self.input.slice(from, to),
                rows: self.rows,
                terminated,
            },
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
        if self.input.fill()? {
            Ok(())
        } else {
            Err(LexError::Token {
                line: self.input.line(),
            })
        }
    }

    fn sql(&mut self) -> Result<(), LexError> {
        if self.input.offset() == 0 && self.byte_order_mark()? {
            return Ok(());
        }
        if std::mem::take(&mut self.line_begins) {
            self.next_line();
            return Ok(());
        }
        let due = self.new_std_strings.is_some()
            || self.new_encoding.is_some()
            || !self.copies.is_empty();
        let view = self.input.rest_for_scanner();
        let line_end = if due { memchr(b'\n', view) } else { None };
        let (limit, last) = match line_end {
            Some(at) => (at + 1, true),
            None => (view.len(), self.input.eof()),
        };
        let view = view.get(..limit).unwrap_or_default();
        let (count, stop) = self.scanner.run(view, 0, last);
        if count == 0 && stop == Stop::More {
            if self.input.eof() {
                self.end();
                return Ok(());
            }
            return self.fill();
        }
        self.keep(count, stop);
        let doubt = self.scanner.take_doubt();
        if let Some(what) = doubt {
            self.clear.note(self.input.line(), what);
        }
        if count > 0 {
            let (from, to) = self.take(count, false);
            self.events.push_back(Event::Sql(from, to));
        }
        match stop {
            Stop::More if due && line_end.is_some_and(|at| count == at + 1) => self.next_line(),
            Stop::More => {}
            Stop::Comment => self.events.push_back(Event::Comment),
            Stop::Backslash => {
                self.mode = Mode::Meta;
                self.meta_line = self.input.line();
            }
            Stop::Semicolon => {
                self.statements += 1;
                self.events.push_back(Event::StatementEnd);
                self.look_at_statement()?;
            }
        }
        Ok(())
    }

    /// `psql` skips a byte order mark at the start of its input.
    fn byte_order_mark(&mut self) -> Result<bool, LexError> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        while self.input.rest().len() < MARK.len() && !self.input.eof() {
            if !MARK.starts_with(self.input.rest()) {
                return Ok(false);
            }
            self.fill()?;
        }
        if !self.input.rest().starts_with(MARK) {
            return Ok(false);
        }
        let (from, to) = self.take(MARK.len(), false);
        self.events.push_back(Event::Sql(from, to));
        Ok(true)
    }

    /// Keeps what statements and comments need of the `count` bytes that were scanned.
    fn keep(&mut self, count: usize, stop: Stop) {
        let scanned = self.input.rest().get(..count).unwrap_or_default();
        let line = self.input.line();
        let line_at = |at: usize| line + newlines(scanned.get(..at).unwrap_or_default());
        if let Some(at) = self.scanner.take_opened() {
            self.construct_line = line_at(at);
        }
        let mut from = 0;
        if let Some(at) = self.scanner.take_statement_start() {
            self.statement.clear();
            self.statement_length = 0;
            self.statement_line = line_at(at);
            self.statement_offset = self.input.offset() + as_u64(at);
            from = at;
        }
        if self.scanner.in_statement() || stop == Stop::Semicolon {
            let text = scanned.get(from..).unwrap_or_default();
            self.statement_length += as_u64(text.len());
            append(&mut self.statement, text, STATEMENT);
        }
        let start = self.scanner.take_comment_start();
        if start.is_some() {
            self.text.clear();
        }
        if self.scanner.in_top_comment() || stop == Stop::Comment {
            append(&mut self.text, scanned.get(start.unwrap_or(0)..).unwrap_or_default(), LINE);
        }
    }

    /// Settings and `COPY`s take effect where psql's next line begins.
    fn next_line(&mut self) {
        if let Some(on) = self.new_std_strings.take() {
            self.scanner.set_std_strings(on);
        }
        if let Some(encoding) = self.new_encoding.take() {
            self.input.set_mask(encoding.as_deref().and_then(Mask::for_encoding));
            self.encoding = encoding;
        }
        if let Some(copy) = self.copies.pop_front() {
            self.copy = copy;
            self.copy_line = self.input.line();
            self.rows = 0;
            self.at_row = true;
            self.rows_open = true;
            self.mode = Mode::Copy;
            self.events.push_back(Event::CopyStart);
        }
    }

    fn look_at_statement(&mut self) -> Result<(), LexError> {
        let line = self.statement_line;
        let encoding = self.encoding.as_deref().unwrap_or("UTF8");
        if self.scanner.begins_with(b"copy")
            && let Some(target) = CopyTarget::parse(&self.statement, encoding)
        {
            if as_u64(self.statement.len()) < self.statement_length || self.copies.len() >= COPIES {
                return Err(LexError::Copy { line });
            }
            self.copies.push_back(target);
            return Ok(());
        }
        if self.scanner.begins_with(b"set") {
            match setting(&self.statement) {
                Some(Setting::StdStrings(on)) => {
                    self.new_std_strings = Some(on);
                    if !on {
                        self.clear.note(line, "standard_conforming_strings = off");
                    }
                    return Ok(());
                }
                Some(Setting::ClientEncoding(name)) => {
                    self.new_encoding = Some(Some(name));
                    return Ok(());
                }
                None => {}
            }
        }
        if let Some(what) = mentions_setting(&self.statement) {
            self.clear.note(line, what);
        }
        Ok(())
    }

    fn meta(&mut self) -> Result<(), LexError> {
        self.text.clear();
        let (mut length, mut whole) = (0_u64, Vec::new());
        loop {
            let rest = self.input.rest();
            let found = memchr(b'\n', rest);
            let count = found.unwrap_or(rest.len());
            length += as_u64(count);
            append(&mut whole, rest.get(..count).unwrap_or_default(), LINE);
            self.clear.nul(
                rest.get(..count).unwrap_or_default(),
                self.input.line(),
                self.input.offset(),
            );
            self.input.advance(count);
            if found.is_some() || self.input.eof() {
                break;
            }
            self.fill()?;
        }
        self.text = whole;
        self.meta_name = meta_name(&self.text);
        let whole = as_u64(self.text.len()) == length;
        let purpose = match std::str::from_utf8(&self.text) {
            Ok(text) if whole && !self.scanner.in_statement() => purpose(text),
            _ => Purpose::Other,
        };
        match &purpose {
            Purpose::Other => {
                let what = format!("\\{}", self.meta_name);
                self.clear.note(self.meta_line, &what);
            }
            Purpose::Connect(_) => {
                // A new session begins with its defaults.
                self.new_std_strings = Some(true);
                self.new_encoding = Some(None);
            }
            Purpose::Restrict | Purpose::Encoding => {}
        }
        self.events.push_back(Event::Meta(purpose));
        self.mode = Mode::Sql;
        Ok(())
    }

    fn rows(&mut self) -> Result<(), LexError> {
        let (rest, eof) = (self.input.rest(), self.input.eof());
        if rest.is_empty() {
            if eof {
                self.events.push_back(Event::CopyEnd(0, 0, false));
                self.mode = Mode::End;
                self.clear.finish(self.input.line());
                return Ok(());
            }
            return self.fill();
        }
        if self.at_row && eof && matches!(rest, b"\\." | b"\\.\r") {
            // Neither psql nor the server takes a `\.` without its line end.
            let (from, count) = (self.input.start(), rest.len());
            self.input.advance(count);
            self.events.push_back(Event::CopyEnd(from, from + count, false));
            self.mode = Mode::End;
            return Ok(());
        }
        if self.at_row && !self.copy.binary {
            match terminator(rest, eof) {
                Some(0) => {}
                Some(count) => {
                    let from = self.input.start();
                    self.input.advance(count);
                    self.events.push_back(Event::CopyEnd(from, from + count, true));
                    self.mode = Mode::Sql;
                    self.rows_open = false;
                    self.line_begins = !self.copies.is_empty();
                    return Ok(());
                }
                None => return self.fill(),
            }
        }
        let count = match self.terminator.find(rest) {
            Some(at) if !self.copy.binary => at + 1,
            _ if rest.ends_with(b"\n\\") && !eof => rest.len() - 1,
            _ => rest.len(),
        };
        let rows = rest.get(..count).unwrap_or_default();
        self.at_row = rows.last() == Some(&b'\n');
        self.rows += u64::from(eof && count == rest.len() && !self.at_row);
        let line = self.input.line();
        let (from, to) = self.take(count, true);
        let line_ends = self.input.line() - line;
        self.rows += line_ends;
        self.events.push_back(Event::Rows(from, to, line, line_ends));
        Ok(())
    }

    fn end(&mut self) {
        if self.scanner.in_top_comment() {
            self.scanner.end_comment();
            self.events.push_back(Event::Comment);
        } else if self.copies.is_empty() {
            self.clear.finish(self.input.line());
            self.mode = Mode::End;
        } else {
            self.next_line();
        }
    }
}

/// How many bytes the `\.` line has that `rest` begins with: 0 for none, `None` for not yet known.
fn terminator(rest: &[u8], eof: bool) -> Option<usize> {
    match rest {
        [b'\\', b'.', b'\n', ..] => Some(3),
        [b'\\', b'.', b'\r', b'\n', ..] => Some(4),
        [b'\\'] | [b'\\', b'.'] | [b'\\', b'.', b'\r'] if !eof => None,
        _ => Some(0),
    }
}

/// `xslashcmd` in `src/bin/psql/psqlscanslash.l`: up to whitespace or another backslash.
fn meta_name(text: &[u8]) -> String {
    let rest = text.get(1..).unwrap_or_default();
    let len = rest
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b'\\'))
        .unwrap_or(rest.len());
    let name = match rest.first() {
        // psqlscan.l takes these two itself.
        Some(b';' | b':') => rest.get(..1),
        _ => rest.get(..len.min(64)),
    };
    String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
}

fn append(to: &mut Vec<u8>, text: &[u8], most: usize) {
    let space = most.saturating_sub(to.len()).min(text.len());
    to.extend_from_slice(text.get(..space).unwrap_or_default());
}
