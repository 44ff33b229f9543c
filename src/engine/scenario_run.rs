//! One scenario, from the first byte read to the last thing removed.

mod databases;
mod reading;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::checks;
use crate::backup::BackupInventory;
use crate::ephemeral::{EphemeralError, Sandbox, Selected};
use crate::event::{EventSender, Preflight, RunEvent};
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::outcome::{
    BackupFacts, CleanupFacts, DatabaseOutcome, DiskFacts, Evidence, Expectation, Objectives,
    PhaseReport, ScenarioReport, ScenarioResult, Verdict, judge,
};
use crate::scenario::{EngineChoice, PullPolicy, Scenario};

/// What does not belong to any scenario.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Unique.
    pub run_id: String,
    /// Where the ledger lies.
    pub home: PathBuf,
    /// The engine; wins over the scenario's.
    pub engine: Option<EngineChoice>,
    /// The image; wins over the scenario's.
    pub image: Option<String>,
    /// When it is pulled; wins over the scenario's.
    pub pull: Option<PullPolicy>,
    /// A folder of PostgreSQL programs.
    pub pg_bindir: Option<PathBuf>,
    /// Whether to go without namespaces where the kernel does not allow them.
    pub trust_dump: bool,
    /// Parallel jobs of one `pg_restore`.
    pub jobs: usize,
}

/// Runs a scenario. Cancelling `cancel` ends it early; the sandbox is removed all the same.
pub async fn run_scenario(
    scenario: &Scenario,
    options: &RunOptions,
    events: &EventSender,
    cancel: &CancellationToken,
) -> ScenarioReport {
    let mut run = ScenarioRun::new(scenario, options, events);
    events.send(RunEvent::ScenarioStarted {
        name: scenario.name.clone(),
        backup: scenario.backup.path.to_string(),
    });
    // A panic of ours must not leave a container behind, nor a run without reports.
    let work = AssertUnwindSafe(run.work()).catch_unwind();
    let panicked = tokio::select! {
        // A signal before the start: nothing starts.
        biased;
        () = cancel.cancelled() => {
            run.find(Finding::new(FindingCode::Cancelled, "the run was cancelled by a signal"));
            None
        }
        result = work => result.err(),
    };
    if let Some(panic) = panicked {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        run.find(Finding::new(FindingCode::Internal, "pgdrill met a bug of its own").because(text));
    }
    run.clean_up().await;
    run.finish()
}

struct ScenarioRun<'a> {
    scenario: &'a Scenario,
    options: &'a RunOptions,
    events: &'a EventSender,
    started: Instant,
    phase: (&'static str, Instant),
    inventory: Option<Arc<BackupInventory>>,
    /// A sandbox on its way into being: a signal must not lose it.
    starting: Option<Starting>,
    sandbox: Option<Arc<dyn Sandbox>>,
    plan_positions: Vec<usize>,
    /// Entries of the tables of contents that nobody looked up, by kind.
    not_compared: BTreeMap<String, u64>,
    report: ScenarioReport,
}

type Starting = tokio::task::JoinHandle<Result<(Selected, Box<dyn Sandbox>), EphemeralError>>;

/// Ends the work early; the findings say why.
struct Ended;

impl<'a> ScenarioRun<'a> {
    fn new(scenario: &'a Scenario, options: &'a RunOptions, events: &'a EventSender) -> Self {
        let now = Instant::now();
        Self {
            scenario,
            options,
            events,
            started: now,
            phase: ("read", now),
            inventory: None,
            starting: None,
            sandbox: None,
            plan_positions: Vec::new(),
            not_compared: BTreeMap::new(),
            report: ScenarioReport {
                name: scenario.name.clone(),
                file: scenario.file.as_ref().map(ToString::to_string),
                verdict: Verdict::NotRun,
                result: ScenarioResult::Skipped,
                expectation: Expectation::Unmet,
                backup: BackupFacts {
                    path: scenario.backup.path.to_string(),
                    ..BackupFacts::default()
                },
                engine: None,
                databases: Vec::new(),
                checks: Vec::new(),
                findings: Vec::new(),
                phases: Vec::new(),
                objectives: Objectives::default(),
                disk: DiskFacts::default(),
                cleanup: CleanupFacts { complete: true, leftovers: Vec::new() },
                not_tested: Vec::new(),
            },
        }
    }

    fn find(&mut self, finding: Finding) {
        self.events.send(RunEvent::Found(finding.clone()));
        self.report.findings.push(finding);
    }

    fn enter_phase(&mut self, name: &'static str) {
        let now = Instant::now();
        let (ended, since) = std::mem::replace(&mut self.phase, (name, now));
        self.report.phases.push(PhaseReport {
            name: ended.to_owned(),
            duration_seconds: (now - since).as_secs_f64(),
        });
    }

    fn preflight(&self, item: Preflight, passed: bool, detail: String) {
        self.events.send(RunEvent::PreflightChecked { item, passed, detail });
    }

    async fn work(&mut self) {
        // Every early end has left its finding behind.
        let _ = self.try_work().await;
    }

    async fn try_work(&mut self) -> Result<(), Ended> {
        let inventory = self.read_backup().await?;
        if self.scenario.restore.is_none() {
            self.report.not_tested.push(
                "the restore: every byte was read, none was restored (--restore-test)".to_owned(),
            );
            return Ok(());
        }
        let plan = self.plan(&inventory)?;
        self.enter_phase("start");
        let (selected, bootstrap) = self.start(&plan).await?;
        let mut cluster = self.take_cluster(&selected, &plan, &bootstrap).await?;
        let restored = self.restore_all(&mut cluster, &inventory, &plan, &bootstrap).await;
        if let Err(error) = restored {
            self.ephemeral(&error);
            return Err(Ended);
        }
        self.enter_phase("checks");
        let mut reports = Vec::new();
        let checked = checks::run(
            &cluster,
            &self.scenario.checks,
            &self.report.databases,
            self.events,
            &mut reports,
        )
        .await;
        self.report.checks = reports;
        if let Err(error) = checked {
            self.ephemeral(&error);
        }
        self.measure_disk(&cluster).await;
        Ok(())
    }

    fn ephemeral(&mut self, error: &EphemeralError) {
        let mut finding = Finding::new(error.code(), error.to_string());
        finding.cause = error.cause().map(|cause| crate::text::one_line(&cause, 1_000));
        if let Some(step) = error.next_step() {
            finding = finding.first_try(step);
        }
        self.find(finding);
    }

    async fn clean_up(&mut self) {
        self.enter_phase("cleanup");
        let started = Instant::now();
        if let Some(starting) = self.starting.take()
            && let Ok(Ok((_, sandbox))) = starting.await
        {
            self.sandbox = Some(Arc::from(sandbox));
        }
        let Some(sandbox) = self.sandbox.take() else { return };
        let removal = sandbox.remove().await;
        self.report.cleanup = CleanupFacts {
            complete: removal.leftovers.is_empty(),
            leftovers: removal.leftovers.clone(),
        };
        self.events.send(RunEvent::CleanedUp {
            leftovers: removal.leftovers.clone(),
            took: started.elapsed(),
        });
        if !removal.leftovers.is_empty() {
            self.find(
                Finding::new(FindingCode::CleanupIncomplete, "the sandbox could not be removed")
                    .on(removal.leftovers.join(", ")),
            );
        }
    }

    fn finish(mut self) -> ScenarioReport {
        let cancelled = self.report.findings.iter().any(|f| f.code == FindingCode::Cancelled);
        let restore_asked = self.scenario.restore.is_some();
        let selected = self.plan_positions.clone();
        for (index, database) in self.report.databases.iter_mut().enumerate() {
            if cancelled
                && database.outcome == DatabaseOutcome::Skipped
                && selected.contains(&index)
            {
                database.outcome = DatabaseOutcome::Cancelled;
            }
        }
        // Clean-up changes the result, never what is known about the backup.
        let about_backup: Vec<Finding> = self
            .report
            .findings
            .iter()
            .filter(|finding| finding.code != FindingCode::CleanupIncomplete)
            .cloned()
            .collect();
        let outcomes: Vec<DatabaseOutcome> =
            self.report.databases.iter().map(|database| database.outcome).collect();
        let checks: Vec<_> = self.report.checks.iter().map(|check| check.outcome).collect();
        let mut judgement = judge(&Evidence {
            restore_asked,
            findings: &about_backup,
            databases: &outcomes,
            checks: &checks,
        });
        if restore_asked
            && judgement.result == ScenarioResult::Errored
            && self.report.all_findings().all(|finding| finding.class == FindingClass::Notice)
            && checks.is_empty()
        {
            let finding = Finding::new(FindingCode::NothingRestored, "no database was restored");
            self.find(finding);
        }
        if !self.report.cleanup.complete && judgement.result == ScenarioResult::Passed {
            judgement.result = ScenarioResult::Errored;
        }
        self.report.verdict = judgement.verdict;
        self.report.result = judgement.result;
        self.report.expectation = if judgement.result == ScenarioResult::Passed {
            Expectation::Met
        } else {
            Expectation::Unmet
        };
        self.enter_phase("end");
        self.report.phases.pop();
        if !self.not_compared.is_empty() {
            let kinds: Vec<String> =
                self.not_compared.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
            self.report.not_tested.push(format!(
                "entries restored without error and not looked up in the catalog: {}",
                kinds.join(", ")
            ));
        }
        let mut seen = BTreeSet::new();
        self.report.not_tested.retain(|text| seen.insert(text.clone()));
        let restored = self.report.restored();
        self.events.send(RunEvent::ScenarioFinished {
            name: self.report.name.clone(),
            judgement,
            took: self.started.elapsed(),
            restored: (restored, self.report.databases.len()),
            not_tested: self.report.not_tested.clone(),
        });
        self.report
    }
}
