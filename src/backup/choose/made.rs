//! When a backup was made, as it says itself.

use std::fmt;
use std::io::Read;

use camino::Utf8Path;
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::backup::intake::{self, Content};
use crate::backup::meter::Meter;
use crate::backup::tarball::TarReader;
use crate::backup::{custom, names, sidecar};

/// What is read of an archive to find its first dump's time.
const LOOK_BYTES: u64 = 256 * 1024 * 1024;
/// What is read of a plain dump: the time stands in its first lines.
const HEAD_BYTES: u64 = 16 * 1024;
/// Clocks of machines differ by no more than this.
const ZONES: SignedDuration = SignedDuration::from_hours(26);

/// Where a time stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Name,
    Sidecar,
    Inside,
}

/// A time with its precision: a name may hold the day alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    from: DateTime,
    to: DateTime,
    /// In UTC; else by a clock that nothing names.
    is_utc: bool,
    source: Source,
}

impl Made {
    /// Sorts later ones behind earlier ones, whether or not that is certain.
    pub(super) fn order(&self) -> DateTime {
        self.from
    }

    /// Whether this one was certainly made after `other`: two clocks may be in different zones.
    pub(super) fn is_newer(&self, other: &Self) -> bool {
        let same_clock =
            self.is_utc == other.is_utc && (self.is_utc || self.source == other.source);
        let slack = if same_clock { SignedDuration::ZERO } else { ZONES };
        self.from.checked_sub(slack).is_ok_and(|from| from > other.to)
    }

    pub(super) fn place(&self) -> &'static str {
        match self.source {
            Source::Name => "in its name",
            Source::Sidecar => "in its sidecar",
            Source::Inside => "inside it",
        }
    }

    fn at(time: DateTime, source: Source) -> Self {
        Self { from: time, to: time, is_utc: false, source }
    }

    fn instant(time: Timestamp, source: Source) -> Self {
        Self { is_utc: true, ..Self::at(TimeZone::UTC.to_datetime(time), source) }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = if self.is_utc { "Z" } else { "" };
        if self.from == self.to {
            write!(f, "{}{zone} ({})", self.from, self.place())
        } else {
            write!(f, "{}{zone} to {}{zone} ({})", self.from, self.to, self.place())
        }
    }
}

/// The time in the name, else in a sidecar, else inside. Folders count as names as far as they are
/// not in `literal`, which all matches have in common.
pub(super) fn of(backup: &Utf8Path, literal: &Utf8Path) -> Option<Made> {
    let varying = backup.strip_prefix(literal).unwrap_or(backup);
    varying
        .components()
        .rev()
        .find_map(|part| in_name(part.as_str()))
        .or_else(|| in_sidecar(backup))
        .or_else(|| inside(backup).map(|time| Made::at(time, Source::Inside)))
}

fn in_sidecar(backup: &Utf8Path) -> Option<Made> {
    let text = sidecar::read(backup).0?.timestamp?;
    match text.parse::<Timestamp>() {
        Ok(instant) => Some(Made::instant(instant, Source::Sidecar)),
        Err(_) => text.parse().ok().map(|time| Made::at(time, Source::Sidecar)),
    }
}

/// The last time in a name: what is before it may be the name of a database.
pub(super) fn in_name(name: &str) -> Option<Made> {
    let text = name.as_bytes();
    let mut found = None;
    let mut at = 0;
    while at < text.len() {
        let is_start = at == 0 || !text[at - 1].is_ascii_digit();
        match Some(at).filter(|_| is_start).and_then(|at| stamp(text, at)) {
            Some((made, end)) => {
                found = Some(made);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

fn number(text: &[u8], at: usize, digits: usize) -> Option<i16> {
    let digit =
        |sum: i16, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0'));
    text.get(at..at + digits)?.iter().try_fold(0, digit)
}

fn two(text: &[u8], at: usize) -> Option<i8> {
    i8::try_from(number(text, at, 2)?).ok()
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

fn skip(text: &[u8], at: usize, separators: &[u8]) -> usize {
    at + usize::from(text.get(at).is_some_and(|byte| separators.contains(byte)))
}

/// `20260130`, `2026-01-30`, and either with a time behind it; gives where it ends, too.
fn stamp(text: &[u8], at: usize) -> Option<(Made, usize)> {
    let year = number(text, at, 4).filter(|year| (1990..2100).contains(year))?;
    let month_at = skip(text, at + 4, b"-_.");
    let day_at = skip(text, month_at + 2, b"-_.");
    if month_at - (at + 4) != day_at - (month_at + 2) {
        return None;
    }
    let date = Date::new(year, two(text, month_at)?, two(text, day_at)?).ok()?;
    let end = day_at + 2;
    if let Some((from, to, time_end)) = time_of_day(text, end) {
        let made = |time: Time| date.to_datetime(time);
        let made = Made { to: made(to), ..Made::at(made(from), Source::Name) };
        return Some(zoned(made, text, time_end));
    }
    let last = Time::new(23, 59, 59, 0).ok()?;
    let made = Made {
        to: date.to_datetime(last),
        ..Made::at(date.to_datetime(Time::midnight()), Source::Name)
    };
    (!is_digit(text, end)).then_some((made, end))
}

/// `_021011`, `T02:10:11`, `_02-10`: the time's first and last second, and where it ends.
fn time_of_day(text: &[u8], at: usize) -> Option<(Time, Time, usize)> {
    let hour_at = skip(text, at, b"T_- .");
    let minute_at = skip(text, hour_at + 2, b":-_.h");
    let (hour, minute) = (two(text, hour_at)?, two(text, minute_at)?);
    let second_at = skip(text, minute_at + 2, b":-_.");
    if let Some(second) = two(text, second_at)
        && !is_digit(text, second_at + 2)
        && let Ok(time) = Time::new(hour, minute, second, 0)
    {
        return Some((time, time, second_at + 2));
    }
    let (from, to) = (Time::new(hour, minute, 0, 0).ok()?, Time::new(hour, minute, 59, 0).ok()?);
    (!is_digit(text, minute_at + 2)).then_some((from, to, minute_at + 2))
}

/// A `Z`, `+01:00`, `+0100` or `-05:00` behind a time. `-0500` may be anything.
fn zoned(made: Made, text: &[u8], at: usize) -> (Made, usize) {
    let shifted = |seconds: i64, end: usize| {
        let shift = SignedDuration::from_secs(seconds);
        let utc = |time: DateTime| time.checked_sub(shift).unwrap_or(time);
        (Made { from: utc(made.from), to: utc(made.to), is_utc: true, ..made }, end)
    };
    let sign = match text.get(at) {
        Some(b'Z') if !text.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {
            return shifted(0, at + 1);
        }
        Some(b'+') => 1,
        Some(b'-') if text.get(at + 3) == Some(&b':') => -1,
        _ => return (made, at),
    };
    let minutes_at = skip(text, at + 3, b":");
    match (two(text, at + 1), two(text, minutes_at)) {
        (Some(hours), Some(minutes)) if hours <= 14 && !is_digit(text, minutes_at + 2) => {
            shifted(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60), minutes_at + 2)
        }
        _ => (made, at),
    }
}

fn inside(backup: &Utf8Path) -> Option<DateTime> {
    if !backup.is_dir() {
        return of_stream(&mut intake::open(backup).ok()?, 4);
    }
    intake::folder_members(backup)
        .ok()?
        .into_iter()
        .filter(|(name, _)| {
            let is_contents = name.rsplit('/').next() == Some("toc.dat");
            is_contents || names::database_of_member(name).is_some() || name == "globals.sql"
        })
        .find_map(|(_, file)| of_stream(&mut intake::open(&file).ok()?, 2))
}

/// The time in the first dump that tells one; `layers` of compression and archive may lie around it.
fn of_stream(reader: &mut dyn Read, layers: u8) -> Option<DateTime> {
    let (head, mut reader) = intake::peek(reader.take(LOOK_BYTES)).ok()?;
    match intake::content_of(&head) {
        Content::CustomDump => created(&mut reader),
        Content::Text => started_on(&mut reader),
        Content::Compressed(codec) if layers > 0 => {
            of_stream(&mut codec.decoder(reader, &Meter::default()).ok()?, layers - 1)
        }
        Content::Tar if layers > 0 => {
            let mut archive = TarReader::new(reader);
            while archive.next().ok()?.is_some() {
                let made = of_stream(&mut archive, layers - 1);
                if made.is_some() {
                    return made;
                }
            }
            None
        }
        _ => None,
    }
}

fn created(reader: &mut dyn Read) -> Option<DateTime> {
    let [year, month, day, hour, minute, second] = custom::created(reader)?;
    let small = |number: i64| i8::try_from(number).ok();
    // A leap second is 60 there.
    let (hour, minute, second) = (small(hour)?, small(minute)?, small(second.min(59))?);
    let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    Some(date.to_datetime(Time::new(hour, minute, second, 0).ok()?))
}

/// `-- Started on 2026-01-30 02:10:11 CET`, which `pg_dump --verbose` writes.
fn started_on(reader: &mut dyn Read) -> Option<DateTime> {
    let mut head = Vec::new();
    reader.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    let text = String::from_utf8_lossy(&head);
    let time = text.lines().find_map(|line| line.strip_prefix("-- Started on "))?;
    time.get(..19)?.parse().ok()
}
