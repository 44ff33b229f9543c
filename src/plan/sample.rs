//! Which databases are restored, where a sample of them is.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::backup::BackupInventory;
use crate::scenario::{DatabaseSample, Scenario};

/// Parts `wanted` databases into those that are restored and those that are not: the ones that
/// checks ask come first, then the seed decides, whatever their order in the backup.
pub(super) fn part(
    scenario: &Scenario,
    inventory: &BackupInventory,
    sample: DatabaseSample,
    wanted: Vec<usize>,
) -> (Vec<usize>, Vec<usize>) {
    let seed = sample.seed.unwrap_or_else(|| seed_of(inventory));
    let name = |index: usize| inventory.databases[index].name.as_str();
    let newest = scenario.objectives.rpo.as_ref().and_then(|rpo| rpo.query.as_ref());
    let is_asked = |index: usize| {
        let by_check = scenario.checks.iter().filter_map(|check| check.databases());
        by_check
            .chain(newest.map(|question| &question.databases))
            .any(|asked| asked.names(name(index)))
    };
    let mut order = wanted.clone();
    order.sort_by_cached_key(|&index| {
        let place = xxh3_64_with_seed(name(index).as_bytes(), seed);
        (!is_asked(index), place, name(index).to_owned())
    });
    let asked = order.iter().filter(|&&index| is_asked(index)).count();
    let count = usize::try_from(sample.databases).unwrap_or(usize::MAX).max(asked);
    order.truncate(count);
    wanted.into_iter().partition(|index| order.contains(index))
}

/// A number that is the same for the same backup, and another for tomorrow's.
fn seed_of(inventory: &BackupInventory) -> u64 {
    let mut hash = Xxh3::new();
    let texts = [&inventory.sha256, &inventory.created_at];
    texts.into_iter().flatten().for_each(|text| hash.update(text.as_bytes()));
    for dump in &inventory.databases {
        hash.update(dump.name.as_bytes());
        hash.update(&dump.data_bytes.to_le_bytes());
    }
    hash.digest()
}
