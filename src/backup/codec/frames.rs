//! The frames of zstd and LZ4 data, followed byte by byte.
//!
//! Decoders differ in what they make of an input that ends between two blocks, of a lone magic
//! number, or of bytes behind the last frame; `lz4_flex` takes some of these for a good end. This
//! reader knows the frames' structure (RFC 8878 §3.1 and `lz4_Frame_format.md`), hands the bytes of
//! whole frames down, and reports every other end.

use std::io::{self, BufRead, Read};

use crate::backup::meter::{Halt, Meter};

/// The largest window that zstd's own program accepts unless it is told to take more.
const WINDOW_LIMIT: u64 = 128 * 1024 * 1024;
/// `0x184D2A5?`: frames that decoders skip, the same in both formats.
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Zstd,
    Lz4,
}

impl Format {
    fn magic(self) -> u32 {
        match self {
            Self::Zstd => 0xFD2F_B528,
            Self::Lz4 => 0x184D_2204,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }
}

/// What comes when the bytes at hand have been passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Frame,
    Block,
    /// The last block has passed: what the frame's header announced to follow it.
    Checksum,
    End,
}

/// Passes the bytes of whole frames on; skippable ones are left out.
pub(super) struct FrameReader<R> {
    reader: R,
    format: Format,
    meter: Meter,
    next: Next,
    /// A header that has been looked at and is still to be passed on.
    header: Vec<u8>,
    header_at: usize,
    /// Bytes to pass on unseen.
    left: u64,
    content_checksum: bool,
    block_checksums: bool,
    frames: u64,
    unchecked_frames: u64,
}

impl<R: BufRead> FrameReader<R> {
    pub(super) fn new(reader: R, format: Format, meter: Meter) -> Self {
        Self {
            reader,
            format,
            meter,
            next: Next::Frame,
            header: Vec::new(),
            header_at: 0,
            left: 0,
            content_checksum: false,
            block_checksums: false,
            frames: 0,
            unchecked_frames: 0,
        }
    }

    /// Whether the last frame has ended, and the input with it.
    pub(super) fn has_ended(&self) -> bool {
        self.next == Next::End
    }

    /// Whether every frame so far has a checksum of its data.
    pub(super) fn is_checked(&self) -> bool {
        self.frames > 0 && self.unchecked_frames == 0
    }

    fn cut(&self) -> io::Error {
        let text = format!("unexpected end of the {} data, inside a frame", self.format.name());
        io::Error::new(io::ErrorKind::UnexpectedEof, text)
    }

    fn broken(&self, what: &str) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} data with {what}", self.format.name()),
        )
    }

    /// Takes the next bytes of a header; they are passed on, too.
    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let at = self.header.len();
        self.header.resize(at + count, 0);
        match self.reader.read_exact(&mut self.header[at..]) {
            Ok(()) => Ok(&self.header[at..]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.cut()),
            Err(error) => Err(error),
        }
    }

    fn number(&mut self, bytes: usize) -> io::Result<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn advance(&mut self) -> io::Result<()> {
        self.header.clear();
        self.header_at = 0;
        match self.next {
            Next::Frame => self.frame(),
            Next::Block if self.format == Format::Zstd => self.zstd_block(),
            Next::Block => self.lz4_block(),
            Next::Checksum => {
                self.left = 4;
                self.next = Next::Frame;
                Ok(())
            }
            Next::End => Ok(()),
        }
    }

    fn frame(&mut self) -> io::Result<()> {
        if self.reader.fill_buf()?.is_empty() {
            self.next = Next::End;
            return Ok(());
        }
        let magic = u32::try_from(self.number(4)?).unwrap_or_default();
        if SKIPPABLE.contains(&magic) {
            let length = self.number(4)?;
            self.header.clear();
            let skipped = io::copy(&mut (&mut self.reader).take(length), &mut io::sink())?;
            return if skipped == length { Ok(()) } else { Err(self.cut()) };
        }
        if magic != self.format.magic() {
            return Err(self.broken("bytes behind its last frame that belong to none"));
        }
        match self.format {
            Format::Zstd => self.zstd_header()?,
            Format::Lz4 => self.lz4_header()?,
        }
        self.frames += 1;
        self.unchecked_frames += u64::from(!self.content_checksum && !self.block_checksums);
        self.next = Next::Block;
        Ok(())
    }

    fn zstd_header(&mut self) -> io::Result<()> {
        let flags = self.number(1)?;
        let is_single = flags & 0x20 != 0;
        self.content_checksum = flags & 4 != 0;
        let mut window = 0;
        if !is_single {
            let descriptor = self.number(1)?;
            let base = 1u64 << (10 + (descriptor >> 3));
            window = base + base / 8 * (descriptor & 7);
        }
        let dictionary = self.number([0, 1, 2, 4][(flags & 3) as usize])?;
        let size = self.number([usize::from(is_single), 2, 4, 8][(flags >> 6) as usize])?;
        if is_single {
            window = size;
        }
        if window > WINDOW_LIMIT {
            let why = format!("its zstd data need a window of {window} bytes (zstd --long)");
            return Err(self.meter.stop(Halt::Unsupported(why)));
        }
        if dictionary != 0 {
            let why = format!("its zstd data need the dictionary {dictionary}");
            return Err(self.meter.stop(Halt::Unsupported(why)));
        }
        Ok(())
    }

    fn zstd_block(&mut self) -> io::Result<()> {
        let header = self.number(3)?;
        self.left = match header >> 1 & 3 {
            0 | 2 => header >> 3,
            1 => 1,
            _ => return Err(self.broken("a block of no known type")),
        };
        if header & 1 != 0 {
            self.end_of_blocks();
        }
        Ok(())
    }

    fn lz4_header(&mut self) -> io::Result<()> {
        let flags = self.number(1)?;
        self.content_checksum = flags & 4 != 0;
        self.block_checksums = flags & 0x10 != 0;
        let size = if flags & 8 != 0 { 8 } else { 0 };
        let dictionary = if flags & 1 != 0 { 4 } else { 0 };
        // The block size, both of these, and the header's checksum.
        self.take(1 + size + dictionary + 1)?;
        if dictionary > 0 {
            let why = "its lz4 data need a dictionary".to_owned();
            return Err(self.meter.stop(Halt::Unsupported(why)));
        }
        Ok(())
    }

    fn lz4_block(&mut self) -> io::Result<()> {
        let header = self.number(4)?;
        if header == 0 {
            self.end_of_blocks();
        } else {
            self.left = (header & 0x7fff_ffff) + if self.block_checksums { 4 } else { 0 };
        }
        Ok(())
    }

    fn end_of_blocks(&mut self) {
        self.next = if self.content_checksum { Next::Checksum } else { Next::Frame };
    }
}

impl<R: BufRead> Read for FrameReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let header = &self.header[self.header_at..];
            if !header.is_empty() {
                let count = header.len().min(buffer.len());
                buffer[..count].copy_from_slice(&header[..count]);
                self.header_at += count;
                return Ok(count);
            }
            if self.left > 0 {
                let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
                let count = self.reader.read(&mut buffer[..wanted])?;
                if count == 0 && wanted > 0 {
                    return Err(self.cut());
                }
                self.left -= count as u64;
                return Ok(count);
            }
            if self.has_ended() || buffer.is_empty() {
                return Ok(0);
            }
            self.advance()?;
        }
    }
}
