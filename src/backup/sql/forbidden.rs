//! Statements that no backup tool writes and that reach past their database.
//!
//! Looked for in the tokens, as the server would cut them, so that strings, comments, function bodies
//! and names are what they are. What a function or a `DO` block does when it runs is not seen here.

use std::iter::Peekable;

use memchr::memchr;

use super::tokens::{Kind, Token, Tokens};

/// Whether a look at a statement's tokens is worth its time: whether it may be [`forbidden`]. `CREATE`: what psql takes for the body
/// of a function may be statements to the server.
pub(super) fn may_be(text: &[u8]) -> bool {
    let begins =
        |word: &[u8]| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    begins(b"copy")
        || begins(b"alter")
        || begins(b"create")
        || !text.first().is_some_and(u8::is_ascii_alphabetic)
}

/// The kind of the first such statement in `text`, never its words: a program's command line may
/// hold secrets.
///
/// `text` may hold several statements: the server runs each of them, whatever psql takes them for.
pub(crate) fn forbidden(text: &[u8]) -> Option<&'static str> {
    let found = first(Tokens::new(text));
    if found.is_none() && memchr(b'\\', text).is_some() {
        // Which of the two the server does depends on a setting that anything may have changed.
        return first(Tokens::with_escapes(text));
    }
    found
}

fn first<'a>(tokens: Tokens<'a>) -> Option<&'static str> {
    // A vertical tab is whitespace since 16.
    let mut tokens = tokens.filter(|token: &Token<'a>| !token.is_byte(0x0b)).peekable();
    while tokens.peek().is_some() {
        if let Some(kind) = statement(&mut tokens) {
            return Some(kind);
        }
        let _ = tokens.find(|token| token.is_byte(b';'));
    }
    None
}

/// Reads a statement's first words.
fn statement<'a>(tokens: &mut Peekable<impl Iterator<Item = Token<'a>>>) -> Option<&'static str> {
    let is_stray = |token: &Token<'_>| token.kind == Kind::Other && !token.is_byte(b';');
    while tokens.next_if(is_stray).is_some() {}
    if tokens.next_if(|token| token.is("copy")).is_some() {
        copy(tokens)
    } else if tokens.next_if(|token| token.is("alter")).is_some() {
        tokens.next_if(|token| token.is("system")).map(|_| "ALTER SYSTEM")
    } else {
        None
    }
}

/// `COPY name [(columns)] | (query) FROM | TO [PROGRAM] 'x' | STDIN | STDOUT`
/// (`CopyStmt` in `src/backend/parser/gram.y`).
fn copy<'a>(tokens: &mut Peekable<impl Iterator<Item = Token<'a>>>) -> Option<&'static str> {
    let mut depth = 0_i64;
    let mut is_name = false;
    while let Some(token) = tokens.next_if(|token| !token.is_byte(b';')) {
        // Behind a dot every keyword is a name.
        let is_keyword = !std::mem::replace(&mut is_name, token.is_byte(b'.')) && depth <= 0;
        if token.is_byte(b'(') {
            depth += 1;
        } else if token.is_byte(b')') {
            depth -= 1;
        } else if is_keyword && token.is_any(&["from", "to"]) {
            let is_to = token.is("to");
            let target = tokens.next_if(|token| !token.is_byte(b';'))?;
            return match target.kind {
                Kind::Word if target.is("program") && is_to => Some("COPY … TO PROGRAM"),
                Kind::Word if target.is("program") => Some("COPY … FROM PROGRAM"),
                // STDIN, STDOUT, or an error.
                Kind::Word | Kind::Quoted => None,
                Kind::Text | Kind::Other if is_to => Some("COPY … TO a file of the server"),
                Kind::Text | Kind::Other => Some("COPY … FROM a file of the server"),
            };
        }
    }
    None
}
