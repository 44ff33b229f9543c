//! The rows in a plain dump, table by table.

use crate::backup::rows::{Catalogue, FaultKind, Fingerprint, RowFault, RowReader, TextEncoding};

use super::columns::declaration;
use super::copy::CopyTarget;
use super::input::newlines;
use super::plain_header::PlainFlavour;

/// Faults kept; a table has one of each kind at most.
const MOST: usize = 1_000;

/// What is wrong with the rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowDamage {
    /// `schema.table`
    pub table: String,
    /// The line in the dump.
    pub line: u64,
    /// The byte in the dump, from 0.
    pub offset: u64,
    /// The fault, with its place among the table's rows.
    pub fault: RowFault,
}

/// The rows and the fingerprint of one `COPY`, where they are known.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) rows: Option<u64>,
    pub(super) fingerprint: Option<Fingerprint>,
}

/// Reads the rows of one `COPY` after the other.
#[derive(Default)]
pub(super) struct Rows {
    catalogue: Catalogue,
    reader: Option<RowReader>,
    by_pg_dump: bool,
    /// The table whose rows are being read, and where they began.
    table: String,
    start: Option<(u64, u64)>,
    swallow: Swallow,
    pub(super) damage: Vec<RowDamage>,
    /// The first rows that hold the comment above another table's rows: table and line.
    pub(super) swallowed: Option<(String, u64)>,
}

impl Rows {
    /// Remembers the columns that a statement declares.
    pub(super) fn declare(&mut self, statement: &[u8], encoding: &str) {
        if let Some(found) = declaration(statement, encoding) {
            self.catalogue.learn(found);
        }
    }

    /// Another database begins.
    pub(super) fn forget(&mut self) {
        self.catalogue = Catalogue::default();
    }

    /// A `COPY` begins. `encoding` is what the dump has set as its own.
    pub(super) fn begin(
        &mut self,
        target: &CopyTarget,
        flavour: PlainFlavour,
        encoding: Option<&str>,
    ) {
        self.by_pg_dump = matches!(flavour, PlainFlavour::PgDump | PlainFlavour::PgDumpAll);
        self.table = target.display();
        self.start = None;
        self.swallow = Swallow::default();
        self.reader = target.plain.then(|| {
            let name = (target.schema.clone(), target.table.clone());
            let table = self.catalogue.table(&name).unwrap_or_default();
            let columns = target.row_columns(self.by_pg_dump, table);
            let encoding = encoding.map_or(TextEncoding::UNCHECKED, TextEncoding::named);
            let reader = RowReader::new(columns, encoding);
            if self.by_pg_dump { reader } else { reader.without_fingerprint() }
        });
    }

    /// The rows that come now get no fingerprint.
    pub(super) fn leave_fingerprint(&mut self) {
        self.reader = self.reader.take().map(RowReader::without_fingerprint);
    }

    /// Rows of it, which begin in `line`, `offset` bytes into the dump.
    pub(super) fn feed(&mut self, bytes: &[u8], line: u64, offset: u64) {
        self.start.get_or_insert((line, offset));
        if self.swallowed.is_none()
            && let Some(at) = self.swallow.look(bytes, line)
        {
            self.swallowed = Some((self.table.clone(), at));
        }
        if let Some(reader) = &mut self.reader {
            reader.feed(bytes);
        }
    }

    /// The `COPY` has ended.
    pub(super) fn end(&mut self) -> Counted {
        let Some(reader) = self.reader.take() else { return Counted::default() };
        let summary = reader.finish();
        let (line, offset) = self.start.unwrap_or_default();
        for fault in summary.faults {
            let is_said = match fault.kind {
                // How the dump breaks off is for the lexer to say.
                FaultKind::Unended => false,
                // What pg_dump does not write the server may still take.
                FaultKind::Escape => self.by_pg_dump,
                _ => true,
            };
            if is_said && self.damage.len() < MOST {
                self.damage.push(RowDamage {
                    table: self.table.clone(),
                    line: line + fault.row.saturating_sub(1),
                    offset: offset + fault.offset,
                    fault,
                });
            }
        }
        Counted { rows: summary.rows, fingerprint: summary.fingerprint }
    }
}

/// Looks for `pg_dump`'s own comments among rows. A row cannot begin like that by chance: it would be
/// the first column of a table that holds dumps.
#[derive(Debug, Default)]
struct Swallow {
    /// The last bytes of what was read before.
    carried: Vec<u8>,
}

impl Swallow {
    const MARKS: [&[u8]; 2] = [b"\n-- Data for Name: ", b"\n-- Name: "];

    /// The line of the first comment, where `bytes` begin in `line`.
    fn look(&mut self, bytes: &[u8], line: u64) -> Option<u64> {
        let keep = Self::MARKS[0].len() - 1;
        let seam = self.carried.len();
        let mut head = std::mem::take(&mut self.carried);
        head.extend_from_slice(&bytes[..bytes.len().min(keep)]);
        let find = |text: &[u8]| {
            Self::MARKS.iter().filter_map(|mark| memchr::memmem::find(text, mark)).min()
        };
        let found = match find(&head) {
            // The line end is behind us and has been counted, as have those after it.
            Some(at) if at < seam => Some(line.saturating_sub(newlines(&head[at + 1..seam]))),
            Some(at) => Some(line + newlines(&bytes[..at - seam]) + 1),
            None => find(bytes).map(|at| line + newlines(&bytes[..at]) + 1),
        };
        let tail = if bytes.len() >= keep { bytes } else { &head[..] };
        self.carried = tail[tail.len().saturating_sub(keep)..].to_vec();
        found
    }
}
