//! Checks as scenarios declare them. How they are judged is in `check`.

use std::time::Duration;

/// A check as a scenario declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Unique within the scenario.
    pub name: String,
    /// The database it asks.
    pub database: String,
    /// One SQL statement that reads.
    pub sql: String,
    /// What must hold.
    pub kind: CheckKind,
    /// Its line in the scenario file.
    pub line: Option<u64>,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// The first column of the first row.
    Query(Comparison),
    /// The statement returns no row although its tables hold rows.
    NoRows,
}

impl CheckKind {
    /// The name used in scenarios and reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Query(_) => "query",
            Self::NoRows => "no_rows",
        }
    }
}

/// How a value is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// The same number, or the same text.
    Equals(String),
    /// A number that is at least this.
    AtLeast(String),
    /// A number that is at most this.
    AtMost(String),
    /// A number from the first to the second.
    Between(String, String),
    /// A time that lies no longer ago than this.
    NewerThan(Duration),
    /// A text in which this regular expression is found.
    Matches(String),
}

impl Check {
    /// What is expected, for reports.
    pub fn expected(&self) -> String {
        match &self.kind {
            CheckKind::NoRows => "no row, from tables that hold rows".to_owned(),
            CheckKind::Query(comparison) => match comparison {
                Comparison::Equals(value) => format!("= {value}"),
                Comparison::AtLeast(value) => format!(">= {value}"),
                Comparison::AtMost(value) => format!("<= {value}"),
                Comparison::Between(low, high) => format!("from {low} to {high}"),
                Comparison::NewerThan(age) => {
                    format!("newer than {}", crate::text::duration(*age))
                }
                Comparison::Matches(pattern) => format!("matches {pattern}"),
            },
        }
    }
}
