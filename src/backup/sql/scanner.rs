//! The state machine of `psql`'s SQL scanner.
//!
//! The rules are those of PostgreSQL's `src/fe_utils/psqlscan.l` (15; what 13 to 18 do otherwise is
//! named where it matters), written anew as a machine that can stop after any token. It only
//! finds what `psql` acts on: where a statement ends and where a backslash begins a meta-command.

mod quotes;
mod words;

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
    doubt: Option<(usize, &'static str)>,
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
            doubt: None,
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

    /// The first text in the last run that `psql` may replace by a variable's value or that its
    /// versions split differently.
    pub(super) fn take_doubt(&mut self) -> Option<(usize, &'static str)> {
        self.doubt.take()
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
            if next.is_none()
                && !last
                && !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b';')
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
        if self.std_strings { Text::Plain } else { Text::Escaped }
    }
}
