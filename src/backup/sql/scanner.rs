//! The state machine of `psql`'s SQL scanner.
//!
//! The rules are those of PostgreSQL's `src/fe_utils/psqlscan.l` (15; what 13 to 18 do otherwise is
//! named where it matters), written anew as a machine that can stop after any token. It only
//! finds what `psql` acts on: where a statement ends and where a backslash begins a meta-command.

use memchr::{memchr, memchr2};

/// Why [`Scanner::run`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The text is used up, or its last token needs more of it.
    More,
    /// Behind a `;` that ends a statement (`LEXRES_SEMI`).
    Semicolon,
    /// At a `\` that begins a meta-command (`LEXRES_BACKSLASH`).
    Backslash,
    /// Behind a `-- …` comment outside any statement, before its line end.
    Comment,
}

/// The kinds of string literal (exclusive states `xb`/`xh`, `xq`, `xe`, `xus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// `B'…'`, `X'…'`: no doubled quotes.
    Bits,
    /// `'…'` with `standard_conforming_strings`, and `U&'…'`.
    Plain,
    /// `E'…'`: backslashes escape.
    Escaped,
}

/// Where the scanner is (`start_state`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Initial,
    LineComment,
    BlockComment { depth: u32 },
    Text(Text),
    Identifier,
    Dollar { tag: Vec<u8> },
}

/// A literal has just ended and may go on after a line break (`xqs`, `quotecontinue`).
#[derive(Debug, Clone, Copy)]
struct Continuation {
    text: Text,
    /// A `\r` was seen: psql scans line by line, so `\n` never is.
    broken: bool,
    /// Nothing of the line was read yet; the state then survives the line's end.
    fresh: bool,
}

/// `psql`'s scanner between two tokens.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    continuation: Option<Continuation>,
    std_strings: bool,
    paren_depth: u64,
    begin_depth: u64,
    identifier_count: u64,
    identifiers: [u8; 4],
    in_statement: bool,
    statement_start: Option<usize>,
    comment_start: Option<usize>,
    top_comment: bool,
    first_word: [u8; 8],
    /// Where, in the text of the last run, the construct of `state` began.
    opened: Option<usize>,
    variable: bool,
    glued: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            state: State::Initial,
            continuation: None,
            std_strings: true,
            paren_depth: 0,
            begin_depth: 0,
            identifier_count: 0,
            identifiers: [0; 4],
            in_statement: false,
            statement_start: None,
            comment_start: None,
            top_comment: false,
            first_word: [0; 8],
            opened: None,
            variable: false,
            glued: false,
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// `standard_conforming_strings`, as the server last reported it.
    pub(super) fn set_std_strings(&mut self, on: bool) {
        self.std_strings = on;
    }

    /// Whether something other than whitespace and comments was read since the last `;`.
    pub(super) fn in_statement(&self) -> bool {
        self.in_statement
    }

    /// Whether the comment being read lies outside any statement.
    pub(super) fn in_top_comment(&self) -> bool {
        self.top_comment
    }

    /// Whether the statement being read begins with `word` (at most eight lower-case letters).
    pub(super) fn begins_with(&self, word: &[u8]) -> bool {
        let (head, tail) = self.first_word.split_at(word.len().min(8));
        head == word && tail.iter().all(|byte| *byte == 0)
    }

    /// Where in the last run's text a statement began.
    pub(super) fn take_statement_start(&mut self) -> Option<usize> {
        self.statement_start.take()
    }

    /// Where in the last run's text a comment outside any statement began.
    pub(super) fn take_comment_start(&mut self) -> Option<usize> {
        self.comment_start.take()
    }

    /// Where in the last run's text the construct began that [`Self::state`] is in.
    pub(super) fn take_opened(&mut self) -> Option<usize> {
        self.opened.take()
    }

    /// Ends a comment at the end of the dump.
    pub(super) fn end_comment(&mut self) {
        self.top_comment = false;
        self.state = State::Initial;
    }

    /// Whether text was read that `psql` may replace by a variable's value or that its versions
    /// split differently; told once.
    pub(super) fn take_doubt(&mut self) -> Option<&'static str> {
        if std::mem::take(&mut self.variable) {
            self.glued = false;
            return Some(":variable");
        }
        std::mem::take(&mut self.glued).then_some("number followed by a letter")
    }

    /// Reads `text` from `at`; returns where and why it stopped.
    ///
    /// `last` says that nothing follows `text` that its last token could need.
    pub(super) fn run(&mut self, text: &[u8], mut at: usize, last: bool) -> (usize, Stop) {
        loop {
            if at >= text.len() {
                return (at, Stop::More);
            }
            let (next, stop) = match &self.state {
                State::Initial => self.initial(text, at, last),
                State::LineComment => self.line_comment(text, at),
                State::BlockComment { depth } => {
                    let depth = *depth;
                    self.block_comment(text, at, last, depth)
                }
                State::Text(kind) => {
                    let kind = *kind;
                    self.string(text, at, last, kind)
                }
                State::Identifier => self.quoted_identifier(text, at, last),
                State::Dollar { .. } => self.dollar_text(text, at, last),
            };
            at = next;
            if let Some(stop) = stop {
                return (at, stop);
            }
        }
    }

    fn initial(&mut self, text: &[u8], mut at: usize, last: bool) -> (usize, Option<Stop>) {
        while let Some(&byte) = text.get(at) {
            let next = text.get(at + 1).copied();
            if next.is_none() && !last && !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b';')
            {
                return (at, Some(Stop::More));
            }
            match byte {
                b'\n' => {
                    if !self.continuation.is_some_and(|found| found.fresh) {
                        self.continuation = None;
                    }
                    at += 1;
                }
                b' ' | b'\t' | b'\r' | 0x0c => {
                    if let Some(found) = &mut self.continuation {
                        found.fresh = false;
                        found.broken |= byte == b'\r';
                    }
                    at += 1;
                }
                b'-' if next == Some(b'-') => {
                    if let Some(found) = &mut self.continuation {
                        found.fresh = false;
                    }
                    self.open(State::LineComment, at);
                    if !self.in_statement {
                        self.top_comment = true;
                        self.comment_start = Some(at);
                    }
                    return (at + 2, None);
                }
                b'/' if next == Some(b'*') => {
                    self.continuation = None;
                    self.open(State::BlockComment { depth: 0 }, at);
                    return (at + 2, None);
                }
                b'\\' => {
                    self.continuation = None;
                    return (at, Some(Stop::Backslash));
                }
                b';' => {
                    self.continuation = None;
                    self.token(at);
                    at += 1;
                    if self.paren_depth == 0 && self.begin_depth == 0 {
                        self.identifier_count = 0;
                        self.in_statement = false;
                        return (at, Some(Stop::Semicolon));
                    }
                }
                b'\'' => {
                    let kind = match self.continuation.take() {
                        Some(found) if found.broken => found.text,
                        _ => self.plain_text(),
                    };
                    self.token(at);
                    self.open(State::Text(kind), at);
                    return (at + 1, None);
                }
                _ => {
                    self.continuation = None;
                    let from = at;
                    match self.other_token(text, at, byte, last) {
                        Some(next) => at = next,
                        None => return (from, Some(Stop::More)),
                    }
                    self.token(from);
                    if self.state != State::Initial {
                        return (at, None);
                    }
                }
            }
        }
        (at, None)
    }

    /// Tokens that neither end a statement nor are whitespace; `None` where more text is needed.
    fn other_token(&mut self, text: &[u8], at: usize, byte: u8, last: bool) -> Option<usize> {
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

    fn token(&mut self, at: usize) {
        if !self.in_statement {
            self.in_statement = true;
            self.statement_start = Some(at);
            if self.identifier_count == 0 {
                self.first_word = [0; 8];
            }
        }
    }

    fn open(&mut self, state: State, at: usize) {
        self.state = state;
        self.opened = Some(at);
    }

    fn plain_text(&self) -> Text {
        if self.std_strings {
            Text::Plain
        } else {
            Text::Escaped
        }
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
        let routine = matches!(
            self.identifiers,
            [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']
        );
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
        self.variable |= name.first().is_some_and(u8::is_ascii_uppercase)
            && !name.iter().any(u8::is_ascii_lowercase);
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
                self.glued = true;
                return Some(end + 2);
            }
        }
        match real {
            Some(real) if real >= name_end && is(real, is_word_start) => {
                self.glued = true;
                run(real, is_word_part)
            }
            Some(real) if real >= name_end => Some(real),
            _ => {
                self.glued = true;
                Some(name_end)
            }
        }
    }

    fn line_comment(&mut self, text: &[u8], at: usize) -> (usize, Option<Stop>) {
        match memchr2(b'\n', b'\r', text.get(at..).unwrap_or_default()) {
            None => (text.len(), Some(Stop::More)),
            Some(len) => {
                self.state = State::Initial;
                let top = std::mem::take(&mut self.top_comment);
                (at + len, top.then_some(Stop::Comment))
            }
        }
    }

    fn block_comment(
        &mut self,
        text: &[u8],
        mut at: usize,
        last: bool,
        mut depth: u32,
    ) -> (usize, Option<Stop>) {
        while let Some(found) = memchr2(b'*', b'/', text.get(at..).unwrap_or_default()) {
            at += found;
            let pair = (text.get(at).copied(), text.get(at + 1).copied());
            match pair {
                (_, None) if !last => {
                    self.state = State::BlockComment { depth };
                    return (at, Some(Stop::More));
                }
                (Some(b'/'), Some(b'*')) => {
                    depth = depth.saturating_add(1);
                    at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    at += 2;
                    if depth == 0 {
                        self.state = State::Initial;
                        return (at, None);
                    }
                    depth -= 1;
                }
                _ => at += 1,
            }
        }
        self.state = State::BlockComment { depth };
        (text.len(), None)
    }

    fn string(&mut self, text: &[u8], mut at: usize, last: bool, kind: Text) -> (usize, Option<Stop>) {
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let found = match kind {
                Text::Escaped => memchr2(b'\'', b'\\', rest),
                Text::Plain | Text::Bits => memchr(b'\'', rest),
            };
            let Some(found) = found else {
                return (text.len(), None);
            };
            at += found;
            let next = text.get(at + 1).copied();
            if next.is_none() && !last {
                return (at, Some(Stop::More));
            }
            if text.get(at) == Some(&b'\\') || (next == Some(b'\'') && kind != Text::Bits) {
                at = (at + 2).min(text.len());
                continue;
            }
            self.state = State::Initial;
            self.continuation = Some(Continuation {
                text: kind,
                broken: false,
                fresh: true,
            });
            return (at + 1, None);
        }
    }

    fn quoted_identifier(&mut self, text: &[u8], mut at: usize, last: bool) -> (usize, Option<Stop>) {
        loop {
            let Some(found) = memchr(b'"', text.get(at..).unwrap_or_default()) else {
                return (text.len(), None);
            };
            at += found;
            match text.get(at + 1) {
                None if !last => return (at, Some(Stop::More)),
                Some(b'"') => at += 2,
                _ => {
                    self.state = State::Initial;
                    return (at + 1, None);
                }
            }
        }
    }

    fn dollar_text(&mut self, text: &[u8], mut at: usize, last: bool) -> (usize, Option<Stop>) {
        let State::Dollar { tag } = &self.state else {
            return (at, None);
        };
        while let Some(found) = memchr(b'$', text.get(at..).unwrap_or_default()) {
            at += found;
            let rest = text.get(at..).unwrap_or_default();
            if rest.starts_with(tag) {
                at += tag.len();
                self.state = State::Initial;
                return (at, None);
            }
            if rest.len() < tag.len() && !last {
                return (at, Some(Stop::More));
            }
            at += 1;
        }
        (text.len(), None)
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
