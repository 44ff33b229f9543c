//! What a restored database holds against what its source held.

use std::collections::{BTreeMap, BTreeSet};

use crate::baseline::{DatabaseBaseline, SequenceBaseline, TableBaseline};
use crate::outcome::CheckOutcome;
use crate::text::counted;

/// Keys shown for one table.
const KEYS: usize = 20;
/// Tables named.
const TABLES: usize = 10;

/// Judges one database. `found` holds the tables of the restored one; where `within`, in percent, is
/// more than nothing only rows are counted. `wanted` says which tables matter.
pub(crate) fn judge_baseline(
    expected: &DatabaseBaseline,
    found: &DatabaseBaseline,
    within: f64,
    wanted: &dyn Fn(&str) -> bool,
) -> (CheckOutcome, String) {
    let named = |table: &TableBaseline| format!("{}.{}", table.schema, table.name);
    let restored: BTreeMap<String, &TableBaseline> =
        found.tables.iter().map(|table| (named(table), table)).collect();
    let (mut differing, mut unknown) = (Vec::new(), Vec::new());
    let mut known = BTreeSet::new();
    let (mut tables, mut rows, mut without_values) = (0, 0, 0);
    for table in expected.tables.iter().filter(|table| wanted(&named(table))) {
        let name = named(table);
        known.insert(name.clone());
        tables += 1;
        rows += table.rows;
        match restored.get(&name) {
            None => differing.push(format!("{name} is missing")),
            Some(other) => match of_table(table, other, within) {
                Ok(true) => {}
                Ok(false) => without_values += 1,
                Err(Differs::Said(what)) => differing.push(format!("{name}: {what}")),
                Err(Differs::NotKnown(why)) => unknown.push(format!("{name}: {why}")),
            },
        }
    }
    if within <= 0.0 {
        differing.extend(behind(&expected.sequences, &found.sequences, wanted));
    }
    if tables == 0 {
        return (CheckOutcome::Errored, "the baseline holds none of these tables".to_owned());
    }
    let more: Vec<&str> = restored
        .keys()
        .filter(|name| wanted(name) && !known.contains(*name))
        .map(String::as_str)
        .collect();
    let mut said = Vec::new();
    let outcome = if !differing.is_empty() {
        said.push(format!("{}: {}", counted(differing.len(), "difference"), shown(&differing)));
        CheckOutcome::Failed
    } else if !unknown.is_empty() {
        CheckOutcome::Errored
    } else {
        let rows = counted(usize::try_from(rows).unwrap_or(usize::MAX), "row");
        said.push(format!("{}, {rows} as in the baseline", counted(tables, "table")));
        CheckOutcome::Passed
    };
    if !unknown.is_empty() {
        said.push(format!("not to be compared: {}", shown(&unknown)));
    }
    if within > 0.0 {
        said.push("rows were counted, values and keys not compared".to_owned());
    } else if without_values > 0 {
        said.push(format!("values of {} have no fingerprint", counted(without_values, "table")));
    }
    if !more.is_empty() {
        said.push(format!("not in the baseline: {}", shown(&more)));
    }
    (outcome, said.join("; "))
}

fn shown<T: AsRef<str>>(all: &[T]) -> String {
    let named: Vec<&str> = all.iter().take(TABLES).map(AsRef::as_ref).collect();
    let more = all.len().saturating_sub(TABLES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

enum Differs {
    Said(String),
    NotKnown(&'static str),
}

/// Whether values were compared, too.
fn of_table(expected: &TableBaseline, found: &TableBaseline, within: f64) -> Result<bool, Differs> {
    if within > 0.0 {
        return if is_within(expected.rows, found.rows, within) {
            Ok(true)
        } else {
            Err(Differs::Said(format!("{} of {} rows", found.rows, expected.rows)))
        };
    }
    if expected.columns != found.columns {
        return Err(Differs::Said("it has other columns".to_owned()));
    }
    let mut what = Vec::new();
    if expected.rows != found.rows {
        what.push(format!("{} of {} rows", found.rows, expected.rows));
    }
    let is_compared = match (&expected.fingerprint, &found.fingerprint) {
        (Some(expected), Some(found)) if expected.columns_left_out != found.columns_left_out => {
            if what.is_empty() {
                let why = "its fingerprints leave out different columns";
                return Err(Differs::NotKnown(why));
            }
            false
        }
        (Some(expected), Some(found)) => {
            if expected.sum != found.sum && what.is_empty() {
                what.push("as many rows, other values".to_owned());
            }
            true
        }
        (Some(_), None) | (None, Some(_)) if what.is_empty() => {
            return Err(Differs::NotKnown("only one side has a fingerprint"));
        }
        (Some(_) | None, None) | (None, Some(_)) => false,
    };
    if what.is_empty() {
        return Ok(is_compared);
    }
    what.extend(keys(expected, found));
    Err(Differs::Said(what.join(", ")))
}

#[expect(clippy::cast_precision_loss, reason = "a tolerance is no exact number")]
fn is_within(expected: u64, found: u64, within: f64) -> bool {
    expected.abs_diff(found) as f64 * 100.0 <= within * expected as f64
}

/// Which keys differ, hashed.
fn keys(expected: &TableBaseline, found: &TableBaseline) -> Option<String> {
    if expected.key != found.key {
        return Some("another primary key".to_owned());
    }
    let (Some(before), Some(after)) = (&expected.sketch, &found.sketch) else {
        return (expected.key.is_empty()).then(|| "no primary key to tell which".to_owned());
    };
    let difference = before.difference(after);
    let mut left = KEYS;
    let mut said = Vec::new();
    let lists = [
        ("lost", &difference.lost),
        ("added", &difference.added),
        ("changed", &difference.changed),
    ];
    for (word, hashes) in lists {
        if hashes.is_empty() || !difference.is_complete {
            continue;
        }
        let some: Vec<String> =
            hashes.iter().take(left).map(|hash| format!("{hash:016x}")).collect();
        left -= some.len();
        let more = hashes.len() - some.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        said.push(format!("keys {word} {}{more}", some.join(" ")));
    }
    if !difference.is_complete {
        return Some("too many keys differ to name them".to_owned());
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// Sequences that would give numbers again which the source has given. A dump may be ahead: sequences
/// are not part of its snapshot.
fn behind(
    expected: &[SequenceBaseline],
    found: &[SequenceBaseline],
    wanted: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let restored: BTreeMap<(&str, &str), &SequenceBaseline> = found
        .iter()
        .map(|sequence| ((sequence.schema.as_str(), sequence.name.as_str()), sequence))
        .collect();
    let next = |sequence: &SequenceBaseline| {
        let step = if sequence.is_called { sequence.increment } else { 0 };
        i128::from(sequence.last_value) + i128::from(step)
    };
    expected
        .iter()
        .filter_map(|sequence| {
            let name = format!("{}.{}", sequence.schema, sequence.name);
            if !wanted(&name) {
                return None;
            }
            let key = (sequence.schema.as_str(), sequence.name.as_str());
            let Some(other) = restored.get(&key) else {
                return Some(format!("sequence {name} is missing"));
            };
            let distance = next(other) - next(sequence);
            let is_behind = if sequence.increment < 0 { distance > 0 } else { distance < 0 };
            is_behind.then(|| format!("sequence {name} is behind"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{FingerprintBaseline, Salt, Sketch};

    fn table(name: &str, salt: &Salt, rows: &[(u32, u32)]) -> TableBaseline {
        let mut sketch = Sketch::new();
        let mut sum = 0;
        for (key, value) in rows {
            let row = salt.row(format!("{key}\t{value}").as_bytes());
            sketch.add(salt.key(key.to_string().as_bytes()), row);
            sum += u128::from(row);
        }
        TableBaseline {
            schema: "public".to_owned(),
            name: name.to_owned(),
            is_partitioned: false,
            rows: rows.len() as u64,
            columns: vec!["id".to_owned(), "v".to_owned()],
            fingerprint: Some(FingerprintBaseline {
                sum: format!("{sum:032x}"),
                columns_left_out: Vec::new(),
            }),
            key: vec!["id".to_owned()],
            sketch: Some(sketch),
        }
    }

    fn database(tables: Vec<TableBaseline>) -> DatabaseBaseline {
        DatabaseBaseline {
            name: "shop".to_owned(),
            encoding: "UTF8".to_owned(),
            snapshot: None,
            tables,
            sequences: Vec::new(),
        }
    }

    fn judged(
        expected: &DatabaseBaseline,
        found: &DatabaseBaseline,
        within: f64,
    ) -> (CheckOutcome, String) {
        judge_baseline(expected, found, within, &|_| true)
    }

    #[test]
    fn what_differs_is_named_with_hashed_keys() {
        let salt = Salt::random();
        let rows: Vec<(u32, u32)> = (0..50).map(|key| (key, key)).collect();
        let before = database(vec![table("t", &salt, &rows)]);
        let (outcome, said) = judged(&before, &before, 0.0);
        let same = "1 table, 50 rows as in the baseline".to_owned();
        assert_eq!((outcome, said), (CheckOutcome::Passed, same));
        let mut changed = rows.clone();
        changed[7].1 = 99;
        let (outcome, said) = judged(&before, &database(vec![table("t", &salt, &changed)]), 0.0);
        let hash = format!("{:016x}", salt.key(b"7"));
        assert_eq!(outcome, CheckOutcome::Failed);
        assert!(said.ends_with(&format!("other values, keys changed {hash}")), "{said}");
        let lost = database(vec![table("t", &salt, &rows[..47]), table("u", &salt, &rows)]);
        let (outcome, said) = judged(&before, &lost, 0.0);
        assert_eq!(outcome, CheckOutcome::Failed);
        assert!(said.contains("public.t: 47 of 50 rows, keys lost "), "{said}");
        assert!(said.ends_with("not in the baseline: public.u"), "{said}");
        let (outcome, said) = judged(&before, &database(Vec::new()), 0.0);
        assert_eq!(outcome, CheckOutcome::Failed);
        assert!(said.contains("public.t is missing"), "{said}");
    }

    #[test]
    fn a_tolerance_is_about_rows_alone() {
        let salt = Salt::random();
        let rows: Vec<(u32, u32)> = (0..100).map(|key| (key, key)).collect();
        let before = database(vec![table("t", &salt, &rows)]);
        for (left, outcome) in [(95, CheckOutcome::Passed), (94, CheckOutcome::Failed)] {
            let other: Vec<(u32, u32)> = (0..left).map(|key| (key, 0)).collect();
            let (judged, said) = judged(&before, &database(vec![table("t", &salt, &other)]), 5.0);
            assert_eq!(judged, outcome, "{said}");
            assert!(said.contains("values and keys not compared"), "{said}");
        }
        let empty = database(vec![table("t", &salt, &[])]);
        assert_eq!(judged(&empty, &before, 50.0).0, CheckOutcome::Failed);
    }

    #[test]
    fn what_cannot_be_compared_is_no_pass() {
        let salt = Salt::random();
        let before = database(vec![table("t", &salt, &[(1, 1)])]);
        let mut other = before.clone();
        other.tables[0].fingerprint = None;
        assert_eq!(judged(&before, &other, 0.0).0, CheckOutcome::Errored);
        other = before.clone();
        other.tables[0].fingerprint.as_mut().unwrap().columns_left_out = vec!["v".to_owned()];
        assert_eq!(judged(&before, &other, 0.0).0, CheckOutcome::Errored);
        let none = judge_baseline(&before, &before, 0.0, &|_| false);
        assert_eq!(none.0, CheckOutcome::Errored);
        other = before.clone();
        other.tables[0].columns.push("more".to_owned());
        assert_eq!(judged(&before, &other, 0.0).0, CheckOutcome::Failed);
    }

    #[test]
    fn a_sequence_may_be_ahead_and_not_behind() {
        let salt = Salt::random();
        let sequence = |last_value, increment| SequenceBaseline {
            schema: "public".to_owned(),
            name: "s".to_owned(),
            last_value,
            is_called: true,
            increment,
        };
        let with = |sequence| DatabaseBaseline {
            sequences: vec![sequence],
            ..database(vec![table("t", &salt, &[])])
        };
        for (before, after, outcome) in [
            (sequence(5, 1), sequence(5, 1), CheckOutcome::Passed),
            (sequence(5, 1), sequence(9, 1), CheckOutcome::Passed),
            (sequence(5, 1), sequence(4, 1), CheckOutcome::Failed),
            (sequence(-5, -1), sequence(-4, -1), CheckOutcome::Failed),
            (sequence(-5, -1), sequence(-6, -1), CheckOutcome::Passed),
        ] {
            assert_eq!(judged(&with(before), &with(after), 0.0).0, outcome);
        }
    }
}
