//! A cursor that understands the common parts of statements.

use std::iter::Peekable;

use crate::backup::sql::tokens::{Kind, Token, Tokens};

/// A cursor over a statement's tokens.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    tokens: Peekable<Tokens<'a>>,
    last: Option<Token<'a>>,
    encoding: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(statement: &'a [u8], encoding: &'a str) -> Self {
        Self { tokens: Tokens::new(statement).peekable(), last: None, encoding }
    }

    /// The next word in lower case.
    pub(super) fn keyword(&mut self) -> Option<String> {
        let token = self.tokens.next_if(|token| token.kind == Kind::Word)?;
        self.last = Some(token);
        Some(String::from_utf8_lossy(token.text).to_ascii_lowercase())
    }

    pub(super) fn peek_is(&mut self, word: &str) -> bool {
        self.tokens.peek().is_some_and(|token| token.is(word))
    }

    pub(super) fn eat(&mut self, word: &str) -> bool {
        self.eat_any(&[word])
    }

    pub(super) fn eat_any(&mut self, words: &[&str]) -> bool {
        let found = self.tokens.next_if(|token| token.is_any(words));
        if found.is_some() {
            self.last = found;
        }
        found.is_some()
    }

    pub(super) fn eat_byte(&mut self, byte: u8) -> bool {
        self.tokens.next_if(|token| token.is_byte(byte)).is_some()
    }

    /// Whether nothing follows.
    pub(super) fn at_end(&mut self) -> bool {
        self.tokens.peek().is_none()
    }

    /// Passes over `IF EXISTS` and `IF NOT EXISTS`.
    pub(super) fn if_exists(&mut self) {
        if self.eat("if") {
            self.eat("not");
            self.eat("exists");
        }
    }

    /// Goes behind the next of `words` outside parentheses.
    pub(super) fn skip_to(&mut self, words: &[&str]) -> bool {
        let mut depth = 0_i64;
        for token in self.tokens.by_ref() {
            if token.is_byte(b'(') {
                depth += 1;
            } else if token.is_byte(b')') {
                depth -= 1;
            } else if depth <= 0 && token.is_any(words) {
                self.last = Some(token);
                return true;
            }
        }
        false
    }

    /// Whether the last keyword read was `word`.
    pub(super) fn last_was(&self, word: &str) -> bool {
        self.last.is_some_and(|token| token.is(word))
    }

    pub(super) fn name(&mut self) -> Option<String> {
        let name = self.tokens.peek()?.name(self.encoding)?;
        self.tokens.next();
        Some(name)
    }

    pub(super) fn qualified(&mut self) -> Option<(Option<String>, String)> {
        let mut schema = None;
        let mut name = self.name()?;
        while self.eat_byte(b'.') {
            schema = Some(std::mem::replace(&mut name, self.name()?));
        }
        Some((schema, name))
    }

    /// A value of a `SET`: a word, a string or a number.
    pub(super) fn value(&mut self) -> Option<String> {
        let token = self.tokens.next()?;
        match token.kind {
            Kind::Text => token.value(self.encoding),
            Kind::Word | Kind::Quoted => token.name(self.encoding),
            Kind::Other => Some(String::from_utf8_lossy(token.text).into_owned()),
        }
    }

    /// A string literal's value.
    pub(super) fn literal(&mut self) -> Option<String> {
        let value = self.tokens.peek()?.literal(self.encoding)?;
        self.tokens.next();
        Some(value)
    }

    /// A number with its sign.
    pub(super) fn number(&mut self) -> Option<i64> {
        let is_negative = self.eat_byte(b'-');
        let token = self.tokens.next_if(|token| token.kind == Kind::Other)?;
        let number: i64 = std::str::from_utf8(token.text).ok()?.parse().ok()?;
        Some(if is_negative { -number } else { number })
    }

    /// A value of `ALTER ROLE … SET`: a string, a word or a number, as the catalog keeps it.
    pub(super) fn setting_value(&mut self) -> Option<String> {
        let token = *self.tokens.peek()?;
        match token.kind {
            Kind::Text => self.literal(),
            Kind::Word | Kind::Quoted => self.name(),
            Kind::Other => {
                let part = |token: &Token<'_>| {
                    token.kind == Kind::Other
                        && token
                            .text
                            .iter()
                            .all(|byte| byte.is_ascii_digit() || b"+-.".contains(byte))
                };
                let mut number = String::new();
                while let Some(token) = self.tokens.next_if(part) {
                    number.push_str(&String::from_utf8_lossy(token.text));
                }
                (!number.is_empty()).then_some(number)
            }
        }
    }

    /// Passes over everything before the statement's `;`.
    pub(super) fn skip_to_end(&mut self) {
        while self.tokens.next_if(|token| !token.is_byte(b';')).is_some() {}
    }

    pub(super) fn peek_text(&mut self) -> Option<String> {
        self.tokens.peek()?.value(self.encoding)
    }

    /// One role specification; `None` for `PUBLIC`, `CURRENT_USER` and their like.
    pub(super) fn role(&mut self) -> Option<String> {
        self.eat("group");
        let token = *self.tokens.peek()?;
        let name = self.name()?;
        let pseudo = ["public", "current_user", "current_role", "session_user", "user", "all"];
        let word = token.kind == Kind::Word && pseudo.contains(&name.as_str());
        (!word && name != "public").then_some(name)
    }

    /// A list of role specifications.
    pub(super) fn roles(&mut self) -> Option<Vec<String>> {
        let mut roles = Vec::new();
        loop {
            roles.extend(self.role());
            if !self.eat_byte(b',') {
                return Some(roles);
            }
        }
    }
}
