//! The outcome tree. The JSON report is this type; every other report is a view of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::expectation::ExpectedVerdict;
use super::verdict::{
    CheckOutcome, DatabaseOutcome, ExitCode, Expectation, ScenarioResult, Verdict,
};
use crate::finding::{Finding, FindingCode};

/// The version of the tree's paths.
pub const REPORT_SCHEMA: &str = "pgdrill.report/v1";

/// Everything about one run.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// [`REPORT_SCHEMA`].
    pub schema: &'static str,
    /// About the run itself.
    pub run: RunFacts,
    /// One for each scenario, in the order they ran.
    pub scenarios: Vec<ScenarioReport>,
}

impl RunReport {
    /// The exit code that speaks for every scenario.
    pub fn exit_code(&self) -> ExitCode {
        self.scenarios
            .iter()
            .map(|scenario| ExitCode::of_scenario(scenario.result, &scenario.findings))
            .reduce(ExitCode::worse)
            .unwrap_or(ExitCode::Errored)
    }
}

/// About a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunFacts {
    /// Unique.
    pub id: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub finished_at: String,
    /// pgdrill's version.
    pub tool_version: String,
    /// `CI` job, or the command.
    pub trigger: String,
}

/// About one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioReport {
    /// Its name: stable, JUnit suite and metric label.
    pub name: String,
    /// The file it was read from.
    pub file: Option<String>,
    /// About the backup.
    pub verdict: Verdict,
    /// About the scenario.
    pub result: ScenarioResult,
    /// Whether the result is the one the scenario wants.
    pub expectation: Expectation,
    /// What the scenario expects: `restorable`, `not_restorable: dump_truncated in shop`.
    pub expected: String,
    /// `sample: 3 of 50 databases`, where not all of them were to be restored.
    pub scope: Option<String>,
    /// The thing under test.
    pub backup: BackupFacts,
    /// The throwaway server; no engine had been chosen where this is missing.
    pub engine: Option<EngineFacts>,
    /// Every selected database, in the archive's order.
    pub databases: Vec<DatabaseReport>,
    /// Every check, in the scenario's order.
    pub checks: Vec<CheckReport>,
    /// What belongs to no single database.
    pub findings: Vec<Finding>,
    /// Times that add up to the whole.
    pub phases: Vec<PhaseReport>,
    /// Recovery objectives.
    pub objectives: Objectives,
    /// Space.
    pub disk: DiskFacts,
    /// What was left.
    pub cleanup: CleanupFacts,
    /// What nobody looked at, one sentence each.
    pub not_tested: Vec<String>,
}

impl ScenarioReport {
    /// A scenario of which nothing has been done: not run, skipped, nothing found, nothing left. It
    /// expects a restorable backup.
    pub fn untried(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            file: None,
            verdict: Verdict::NotRun,
            result: ScenarioResult::Skipped,
            expectation: Expectation::Unmet,
            expected: ExpectedVerdict::default().to_string(),
            scope: None,
            backup: BackupFacts::default(),
            engine: None,
            databases: Vec::new(),
            checks: Vec::new(),
            findings: Vec::new(),
            phases: Vec::new(),
            objectives: Objectives::default(),
            disk: DiskFacts::default(),
            cleanup: CleanupFacts { complete: true, leftovers: Vec::new() },
            not_tested: Vec::new(),
        }
    }

    /// Every finding: the scenario's own, then each database's.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.databases.iter().flat_map(|database| &database.findings))
    }

    /// The findings that a verdict against the backup rests on: the scenario's own, those of each
    /// database that failed, and one for each check that does not hold.
    pub fn deciding_findings(&self) -> Vec<Finding> {
        let failed = |database: &&DatabaseReport| database.outcome == DatabaseOutcome::Failed;
        let of_databases = self.databases.iter().filter(failed).flat_map(|one| &one.findings);
        let checks = self.checks.iter().filter(|check| check.outcome == CheckOutcome::Failed);
        let of_checks = checks.map(|check| check_failure(&check.name, check.database.as_deref()));
        self.findings.iter().chain(of_databases).cloned().chain(of_checks).collect()
    }

    /// How many databases were restored.
    pub fn restored(&self) -> usize {
        self.databases
            .iter()
            .filter(|database| database.outcome == DatabaseOutcome::Restored)
            .count()
    }
}

/// What a check that does not hold says about the backup.
pub fn check_failure(check: &str, database: Option<&str>) -> Finding {
    let mut finding = Finding::new(FindingCode::CheckFailed, "a check does not hold").on(check);
    finding.database = database.map(str::to_owned);
    finding
}

/// About a backup.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BackupFacts {
    /// Where it lies.
    pub path: String,
    /// Why this one of those that a glob matches.
    pub picked: Option<String>,
    /// Its shape.
    pub format: String,
    /// Size on disk.
    pub bytes: u64,
    /// Of the file.
    pub sha256: Option<String>,
    /// From inside, or from its sidecar; never file times.
    pub created_at: Option<String>,
    /// The server that was dumped.
    pub server_version: Option<String>,
    /// Bytes read from it in all.
    pub bytes_read: u64,
}

/// About the throwaway server.
#[derive(Debug, Clone, Serialize)]
pub struct EngineFacts {
    /// `docker` or `local`.
    pub kind: String,
    /// The image's reference.
    pub image: Option<String>,
    /// Its content digest.
    pub image_digest: Option<String>,
    /// What the server says it is; missing where the run ended before it could be asked.
    pub server_version: Option<String>,
    /// Why this engine.
    pub reason: String,
    /// As observed; missing where the run ended before.
    pub isolation: Option<IsolationFacts>,
    /// What it may use.
    pub limits: Vec<LimitFacts>,
}

/// A limit of the throwaway server's sandbox.
#[derive(Debug, Clone, Serialize)]
pub struct LimitFacts {
    /// The scenario's key for it: `sandbox.memory`, …
    pub key: &'static str,
    /// How much.
    pub value: u64,
    /// `bytes`, `millicores` or `processes`.
    pub unit: &'static str,
    /// `enforced` by the kernel, or `watched` by pgdrill.
    pub held: &'static str,
}

/// How isolated the server was, as observed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IsolationFacts {
    /// `container`, `namespaces` or `none`.
    pub boundary: String,
    /// Whether nothing but its own loopback could be reached.
    pub network_isolated: bool,
    /// Facts, one each.
    pub facts: Vec<String>,
    /// Those of them that do not isolate.
    pub missing: Vec<String>,
}

/// About one database.
#[derive(Debug, Clone, Serialize)]
pub struct DatabaseReport {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: DatabaseOutcome,
    /// Bytes of its dump in the archive.
    pub archive_bytes: u64,
    /// Its size after the restore.
    pub restored_bytes: Option<u64>,
    /// From its turn to its end.
    pub duration_seconds: f64,
    /// The part of it that went into looking whether what came out is what went in.
    pub checked_seconds: f64,
    /// Entries of its table of contents that were compared with the restored database.
    pub entries_compared: u64,
    /// What became of each entry of its table of contents.
    pub entries: EntryAccount,
    /// Tables that have rows in the dump and were looked at.
    pub tables_compared: u64,
    /// How far the values in rows were compared; missing where nothing was.
    pub content: Option<ContentFacts>,
    /// What was found about it.
    pub findings: Vec<Finding>,
}

/// How far the values in a database's rows were compared with those in its dump.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ContentFacts {
    /// `none`, `sampled` or `all`.
    pub mode: &'static str,
    /// Tables whose values were compared; those without rows are not counted.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes in the dump, before compression.
    pub bytes: u64,
    /// Tables that were not chosen.
    pub tables_not_chosen: u64,
    /// Their bytes in the dump.
    pub bytes_not_chosen: u64,
    /// What the chance of each of these was, and of the others that had one.
    pub chance: Option<f64>,
    /// Tables of which there is nothing that can be compared.
    pub tables_not_comparable: u64,
    /// Columns of the compared tables whose values have no canonical text.
    pub columns_left_out: u64,
    /// How long it took.
    pub duration_seconds: f64,
}

/// What became of the entries of a dump's table of contents: each is restored, failed or excluded.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EntryAccount {
    /// All of them; one that stands for several large objects counts as one.
    pub total: u64,
    /// In the database as the dump has them. Large objects count one by one.
    pub restored: u64,
    /// Missing or different, by name: the first thousand.
    pub failed: Vec<String>,
    /// All of these.
    pub failed_count: u64,
    /// Tables whose rows are not those of the dump.
    pub failed_rows: u64,
    /// Not compared, by kind and reason.
    pub excluded: BTreeMap<String, u64>,
}

impl EntryAccount {
    /// Names that are kept.
    const NAMED: usize = 1000;

    /// Enters entries that are missing or different.
    pub(crate) fn failed(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.failed_count += 1;
            if self.failed.len() < Self::NAMED {
                self.failed.push(name);
            }
        }
    }

    /// Enters entries that nobody compares.
    pub(crate) fn excluded(&mut self, why: String, count: u64) {
        if count > 0 {
            *self.excluded.entry(why).or_insert(0) += count;
        }
    }

    /// How many were compared.
    pub fn looked_at(&self) -> u64 {
        self.restored + self.failed_count + self.failed_rows
    }
}

/// About one check.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// `query`, `no_rows`, `rows`, `structure`, `roles`, `sample`, `baseline`, `sequences`, `pgtap`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The database it is about; missing where that is the cluster.
    pub database: Option<String>,
    /// What became of it.
    pub outcome: CheckOutcome,
    /// What should be.
    pub expected: String,
    /// What is.
    pub observed: String,
    /// How long it took.
    pub duration_seconds: f64,
    /// Its line in the scenario file.
    pub line: Option<u64>,
    /// The column in that line.
    pub column: Option<u64>,
}

/// A place in a file, with its line as it was when the file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlace {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// How many characters are meant.
    pub length: usize,
    /// The whole line.
    pub text: String,
}

/// A part of the run's time.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseReport {
    /// `read`, `start`, `globals`, `databases`, `answer`, `checks`, `cleanup`.
    pub name: String,
    /// How long it took.
    pub duration_seconds: f64,
}

/// Recovery objectives; none are set where these are missing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Objectives {
    /// Recovery time.
    pub rto: Option<ObjectiveReport>,
    /// Recovery point.
    pub rpo: Option<ObjectiveReport>,
}

/// One objective.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectiveReport {
    /// What was promised.
    pub target_seconds: f64,
    /// What it took; missing where nobody knows.
    pub measured_seconds: Option<f64>,
    /// Whether it was kept; what was not measured never is.
    pub met: bool,
    /// `passed` is met, `failed` is missed, `errored` and `skipped` are not measured.
    pub outcome: CheckOutcome,
    /// What was measured, or why nothing was and what to do, for people.
    pub detail: String,
}

impl Objectives {
    /// Those that are set, with their names.
    pub fn set(&self) -> impl Iterator<Item = (&'static str, &ObjectiveReport)> {
        [("rto", &self.rto), ("rpo", &self.rpo)]
            .into_iter()
            .filter_map(|(name, objective)| Some((name, objective.as_ref()?)))
    }
}

/// Space where the throwaway server lived.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DiskFacts {
    /// The folder inside the sandbox.
    pub temp_path: Option<String>,
    /// The most that was seen in use.
    pub peak_bytes: Option<u64>,
    /// Free before the restore.
    pub free_bytes: Option<u64>,
}

/// What was left after the sandbox had been removed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CleanupFacts {
    /// Whether nothing was left.
    pub complete: bool,
    /// What was.
    pub leftovers: Vec<String>,
}
