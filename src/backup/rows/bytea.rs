//! Values of `bytea` in either of their texts (`byteaout` in `src/backend/utils/adt/varlena.c`).
//!
//! Which one a dump holds is the setting `bytea_output` of the dumped database, which `pg_dump`
//! leaves as it is.

use super::fingerprint::RowSum;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Turns the escape form into hexadecimal digits, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Escaped {
    /// After the first of COPY's two backslashes.
    backslash: bool,
    /// Within an escape of bytea: how many digits were read, and their value.
    octal: Option<(u8, u32)>,
}

impl Escaped {
    /// Reads a part of a value as `COPY` writes it; a part may end anywhere.
    pub(super) fn part(&mut self, text: &[u8], sum: &mut RowSum) {
        for &byte in text {
            if byte == b'\\' && !self.backslash {
                self.backslash = true;
                continue;
            }
            self.backslash = false;
            match (self.octal, byte) {
                (None, b'\\') => self.octal = Some((0, 0)),
                (None, _) => emit(byte, sum),
                (Some((0, _)), b'\\') => {
                    self.octal = None;
                    emit(b'\\', sum);
                }
                (Some((read, value)), _) => {
                    let value = value * 8 + u32::from(byte.wrapping_sub(b'0') & 7);
                    self.octal = (read < 2).then_some((read + 1, value));
                    if self.octal.is_none() {
                        emit(value.to_le_bytes()[0], sum);
                    }
                }
            }
        }
    }
}

fn emit(byte: u8, sum: &mut RowSum) {
    sum.part(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}
