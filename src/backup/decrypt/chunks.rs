//! The chunks of an encrypted backup, one after another.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _, Tag};

use super::key::DecryptionKey;
use super::{LENGTH_BYTES, LONGEST_CHUNK, NONCE_BYTES, TAG_BYTES};
use crate::backup::intake;

/// What is wrong with an encrypted stream. Offsets are of the encrypted file, in bytes from 0;
/// chunks are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChunkFault {
    /// It ends within the nonce, a length or a chunk.
    Cut { chunk: u64, offset: u64 },
    /// A length that is never written.
    Length { chunk: u64, offset: u64, length: u32 },
    /// A chunk that does not open with the key.
    Sealed { chunk: u64, offset: u64 },
}

impl fmt::Display for ChunkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { chunk, offset } => write!(
                f,
                "the encrypted file ends at byte {offset}, inside chunk {chunk} of its encryption"
            ),
            Self::Length { chunk, offset, length } => write!(
                f,
                "chunk {chunk} of the encryption, at byte {offset}, says that it is {length} bytes \
                 long; chunks have {TAG_BYTES} to {LONGEST_CHUNK}"
            ),
            Self::Sealed { chunk, offset } => write!(
                f,
                "chunk {chunk} of the encryption, at byte {offset}, does not open with the key"
            ),
        }
    }
}

impl std::error::Error for ChunkFault {}

impl From<ChunkFault> for io::Error {
    fn from(fault: ChunkFault) -> Self {
        let kind = match fault {
            ChunkFault::Cut { .. } => io::ErrorKind::UnexpectedEof,
            ChunkFault::Length { .. } | ChunkFault::Sealed { .. } => io::ErrorKind::InvalidData,
        };
        Self::new(kind, fault)
    }
}

/// The fault that ended a stream, for whoever stands above the decoders that lie over it: those make
/// words of their own of an error from below, or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultCell(Arc<Mutex<Option<ChunkFault>>>);

impl FaultCell {
    pub(crate) fn get(&self) -> Option<ChunkFault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, fault: &ChunkFault) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
    }
}

/// Reads what was encrypted. Holds one chunk; hands nothing out before its chunk was authenticated.
///
/// After a fault every further read fails with the same one.
pub(crate) struct Decrypter<R> {
    inner: R,
    cipher: Aes256Gcm,
    /// That of the next chunk; `None` before the first.
    nonce: Option<[u8; NONCE_BYTES]>,
    chunk: Vec<u8>,
    handed_out: usize,
    chunks: u64,
    offset: u64,
    fault: FaultCell,
}

impl<R: Read> Decrypter<R> {
    pub(crate) fn new(inner: R, key: &DecryptionKey, fault: FaultCell) -> Self {
        Self {
            inner,
            cipher: Aes256Gcm::new(key.bytes().into()),
            nonce: None,
            chunk: Vec::new(),
            handed_out: 0,
            chunks: 0,
            offset: 0,
            fault,
        }
    }

    pub(crate) fn into_inner(self) -> R {
        self.inner
    }

    /// Opens the next chunk; `false` where the file ends between two.
    fn next_chunk(&mut self) -> io::Result<bool> {
        let chunk = self.chunks + 1;
        let nonce = if let Some(nonce) = self.nonce {
            nonce
        } else {
            let mut nonce = [0; NONCE_BYTES];
            if self.fill(&mut nonce)? < NONCE_BYTES {
                return Err(self.failed(ChunkFault::Cut { chunk, offset: self.offset }));
            }
            nonce
        };
        let begin = self.offset;
        let mut length = [0; LENGTH_BYTES];
        match self.fill(&mut length)? {
            0 => return Ok(false),
            LENGTH_BYTES => {}
            _ => return Err(self.failed(ChunkFault::Cut { chunk, offset: self.offset })),
        }
        let length = u32::from_be_bytes(length);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if !(TAG_BYTES..=LONGEST_CHUNK).contains(&bytes) {
            return Err(self.failed(ChunkFault::Length { chunk, offset: begin, length }));
        }
        let mut sealed = std::mem::take(&mut self.chunk);
        sealed.resize(bytes, 0);
        if self.fill(&mut sealed)? < bytes {
            return Err(self.failed(ChunkFault::Cut { chunk, offset: self.offset }));
        }
        let (text, tag) = sealed.split_at_mut(bytes - TAG_BYTES);
        let tag = <&Tag>::try_from(&*tag).map_err(io::Error::other)?;
        if self.cipher.decrypt_inout_detached(&nonce.into(), b"", text.into(), tag).is_err() {
            return Err(self.failed(ChunkFault::Sealed { chunk, offset: begin }));
        }
        sealed.truncate(bytes - TAG_BYTES);
        self.chunk = sealed;
        self.handed_out = 0;
        self.chunks = chunk;
        self.nonce = Some(following(nonce));
        Ok(true)
    }

    fn failed(&self, fault: ChunkFault) -> io::Error {
        self.fault.set(&fault);
        fault.into()
    }

    /// Fills `buffer` as far as there is something; returns how far.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let filled = intake::fill(&mut self.inner, buffer)?;
        self.offset += filled as u64;
        Ok(filled)
    }
}

/// Each chunk has the nonce of the one before, counted up as one number of 96 bits.
fn following(nonce: [u8; NONCE_BYTES]) -> [u8; NONCE_BYTES] {
    let mut next = nonce;
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    next
}

impl<R: Read> Read for Decrypter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(fault) = self.fault.get() {
            return Err(fault.into());
        }
        // A chunk of no bytes is no end.
        while self.handed_out == self.chunk.len() {
            if !self.next_chunk()? {
                return Ok(0);
            }
        }
        let rest = &self.chunk[self.handed_out..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.handed_out += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{KEY, encrypted};
    use super::*;

    /// What comes out, and the fault that ended it.
    fn read(file: &[u8], key: [u8; 32]) -> (Vec<u8>, Option<ChunkFault>) {
        let fault = FaultCell::default();
        let mut text = Vec::new();
        let mut reader = Decrypter::new(file, &DecryptionKey::of(key), fault.clone());
        let ended = reader.read_to_end(&mut text);
        assert_eq!(ended.is_err(), fault.get().is_some());
        (text, fault.get())
    }

    fn text() -> Vec<u8> {
        (0..200_u32).flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn what_was_encrypted_comes_out() {
        for step in [1, 100, 799, 800, 65_536] {
            assert_eq!(read(&encrypted(&text(), step), KEY), (text(), None), "{step}");
        }
        let long = vec![5; 200_000];
        assert_eq!(read(&encrypted(&long, 65_536), KEY), (long, None));
    }

    #[test]
    fn every_cut_is_told_as_what_it_is() {
        let file = encrypted(&text(), 100);
        let chunk = LENGTH_BYTES + 100 + TAG_BYTES;
        for end in 0..file.len() {
            let (got, fault) = read(&file[..end], KEY);
            let whole = end.saturating_sub(NONCE_BYTES) / chunk;
            assert_eq!(got, text()[..whole * 100], "{end}");
            let at_boundary = end >= NONCE_BYTES && (end - NONCE_BYTES).is_multiple_of(chunk);
            let expected = (!at_boundary)
                .then_some(ChunkFault::Cut { chunk: whole as u64 + 1, offset: end as u64 });
            assert_eq!(fault, expected, "{end}");
        }
    }

    #[test]
    fn a_flipped_bit_never_passes() {
        let file = encrypted(&text(), 100);
        for at in 0..file.len() {
            let mut flipped = file.clone();
            flipped[at] ^= 0x10;
            let (got, fault) = read(&flipped, KEY);
            let chunk = (at.saturating_sub(NONCE_BYTES) / 120) as u64 + 1;
            let offset = (NONCE_BYTES as u64) + (chunk - 1) * 120;
            assert!(text().starts_with(&got), "{at}");
            let is_length = at >= NONCE_BYTES && (at - NONCE_BYTES) % 120 < LENGTH_BYTES;
            match fault.unwrap() {
                ChunkFault::Sealed { chunk: is, offset: of } => {
                    assert_eq!((is, of), (chunk, offset), "{at}");
                }
                other => assert!(is_length, "{at}: {other}"),
            }
        }
    }

    #[test]
    fn another_key_opens_nothing() {
        let (got, fault) = read(&encrypted(&text(), 100), [8; 32]);
        assert!(got.is_empty());
        assert_eq!(fault, Some(ChunkFault::Sealed { chunk: 1, offset: 12 }));
    }

    #[test]
    fn a_length_that_nobody_writes_is_not_believed() {
        for length in [0, 15, 65_553, u32::MAX] {
            let mut file = encrypted(&text(), 100);
            file[132..136].copy_from_slice(&length.to_be_bytes());
            let (got, fault) = read(&file, KEY);
            assert_eq!(got, text()[..100]);
            assert_eq!(fault, Some(ChunkFault::Length { chunk: 2, offset: 132, length }));
        }
    }

    #[test]
    fn a_fault_stays() {
        let file = encrypted(&text(), 100);
        let mut reader =
            Decrypter::new(&file[..140], &DecryptionKey::of(KEY), FaultCell::default());
        let mut buffer = [0; 100];
        reader.read_exact(&mut buffer).unwrap();
        for _ in 0..3 {
            let error = reader.read(&mut buffer).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
