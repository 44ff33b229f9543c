//! What the comparison with the table of contents has found, as a check of its own.

use crate::finding::FindingCode;
use crate::outcome::{CheckOutcome, DatabaseOutcome, DatabaseReport};
use crate::text::counted;

/// Findings of the comparison with the table of contents.
const OF_STRUCTURE: [FindingCode; 6] = [
    FindingCode::ObjectMissing,
    FindingCode::OwnerDiffers,
    FindingCode::AclDiffers,
    FindingCode::DefinitionDiffers,
    FindingCode::SequenceDiffers,
    FindingCode::NotPopulated,
];

/// What the check says of a database.
pub(super) fn of_database(database: &DatabaseReport) -> (CheckOutcome, String) {
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let entries = &database.entries;
    let found: u64 = database
        .findings
        .iter()
        .filter(|finding| OF_STRUCTURE.contains(&finding.code))
        .map(|finding| finding.count)
        .sum();
    let shown = format!(
        "{} restored, {} failed, {} excluded",
        counted(count(entries.restored), "entry"),
        entries.failed_count + entries.failed_rows,
        entries.excluded.values().sum::<u64>(),
    );
    if found > 0 {
        return (CheckOutcome::Failed, shown);
    }
    match database.outcome {
        DatabaseOutcome::Restored => (CheckOutcome::Passed, shown),
        _ => (CheckOutcome::Skipped, format!("database `{}` was not restored", database.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;
    use crate::outcome::EntryAccount;

    fn database(name: &str, outcome: DatabaseOutcome, code: Option<FindingCode>) -> DatabaseReport {
        DatabaseReport {
            name: name.to_owned(),
            outcome,
            archive_bytes: 0,
            restored_bytes: None,
            duration_seconds: 0.0,
            checked_seconds: 0.0,
            entries_compared: 0,
            entries: EntryAccount { restored: 3, ..EntryAccount::default() },
            tables_compared: 0,
            content: None,
            findings: code.map(|code| Finding::new(code, "found")).into_iter().collect(),
        }
    }

    #[test]
    fn what_the_comparison_has_found_fails_it() {
        let outcome = |outcome, code| of_database(&database("a", outcome, code));
        let (passed, observed) = outcome(DatabaseOutcome::Restored, None);
        assert_eq!(passed, CheckOutcome::Passed);
        assert_eq!(observed, "3 entries restored, 0 failed, 0 excluded");
        let failed = outcome(DatabaseOutcome::Failed, Some(FindingCode::OwnerDiffers));
        assert_eq!(failed.0, CheckOutcome::Failed);
        let lost = outcome(DatabaseOutcome::Failed, Some(FindingCode::RestoreFailed));
        assert_eq!(lost.0, CheckOutcome::Skipped);
    }
}
