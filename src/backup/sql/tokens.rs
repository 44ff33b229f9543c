//! The tokens of one statement, as the server's scanner (`src/backend/parser/scan.l`) cuts them.
//!
//! Statements are read here after [`super::lexer::Lexer`] has found their ends, with
//! `standard_conforming_strings` on, as all dumps since 9.1 set it.

use memchr::memmem;

use crate::backup::encoding;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An unquoted word: a keyword or an identifier.
    Word,
    /// A `"quoted"` or `U&"quoted"` identifier.
    Quoted,
    /// A string literal of any kind, dollar-quoted ones included.
    Text,
    /// Anything else, byte by byte; numbers as a whole.
    Other,
}

/// One token with its place in the statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a [u8],
    pub(super) start: usize,
}

impl Token<'_> {
    /// Whether this is the keyword `word`.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether this is one of the keywords `words`.
    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Whether this is the character `byte`.
    pub(super) fn is_byte(&self, byte: u8) -> bool {
        self.kind == Kind::Other && self.text == [byte]
    }

    /// Where the token ends in the statement.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The identifier this token stands for; `None` where it is none.
    pub(super) fn name(&self, encoding: &str) -> Option<String> {
        match self.kind {
            Kind::Word => {
                let mut name = self.text.to_vec();
                name.make_ascii_lowercase();
                Some(decode(&name, encoding))
            }
            Kind::Quoted => {
                let unicode = self.text.first() != Some(&b'"');
                let from = if unicode { 3 } else { 1 };
                let to = self.text.len().checked_sub(1)?;
                let name = decode(self.text.get(from..to)?, encoding).replace("\"\"", "\"");
                Some(if unicode { unescape_unicode(&name) } else { name })
            }
            Kind::Text | Kind::Other => None,
        }
    }

    /// The value of a string literal, as far as settings and names need it.
    pub(super) fn value(&self, encoding: &str) -> Option<String> {
        if self.kind != Kind::Text || self.text.first() == Some(&b'$') {
            return None;
        }
        let from = self.text.iter().position(|byte| *byte == b'\'')? + 1;
        let to = self.text.len().checked_sub(1)?;
        Some(decode(self.text.get(from..to)?, encoding).replace("''", "'"))
    }

    /// The value of a string literal as `pg_dump` and `pg_dumpall` write it: in quotes, and with
    /// backslashes doubled behind an `E`.
    pub(super) fn literal(&self, encoding: &str) -> Option<String> {
        let value = self.value(encoding)?;
        match self.text.first() {
            Some(b'\'') => Some(value),
            Some(b'e' | b'E') => {
                let mut plain = String::with_capacity(value.len());
                let mut characters = value.chars();
                while let Some(character) = characters.next() {
                    if character != '\\' {
                        plain.push(character);
                        continue;
                    }
                    match characters.next()? {
                        escaped @ ('\\' | '\'') => plain.push(escaped),
                        _ => return None,
                    }
                }
                Some(plain)
            }
            _ => None,
        }
    }
}

/// Looking an encoding up is dear, and nearly all names are ASCII.
fn decode(bytes: &[u8], encoding: &str) -> String {
    if bytes.is_ascii() {
        return bytes.iter().copied().map(char::from).collect();
    }
    encoding::decode(bytes, encoding)
}

/// `\0041` and `\+000041` within `U&"…"`.
fn unescape_unicode(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let after = after.get(1..).unwrap_or_default();
        if let Some(next) = after.strip_prefix('\\') {
            out.push('\\');
            rest = next;
            continue;
        }
        let (digits, skip) = match after.strip_prefix('+') {
            Some(long) => (long.get(..6), 7),
            None => (after.get(..4), 4),
        };
        let found =
            digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        if let Some(character) = found {
            out.push(character);
            rest = after.get(skip..).unwrap_or_default();
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The tokens of a statement, without whitespace and comments.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    escapes: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, escapes: false }
    }

    /// As the server cuts them with `standard_conforming_strings` off.
    pub(super) fn with_escapes(text: &'a [u8]) -> Self {
        Self { text, at: 0, escapes: true }
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let skip = match rest {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0c, ..] => 1,
                [b'-', b'-', ..] => {
                    rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())
                }
                [b'/', b'*', ..] => block_comment(rest),
                _ => return,
            };
            self.at += skip;
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let rest = self.text.get(self.at..)?;
        let first = *rest.first()?;
        let (kind, len) = match rest {
            [b'\'', ..] => (Kind::Text, quoted(rest, 1, b'\'', self.escapes)),
            [b'e' | b'E', b'\'', ..] => (Kind::Text, quoted(rest, 2, b'\'', true)),
            [b'n' | b'N', b'\'', ..] => (Kind::Text, quoted(rest, 2, b'\'', self.escapes)),
            [b'b' | b'B' | b'x' | b'X', b'\'', ..] => (Kind::Text, quoted(rest, 2, b'\'', false)),
            [b'u' | b'U', b'&', b'\'', ..] => (Kind::Text, quoted(rest, 3, b'\'', false)),
            [b'u' | b'U', b'&', b'"', ..] => (Kind::Quoted, quoted(rest, 3, b'"', false)),
            [b'"', ..] => (Kind::Quoted, quoted(rest, 1, b'"', false)),
            [b'$', ..] => dollar(rest),
            _ if first.is_ascii_digit() => {
                (Kind::Other, rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
            }
            _ if first.is_ascii_alphabetic() || first == b'_' || first >= 0x80 => {
                let part = |byte: &&u8| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || **byte >= 0x80
                };
                (Kind::Word, rest.iter().take_while(part).count())
            }
            _ => (Kind::Other, 1),
        };
        let token = Token { kind, text: rest.get(..len)?, start: self.at };
        self.at += len;
        Some(token)
    }
}

fn quoted(rest: &[u8], from: usize, quote: u8, escapes: bool) -> usize {
    let mut at = from;
    while let Some(&byte) = rest.get(at) {
        if escapes && byte == b'\\' {
            at += 2;
        } else if byte != quote {
            at += 1;
        } else if rest.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    rest.len()
}

fn dollar(rest: &[u8]) -> (Kind, usize) {
    let tag = rest.iter().skip(1).position(|byte| *byte == b'$');
    let Some(tag) = tag.and_then(|len| rest.get(..len + 2)) else {
        return (Kind::Other, 1);
    };
    let inner = tag.get(1..tag.len() - 1).unwrap_or_default();
    let name =
        inner.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
    if !name || inner.first().is_some_and(u8::is_ascii_digit) {
        return (Kind::Other, 1);
    }
    let body = rest.get(tag.len()..).unwrap_or_default();
    match memmem::find(body, tag) {
        Some(len) => (Kind::Text, len + 2 * tag.len()),
        None => (Kind::Text, rest.len()),
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(pair) = rest.get(at..at + 2) {
        if pair == b"/*" {
            depth += 1;
            at += 2;
        } else if pair == b"*/" {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}
