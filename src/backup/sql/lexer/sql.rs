//! SQL text.

use std::io::Read;

use memchr::memchr;

use super::{Event, LexError, Lexer, Mode, append};
use crate::backup::sql::clear::mentions_setting;
use crate::backup::sql::copy::CopyTarget;
use crate::backup::sql::input::{as_u64, newlines};
use crate::backup::sql::mask::Mask;
use crate::backup::sql::scanner::Stop;
use crate::backup::sql::statement::{Setting, setting};

/// What is kept of one statement.
const STATEMENT: usize = 256 * 1024;
/// `COPY … FROM stdin` statements in one line; no tool writes more than one.
const COPIES: usize = 64;

impl<R: Read> Lexer<R> {
    pub(super) fn sql(&mut self) -> Result<(), LexError> {
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
        if let Some((at, what)) = self.scanner.take_doubt() {
            let before = self.input.rest().get(..at).unwrap_or_default();
            let line = self.input.line() + newlines(before);
            self.clear.note(line, self.input.offset() + as_u64(at), what);
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
            append(
                &mut self.text,
                scanned.get(start.unwrap_or(0)..).unwrap_or_default(),
                super::LINE,
            );
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
                        self.clear.note(
                            line,
                            self.input.offset(),
                            "standard_conforming_strings = off",
                        );
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
            self.clear.note(line, self.input.offset(), what);
        }
        Ok(())
    }

    fn end(&mut self) {
        if self.scanner.in_top_comment() {
            self.scanner.end_comment();
            self.events.push_back(Event::Comment);
        } else if self.copies.is_empty() {
            self.clear.finish(self.input.line(), self.input.offset());
            self.mode = Mode::End;
        } else {
            self.next_line();
        }
    }
}
