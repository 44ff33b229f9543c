//! Sizes and durations: a number and its unit, always.

use std::time::Duration;

use serde_json::json;

use super::leaf;
use crate::scenario::check::SampleRows;
use crate::scenario::kind::{Fault, Leaf, Takes};
use crate::text::ByteCount;

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Each with the milliseconds that it is.
const TIMES: [(&[&str], u64); 6] = [
    (&["ms"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
    (&["w", "week", "weeks"], 604_800_000),
];

/// A share in percent, or a number of rows.
pub(in crate::scenario) fn sample_rows() -> Leaf<SampleRows> {
    let schema = json!({"anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)? ?%|[1-9][0-9]*)$"},
    ]});
    leaf("a share such as 1%, or a number of rows", schema, Takes::Any, |text| {
        let wrong = || Fault::new("is no number of rows", "a share such as 1% or 0.5%, or 100");
        let Some(share) = text.strip_suffix('%') else {
            let rows = text.parse().ok().filter(|rows| *rows > 0);
            return rows.map(SampleRows::Count).ok_or_else(wrong);
        };
        let plain = |share: &&str| share.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let share = Some(share.strip_suffix(' ').unwrap_or(share)).filter(plain);
        let share = share.and_then(|share| share.parse::<f64>().ok()).ok_or_else(wrong)?;
        if share > 0.0 && share <= 100.0 {
            Ok(SampleRows::Share(share / 100.0))
        } else {
            Err(Fault::new("is no share of rows", "more than 0%, and at most 100%"))
        }
    })
}

/// A size that is not too small; `why` says what would go wrong.
pub(in crate::scenario) fn size(
    least: ByteCount,
    least_words: &'static str,
    why: &'static str,
) -> Leaf<ByteCount> {
    let schema = json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"});
    leaf("a size such as 4GiB", schema, Takes::Any, move |text| {
        let size = parse_size(text)?;
        if size < least {
            return Err(Fault::new(format!("is less than {least_words}"), why));
        }
        Ok(size)
    })
}

fn parse_size(text: &str) -> Result<ByteCount, Fault> {
    let units = "B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024)";
    let Some((number, unit)) = number_and_rest(text) else {
        return Err(Fault::new(
            "is no size",
            format!("a number and a unit, such as 4GiB; units: {units}"),
        ));
    };
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    if unit.is_empty() {
        return Err(Fault::new(
            "is a size without a unit",
            format!("add one, such as MiB or GiB; units: {units}"),
        ));
    }
    let Some((_, bytes)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        let near = SIZES.iter().rev().find(|(name, _)| {
            let (name, unit) = (name.to_lowercase(), unit.to_lowercase());
            name == unit || name == format!("{unit}ib")
        });
        let help = match near {
            Some((near, _)) => format!("did you mean the unit {near}?"),
            None => format!("units: {units}"),
        };
        return Err(Fault::new("is a size with an unknown unit", help));
    };
    scaled(number, *bytes)
        .map(ByteCount)
        .ok_or_else(|| Fault::new("is larger than any disk", format!("units: {units}")))
}

/// A span of time that is longer than none.
pub(in crate::scenario) fn age() -> Leaf<Duration> {
    let unit =
        TIMES.iter().flat_map(|(names, _)| names.iter()).copied().collect::<Vec<_>>().join("|");
    let part = format!(r"[0-9]+(\.[0-9]+)? ?({unit})");
    let schema = json!({"type": "string", "pattern": format!("^{part}( ?{part})*$")});
    leaf("a duration such as 90m", schema, Takes::Any, |text| {
        let duration = parse_duration(text)?;
        if duration.is_zero() {
            return Err(Fault::new("is no time at all", "a duration is longer than zero"));
        }
        Ok(duration)
    })
}

/// A duration of the command line.
///
/// # Errors
///
/// In words that go on after the text.
pub fn duration_of(text: &str) -> Result<Duration, String> {
    let fault = match parse_duration(text) {
        Ok(duration) if duration.is_zero() => {
            Fault::new("is no time at all", "it is longer than zero")
        }
        Ok(duration) => return Ok(duration),
        Err(fault) => fault,
    };
    Err(format!("it {}; {}", fault.predicate, fault.help.unwrap_or_default()))
}

fn parse_duration(text: &str) -> Result<Duration, Fault> {
    let help = "a number and a unit (ms, s, m, h, d, w), also several: 90m, 24h, 2h 30m, 7d";
    let wrong = || Fault::new("is no duration", help);
    let mut rest = text;
    let mut millis: u64 = 0;
    loop {
        let (number, after) = number_and_rest(rest).ok_or_else(wrong)?;
        let after = after.strip_prefix(' ').unwrap_or(after);
        let length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        if unit.is_empty() && rest == text && after.is_empty() {
            return Err(Fault::new("is a duration without a unit", help));
        }
        let (_, scale) = TIMES.iter().find(|(names, _)| names.contains(&unit)).ok_or_else(wrong)?;
        let part = scaled(number, *scale).and_then(|part| millis.checked_add(part));
        millis = part.ok_or_else(|| Fault::new("is longer than time itself", help))?;
        if after.is_empty() {
            return Ok(Duration::from_millis(millis));
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
}

/// `1.5GiB`: `1.5` and `GiB`.
fn number_and_rest(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    (!whole.is_empty() && !fraction.is_empty() && !fraction.contains('.')).then_some((number, rest))
}

/// `number` times `scale`, without going through floating point.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    // More than nine digits of a fraction are less than a byte of a gigabyte.
    let fraction = &fraction[..fraction.len().min(9)];
    let digits = u32::try_from(fraction.len()).ok()?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let part = part * u128::from(scale) / 10_u128.pow(digits);
    whole.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let bytes =
            |text: &str| parse_size(text).map(|size| size.0).map_err(|fault| fault.help.unwrap());
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("1.5 GB"), Ok(1_500_000_000));
        assert_eq!(bytes("0.25KiB"), Ok(256));
        assert_eq!(bytes("4gb").unwrap_err(), "did you mean the unit GB?");
        assert_eq!(bytes("4G").unwrap_err(), "did you mean the unit GiB?");
        for text in
            ["", "4", "GiB", "-1GiB", "1.GiB", "1.2.3GiB", "4  GiB", "99999999999TiB", "1e9B"]
        {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        let seconds = |text: &str| parse_duration(text).map(|age| age.as_secs()).ok();
        assert_eq!(seconds("90m"), Some(5400));
        assert_eq!(seconds("2h 30m"), Some(9000));
        assert_eq!(seconds("2h30m"), Some(9000));
        assert_eq!(seconds("1.5 hours"), Some(5400));
        assert_eq!(seconds("7d"), Some(604_800));
        for text in
            ["", "5", "h", "-5s", "5s ", "5 fortnights", "5s ago", "99999999999999w", "2h,3m"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
