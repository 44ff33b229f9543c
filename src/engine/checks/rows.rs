//! Rows as the dump has them: what the comparison after each restore has found out.

use super::{Answered, Checked};
use crate::finding::FindingCode;
use crate::outcome::{CheckOutcome, ContentFacts, DatabaseOutcome, DatabaseReport};
use crate::scenario::RowsCheck;
use crate::text::{ByteCount, counted};

/// One answer for each database that is meant, and one for what matches none.
pub(super) fn judge(checked: &Checked<'_>, check: &RowsCheck) -> Vec<Answered> {
    let matched = || checked.databases.iter().filter(|one| check.databases.holds(&one.name));
    let is_any = matched().any(|database| database.tables_compared > 0);
    let is_all_restored = matched().all(|one| one.outcome == DatabaseOutcome::Restored);
    checked.each(&check.databases, |one| {
        let is_nothing = check.databases.names(&one.name) || !is_any && is_all_restored;
        of_database(one, is_nothing)
    })
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
