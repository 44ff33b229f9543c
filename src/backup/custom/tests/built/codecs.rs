//! Streams in LZ4 and Zstandard frames, whole and broken.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::*;
use crate::backup::custom::tests::Random;

const LZ4: i64 = 2;
const ZSTD: i64 = 3;

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Linked);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

/// Rows of many blocks, which do not repeat.
fn rows(count: u32) -> Vec<u8> {
    let mut random = Random(0xfeed);
    let mut rows = Vec::new();
    for _ in 0..count {
        rows.extend(format!("{:016x}\n", random.next()).into_bytes());
    }
    rows.extend(b"\\.\n\n\n");
    rows
}

/// `a` in one codec, as `stream`; `b` is sound.
fn archive(codec: i64, stream: &[u8]) -> Archive {
    let encode = if codec == LZ4 { lz4 } else { zstd };
    Archive::new(16)
        .with(|archive| (archive.compression, archive.raw) = (codec, true))
        .block(1, |block| block.streams[0].1 = encode(b"3\n\\.\n\n\n"))
        .with(|archive| archive.blocks[0].streams[0].1 = stream.to_vec())
}

#[test]
fn whole_streams_are_decoded_to_their_end() {
    for count in [0, 1, 20_000] {
        let rows = rows(count);
        for (codec, stream) in [(LZ4, lz4(&rows)), (ZSTD, zstd(&rows))] {
            let dump = read_bytes(&archive(codec, &stream).bytes());
            assert_eq!(lines(&dump), Vec::<String>::new());
            let data = entry(&dump, "TABLE DATA", "a").data.as_ref().unwrap();
            let bytes = u64::try_from(rows.len()).ok();
            assert_eq!((data.bytes, data.rows), (bytes, Some(u64::from(count))));
            assert_eq!(entry(&dump, "TABLE DATA", "b").data.as_ref().unwrap().rows, Some(1));
        }
    }
}

#[test]
fn broken_streams_are_named_and_do_not_hide_others() {
    let rows = rows(20_000);
    for (codec, stream, name) in [(LZ4, lz4(&rows), "lz4"), (ZSTD, zstd(&rows), "zstd")] {
        let check = |stream: &[u8], detail: &str| {
            let dump = read_bytes(&archive(codec, stream).bytes());
            assert_eq!(findings(&dump), [corrupt(A, &format!("its {name} frame {detail}"))]);
            let data = entry(&dump, "TABLE DATA", "a").data.as_ref().unwrap();
            assert_eq!((data.bytes, data.rows, &data.fingerprint), (None, None, &None));
            assert_eq!(entry(&dump, "TABLE DATA", "b").data.as_ref().unwrap().rows, Some(1));
        };
        let cut = "ends too early";
        // An LZ4 frame ends with a mark of four bytes, which a cut between two blocks leaves out.
        for missing in [1, 2, 4, 5, 1000, stream.len() - 3, stream.len()] {
            check(&stream[..stream.len() - missing], cut);
        }
        if codec == LZ4 {
            // The first block alone: header of 7 bytes, length, block.
            let length = u32::from_le_bytes(stream[7..11].try_into().unwrap()) & 0x7fff_ffff;
            let end = 11 + usize::try_from(length).unwrap();
            check(&stream[..end], cut);
            check(&stream[..end + 2], cut);
        }
        let more = [&stream[..], b"x"].concat();
        let detail = format!("bytes follow the end of its {name} frame");
        check_only(codec, &more, &detail);
        let twice = [&stream[..], &stream[..]].concat();
        check_only(codec, &twice, &detail);
        let mut other = stream.clone();
        other[0] ^= 1;
        let dump = read_bytes(&archive(codec, &other).bytes());
        assert!(dump.damage[0].detail.contains("frame is broken"), "{:?}", lines(&dump));
    }
}

fn check_only(codec: i64, stream: &[u8], detail: &str) {
    check(&archive(codec, stream), &[corrupt(A, detail)]);
}

/// What `pg_restore` would not read, and what would take the memory of a whole machine.
#[test]
fn windows_beyond_128_mib_are_refused() {
    for (log, is_sound) in [(27, true), (28, false), (31, false)] {
        // Magic, no flags (a window follows), the window, one raw block of 6 bytes that is the last.
        let mut stream = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 6 << 3 | 1, 0, 0];
        stream.extend(b"1\n\\.\n\n");
        let dump = read_bytes(&archive(ZSTD, &stream).bytes());
        if is_sound {
            assert_eq!(lines(&dump), Vec::<String>::new());
        } else {
            assert_eq!(dump.damage.len(), 1);
            assert!(dump.damage[0].detail.contains("too much memory"), "{:?}", lines(&dump));
        }
    }
}

/// All large objects of a dump are streams of their own.
#[test]
fn many_streams_are_read_with_one_decoder() {
    for (codec, encode) in [(LZ4, lz4 as fn(&[u8]) -> Vec<u8>), (ZSTD, zstd)] {
        let mut archive = Archive::with_blobs(16).with(|archive| {
            (archive.compression, archive.raw) = (codec, true);
        });
        for (_, stream) in archive.blocks.iter_mut().flat_map(|block| &mut block.streams) {
            *stream = encode(stream);
        }
        let dump = read_bytes(&archive.bytes());
        assert_eq!(lines(&dump), Vec::<String>::new());
        assert_eq!(entry(&dump, "BLOBS", "BLOBS").data.as_ref().unwrap().bytes, Some(3));
    }
}
