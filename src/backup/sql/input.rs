//! The window on a dump that the lexer looks through.

use std::io::{self, Read};

use super::mask::Mask;

/// What is read at once.
const CHUNK: usize = crate::backup::buffer_bytes(256 * 1024);
/// The most that one token may need. Names are cut at 63 bytes by the server, dollar tags and
/// numbers are shorter still; strings, comments and rows are not held whole.
const MOST: usize = 1024 * 1024;

/// A growing and sliding buffer over a reader.
pub(super) struct Input<R> {
    reader: R,
    raw: Vec<u8>,
    /// The same bytes as `raw` with hidden multibyte tails; empty where nothing needs hiding.
    hidden: Vec<u8>,
    mask: Option<Mask>,
    len: usize,
    start: usize,
    /// Where `raw[0]` lies in the dump.
    base: u64,
    line: u64,
    eof: bool,
    failed: Option<io::Error>,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            raw: vec![0; CHUNK],
            hidden: Vec::new(),
            mask: None,
            len: 0,
            start: 0,
            base: 0,
            line: 1,
            eof: false,
            failed: None,
        }
    }

    /// What is buffered, from the first byte not yet consumed.
    pub(super) fn rest(&self) -> &[u8] {
        self.raw.get(self.start..self.len).unwrap_or_default()
    }

    /// As [`Self::rest`], as psql's scanner sees it.
    pub(super) fn rest_for_scanner(&self) -> &[u8] {
        if self.mask.is_some() {
            self.hidden.get(self.start..self.len).unwrap_or_default()
        } else {
            self.rest()
        }
    }

    /// Bytes by their place in the buffer; valid until the next [`Self::fill`].
    pub(super) fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.raw.get(from..to).unwrap_or_default()
    }

    /// Where in the buffer the next byte lies.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Whether the reader has ended; the buffer may still hold bytes.
    pub(super) fn eof(&self) -> bool {
        self.eof
    }

    /// The line of the next byte, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Where in the dump the next byte lies.
    pub(super) fn offset(&self) -> u64 {
        self.base + as_u64(self.start)
    }

    /// Consumes `count` bytes.
    pub(super) fn advance(&mut self, count: usize) {
        let to = (self.start + count).min(self.len);
        self.line += newlines(self.slice(self.start, to));
        self.start = to;
    }

    /// Reads more; `Ok(false)` where one token fills all the buffer it may have.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.eof {
            return Ok(true);
        }
        if self.start > 0 {
            self.raw.copy_within(self.start..self.len, 0);
            if self.mask.is_some() {
                self.hidden.copy_within(self.start..self.len, 0);
            }
            self.base += as_u64(self.start);
            self.len -= self.start;
            self.start = 0;
        }
        if self.len == self.raw.len() {
            if self.len >= MOST {
                return Ok(false);
            }
            self.raw.resize(self.len * 2, 0);
        }
        if let Some(error) = self.failed.take() {
            // Whoever reads on must not take this for the end of a whole dump.
            self.failed = Some(io::Error::new(error.kind(), error.to_string()));
            return Err(error);
        }
        // What is pending is looked at again after this, so at least as much should be new.
        let enough = self.len.max(1);
        let mut got = 0;
        while got < enough {
            let space = self.raw.get_mut(self.len + got..).unwrap_or_default();
            if space.is_empty() {
                break;
            }
            match self.reader.read(space) {
                Ok(0) => {
                    self.eof = true;
                    break;
                }
                Ok(count) => got += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // What came before the failure is read first. A reader need not fail twice.
                    self.failed = Some(error);
                    break;
                }
            }
        }
        let from = self.len;
        self.len = (self.len + got).min(self.raw.len());
        self.hide_from(from);
        Ok(true)
    }

    /// Hides multibyte tails from here on as `mask` says. Must be called at the start of a line.
    pub(super) fn set_mask(&mut self, mask: Option<Mask>) {
        self.mask = mask;
        self.hide_from(self.start);
    }

    fn hide_from(&mut self, from: usize) {
        let Some(mask) = &mut self.mask else { return };
        self.hidden.resize(self.raw.len(), 0);
        let fresh = self.raw.get(from..self.len).unwrap_or_default();
        if let Some(space) = self.hidden.get_mut(from..self.len) {
            space.copy_from_slice(fresh);
            mask.hide(space);
        }
    }
}

/// The number of line ends in `bytes`.
pub(super) fn newlines(bytes: &[u8]) -> u64 {
    as_u64(memchr::memchr_iter(b'\n', bytes).count())
}

/// `usize` is never wider than 64 bits on the systems Rust knows.
pub(super) fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
