//! Tells an encrypted backup by its shape: dbbackup's encryption has no magic, and no header.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::{LENGTH_BYTES, LONGEST_CHUNK, NONCE_BYTES, TAG_BYTES};
use crate::backup::intake::Content;

/// Whether and how a file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// Not, as far as can be told.
    Open,
    /// As dbbackup does it.
    Sealed(Framing),
}

/// Where the lengths of a file lead, each to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The first is none.
    Absent,
    /// To one that is none, or out of the file within its first two chunks.
    Begun,
    /// Exactly to the end, over so many chunks.
    Whole { chunks: u64 },
    /// Over two chunks or more, and then past the end.
    Cut { chunks: u64 },
    /// The first is none; behind where one could lead, so many others lead exactly to the end.
    Headless { chunks: u64 },
}

/// Looks at a file that begins with `head`, which is `content` as far as that tells. `is_claimed`: a
/// sidecar says that it is encrypted; `is_expected`: a key was given.
///
/// Reads the length of each chunk where the first could be one.
pub(crate) fn look(
    file: &File,
    head: &[u8],
    content: Content,
    is_claimed: bool,
    is_expected: bool,
) -> io::Result<Sealing> {
    let is_unknown = match content {
        // A text holds no zeros, and the first length has some; five bytes of a magic are no chance.
        Content::Empty | Content::Text | Content::CustomDump | Content::Tar => {
            return Ok(Sealing::Open);
        }
        // A nonce begins like one of these once in some ten thousand backups.
        Content::Compressed(_) | Content::Foreign(_) => false,
        Content::Unknown => true,
    };
    let framing = framing(file, head, is_unknown)?;
    let is_sealed = match framing {
        Framing::Whole { .. } | Framing::Cut { .. } => true,
        // Of random bytes one file in some ten thousand looks like these.
        Framing::Begun | Framing::Headless { chunks: 1 } => {
            is_unknown && (is_claimed || is_expected)
        }
        Framing::Headless { .. } => is_unknown,
        Framing::Absent => is_unknown && is_claimed,
    };
    Ok(if is_sealed { Sealing::Sealed(framing) } else { Sealing::Open })
}

/// The length that these bytes are, if it is one of a chunk.
fn length_of(bytes: &[u8]) -> Option<u64> {
    let length = u32::from_be_bytes(*bytes.first_chunk::<LENGTH_BYTES>()?);
    let length = usize::try_from(length).ok()?;
    // Chunks of nothing are read, and prove nothing.
    (TAG_BYTES + 1..=LONGEST_CHUNK).contains(&length).then_some(length as u64)
}

fn framing(file: &File, head: &[u8], is_unknown: bool) -> io::Result<Framing> {
    let first = NONCE_BYTES as u64;
    if head.get(NONCE_BYTES..).and_then(length_of).is_none() {
        return if is_unknown { headless(file) } else { Ok(Framing::Absent) };
    }
    chain(file, first, file.metadata()?.len())
}

/// Follows the lengths from the one at `at`.
fn chain(file: &File, mut at: u64, end: u64) -> io::Result<Framing> {
    let mut chunks = 0;
    while at < end {
        let mut length = [0; LENGTH_BYTES];
        let next = at + LENGTH_BYTES as u64;
        if next > end {
            break;
        }
        file.read_exact_at(&mut length, at)?;
        let Some(length) = length_of(&length) else { return Ok(Framing::Begun) };
        if next + length > end {
            break;
        }
        at = next + length;
        chunks += 1;
    }
    Ok(match (at == end, chunks) {
        (true, chunks) => Framing::Whole { chunks },
        (false, 0 | 1) => Framing::Begun,
        (false, chunks) => Framing::Cut { chunks },
    })
}

/// Tries every length that the first chunk could have.
fn headless(file: &File) -> io::Result<Framing> {
    let end = file.metadata()?.len();
    let begin = NONCE_BYTES + LENGTH_BYTES;
    let mut bytes = vec![0; LONGEST_CHUNK + LENGTH_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], (begin + filled) as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    for length in TAG_BYTES + 1..=LONGEST_CHUNK {
        let Some(next) = bytes.get(length..).filter(|next| !next.is_empty()) else { break };
        if length_of(next).is_some()
            && let Framing::Whole { chunks } = chain(file, (begin + length) as u64, end)?
        {
            return Ok(Framing::Headless { chunks });
        }
    }
    Ok(Framing::Absent)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::testing::encrypted;
    use super::*;
    use crate::backup::intake::content_of;

    fn looked(bytes: &[u8], is_claimed: bool, is_expected: bool) -> Sealing {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let head = &bytes[..bytes.len().min(512)];
        look(&file, head, content_of(head), is_claimed, is_expected).unwrap()
    }

    #[test]
    fn lengths_that_chain_to_the_end_are_known_without_a_sidecar() {
        for (text, step, chunks) in [(1, 1, 1), (700, 100, 7), (200_000, 65_536, 4)] {
            let file = encrypted(&vec![b'x'; text], step);
            let whole = Sealing::Sealed(Framing::Whole { chunks });
            assert_eq!(looked(&file, false, false), whole);
            // A nonce may begin like another format, which proves nothing.
            let mut like_gzip = file.clone();
            like_gzip[..4].copy_from_slice(&[0x1f, 0x8b, 8, 0]);
            assert_eq!(looked(&like_gzip, false, false), whole);
            let mut longer = file.clone();
            longer.push(0);
            assert_ne!(looked(&longer, false, false), whole);
        }
    }

    #[test]
    fn a_cut_shows_once_two_chunks_have_fitted() {
        let file = encrypted(&[b'x'; 700], 100);
        for end in 0..file.len() {
            let expected = match (end.saturating_sub(12) / 120, end.saturating_sub(12) % 120) {
                (0, 0) => Sealing::Open,
                (chunks, 0) => Sealing::Sealed(Framing::Whole { chunks: chunks as u64 }),
                (0 | 1, _) => Sealing::Open,
                (chunks, _) => Sealing::Sealed(Framing::Cut { chunks: chunks as u64 }),
            };
            assert_eq!(looked(&file[..end], false, false), expected, "{end}");
        }
        assert_eq!(looked(&file[..50], false, true), Sealing::Sealed(Framing::Begun));
        assert_eq!(looked(&file[..50], true, false), Sealing::Sealed(Framing::Begun));
    }

    #[test]
    fn a_first_length_that_is_none_is_made_up_for_by_the_others() {
        for (step, chunks) in [(100, 6), (300, 2)] {
            let mut file = encrypted(&[b'x'; 700], step);
            file[12] ^= 0x10;
            let headless = Sealing::Sealed(Framing::Headless { chunks });
            assert_eq!(looked(&file, false, false), headless);
            assert_ne!(looked(&file[..file.len() - 1], false, false), headless);
        }
        let mut two = encrypted(&[b'x'; 700], 400);
        two[12] ^= 0x10;
        assert_eq!(looked(&two, false, false), Sealing::Open);
        assert_eq!(looked(&two, false, true), Sealing::Sealed(Framing::Headless { chunks: 1 }));
    }

    #[test]
    fn what_is_not_encrypted_is_not_taken_for_it() {
        let mut noise: Vec<u8> =
            (0..4096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        noise[12] = 9;
        assert_eq!(looked(&noise, false, true), Sealing::Open);
        assert_eq!(looked(&noise, true, false), Sealing::Sealed(Framing::Absent));
        // Of a dump made in the first second of a minute, and as long as one chunk.
        let mut dump = vec![0; 65_552];
        dump[..12].copy_from_slice(b"PGDMP\x01\x0f\x00\x04\x08\x01\x01");
        dump[12..16].copy_from_slice(&65_536_u32.to_be_bytes());
        assert_eq!(looked(&dump, true, true), Sealing::Open);
        for text in ["", "-- PostgreSQL database dump\n"] {
            assert_eq!(looked(text.as_bytes(), true, true), Sealing::Open);
        }
        assert_eq!(
            looked(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 0, 0, 0, 99, 1], true, true),
            Sealing::Open
        );
    }
}
