//! What `psql` sees where, as found out by asking `psql` 15.18, and what is made of it.

mod forbidden;
mod hostile;
mod lexing;
mod plain;
mod statements;

use std::io::{self, Read};

use super::{Lexer, Piece};

/// A dump by `pg_dump` 15.18 of a database with odd names, rules and function bodies.
const ODD_NAMES: &[u8] = include_bytes!("odd_names.sql");
/// A dump by `pg_dump -E SJIS` whose names hold bytes that look like backslashes.
const SJIS: &[u8] = include_bytes!("sjis.sql");

/// A reader that hands out at most `step` bytes at a time.
struct Steps<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Steps<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.step.min(buffer.len()).min(self.rest.len());
        let (now, later) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.rest = later;
        Ok(count)
    }
}

/// Lexes `text` in reads of `step` bytes and writes the pieces down, neighbours of a kind as one.
fn pieces(text: &[u8], step: usize) -> Vec<String> {
    let mut lexer = Lexer::new(Steps { rest: text, step });
    let mut out: Vec<(char, Vec<u8>)> = Vec::new();
    let mut add = |kind: char, bytes: &[u8]| match out.last_mut() {
        Some((last, text)) if *last == kind && matches!(kind, 'S' | 'R') => {
            text.extend_from_slice(bytes);
        }
        _ => out.push((kind, bytes.to_vec())),
    };
    loop {
        match lexer.next() {
            Ok(None) => break,
            Ok(Some(piece)) => match piece {
                Piece::Sql(bytes) => add('S', bytes),
                Piece::Comment(text) => add('C', text),
                Piece::StatementEnd { text, line, offset, .. } => {
                    add('E', format!("{line}@{offset} ").as_bytes());
                    add('T', text);
                }
                Piece::CopyStart(target) => add('>', target.display().as_bytes()),
                Piece::CopyRows { bytes, .. } => add('R', bytes),
                Piece::CopyEnd { end, rows, terminated } => {
                    add('<', format!("{rows} {terminated} ").as_bytes());
                    add('.', end);
                }
                Piece::MetaCommand { name, text, line, .. } => {
                    add('M', format!("{line} {name}").as_bytes());
                    add('m', text);
                }
            },
            Err(error) => {
                add('!', error.to_string().as_bytes());
                break;
            }
        }
    }
    add('U', format!("{:?} {:?}", lexer.unfinished(), lexer.unclear()).as_bytes());
    out.into_iter()
        .map(|(kind, text)| format!("{kind}{}", String::from_utf8_lossy(&text)))
        .collect()
}

/// The meta-commands that `psql` would see, whole.
fn metas(text: &[u8]) -> Vec<String> {
    of_kind(text, 'm')
}

/// The pieces of one kind, without its letter.
fn of_kind(text: &[u8], kind: char) -> Vec<String> {
    pieces(text, 1 << 16)
        .iter()
        .filter_map(|piece| piece.strip_prefix(kind).map(str::to_owned))
        .collect()
}

/// What a `psql` without restricted mode must not see of `text`.
fn unclear(text: &[u8]) -> Option<(u64, String)> {
    let mut lexer = Lexer::new(text);
    while let Ok(Some(_)) = lexer.next() {}
    lexer.unclear().map(|found| (found.line, found.what.clone()))
}
