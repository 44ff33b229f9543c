//! The fingerprint of a table's rows, whatever their order.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// What is kept of one row before it is hashed in parts.
const SCRATCH_BYTES: usize = crate::backup::buffer_bytes(32 * 1024);

/// A number that stands for all rows of a table: equal rows give equal fingerprints in any order;
/// a changed, lost or doubled row, or values swapped between two rows, gives another one.
///
/// It is no cryptographic hash: it finds damage, not forgery. Two fingerprints may be compared only
/// if they leave out the same columns. Defined in `docs/fingerprint.md`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fingerprint {
    sum: [u8; 16],
    left_out: Box<[String]>,
}

impl Fingerprint {
    /// The name and version of the definition in `docs/fingerprint.md`.
    pub const ALGORITHM: &'static str = "pgdrill-fp1";

    /// The columns whose values have no canonical text and that it says nothing about, in the
    /// order of the `COPY`.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The fingerprint of both tables' rows together; `None` where they leave out other columns.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let sum = u128::from_be_bytes(self.sum).wrapping_add(u128::from_be_bytes(other.sum));
        (self.left_out == other.left_out)
            .then(|| Self { sum: sum.to_be_bytes(), left_out: self.left_out.clone() })
    }

    /// Whether it is that of the same rows, where the other was made of those columns alone that
    /// this one does not leave out.
    pub(crate) fn is_of_same_rows(&self, other: &Self) -> bool {
        self.sum == other.sum
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.sum))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", Self::ALGORITHM)?;
        if self.left_out.is_empty() { Ok(()) } else { write!(f, " without {:?}", self.left_out) }
    }
}

/// `{"algorithm": "pgdrill-fp1", "sum": "…", "columns_left_out": […]}`
impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fingerprint", 3)?;
        fields.serialize_field("algorithm", Self::ALGORITHM)?;
        fields.serialize_field("sum", &self.to_string())?;
        fields.serialize_field("columns_left_out", &self.left_out)?;
        fields.end()
    }
}

/// Sums up the hashes of rows, each given whole or in parts.
pub(super) struct RowSum {
    sum: u128,
    scratch: Vec<u8>,
    /// The hash of a row that outgrew the scratch; made once and used again.
    long: Option<Box<Xxh3>>,
    is_long: bool,
}

impl RowSum {
    pub(super) fn new() -> Self {
        Self { sum: 0, scratch: Vec::new(), long: None, is_long: false }
    }

    /// Adds a row that is there as a whole.
    #[inline]
    pub(super) fn row(&mut self, row: &[u8]) {
        self.sum = self.sum.wrapping_add(xxh3_128(row));
    }

    /// Adds a part of a row.
    #[inline]
    pub(super) fn part(&mut self, part: &[u8]) {
        if self.scratch.len() + part.len() <= SCRATCH_BYTES {
            self.scratch.extend_from_slice(part);
        } else {
            self.spill(part);
        }
    }

    #[cold]
    fn spill(&mut self, part: &[u8]) {
        let long = self.long.get_or_insert_with(Box::default);
        if !self.is_long {
            self.is_long = true;
            long.reset();
        }
        long.update(&self.scratch);
        long.update(part);
        self.scratch.clear();
    }

    /// Ends a row given in parts.
    #[inline]
    pub(super) fn end_row(&mut self) {
        let hash = match &mut self.long {
            Some(long) if self.is_long => {
                long.update(&self.scratch);
                self.is_long = false;
                long.digest128()
            }
            _ => xxh3_128(&self.scratch),
        };
        self.sum = self.sum.wrapping_add(hash);
        self.scratch.clear();
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.scratch.capacity()
    }

    pub(super) fn finish(&self, left_out: Box<[String]>) -> Fingerprint {
        Fingerprint { sum: self.sum.to_be_bytes(), left_out }
    }
}
