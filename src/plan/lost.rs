//! Checks that ask a database which the backup does not hold.

use crate::backup::BackupInventory;
use crate::scenario::{Check, Scenario};

/// The checks whose database is not in the backup: a run fails them.
pub(super) fn lost_checks<'s>(
    scenario: &'s Scenario,
    inventory: &BackupInventory,
) -> Vec<&'s Check> {
    let is_held = |name: &str| inventory.databases.iter().any(|dump| dump.name == name);
    scenario.checks.iter().filter(|check| !check.database().is_none_or(is_held)).collect()
}

/// What a person is warned of.
pub(super) fn warning(check: &Check) -> String {
    format!(
        "check `{}` asks the database `{}`, which the backup does not hold: a run fails it",
        check.name,
        check.database().unwrap_or_default()
    )
}
