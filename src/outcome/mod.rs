//! What came of a run: verdicts, results, and the tree that every report shows.

mod expectation;
mod run_report;
mod verdict;

pub use expectation::ExpectedVerdict;
pub use run_report::{
    BackupFacts, CheckReport, CleanupFacts, DatabaseReport, DiskFacts, EngineFacts, EntryAccount,
    IsolationFacts, LimitFacts, ObjectiveReport, Objectives, PhaseReport, REPORT_SCHEMA, RunFacts,
    RunReport, ScenarioReport, SourcePlace, check_failure,
};
pub use verdict::{
    CheckOutcome, DatabaseOutcome, DatabaseProgress, Evidence, ExitCode, Expectation, Judgement,
    ScenarioResult, Verdict, judge, judge_database,
};
