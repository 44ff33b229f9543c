//! Doors for the fuzz targets (`fuzz/`), compiled for them alone: what must hold of any input.

use std::collections::BTreeSet;
use std::thread;

use tokio::sync::mpsc;

use super::inventory::BackupInventory;
use super::rows::{Column, FaultKind, Form, RowReader, RowSummary, TextEncoding};
use super::sql::{self, Fragment, Lexer, Piece};
use super::stream::stream;
use crate::finding::FindingClass;

/// Reads a plain dump as a restore does. What it would send to each session of psql must hold no
/// meta-command, also to a reader that has not seen the rest.
///
/// # Panics
///
/// When it holds one.
pub fn feed(dump: &[u8]) {
    let mut sessions = vec![Vec::new()];
    // An error ends the last session early, and that is all.
    let _ = sql::feed(dump, None, &mut |fragment| {
        match fragment {
            Fragment::Bytes(bytes) => {
                if let Some(session) = sessions.last_mut() {
                    session.extend_from_slice(bytes);
                }
            }
            Fragment::Connect { .. } => sessions.push(Vec::new()),
        }
        Ok(())
    });
    for session in sessions {
        let mut lexer = Lexer::new(session.as_slice());
        while let Ok(Some(piece)) = lexer.next() {
            assert!(!matches!(piece, Piece::MetaCommand { .. }), "psql would run {piece:?}");
        }
    }
}

/// Reads a backup a second time, as a restore does, if nothing is wrong with it.
///
/// # Panics
///
/// When that fails.
pub fn read_again(inventory: &BackupInventory) {
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    let mut findings = inventory.findings.iter().chain(of_dumps);
    if findings.any(|finding| finding.class != FindingClass::Notice) {
        return;
    }
    let wanted: BTreeSet<usize> = (0..inventory.databases.len()).collect();
    let (sender, mut chunks) = mpsc::channel(4);
    thread::scope(|scope| {
        scope.spawn(move || stream(inventory, &wanted, &sender));
        while let Some(chunk) = chunks.blocking_recv() {
            assert!(chunk.is_ok(), "sound when it was first read: {:?}", chunk.err());
        }
    });
}

/// Reads rows whole and in pieces, which must make no difference. The first four bytes say of which
/// columns, in which encoding, whether a mark ends them, and how long the pieces are.
///
/// # Panics
///
/// When it makes one.
pub fn rows(data: &[u8]) {
    const FORMS: [Form; 6] =
        [Form::Text, Form::Float4, Form::Float8, Form::Timestamptz, Form::Bytea, Form::LeftOut];
    const ENCODINGS: [&str; 6] = ["UTF8", "LATIN1", "EUC_JP", "EUC_KR", "EUC_TW", "SJIS"];
    let Some(([columns, encoding, first, step], rows)) = data.split_first_chunk() else { return };
    let (columns, first) = (usize::from(*columns), usize::from(*first));
    let column = |n: usize| Column { name: n.to_string(), form: FORMS[(first + n) % FORMS.len()] };
    let new = || {
        let known = (columns & 8 == 0).then(|| (0..columns & 7).map(column).collect());
        let encoding = ENCODINGS[usize::from(*encoding) % ENCODINGS.len()];
        let reader = RowReader::new(known, TextEncoding::named(encoding));
        if columns & 16 == 0 { reader } else { reader.until_mark() }
    };
    let read_in = |step: usize| -> RowSummary {
        let mut reader = new();
        rows.chunks(step).for_each(|piece| reader.feed(piece));
        let mut summary = reader.finish();
        // What is left over is placed as far as it is known, in pieces.
        summary.faults.retain(|fault| fault.kind != FaultKind::Leftover);
        summary
    };
    let step = usize::from(*step).max(1);
    assert_eq!(read_in(rows.len().max(1)), read_in(step), "in pieces of {step}");
}
