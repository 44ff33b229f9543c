//! A seeded sample of rows, read with every column.

use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::targets::Target;
use super::{Answered, Checked, Readers};
use crate::check::{Sample, judge_sample};
use crate::ephemeral::EphemeralError;
use crate::outcome::CheckOutcome;
use crate::postgres::sampling::{self, Amount, SampleTable};
use crate::postgres::{ServerError, Session, SessionError};
use crate::scenario::{SampleCheck, SampleRows};
use crate::text::without_values;

/// One answer for each database that is meant, and one for what matches none.
pub(super) async fn ask(
    checked: &Checked<'_>,
    readers: &mut Readers<'_>,
    check: &SampleCheck,
) -> Result<Vec<Answered>, EphemeralError> {
    let mut answers = Vec::new();
    // Which of the answers are of databases that nothing was read of, and were not asked for by name.
    let (mut empty, mut is_any_read) = (Vec::new(), false);
    for Target { database, standing } in checked.targets(&check.databases) {
        let started = Instant::now();
        let (outcome, observed) = match (&database, standing) {
            (Some(name), Ok(())) => {
                let session = readers.session(name).await?;
                match sample(&session, check).await {
                    Ok(sample) => {
                        is_any_read |= !sample.read.is_empty();
                        if sample.is_nothing() && !check.databases.names(name) {
                            empty.push(answers.len());
                        }
                        let judged = judge_sample(&sample);
                        (judged.outcome, judged.observed)
                    }
                    Err(SessionError::Server(refused)) => {
                        (CheckOutcome::Errored, without_values(&refused.sqlstate, &refused.message))
                    }
                    Err(error) => return Err(checked.cluster.why_lost(&error).await),
                }
            }
            (None, Ok(())) => continue,
            (_, Err(standing)) => standing,
        };
        answers.push(Answered { database, outcome, observed, started });
    }
    for at in empty.into_iter().filter(|_| is_any_read) {
        answers[at].outcome = CheckOutcome::Skipped;
    }
    Ok(answers)
}

async fn sample(session: &Session, check: &SampleCheck) -> Result<Sample, SessionError> {
    let mut tables = sampling::tables(session).await?;
    let mut sample = Sample { tables: tables.len(), ..Sample::default() };
    tables.sort_by_cached_key(|table| (place(table, check.seed), table.name.clone()));
    let amount = match check.rows {
        SampleRows::Share(share) => Amount::Share(share),
        SampleRows::Count(rows) => Amount::Rows(rows),
    };
    let mut tried = 0;
    for table in &tables {
        if tried == check.tables {
            break;
        }
        let (schema, name) = &table.name;
        match sampling::read(session, table, amount, check.seed).await {
            // Another one takes its turn.
            Ok(read) if read.rows == 0 => {
                sample.tables_empty += 1;
                continue;
            }
            Ok(read) => {
                sample.read.push((read.rows, read.read));
                sample.bytes += read.bytes;
                sample.foreign_keys += table.foreign_keys.len();
                let broken = table.foreign_keys.iter().zip(read.broken);
                for (key, rows) in broken.filter(|(_, rows)| *rows > 0) {
                    let of = read.read;
                    sample.damage.push(format!(
                        "{schema}.{name}: {rows} of {of} rows refer to nothing by `{}`",
                        key.name
                    ));
                }
            }
            Err(SessionError::Server(refused)) => {
                let why = without_values(&refused.sqlstate, &refused.message);
                let said = format!("{schema}.{name}: {why} (SQLSTATE {})", refused.sqlstate);
                let list =
                    if is_damage(&refused) { &mut sample.damage } else { &mut sample.unread };
                list.push(said);
            }
            Err(error @ SessionError::Lost(_)) => return Err(error),
        }
        tried += 1;
    }
    Ok(sample)
}

/// Where a table stands in the order of a seed: by its name, not by its place in the catalog.
fn place(table: &SampleTable, seed: u64) -> u64 {
    let (schema, name) = &table.name;
    xxh3_64_with_seed(format!("{schema}\0{name}").as_bytes(), seed)
}

/// Whether an error says that what is stored cannot be read: a damaged page or index, a value in
/// parts of which one is missing, a value that its own type refuses.
fn is_damage(error: &ServerError) -> bool {
    error.sqlstate.starts_with("XX") || error.sqlstate.starts_with("22")
}
