//! Rows of archives written here: where they end, and how many there are.

use super::*;
use crate::backup::custom::tests::Random;
use crate::backup::rows::{RowReader, TextEncoding};

fn reader() -> RowReader {
    RowReader::new(None, TextEncoding::UNCHECKED).until_mark()
}

#[test]
fn rows_must_end_with_the_mark() {
    let cut = r"the line \. that ends the rows is missing";
    let more = r"a line that begins with \. has more to it";
    let follows = r"data follow the line \. that ends them";
    for (data, kind, detail) in [
        ("", DamageKind::Truncated, cut),
        ("1\n2\n", DamageKind::Truncated, cut),
        ("1\n2", DamageKind::Truncated, cut),
        ("1\n\\.", DamageKind::Truncated, cut),
        ("1\n\\.2\n\\.\n\n\n", DamageKind::Corrupt, more),
        ("1\n\\.\n2\n\\.\n\n\n", DamageKind::Corrupt, follows),
    ] {
        for compression in [0, 1] {
            let archive = Archive::new(14).with(|archive| archive.compression = compression);
            let archive = archive.block(0, |block| block.streams[0].1 = data.as_bytes().to_vec());
            check(&archive, &[(kind, A, detail)]);
            let found =
                entry(&read_bytes(&archive.bytes()), "TABLE DATA", "a").data.clone().unwrap();
            assert_eq!((found.bytes, found.rows), (Some(u64::try_from(data.len()).unwrap()), None));
            // INSERTs have neither rows nor a mark.
            check(&archive.entry(1, |entry| entry.copy = ""), &[]);
        }
    }
}

/// Line by line, as slow as can be.
fn count_slowly(data: &[u8]) -> Option<u64> {
    let mut rows = 0;
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.starts_with(b"\\.") {
            return (line == b"\\." && rest.iter().all(|byte| *byte == b'\n')).then_some(rows);
        }
        rows += 1;
    }
    None
}

#[test]
fn rows_are_counted_however_they_are_cut() {
    let mut random = Random(0x0dd_5eed);
    let (mut sound, mut broken) = (0, 0);
    for round in 0..6000 {
        let mut data = Vec::new();
        let length = if round % 60 == 0 { 60_000 } else { random.below(40) };
        while data.len() < length {
            match random.below(12) {
                0..=3 => data.push(b'\n'),
                4 | 5 => data.push(b'\\'),
                6 if length < 50 => data.push(b'.'),
                6 => data.extend(b".\\N"),
                7 => data.extend(vec![b'x'; random.below(400)]),
                _ => data.push(b'a'),
            }
        }
        if random.below(4) > 0 {
            data.extend(b"\n\\.\n\n\n");
        }
        let expected = count_slowly(&data);
        for largest in [1, 2, 3, 7, 50, 100_000] {
            let (mut rows, mut rest) = (reader(), &data[..]);
            while !rest.is_empty() {
                let (part, more) = rest.split_at(rest.len().min(1 + random.below(largest)));
                rows.feed(part);
                rest = more;
            }
            assert_eq!(rows.finish().rows, expected, "round {round}, pieces up to {largest}");
        }
        match expected {
            Some(_) => sound += 1,
            None => broken += 1,
        }
    }
    assert!(sound > 1000 && broken > 1000, "{sound} {broken}");
}

/// Many short rows: more newlines close together than a byte can count.
#[test]
fn short_rows_are_counted() {
    for row in ["", "x", "\\N", "\\N\t\\N"] {
        let data = format!("x\n{}\\.\n\n\n", format!("{row}\n").repeat(70_000));
        let mut rows = reader();
        rows.feed(data.as_bytes());
        assert_eq!(rows.finish().rows, Some(70_001), "{row:?}");
    }
}
