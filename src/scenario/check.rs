//! Checks as scenarios declare them. How they are judged is in `check`.

use std::fmt;
use std::time::Duration;

use glob::Pattern;

use super::choice::ContentMode;
use super::filled::Filled;
use crate::outcome::SourcePlace;
use crate::text::duration;

/// A check as a scenario declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Unique within the scenario.
    pub name: String,
    /// What is looked at, and what must hold.
    pub kind: CheckKind,
    /// Where the scenario says what must hold.
    pub place: Option<SourcePlace>,
}

/// What is looked at, and what must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// The first column of the first row.
    Query(Question, Comparison),
    /// The statement returns no row although its tables hold rows.
    NoRows(Question),
    /// Tables have the rows of the dump.
    Rows(RowsCheck),
    /// A seeded sample of rows can be read, and refers to rows that are there.
    Sample(SampleCheck),
}

/// Which rows are read.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleCheck {
    /// The databases, as globs.
    pub databases: Vec<String>,
    /// How many tables of each.
    pub tables: u64,
    /// How many rows of each table.
    pub rows: SampleRows,
    /// Another one chooses other tables and rows.
    pub seed: u64,
}

/// How many rows of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleRows {
    /// A share of them, of 1: at least one row.
    Share(f64),
    /// So many.
    Count(u64),
}

/// `1 %`, `100`.
impl fmt::Display for SampleRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{} %", (share * 1e8).round() / 1e6),
            Self::Count(rows) => write!(f, "{rows}"),
        }
    }
}

/// Whose rows are compared with the dump's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsCheck {
    /// The databases, as globs.
    pub databases: Vec<String>,
    /// Of how many tables the values are compared too.
    pub content: ContentMode,
}

/// Whether one of the globs matches a name.
pub fn matches_any(globs: &[String], name: &str) -> bool {
    globs.iter().any(|glob| Pattern::new(glob).is_ok_and(|glob| glob.matches(name)))
}

/// What a database is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The database.
    pub database: String,
    /// One SQL statement that reads.
    pub sql: Filled<String>,
}

impl CheckKind {
    /// The name used in scenarios and reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Query(..) => "query",
            Self::NoRows(_) => "no_rows",
            Self::Rows(_) => "rows",
            Self::Sample(_) => "sample",
        }
    }
}

/// How a value is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// The same number, or the same text.
    Equals(Filled<String>),
    /// A number that is at least this.
    AtLeast(Filled<String>),
    /// A number that is at most this.
    AtMost(Filled<String>),
    /// A number from the first to the second.
    Between(Filled<String>, Filled<String>),
    /// A time that lies no longer ago than this.
    NewerThan(Filled<Duration>),
    /// A text in which this regular expression is found.
    Matches(Filled<String>),
}

impl Comparison {
    fn has_secret(&self) -> bool {
        match self {
            Self::Equals(value)
            | Self::AtLeast(value)
            | Self::AtMost(value)
            | Self::Matches(value) => value.is_secret(),
            Self::Between(low, high) => low.is_secret() || high.is_secret(),
            Self::NewerThan(age) => age.is_secret(),
        }
    }
}

impl Check {
    /// The one database that it asks; `None` where it looks at several, or at the cluster.
    pub fn database(&self) -> Option<&str> {
        match &self.kind {
            CheckKind::Query(question, _) | CheckKind::NoRows(question) => Some(&question.database),
            CheckKind::Rows(_) | CheckKind::Sample(_) => None,
        }
    }

    /// Whether what is observed must not be shown: beside a secret it would tell it.
    pub fn hides_observed(&self) -> bool {
        match &self.kind {
            CheckKind::NoRows(question) => question.sql.is_secret(),
            CheckKind::Rows(_) | CheckKind::Sample(_) => false,
            CheckKind::Query(question, comparison) => {
                comparison.has_secret() || question.sql.is_secret()
            }
        }
    }

    /// What is expected, for reports; secrets as they were written.
    pub fn expected(&self) -> String {
        let text = |value: &Filled<String>| value.shown(Clone::clone);
        match &self.kind {
            CheckKind::NoRows(_) => "no row, from tables that hold rows".to_owned(),
            CheckKind::Rows(rows) => {
                format!("the rows of the dump, content {}", rows.content.as_str())
            }
            CheckKind::Sample(sample) => format!(
                "{} rows of each of {} tables, seed {}: every column readable, every foreign key found",
                sample.rows, sample.tables, sample.seed
            ),
            CheckKind::Query(_, comparison) => match comparison {
                Comparison::Equals(value) => format!("= {}", text(value)),
                Comparison::AtLeast(value) => format!(">= {}", text(value)),
                Comparison::AtMost(value) => format!("<= {}", text(value)),
                Comparison::Between(low, high) => format!("from {} to {}", text(low), text(high)),
                Comparison::NewerThan(age) => {
                    format!("newer than {}", age.shown(|age| duration(*age)))
                }
                Comparison::Matches(pattern) => format!("matches {}", text(pattern)),
            },
        }
    }
}
