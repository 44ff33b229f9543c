//! What a scenario expects of its backup, and what becomes of the result (`docs/decisions.md` §3).

use std::fmt;

use super::verdict::{Judgement, ScenarioResult, Verdict};
use crate::finding::{Finding, FindingCode};

/// What must come of a scenario for it to pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExpectedVerdict {
    /// The backup is restorable.
    #[default]
    Restorable,
    /// The backup is bad, with this finding.
    NotRestorable {
        /// What must be found.
        finding: FindingCode,
        /// In which database; `None`: anywhere.
        database: Option<String>,
    },
}

impl ExpectedVerdict {
    /// The result of a scenario that expects this: the verdict stays, whatever was expected.
    pub fn result<'a>(
        &self,
        judgement: Judgement,
        findings: impl IntoIterator<Item = &'a Finding>,
    ) -> ScenarioResult {
        let Self::NotRestorable { finding, database } = self else { return judgement.result };
        let is_expected = |found: &Finding| {
            found.code == *finding && (database.is_none() || found.database == *database)
        };
        match judgement.verdict {
            Verdict::NotRestorable if findings.into_iter().any(is_expected) => {
                ScenarioResult::Passed
            }
            Verdict::NotRestorable | Verdict::Restorable | Verdict::ExpectedPartial => {
                ScenarioResult::Failed
            }
            Verdict::Inconclusive => ScenarioResult::Errored,
            // A verification without a restore may have found nothing, and then it found no fault.
            Verdict::NotRun if judgement.result == ScenarioResult::Passed => ScenarioResult::Failed,
            Verdict::NotRun => ScenarioResult::Skipped,
        }
    }
}

impl fmt::Display for ExpectedVerdict {
    /// `restorable`, `not_restorable: dump_truncated in shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restorable => f.write_str("restorable"),
            Self::NotRestorable { finding, database: None } => {
                write!(f, "not_restorable: {}", finding.as_str())
            }
            Self::NotRestorable { finding, database: Some(database) } => {
                write!(f, "not_restorable: {} in {database}", finding.as_str())
            }
        }
    }
}
