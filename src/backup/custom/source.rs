//! The bytes of an archive, in order, and the primitives made of them.

use std::io::{ErrorKind, Read};

use super::{Damage, DamageKind};

const BUFFER: usize = crate::backup::buffer_bytes(64 * 1024);

/// Why reading cannot go on.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) kind: DamageKind,
    pub(super) offset: u64,
    pub(super) detail: String,
}

impl Stop {
    pub(super) fn corrupt(offset: u64, detail: impl Into<String>) -> Self {
        Self { kind: DamageKind::Corrupt, offset, detail: detail.into() }
    }

    pub(super) fn into_damage(self, entry: Option<String>) -> Damage {
        Damage { kind: self.kind, offset: self.offset, entry, detail: self.detail }
    }
}

/// A buffered reader that knows its offset and how the archive writes integers.
pub(super) struct Source<'a> {
    reader: &'a mut dyn Read,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
    ended: bool,
    failed: bool,
    part: &'static str,
    int_size: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(reader: &'a mut dyn Read) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            ended: false,
            failed: false,
            part: "header",
            int_size: 4,
        }
    }

    /// Says which part of the archive comes now, for messages.
    pub(super) fn enter(&mut self, part: &'static str) {
        self.part = part;
    }

    pub(super) fn set_int_size(&mut self, int_size: usize) {
        self.int_size = int_size;
    }

    /// The offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes, at most `limit` of them; none only at the end.
    pub(super) fn peek(&mut self, limit: u64) -> Result<&[u8], Stop> {
        if self.start == self.end && !self.ended {
            self.fill()?;
        }
        let available = self.end - self.start;
        let take = usize::try_from(limit).map_or(available, |limit| limit.min(available));
        Ok(&self.buffer[self.start..self.start + take])
    }

    /// Steps over bytes that [`Source::peek`] gave.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    fn fill(&mut self) -> Result<(), Stop> {
        loop {
            match self.reader.read(&mut self.buffer) {
                Ok(count) => {
                    self.start = 0;
                    self.end = count.min(self.buffer.len());
                    self.ended = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failed = true;
                    let kind = match error.kind() {
                        ErrorKind::UnexpectedEof => DamageKind::Truncated,
                        _ => DamageKind::Io,
                    };
                    let detail = format!("cannot be read in its {}: {error}", self.part);
                    return Err(Stop { kind, offset: self.offset, detail });
                }
            }
        }
    }

    /// Reads what is left, so that the offset becomes the dump's size.
    pub(super) fn drain(&mut self) -> Result<(), Stop> {
        while !self.failed {
            let count = self.peek(u64::MAX)?.len();
            if count == 0 {
                break;
            }
            self.consume(count);
        }
        Ok(())
    }

    /// The finding for an end where more bytes have to come.
    pub(super) fn early_end(&self) -> Stop {
        let detail = format!("the dump ends in the middle of its {}", self.part);
        Stop { kind: DamageKind::Truncated, offset: self.offset, detail }
    }

    /// The finding for a part that would take more memory than it may.
    pub(super) fn too_large(&self, offset: u64) -> Stop {
        let detail = format!(
            "its {} is too large to be read here: test it with pg_restore, or dump the database in \
             parts (pg_dump --schema, --table)",
            self.part
        );
        Stop { kind: DamageKind::TooLarge, offset, detail }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        if self.start == self.end && self.peek(1)?.is_empty() {
            return Err(self.early_end());
        }
        let byte = self.buffer[self.start];
        self.consume(1);
        Ok(byte)
    }

    /// An unsigned number of `size` bytes (at most 8), the lowest first.
    pub(super) fn little_endian(&mut self, size: usize) -> Result<u64, Stop> {
        let mut number = [0; 8];
        let buffered = self.buffer[self.start..self.end].get(..size);
        if let (Some(bytes), Some(number)) = (buffered, number.get_mut(..size)) {
            number.copy_from_slice(bytes);
            self.consume(size);
        } else {
            for byte in number.iter_mut().take(size) {
                *byte = self.byte()?;
            }
        }
        Ok(u64::from_le_bytes(number))
    }

    /// `ReadInt`: a sign byte, then the absolute value. The result fits PostgreSQL's `int`.
    pub(super) fn int(&mut self) -> Result<i64, Stop> {
        let offset = self.offset;
        let sign = self.byte()?;
        let absolute = self.little_endian(self.int_size)?;
        let value = match (sign, i64::try_from(absolute)) {
            (0, Ok(absolute)) => absolute,
            // `WriteInt` knows no negative 0.
            (1, Ok(absolute @ 1..)) => -absolute,
            _ => return Err(self.no_number(offset)),
        };
        match i32::try_from(value) {
            Ok(value) => Ok(i64::from(value)),
            Err(_) => Err(self.no_number(offset)),
        }
    }

    fn no_number(&self, offset: u64) -> Stop {
        Stop::corrupt(offset, format!("no valid number where its {} has one", self.part))
    }

    /// `ReadStr`: a length, then so many bytes; `None` for the length -1. Strings longer than
    /// `limit` are not read; memory grows only with the bytes that are really there.
    pub(super) fn string(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Stop> {
        let offset = self.offset;
        let length = self.int()?;
        if length == -1 {
            return Ok(None);
        }
        let Ok(mut left) = u64::try_from(length) else {
            return Err(Stop::corrupt(offset, format!("a text of {length} bytes")));
        };
        let mut text = Vec::new();
        while left > 0 {
            let part = self.peek(left)?;
            let count = part.len();
            if count == 0 {
                return Err(self.early_end());
            }
            if text.len() + count > limit {
                return Err(self.too_large(offset));
            }
            text.extend_from_slice(part);
            self.consume(count);
            left -= count as u64;
        }
        Ok(Some(text))
    }
}
