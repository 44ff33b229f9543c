//! The rows of `COPY … FROM stdin`.

use std::io::Read;

use super::{Event, LexError, Lexer, Mode};

impl<R: Read> Lexer<R> {
    /// Reads rows, or the line that ends them.
    pub(super) fn rows(&mut self) -> Result<(), LexError> {
        let (rest, eof) = (self.input.rest(), self.input.eof());
        if rest.is_empty() {
            if eof {
                self.events.push_back(Event::CopyEnd(0, 0, false));
                self.mode = Mode::End;
                self.clear.finish(self.input.line(), self.input.offset());
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
        let (line, offset) = (self.input.line(), self.input.offset());
        let (from, to) = self.take(count, true);
        self.rows += self.input.line() - line;
        self.events.push_back(Event::Rows { from, to, line, offset });
        Ok(())
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
