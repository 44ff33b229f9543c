//! The second part of a run: an engine is chosen, and a server started, possessed and judged.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Ended, ScenarioRun};
use crate::engine::cluster::{Cluster, random_role};
use crate::engine::limits::{Bounds, limit_facts};
use crate::engine::outlook;
use crate::engine::watch::Watch;
use crate::ephemeral::ledger::Ledger;
use crate::ephemeral::{
    self, EphemeralError, Isolation, Sandbox, SandboxState, Selected, StartRequest,
};
use crate::event::{Preflight, RunEvent};
use crate::finding::{Finding, FindingCode};
use crate::outcome::{DiskFacts, EngineFacts, IsolationFacts};
use crate::plan::RestorePlan;
use crate::scenario::IsolationDemand;
use crate::text::ByteCount;

/// How long a killed run's things may stay before anybody may remove them, beyond the time that the
/// run itself may take.
///
/// A run that goes on longer than that is safe from whoever sees its process. From others, in
/// another container or on another machine of the same daemon, only a time limit keeps it.
const EXPIRY: SignedDuration = SignedDuration::from_hours(24);

impl ScenarioRun<'_> {
    pub(super) async fn start(&mut self, plan: &RestorePlan) -> Result<(Selected, String), Ended> {
        let request = outlook::request(self.scenario, self.options, plan.major);
        let selected = match ephemeral::select(&request).await {
            Ok(selected) => selected,
            Err(error) => {
                self.preflight(Preflight::Tools, false, error.to_string());
                self.ephemeral(&error);
                return Err(Ended);
            }
        };
        let identity = selected.identity();
        self.report.engine = Some(EngineFacts {
            kind: selected.kind.as_str().to_owned(),
            image: identity.image,
            image_digest: identity.image_digest,
            server_version: None,
            reason: selected.reason.clone(),
            isolation: None,
            limits: Vec::new(),
        });
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
            major: plan.major,
            limits: self.scenario.sandbox.limits,
            settings: Vec::new(),
            expires_at: self.expiry(),
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

    fn expiry(&self) -> Timestamp {
        let limit = self.scenario.restore.as_ref().and_then(|restore| restore.time_limit);
        let limit = limit.and_then(|limit| SignedDuration::try_from(limit).ok());
        let after = EXPIRY.checked_add(limit.unwrap_or_default()).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_add(after).unwrap_or(Timestamp::MAX)
    }

    pub(super) async fn take_cluster(
        &mut self,
        selected: &Selected,
        plan: &RestorePlan,
        bootstrap: &str,
    ) -> Result<Cluster, Ended> {
        let Some(sandbox) = self.sandbox.clone() else { return Err(Ended) };
        let started = self.phase.1;
        let isolation = match observe(&sandbox, bootstrap).await {
            Ok(isolation) => isolation,
            Err(error) => return Err(self.not_started(&error)),
        };
        let judged = self.judge_isolation(&isolation);
        if let Some(engine) = &mut self.report.engine {
            engine.isolation = Some(IsolationFacts {
                boundary: isolation.boundary,
                network_isolated: isolation.network_isolated,
                facts: isolation.facts,
                missing: isolation.missing,
            });
        }
        judged?;
        let cluster = match Cluster::take(Arc::clone(&sandbox), bootstrap).await {
            Ok(cluster) => cluster,
            Err(error) => return Err(self.not_started(&error)),
        };
        if let Some(engine) = &mut self.report.engine {
            engine.server_version = Some(cluster.server_version.to_string());
        }
        self.judge_server(&cluster, selected, plan)?;
        let disk = sandbox.disk().await;
        self.judge_space(disk.free, plan)?;
        self.watch(disk.free).await;
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
        if let Some(named) = self.scenario.postgres.major
            && named != has
        {
            self.find(
                Finding::new(
                    FindingCode::ServerVersionDiffers,
                    format!("the scenario names PostgreSQL {named}, the server is {has}"),
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

    fn not_started(&mut self, error: &EphemeralError) -> Ended {
        self.preflight(Preflight::Tools, false, error.to_string());
        self.ephemeral(error);
        Ended
    }

    /// Whether the sandbox is as isolated as the scenario demands; nothing of the backup is in it yet.
    fn judge_isolation(&mut self, isolation: &Isolation) -> Result<(), Ended> {
        let trusted = self.options.trust_dump
            || self.scenario.sandbox.isolation == Some(IsolationDemand::Trusted);
        if isolation.missing.is_empty() && isolation.network_isolated {
            return Ok(());
        }
        let missing = isolation.missing.join(", ");
        if trusted {
            self.report.not_tested.push(format!(
                "isolation: the dump is trusted, and these were observed: {missing}"
            ));
            return Ok(());
        }
        self.find(
            Finding::new(
                FindingCode::IsolationUnavailable,
                "the sandbox is not as isolated as the scenario demands",
            )
            .because(format!("observed: {missing}")),
        );
        Err(Ended)
    }

    /// From now on limits are looked after.
    async fn watch(&mut self, free: Option<u64>) {
        let (Some(sandbox), Some(reached)) = (self.sandbox.clone(), self.reached.take()) else {
            return;
        };
        let bounds = Bounds::new(sandbox.limits(), self.scenario.sandbox.limits.disk, free);
        if let Some(engine) = &mut self.report.engine {
            engine.limits = bounds.all().iter().map(limit_facts).collect();
        }
        self.watch = Some(Watch::start(sandbox, bounds.clone(), reached).await);
        self.bounds = Some(bounds);
    }

    fn judge_space(&mut self, free: Option<u64>, plan: &RestorePlan) -> Result<(), Ended> {
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

    /// What the watch has seen goes into the report.
    pub(super) async fn end_watch(&mut self) {
        let Some(watch) = self.watch.take() else { return };
        self.report.disk.peak_bytes = watch.peak_bytes().await;
        let programs = watch.programs().await;
        if !programs.is_empty() {
            self.find(
                Finding::new(
                    FindingCode::ProgramStarted,
                    "while the backup was restored, its SQL started programs in the sandbox",
                )
                .on(programs.join(", ")),
            );
        }
    }
}

/// How isolated the sandbox is. One that has ended leaves nothing to look at, and says itself why
/// its server did not start.
async fn observe(sandbox: &Arc<dyn Sandbox>, bootstrap: &str) -> Result<Isolation, EphemeralError> {
    let observed = sandbox.isolation().await;
    let is_complete = observed.as_ref().is_ok_and(|isolation| isolation.missing.is_empty());
    if !is_complete && matches!(sandbox.state().await, Ok(SandboxState::Ended { .. })) {
        Cluster::take(Arc::clone(sandbox), bootstrap).await?;
    }
    observed
}
