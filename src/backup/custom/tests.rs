//! Real dumps (`tests/fixtures/custom`, made there by `make.sh`) and archives built here.

#![allow(clippy::unwrap_used)]

mod built;
mod real;

use std::io::{self, Read};

use super::{CustomDump, Damage, DamageKind, read};
use crate::backup::meter::Meter;
use crate::backup::toc::TocEntry;

fn read_bytes(mut bytes: &[u8]) -> CustomDump {
    read(&mut bytes, &Meter::default())
}

fn entry<'a>(dump: &'a CustomDump, kind: &str, tag: &str) -> &'a TocEntry {
    dump.entries.iter().find(|entry| entry.kind == kind && entry.tag == tag).unwrap()
}

/// The finding in one line.
fn line(damage: &Damage) -> String {
    let entry = damage.entry.as_deref().unwrap_or("-");
    format!("{:?} @{} {entry}: {}", damage.kind, damage.offset, damage.detail)
}

fn lines(dump: &CustomDump) -> Vec<String> {
    dump.damage.iter().map(line).collect()
}

/// Findings without their offsets.
fn findings(dump: &CustomDump) -> Vec<(DamageKind, &str, &str)> {
    dump.damage
        .iter()
        .map(|damage| (damage.kind, damage.entry.as_deref().unwrap_or("-"), damage.detail.as_str()))
        .collect()
}

/// Marsaglia's xorshift64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// Gives bytes in small pieces, with an interruption before each, and then an error.
struct Pieces<'a> {
    bytes: &'a [u8],
    error: Option<io::ErrorKind>,
    interrupt: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if let (true, Some(kind)) = (self.bytes.is_empty(), self.error) {
            return Err(io::Error::new(kind, "the disk says no"));
        }
        let count = self.bytes.len().min(buffer.len()).min(3);
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}
