//! The judgement of one observed value.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::outcome::CheckOutcome;
use crate::scenario::{Comparison, Condition, Filled, Thresholds};

/// A judgement and what was seen, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What became of the check.
    pub outcome: CheckOutcome,
    /// What was observed.
    pub observed: String,
    /// It holds, and is worth a look.
    pub is_warned: bool,
}

impl Judged {
    fn new(holds: bool, observed: impl Into<String>) -> Self {
        let outcome = if holds { CheckOutcome::Passed } else { CheckOutcome::Failed };
        Self { outcome, observed: observed.into(), is_warned: false }
    }

    /// It holds.
    pub fn passed(observed: impl Into<String>) -> Self {
        Self::new(true, observed)
    }

    /// It does not hold.
    pub fn failed(observed: impl Into<String>) -> Self {
        Self::new(false, observed)
    }

    /// Nobody knows whether it holds.
    pub fn errored(observed: impl Into<String>) -> Self {
        Self { outcome: CheckOutcome::Errored, observed: observed.into(), is_warned: false }
    }
}

/// Judges the first column of the first row: `None` = no row, `Some(None)` = NULL.
pub fn judge_value(comparison: &Comparison, value: Option<Option<&str>>, now: Timestamp) -> Judged {
    let Some(value) = value else { return Judged::new(false, "no row") };
    let Some(value) = value else { return Judged::new(false, "NULL") };
    let ordered = |bound: &str| compare_numbers(value, bound);
    let number = |holds: Option<bool>| match holds {
        Some(holds) => Judged::new(holds, value),
        None => Judged::new(false, format!("{value}, which is no number")),
    };
    match comparison {
        Comparison::Equals(expected) => {
            let expected = expected.expose();
            let same = ordered(expected).map_or(value == expected, Ordering::is_eq);
            Judged::new(same, value)
        }
        Comparison::AtLeast(bound) => number(ordered(bound.expose()).map(Ordering::is_ge)),
        Comparison::AtMost(bound) => number(ordered(bound.expose()).map(Ordering::is_le)),
        Comparison::Between(low, high) => {
            let inside = ordered(low.expose())
                .zip(ordered(high.expose()))
                .map(|(above, below)| above.is_ge() && below.is_le());
            number(inside)
        }
        Comparison::NewerThan(age) => match time_of(value) {
            Some(time) => {
                let oldest = now.checked_sub(*age.expose()).unwrap_or(Timestamp::MIN);
                Judged::new(time >= oldest, value)
            }
            None => Judged::new(false, format!("{value}, which is no time")),
        },
        Comparison::Matches(pattern) => match Regex::new(pattern.expose()) {
            Ok(regex) => Judged::new(regex.is_match(value), value),
            Err(error) => Judged::errored(error.to_string()),
        },
        Comparison::EqualsFile(_) => Judged::errored("one value was asked for instead of rows"),
        Comparison::Thresholds(thresholds) => match weigh(thresholds, value) {
            Some((holds, is_warned)) => Judged { is_warned, ..Judged::new(holds, value) },
            None => number(None),
        },
    }
}

/// Whether a number is on the right side, and whether that is worth a look; `None`: no number.
fn weigh(thresholds: &Thresholds, number: &str) -> Option<(bool, bool)> {
    let holds = |condition: &Option<Filled<Condition>>| match condition {
        Some(condition) => {
            let condition = condition.expose();
            Some(condition.holds(compare_numbers(number, condition.bound())?))
        }
        // Whatever it is, it has to be a number.
        None => compare_numbers(number, "0").map(|_| false),
    };
    let (fails, warns) = (holds(&thresholds.error_if)?, holds(&thresholds.warn_if)?);
    Some((!fails, !fails && warns))
}

/// Judges the number of rows, none of which should be there; `population` says whether any of the tables
/// that the statement reads holds a row.
pub fn judge_count(rows: u64, population: bool, thresholds: &Thresholds) -> Judged {
    if !population {
        return Judged::new(false, "nothing to look at: the tables of the query are empty");
    }
    let count = usize::try_from(rows).unwrap_or(usize::MAX);
    let (holds, is_warned) = weigh(thresholds, &rows.to_string()).unwrap_or((false, false));
    Judged { is_warned, ..Judged::new(holds, crate::text::counted(count, "row")) }
}

/// Whole numbers exactly, others as floating point; `None` where either is no number.
fn compare_numbers(left: &str, right: &str) -> Option<Ordering> {
    if let (Ok(left), Ok(right)) = (left.parse::<i128>(), right.parse::<i128>()) {
        return Some(left.cmp(&right));
    }
    let (left, right) = (left.parse::<f64>().ok()?, right.parse::<f64>().ok()?);
    left.partial_cmp(&right)
}

/// PostgreSQL's ISO form; a time without a zone is taken as UTC, a date as its first moment.
fn time_of(value: &str) -> Option<Timestamp> {
    if let Ok(timestamp) = value.parse::<Timestamp>() {
        return Some(timestamp);
    }
    let civil = value.parse::<DateTime>().ok().or_else(|| {
        value
            .parse::<jiff::civil::Date>()
            .ok()
            .map(|date| date.to_datetime(jiff::civil::Time::midnight()))
    })?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(clippy::option_option, reason = "no row and NULL are told apart")]
    fn judged(comparison: &Comparison, value: Option<Option<&str>>) -> CheckOutcome {
        let now: Timestamp = "2026-01-30T12:00:00Z".parse().unwrap();
        judge_value(comparison, value, now).outcome
    }

    #[test]
    fn nothing_to_look_at_is_a_failure() {
        let at_least = Comparison::AtLeast("0".into());
        assert_eq!(judged(&at_least, None), CheckOutcome::Failed);
        assert_eq!(judged(&at_least, Some(None)), CheckOutcome::Failed);
        let none = Thresholds::no_row();
        assert_eq!(judge_count(0, false, &none).outcome, CheckOutcome::Failed);
        assert_eq!(judge_count(0, true, &none).outcome, CheckOutcome::Passed);
        assert_eq!(judge_count(1, true, &none).outcome, CheckOutcome::Failed);
    }

    #[test]
    fn a_warning_is_no_failure() {
        let more_than = |bound: &str| Some(Filled::from(Condition::more_than(bound)));
        let both = Thresholds { warn_if: more_than("10"), error_if: more_than("100") };
        let only = Thresholds { warn_if: more_than("10"), error_if: None };
        let said = |thresholds: &Thresholds, value: Option<&str>| {
            let comparison = Comparison::Thresholds(thresholds.clone());
            let judged = judge_value(&comparison, Some(value), Timestamp::UNIX_EPOCH);
            (judged.outcome, judged.is_warned)
        };
        assert_eq!(said(&both, Some("10")), (CheckOutcome::Passed, false));
        assert_eq!(said(&both, Some("10.5")), (CheckOutcome::Passed, true));
        assert_eq!(said(&both, Some("101")), (CheckOutcome::Failed, false));
        assert_eq!(said(&only, Some("101")), (CheckOutcome::Passed, true));
        for thresholds in [&both, &only] {
            assert_eq!(said(thresholds, None), (CheckOutcome::Failed, false));
            assert_eq!(said(thresholds, Some("many")), (CheckOutcome::Failed, false));
            assert_eq!(said(thresholds, Some("NaN")), (CheckOutcome::Failed, false));
        }
        assert!(judge_count(11, true, &both).is_warned);
        assert_eq!(judge_count(11, false, &both).outcome, CheckOutcome::Failed);
        assert_eq!(judge_count(101, true, &both).outcome, CheckOutcome::Failed);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let check = |comparison: Comparison, value: &str| judged(&comparison, Some(Some(value)));
        assert_eq!(check(Comparison::AtLeast("9".into()), "10"), CheckOutcome::Passed);
        assert_eq!(check(Comparison::AtMost("9".into()), "10"), CheckOutcome::Failed);
        assert_eq!(check(Comparison::Equals("10".into()), "10.0"), CheckOutcome::Passed);
        assert_eq!(check(Comparison::Between("1".into(), "3".into()), "3"), CheckOutcome::Passed);
        assert_eq!(check(Comparison::Between("1".into(), "3".into()), "4"), CheckOutcome::Failed);
        assert_eq!(check(Comparison::AtLeast("1".into()), "many"), CheckOutcome::Failed);
        let large = "9007199254740993";
        assert_eq!(
            check(Comparison::Equals("9007199254740992".into()), large),
            CheckOutcome::Failed
        );
    }

    #[test]
    fn times_are_compared_with_the_clock() {
        let day = Comparison::NewerThan(Duration::from_secs(86_400).into());
        let check = |value: &str| judged(&day, Some(Some(value)));
        assert_eq!(check("2026-01-30T01:00:00+00:00"), CheckOutcome::Passed);
        assert_eq!(check("2026-01-28T01:00:00+00:00"), CheckOutcome::Failed);
        assert_eq!(check("2026-01-30"), CheckOutcome::Passed);
        assert_eq!(check("yesterday"), CheckOutcome::Failed);
    }

    #[test]
    fn texts_are_matched() {
        let check =
            |pattern: &str| judged(&Comparison::Matches(pattern.into()), Some(Some("v15.2")));
        assert_eq!(check("^v1[0-9]"), CheckOutcome::Passed);
        assert_eq!(check("^x"), CheckOutcome::Failed);
        assert_eq!(check("("), CheckOutcome::Errored);
    }
}
