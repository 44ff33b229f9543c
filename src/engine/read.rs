//! Reads the backup that a scenario means, once and to its last byte.

use std::time::Duration;

use camino::Utf8Path;

use crate::backup::{self, BackupInventory, KeyOrigin, Opener, Several};
use crate::finding::Finding;
use crate::outcome::BackupFacts;
use crate::scenario::{KeyChoice, Pick, Scenario};

/// How long a backup that seems to end too early gets to show that it is still being written.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What opens encrypted backups; reads the key. Blocks.
pub fn opener(key: Option<&KeyChoice>) -> Opener {
    let origin = key.map(|key| match key {
        KeyChoice::File(path) => KeyOrigin::File(path.clone()),
        KeyChoice::Variable(name) => KeyOrigin::Variable(name.clone()),
    });
    Opener::load(origin.as_ref())
}

/// What is inside the backup, and the facts for a report. Blocks. `report` is called with (bytes
/// read, size) now and then.
///
/// # Errors
///
/// A finding when the path or glob means no backup, or more than one.
pub fn read_backup(
    scenario: &Scenario,
    report: &mut dyn FnMut(u64, u64),
) -> Result<(BackupInventory, BackupFacts), Box<Finding>> {
    let choice = &scenario.backup;
    let beside = scenario.file.as_ref().and_then(|file| file.parent()).map(Utf8Path::to_path_buf);
    let several = match choice.pick {
        Some(Pick::Newest) => Several::Newest,
        None => Several::Refuse,
    };
    let chosen = backup::choose(&choice.path, beside.as_deref(), several)?;
    let opener = opener(choice.decrypt.as_ref());
    let mut inventory = backup::inspect_with(&chosen.path, &opener, report);
    if backup::looks_cut(&inventory) {
        std::thread::sleep(SECOND_LOOK);
        backup::take_back_if_changed(&mut inventory);
    }
    if let Some(pin) = &choice.sha256 {
        inventory.findings.extend(backup::compare_pin(&inventory, pin));
    }
    let facts = BackupFacts { picked: chosen.picked, ..BackupFacts::from(&inventory) };
    Ok((inventory, facts))
}
