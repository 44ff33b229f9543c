//! The streams in data blocks: chunks, mostly compressed (`compress_gzip.c`, `compress_lz4.c` and
//! `compress_zstd.c` in PostgreSQL's `src/bin/pg_dump`).
//!
//! Each stream is one zlib stream, LZ4 frame or Zstandard frame, no more and no less. What decodes
//! them is made once and used for all streams of a dump: it may have many thousands of them.

use std::io::{self, BufRead as _, Read};

use flate2::{Decompress, FlushDecompress, Status};
use lz4_flex::frame::FrameDecoder;
use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::source::{Source, Stop};
use super::{Compression, DamageKind};
use crate::backup::meter::Meter;

const OUTPUT: usize = crate::backup::buffer_bytes(64 * 1024);
/// Handed to a decoder at once: before PostgreSQL 17 a chunk has 4 KiB, and each call of a decoder
/// costs it a copy of its window.
const INPUT: usize = crate::backup::buffer_bytes(64 * 1024);
/// The largest window that `pg_dump` writes and that `pg_restore` reads
/// (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`): 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// One stream's chunks, each a length and so many bytes, up to the length 0.
pub(super) struct Chunks<'s, 'b> {
    source: &'s mut Source<'b>,
    /// Bytes left of the chunk.
    left: u64,
    stored_bytes: u64,
    has_ended: bool,
    /// Somebody has read on where nothing is left.
    was_short: bool,
    stop: Option<Stop>,
}

impl<'s, 'b> Chunks<'s, 'b> {
    pub(super) fn new(source: &'s mut Source<'b>) -> Self {
        Self { source, left: 0, stored_bytes: 0, has_ended: false, was_short: false, stop: None }
    }

    /// The next bytes of the stream; none only at its end. An error means that the next chunk
    /// cannot be found.
    fn part(&mut self) -> Result<&[u8], Stop> {
        if self.left == 0 && !self.has_ended {
            let offset = self.source.offset();
            let length = self.source.int()?;
            let Ok(length) = u64::try_from(length) else {
                return Err(Stop::corrupt(offset, format!("a chunk of {length} bytes")));
            };
            self.left = length;
            self.stored_bytes += length;
            self.has_ended = length == 0;
        }
        if self.has_ended {
            return Ok(&[]);
        }
        if self.source.peek(self.left)?.is_empty() {
            return Err(self.source.early_end());
        }
        self.source.peek(self.left)
    }

    fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.left -= count as u64;
    }

    /// Adds bytes of the stream to `input` until it holds [`INPUT`], or the stream has ended.
    fn gather(&mut self, input: &mut Vec<u8>) -> Result<(), Stop> {
        while input.len() < INPUT {
            let room = INPUT - input.len();
            let part = self.part()?;
            let count = part.len().min(room);
            if count == 0 {
                break;
            }
            input.extend_from_slice(&part[..count]);
            self.consume(count);
        }
        Ok(())
    }

    /// Steps over what is left; gives the sum of all chunks.
    pub(super) fn finish(mut self) -> Result<u64, Stop> {
        loop {
            match self.part()?.len() {
                0 => return Ok(self.stored_bytes),
                count => self.consume(count),
            }
        }
    }
}

impl Read for Chunks<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.part() {
            Ok(part) => {
                let count = part.len().min(buffer.len());
                buffer[..count].copy_from_slice(&part[..count]);
                self.consume(count);
                self.was_short |= count == 0 && !buffer.is_empty();
                Ok(count)
            }
            Err(stop) => {
                let error = io::Error::other(stop.detail.clone());
                self.stop = Some(stop);
                Err(error)
            }
        }
    }
}

/// The number of bytes that a stream holds, or what is wrong with it.
pub(super) type Decoded = Result<u64, String>;

/// Decodes streams, one after the other.
pub(super) struct Decoders {
    zlib: Option<Decompress>,
    zstd: Option<Decoder<'static>>,
    buffers: Buffers,
    meter: Meter,
}

struct Buffers {
    input: Vec<u8>,
    output: Box<[u8]>,
}

impl Decoders {
    /// What they make is counted on `meter`.
    pub(super) fn new(meter: Meter) -> Self {
        let buffers = Buffers {
            input: Vec::with_capacity(INPUT),
            output: vec![0; OUTPUT].into_boxed_slice(),
        };
        Self { zlib: None, zstd: None, buffers, meter }
    }

    /// Decodes a stream into `sink`, to its end or to where it is broken.
    pub(super) fn decode(
        &mut self,
        compression: Compression,
        chunks: &mut Chunks,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Decoded, Stop> {
        match compression {
            Compression::None => copy(chunks, sink).map(Ok),
            Compression::Gzip => {
                let zlib = self.zlib.get_or_insert_with(|| Decompress::new(true));
                zlib.reset(true);
                run(
                    &mut |input, output| inflate(zlib, input, output),
                    "zlib stream",
                    chunks,
                    &mut self.buffers,
                    &self.meter,
                    sink,
                )
            }
            Compression::Zstd => {
                let zstd = match zstd_decoder(&mut self.zstd) {
                    Ok(zstd) => zstd,
                    Err(error) => return Ok(Err(format!("no decoder for zstd: {error}"))),
                };
                run(
                    &mut |input, output| unpack(zstd, input, output),
                    "zstd frame",
                    chunks,
                    &mut self.buffers,
                    &self.meter,
                    sink,
                )
            }
            Compression::Lz4 => lz4(chunks, &self.meter, sink),
        }
    }
}

fn copy(chunks: &mut Chunks, sink: &mut dyn FnMut(&[u8])) -> Result<u64, Stop> {
    let mut bytes = 0;
    loop {
        let part = chunks.part()?;
        let count = part.len();
        if count == 0 {
            return Ok(bytes);
        }
        sink(part);
        chunks.consume(count);
        bytes += count as u64;
    }
}

/// What one call of a decoder has done.
struct Step {
    used: usize,
    made: usize,
    has_ended: bool,
}

/// One call of a decoder: input, output; an error says what is wrong with the input.
type Decode<'a> = &'a mut dyn FnMut(&[u8], &mut [u8]) -> Result<Step, String>;

fn run(
    decode: Decode<'_>,
    what: &str,
    chunks: &mut Chunks,
    Buffers { input, output }: &mut Buffers,
    meter: &Meter,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<Decoded, Stop> {
    let (mut bytes, mut has_ended, mut is_full) = (0, false, false);
    input.clear();
    let mut used = 0;
    // What came before a stop is decoded first: it may be broken, too.
    let mut ended_by = None;
    loop {
        if used == input.len() && ended_by.is_none() {
            input.clear();
            used = 0;
            ended_by = chunks.gather(input).err();
        }
        let part = &input[used..];
        // A decoder may hold more than the output took.
        if part.is_empty() && !is_full {
            return match ended_by {
                Some(stop) => Err(stop),
                None if has_ended => Ok(Ok(bytes)),
                None => Ok(Err(format!("its {what} ends too early"))),
            };
        }
        if has_ended {
            return Ok(Err(format!("bytes follow the end of its {what}")));
        }
        let step = match decode(part, output) {
            Ok(step) => step,
            Err(error) => return Ok(Err(format!("its {what} is broken: {error}"))),
        };
        if step.used == 0 && step.made == 0 && !step.has_ended && !is_full {
            return Ok(Err(format!("its {what} does not go on")));
        }
        meter.add_decoded(step.made).map_err(|error| halted(error.to_string(), chunks))?;
        sink(&output[..step.made]);
        bytes += step.made as u64;
        is_full = step.made == output.len() && !step.has_ended;
        has_ended = step.has_ended;
        used += step.used;
    }
}

/// Nothing is known to be wrong with the stream.
fn halted(detail: String, chunks: &Chunks) -> Stop {
    Stop { kind: DamageKind::Io, offset: chunks.source.offset(), detail }
}

fn inflate(zlib: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
    let (old_in, old_out) = (zlib.total_in(), zlib.total_out());
    let status = zlib.decompress(input, output, FlushDecompress::None);
    let status = status.map_err(|error| error.to_string())?;
    Ok(Step {
        used: usize::try_from(zlib.total_in() - old_in).unwrap_or(input.len()),
        made: usize::try_from(zlib.total_out() - old_out).unwrap_or_default(),
        has_ended: status == Status::StreamEnd,
    })
}

fn zstd_decoder<'a>(
    zstd: &'a mut Option<Decoder<'static>>,
) -> io::Result<&'a mut Decoder<'static>> {
    if let Some(zstd) = zstd {
        zstd.reinit()?;
        return Ok(zstd);
    }
    let mut new = Decoder::new()?;
    new.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
    Ok(zstd.insert(new))
}

fn unpack(zstd: &mut Decoder<'_>, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
    let status = zstd.run_on_buffers(input, output).map_err(|error| error.to_string())?;
    Ok(Step {
        used: status.bytes_read,
        made: status.bytes_written,
        has_ended: status.remaining == 0,
    })
}

/// The crate's decoder takes an end between two blocks for the end of the frame. The frame's own
/// end mark makes it stop before it reads on, so that only the former runs short of input.
fn lz4(chunks: &mut Chunks, meter: &Meter, sink: &mut dyn FnMut(&[u8])) -> Result<Decoded, Stop> {
    // Takes no memory before the frame's header says how large its blocks are: at most 8 MiB.
    let mut decoder = FrameDecoder::new(&mut *chunks);
    let mut bytes = 0;
    let end = loop {
        match decoder.fill_buf() {
            Ok([]) => break Ok(bytes),
            Ok(part) => {
                let made = part.len();
                sink(part);
                bytes += made as u64;
                decoder.consume(made);
                if let Err(error) = meter.add_decoded(made) {
                    break Err(error);
                }
            }
            Err(error) => break Err(error),
        }
    };
    drop(decoder);
    if let Some(halt) = meter.halt() {
        return Err(halted(halt.to_string(), chunks));
    }
    if let Some(stop) = chunks.stop.take() {
        return Err(stop);
    }
    Ok(match end {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err("its lz4 frame ends too early".to_owned())
        }
        Err(error) => Err(format!("its lz4 frame is broken: {error}")),
        Ok(_) if chunks.was_short => Err("its lz4 frame ends too early".to_owned()),
        Ok(_) if !chunks.part()?.is_empty() => {
            Err("bytes follow the end of its lz4 frame".to_owned())
        }
        Ok(bytes) => Ok(bytes),
    })
}
