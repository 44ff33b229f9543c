//! What a sample of rows says, and what it would have found.

use super::Judged;
use crate::outcome::CheckOutcome;
use crate::text::{ByteCount, counted};

/// What was read of a database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Tables of the database.
    pub tables: usize,
    /// Tables that were chosen and have no rows.
    pub tables_empty: usize,
    /// Of each table that rows were read of: its rows, and those of them that were read.
    pub read: Vec<(u64, u64)>,
    /// Bytes of these rows' values as text.
    pub bytes: u64,
    /// Foreign keys that were looked up for every row read.
    pub foreign_keys: usize,
    /// What is wrong, one phrase each: names, never values.
    pub damage: Vec<String>,
    /// What could not be read for a reason that says nothing about the backup.
    pub unread: Vec<String>,
}

impl Sample {
    /// Whether there was no row to be read.
    pub fn is_nothing(&self) -> bool {
        self.read.is_empty() && self.damage.is_empty() && self.unread.is_empty()
    }
}

/// Damage that is there is found with this probability.
const CERTAINTY: f64 = 0.99;
/// More damaged rows than these are not tried one by one.
const TRIED: u64 = 1_000_000;

/// Judges a sample. Nothing read is no pass.
pub fn judge_sample(sample: &Sample) -> Judged {
    let of = |outcome, observed| Judged { outcome, observed, is_warned: false };
    if !sample.damage.is_empty() {
        return of(CheckOutcome::Failed, format!("{}; {}", sample.damage.join("; "), said(sample)));
    }
    if !sample.unread.is_empty() {
        return of(
            CheckOutcome::Errored,
            format!("{}; {}", sample.unread.join("; "), said(sample)),
        );
    }
    if sample.is_nothing() {
        let tables = counted(sample.tables, "table");
        return of(CheckOutcome::Failed, format!("nothing to look at: {tables}, none has rows"));
    }
    let (rows, read) = sums(sample);
    let observed = format!("{}; {}", said(sample), found_by(rows, read, &sample.read));
    of(CheckOutcome::Passed, observed)
}

fn sums(sample: &Sample) -> (u64, u64) {
    sample.read.iter().fold((0, 0), |(rows, read), table| (rows + table.0, read + table.1))
}

fn said(sample: &Sample) -> String {
    let (rows, read) = sums(sample);
    let mut text = format!(
        "read {read} of {rows} rows of {} of {}, all columns ({})",
        sample.read.len(),
        counted(sample.tables, "table"),
        ByteCount(sample.bytes)
    );
    if sample.foreign_keys > 0 {
        text.push_str(&format!(", and looked up {}", counted(sample.foreign_keys, "foreign key")));
    }
    if sample.tables_empty > 0 {
        text.push_str(&format!(", {} without rows", counted(sample.tables_empty, "table")));
    }
    text
}

/// What the sample would have found: damage anywhere in the tables, and damage of one table alone.
fn found_by(rows: u64, read: u64, tables: &[(u64, u64)]) -> String {
    if rows == read {
        return "any damaged row of these tables would have been found".to_owned();
    }
    let percent = |share: f64| format!("{} %", up_to_two_digits(share * 100.0));
    let mut text = format!(
        "would have found ≥ {} damaged rows of these tables with 99 % probability",
        percent(least_share(rows, read))
    );
    if tables.len() > 1 {
        let shares = tables.iter().map(|(rows, read)| least_share(*rows, *read));
        let worst = shares.fold(0.0, f64::max);
        text.push_str(&format!(", and ≥ {} of any one of them", percent(worst)));
    }
    text
}

/// The least share of damaged rows, spread at random, that is found with 99 % probability where
/// `read` of `rows` rows are read.
///
/// The chance to miss `d` damaged rows is hypergeometric, `C(rows - read, d) / C(rows, d)`. Of large
/// tables the binomial bound `(1 - share)^read` is taken, which is never smaller.
pub fn least_share(rows: u64, read: u64) -> f64 {
    let bound = 1.0 - (1.0 - CERTAINTY).powf(1.0 / float(read));
    let mut missed = 1.0;
    for damaged in 1..=rows.min(TRIED) {
        missed *= float((rows - read).saturating_sub(damaged - 1)) / float(rows - (damaged - 1));
        if missed <= 1.0 - CERTAINTY {
            return bound.min(float(damaged) / float(rows));
        }
        if float(damaged) / float(rows) > bound {
            break;
        }
    }
    bound
}

/// Upwards, so that no more is claimed than is so.
fn up_to_two_digits(percent: f64) -> f64 {
    let mut scale = 1.0;
    while percent * scale < 10.0 && scale < 1e9 {
        scale *= 10.0;
    }
    (percent * scale - 1e-9).ceil() / scale
}

#[expect(clippy::cast_precision_loss, reason = "a probability needs no more digits")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_read_is_no_pass() {
        let empty = Sample { tables: 3, tables_empty: 3, ..Sample::default() };
        let judged = judge_sample(&empty);
        assert_eq!(judged.outcome, CheckOutcome::Failed);
        assert_eq!(judged.observed, "nothing to look at: 3 tables, none has rows");
        let read = Sample { tables: 3, read: vec![(1, 1)], ..Sample::default() };
        assert_eq!(judge_sample(&read).outcome, CheckOutcome::Passed);
        let unread = Sample { unread: vec!["x".to_owned()], ..read.clone() };
        assert_eq!(judge_sample(&unread).outcome, CheckOutcome::Errored);
        let damage = Sample { damage: vec!["y".to_owned()], ..unread };
        assert_eq!(judge_sample(&damage).outcome, CheckOutcome::Failed);
    }

    #[test]
    fn what_would_have_been_found_is_said() {
        let sample = Sample {
            tables: 34,
            tables_empty: 2,
            read: vec![(100_000, 1000), (20_000, 200), (300, 3)],
            bytes: 1_000_000,
            foreign_keys: 3,
            ..Sample::default()
        };
        assert_eq!(
            judge_sample(&sample).observed,
            "read 1203 of 120300 rows of 3 of 34 tables, all columns (1.0 MB), and looked up 3 foreign keys, \
             2 tables without rows; would have found ≥ 0.39 % damaged rows of these tables with 99 % \
             probability, and ≥ 79 % of any one of them"
        );
        let all = Sample { tables: 1, read: vec![(7, 7)], ..Sample::default() };
        let observed = judge_sample(&all).observed;
        assert!(observed.ends_with("any damaged row of these tables would have been found"));
    }

    /// By counting, the share that is said is found, and one row less is not.
    #[test]
    fn the_least_share_is_hypergeometric() {
        let missed = |rows: u64, read: u64, damaged: u64| -> f64 {
            (0..damaged)
                .map(|at| float((rows - read).saturating_sub(at)) / float(rows - at))
                .product()
        };
        for (rows, read) in [(10, 1), (100, 5), (1000, 10), (1000, 500), (5000, 4999), (7, 7)] {
            let share = least_share(rows, read);
            let damaged = (1..=rows).find(|d| missed(rows, read, *d) <= 0.01).unwrap();
            let exact = float(damaged) / float(rows);
            let bound = 1.0 - 0.01_f64.powf(1.0 / float(read));
            assert!((share - exact.min(bound)).abs() < 1e-9, "{rows} {read}: {share} {exact}");
        }
        // Large tables: the binomial bound.
        assert!((least_share(10_000_000_000, 1000) - 0.004_594).abs() < 1e-5);
        let shown = [0.4594, 45.94, 0.010].map(|percent| up_to_two_digits(percent).to_string());
        assert_eq!(shown, ["0.46", "46", "0.01"]);
    }
}
