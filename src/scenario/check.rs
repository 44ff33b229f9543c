//! Checks as scenarios declare them. How they are judged is in `check`.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::filled::Filled;
use crate::baseline::Baseline;
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
    /// Roles, memberships and tablespaces are as globals say.
    Roles,
    /// Tables hold what those of the source held.
    Baseline(Box<BaselineCheck>),
}

/// What the source held, and how closely the restored databases must hold it.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineCheck {
    /// The baseline's file.
    pub file: Utf8PathBuf,
    /// What it holds.
    pub baseline: Arc<Baseline>,
    /// By how many percent the numbers of rows may differ; with more than none values are not compared.
    pub within: f64,
    /// Globs of databases.
    pub databases: Vec<String>,
    /// Globs of tables: `schema.name`.
    pub tables: Vec<String>,
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
            Self::Roles => "roles",
            Self::Baseline(_) => "baseline",
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
            CheckKind::Roles | CheckKind::Baseline(_) => None,
        }
    }

    /// Whether what is observed must not be shown: beside a secret it would tell it.
    pub fn hides_observed(&self) -> bool {
        match &self.kind {
            CheckKind::NoRows(question) => question.sql.is_secret(),
            CheckKind::Roles | CheckKind::Baseline(_) => false,
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
            CheckKind::Roles => "roles and tablespaces as globals say".to_owned(),
            CheckKind::Baseline(check) => {
                let what = if check.within > 0.0 {
                    format!("rows within {}%", check.within)
                } else {
                    "the same rows".to_owned()
                };
                format!("{what} as in the baseline of {}", check.baseline.taken_at)
            }
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
