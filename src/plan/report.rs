//! What `pgdrill plan` says, as a tree: the JSON is this type, the text is a view of it.
//!
//! Where a field means what a field of the JSON report means, it has that one's name.

use serde::Serialize;

use super::lost::{self, LostCheck, lost_checks};
use super::{RestorePlan, estimate};
use crate::backup::{BackupInventory, DatabaseDump};
use crate::finding::{Finding, FindingClass};
use crate::outcome::{
    BackupFacts, CheckOutcome, DatabaseProgress, Evidence, ExitCode, LimitFacts, Verdict,
    check_failure, judge, judge_database,
};
use crate::scenario::{Check, Scenario};
use crate::text::counted;

/// The version of the tree's paths.
pub const PLAN_SCHEMA: &str = "pgdrill.plan/v1";

/// What several runs would do.
#[derive(Debug, Clone, Serialize)]
pub struct PlanReport {
    /// [`PLAN_SCHEMA`].
    pub schema: &'static str,
    /// pgdrill's version.
    pub tool_version: &'static str,
    /// One for each scenario, in the order they would run.
    pub scenarios: Vec<ScenarioPlan>,
}

impl PlanReport {
    /// 0 where every scenario would start a server; else the code that the run would end with.
    pub fn exit_code(&self) -> ExitCode {
        self.scenarios.iter().fold(ExitCode::Success, |code, plan| match plan.decided {
            Some(prospect) if !plan.starts => code.worse(prospect.code),
            _ => code,
        })
    }
}

/// What one scenario would do.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioPlan {
    /// Its name.
    pub name: String,
    /// The file it was read from.
    pub file: Option<String>,
    /// What must come of it: `restorable`, or `not_restorable: …`.
    pub expected: String,
    /// Whether a run would start a server.
    pub starts: bool,
    /// What is already known; `null` where nothing was found yet.
    pub decided: Option<Prospect>,
    /// The thing under test.
    pub backup: BackupFacts,
    /// The server; `null` where none would be started.
    pub engine: Option<EngineOutlook>,
    /// Containers, or sets of namespaces, that would be made.
    pub sandboxes: u32,
    /// Databases that would be restored, in this order.
    pub databases: Vec<DatabasePlan>,
    /// Databases that the scenario leaves out.
    pub excluded: Vec<String>,
    /// Roles that would be made up.
    pub placeholder_roles: Vec<String>,
    /// Tablespaces that would be made up.
    pub placeholder_tablespaces: Vec<String>,
    /// What would be done, in this order.
    pub steps: Vec<PlannedStep>,
    /// What it would take.
    pub estimate: EstimateFacts,
    /// What would be asked.
    pub checks: Vec<PlannedCheck>,
    /// What was found that belongs to no database of the plan.
    pub findings: Vec<Finding>,
    /// What would go wrong by what is known already, one sentence each.
    pub warnings: Vec<String>,
    /// What nobody would look at.
    pub not_tested: Vec<String>,
}

/// What a run would say by what is known before it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Prospect {
    /// About the backup.
    pub verdict: Verdict,
    /// Of `pgdrill run`.
    pub exit_code: u8,
    #[serde(skip)]
    code: ExitCode,
}

/// The server that would be started.
#[derive(Debug, Clone, Serialize)]
pub struct EngineOutlook {
    /// `docker` or `local`.
    pub kind: String,
    /// Why this engine.
    pub reason: String,
    /// The image's reference.
    pub image: Option<String>,
    /// Its content digest, where the daemon has it.
    pub image_digest: Option<String>,
    /// Whether it would be pulled first.
    pub would_pull: bool,
    /// The folder of local programs.
    pub programs: Option<String>,
    /// The version of local programs.
    pub server_version: Option<String>,
    /// The major version that was asked for.
    pub major: u32,
    /// What the sandbox may use.
    pub limits: Vec<LimitFacts>,
}

/// A database that would be restored.
#[derive(Debug, Clone, Serialize)]
pub struct DatabasePlan {
    /// Its name.
    pub name: String,
    /// `custom` or `plain`.
    pub format: &'static str,
    /// Bytes of its dump in the archive.
    pub archive_bytes: u64,
    /// Bytes of its data after decompression.
    pub data_bytes: u64,
    /// Entries of its table of contents.
    pub entries: usize,
    /// Whether it would be restored: what is found to be broken is not.
    pub restores: bool,
    /// Extensions that the server must have.
    pub extensions: Vec<String>,
    /// Guessed.
    pub estimated_seconds: u64,
    /// What was found about it.
    pub findings: Vec<Finding>,
}

/// A part of the run.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedStep {
    /// The phase's name in the report: `read`, `start`, `globals`, `databases`, `checks`,
    /// `cleanup`; and `reports`.
    pub name: &'static str,
    /// What would be done.
    pub what: String,
    /// Guessed.
    pub estimated_seconds: u64,
}

/// What a run would take.
#[derive(Debug, Clone, Serialize)]
pub struct EstimateFacts {
    /// From start to end.
    pub seconds: u64,
    /// Of disk where the server lives, at the peak; 0 where none would start.
    pub space_bytes: u64,
    /// The scenario's own limit.
    pub time_limit_seconds: Option<u64>,
    /// How the numbers were made.
    pub assumptions: Vec<String>,
}

/// A check.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedCheck {
    /// `query`, `no_rows`, `structure`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The database it asks; missing where it looks at several, or at the cluster.
    pub database: Option<String>,
    /// What should be.
    pub expected: String,
}

impl ScenarioPlan {
    /// Puts together what is known. `engine` is `None` where the plan starts no server.
    pub fn new(
        scenario: &Scenario,
        (inventory, backup): (&BackupInventory, BackupFacts),
        plan: RestorePlan,
        engine: Option<Result<EngineOutlook, Finding>>,
    ) -> Self {
        let of_globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
        let mut findings: Vec<Finding> =
            inventory.findings.iter().chain(of_globals).chain(&plan.findings).cloned().collect();
        let engine = match engine {
            Some(Ok(engine)) => Some(engine),
            Some(Err(finding)) => {
                findings.push(finding);
                None
            }
            None => None,
        };
        let databases: Vec<DatabasePlan> = plan
            .databases
            .iter()
            .map(|&index| database(&inventory.databases[index], plan.sound.contains(&index)))
            .collect();
        let steps = match &engine {
            Some(engine) => steps(scenario, inventory, &plan, engine, &databases),
            None => vec![reading(inventory)],
        };
        // Without a server nothing is asked.
        let lost = if engine.is_some() { lost_checks(scenario, inventory) } else { Vec::new() };
        Self {
            name: scenario.name.clone(),
            file: scenario.file.as_ref().map(ToString::to_string),
            expected: scenario.expect.to_string(),
            starts: engine.is_some(),
            decided: decide(
                scenario,
                inventory,
                &findings,
                engine.as_ref().map(|_| lost.as_slice()),
            ),
            backup,
            sandboxes: u32::from(engine.is_some()),
            excluded: plan
                .excluded
                .iter()
                .chain(&plan.unsampled)
                .map(|&at| inventory.databases[at].name.clone())
                .collect(),
            estimate: EstimateFacts {
                seconds: steps.iter().map(|step| step.estimated_seconds).sum(),
                space_bytes: if engine.is_some() { plan.space_bytes } else { 0 },
                time_limit_seconds: scenario
                    .restore
                    .as_ref()
                    .and_then(|restore| Some(restore.time_limit?.as_secs())),
                assumptions: estimate::assumptions(engine.as_ref().map(|engine| engine.would_pull)),
            },
            checks: scenario.checks.iter().map(check).collect(),
            placeholder_roles: plan.placeholder_roles.into_iter().collect(),
            placeholder_tablespaces: plan.placeholder_tablespaces.into_iter().collect(),
            warnings: lost.iter().map(lost::warning).collect(),
            not_tested: plan.not_tested,
            engine,
            databases,
            steps,
            findings,
        }
    }

    /// Every finding: the scenario's own, then each database's.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.databases.iter().flat_map(|database| &database.findings))
    }
}

/// What a run would say if it found nothing more. `lost` are the checks that it would fail; `None`
/// where it would start no server.
fn decide(
    scenario: &Scenario,
    inventory: &BackupInventory,
    findings: &[Finding],
    lost: Option<&[LostCheck<'_>]>,
) -> Option<Prospect> {
    let failures: Vec<Finding> = lost
        .unwrap_or_default()
        .iter()
        .map(|lost| check_failure(&lost.check.name, lost.check.database()))
        .collect();
    // Whatever the scenario leaves out was read too, and counts as it does in a run.
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    let all = findings.iter().chain(of_dumps).chain(&failures);
    if lost.is_some() && all.clone().all(|finding| finding.class == FindingClass::Notice) {
        return None;
    }
    let outcomes: Vec<_> = inventory
        .databases
        .iter()
        .map(|dump| judge_database(DatabaseProgress::NotTried, &dump.findings))
        .collect();
    let judgement = judge(&Evidence {
        restore_asked: scenario.restore.is_some(),
        findings,
        databases: &outcomes,
        checks: &vec![CheckOutcome::Failed; failures.len()],
    });
    let code = ExitCode::of_scenario(scenario.expect.result(judgement, all), findings);
    Some(Prospect { verdict: judgement.verdict, exit_code: code.as_u8(), code })
}

fn database(dump: &DatabaseDump, restores: bool) -> DatabasePlan {
    DatabasePlan {
        name: dump.name.clone(),
        format: dump.format.as_str(),
        archive_bytes: dump.archive_bytes,
        data_bytes: dump.data_bytes,
        entries: dump.entries.len(),
        restores,
        extensions: dump.extensions().into_iter().map(str::to_owned).collect(),
        estimated_seconds: if restores { estimate::database_seconds(dump) } else { 0 },
        findings: dump.findings.clone(),
    }
}

fn check(check: &Check) -> PlannedCheck {
    PlannedCheck {
        kind: check.kind.as_str(),
        name: check.name.clone(),
        database: check.database().map(str::to_owned),
        expected: check.expected(),
    }
}

fn reading(inventory: &BackupInventory) -> PlannedStep {
    PlannedStep {
        name: "read",
        what: "read every byte of the backup, and what is in it".to_owned(),
        estimated_seconds: estimate::read_seconds(inventory),
    }
}

fn steps(
    scenario: &Scenario,
    inventory: &BackupInventory,
    plan: &RestorePlan,
    engine: &EngineOutlook,
    databases: &[DatabasePlan],
) -> Vec<PlannedStep> {
    let step = |name, what, estimated_seconds| PlannedStep { name, what, estimated_seconds };
    let server = match (&engine.image, engine.would_pull) {
        (Some(image), true) => format!("pull {image}, start a container of it without a network"),
        (Some(image), false) => format!("start a container of {image} without a network"),
        (None, _) => "start a server in namespaces of its own".to_owned(),
    };
    let globals = match &inventory.globals {
        Some(globals) => {
            format!("run {}: {}", globals.member, counted(globals.roles.len(), "role"))
        }
        None => format!("make up {}", counted(plan.placeholder_roles.len(), "role")),
    };
    let restored = databases.iter().filter(|database| database.restores);
    let seconds = restored.clone().map(|database| database.estimated_seconds).sum::<u64>();
    let mut steps = vec![
        reading(inventory),
        step(
            "start",
            format!("{server}; name what it lacks for these dumps"),
            estimate::START_SECONDS,
        ),
        step("globals", globals, estimate::GLOBALS_SECONDS),
        step(
            "databases",
            format!(
                "make, restore, compare and analyze {}, one after another",
                counted(restored.count(), "database")
            ),
            estimate::read_seconds(inventory) + seconds,
        ),
    ];
    steps.push(step("answer", "ask the restored server its first question".to_owned(), 0));
    let count = scenario.checks.len();
    if count > 0 {
        steps.push(step(
            "checks",
            format!("run {}, read-only", counted(count, "check")),
            estimate::check_seconds(count),
        ));
    }
    steps.push(step(
        "cleanup",
        "remove the sandbox, and look whether it is gone".to_owned(),
        estimate::CLEANUP_SECONDS,
    ));
    let reports = [("JUnit", &scenario.report.junit), ("JSON", &scenario.report.json)];
    let written: Vec<String> = reports
        .into_iter()
        .filter_map(|(kind, path)| Some(format!("{kind} to {}", path.as_ref()?)))
        .collect();
    if !written.is_empty() {
        steps.push(step("reports", format!("write {}", written.join(", ")), 0));
    }
    steps
}
