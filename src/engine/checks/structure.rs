//! What the comparison with the table of contents has found, as a check of its own.

use std::time::Instant;

use glob::Pattern;

use super::Answered;
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

/// One answer for each database that a glob matches, and one for each glob that matches none.
pub(super) fn answers(databases: &[DatabaseReport], globs: &[String]) -> Vec<Answered> {
    let patterns: Vec<(&String, Pattern)> =
        globs.iter().filter_map(|glob| Some((glob, Pattern::new(glob).ok()?))).collect();
    let mut answers = Vec::new();
    for (glob, pattern) in &patterns {
        if !databases.iter().any(|database| pattern.matches(&database.name)) {
            let observed = format!("no database of the backup matches `{glob}`");
            answers.push(answered(None, CheckOutcome::Failed, observed));
        }
    }
    for database in databases {
        if patterns.iter().any(|(_, pattern)| pattern.matches(&database.name)) {
            let (outcome, observed) = of_database(database);
            answers.push(answered(Some(database.name.clone()), outcome, observed));
        }
    }
    answers
}

fn answered(database: Option<String>, outcome: CheckOutcome, observed: String) -> Answered {
    Answered { database, outcome, observed, started: Instant::now() }
}

fn of_database(database: &DatabaseReport) -> (CheckOutcome, String) {
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
            entries_compared: 0,
            entries: EntryAccount { restored: 3, ..EntryAccount::default() },
            tables_compared: 0,
            findings: code.map(|code| Finding::new(code, "found")).into_iter().collect(),
        }
    }

    #[test]
    fn each_database_has_its_line_and_a_glob_without_any_fails() {
        let databases = [
            database("a1", DatabaseOutcome::Restored, None),
            database("a2", DatabaseOutcome::Failed, Some(FindingCode::OwnerDiffers)),
            database("a3", DatabaseOutcome::Failed, Some(FindingCode::RestoreFailed)),
            database("b", DatabaseOutcome::Failed, Some(FindingCode::OwnerDiffers)),
        ];
        let answers = answers(&databases, &["a?".to_owned(), "x*".to_owned()]);
        let shown: Vec<_> = answers
            .iter()
            .map(|answer| (answer.database.as_deref().unwrap_or("-"), answer.outcome))
            .collect();
        assert_eq!(
            shown,
            [
                ("-", CheckOutcome::Failed),
                ("a1", CheckOutcome::Passed),
                ("a2", CheckOutcome::Failed),
                ("a3", CheckOutcome::Skipped),
            ]
        );
        assert_eq!(answers[1].observed, "3 entries restored, 0 failed, 0 excluded");
    }
}
