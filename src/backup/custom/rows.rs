//! Counts the rows of `COPY … FROM stdin` data in text format while they stream by.

use super::DamageKind;

/// Longest piece looked at in one go; small enough for the processor's first cache.
const BLOCK: usize = 16 * 1024;

/// Counts lines up to the line `\.`, which `dumpTableData_copy` in `pg_dump.c` writes after the
/// rows, with two empty lines behind it. A row never spans lines: `COPY` escapes newlines.
#[derive(Debug)]
pub(super) struct Rows {
    rows: u64,
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At a line's first byte.
    LineStart,
    /// After a backslash that begins a line.
    Backslash,
    /// After `\.` that begins a line.
    Mark,
    /// Within a line that cannot be the mark.
    Line,
    /// After the mark's line.
    Done,
    /// After `\.` with something behind it, which the server refuses.
    BadMark,
    /// After something behind the mark's line, which a restore would leave out.
    Leftover,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self { rows: 0, at: At::LineStart }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            self.at = match (self.at, first) {
                (At::Line, _) => {
                    bytes = self.within_line(bytes);
                    continue;
                }
                (At::LineStart | At::Backslash, b'\n') => {
                    self.rows += 1;
                    At::LineStart
                }
                (At::LineStart, b'\\') => At::Backslash,
                (At::Backslash, b'.') => At::Mark,
                (At::LineStart | At::Backslash, _) => At::Line,
                (At::Mark | At::Done, b'\n') => At::Done,
                (At::Mark, _) => At::BadMark,
                (At::Done, _) => At::Leftover,
                (At::BadMark | At::Leftover, _) => return,
            };
            bytes = rest;
        }
    }

    /// Takes a block that begins within a line and may hold many; gives back what follows it.
    fn within_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (block, rest) = bytes.split_at(bytes.len().min(BLOCK));
        if has_mark(block)
            && let Some(newline) = block.windows(3).position(|window| window == b"\n\\.")
        {
            self.rows += newlines(&block[..=newline]);
            self.at = At::Mark;
            return &bytes[newline + 3..];
        }
        self.rows += newlines(block);
        self.at = match block {
            [.., b'\n'] => At::LineStart,
            [.., b'\n', b'\\'] => At::Backslash,
            _ => At::Line,
        };
        rest
    }

    /// The number of rows, once all data went by.
    pub(super) fn finish(&self) -> Result<u64, (DamageKind, &'static str)> {
        match self.at {
            At::Done => Ok(self.rows),
            At::BadMark => Err((DamageKind::Corrupt, r"a line that begins with \. has more to it")),
            At::Leftover => Err((DamageKind::Corrupt, r"data follow the line \. that ends them")),
            _ => Err((DamageKind::Truncated, r"the line \. that ends the rows is missing")),
        }
    }
}

// The two functions below have no early exit, so that the compiler makes vector code of them.

fn newlines(bytes: &[u8]) -> u64 {
    let count = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
    bytes.chunks(224).map(|chunk| u64::from(count(chunk))).sum()
}

fn has_mark(bytes: &[u8]) -> bool {
    let (Some(second), Some(third)) = (bytes.get(1..), bytes.get(2..)) else {
        return false;
    };
    let triples = bytes.iter().zip(second).zip(third);
    triples.fold(0, |found, ((first, second), third)| {
        found | (u8::from(*first == b'\n') & u8::from(*second == b'\\') & u8::from(*third == b'.'))
    }) != 0
}
