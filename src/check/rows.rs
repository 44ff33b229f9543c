//! Rows that came against rows that were expected, in any order and without keeping what came.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::Judged;
use crate::scenario::ExpectedRows;
use crate::text::{counted, one_line};

/// Lines that are named; more are counted.
const LIMIT_LINES: usize = 10;

/// Takes rows as they come. What is kept is bounded by the expected rows.
pub(crate) struct RowMatcher<'e> {
    expected: &'e ExpectedRows,
    /// By their digests: which expected rows have not come yet.
    open: HashMap<[u8; 32], Vec<usize>>,
    /// Of the rows that were not expected, the hash of each value.
    extra: Vec<Vec<u64>>,
    seen: usize,
}

impl<'e> RowMatcher<'e> {
    pub(crate) fn new(expected: &'e ExpectedRows) -> Self {
        let mut open: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        // The first of several equal lines is the first to be found.
        for (index, (_, row)) in expected.rows.iter().enumerate().rev() {
            open.entry(digest(row.iter().map(Option::as_deref))).or_default().push(index);
        }
        Self { expected, open, extra: Vec::new(), seen: 0 }
    }

    /// Takes a row; false: no more are needed.
    pub(crate) fn take(&mut self, row: &[Option<&str>]) -> bool {
        self.seen += 1;
        let is_expected = self
            .open
            .get_mut(&digest(row.iter().copied()))
            .is_some_and(|lines| lines.pop().is_some());
        if !is_expected {
            self.extra.push(row.iter().map(|value| short(*value)).collect());
        }
        self.seen <= self.expected.rows.len()
    }

    /// What became of it, without a value.
    pub(crate) fn judged(self) -> Judged {
        let mut missing: Vec<usize> = self.open.into_values().flatten().collect();
        missing.sort_unstable();
        let total = self.expected.rows.len();
        if missing.is_empty() && self.extra.is_empty() {
            return Judged::passed(format!("{}, all as expected", counted(total, "row")));
        }
        let mut said = Vec::new();
        if !missing.is_empty() {
            let line = |index: &usize| self.expected.rows[*index].0.to_string();
            let mut lines: Vec<String> = missing.iter().take(LIMIT_LINES).map(line).collect();
            if missing.len() > LIMIT_LINES {
                lines.push("…".to_owned());
            }
            said.push(format!(
                "{} of {total} expected rows did not come (lines {})",
                missing.len(),
                lines.join(", ")
            ));
        }
        if !self.extra.is_empty() {
            let at_least = if self.seen > total { "at least " } else { "" };
            said.push(format!("{at_least}{} not expected", counted(self.extra.len(), "row")));
        }
        let differ = columns_that_differ(self.expected, &missing, &self.extra);
        if !differ.is_empty() {
            said.push(format!("columns that differ: {}", differ.join(", ")));
        }
        Judged::failed(one_line(&said.join("; "), 1000))
    }
}

/// Names in another order are other columns.
pub(crate) fn judge_columns(expected: &ExpectedRows, columns: &[String]) -> Option<Judged> {
    let said = || {
        let (file, query) = (expected.columns.join(", "), columns.join(", "));
        one_line(&format!("the file has the columns {file}, the query returns {query}"), 1000)
    };
    (expected.columns != columns).then(|| Judged::failed(said()))
}

/// Columns in which the rows that did not come hold other values than those that came instead.
fn columns_that_differ<'e>(
    expected: &'e ExpectedRows,
    missing: &[usize],
    extra: &[Vec<u64>],
) -> Vec<&'e str> {
    if missing.is_empty() || extra.is_empty() {
        return Vec::new();
    }
    let differs = |column: &usize| {
        let mut counts: BTreeMap<u64, i64> = BTreeMap::new();
        for index in missing {
            let value = expected.rows[*index].1.get(*column).and_then(Option::as_deref);
            *counts.entry(short(value)).or_default() += 1;
        }
        for row in extra {
            *counts.entry(row.get(*column).copied().unwrap_or_default()).or_default() -= 1;
        }
        counts.values().any(|count| *count != 0)
    };
    let columns = (0..expected.columns.len()).filter(differs);
    columns.map(|column| expected.columns[column].as_str()).collect()
}

/// NULL and every text have another one.
fn digest<'v>(row: impl Iterator<Item = Option<&'v str>>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for value in row {
        match value {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
    }
    hash.finalize().into()
}

fn short(value: Option<&str>) -> u64 {
    value.map_or(0, |text| xxh3_64(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::CheckOutcome;

    fn expected(rows: &[[Option<&str>; 2]]) -> ExpectedRows {
        let row = |row: &[Option<&str>; 2]| row.iter().map(|it| it.map(str::to_owned)).collect();
        ExpectedRows {
            path: "e.csv".into(),
            columns: vec!["id".to_owned(), "total".to_owned()],
            rows: rows.iter().enumerate().map(|(at, it)| (at as u64 + 2, row(it))).collect(),
        }
    }

    fn judged(expected: &ExpectedRows, rows: &[[Option<&str>; 2]]) -> (CheckOutcome, String) {
        let mut matcher = RowMatcher::new(expected);
        for row in rows {
            if !matcher.take(row) {
                break;
            }
        }
        let judged = matcher.judged();
        (judged.outcome, judged.observed)
    }

    const A: [Option<&str>; 2] = [Some("1"), Some("10")];
    const B: [Option<&str>; 2] = [Some("2"), None];
    const C: [Option<&str>; 2] = [Some("2"), Some("")];

    #[test]
    fn order_does_not_matter_and_numbers_of_equal_rows_do() {
        let wanted = expected(&[A, B, A]);
        assert_eq!(judged(&wanted, &[B, A, A]).0, CheckOutcome::Passed);
        let (outcome, said) = judged(&wanted, &[A, B]);
        assert_eq!(outcome, CheckOutcome::Failed);
        assert_eq!(said, "1 of 3 expected rows did not come (lines 4)");
        let said = judged(&wanted, &[A, B, A, A, A, A]).1;
        assert_eq!(said, "at least 1 row not expected");
    }

    #[test]
    fn null_differs_from_an_empty_text_and_no_value_is_told() {
        let (outcome, said) = judged(&expected(&[A, B]), &[C, A]);
        assert_eq!(outcome, CheckOutcome::Failed);
        let told = "1 of 2 expected rows did not come (lines 3); 1 row not expected; \
            columns that differ: total";
        assert_eq!(said, told);
        assert_eq!(judged(&expected(&[A]), &[]).0, CheckOutcome::Failed);
    }

    #[test]
    fn columns_have_names_and_an_order() {
        let names = |names: [&str; 2]| names.map(str::to_owned);
        assert_eq!(judge_columns(&expected(&[A]), &names(["id", "total"])), None);
        assert!(judge_columns(&expected(&[A]), &names(["total", "id"])).is_some());
    }
}
