//! Rows as PostgreSQL writes them, and rows that it does not.

mod faults;
mod sums;

use super::{Column, Fingerprint, Form, RowReader, RowSummary, TextEncoding};

fn columns(forms: &[Form]) -> Vec<Column> {
    let column = |(at, form): (usize, &Form)| Column { name: format!("c{at}"), form: *form };
    forms.iter().enumerate().map(column).collect()
}

/// Reads rows in pieces of `step` bytes.
fn read_in(mut reader: RowReader, rows: &[u8], step: usize) -> RowSummary {
    for piece in rows.chunks(step.max(1)) {
        reader.feed(piece);
    }
    reader.finish()
}

/// Reads rows whole and in pieces of many sizes, which must make no difference.
fn read(forms: &[Form], encoding: &str, rows: &[u8]) -> RowSummary {
    let new = || RowReader::new(Some(columns(forms)), TextEncoding::named(encoding));
    let whole = read_in(new(), rows, rows.len());
    for step in [1, 2, 3, 4, 5, 7, 15, 16, 17, 1000] {
        assert_eq!(read_in(new(), rows, step), whole, "in pieces of {step}");
    }
    whole
}

fn fingerprint(forms: &[Form], rows: &[u8]) -> Fingerprint {
    let summary = read(forms, "UTF8", rows);
    assert_eq!(summary.faults, [], "{:?}", String::from_utf8_lossy(rows));
    match summary.fingerprint {
        Some(fingerprint) => fingerprint,
        None => panic!("no fingerprint of {:?}", String::from_utf8_lossy(rows)),
    }
}
