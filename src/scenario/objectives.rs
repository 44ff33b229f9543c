//! Recovery objectives as scenarios declare them. How they are judged is in `check`.

use std::time::Duration;

use jiff::tz::{Offset, TimeZone};

use super::check::Question;

/// Recovery objectives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectiveChoice {
    /// How long recovery may take, from the first byte read to the first query answered.
    pub rto: Option<Duration>,
    /// How old the newest data may be.
    pub rpo: Option<RpoChoice>,
}

/// How old the newest data may be, and what says how old it is.
#[derive(Debug, Clone, PartialEq)]
pub struct RpoChoice {
    /// No older than this.
    pub target: Duration,
    /// Of times that do not name theirs.
    pub zone: Option<TimeZone>,
    /// What returns the time of the newest data; `None`: the time inside the backup says it.
    pub query: Option<Question>,
}

impl From<Duration> for RpoChoice {
    fn from(target: Duration) -> Self {
        Self { target, zone: None, query: None }
    }
}

/// `UTC`, `Europe/Berlin`, `+02:00`.
pub(super) fn zone(text: &str) -> Option<TimeZone> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return TimeZone::get(text).ok(),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |digits: &str| {
        let is_plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|_| is_plain)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let seconds = sign * (hours * 3600 + minutes * 60);
    let is_real = minutes < 60 && seconds.abs() <= 14 * 3600;
    Offset::from_seconds(seconds).ok().filter(|_| is_real).map(Offset::to_time_zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_or_offsets() {
        for text in ["UTC", "+00:00", "-09:30", "+14:00"] {
            assert!(zone(text).is_some(), "{text}");
        }
        for text in
            ["", "+", "+2", "+02", "+02:60", "+15:00", "+2:00", "++:00", "Mars/Base", "CET2"]
        {
            assert!(zone(text).is_none(), "{text}");
        }
    }
}
