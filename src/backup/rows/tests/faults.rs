//! Counting, and what is found wrong.

use super::*;
use crate::backup::rows::FaultKind;

const TEXT: Form = Form::Text;

fn faults(forms: &[Form], encoding: &str, rows: &[u8]) -> Vec<String> {
    read(forms, encoding, rows).faults.iter().map(ToString::to_string).collect()
}

#[test]
fn sound_rows_have_no_faults() {
    for rows in [
        &b"1\t2\n"[..],
        b"",
        b"\\N\t\\N\n",
        b"\\\\.\t\\\\N\n\\\\\t\\b\\f\\n\\r\\t\\v\n",
        "ä\t€😀\n".as_bytes(),
        b"\x01\t\x7f\n",
    ] {
        assert_eq!(faults(&[TEXT, TEXT], "UTF8", rows), Vec::<String>::new());
        assert!(read(&[TEXT, TEXT], "UTF8", rows).fingerprint.is_some());
    }
    assert_eq!(read(&[TEXT], "UTF8", b"\n\\N\n\n").rows, Some(3));
    // Rows of a table without columns are empty lines.
    assert_eq!(read(&[], "UTF8", b"\n\n\n").rows, Some(3));
    assert_eq!(faults(&[], "UTF8", b"\n\n\n"), Vec::<String>::new());
}

#[test]
fn each_kind_is_found_at_its_place() {
    for (rows, expected) in [
        (&b"1\t2\n1\n1\n"[..], "row 2 (byte 4 of its rows) has 1 column, the table has 2"),
        (b"1\t2\n1\t2\t3\n", "row 2 (byte 4 of its rows) has 3 columns, the table has 2"),
        (
            b"1\t2\n1\t2\\q3\n",
            r"row 2 (byte 7 of its rows) has a backslash that COPY does not write",
        ),
        (b"1\t\\N2\n", r"row 1 (byte 2 of its rows) has a backslash that COPY does not write"),
        (b"1\t2\\N\n", r"row 1 (byte 3 of its rows) has a backslash that COPY does not write"),
        (b"1\t\\x41\n", r"row 1 (byte 2 of its rows) has a backslash that COPY does not write"),
        (b"1\t2\n\\.x\t2\n", r"a line that begins with \. has more to it"),
        (b"1\t2\n1\t\0\n", "row 2 (byte 6 of its rows) has a NUL byte"),
        (
            b"1\t2\n1\t\xff\n",
            "row 2 (byte 6 of its rows) has bytes that are no text in the dump's encoding",
        ),
        (
            b"1\t2\n1\t\xe2\x82\n",
            "row 2 (byte 6 of its rows) has bytes that are no text in the dump's encoding",
        ),
        (
            b"1\t2\n1\t2\r\n",
            "row 2 (byte 8 of its rows) has a carriage return that COPY would have escaped",
        ),
        (
            b"1\t2\r\n1\t2\n",
            "row 2 (byte 8 of its rows) has a carriage return that COPY would have escaped",
        ),
        (
            b"1\t2\n1\r\t2\n",
            "row 2 (byte 5 of its rows) has a carriage return that COPY would have escaped",
        ),
        (b"1\t2\n1\t2", r"the line \. that ends the rows is missing"),
        (b"1\t2\n1\t\\", r"the line \. that ends the rows is missing"),
    ] {
        let summary = read(&[TEXT, TEXT], "UTF8", rows);
        // Cut characters are found where the next byte comes.
        let found: Vec<String> = summary.faults.iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected], "{:?}", String::from_utf8_lossy(rows));
        assert_eq!(summary.fingerprint, None);
    }
    let found = faults(&[], "UTF8", b"\n1\n");
    assert_eq!(found, ["row 2 (byte 1 of its rows) has 1 columns or more, the table has none"]);
    // One finding of each kind, however many rows have it.
    assert_eq!(faults(&[TEXT], "UTF8", &b"\0\t\\q\n".repeat(9)).len(), 3);
}

#[test]
fn rows_with_carriage_returns_in_all_line_ends_are_sound() {
    let summary = read(&[TEXT, TEXT], "UTF8", b"1\t2\r\n\\N\t\\N\r\n");
    assert_eq!((summary.rows, summary.faults, summary.fingerprint), (Some(2), Vec::new(), None));
    assert_eq!(faults(&[], "UTF8", b"\r\n\r\n"), Vec::<String>::new());
}

#[test]
fn the_mark_ends_the_rows() {
    let read = |rows: &[u8]| {
        let new =
            || RowReader::new(Some(columns(&[TEXT])), TextEncoding::named("UTF8")).until_mark();
        let whole = read_in(new(), rows, rows.len());
        for step in 1..20 {
            assert_eq!(read_in(new(), rows, step), whole, "{step} {rows:?}");
        }
        let faults: Vec<String> = whole.faults.iter().map(ToString::to_string).collect();
        (whole.rows, faults)
    };
    assert_eq!(read(b"1\n2\n\\.\n\n\n"), (Some(2), vec![]));
    assert_eq!(read(b"\\.\n"), (Some(0), vec![]));
    let cut = vec![r"the line \. that ends the rows is missing".to_owned()];
    for rows in [&b""[..], b"1\n", b"1", b"1\n\\", b"1\n\\."] {
        assert_eq!(read(rows), (None, cut.clone()), "{rows:?}");
    }
    assert_eq!(
        read(b"1\n\\.\nx"),
        (None, vec![r"data follow the line \. that ends them".to_owned()])
    );
    assert_eq!(
        read(b"1\n\\.x\n"),
        (None, vec![r"a line that begins with \. has more to it".to_owned()])
    );
}

#[test]
fn encodings_are_checked_as_the_server_does() {
    let is_sound = |encoding: &str, text: &[u8]| {
        let rows = [text, b"\n"].concat();
        faults(&[TEXT], encoding, &rows).is_empty()
    };
    for (encoding, sound, broken) in [
        (
            "UTF8",
            &[&b"\xc3\xa4"[..], b"\xf0\x9f\x98\x80"][..],
            &[&b"\xc3"[..], b"\x80", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"][..],
        ),
        (
            "EUC_JP",
            &[b"\xa4\xa2", b"\x8e\xb1", b"\x8f\xb0\xa1"],
            &[b"\xa4", b"\xa4a", b"\x8e\xe0", b"\x80\xa1", b"\xff\xa1"],
        ),
        ("EUC_KR", &[b"\xb0\xa1"], &[b"\xb0", b"\xb0\x41", b"\x8e\xa1"]),
        (
            "EUC_TW",
            &[b"\xc4\xa1", b"\x8e\xa2\xa1\xa1"],
            &[b"\x8f\xa1", b"\x8e\xa8\xa1\xa1", b"\xc4\x7f"],
        ),
        ("LATIN1", &[b"\xff\x80"], &[]),
        ("SQL_ASCII", &[b"\xff\x80"], &[]),
    ] {
        for text in sound {
            assert!(is_sound(encoding, text), "{encoding} {text:x?}");
        }
        for text in broken {
            assert!(!is_sound(encoding, text), "{encoding} {text:x?}");
        }
    }
    // Here the second byte of a character is a backslash.
    let summary = read(&[TEXT, TEXT], "SJIS", b"\x83\x5c\t2\n1\t\x83\x5c\n");
    assert_eq!((summary.rows, summary.faults, summary.fingerprint), (Some(2), Vec::new(), None));
}

/// A line of 100 MB, and memory that does not grow with it.
#[test]
fn a_long_line_takes_no_memory() {
    let mut reader =
        RowReader::new(Some(columns(&[TEXT, Form::Float8, TEXT])), TextEncoding::named("UTF8"));
    let piece = vec![b'x'; 1 << 20];
    reader.feed(b"x");
    for _ in 0..100 {
        reader.feed(&piece);
    }
    reader.feed(b"\t1\t2\n");
    assert!(reader.held_bytes() < 64 * 1024, "{}", reader.held_bytes());
    let summary = reader.finish();
    assert_eq!((summary.rows, summary.faults.len()), (Some(1), 0));
    assert!(summary.fingerprint.is_some());
}

#[test]
fn a_line_is_a_line_in_encodings_whose_characters_hold_backslashes() {
    let expected = r"row 1 (byte 0 of its rows) has a backslash that COPY does not write";
    for encoding in ["SJIS", "BIG5", "GBK"] {
        let rows = b"\\\na\n";
        assert_eq!(faults(&[TEXT], encoding, rows), [expected], "{encoding}");
        assert_eq!(read(&[TEXT], encoding, rows).rows, Some(2), "{encoding}");
        // psql ends the rows at the mark.
        let columns = Some(columns(&[TEXT]));
        let reader = RowReader::new(columns, TextEncoding::named(encoding)).until_mark();
        assert_eq!(read_in(reader, b"a\n\\\n\\.\n", 1).rows, Some(2), "{encoding}");
    }
}

#[test]
fn a_carriage_return_before_an_escape_is_seen_wherever_the_rows_are_cut() {
    let found = read(&[TEXT], "UTF8", b"a\r\\n\n").faults;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].offset), (FaultKind::LineEnd, 1));
}
