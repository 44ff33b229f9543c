//! The judgement of recovery objectives. What was not measured is never met.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::outcome::{CheckOutcome, ObjectiveReport};
use crate::text::{duration, one_line};

/// Clocks of two machines differ by no more than this.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// The zones farthest from UTC, east and west.
const EAST: SignedDuration = SignedDuration::from_hours(14);
const WEST: SignedDuration = SignedDuration::from_hours(12);

/// What says how old the newest data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewestData {
    /// The time inside the backup, if there is one.
    Made(Option<String>),
    /// What the scenario's query has returned.
    Value(String),
    /// The query has found none, for this reason: there is no newest data.
    Nothing(String),
    /// Nobody could ask, for this reason.
    NotAsked(String),
    /// The run ended before.
    NotReached,
}

/// Judges the time that recovery took; `None` where the backup was not restored as a whole.
pub fn judge_rto(
    target: Duration,
    measured: Option<Duration>,
    restore_asked: bool,
) -> ObjectiveReport {
    match measured {
        Some(measured) => judged(target, measured, &duration(measured)),
        None if restore_asked => unmeasured(
            target,
            CheckOutcome::Skipped,
            "not measured: the backup was not restored as a whole",
        ),
        None => unmeasured(
            target,
            CheckOutcome::Errored,
            "not measured: nothing was restored, add --restore-test",
        ),
    }
}

/// Judges the age of the newest data. A time without a zone is one of `zone`; without that one of
/// UTC where a query returned it, and of any zone where it stands in the backup: `pg_dump` writes
/// its machine's own clock.
pub fn judge_rpo(
    target: Duration,
    newest: &NewestData,
    zone: Option<&TimeZone>,
    now: Timestamp,
) -> ObjectiveReport {
    let errored = |why: &str| unmeasured(target, CheckOutcome::Errored, why);
    let (text, zone) = match newest {
        NewestData::Made(Some(text)) => (text, zone.cloned()),
        NewestData::Value(text) => (text, Some(zone.cloned().unwrap_or(TimeZone::UTC))),
        NewestData::Made(None) => {
            return errored(
                "not measured: the backup does not say when it was made, name a query: objectives.rpo.query",
            );
        }
        NewestData::Nothing(why) => {
            let why = format!("there is no newest data: {}", one_line(why, 300));
            return unmeasured(target, CheckOutcome::Failed, &why);
        }
        NewestData::NotAsked(why) => {
            return errored(&format!("not measured: {}", one_line(why, 300)));
        }
        NewestData::NotReached => {
            let why = "not measured: the run ended before";
            return unmeasured(target, CheckOutcome::Skipped, why);
        }
    };
    let Some((earliest, latest)) = instants(text, zone.as_ref()) else {
        return match newest {
            NewestData::Value(_) => {
                let why = "there is no newest data: what the query returns is no time";
                unmeasured(target, CheckOutcome::Failed, why)
            }
            _ => errored("not measured: the backup's own time cannot be read"),
        };
    };
    let (least, most) = (now.duration_since(latest), now.duration_since(earliest));
    if most < -SKEW {
        return errored(
            "not measured: the time lies in the future, so a clock is wrong: this machine's or the source's",
        );
    }
    let positive = |age: SignedDuration| Duration::try_from(age).unwrap_or_default();
    let (least, most) = (positive(least), positive(most));
    if most <= target || least > target {
        let (age, words) = match (most <= target, least == most) {
            (_, true) => (most, duration(most)),
            (true, false) => (most, format!("at most {}", duration(most))),
            (false, false) => (least, format!("at least {}", duration(least))),
        };
        return judged(target, age, &format!("{words} old"));
    }
    errored(&format!(
        "not measured: the backup's time names no zone, so it is {} to {} old; name it: objectives.rpo.zone",
        duration(least),
        duration(most)
    ))
}

fn judged(target: Duration, measured: Duration, words: &str) -> ObjectiveReport {
    let met = measured <= target;
    ObjectiveReport {
        target_seconds: target.as_secs_f64(),
        measured_seconds: Some(measured.as_secs_f64()),
        met,
        outcome: if met { CheckOutcome::Passed } else { CheckOutcome::Failed },
        detail: format!("{words}, the objective is {}", duration(target)),
    }
}

fn unmeasured(target: Duration, outcome: CheckOutcome, why: &str) -> ObjectiveReport {
    ObjectiveReport {
        target_seconds: target.as_secs_f64(),
        measured_seconds: None,
        met: false,
        outcome,
        detail: format!("{why}; the objective is {}", duration(target)),
    }
}

/// The first and the last moment that a text may mean; a day means its first moment.
fn instants(text: &str, zone: Option<&TimeZone>) -> Option<(Timestamp, Timestamp)> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some((instant, instant));
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| DateTime::strptime("%Y%m%d_%H%M%S", text))
        .or_else(|_| text.parse::<Date>().map(|date| date.to_datetime(Time::midnight())))
        .ok()?;
    let zoned = |zone: &TimeZone| Some(civil.to_zoned(zone.clone()).ok()?.timestamp());
    if let Some(zone) = zone {
        return zoned(zone).map(|instant| (instant, instant));
    }
    let utc = zoned(&TimeZone::UTC)?;
    Some((utc.checked_sub(EAST).ok()?, utc.checked_add(WEST).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn rpo(hours: u32, newest: &NewestData, zone: Option<&TimeZone>) -> ObjectiveReport {
        let now: Timestamp = "2026-01-30T12:00:00Z".parse().unwrap();
        judge_rpo(HOUR * hours, newest, zone, now)
    }

    fn made(hours: u32, text: &str) -> CheckOutcome {
        rpo(hours, &NewestData::Made(Some(text.to_owned())), None).outcome
    }

    #[test]
    fn recovery_time_is_met_missed_or_not_measured() {
        let rto = |measured, asked| {
            let report = judge_rto(HOUR, measured, asked);
            assert_eq!(report.met, report.outcome == CheckOutcome::Passed);
            assert_eq!(report.measured_seconds.is_some(), measured.is_some());
            report.outcome
        };
        assert_eq!(rto(Some(HOUR), true), CheckOutcome::Passed);
        assert_eq!(rto(Some(HOUR + Duration::from_millis(1)), true), CheckOutcome::Failed);
        assert_eq!(rto(None, true), CheckOutcome::Skipped);
        assert_eq!(rto(None, false), CheckOutcome::Errored);
    }

    #[test]
    fn a_time_with_a_zone_is_a_moment() {
        assert_eq!(made(10, "2026-01-30T02:00:00Z"), CheckOutcome::Passed);
        assert_eq!(made(10, "2026-01-30T02:59:59.123456789+01:00"), CheckOutcome::Failed);
        assert_eq!(made(1, "2026-01-30T12:05:00Z"), CheckOutcome::Passed);
        assert_eq!(made(1, "2026-01-30T12:05:01Z"), CheckOutcome::Errored);
        assert_eq!(made(1, "yesterday"), CheckOutcome::Errored);
    }

    #[test]
    fn a_time_without_a_zone_must_hold_in_all() {
        // 02:00 may be twelve o'clock UTC of the day before, or two o'clock in the afternoon.
        assert_eq!(made(24, "2026-01-30T02:00:00"), CheckOutcome::Passed);
        assert_eq!(made(23, "2026-01-30T02:00:00"), CheckOutcome::Errored);
        assert_eq!(made(23, "20260130_020000"), CheckOutcome::Errored);
        assert_eq!(made(26, "2026-01-28T02:00:00"), CheckOutcome::Failed);
        assert_eq!(made(26, "2026-01-31T02:05:01"), CheckOutcome::Errored, "in no zone yet");
        let known = |text: &str, zone: &str| {
            let hours = zone.parse().unwrap();
            let zone = jiff::tz::Offset::constant(hours).to_time_zone();
            rpo(10, &NewestData::Made(Some(text.to_owned())), Some(&zone))
        };
        assert_eq!(known("2026-01-30T03:00:00", "1").outcome, CheckOutcome::Passed);
        assert_eq!(known("2026-01-30T03:00:00", "2").outcome, CheckOutcome::Failed);
        assert_eq!(known("2026-01-30T03:00:00", "1").measured_seconds, Some(36_000.0));
    }

    #[test]
    fn a_query_tells_the_newest_data_or_there_is_none() {
        let value = |text: &str| rpo(10, &NewestData::Value(text.to_owned()), None).outcome;
        assert_eq!(value("2026-01-30T02:00:00"), CheckOutcome::Passed);
        assert_eq!(value("2026-01-30T01:59:59"), CheckOutcome::Failed);
        assert_eq!(value("2026-01-30"), CheckOutcome::Failed);
        assert_eq!(value("infinity"), CheckOutcome::Failed);
        let outcome = |newest: NewestData| {
            let report = rpo(10, &newest, None);
            assert!(!report.met && report.measured_seconds.is_none());
            report.outcome
        };
        assert_eq!(outcome(NewestData::Nothing("NULL".into())), CheckOutcome::Failed);
        assert_eq!(outcome(NewestData::NotAsked("syntax".into())), CheckOutcome::Errored);
        assert_eq!(outcome(NewestData::NotReached), CheckOutcome::Skipped);
        assert_eq!(outcome(NewestData::Made(None)), CheckOutcome::Errored);
    }
}
