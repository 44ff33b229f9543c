use std::io::{self, Read as _, Write as _};

use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::Codec;
use crate::backup::member::is_cut;
use crate::backup::meter::{Halt, Meter};

/// Larger than two of lz4's smallest blocks, and quickly decoded.
fn text() -> Vec<u8> {
    (0..6000u32)
        .flat_map(|row| format!("{row}\t{}\n", row.wrapping_mul(77_777_777)).into_bytes())
        .collect()
}

pub(in crate::backup) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::backup) fn zstd(text: &[u8], with_checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(with_checksum).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::backup) fn lz4(text: &[u8], info: FrameInfo) -> Vec<u8> {
    let mut encoder =
        FrameEncoder::with_frame_info(info.block_size(BlockSize::Max64KB), Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn decode(codec: Codec, bytes: &[u8]) -> io::Result<(Vec<u8>, bool)> {
    let mut decoder = codec.decoder(bytes, &Meter::default())?;
    let mut text = Vec::new();
    let read = decoder.read_to_end(&mut text);
    // What is once an error stays one, whoever asks again.
    assert_eq!(read.is_err(), decoder.read(&mut [0]).is_err());
    read.map(|_| (text, decoder.is_checked()))
}

/// A stream of two frames: its name, the frames, where the second begins (a cut there leaves no
/// trace), and whether checksums cover all of it.
type Stream = (&'static str, Codec, Vec<u8>, usize, bool);

fn streams() -> Vec<Stream> {
    let text = text();
    let (front, back) = text.split_at(70_000);
    let mut all = Vec::new();
    let mut add = |name, codec, frames: [Vec<u8>; 2], is_checked| {
        let boundary = frames[0].len();
        all.push((name, codec, frames.concat(), boundary, is_checked));
    };
    add("gzip", Codec::Gzip, [gzip(front), gzip(back)], true);
    add("zstd", Codec::Zstd, [zstd(front, true), zstd(back, true)], true);
    add("zstd, one checksum", Codec::Zstd, [zstd(front, true), zstd(back, false)], false);
    add("zstd, none", Codec::Zstd, [zstd(front, false), zstd(back, false)], false);
    let lz4_of = |info: &FrameInfo| [lz4(front, info.clone()), lz4(back, info.clone())];
    let plain = FrameInfo::new();
    add("lz4, none", Codec::Lz4, lz4_of(&plain), false);
    let content = plain.clone().content_checksum(true);
    add("lz4, content", Codec::Lz4, lz4_of(&content), true);
    let linked = content.block_mode(BlockMode::Linked);
    add("lz4, linked", Codec::Lz4, lz4_of(&linked), true);
    let blocks = plain.block_checksums(true);
    add("lz4, blocks", Codec::Lz4, lz4_of(&blocks), true);
    all
}

#[test]
fn whole_streams_are_decoded_frame_by_frame() {
    for (name, codec, stream, _, is_checked) in streams() {
        assert_eq!(Codec::of_head(&stream), Some(codec), "{name}");
        let (decoded, checked) = decode(codec, &stream).unwrap();
        assert!(decoded == text() && checked == is_checked, "{name}");
    }
    for codec in [Codec::Zstd, Codec::Lz4] {
        let empty = match codec {
            Codec::Zstd => zstd(b"", true),
            _ => lz4(b"", FrameInfo::new()),
        };
        assert_eq!(decode(codec, &empty).unwrap().0, b"");
    }
}

#[test]
fn every_cut_shows() {
    for (name, codec, stream, boundary, _) in streams() {
        // Every offset near what has structure, and every 61st.
        let near = |cut: usize| cut < 64 || stream.len() - cut < 64 || boundary.abs_diff(cut) < 64;
        for cut in (1..stream.len()).filter(|cut| near(*cut) || cut % 61 == 0) {
            let decoded = decode(codec, &stream[..cut]);
            if cut == boundary {
                assert!(decoded.is_ok(), "{name} cut at {cut}");
                continue;
            }
            let error = decoded.expect_err(&format!("{name} cut at {cut}"));
            let is_cut = error.kind() == io::ErrorKind::UnexpectedEof || is_cut(&error.to_string());
            assert!(is_cut, "{name} cut at {cut}: {error}");
        }
    }
}

#[test]
fn bytes_behind_the_last_frame_show() {
    for (name, codec, stream, _, _) in streams() {
        let with = |more: &[u8]| decode(codec, &[&stream[..], more].concat());
        for more in
            [&b"x"[..], b"\x1f", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"garbage", b"\0\0x"]
        {
            assert!(with(more).is_err(), "{name} and {more:?}");
        }
        for zeros in [1, 512, 70_000] {
            let is_padding = codec == Codec::Gzip;
            assert_eq!(with(&vec![0; zeros]).is_ok(), is_padding, "{name} and {zeros} zeros");
        }
    }
}

#[test]
fn no_changed_byte_gets_past_a_checksum() {
    let whole = text();
    for (name, codec, stream, _, is_checked) in streams() {
        for at in (0..stream.len()).filter(|at| is_checked && (*at < 32 || at % 197 == 0)) {
            let mut changed = stream.clone();
            changed[at] ^= 1 << (at % 8);
            // A name or a time in gzip's header may be another.
            let is_same = decode(codec, &changed).map_or(true, |(decoded, _)| decoded == whole);
            assert!(is_same, "{name} changed at {at}");
        }
    }
}

#[test]
fn skippable_frames_are_skipped_and_must_be_whole() {
    let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"hello"].concat();
    for (name, codec, stream, boundary, is_checked) in streams() {
        let (front, back) = stream.split_at(boundary);
        let with = [&skippable[..], front, &skippable, back, &skippable].concat();
        if codec == Codec::Gzip {
            assert!(decode(codec, &with[skippable.len()..]).is_err(), "{name}");
            continue;
        }
        assert_eq!(Codec::of_head(&with), Some(codec), "{name}");
        let (decoded, checked) = decode(codec, &with).unwrap();
        assert!(decoded == text() && checked == is_checked, "{name}");
        for cut in with.len() - skippable.len() + 1..with.len() {
            assert!(decode(codec, &with[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn frames_that_need_too_much_memory_say_nothing_about_the_backup() {
    let frame = |window: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0];
    let halt = |bytes: &[u8]| {
        let meter = Meter::default();
        let mut decoder = Codec::Zstd.decoder(bytes, &meter).unwrap();
        let read = io::copy(&mut decoder, &mut io::sink());
        assert_eq!(read.is_err(), meter.halt().is_some());
        meter.halt().cloned()
    };
    assert_eq!(halt(&frame(17 << 3)), None);
    let too_large = halt(&frame(18 << 3)).unwrap();
    assert!(too_large.to_string().contains("a window of 268435456 bytes"), "{too_large}");
    let dictionary = [0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 0, 1, 0, 0];
    assert!(matches!(halt(&dictionary), Some(Halt::Unsupported(_))));
}

#[test]
fn what_comes_out_is_in_proportion_to_what_goes_in() {
    let meter = Meter::default();
    meter.set_read(3_000_000);
    let gigabyte = 1 << 30;
    for _ in 0..5 {
        meter.add_decoded(gigabyte).unwrap();
    }
    assert_eq!(meter.halt(), None);
    let error = meter.add_decoded(gigabyte).unwrap_err();
    assert!(error.to_string().contains("made 6442450944 bytes of 3000000"), "{error}");
    assert!(matches!(meter.halt(), Some(Halt::TooMuch { .. })));
    // Little is never too much.
    let little = Meter::default();
    little.add_decoded(4 * gigabyte).unwrap();
}
