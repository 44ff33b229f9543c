//! Walks a tar archive as it streams by: one header, one member's data, the next.
//!
//! POSIX.1-2001 ustar and pax headers, GNU's long names and base-256 numbers, and the headers of
//! Version 7. Memory is bounded whatever the archive says. Of two sources of one fact, a pax record
//! and the header it belongs to, neither is believed where they contradict each other: another
//! program would restore another file.

mod header;
mod pax;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

use self::header::Header;
pub(crate) use self::header::is_header;
use self::pax::Records;

const BLOCK: usize = 512;
/// Extended headers and long names beyond this are in no archive of files (Go's limit, too).
const EXTENSION_LIMIT: u64 = 1024 * 1024;
/// Where old GNU headers, and the blocks behind them, say that the map of holes goes on in a block.
const HEADER_MAP_GOES_ON: usize = 482;
const MAP_GOES_ON: usize = 504;
/// Two blocks of zeros end an archive.
const END_BYTES: u64 = 1024;

/// What kind of member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A file whose holes are left out, in one of GNU tar's ways.
    Sparse,
    /// Not to be touched, for this reason.
    Unsafe(&'static str),
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TarMember {
    /// Its name as it stands there.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// The bytes of its data.
    pub(crate) bytes: u64,
}

/// How an archive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With its end mark, and nothing but zeros behind it.
    Whole,
    /// Without the two blocks of zeros.
    Unmarked,
    /// Members or a second archive follow behind a block of zeros.
    GoesOn,
}

/// Walks an archive. Reading from it gives the data of the member that [`TarReader::next`] gave.
pub(crate) struct TarReader<R> {
    reader: R,
    /// Bytes of the member's data that nobody has read.
    left: u64,
    /// Bytes that fill its last block.
    padding: u64,
    /// Zeros that were read where a member could have begun.
    zeros: u64,
    has_ended: bool,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, left: 0, padding: 0, zeros: 0, has_ended: false }
    }

    /// Steps over what is left of the member and reads the next header; `None` at the end.
    ///
    /// # Errors
    ///
    /// The reader's; `UnexpectedEof` for an end within a member or a header; `InvalidData` for what
    /// is no header. Nothing behind an error can be read.
    pub(crate) fn next(&mut self) -> io::Result<Option<TarMember>> {
        let mut long_name = None;
        let mut records = Records::default();
        let mut is_announced = false;
        loop {
            self.skip_member()?;
            let Some(block) = self.block()? else {
                return if is_announced { Err(cut("behind an extended header")) } else { Ok(None) };
            };
            is_announced = true;
            let header = Header::parse(&block)?;
            self.expect(header.bytes);
            match header.typeflag {
                b'x' | b'X' => records = Records::parse(&self.extension()?)?,
                b'g' => {
                    is_announced = false;
                    if Records::parse(&self.extension()?)?.names_a_member() {
                        let kind = Kind::Unsafe("a global header that renames or resizes members");
                        return Ok(Some(TarMember { name: header.name, kind, bytes: 0 }));
                    }
                }
                b'L' => {
                    let mut name = self.extension()?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    long_name = Some(name);
                }
                // The target of a link; a volume's label.
                b'K' => drop(self.extension()?),
                b'V' => is_announced = false,
                typeflag => {
                    if typeflag == b'S' {
                        self.skip_map(block[HEADER_MAP_GOES_ON])?;
                    }
                    let member = records.apply(header, long_name)?;
                    self.expect(member.bytes);
                    return Ok(Some(member));
                }
            }
        }
    }

    /// The reader, somewhere in the archive.
    pub(crate) fn into_inner(self) -> R {
        self.reader
    }

    /// Reads what is behind the end mark, to the last byte.
    ///
    /// # Errors
    ///
    /// The reader's.
    pub(crate) fn finish(mut self) -> io::Result<End> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = match self.reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer[..count].iter().any(|byte| *byte != 0) {
                io::copy(&mut self.reader, &mut io::sink())?;
                return Ok(End::GoesOn);
            }
            self.zeros += count as u64;
        }
        Ok(if self.zeros < END_BYTES { End::Unmarked } else { End::Whole })
    }

    /// The blocks between the header of a sparse member and its data.
    fn skip_map(&mut self, mut goes_on: u8) -> io::Result<()> {
        while goes_on != 0 {
            goes_on = self.block()?.ok_or_else(|| cut("inside a header"))?[MAP_GOES_ON];
        }
        Ok(())
    }

    fn expect(&mut self, bytes: u64) {
        self.left = bytes;
        self.padding = (BLOCK as u64 - bytes % BLOCK as u64) % BLOCK as u64;
    }

    fn skip_member(&mut self) -> io::Result<()> {
        let behind = self.left.saturating_add(self.padding);
        let skipped = io::copy(&mut (&mut self.reader).take(behind), &mut io::sink())?;
        (self.left, self.padding) = (0, 0);
        if skipped == behind { Ok(()) } else { Err(cut("inside a member")) }
    }

    /// The next block; none where the archive or its input ends.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while !self.has_ended && filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) => self.has_ended = true,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            self.zeros += filled as u64;
            self.has_ended = true;
            return Ok(None);
        }
        if filled == BLOCK { Ok(Some(block)) } else { Err(cut("inside a header")) }
    }

    /// The data of a header that speaks of the next one.
    fn extension(&mut self) -> io::Result<Vec<u8>> {
        if self.left > EXTENSION_LIMIT {
            let what = format!("an extended header of {} bytes", self.left);
            return Err(broken(&what));
        }
        let mut text = Vec::new();
        let wanted = self.left;
        self.read_to_end(&mut text)?;
        if text.len() as u64 == wanted { Ok(text) } else { Err(cut("inside an extended header")) }
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(cut("inside a member"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn cut(place: &str) -> io::Error {
    let text = format!("unexpected end of the tar archive, {place}");
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a tar archive with {what}"))
}
