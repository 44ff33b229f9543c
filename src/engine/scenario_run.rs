//! One scenario, from the first byte read to the last thing removed.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, random_role};
use super::restore::{Dumps, Restore, Stop};
use super::{checks, compare, globals, restore};
use crate::backup::{self, BackupInventory, DumpChunk};
use crate::ephemeral::ledger::Ledger;
use crate::ephemeral::{
    self, EngineChoice, EngineRequest, EphemeralError, Sandbox, Selected, StartRequest,
};
use crate::event::{EventSender, Preflight, RunEvent};
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::outcome::{
    BackupFacts, CleanupFacts, DatabaseOutcome, DatabaseProgress, DatabaseReport, DiskFacts,
    EngineFacts, Evidence, Expectation, IsolationFacts, Objectives, PhaseReport, ScenarioReport,
    ScenarioResult, Verdict, judge, judge_database,
};
use crate::plan::{self, RestorePlan};
use crate::scenario::Scenario;
use crate::text::{ByteCount, counted};

/// How long a killed run's things may stay before anybody may remove them.
const EXPIRY: SignedDuration = SignedDuration::from_hours(24);

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
        backup: scenario.backup.to_string(),
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
                backup: BackupFacts { path: scenario.backup.to_string(), ..BackupFacts::default() },
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
        if !self.scenario.restore {
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
        self.find(finding);
    }

    async fn read_backup(&mut self) -> Result<Arc<BackupInventory>, Ended> {
        let (events, path) = (self.events.clone(), self.scenario.backup.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut last = Instant::now();
            backup::inspect(&path, &mut |done, total| {
                if last.elapsed() > Duration::from_millis(200) {
                    last = Instant::now();
                    events.send(RunEvent::BackupReading { done, total });
                }
            })
        });
        let inventory = match read.await {
            Ok(inventory) => Arc::new(inventory),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.report.backup = BackupFacts {
            path: inventory.path.to_string(),
            format: inventory.format.as_str().to_owned(),
            bytes: inventory.bytes,
            sha256: inventory.sha256.clone(),
            created_at: inventory.created_at.clone(),
            server_version: inventory.server_version().map(ToString::to_string),
            bytes_read: inventory.bytes_read,
        };
        self.inventory = Some(Arc::clone(&inventory));
        self.take_inventory(&inventory);
        Ok(inventory)
    }

    /// Findings of the reading go where they belong; databases that are missing get a row too.
    fn take_inventory(&mut self, inventory: &BackupInventory) {
        let own = inventory.findings.iter();
        let globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
        for finding in own.chain(globals).cloned() {
            self.find(finding);
        }
        let lost: BTreeSet<String> = self
            .report
            .findings
            .iter()
            .filter(|finding| {
                finding.class == FindingClass::Backup || finding.class == FindingClass::Environment
            })
            .filter_map(|finding| finding.database.clone())
            .filter(|name| !inventory.databases.iter().any(|dump| dump.name == *name))
            .collect();
        for dump in &inventory.databases {
            for finding in &dump.findings {
                self.events.send(RunEvent::Found(finding.clone()));
            }
        }
        let bad_dumps = inventory.databases.iter().filter(|dump| !is_sound(&dump.findings)).count();
        let backup_is_bad = !is_sound(&inventory.findings);
        if inventory.bytes > 0 {
            let path_is_fine = inventory.outer_is_sound && !backup_is_bad;
            let detail =
                format!("{} read, {}", ByteCount(inventory.bytes_read), inventory.format.as_str());
            self.preflight(Preflight::ArchiveIntegrity, path_is_fine, detail);
            let total = inventory.databases.len();
            let detail = if bad_dumps == 0 {
                format!("{} sound", counted(total, "dump"))
            } else {
                format!("{bad_dumps} of {} bad", counted(total, "dump"))
            };
            self.preflight(Preflight::DumpValidity, bad_dumps == 0 && total > 0, detail);
        }
        for dump in &inventory.databases {
            self.report.databases.push(DatabaseReport {
                name: dump.name.clone(),
                outcome: judge_database(DatabaseProgress::NotTried, &dump.findings),
                archive_bytes: dump.archive_bytes,
                restored_bytes: None,
                duration_seconds: 0.0,
                entries_compared: 0,
                tables_compared: 0,
                findings: dump.findings.clone(),
            });
        }
        for name in lost {
            let (own, rest): (Vec<Finding>, Vec<Finding>) =
                std::mem::take(&mut self.report.findings)
                    .into_iter()
                    .partition(|finding| finding.database.as_deref() == Some(name.as_str()));
            // A broken archive is the scenario's finding as well: more than this database is lost.
            self.report.findings = rest;
            let of_archive = |finding: &&Finding| {
                matches!(finding.code, FindingCode::ArchiveTruncated | FindingCode::ArchiveDamaged)
            };
            self.report.findings.extend(own.iter().filter(of_archive).cloned());
            let findings: Vec<Finding> = own.into_iter().filter(|f| !of_archive(&f)).collect();
            let outcome = if findings.is_empty() {
                DatabaseOutcome::Failed
            } else {
                judge_database(DatabaseProgress::NotTried, &findings)
            };
            self.report.databases.push(DatabaseReport {
                outcome,
                name,
                archive_bytes: 0,
                restored_bytes: None,
                duration_seconds: 0.0,
                entries_compared: 0,
                tables_compared: 0,
                findings,
            });
        }
    }

    fn plan(&mut self, inventory: &BackupInventory) -> Result<RestorePlan, Ended> {
        let plan = plan::build(self.scenario, inventory);
        self.report.not_tested.extend(plan.not_tested.iter().cloned());
        let impossible = !plan.findings.is_empty();
        for finding in plan.findings.clone() {
            self.find(finding);
        }
        if impossible || !inventory.outer_is_sound || inventory.databases.is_empty() {
            return Err(Ended);
        }
        // What reading has already found out needs no server.
        let worth: Vec<usize> = plan
            .databases
            .iter()
            .copied()
            .filter(|&index| is_sound(&inventory.databases[index].findings))
            .collect();
        if worth.is_empty() {
            return Err(Ended);
        }
        let weights = worth.iter().map(|&index| inventory.databases[index].archive_bytes).collect();
        self.events.send(RunEvent::Weighed { weights });
        self.plan_positions = worth;
        Ok(plan)
    }

    async fn start(&mut self, plan: &RestorePlan) -> Result<(Selected, String), Ended> {
        let engine = self.options.engine.or_else(|| {
            self.scenario.engine.as_deref().map(|engine| match engine {
                "docker" => EngineChoice::Docker,
                "local" => EngineChoice::Local,
                _ => EngineChoice::Auto,
            })
        });
        let request = EngineRequest {
            choice: engine.unwrap_or_default(),
            image: self.options.image.clone().or_else(|| self.scenario.image.clone()),
            major: plan.major,
            pg_bindir: self.options.pg_bindir.clone(),
            trust_dump: self.options.trust_dump,
        };
        let selected = match ephemeral::select(&request).await {
            Ok(selected) => selected,
            Err(error) => {
                self.preflight(Preflight::Tools, false, error.to_string());
                self.ephemeral(&error);
                return Err(Ended);
            }
        };
        self.events.send(RunEvent::ClusterStarting {
            engine: selected.kind.as_str(),
            source: selected.source.clone(),
            reason: selected.reason.clone(),
        });
        let bootstrap = plan.bootstrap_role.clone().unwrap_or_else(random_role);
        let request = StartRequest {
            run_id: self.options.run_id.clone(),
            scenario: self.scenario.name.clone(),
            superuser: bootstrap.clone(),
            settings: Vec::new(),
            expires_at: Timestamp::now().checked_add(EXPIRY).unwrap_or(Timestamp::MAX),
        };
        // On a task of its own: a signal that comes between the creation of a sandbox and the
        // moment we hold it must not lose it.
        let home = self.options.home.clone();
        let starting = self.starting.insert(tokio::spawn(async move {
            let ledger = Ledger::open(&home)?;
            let sandbox = ephemeral::start(&selected, request, &ledger).await?;
            Ok((selected, sandbox))
        }));
        let started = starting.await;
        self.starting = None;
        let started = match started {
            Ok(started) => started,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match started {
            Ok((selected, sandbox)) => {
                self.sandbox = Some(Arc::from(sandbox));
                Ok((selected, bootstrap))
            }
            Err(error) => {
                self.preflight(Preflight::Tools, false, error.to_string());
                self.ephemeral(&error);
                Err(Ended)
            }
        }
    }

    async fn take_cluster(
        &mut self,
        selected: &Selected,
        plan: &RestorePlan,
        bootstrap: &str,
    ) -> Result<Cluster, Ended> {
        let Some(sandbox) = self.sandbox.clone() else { return Err(Ended) };
        let started = self.phase.1;
        let cluster = match Cluster::take(Arc::clone(&sandbox), bootstrap).await {
            Ok(cluster) => cluster,
            Err(error) => {
                self.preflight(Preflight::Tools, false, error.to_string());
                self.ephemeral(&error);
                return Err(Ended);
            }
        };
        let isolation = match sandbox.isolation().await {
            Ok(isolation) => isolation,
            Err(error) => {
                self.ephemeral(&error);
                return Err(Ended);
            }
        };
        let identity = sandbox.identity();
        self.report.engine = Some(EngineFacts {
            kind: sandbox.kind().as_str().to_owned(),
            image: identity.image,
            image_digest: identity.image_digest,
            server_version: cluster.server_version.to_string(),
            reason: selected.reason.clone(),
            isolation: IsolationFacts {
                boundary: isolation.boundary,
                network_isolated: isolation.network_isolated,
                facts: isolation.facts,
            },
        });
        if !isolation.network_isolated && !self.options.trust_dump {
            self.find(Finding::new(FindingCode::IsolationUnavailable, "the sandbox has a network"));
            return Err(Ended);
        }
        self.judge_server(&cluster, selected, plan)?;
        self.judge_space(&cluster, plan).await?;
        self.events.send(RunEvent::ClusterStarted {
            took: started.elapsed(),
            server_version: cluster.server_version.to_string(),
        });
        Ok(cluster)
    }

    fn judge_server(
        &mut self,
        cluster: &Cluster,
        selected: &Selected,
        plan: &RestorePlan,
    ) -> Result<(), Ended> {
        let has = cluster.server_version.major().unwrap_or(0);
        let inventory = self.inventory.clone();
        let needs = inventory.as_ref().and_then(|inventory| inventory.needs_major()).unwrap_or(0);
        let source = inventory
            .as_ref()
            .and_then(|inventory| inventory.server_version()?.major())
            .unwrap_or(plan.major);
        let detail = format!(
            "{} {}, PostgreSQL {}",
            if selected.kind == ephemeral::EngineKind::Docker { "image" } else { "programs in" },
            selected.source,
            cluster.server_version.number()
        );
        self.preflight(Preflight::Tools, has >= needs, detail);
        if has < needs {
            self.find(
                Finding::new(
                    FindingCode::ServerTooOld,
                    format!("the backup needs PostgreSQL {needs} or newer, the server is {has}"),
                )
                .on(selected.source.clone()),
            );
            return Err(Ended);
        }
        if has > source {
            self.report.not_tested.push(format!(
                "the source's major version: PostgreSQL {source} was restored into {has}, which tests an upgrade"
            ));
        }
        Ok(())
    }

    async fn judge_space(&mut self, cluster: &Cluster, plan: &RestorePlan) -> Result<(), Ended> {
        let free = cluster.free_bytes().await;
        let work_dir = self.sandbox.as_ref().map(|sandbox| sandbox.work_dir().to_owned());
        self.report.disk = DiskFacts { temp_path: work_dir, peak_bytes: None, free_bytes: free };
        let needed = ByteCount(plan.space_bytes);
        let Some(free) = free else {
            self.report
                .not_tested
                .push("disk space: the sandbox does not say how much is free".to_owned());
            return Ok(());
        };
        let detail = format!("{needed} needed, {} free", ByteCount(free));
        self.preflight(Preflight::DiskSpace, free >= plan.space_bytes, detail.clone());
        if free < plan.space_bytes {
            self.find(
                Finding::new(FindingCode::DiskFull, "too little space for the restore")
                    .because(detail),
            );
            return Err(Ended);
        }
        Ok(())
    }

    async fn restore_all(
        &mut self,
        cluster: &mut Cluster,
        inventory: &Arc<BackupInventory>,
        plan: &RestorePlan,
        bootstrap: &str,
    ) -> Result<(), EphemeralError> {
        self.enter_phase("globals");
        let started = Instant::now();
        let events = self.events.clone();
        let mut restore = Restore {
            cluster,
            events: &events,
            is_cluster: inventory.format.is_cluster(),
            bootstrap,
            jobs: self.options.jobs,
        };
        if let Some(globals) = &inventory.globals {
            match globals::restore(&mut restore, globals).await {
                Ok(findings) => findings.into_iter().for_each(|finding| self.find(finding)),
                Err(Stop::Ephemeral(error)) => return Err(error),
                Err(Stop::Reading(error)) => self.changed(&error),
            }
        }
        globals::placeholders(&mut restore, plan).await?;
        self.events.send(RunEvent::GlobalsRestored { took: started.elapsed() });
        self.enter_phase("databases");
        let wanted: BTreeSet<usize> = self.plan_positions.iter().copied().collect();
        let (sender, mut dumps) = mpsc::channel(8);
        let (source, selection) = (Arc::clone(inventory), wanted.clone());
        let reading =
            tokio::task::spawn_blocking(move || backup::stream(&source, &selection, &sender));
        let restored = self.databases(&mut restore, inventory, &mut dumps, wanted.len()).await;
        drop(dumps);
        if let Ok(bytes) = reading.await {
            self.report.backup.bytes_read += bytes;
        }
        if backup::has_changed(inventory) {
            self.changed(&std::io::Error::other("its size or time of change is another"));
        }
        restored
    }

    fn changed(&mut self, error: &std::io::Error) {
        self.find(
            Finding::new(FindingCode::BackupChanging, "the backup changed while it was read")
                .on(self.scenario.backup.to_string())
                .because(error.to_string()),
        );
    }

    async fn databases(
        &mut self,
        restore: &mut Restore<'_>,
        inventory: &BackupInventory,
        dumps: &mut Dumps,
        total: usize,
    ) -> Result<(), EphemeralError> {
        let mut done = 0;
        while let Some(chunk) = dumps.recv().await {
            let index = match chunk {
                Ok(DumpChunk::Start(index)) => index,
                Ok(DumpChunk::Bytes(_) | DumpChunk::End) => continue,
                Err(error) => {
                    self.changed(&error);
                    return Ok(());
                }
            };
            done += 1;
            let dump = &inventory.databases[index];
            let started = Instant::now();
            self.events.send(RunEvent::DatabaseStarted {
                name: dump.name.clone(),
                position: done,
                total,
                bytes: dump.archive_bytes,
            });
            let mut findings = match restore.database(dump, dumps).await {
                Ok(findings) => findings,
                Err(Stop::Reading(error)) => {
                    self.changed(&error);
                    return Ok(());
                }
                Err(Stop::Ephemeral(error)) => {
                    self.database_done(
                        index,
                        started,
                        None,
                        vec![database_lost(&error, &dump.name)],
                    );
                    return Err(error);
                }
            };
            let compared = self.look(restore, dump, &mut findings).await;
            match compared {
                Ok(facts) => self.database_done(index, started, facts, findings),
                Err(error) => {
                    findings.push(database_lost(&error, &dump.name));
                    self.database_done(index, started, None, findings);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Compares, analyzes and measures what was restored.
    async fn look(
        &mut self,
        restore: &Restore<'_>,
        dump: &backup::DatabaseDump,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<(compare::Comparison, u64)>, EphemeralError> {
        let is_there = !findings.iter().any(|finding| {
            matches!(
                finding.code,
                FindingCode::DatabaseNotCreated
                    | FindingCode::LocaleMissing
                    | FindingCode::PsqlTooOld
            )
        });
        if !is_there {
            return Ok(None);
        }
        let session = restore.cluster.session(&dump.name).await?;
        let mut comparison = match compare::compare(&session, dump).await {
            Ok(comparison) => comparison,
            Err(error) => return Err(restore.cluster.why_lost(&error).await),
        };
        let mut found = std::mem::take(&mut comparison.findings);
        found.extend(restore::analyze(&session).await);
        for finding in &mut found {
            finding.database = Some(dump.name.clone());
        }
        findings.extend(found);
        for (kind, count) in &comparison.not_compared {
            *self.not_compared.entry(kind.clone()).or_insert(0) += count;
        }
        if comparison.tables_unknown > 0 {
            self.report.not_tested.push(format!(
                "{}: rows of {} (the dump's form does not let them be counted)",
                dump.name,
                counted(comparison.tables_unknown, "table")
            ));
        }
        match crate::postgres::catalog::database_bytes(&session).await {
            Ok(bytes) => Ok(Some((comparison, bytes))),
            Err(error) => Err(restore.cluster.why_lost(&error).await),
        }
    }

    fn database_done(
        &mut self,
        index: usize,
        started: Instant,
        facts: Option<(compare::Comparison, u64)>,
        findings: Vec<Finding>,
    ) {
        for finding in &findings {
            self.events.send(RunEvent::Found(finding.clone()));
        }
        let report = &mut self.report.databases[index];
        report.findings.extend(findings);
        let progress = match facts {
            Some((comparison, bytes)) => {
                report.restored_bytes = Some(bytes);
                report.entries_compared = comparison.entries;
                report.tables_compared = comparison.tables;
                DatabaseProgress::Compared
            }
            None => DatabaseProgress::NotTried,
        };
        report.outcome = judge_database(progress, &report.findings);
        report.duration_seconds = started.elapsed().as_secs_f64();
        self.events.send(RunEvent::DatabaseFinished {
            name: report.name.clone(),
            outcome: report.outcome,
            took: started.elapsed(),
            bytes: report.archive_bytes,
            restored_bytes: report.restored_bytes,
        });
    }

    async fn measure_disk(&mut self, cluster: &Cluster) {
        let now = cluster.free_bytes().await;
        self.report.disk.peak_bytes = self
            .report
            .disk
            .free_bytes
            .zip(now)
            .map(|(before, after)| before.saturating_sub(after));
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
        let restore_asked = self.scenario.restore;
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

fn is_sound(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.class == FindingClass::Notice)
}

fn database_lost(error: &EphemeralError, database: &str) -> Finding {
    let mut finding = Finding::new(error.code(), error.to_string());
    finding.cause = error.cause().map(|cause| crate::text::one_line(&cause, 1_000));
    finding.in_database(database.to_owned())
}
