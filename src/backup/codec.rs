//! The compressions that a backup, or a member of it, may lie in as a whole.

mod decoder;
mod frames;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::io::{self, Read};

use serde::Serialize;

pub(crate) use self::decoder::Decoder;
use super::meter::Meter;

/// How a stream of bytes is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// One or many gzip members (RFC 1952), each with its CRC-32 and length.
    Gzip,
    /// One or many Zstandard frames (RFC 8878), with a checksum each where their writer made one.
    Zstd,
    /// One or many LZ4 frames, with checksums where their writer made them.
    Lz4,
}

impl Codec {
    /// The codec that a stream with these first bytes is in, where this program reads it.
    pub(crate) fn of_head(mut head: &[u8]) -> Option<Self> {
        // pzstd begins each frame with a skippable one that says its size.
        while let Some([0x50..=0x5f, 0x2a, 0x4d, 0x18, length @ ..]) = head.first_chunk::<8>() {
            let length = u32::from_le_bytes(*length);
            head = head.get(8 + usize::try_from(length).ok()?..)?;
        }
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    /// The extension that files in it have, without the dot; none for [`Codec::None`].
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gz"),
            Self::Zstd => Some("zst"),
            Self::Lz4 => Some("lz4"),
        }
    }

    /// What a file `name` is called once it is compressed.
    pub(crate) fn name_of(self, name: &str) -> String {
        match self.extension() {
            Some(extension) => format!("{name}.{extension}"),
            None => name.to_owned(),
        }
    }

    /// Reads what is compressed in `reader`, to the end of its last frame; bytes behind that one
    /// are an error, as is an end within a frame. What comes out is counted on `meter`.
    ///
    /// # Errors
    ///
    /// Only when there is no memory for a decoder.
    pub(crate) fn decoder<R: Read>(self, reader: R, meter: &Meter) -> io::Result<Decoder<R>> {
        Decoder::new(self, reader, meter)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        })
    }
}
