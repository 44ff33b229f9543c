//! One type for all decoders, so that ends, checksums and proportions are judged in one place.

use std::io::{self, BufReader, Read};

use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder;

use super::Codec;
use super::frames::{Format, FrameReader};
use crate::backup::meter::Meter;

/// Read from below at once: decoders otherwise take what their own small buffers hold.
const INPUT_BYTES: usize = crate::backup::buffer_bytes(256 * 1024);

type Below<R> = BufReader<R>;
type Frames<R> = FrameReader<Below<R>>;

/// Reads what is compressed, to the end of its last frame.
///
/// An input that ends within a frame is an error of the kind `UnexpectedEof`, bytes behind the last
/// frame are one of the kind `InvalidData`. What is once an error stays one.
pub(crate) struct Decoder<R: Read> {
    layer: Layer<R>,
    meter: Meter,
    failed: Option<(io::ErrorKind, String)>,
}

enum Layer<R: Read> {
    None(Below<R>),
    Gzip(Gzip<Below<R>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Frames<R>>>),
    Lz4(Box<FrameDecoder<Frames<R>>>),
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(codec: Codec, reader: R, meter: &Meter) -> io::Result<Self> {
        let below = BufReader::with_capacity(INPUT_BYTES, reader);
        let frames = |below, format| FrameReader::new(below, format, meter.clone());
        let layer = match codec {
            Codec::None => Layer::None(below),
            Codec::Gzip => Layer::Gzip(Gzip::Member(Box::new(GzDecoder::new(below)))),
            Codec::Zstd => {
                let frames = BufReader::new(frames(below, Format::Zstd));
                Layer::Zstd(zstd::stream::read::Decoder::with_buffer(frames)?)
            }
            Codec::Lz4 => Layer::Lz4(Box::new(FrameDecoder::new(frames(below, Format::Lz4)))),
        };
        Ok(Self { layer, meter: meter.clone(), failed: None })
    }

    /// Whether checksums were there for all that was decoded so far. They have been compared.
    pub(crate) fn is_checked(&self) -> bool {
        match &self.layer {
            Layer::None(_) => false,
            Layer::Gzip(_) => true,
            Layer::Zstd(zstd) => zstd.get_ref().get_ref().is_checked(),
            Layer::Lz4(lz4) => lz4.get_ref().is_checked(),
        }
    }

    fn decode(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.layer {
            Layer::None(below) => return below.read(buffer),
            Layer::Gzip(gzip) => gzip.read(buffer)?,
            Layer::Zstd(zstd) => zstd.read(buffer)?,
            Layer::Lz4(lz4) => loop {
                // It says 0 at the end of every frame, and for an empty block.
                let count = lz4.read(buffer)?;
                if count > 0 || buffer.is_empty() || lz4.get_ref().has_ended() {
                    break count;
                }
            },
        };
        self.meter.add_decoded(count)?;
        Ok(count)
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, text)) = &self.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let read = self.decode(buffer);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some((error.kind(), error.to_string()));
        }
        read
    }
}

/// One or many gzip members.
enum Gzip<R> {
    Member(Box<GzDecoder<R>>),
    Ended,
}

impl<R: io::BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Self::Member(member) = self else { return Ok(0) };
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let Self::Member(member) = std::mem::replace(self, Self::Ended) else { return Ok(0) };
            let mut below = member.into_inner();
            match below.fill_buf()?.first() {
                None => return Ok(0),
                Some(0) => return only_zeros(below),
                // A member that is cut begins as all do.
                Some(byte) if *byte != GZIP_MAGIC => return Err(bytes_behind()),
                Some(_) => *self = Self::Member(Box::new(GzDecoder::new(below))),
            }
        }
    }
}

/// The first byte of each member.
const GZIP_MAGIC: u8 = 0x1f;

fn bytes_behind() -> io::Error {
    let text = "gzip data with bytes behind its last member that belong to none";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Zeros behind the last member are padding (gzip's manual: "trailing zeros are ignored").
fn only_zeros(mut below: impl io::BufRead) -> io::Result<usize> {
    loop {
        let bytes = below.fill_buf()?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(bytes_behind());
        }
        match bytes.len() {
            0 => return Ok(0),
            count => below.consume(count),
        }
    }
}
