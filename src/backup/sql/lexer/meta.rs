//! Meta-commands.

use std::io::Read;

use memchr::memchr;

use super::{Event, LINE, LexError, Lexer, Mode, append};
use crate::backup::sql::input::as_u64;
use crate::backup::sql::meta::{Purpose, purpose};

impl<R: Read> Lexer<R> {
    /// Reads a meta-command to the end of its line.
    pub(super) fn meta(&mut self) -> Result<(), LexError> {
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
                self.clear.note(self.meta_line, self.input.offset(), &what);
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
