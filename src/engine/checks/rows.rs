//! Rows as the dump has them: what the comparison after each restore has found out.

use std::time::Instant;

use super::{Answered, Checked};
use crate::finding::FindingCode;
use crate::outcome::{CheckOutcome, ContentFacts, DatabaseOutcome, DatabaseReport};
use crate::scenario::{RowsCheck, matches_any};
use crate::text::{ByteCount, counted};

/// One answer for each database that a glob matches, and one for each glob that matches none.
pub(super) fn judge(checked: &Checked<'_>, check: &RowsCheck) -> Vec<Answered> {
    let started = Instant::now();
    let answered = |database: Option<&DatabaseReport>, (outcome, observed)| Answered {
        database: database.map(|database| database.name.clone()),
        outcome,
        observed,
        started,
    };
    let lost = checked.unmatched(&check.databases).into_iter();
    let mut answers: Vec<Answered> =
        lost.map(|observed| answered(None, (CheckOutcome::Failed, observed))).collect();
    let tried = checked.databases.iter().filter(|one| one.outcome != DatabaseOutcome::Skipped);
    let matched: Vec<&DatabaseReport> =
        tried.filter(|one| matches_any(&check.databases, &one.name)).collect();
    let is_any = matched.iter().any(|database| database.tables_compared > 0);
    let is_all_restored = matched.iter().all(|one| one.outcome == DatabaseOutcome::Restored);
    for database in matched {
        let is_named = check.databases.contains(&database.name);
        let is_nothing = is_named || !is_any && is_all_restored;
        answers.push(answered(Some(database), of_database(database, is_nothing)));
    }
    answers
}

fn of_database(database: &DatabaseReport, is_nothing: bool) -> (CheckOutcome, String) {
    let of_rows = |code| {
        let codes =
            [FindingCode::RowsMissing, FindingCode::RowsDiffer, FindingCode::ContentDiffers];
        codes.contains(&code)
    };
    let found: Vec<&str> = database
        .findings
        .iter()
        .filter(|finding| of_rows(finding.code))
        .map(|finding| finding.message.as_str())
        .collect();
    match &database.content {
        Some(_) if !found.is_empty() => (CheckOutcome::Failed, found.join("; ")),
        Some(content) if database.outcome == DatabaseOutcome::Restored => {
            if database.tables_compared > 0 {
                return (CheckOutcome::Passed, compared(database.tables_compared, content));
            }
            let outcome = if is_nothing { CheckOutcome::Failed } else { CheckOutcome::Skipped };
            (outcome, "nothing to look at: the dump has no table whose rows are counted".to_owned())
        }
        _ => (CheckOutcome::Skipped, format!("database `{}` was not restored", database.name)),
    }
}

fn compared(tables: u64, content: &ContentFacts) -> String {
    let count =
        |count: u64, noun: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), noun);
    let mut text = format!("{} with as many rows as the dump", count(tables, "table"));
    if content.mode != "none" {
        text.push_str(&format!(
            "; the same values in {} of {} ({})",
            count(content.rows, "row"),
            count(content.tables, "table"),
            ByteCount(content.bytes)
        ));
    }
    if content.tables_not_chosen > 0 {
        let chance = content.chance.unwrap_or_default() * 100.0;
        text.push_str(&format!(
            "; {} of {} not chosen, each by a chance of {chance:.1} %",
            count(content.tables_not_chosen, "table"),
            ByteCount(content.bytes_not_chosen)
        ));
    }
    if content.tables_not_comparable > 0 {
        let others = count(content.tables_not_comparable, "table");
        text.push_str(&format!("; {others} without comparable values"));
    }
    if content.columns_left_out > 0 {
        text.push_str(&format!("; {} left out", count(content.columns_left_out, "column")));
    }
    text
}
