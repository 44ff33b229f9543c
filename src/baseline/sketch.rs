//! A sketch of a set of rows that tells which keys two sets differ in, as long as these are few: an
//! invertible Bloom lookup table (Eppstein et al., "What's the Difference?", 2011). Its size does
//! not grow with the set.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Every row goes into one cell of each part.
const PARTS: usize = 3;
const PART_CELLS: usize = 64;
const CELLS: usize = PARTS * PART_CELLS;
const CELL_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// What keys and rows are hashed with, so that no table of hashes fits two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; SALT_BYTES]);

impl Salt {
    /// A new one.
    pub fn random() -> Self {
        let digits = crate::random::hex(SALT_BYTES);
        Self::from_hex(&digits).unwrap_or(Self([0; SALT_BYTES]))
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut salt = [0; SALT_BYTES];
        if text.len() != 2 * SALT_BYTES || !text.is_ascii() {
            return None;
        }
        for (byte, at) in salt.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(salt))
    }

    /// The hash of a key's text: what reports show.
    pub fn key(&self, text: &[u8]) -> u64 {
        self.hash(&[text])
    }

    /// The hash of a row's text.
    pub fn row(&self, text: &[u8]) -> u64 {
        // A key is never taken for a row of the same text.
        self.hash(&[text, b"\n"])
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        for part in parts {
            hasher.update(part);
        }
        let digest = hasher.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(first)
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:032x}", u128::from_be_bytes(self.0)))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("no salt"))
    }
}

/// Rows by the hashes of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    cells: Box<[Cell]>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cell {
    count: i64,
    key: u64,
    row: u64,
    check: u64,
}

/// Keys in which two sets of rows differ, hashed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Of rows that only the first set has.
    pub lost: BTreeSet<u64>,
    /// Of rows that only the second set has.
    pub added: BTreeSet<u64>,
    /// Of rows that are another in each.
    pub changed: BTreeSet<u64>,
    /// Whether these are all: with too many, none can be told, or only some.
    pub is_complete: bool,
}

impl Default for Sketch {
    fn default() -> Self {
        Self::new()
    }
}

impl Sketch {
    /// Of no rows.
    pub fn new() -> Self {
        Self { cells: vec![Cell::default(); CELLS].into() }
    }

    /// Adds a row by the hashes of its key and of itself.
    pub fn add(&mut self, key: u64, row: u64) {
        self.change(key, row, 1);
    }

    fn change(&mut self, key: u64, row: u64, count: i64) {
        let check = mixed(key, row);
        for place in places(check) {
            let cell = &mut self.cells[place];
            cell.count = cell.count.wrapping_add(count);
            cell.key ^= key;
            cell.row ^= row;
            cell.check ^= check;
        }
    }

    /// The keys in which `other` differs.
    pub fn difference(&self, other: &Self) -> Difference {
        let mut left = self.clone();
        for (cell, theirs) in left.cells.iter_mut().zip(&other.cells) {
            cell.count = cell.count.wrapping_sub(theirs.count);
            cell.key ^= theirs.key;
            cell.row ^= theirs.row;
            cell.check ^= theirs.check;
        }
        // A cell with one row alone tells it; without that row others become such cells.
        let mut found: BTreeMap<u64, (bool, bool)> = BTreeMap::new();
        let mut pending: Vec<usize> = (0..CELLS).collect();
        // What is damaged must come to an end, too.
        for _ in 0..CELLS * CELLS {
            let Some(place) = pending.pop() else { break };
            let cell = left.cells[place];
            if cell.count.abs() != 1 || cell.check != mixed(cell.key, cell.row) {
                continue;
            }
            let sides = found.entry(cell.key).or_default();
            if cell.count == 1 {
                sides.0 = true;
            } else {
                sides.1 = true;
            }
            left.change(cell.key, cell.row, -cell.count);
            pending.extend(places(cell.check));
        }
        let of = |wanted: (bool, bool)| {
            found.iter().filter(|(_, sides)| **sides == wanted).map(|(key, _)| *key).collect()
        };
        Difference {
            lost: of((true, false)),
            added: of((false, true)),
            changed: of((true, true)),
            is_complete: left.cells.iter().all(|cell| *cell == Cell::default()),
        }
    }
}

/// One cell of each part.
fn places(check: u64) -> [usize; PARTS] {
    let part = |part: usize| {
        let bits = usize::try_from(check >> (6 * part) & 0x3f).unwrap_or_default();
        part * PART_CELLS + bits
    };
    [part(0), part(1), part(2)]
}

fn mixed(key: u64, row: u64) -> u64 {
    let mut both = [0; 16];
    both[..8].copy_from_slice(&key.to_le_bytes());
    both[8..].copy_from_slice(&row.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&both)
}

impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(CELLS * CELL_BYTES);
        for cell in &self.cells {
            bytes.extend(cell.count.to_le_bytes());
            bytes.extend(cell.key.to_le_bytes());
            bytes.extend(cell.row.to_le_bytes());
            bytes.extend(cell.check.to_le_bytes());
        }
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("no sketch");
        let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
        if bytes.len() != CELLS * CELL_BYTES {
            return Err(wrong());
        }
        let number = |cell: &[u8], at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&cell[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let cells = bytes.chunks_exact(CELL_BYTES).map(|cell| Cell {
            count: number(cell, 0).cast_signed(),
            key: number(cell, 8),
            row: number(cell, 16),
            check: number(cell, 24),
        });
        Ok(Self { cells: cells.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(salt: &Salt, rows: impl Iterator<Item = (u32, u32)>) -> Sketch {
        let mut sketch = Sketch::new();
        for (key, value) in rows {
            let key = key.to_string();
            let row = format!("{key}\t{value}");
            sketch.add(salt.key(key.as_bytes()), salt.row(row.as_bytes()));
        }
        sketch
    }

    #[test]
    fn few_differences_among_many_rows_are_told_apart() {
        let salt = Salt::random();
        let before = sketch(&salt, (0..50_000).map(|key| (key, key)));
        let after = (10..50_007).map(|key| (key, if key % 2_500 == 0 { 0 } else { key }));
        let found = before.difference(&sketch(&salt, after));
        let keys = |keys: &mut dyn Iterator<Item = u32>| -> BTreeSet<u64> {
            keys.map(|key| salt.key(key.to_string().as_bytes())).collect()
        };
        assert!(found.is_complete);
        assert_eq!(found.lost, keys(&mut (0..10)));
        assert_eq!(found.added, keys(&mut (50_000..50_007)));
        assert_eq!(found.changed, keys(&mut (1..20).map(|n| n * 2_500)));
        assert!(before.difference(&before).lost.is_empty());
    }

    #[test]
    fn too_many_differences_are_not_taken_for_few() {
        let salt = Salt::random();
        let before = sketch(&salt, (0..5_000).map(|key| (key, key)));
        let found = before.difference(&sketch(&salt, (0..5_000).map(|key| (key, key + 1))));
        assert!(!found.is_complete);
    }

    #[test]
    fn hashes_hold_for_one_salt() {
        assert_ne!(Salt::random().key(b"1"), Salt::random().key(b"1"));
        let salt = Salt::random();
        assert_ne!(salt.key(b"1"), salt.row(b"1"));
    }
}
