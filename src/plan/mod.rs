//! Scenario × backup → plan: which databases, in which order, on which server. Pure.

mod estimate;
pub mod images;
mod inventory;
mod locale;
mod lost;
mod report;
mod sample;
#[cfg(test)]
mod tests;
mod unmade;
mod unread;

use std::collections::{BTreeMap, BTreeSet};

use glob::Pattern;

use crate::backup::{BackupInventory, DatabaseDump, Globals};
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::scenario::{ContentMode, Scenario};

pub use inventory::{
    DatabaseProperties, INVENTORY_SCHEMA, InventoryBackup, InventoryDatabase, InventoryEntry,
    InventoryReport, InventorySource,
};
pub use locale::LocaleWish;
pub use report::{
    DatabasePlan, EngineOutlook, EstimateFacts, PLAN_SCHEMA, PlanReport, PlannedCheck, PlannedStep,
    Prospect, ScenarioPlan,
};
pub use unmade::unmade;
pub(crate) use unread::without_restore;

/// The server's major version where neither backup nor scenario names one.
pub const DEFAULT_MAJOR: u32 = 17;

/// What will be done.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// Indices into [`BackupInventory::databases`], in the archive's order.
    pub databases: Vec<usize>,
    /// Those of them whose dumps are sound: what reading has found out needs no server.
    pub sound: Vec<usize>,
    /// Whether there is anything to start a server for.
    pub starts: bool,
    /// Indices of the databases that the scenario leaves out.
    pub excluded: Vec<usize>,
    /// Indices of the databases that are not in the sample.
    pub unsampled: Vec<usize>,
    /// The server's major version.
    pub major: u32,
    /// Name of the bootstrap superuser that the source had; ours is another.
    pub bootstrap_role: Option<String>,
    /// Roles that a single dump names and that have to be made up.
    pub placeholder_roles: BTreeSet<String>,
    /// Tablespaces that a single dump names and that have to be made up.
    pub placeholder_tablespaces: BTreeSet<String>,
    /// Bytes that the restore needs at its peak: an estimate on the safe side.
    pub space_bytes: u64,
    /// What is left out or made up, for the report.
    pub not_tested: Vec<String>,
    /// What makes the plan impossible.
    pub findings: Vec<Finding>,
}

/// Bytes of an empty cluster and its log of changes.
const CLUSTER_BYTES: u64 = 200 * 1_000_000;
/// Bytes of an empty database.
const DATABASE_BYTES: u64 = 8 * 1_000_000;

/// Builds the plan.
pub fn build(scenario: &Scenario, inventory: &BackupInventory) -> RestorePlan {
    let patterns = |globs: &[String]| -> Vec<Pattern> {
        globs.iter().filter_map(|glob| Pattern::new(glob).ok()).collect()
    };
    let restore = scenario.restore.clone().unwrap_or_default();
    let (only, exclude) = (patterns(&restore.only), patterns(&restore.exclude));
    let wanted = |name: &str| {
        only.iter().any(|glob| glob.matches(name)) && !exclude.iter().any(|glob| glob.matches(name))
    };
    let (databases, excluded): (Vec<usize>, Vec<usize>) =
        (0..inventory.databases.len()).partition(|&index| wanted(&inventory.databases[index].name));
    let (databases, unsampled) = match restore.sample {
        Some(chosen) => sample::part(scenario, inventory, chosen, databases),
        None => (databases, Vec::new()),
    };
    let mut plan = RestorePlan {
        major: scenario.postgres.major.or_else(|| inventory.needs_major()).unwrap_or(DEFAULT_MAJOR),
        bootstrap_role: inventory
            .globals
            .as_ref()
            .and_then(|globals| globals.bootstrap_role.clone()),
        placeholder_roles: BTreeSet::new(),
        placeholder_tablespaces: BTreeSet::new(),
        space_bytes: 0,
        not_tested: Vec::new(),
        findings: Vec::new(),
        sound: databases
            .iter()
            .copied()
            .filter(|&index| is_sound(&inventory.databases[index].findings))
            .collect(),
        starts: false,
        databases,
        excluded,
        unsampled,
    };
    // A backup that has lost a database would be found good for those that are left.
    for glob in &restore.only {
        let is_held = Pattern::new(glob).is_ok_and(|pattern| {
            inventory.databases.iter().any(|dump| pattern.matches(&dump.name))
        });
        if !is_held && !inventory.databases.is_empty() && inventory.outer_is_sound {
            let message =
                format!("`restore.only` names `{glob}`, and the backup holds no such database");
            plan.findings.push(Finding::new(FindingCode::NoDatabaseSelected, message));
        }
    }
    if plan.databases.is_empty() && plan.findings.is_empty() && !inventory.databases.is_empty() {
        let message = format!(
            "`only` {:?} and `exclude` {:?} leave none of the backup's {}",
            restore.only,
            restore.exclude,
            crate::text::counted(inventory.databases.len(), "database")
        );
        plan.findings.push(Finding::new(FindingCode::NoDatabaseSelected, message));
    }
    if !inventory.format.is_cluster() {
        placeholders(&mut plan, inventory);
    }
    space(&mut plan, inventory);
    not_tested(&mut plan, scenario, inventory);
    plan.starts = plan.findings.is_empty()
        && inventory.outer_is_sound
        && !plan.sound.is_empty()
        && !is_tampered(inventory);
    plan
}

impl RestorePlan {
    /// What part of the databases is restored, where a sample is: `sample: 3 of 50 databases`.
    pub fn scope(&self) -> Option<String> {
        let (taken, left) = (self.databases.len(), self.unsampled.len());
        let all = crate::text::counted(taken + left, "database");
        (left > 0).then(|| format!("sample: {taken} of {all}"))
    }
}

/// Who changed the globals may have changed anything.
fn is_tampered(inventory: &BackupInventory) -> bool {
    let of_globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
    of_globals
        .into_iter()
        .any(|found| matches!(found.code, FindingCode::UnsafeStatement | FindingCode::MetaCommand))
}

fn is_sound(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.class == FindingClass::Notice)
}

fn placeholders(plan: &mut RestorePlan, inventory: &BackupInventory) {
    for &index in &plan.databases {
        let database = &inventory.databases[index];
        // `pg_…` roles and tablespaces are the server's own, or reserved.
        let ours = |name: &&String| !name.starts_with("pg_");
        plan.placeholder_roles.extend(database.roles_named.iter().filter(ours).cloned());
        plan.placeholder_tablespaces
            .extend(database.tablespaces_named.iter().filter(ours).cloned());
    }
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    if plan.placeholder_roles.is_empty() {
        plan.not_tested.push("roles: a single dump carries none".to_owned());
    } else {
        plan.not_tested.push(format!(
            "roles: a single dump carries none; made up as placeholders: {}",
            list(&plan.placeholder_roles)
        ));
    }
    if !plan.placeholder_tablespaces.is_empty() {
        plan.not_tested.push(format!(
            "tablespaces: a single dump carries none; made up as placeholders: {}",
            list(&plan.placeholder_tablespaces)
        ));
    }
}

/// The largest dump lies staged beside what has been restored from all of them; indexes take about
/// as much as the data they cover.
fn space(plan: &mut RestorePlan, inventory: &BackupInventory) {
    let selected = || plan.databases.iter().map(|&index| &inventory.databases[index]);
    let staged = selected().map(|database| database.archive_bytes).max().unwrap_or(0);
    let restored: u64 = selected()
        .map(|database| database.data_bytes.saturating_mul(2).saturating_add(DATABASE_BYTES))
        .fold(0, u64::saturating_add);
    plan.space_bytes = CLUSTER_BYTES.saturating_add(staged).saturating_add(restored);
}

/// What the formats of these dumps and of the globals leave open, each with the databases that it is
/// true of.
pub fn left_open<'a>(
    dumps: impl Iterator<Item = &'a DatabaseDump>,
    globals: Option<&Globals>,
) -> Vec<String> {
    let mut sentences: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for database in dumps {
        for sentence in &database.not_tested {
            sentences.entry(sentence).or_default().push(&database.name);
        }
        let tables = database.entries.iter().any(|entry| entry.kind == "TABLE");
        if tables && !database.entries.iter().any(|entry| entry.kind == "TABLE DATA") {
            let sentence = "the dump holds tables and no data of any (schema only?)";
            sentences.entry(sentence).or_default().push(&database.name);
        }
    }
    if let Some(globals) = globals {
        for sentence in &globals.not_tested {
            sentences.entry(sentence).or_default().push(&globals.member);
        }
    }
    listed(&sentences)
}

fn listed(sentences: &BTreeMap<&str, Vec<&str>>) -> Vec<String> {
    sentences.iter().map(|(text, names)| format!("{text}: {}", names.join(", "))).collect()
}

fn not_tested(plan: &mut RestorePlan, scenario: &Scenario, inventory: &BackupInventory) {
    let mut sentences: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for &index in &plan.excluded {
        let database = &inventory.databases[index];
        sentences.entry("left out by the scenario").or_default().push(&database.name);
    }
    let left_out = listed(&sentences);
    plan.not_tested.extend(left_out);
    if let Some(scope) = plan.scope() {
        let others: Vec<&str> =
            plan.unsampled.iter().map(|&index| inventory.databases[index].name.as_str()).collect();
        plan.not_tested.push(format!("{scope}: read and not restored were {}", others.join(", ")));
    }
    let taken = plan.databases.iter().map(|&index| &inventory.databases[index]);
    plan.not_tested.extend(left_open(taken, inventory.globals.as_ref()));
    let counted_only = |&&index: &&usize| {
        scenario.content_of(&inventory.databases[index].name) == ContentMode::None
    };
    let only_counted: Vec<&str> = plan
        .databases
        .iter()
        .filter(counted_only)
        .map(|&index| inventory.databases[index].name.as_str())
        .collect();
    if !only_counted.is_empty() {
        plan.not_tested.push(format!(
            "values in rows (`content: none`, their number is compared): {}",
            only_counted.join(", ")
        ));
    }
    plan.not_tested
        .push("contents of large objects: restored without error, not compared".to_owned());
    if inventory.needs_major().is_none() && scenario.postgres.major.is_none() {
        plan.not_tested.push(format!(
            "the backup does not say which server made it: restored into PostgreSQL {DEFAULT_MAJOR}"
        ));
    }
    plan.not_tested.push(
        "restore time: measured with fsync off on a throwaway server, a real restore is slower"
            .to_owned(),
    );
}
