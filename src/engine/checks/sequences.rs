//! Sequences against the columns that they feed.

use std::time::Instant;

use super::query::refused;
use super::targets::Target;
use super::{Answered, Checked, Readers};
use crate::ephemeral::EphemeralError;
use crate::outcome::CheckOutcome;
use crate::postgres::SessionError;
use crate::postgres::sequences::{self, SequencesSeen};
use crate::scenario::{CHECK_LIMIT, SequenceCheck};
use crate::text::counted;

/// Names that are told; more are counted.
const LIMIT_NAMES: usize = 10;

/// Looks at every database; one without a sequence to look at says nothing, and no check may hold
/// because nothing was looked at.
pub(super) async fn compare(
    checked: &Checked<'_>,
    readers: &mut Readers<'_>,
    check: &SequenceCheck,
) -> Result<Vec<Answered>, EphemeralError> {
    let limit = check.time_limit.unwrap_or(CHECK_LIMIT);
    let mut answers = Vec::new();
    let (mut looked_at, mut asked) = (0, 0);
    let started = Instant::now();
    for Target { database, standing } in checked.targets(&check.databases) {
        let started = Instant::now();
        let (outcome, observed) = match (&database, standing) {
            (Some(name), Ok(())) => {
                asked += 1;
                let session = readers.session(name).await?;
                match sequences::compare(&session, &check.schemas, limit).await {
                    Ok(seen) => {
                        looked_at += seen.compared;
                        judged(&seen)
                    }
                    Err(SessionError::Server(error)) => {
                        looked_at += 1;
                        let judged = refused(&error, limit, |text| text);
                        // What is missing here is no name that the scenario gives.
                        (CheckOutcome::Errored, judged.observed)
                    }
                    Err(error @ SessionError::Lost(_)) => {
                        return Err(checked.cluster.why_lost(&error).await);
                    }
                }
            }
            (None, Ok(())) => continue,
            (_, Err(standing)) => standing,
        };
        answers.push(Answered { database, outcome, observed, started });
    }
    if asked > 0 && looked_at == 0 {
        answers.push(Answered {
            database: None,
            outcome: CheckOutcome::Failed,
            observed: "nothing to look at: no sequence feeds a column in any of the databases"
                .to_owned(),
            started,
        });
    }
    Ok(answers)
}

fn judged(seen: &SequencesSeen) -> (CheckOutcome, String) {
    let mut aside = String::new();
    if seen.cycling > 0 {
        aside.push_str(&format!("; {} begins anew at its end", counted(seen.cycling, "sequence")));
    }
    if seen.not_compared > 0 {
        let columns = counted(seen.not_compared, "column");
        aside.push_str(&format!("; {columns} not compared, as more than `nextval` fills it"));
    }
    if seen.compared == 0 {
        return (CheckOutcome::Skipped, format!("no sequence to compare with a column{aside}"));
    }
    let compared = counted(seen.compared, "sequence");
    if seen.behind.is_empty() {
        return (CheckOutcome::Passed, format!("{compared} compared, none behind{aside}"));
    }
    let mut names: Vec<String> = seen
        .behind
        .iter()
        .take(LIMIT_NAMES)
        .map(|(sequence, column)| format!("{sequence} (of {column})"))
        .collect();
    if seen.behind.len() > LIMIT_NAMES {
        names.push(format!("{} more", seen.behind.len() - LIMIT_NAMES));
    }
    let behind = seen.behind.len();
    let said = format!("{behind} of {compared} behind: {}{aside}", names.join(", "));
    (CheckOutcome::Failed, crate::text::one_line(&said, 2000))
}
