//! Restored databases against a baseline of their source.

use std::time::Instant;

use glob::Pattern;

use super::{Answered, Checked, Readers};
use crate::backup::Fingerprint;
use crate::baseline::{DatabaseBaseline, TableBaseline};
use crate::check::baseline::judge_baseline;
use crate::engine::contents::Contents;
use crate::ephemeral::EphemeralError;
use crate::outcome::CheckOutcome;
use crate::postgres::{Session, SessionError, catalog, keyed_rows};
use crate::scenario::BaselineCheck;
use crate::text::{one_line, without_values};

/// The longest text of what was observed.
const LIMIT: usize = 2000;

/// One answer for each database of the baseline that is asked for.
pub(super) async fn compare(
    checked: &Checked<'_>,
    readers: &mut Readers<'_>,
    check: &BaselineCheck,
) -> Result<Vec<Answered>, EphemeralError> {
    let fits = |globs: &[String], name: &str| {
        globs.iter().any(|glob| Pattern::new(glob).is_ok_and(|glob| glob.matches(name)))
    };
    let mut answers = Vec::new();
    for expected in &check.baseline.databases {
        if !fits(&check.databases, &expected.name) {
            continue;
        }
        let started = Instant::now();
        let wanted = |table: &str| fits(&check.tables, table);
        let (outcome, observed) = if check.baseline.algorithm != Fingerprint::ALGORITHM {
            let other = one_line(&check.baseline.algorithm, 60);
            let said =
                format!("the baseline's fingerprints are of another kind, `{other}`: take it anew");
            (CheckOutcome::Errored, said)
        } else if let Err(standing) = checked.standing(&expected.name) {
            standing
        } else {
            let session = readers.session(&expected.name).await?;
            match restored(&session, check, expected, &wanted).await {
                Ok(found) => judge_baseline(expected, &found, check.within, &wanted),
                Err(SessionError::Server(said)) => {
                    let text = without_values(&said.sqlstate, &said.message);
                    let text = format!("{text} (SQLSTATE {})", said.sqlstate);
                    (CheckOutcome::Errored, text)
                }
                Err(error @ SessionError::Lost(_)) => {
                    return Err(checked.cluster.why_lost(&error).await);
                }
            }
        };
        answers.push(Answered {
            database: Some(expected.name.clone()),
            outcome,
            observed: one_line(&observed, LIMIT),
            started,
        });
    }
    Ok(answers)
}

/// What the restored database holds of what the baseline names, and the names of what it holds
/// besides.
async fn restored(
    session: &Session,
    check: &BaselineCheck,
    expected: &DatabaseBaseline,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<DatabaseBaseline, SessionError> {
    let contents = Contents::of(session, &expected.encoding).await?;
    // With a tolerance nothing is read that can be counted.
    let asked: Vec<_> = contents.tables.iter().filter(|_| check.within > 0.0).collect();
    let counted = catalog::count_rows(session, &asked).await?;
    let mut tables = Vec::new();
    for name in contents.tables.keys() {
        let (schema, table) = name;
        if !wanted(&format!("{schema}.{table}")) {
            continue;
        }
        let columns = contents.columns(name);
        let is_comparable = expected.tables.iter().any(|other| {
            other.schema == *schema && other.name == *table && other.columns == columns
        });
        tables.push(if is_comparable && check.within <= 0.0 {
            contents.read(session, name, &check.baseline.salt).await?
        } else {
            TableBaseline {
                schema: schema.clone(),
                name: table.clone(),
                is_partitioned: false,
                rows: counted.get(name).copied().unwrap_or_default(),
                columns,
                fingerprint: None,
                key: Vec::new(),
                sketch: None,
            }
        });
    }
    Ok(DatabaseBaseline {
        name: expected.name.clone(),
        encoding: expected.encoding.clone(),
        snapshot: None,
        tables,
        sequences: keyed_rows::sequences(session).await?,
    })
}
