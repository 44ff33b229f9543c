//! Verdict, result and outcomes, and how they follow from findings (`docs/decisions.md` §3).

use serde::Serialize;

use crate::finding::{Finding, FindingClass, FindingCode};

/// What is known about the backup, and about nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything asked was done and held.
    Restorable,
    /// Only declared failures happened.
    ExpectedPartial,
    /// The backup is bad, or does not hold what it should.
    NotRestorable,
    /// We could not find out.
    Inconclusive,
    /// No restore was tried.
    NotRun,
}

impl Verdict {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restorable => "restorable",
            Self::ExpectedPartial => "expected_partial",
            Self::NotRestorable => "not_restorable",
            Self::Inconclusive => "inconclusive",
            Self::NotRun => "not_run",
        }
    }
}

/// Whether the scenario got what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioResult {
    /// It did.
    Passed,
    /// The backup did not hold.
    Failed,
    /// The surroundings did not hold.
    Errored,
    /// It never came to an end.
    Skipped,
}

impl ScenarioResult {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Skipped => "skipped",
        }
    }
}

/// Whether the verdict is the one the scenario expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// It is.
    Met,
    /// It is not.
    Unmet,
}

/// What became of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseOutcome {
    /// Restored, and compared with its dump.
    Restored,
    /// The backup's fault.
    Failed,
    /// The surroundings' fault.
    Errored,
    /// Failed as declared.
    ExpectedFailure,
    /// Declared to fail, and did not.
    UnexpectedSuccess,
    /// A signal came first.
    Cancelled,
    /// Not to be restored.
    Skipped,
}

impl DatabaseOutcome {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::ExpectedFailure => "expected_failure",
            Self::UnexpectedSuccess => "unexpected_success",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not run.
    Errored,
    /// Its database was not there to ask.
    Skipped,
}

impl CheckOutcome {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Skipped => "skipped",
        }
    }
}

impl ScenarioResult {
    /// What becomes of it by recovery objectives: one that is missed fails the scenario, one that
    /// nobody could measure keeps it from passing.
    #[must_use]
    pub fn with_objectives(self, objectives: impl IntoIterator<Item = CheckOutcome>) -> Self {
        objectives.into_iter().fold(self, |result, objective| match (result, objective) {
            (Self::Passed | Self::Errored, CheckOutcome::Failed) => Self::Failed,
            (Self::Passed, CheckOutcome::Errored | CheckOutcome::Skipped) => Self::Errored,
            (result, _) => result,
        })
    }
}

/// How far a database came, before its findings are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseProgress {
    /// It was restored and compared.
    Compared,
    /// It was not to be restored, or could not be tried.
    NotTried,
}

/// Weighs one database's findings.
pub fn judge_database(progress: DatabaseProgress, findings: &[Finding]) -> DatabaseOutcome {
    let has = |class: FindingClass| findings.iter().any(|finding| finding.class == class);
    let proven = findings
        .iter()
        .any(|finding| finding.class == FindingClass::Backup && finding.code.is_proven());
    if proven {
        DatabaseOutcome::Failed
    } else if has(FindingClass::Environment)
        || has(FindingClass::Scenario)
        || has(FindingClass::Internal)
    {
        DatabaseOutcome::Errored
    } else if has(FindingClass::Backup) {
        DatabaseOutcome::Failed
    } else if has(FindingClass::Cancelled) {
        DatabaseOutcome::Cancelled
    } else {
        match progress {
            DatabaseProgress::Compared => DatabaseOutcome::Restored,
            DatabaseProgress::NotTried => DatabaseOutcome::Skipped,
        }
    }
}

/// What the verdict of a scenario is made of.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Whether a restore was asked for; a static verification only reads.
    pub restore_asked: bool,
    /// Findings that belong to no database.
    pub findings: &'a [Finding],
    /// Every selected database's outcome.
    pub databases: &'a [DatabaseOutcome],
    /// Every check's outcome.
    pub checks: &'a [CheckOutcome],
}

/// What pgdrill says about a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// About the backup.
    pub verdict: Verdict,
    /// About the scenario.
    pub result: ScenarioResult,
}

/// Weighs a whole scenario. The order of the rules is the order of the table in the documentation.
pub fn judge(evidence: &Evidence<'_>) -> Judgement {
    use FindingClass as Class;
    let has = |class: Class| evidence.findings.iter().any(|finding| finding.class == class);
    let any = |outcome: DatabaseOutcome| evidence.databases.contains(&outcome);
    let said = |verdict, result| Judgement { verdict, result };
    if has(Class::Internal) {
        said(Verdict::Inconclusive, ScenarioResult::Errored)
    } else if has(Class::Cancelled) {
        said(Verdict::NotRun, ScenarioResult::Skipped)
    } else if has(Class::Backup) || any(DatabaseOutcome::Failed) {
        said(Verdict::NotRestorable, ScenarioResult::Failed)
    } else if has(Class::Environment) || has(Class::Scenario) || any(DatabaseOutcome::Errored) {
        said(Verdict::Inconclusive, ScenarioResult::Errored)
    } else if evidence.checks.contains(&CheckOutcome::Failed) {
        said(Verdict::NotRestorable, ScenarioResult::Failed)
    } else if evidence.checks.contains(&CheckOutcome::Errored) {
        said(Verdict::Inconclusive, ScenarioResult::Errored)
    } else if !evidence.restore_asked {
        said(Verdict::NotRun, ScenarioResult::Passed)
    } else if !any(DatabaseOutcome::Restored) {
        said(Verdict::Inconclusive, ScenarioResult::Errored)
    } else {
        said(Verdict::Restorable, ScenarioResult::Passed)
    }
}

/// Every scenario's outcome becomes one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Every scenario got what it asked for.
    Success,
    /// A backup is bad.
    Failed,
    /// We could not find out.
    Errored,
    /// The command line or a scenario is wrong.
    Usage,
    /// A bug of ours.
    Internal,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl ExitCode {
    /// The number for the shell.
    pub fn as_u8(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Errored => 2,
            Self::Usage => 64,
            Self::Internal => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The code of one scenario.
    pub fn of_scenario(result: ScenarioResult, findings: &[Finding]) -> Self {
        if findings.iter().any(|finding| finding.code == FindingCode::Internal) {
            return Self::Internal;
        }
        match result {
            ScenarioResult::Passed => Self::Success,
            ScenarioResult::Failed => Self::Failed,
            ScenarioResult::Errored => Self::Errored,
            ScenarioResult::Skipped => Self::Interrupted,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Internal => 5,
            Self::Interrupted | Self::Terminated => 4,
            Self::Failed => 3,
            Self::Errored => 2,
            Self::Usage => 1,
            Self::Success => 0,
        }
    }

    /// The code that speaks for both.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence<'a>(
        findings: &'a [Finding],
        databases: &'a [DatabaseOutcome],
        checks: &'a [CheckOutcome],
    ) -> Evidence<'a> {
        Evidence { restore_asked: true, findings, databases, checks }
    }

    #[test]
    fn nothing_restored_is_never_green() {
        let judged = judge(&evidence(&[], &[], &[]));
        assert_eq!(judged.verdict, Verdict::Inconclusive);
        let judged = judge(&evidence(&[], &[DatabaseOutcome::Skipped], &[]));
        assert_eq!(judged.result, ScenarioResult::Errored);
    }

    #[test]
    fn a_static_verification_never_says_restorable() {
        let asked = Evidence { restore_asked: false, ..evidence(&[], &[], &[]) };
        assert_eq!(
            judge(&asked),
            Judgement { verdict: Verdict::NotRun, result: ScenarioResult::Passed }
        );
    }

    #[test]
    fn the_surroundings_excuse_only_what_they_may_have_caused() {
        let disk = Finding::new(FindingCode::DiskFull, "x");
        let failed = Finding::new(FindingCode::RestoreFailed, "x");
        let cut = Finding::new(FindingCode::DumpTruncated, "x");
        let judge = |findings: &[Finding]| judge_database(DatabaseProgress::Compared, findings);
        assert_eq!(judge(&[failed.clone(), disk.clone()]), DatabaseOutcome::Errored);
        assert_eq!(judge(&[cut, disk]), DatabaseOutcome::Failed);
        assert_eq!(judge(&[failed]), DatabaseOutcome::Failed);
        assert_eq!(judge(&[]), DatabaseOutcome::Restored);
    }
}
