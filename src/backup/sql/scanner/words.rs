//! Words, numbers, dollar signs and colons.

use super::{Scanner, State, Text};

/// A doubt of [`Scanner::take_doubt`].
const GLUED: &str = "a number followed by a letter";

impl Scanner {
    /// Tokens that neither end a statement nor are whitespace; `None` where more text is needed.
    pub(super) fn other_token(
        &mut self,
        text: &[u8],
        at: usize,
        byte: u8,
        last: bool,
    ) -> Option<usize> {
        match byte {
            b'(' => self.paren_depth += 1,
            b')' => self.paren_depth = self.paren_depth.saturating_sub(1),
            b'"' => self.open(State::Identifier, at),
            b'$' => return self.dollar(text, at, last),
            b':' => return self.colon(text, at, last),
            b'0'..=b'9' => return self.number(text, at, last),
            _ if is_word_start(byte) => return self.word(text, at, last),
            _ => {}
        }
        Some(at + 1)
    }

    /// `{identifier}` and what looks like its start: `E'`, `B'`, `X'`, `N'`, `U&'`, `U&"`.
    fn word(&mut self, text: &[u8], at: usize, last: bool) -> Option<usize> {
        let rest = text.get(at..).unwrap_or_default();
        let len = match rest.iter().position(|byte| !is_word_part(*byte)) {
            Some(len) => len,
            None if last => rest.len(),
            None => return None,
        };
        if len == 1 {
            let quote = rest.get(1).copied();
            let kind = match (rest.first().map(u8::to_ascii_lowercase), quote) {
                (Some(b'e'), Some(b'\'')) => Some(Text::Escaped),
                (Some(b'b' | b'x'), Some(b'\'')) => Some(Text::Bits),
                (Some(b'n'), Some(b'\'')) => return Some(at + 1),
                (Some(b'u'), Some(b'&')) => match rest.get(2) {
                    Some(b'\'') => {
                        self.open(State::Text(Text::Plain), at);
                        return Some(at + 3);
                    }
                    Some(b'"') => {
                        self.open(State::Identifier, at);
                        return Some(at + 3);
                    }
                    None if !last => return None,
                    _ => return Some(at + 1),
                },
                _ => None,
            };
            if let Some(kind) = kind {
                self.open(State::Text(kind), at);
                return Some(at + 2);
            }
        }
        self.count_word(rest.get(..len).unwrap_or_default());
        Some(at + len)
    }

    /// `BEGIN … END` bodies of SQL functions, by psql's own rule of thumb (since 14).
    fn count_word(&mut self, word: &[u8]) {
        if !self.in_statement {
            self.first_word = [0; 8];
            for (to, from) in self.first_word.iter_mut().zip(word) {
                *to = from.to_ascii_lowercase();
            }
            if word.len() > 8 {
                self.first_word = [0xff; 8];
            }
        }
        if self.identifier_count == 0 {
            self.identifiers = [0; 4];
        }
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if ["create", "function", "procedure", "or", "replace"].iter().any(|name| is(name))
            && let Ok(place) = usize::try_from(self.identifier_count)
            && let Some(slot) = self.identifiers.get_mut(place)
        {
            *slot = word.first().map_or(0, u8::to_ascii_lowercase);
        }
        self.identifier_count += 1;
        let routine =
            matches!(self.identifiers, [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']);
        if routine && self.paren_depth == 0 {
            if is("begin") || (is("case") && self.begin_depth > 0) {
                self.begin_depth += 1;
            } else if is("end") {
                self.begin_depth = self.begin_depth.saturating_sub(1);
            }
        }
    }

    /// `{dolqdelim}`, `{param}`, or a lone `$`.
    fn dollar(&mut self, text: &[u8], at: usize, last: bool) -> Option<usize> {
        let rest = text.get(at + 1..).unwrap_or_default();
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return self.number(text, at + 1, last);
        }
        let len = match rest.iter().position(|byte| !is_tag_part(*byte)) {
            Some(len) => len,
            None if last => rest.len(),
            None => return None,
        };
        if rest.get(len) == Some(&b'$') {
            let tag = text.get(at..at + len + 2).unwrap_or_default().to_vec();
            self.open(State::Dollar { tag }, at);
            return Some(at + len + 2);
        }
        Some(at + 1)
    }

    /// Psql's variables; the name is one token, so a `:begin` is not counted as a word.
    fn colon(&mut self, text: &[u8], at: usize, last: bool) -> Option<usize> {
        let rest = text.get(at + 1..).unwrap_or_default();
        if matches!(rest.first(), Some(b':' | b'=')) {
            return Some(at + 2);
        }
        let len = match rest.iter().position(|byte| !(is_tag_part(*byte))) {
            Some(len) => len,
            None if last => rest.len(),
            None => return None,
        };
        // Psql's own variables are all upper case, and a dump that sets others is refused.
        let name = rest.get(..len).unwrap_or_default();
        if name.first().is_some_and(u8::is_ascii_uppercase)
            && !name.iter().any(u8::is_ascii_lowercase)
        {
            self.doubt.get_or_insert((at, ":VARIABLE"));
        }
        Some(at + 1 + len)
    }

    /// `{integer}`, `{decimal}`, `{real}`, `{param}`, and these with a name glued to them.
    ///
    /// Such a name is part of the number's token since 15 (`integer_junk`), a token of its own
    /// before; a dump holds none.
    fn number(&mut self, text: &[u8], at: usize, last: bool) -> Option<usize> {
        let run = |from: usize, part: fn(u8) -> bool| {
            let rest = text.get(from..).unwrap_or_default();
            match rest.iter().position(|byte| !part(*byte)) {
                Some(len) => Some(from + len),
                None if last => Some(text.len()),
                None => None,
            }
        };
        let digit = |byte: u8| byte.is_ascii_digit();
        let is = |at: usize, test: fn(u8) -> bool| text.get(at).copied().is_some_and(test);
        let mut end = run(at, digit)?;
        if is(end, |byte| byte == b'.') {
            if end + 1 >= text.len() && !last {
                return None;
            }
            if !is(end + 1, |byte| byte == b'.') {
                end = run(end + 1, digit)?;
            }
        }
        if !is(end, is_word_start) {
            return Some(end);
        }
        let name_end = run(end, is_word_part)?;
        let mut real = None;
        if is(end, |byte| matches!(byte, b'e' | b'E')) {
            let sign = usize::from(is(end + 1, |byte| matches!(byte, b'+' | b'-')));
            if end + 1 + sign >= text.len() && !last {
                return None;
            }
            if is(end + 1 + sign, |byte| byte.is_ascii_digit()) {
                real = Some(run(end + 1 + sign, digit)?);
            } else if sign == 1 {
                // `{realfail}` takes the sign.
                self.doubt.get_or_insert((at, GLUED));
                return Some(end + 2);
            }
        }
        match real {
            Some(real) if real >= name_end && is(real, is_word_start) => {
                self.doubt.get_or_insert((at, GLUED));
                run(real, is_word_part)
            }
            Some(real) if real >= name_end => Some(real),
            _ => {
                self.doubt.get_or_insert((at, GLUED));
                Some(name_end)
            }
        }
    }
}

/// `{ident_start}`
fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// `{dolq_cont}` and `{variable_char}`
fn is_tag_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

/// `{ident_cont}`
fn is_word_part(byte: u8) -> bool {
    is_tag_part(byte) || byte == b'$'
}
