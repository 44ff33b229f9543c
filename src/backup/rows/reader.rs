//! The reader itself.

use memchr::{memchr, memchr_iter, memchr3_iter};

use super::column::{Column, Form};
use super::fault::{FaultKind, RowFault};
use super::fields::Fields;
use super::fingerprint::{Fingerprint, RowSum};
use super::line_ends::LineEnds;
use super::text::{TextCheck, TextEncoding};

/// Looked at in one go; small enough for the processor's first cache.
const PIECE_BYTES: usize = crate::backup::buffer_bytes(16 * 1024);
/// Bytes that decide what a backslash means: itself and the two behind it.
const ESCAPE_BYTES: usize = 3;
const JOINT_BYTES: usize = 16;

/// What [`RowReader::finish`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSummary {
    /// The rows; `None` where it is not known where they end.
    pub(crate) rows: Option<u64>,
    /// Their fingerprint; `None` where no column has a canonical text, and where the rows have
    /// faults.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// What is wrong with them: the first of each kind.
    pub(crate) faults: Vec<RowFault>,
}

/// Reads the rows of one `COPY` in text format, with its own delimiter and NULL.
pub(crate) struct RowReader {
    /// How many columns a row has, where that is known.
    columns: Option<u64>,
    left_out: Box<[String]>,
    hashing: Hashing,
    sum: RowSum,
    escapes: bool,
    end: End,
    text: TextCheck,
    line_ends: LineEnds,
    faults: Vec<RowFault>,
    rows: u64,
    /// Tabs in the row that comes now, up to what was read of it.
    tabs: u64,
    /// Bytes read, and where among them the row and the field begin that come now.
    offset: u64,
    row_at: u64,
    field_at: u64,
    /// An escape that the last piece was cut in.
    held: Vec<u8>,
}

/// What goes into the sum.
enum Hashing {
    Nothing,
    /// Rows as they stand.
    Rows,
    Fields(Fields),
}

/// Where rows end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Where the input does.
    Input,
    /// At the line `\.`, still to come.
    Mark,
    /// It came by: only empty lines may follow.
    Passed,
    /// It was wrong, or data follow it.
    Broken,
}

impl RowReader {
    /// A reader of rows with these columns, in the order of the `COPY`; `None` where they are not
    /// known. The rows end where the input does, as those of a `COPY … TO STDOUT` do.
    pub(crate) fn new(columns: Option<Vec<Column>>, encoding: TextEncoding) -> Self {
        let count = columns.as_ref().map(|columns| columns.len() as u64);
        let columns = columns.unwrap_or_default();
        let forms: Box<[Form]> = columns.iter().map(|column| column.form).collect();
        let is_any = forms.iter().any(|form| *form != Form::LeftOut);
        let hashing = if count.is_none() || !encoding.keeps_backslashes() {
            Hashing::Nothing
        } else if forms.iter().all(|form| *form == Form::Text) {
            Hashing::Rows
        } else if is_any {
            Hashing::Fields(Fields::new(forms))
        } else {
            Hashing::Nothing
        };
        let left_out = columns.into_iter().filter(|column| column.form == Form::LeftOut);
        Self {
            columns: count,
            left_out: left_out.map(|column| column.name).collect(),
            hashing,
            sum: RowSum::new(),
            escapes: encoding.keeps_backslashes(),
            end: End::Input,
            text: encoding.check(),
            line_ends: LineEnds::default(),
            faults: Vec::new(),
            rows: 0,
            tabs: 0,
            offset: 0,
            row_at: 0,
            field_at: 0,
            held: Vec::new(),
        }
    }

    /// The rows end at a line `\.`, behind which only empty lines follow: what
    /// `dumpTableData_copy` in `pg_dump.c` writes into archives.
    pub(crate) fn until_mark(mut self) -> Self {
        self.end = End::Mark;
        self
    }

    /// Makes no fingerprint: whoever wrote the rows may write values in ways of its own.
    pub(crate) fn without_fingerprint(mut self) -> Self {
        self.hashing = Hashing::Nothing;
        self
    }

    /// Reads the next bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        if !self.held.is_empty() {
            let held = self.held.len();
            let mut joint = [0; JOINT_BYTES];
            let take = bytes.len().min(JOINT_BYTES - held);
            joint[..held].copy_from_slice(&self.held);
            joint[held..held + take].copy_from_slice(&bytes[..take]);
            let joint = &joint[..held + take];
            let used = self.piece(joint);
            self.held.clear();
            let Some(used) = used.checked_sub(held) else {
                self.held.extend_from_slice(&joint[used..]);
                return;
            };
            bytes = &bytes[used..];
        }
        while !bytes.is_empty() {
            let used = self.piece(&bytes[..bytes.len().min(PIECE_BYTES)]);
            if used == 0 {
                self.held.extend_from_slice(bytes);
                return;
            }
            bytes = &bytes[used..];
        }
    }

    /// Ends the rows.
    pub(crate) fn finish(mut self) -> RowSummary {
        let is_cut = match self.end {
            End::Mark => true,
            End::Input => self.offset > self.row_at || !self.held.is_empty(),
            End::Passed | End::Broken => false,
        };
        if is_cut {
            self.note(FaultKind::Unended, self.offset, self.rows + 1);
        }
        let rows = (!is_cut && self.end != End::Broken).then_some(self.rows);
        let is_plain = self.faults.is_empty() && self.line_ends.crlf != Some(true);
        let fingerprint = match self.hashing {
            Hashing::Rows | Hashing::Fields(_) if is_plain => Some(self.sum.finish(self.left_out)),
            _ => None,
        };
        self.faults.sort_by_key(|fault| (fault.offset, fault.kind));
        RowSummary { rows, fingerprint, faults: self.faults }
    }

    /// The memory that grows with what is read.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.sum.held_bytes() + self.held.capacity()
    }

    /// Reads a piece; says how much of it: all but an escape that it is cut in.
    fn piece(&mut self, piece: &[u8]) -> usize {
        if self.end == End::Passed && piece.iter().any(|byte| *byte != b'\n') {
            self.note(FaultKind::Leftover, self.offset, self.rows + 1);
            self.end = End::Broken;
        }
        let used = if matches!(self.end, End::Passed | End::Broken) {
            piece.len()
        } else {
            let rows = self.rows;
            let used = self.scan(piece);
            self.look(&piece[..used], rows);
            used
        };
        self.offset += used as u64;
        used
    }

    /// Cuts a piece into rows and fields.
    fn scan(&mut self, piece: &[u8]) -> usize {
        // Where what was not handed to the sum begins, and what of it belongs to no escape.
        let (mut start, mut resolved) = (0, 0);
        for at in memchr3_iter(b'\t', b'\n', b'\\', piece) {
            if at < resolved {
                continue;
            }
            match piece[at] {
                b'\t' => {
                    self.tabs += 1;
                    if let Hashing::Fields(fields) = &mut self.hashing {
                        fields.end(&piece[start..at], &mut self.sum);
                        start = at + 1;
                    }
                    self.field_at = self.offset + at as u64 + 1;
                }
                b'\n' => {
                    self.end_row(&piece[start..at], at);
                    start = at + 1;
                }
                _ => {
                    let Some(next) = self.escape(piece, at) else {
                        self.part(&piece[start..at]);
                        return at;
                    };
                    resolved = next;
                }
            }
            if self.end == End::Passed || self.end == End::Broken {
                return resolved;
            }
        }
        self.part(&piece[start..]);
        piece.len()
    }

    #[inline]
    fn end_row(&mut self, rest: &[u8], at: usize) {
        let end = self.offset + at as u64;
        match &mut self.hashing {
            Hashing::Nothing => {}
            Hashing::Rows if self.row_at >= self.offset => self.sum.row(rest),
            Hashing::Rows => {
                self.sum.part(rest);
                self.sum.end_row();
            }
            Hashing::Fields(fields) => {
                fields.end(rest, &mut self.sum);
                fields.end_row();
                self.sum.end_row();
            }
        }
        let is_sound = match self.columns {
            None => true,
            Some(0) => self.row_at == end || self.is_carriage_return(rest, end),
            Some(columns) => self.tabs + 1 == columns,
        };
        if !is_sound {
            let kind = FaultKind::Columns {
                found: self.tabs + 1,
                expected: self.columns.unwrap_or_default(),
            };
            self.note(kind, self.row_at, self.rows + 1);
        }
        self.rows += 1;
        self.tabs = 0;
        self.row_at = end + 1;
        self.field_at = end + 1;
    }

    /// Whether the row that ends at `end` with `rest` is the first byte of a line end of two.
    fn is_carriage_return(&self, rest: &[u8], end: u64) -> bool {
        self.row_at + 1 == end && (rest == b"\r" || (rest.is_empty() && self.line_ends.is_within()))
    }

    /// A part of a row or field that goes on in the next piece.
    fn part(&mut self, part: &[u8]) {
        match &mut self.hashing {
            Hashing::Nothing => {}
            Hashing::Rows => self.sum.part(part),
            Hashing::Fields(fields) => fields.part(part, &mut self.sum),
        }
    }

    /// Looks at the backslash at `piece[at]`; gives where what it belongs to ends, or `None` where
    /// the piece does not show it.
    #[inline]
    fn escape(&mut self, piece: &[u8], at: usize) -> Option<usize> {
        let place = self.offset + at as u64;
        if !self.escapes && self.row_at != place {
            return Some(at + 1);
        }
        let (second, third) = match *piece.get(at + 1..)? {
            [second, third, ..] => (second, third),
            // Wrong whatever comes, if anything does.
            [b'\n'] => (b'\n', b'\n'),
            _ => return None,
        };
        match second {
            b'.' if self.row_at == place => self.mark(third, place),
            _ if !self.escapes && second != b'\n' => {}
            b'\\' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' => {}
            b'N' if self.field_at == place && matches!(third, b'\t' | b'\n' | b'\r') => {}
            _ => {
                self.note(FaultKind::Escape, place, self.rows + 1);
                // A line is a line: psql looks for the mark at its beginning.
                return Some(at + 1);
            }
        }
        Some(at + if self.end == End::Passed { ESCAPE_BYTES } else { 2 })
    }

    #[cold]
    fn mark(&mut self, third: u8, place: u64) {
        if third != b'\n' || self.end == End::Input {
            self.note(FaultKind::EndMark, place, self.rows + 1);
        }
        if self.end == End::Mark {
            self.end = if third == b'\n' { End::Passed } else { End::Broken };
        }
    }

    /// Looks for what should not be in a piece that was cut, which begins in row `rows` + 1.
    fn look(&mut self, piece: &[u8], rows: u64) {
        let survey = Survey::of(piece);
        let row_of = |at: usize| rows + memchr_iter(b'\n', &piece[..at]).count() as u64 + 1;
        if survey.has_nul
            && let Some(at) = memchr(0, piece)
        {
            self.note(FaultKind::Nul, self.offset + at as u64, row_of(at));
        }
        if (survey.has_carriage_return || !self.line_ends.skips(self.rows > rows))
            && let Some((at, back)) = self.line_ends.look(piece)
        {
            self.note(FaultKind::LineEnd, self.offset + at as u64 - back, row_of(at));
        }
        if (survey.has_high || self.text.is_within_character())
            && !self.faults.iter().any(|fault| fault.kind == FaultKind::Encoding)
            && let Some((at, back)) = self.text.look(piece)
        {
            self.note(FaultKind::Encoding, self.offset + at as u64 - back, row_of(at));
        }
    }

    #[cold]
    fn note(&mut self, kind: FaultKind, offset: u64, row: u64) {
        if !self.faults.iter().any(|fault| fault.kind.is_like(kind)) {
            self.faults.push(RowFault { kind, row, offset });
        }
    }
}

/// Which bytes a piece has, whatever their places.
#[derive(Debug, Clone, Copy)]
struct Survey {
    has_nul: bool,
    has_carriage_return: bool,
    has_high: bool,
}

impl Survey {
    /// Has no early exit, so that the compiler makes vector code of it.
    fn of(piece: &[u8]) -> Self {
        let (mut nul, mut carriage_return, mut high) = (0, 0, 0);
        for &byte in piece {
            nul |= u8::from(byte == 0);
            carriage_return |= u8::from(byte == b'\r');
            high |= byte;
        }
        Self { has_nul: nul != 0, has_carriage_return: carriage_return != 0, has_high: high > 127 }
    }
}
