//! `pgdrill plan`.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::run::load_all;
use super::settings::{self, EngineArgs, KeyArgs};
use crate::backup::BackupInventory;
use crate::console::{self, complain, say};
use crate::engine::{self, RunOptions};
use crate::outcome::{BackupFacts, ExitCode};
use crate::plan::{self, PLAN_SCHEMA, PlanReport, ScenarioPlan};
use crate::scenario::Scenario;

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// For programs, see docs/plan.md.
    Json,
}

/// Options of `pgdrill plan`.
#[derive(Debug, Args)]
pub(super) struct PlanCommand {
    /// Scenario files, or folders with them.
    #[arg(value_name = "SCENARIO|DIR", default_value = "scenarios")]
    scenarios: Vec<Utf8PathBuf>,

    /// How to show the plan.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: PlanFormat,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(command: &PlanCommand) -> ExitCode {
    let Ok(mut scenarios) = load_all(&command.scenarios) else { return ExitCode::Usage };
    command.key.apply(&mut scenarios);
    let Some(runtime) = settings::runtime() else { return ExitCode::Errored };
    let options = command.engine.options();
    let report = PlanReport {
        schema: PLAN_SCHEMA,
        tool_version: env!("CARGO_PKG_VERSION"),
        scenarios: scenarios
            .iter()
            .map(|scenario| runtime.block_on(plan_of(scenario, &options)))
            .collect(),
    };
    match command.format {
        PlanFormat::Text => say(console::describe_plan(&report, settings::style()).trim_end()),
        PlanFormat::Json => match serde_json::to_string_pretty(&report) {
            Ok(json) => say(&json),
            Err(error) => {
                complain(&format!("error: cannot write the plan as JSON: {error}"));
                return ExitCode::Internal;
            }
        },
    }
    report.exit_code()
}

async fn plan_of(scenario: &Scenario, options: &RunOptions) -> ScenarioPlan {
    let (inventory, facts) = match engine::read_backup(scenario, &mut |_, _| {}) {
        Ok(read) => read,
        Err(finding) => {
            let mut inventory = BackupInventory::unread(&scenario.backup.path);
            inventory.findings.push(*finding);
            let facts = BackupFacts::from(&inventory);
            (inventory, facts)
        }
    };
    let plan = plan::build(scenario, &inventory);
    let engine = if plan.starts {
        Some(engine::look(scenario, options, plan.major).await.map_err(|error| error.finding()))
    } else {
        None
    };
    ScenarioPlan::new(scenario, (&inventory, facts), plan, engine)
}
