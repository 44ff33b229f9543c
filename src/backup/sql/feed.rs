//! What of a dump is sent to `psql`.

use std::io::{self, Read};

use super::lexer::{LexError, Lexer, Piece};
use super::meta::Purpose;

/// The most that is held back until a statement's end is known.
const HELD: usize = 512 * 1024;

/// A part of what is sent.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the tests compare every field with psql"))]
pub(crate) enum Fragment<'a> {
    /// Bytes for `psql`: SQL text, rows and `\.` lines.
    Bytes(&'a [u8]),
    /// The dump goes on in another database: what follows belongs into a new session there.
    Connect {
        /// The database's name in the dump.
        database: &'a str,
        /// The dump's line, which is line 1 of the new session's input.
        line: u64,
    },
}

/// Why a dump cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    /// The dump cannot be read.
    #[error(transparent)]
    Read(#[from] LexError),
    /// `psql` does not take it.
    #[error("{0}")]
    Sink(io::Error),
    /// A meta-command that is no part of a dump. Inspecting the dump has found it before.
    #[error("line {line}: a psql command in the dump: {text}")]
    Meta {
        /// Its line.
        line: u64,
        /// The command.
        text: String,
    },
    /// A NUL byte, behind which `psql` would lose the line's rest.
    #[error("a NUL byte at offset {offset}")]
    Nul {
        /// Where it lies.
        offset: u64,
    },
}

/// What to put in a statement's place; `None` leaves it.
pub(crate) type Rewrite<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

/// Reads a dump and hands `sink` what `psql` may see of it.
///
/// Dropped meta-commands leave an empty line, and statements rewritten to fewer lines get the
/// missing line ends behind them, so that the lines in psql's messages are those of the dump.
pub(crate) fn feed(
    reader: impl Read,
    rewrite: Option<Rewrite<'_>>,
    sink: &mut dyn FnMut(Fragment<'_>) -> io::Result<()>,
) -> Result<(), FeedError> {
    let mut lexer = Lexer::new(reader);
    let mut held: Vec<u8> = Vec::new();
    loop {
        let Some(piece) = lexer.next()? else {
            send(&held, sink)?;
            return match lexer.nul_at() {
                Some(offset) => Err(FeedError::Nul { offset }),
                None => Ok(()),
            };
        };
        match piece {
            Piece::Sql(bytes) if rewrite.is_some() && held.len() + bytes.len() <= HELD => {
                held.extend_from_slice(bytes);
            }
            Piece::Sql(bytes)
            | Piece::CopyRows { bytes, .. }
            | Piece::CopyEnd { end: bytes, .. } => {
                send(&held, sink)?;
                held.clear();
                send(bytes, sink)?;
            }
            Piece::StatementEnd { text, complete, .. } => {
                if let Some(rewrite) = rewrite
                    && complete
                    && let Some(before) = held.strip_suffix(text)
                    && let Some(new) = rewrite(text)
                {
                    send(before, sink)?;
                    send(&new, sink)?;
                    let lines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count();
                    for _ in lines(&new)..lines(text) {
                        send(b"\n", sink)?;
                    }
                } else {
                    send(&held, sink)?;
                }
                held.clear();
            }
            Piece::MetaCommand { text, purpose, line, .. } => {
                send(&held, sink)?;
                held.clear();
                match purpose {
                    Purpose::Restrict | Purpose::Encoding => {}
                    Purpose::Connect(database) => {
                        sink(Fragment::Connect { database: &database, line })
                            .map_err(FeedError::Sink)?;
                    }
                    Purpose::Other => {
                        let text = text.get(..text.len().min(200)).unwrap_or_default();
                        return Err(FeedError::Meta {
                            line,
                            text: String::from_utf8_lossy(text).into_owned(),
                        });
                    }
                }
            }
            Piece::Comment(_) | Piece::CopyStart(_) => {}
        }
        if let Some(offset) = lexer.nul_at() {
            return Err(FeedError::Nul { offset });
        }
    }
}

fn send(
    bytes: &[u8],
    sink: &mut dyn FnMut(Fragment<'_>) -> io::Result<()>,
) -> Result<(), FeedError> {
    // What holds a NUL byte is not sent; the lexer has seen it too and ends the feed.
    if bytes.is_empty() || memchr::memchr(0, bytes).is_some() {
        return Ok(());
    }
    sink(Fragment::Bytes(bytes)).map_err(FeedError::Sink)
}
