//! `> 10`: when a check warns or fails.

use std::cmp::Ordering;
use std::fmt;

use super::filled::Filled;

/// A number is compared with this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    operator: Operator,
    bound: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// Longer ones first: each is looked for at the beginning.
const OPERATORS: [(&str, Operator); 6] = [
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("!=", Operator::NotEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Equal),
];

impl Condition {
    /// More than this.
    pub fn more_than(bound: &str) -> Self {
        Self { operator: Operator::Greater, bound: bound.to_owned() }
    }

    /// An operator and a number; the number's text is kept, so that no digit is lost.
    pub(super) fn parse(text: &str, is_number: impl Fn(&str) -> bool) -> Option<Self> {
        let text = text.trim();
        let (operator, bound) = OPERATORS.iter().find_map(|(sign, operator)| {
            Some((*operator, text.strip_prefix(sign)?.trim_start()))
        })?;
        is_number(bound).then(|| Self { operator, bound: bound.to_owned() })
    }

    /// The number.
    pub fn bound(&self) -> &str {
        &self.bound
    }

    /// Whether it holds for a number that compares so with the bound.
    pub fn holds(&self, ordering: Ordering) -> bool {
        match self.operator {
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterOrEqual => ordering.is_ge(),
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
        }
    }

    /// Whether the other one, with the same operator, holds wherever this one does.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let bounds = self.bound.parse::<f64>().ok().zip(other.bound.parse::<f64>().ok());
        let Some((own, others)) = bounds.filter(|_| self.operator == other.operator) else {
            return false;
        };
        match self.operator {
            Operator::Greater | Operator::GreaterOrEqual => own >= others,
            Operator::Less | Operator::LessOrEqual => own <= others,
            Operator::Equal | Operator::NotEqual => own.total_cmp(&others).is_eq(),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = OPERATORS.iter().find(|(_, operator)| *operator == self.operator);
        write!(f, "{} {}", sign.map_or("", |(sign, _)| sign), self.bound)
    }
}

/// When a check warns, and when it fails; at least one is set where a scenario says so.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thresholds {
    /// It holds, and is worth a look.
    pub warn_if: Option<Filled<Condition>>,
    /// It does not hold.
    pub error_if: Option<Filled<Condition>>,
}

impl Thresholds {
    /// Of a check that allows no row.
    pub fn no_row() -> Self {
        Self { warn_if: None, error_if: Some(Condition::more_than("0").into()) }
    }

    pub(super) fn has_secret(&self) -> bool {
        [&self.warn_if, &self.error_if].into_iter().flatten().any(Filled::is_secret)
    }

    /// In words; secrets as they were written.
    pub(super) fn words(&self) -> String {
        let shown = |condition: &Filled<Condition>| condition.shown(ToString::to_string);
        let fails = self.error_if.as_ref().map(|condition| format!("not {}", shown(condition)));
        let warns =
            self.warn_if.as_ref().map(|condition| format!("a warning if {}", shown(condition)));
        fails.into_iter().chain(warns).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Option<Condition> {
        Condition::parse(text, |bound| bound.parse::<f64>().is_ok())
    }

    #[test]
    fn an_operator_stands_before_a_number() {
        for text in ["> 10", ">= 0.5", "< -1", "<= 3", "= 4", "!= 0"] {
            assert_eq!(condition(text).unwrap().to_string(), text);
        }
        assert_eq!(condition(">10"), condition(" > 10"));
        for text in ["", "10", ">", "> many", "=> 10", "> 10 rows", ">> 1", "== 1"] {
            assert_eq!(condition(text), None, "{text}");
        }
    }

    #[test]
    fn a_warning_that_never_comes_is_seen() {
        let within = |warn: &str, error: &str| {
            condition(warn).unwrap().is_within(&condition(error).unwrap())
        };
        assert!(within("> 100", "> 10") && within("> 10", "> 10") && within("< 1", "< 5"));
        assert!(!within("> 10", "> 100") && !within("< 5", "< 1") && !within("> 10", "< 5"));
    }
}
