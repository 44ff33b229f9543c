//! Checks as scenarios declare them. How they are judged is in `check`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use glob::Pattern;

use super::choice::ContentMode;
use super::condition::Thresholds;
use super::expected_rows::ExpectedRows;
use super::filled::Filled;
use super::test_files::TestFile;
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
    /// The statement returns no row, or few enough, although its tables hold rows.
    NoRows(Question, Thresholds),
    /// Tables have the rows of the dump.
    Rows(RowsCheck),
    /// Everything that the tables of contents of these databases list is there as they say.
    Structure(Databases),
    /// Roles, memberships and tablespaces are as globals say.
    Roles,
    /// A seeded sample of rows can be read, and refers to rows that are there.
    Sample(SampleCheck),
    /// Tables hold what those of the source held.
    Baseline(Box<BaselineCheck>),
    /// No sequence is behind the columns that it feeds.
    Sequences(SequenceCheck),
    /// Files of tests that say themselves what must hold, in TAP.
    PgTap(PgTapCheck),
}

/// Which rows are read.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleCheck {
    /// The databases.
    pub databases: Databases,
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
    /// The databases.
    pub databases: Databases,
    /// Of how many tables the values are compared too.
    pub content: ContentMode,
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
    /// The database, or several.
    pub databases: Databases,
    /// One SQL statement that reads.
    pub sql: Filled<String>,
    /// How long a statement may take; `None`: [`CHECK_LIMIT`].
    pub time_limit: Option<Duration>,
}

/// Which sequences are compared with their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceCheck {
    /// In which databases.
    pub databases: Databases,
    /// In which schemas, as globs.
    pub schemas: Vec<String>,
    /// How long a statement may take; `None`: [`CHECK_LIMIT`].
    pub time_limit: Option<Duration>,
}

/// Which files of pgTAP tests are run.
#[derive(Debug, Clone, PartialEq)]
pub struct PgTapCheck {
    /// In which databases.
    pub databases: Databases,
    /// The files, one after another.
    pub files: Vec<TestFile>,
    /// How long a file may take; `None`: [`CHECK_LIMIT`].
    pub time_limit: Option<Duration>,
}

/// How long a statement of a check may take where the check does not say.
pub const CHECK_LIMIT: Duration = Duration::from_secs(300);

/// Which databases a check looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Databases {
    /// This one.
    One(String),
    /// Each that was restored and matches one of these globs.
    Each(Vec<String>),
}

impl Databases {
    /// The globs that match none of these names.
    pub fn unmatched<'a>(&self, names: impl IntoIterator<Item = &'a str> + Clone) -> Vec<&str> {
        let matches_none = |glob: &&str| {
            let pattern = Pattern::new(glob);
            !names
                .clone()
                .into_iter()
                .any(|name| pattern.as_ref().is_ok_and(|pattern| pattern.matches(name)))
        };
        match self {
            Self::One(one) => {
                let is_held = names.into_iter().any(|name| name == one);
                if is_held { Vec::new() } else { vec![one] }
            }
            Self::Each(globs) => globs.iter().map(String::as_str).filter(matches_none).collect(),
        }
    }

    /// Whether this database is one of them.
    pub fn holds(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Each(globs) => globs
                .iter()
                .any(|glob| Pattern::new(glob).is_ok_and(|pattern| pattern.matches(name))),
        }
    }

    /// Whether this database is asked for by its own name.
    pub fn names(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Each(globs) => globs.iter().any(|glob| glob == name),
        }
    }

    /// The only one that is named.
    pub fn one(&self) -> Option<&str> {
        match self {
            Self::One(one) => Some(one),
            Self::Each(_) => None,
        }
    }
}

impl CheckKind {
    /// The name used in scenarios and reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Query(..) => "query",
            Self::NoRows(..) => "no_rows",
            Self::Rows(_) => "rows",
            Self::Structure(_) => "structure",
            Self::Roles => "roles",
            Self::Sample(_) => "sample",
            Self::Baseline(_) => "baseline",
            Self::Sequences(_) => "sequences",
            Self::PgTap(_) => "pgtap",
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
    /// A number that is on the right side of these.
    Thresholds(Thresholds),
    /// All rows, as a file has them, in any order.
    EqualsFile(Arc<ExpectedRows>),
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
            Self::Thresholds(thresholds) => thresholds.has_secret(),
            Self::EqualsFile(_) => false,
        }
    }
}

impl Check {
    /// The one database that it asks; `None` where it looks at several, or at the cluster.
    pub fn database(&self) -> Option<&str> {
        self.databases().and_then(Databases::one)
    }

    /// The databases that it looks at; `None` where that is the cluster.
    pub fn databases(&self) -> Option<&Databases> {
        match &self.kind {
            CheckKind::Query(question, _) | CheckKind::NoRows(question, _) => {
                Some(&question.databases)
            }
            CheckKind::Rows(rows) => Some(&rows.databases),
            CheckKind::Structure(databases) => Some(databases),
            CheckKind::Sample(check) => Some(&check.databases),
            CheckKind::Sequences(check) => Some(&check.databases),
            CheckKind::PgTap(check) => Some(&check.databases),
            CheckKind::Roles | CheckKind::Baseline(_) => None,
        }
    }

    /// Whether what is observed must not be shown: beside a secret it would tell it.
    pub fn hides_observed(&self) -> bool {
        match &self.kind {
            CheckKind::NoRows(question, thresholds) => {
                thresholds.has_secret() || question.sql.is_secret()
            }
            CheckKind::Rows(_)
            | CheckKind::Structure(_)
            | CheckKind::Roles
            | CheckKind::Sample(_)
            | CheckKind::Baseline(_)
            | CheckKind::Sequences(_)
            | CheckKind::PgTap(_) => false,
            CheckKind::Query(question, comparison) => {
                comparison.has_secret() || question.sql.is_secret()
            }
        }
    }

    /// What is expected, for reports; secrets as they were written.
    pub fn expected(&self) -> String {
        let text = |value: &Filled<String>| value.shown(Clone::clone);
        match &self.kind {
            CheckKind::NoRows(_, thresholds) if *thresholds == Thresholds::no_row() => {
                "no row, from tables that hold rows".to_owned()
            }
            CheckKind::NoRows(_, thresholds) => {
                format!("a number of rows {}, from tables that hold rows", thresholds.words())
            }
            CheckKind::Rows(rows) => {
                format!("the rows of the dump, content {}", rows.content.as_str())
            }
            CheckKind::Sample(sample) => format!(
                "{} rows of each of {} tables, seed {}: every column readable, every foreign key found",
                sample.rows, sample.tables, sample.seed
            ),
            CheckKind::Structure(_) => "every entry of the table of contents as it says".to_owned(),
            CheckKind::Roles => "roles and tablespaces as globals say".to_owned(),
            CheckKind::Sequences(_) => "no sequence behind its column".to_owned(),
            CheckKind::PgTap(check) => {
                format!("every test of {} holds", crate::text::counted(check.files.len(), "file"))
            }
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
                Comparison::Thresholds(thresholds) => thresholds.words(),
                Comparison::EqualsFile(rows) => format!("the rows of {}", rows.path),
            },
        }
    }
}
