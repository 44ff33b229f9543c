//! Values whose text depends on the session that wrote it, brought to one form.

const HEX: &[u8; 16] = b"0123456789abcdef";
const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The canonical text of one short value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canonical {
    bytes: [u8; 16],
    len: usize,
}

impl Canonical {
    fn hex(value: u64, digits: usize) -> Self {
        let mut bytes = [0; 16];
        let value = value << (4 * (16 - digits));
        for (pair, byte) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(value.to_be_bytes()) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        Self { bytes, len: digits }
    }

    fn text(text: &[u8]) -> Self {
        let mut bytes = [0; 16];
        let len = text.len().min(16);
        bytes[..len].copy_from_slice(&text[..len]);
        Self { bytes, len }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The bits of a `double precision`; `None` for what is no number.
pub(super) fn float8(text: &[u8]) -> Option<Canonical> {
    let value: f64 = parse(text)?;
    Some(if value.is_nan() { Canonical::text(b"NaN") } else { Canonical::hex(value.to_bits(), 16) })
}

/// The bits of a `real`; `None` for what is no number.
pub(super) fn float4(text: &[u8]) -> Option<Canonical> {
    let value: f32 = parse(text)?;
    Some(if value.is_nan() {
        Canonical::text(b"NaN")
    } else {
        Canonical::hex(u64::from(value.to_bits()), 8)
    })
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Microseconds since 2000-01-01 00:00:00 UTC of a `timestamp with time zone` as `DateStyle` ISO
/// writes it (`EncodeDateTime` in `src/backend/utils/adt/datetime.c`): `2024-01-15
/// 10:20:30.5+05:30`, with `BC` behind it for years before 1. `None` for anything else.
pub(super) fn timestamptz(text: &[u8]) -> Option<Canonical> {
    if text == b"infinity" || text == b"-infinity" {
        return Some(Canonical::text(text));
    }
    let (text, before_christ) = match text.strip_suffix(b" BC") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (year, rest) = number(text)?;
    let is_year = text.len() - rest.len() >= 4;
    let (head, rest) = rest.split_first_chunk::<15>()?;
    if [head[0], head[3], head[6], head[9], head[12]] != *b"-- ::" {
        return None;
    }
    let (month, day) = (two(head, 1)?, two(head, 4)?);
    let clock = two(head, 7)? * 3600 + two(head, 10)? * 60 + two(head, 13)?;
    let (fraction, rest) = fraction(rest)?;
    let offset = zone(rest)?;
    if !is_year || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if before_christ { 1 - year } else { year };
    let days = days_since_2000(year, month, day);
    let seconds = days.checked_mul(SECONDS_PER_DAY)?.checked_add(clock - offset)?;
    let micros = seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)?;
    Some(Canonical::hex(micros.cast_unsigned(), 16))
}

/// Days between 2000-01-01 and a day of the proleptic Gregorian calendar, with a year 0
/// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days_since_2000(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 730_425
}

/// The digits that `text` begins with, at most nine, and what follows them.
fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    (1..=9).contains(&count).then_some((value, rest))
}

/// Two digits at `text[at]`.
#[inline]
fn two(text: &[u8], at: usize) -> Option<i64> {
    let digit = |at: usize| text.get(at).map(|byte| byte.wrapping_sub(b'0'));
    let (tens, ones) = (digit(at)?, digit(at + 1)?);
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// `.5`, in microseconds, and what follows; 0 where there is none.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    const UNITS: [i64; 7] = [0, 100_000, 10_000, 1000, 100, 10, 1];
    let [b'.', text @ ..] = text else { return Some((0, text)) };
    let (value, rest) = number(text)?;
    Some((value * UNITS.get(text.len() - rest.len())?, rest))
}

/// `+05`, `-05:30` or `+00:53:28`, in seconds.
fn zone(text: &[u8]) -> Option<i64> {
    let mut seconds = two(text, 1)? * 3600;
    for (at, unit) in [(3, 60), (6, 1)] {
        if text.len() > at {
            seconds += (text[at] == b':').then_some(two(text, at + 1)?)? * unit;
        }
    }
    match (text.first()?, text.len()) {
        (b'+', 3 | 6 | 9) => Some(seconds),
        (b'-', 3 | 6 | 9) => Some(-seconds),
        _ => None,
    }
}
