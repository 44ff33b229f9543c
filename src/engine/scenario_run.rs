//! One scenario, from the first byte read to the last thing removed.

mod databases;
mod end;
mod image;
mod objectives;
mod reading;
mod server;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::checks;
use super::cluster::Cluster;
use super::limits::{self, Bounds};
use super::roles::Roles;
use super::watch::Watch;
use crate::backup::BackupInventory;
use crate::check::NewestData;
use crate::ephemeral::{EphemeralError, Pressure, Sandbox, Selected};
use crate::event::{EventSender, Preflight, RunEvent};
use crate::finding::{Finding, FindingCode};
use crate::outcome::{BackupFacts, PhaseReport, ScenarioReport};
use crate::plan::RestorePlan;
use crate::postgres::integrity::{Baseline, Sealed};
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
    /// What says how late it is: ages are measured from there.
    pub clock: fn() -> Timestamp,
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
    /// What ages are measured from.
    now: Timestamp,
    /// From the first byte read to the first query answered, of a backup that was restored whole.
    recovery_time: Option<Duration>,
    /// What the scenario's query for the newest data has returned.
    newest: NewestData,
    inventory: Option<Arc<BackupInventory>>,
    /// A sandbox on its way into being: a signal must not lose it.
    starting: Option<Starting>,
    sandbox: Option<Arc<dyn Sandbox>>,
    plan_positions: Vec<usize>,
    /// The database that is being restored, and since when.
    in_flight: Option<(usize, Instant)>,
    /// Told when a limit is reached; taken by the watch.
    reached: Option<oneshot::Sender<Finding>>,
    watch: Option<Watch>,
    bounds: Option<Bounds>,
    /// The sandbox has refused a process, and that has been said.
    has_refused: bool,
    /// Databases that have been restored and compared, closed until they are asked.
    restored: Vec<Sealed>,
    /// Roles and settings of the cluster before its first database was restored.
    baseline: Option<Baseline>,
    /// Roles and tablespaces of the cluster after its last database was restored.
    roles: Roles,
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
            now: (options.clock)(),
            recovery_time: None,
            newest: NewestData::NotReached,
            inventory: None,
            starting: None,
            sandbox: None,
            plan_positions: Vec::new(),
            in_flight: None,
            reached: None,
            watch: None,
            bounds: None,
            has_refused: false,
            restored: Vec::new(),
            baseline: None,
            roles: Roles::None,
            report: ScenarioReport {
                file: scenario.file.as_ref().map(ToString::to_string),
                expected: scenario.expect.to_string(),
                backup: BackupFacts {
                    path: scenario.backup.path.to_string(),
                    ..BackupFacts::default()
                },
                ..ScenarioReport::untried(&scenario.name)
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
            let open = crate::plan::without_restore(&inventory, "--restore-test");
            self.report.not_tested.push(open);
            let (dumps, globals) = (inventory.databases.iter(), inventory.globals.as_ref());
            self.report.not_tested.extend(crate::plan::left_open(dumps, globals));
            self.take_unmade(&inventory);
            return Ok(());
        }
        let plan = self.plan(&inventory)?;
        let (reached, limit) = oneshot::channel();
        self.reached = Some(reached);
        let time = self.scenario.restore.as_ref().and_then(|restore| restore.time_limit);
        let time_is_up = async {
            match time {
                Some(time) => {
                    tokio::time::sleep(time).await;
                    limits::time_is_up(time)
                }
                None => std::future::pending().await,
            }
        };
        let limit = async {
            match limit.await {
                Ok(finding) => finding,
                // The watch has ended with the work it watched.
                Err(_) => std::future::pending().await,
            }
        };
        let halted = tokio::select! {
            biased;
            finding = limit => finding,
            finding = time_is_up => finding,
            worked = self.restore_test(&inventory, &plan) => return worked,
        };
        self.halt(halted);
        Err(Ended)
    }

    /// Start, restore, compare, ask. Dropping it is how a limit ends it: everything it makes lives
    /// inside the sandbox.
    async fn restore_test(
        &mut self,
        inventory: &Arc<BackupInventory>,
        plan: &RestorePlan,
    ) -> Result<(), Ended> {
        self.enter_phase("start");
        let (selected, bootstrap) = self.start(plan).await?;
        let mut cluster = self.take_cluster(&selected, plan, &bootstrap).await?;
        self.judge_image(&mut cluster, inventory).await?;
        let mut restored = self.restore_all(&mut cluster, inventory, plan, &bootstrap).await;
        if restored.is_ok() {
            self.enter_phase("answer");
            restored = self.open_databases(&cluster).await;
        }
        if restored.is_ok() {
            restored = self.first_answer(&cluster).await;
        }
        if let Err(error) = restored {
            // Said already where it ended the restore of a database.
            let is_said = self.report.databases.iter().any(|database| {
                database.findings.iter().any(|finding| finding.code == error.code())
            });
            if !is_said {
                self.ephemeral(&error);
            }
            return Err(Ended);
        }
        self.enter_phase("checks");
        self.recovered();
        let before = self.pressure().await;
        let newest = self.ask_newest(&cluster).await;
        let checked = checks::run(
            &checks::Checked {
                cluster: &cluster,
                databases: &self.report.databases,
                restore: self.scenario.restore.as_ref(),
                now: self.now,
                roles: &self.roles,
            },
            &self.scenario.checks,
            self.events,
            // Directly: a limit that ends the work loses none that has been asked.
            &mut self.report.checks,
            &mut self.report.findings,
        )
        .await;
        let mut strain = self.strain(before).await;
        strain.extend(self.refusal(&cluster).await);
        for finding in strain {
            self.find(finding);
        }
        if let Err(error) = newest.and(checked) {
            self.ephemeral(&error);
        }
        Ok(())
    }

    /// A limit was reached: whatever was being done is not done.
    fn halt(&mut self, finding: Finding) {
        match self.in_flight.take() {
            Some((index, started)) => {
                let database = self.report.databases[index].name.clone();
                self.database_done(index, started, None, vec![finding.in_database(database)]);
            }
            None => self.find(finding),
        }
    }

    /// What had been reached at this moment.
    async fn pressure(&self) -> Option<Pressure> {
        match &self.watch {
            Some(watch) => Some(watch.now().await),
            None => None,
        }
    }

    /// What has been reached since.
    async fn strain(&self, before: Option<Pressure>) -> Vec<Finding> {
        let (Some(watch), Some(bounds)) = (&self.watch, &self.bounds) else { return Vec::new() };
        let mut reached = bounds.judge(watch.since(before).await);
        // Between two looks of the watch a limit may have been passed.
        if bounds.bounds_disk() {
            reached.extend(bounds.judge_disk(watch.disk().await));
        }
        reached
    }

    /// The limit on processes, if that was reached and nothing has said so yet. Programs that fail
    /// for want of processes end within moments: a look at how many there are may come too late,
    /// what they have complained stays.
    async fn refusal(&mut self, cluster: &Cluster) -> Option<Finding> {
        if self.has_refused || !cluster.complains_of_forks().await {
            return None;
        }
        self.has_refused = true;
        self.bounds.as_ref().map(Bounds::forks_refused)
    }

    fn ephemeral(&mut self, error: &EphemeralError) {
        let finding = self.surroundings(error);
        self.find(finding);
    }

    /// What an error of the surroundings is called.
    fn surroundings(&self, error: &EphemeralError) -> Finding {
        let is_refused = error.cause().is_some_and(|cause| cause.contains("could not fork"));
        match (error, &self.bounds) {
            (EphemeralError::ServerEnded { out_of_memory: true, .. }, Some(bounds)) => {
                return bounds.killed_for_memory();
            }
            // The server's words to a session that it has no process for.
            (EphemeralError::Session { .. }, Some(bounds)) if is_refused => {
                return bounds.forks_refused();
            }
            _ => {}
        }
        error.finding()
    }
}
