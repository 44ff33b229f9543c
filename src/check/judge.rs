//! The judgement of one observed value.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::outcome::CheckOutcome;
use crate::scenario::Comparison;

/// A judgement and what was seen, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What became of the check.
    pub outcome: CheckOutcome,
    /// What was observed.
    pub observed: String,
}

impl Judged {
    fn new(holds: bool, observed: impl Into<String>) -> Self {
        let outcome = if holds { CheckOutcome::Passed } else { CheckOutcome::Failed };
        Self { outcome, observed: observed.into() }
    }

    fn errored(observed: impl Into<String>) -> Self {
        Self { outcome: CheckOutcome::Errored, observed: observed.into() }
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
    }
}

/// Judges the number of rows that should not be there; `population` says whether any of the tables
/// that the statement reads holds a row.
pub fn judge_count(rows: u64, population: bool) -> Judged {
    if population {
        let count = usize::try_from(rows).unwrap_or(usize::MAX);
        Judged::new(rows == 0, crate::text::counted(count, "row"))
    } else {
        Judged::new(false, "nothing to look at: the tables of the query are empty")
    }
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
        assert_eq!(judge_count(0, false).outcome, CheckOutcome::Failed);
        assert_eq!(judge_count(0, true).outcome, CheckOutcome::Passed);
        assert_eq!(judge_count(1, true).outcome, CheckOutcome::Failed);
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
