//! One header block.

use std::io;

use super::{BLOCK, broken};

/// What a header says of its own.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) typeflag: u8,
    pub(super) bytes: u64,
}

impl Header {
    pub(super) fn parse(block: &[u8; BLOCK]) -> io::Result<Self> {
        if !is_header(block) {
            return Err(broken("a header whose checksum is wrong"));
        }
        let parsed = tar::Header::from_byte_slice(block);
        let bytes = parsed.entry_size().ok().filter(|bytes| *bytes <= i64::MAX.unsigned_abs());
        Ok(Self {
            name: parsed.path_bytes().into_owned(),
            typeflag: block[156],
            bytes: bytes.ok_or_else(|| broken("a header whose size is no number"))?,
        })
    }
}

/// Whether a block is a header: its checksum says so, which Version 7 wrote as well. Old programs
/// added the bytes up as signed ones.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.first_chunk::<BLOCK>() else { return false };
    let Ok(said) = tar::Header::from_byte_slice(block).cksum() else { return false };
    let signed = |byte: u8| i64::from(byte.cast_signed());
    let sum = |value: &dyn Fn(u8) -> i64| -> i64 {
        let blank = (148..156).map(|_| value(b' '));
        let rest = block[..148].iter().chain(&block[156..]).map(|byte| value(*byte));
        blank.chain(rest).sum()
    };
    let said = i64::from(said);
    said == sum(&|byte| i64::from(byte)) || said == sum(&signed)
}
