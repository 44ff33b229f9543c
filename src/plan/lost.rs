//! Checks that ask a database which the backup does not hold.

use crate::backup::BackupInventory;
use crate::scenario::{Check, Databases, Scenario};

/// A check, and the databases or globs of databases that it names and the backup does not hold.
pub(super) struct LostCheck<'s> {
    pub(super) check: &'s Check,
    unmatched: Vec<&'s str>,
}

/// The checks whose database is not in the backup: a run fails them.
pub(super) fn lost_checks<'s>(
    scenario: &'s Scenario,
    inventory: &BackupInventory,
) -> Vec<LostCheck<'s>> {
    let names = inventory.databases.iter().map(|dump| dump.name.as_str());
    let lost = |check: &'s Check| {
        let unmatched = check.databases()?.unmatched(names.clone());
        (!unmatched.is_empty()).then_some(LostCheck { check, unmatched })
    };
    scenario.checks.iter().filter_map(lost).collect()
}

/// What a person is warned of.
pub(super) fn warning(lost: &LostCheck<'_>) -> String {
    let globs: Vec<String> = lost.unmatched.iter().map(|glob| format!("`{glob}`")).collect();
    let (name, globs) = (&lost.check.name, globs.join(" or "));
    match lost.check.databases() {
        Some(Databases::Each(_)) => format!(
            "check `{name}` asks databases that match {globs}, and the backup holds none: a run fails it"
        ),
        Some(Databases::One(_)) | None => format!(
            "check `{name}` asks the database {globs}, which the backup does not hold: a run fails it"
        ),
    }
}
