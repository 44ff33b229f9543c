//! How long a run takes, guessed before it starts: always on the safe side of what was measured.

use crate::backup::{BackupInventory, DatabaseDump};
use crate::text::ByteCount;

/// Bytes of the backup that one pass reads in a second: gzip and SHA-256 on one old core.
const READ_BYTES_A_SECOND: u64 = 40_000_000;
/// Bytes of unpacked data that one database takes in a second, its indexes and `ANALYZE` included.
const RESTORE_BYTES_A_SECOND: u64 = 10_000_000;
/// Entries of a table of contents that are restored and looked up in a second.
const ENTRIES_A_SECOND: u64 = 100;
/// Seconds that every database takes, however small.
const DATABASE_SECONDS: u64 = 2;
/// Seconds until a server accepts sessions and its image has been looked at.
pub(super) const START_SECONDS: u64 = 10;
/// Seconds for roles and tablespaces.
pub(super) const GLOBALS_SECONDS: u64 = 3;
/// Seconds for one check: nobody can tell before it runs.
const CHECK_SECONDS: u64 = 2;
/// Seconds until a sandbox is gone.
pub(super) const CLEANUP_SECONDS: u64 = 5;

/// Seconds of one pass over the backup.
pub(super) fn read_seconds(inventory: &BackupInventory) -> u64 {
    inventory.bytes.div_ceil(READ_BYTES_A_SECOND)
}

/// Seconds of one database, from its turn to its end.
pub(super) fn database_seconds(dump: &DatabaseDump) -> u64 {
    DATABASE_SECONDS
        + dump.data_bytes.div_ceil(RESTORE_BYTES_A_SECOND)
        + u64::try_from(dump.entries.len()).unwrap_or(u64::MAX).div_ceil(ENTRIES_A_SECOND)
}

/// Seconds of all checks.
pub(super) fn check_seconds(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(CHECK_SECONDS)
}

/// How the numbers were made, one sentence each. `would_pull` is `None` where no server starts.
pub(super) fn assumptions(would_pull: Option<bool>) -> Vec<String> {
    let rate = ByteCount(READ_BYTES_A_SECOND);
    let Some(would_pull) = would_pull else {
        return vec![format!("the backup is read once, at {rate} a second")];
    };
    let mut sentences = vec![
        format!("the backup is read twice, at {rate} a second"),
        format!(
            "a database takes {DATABASE_SECONDS}s, and its unpacked data goes in at {} and \
             {ENTRIES_A_SECOND} entries a second",
            ByteCount(RESTORE_BYTES_A_SECOND)
        ),
        format!(
            "a server starts in {START_SECONDS}s and is removed in {CLEANUP_SECONDS}s, \
             a check takes {CHECK_SECONDS}s"
        ),
        format!(
            "space: {} for a server, {} for each database, twice its unpacked data (indexes), \
             and the largest dump as it is",
            ByteCount(super::CLUSTER_BYTES),
            ByteCount(super::DATABASE_BYTES)
        ),
    ];
    if would_pull {
        sentences.push("the pull of the image is not counted".to_owned());
    }
    sentences
}
