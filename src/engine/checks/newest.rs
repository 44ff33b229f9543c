//! The time of the newest data, for the recovery point.

use super::query::{Asked, Wanted};
use super::{Checked, Readers};
use crate::check::NewestData;
use crate::ephemeral::EphemeralError;
use crate::outcome::CheckOutcome;
use crate::postgres::check_session::Answer;
use crate::scenario::{CHECK_LIMIT, Question};

/// Asks for it.
pub(in crate::engine) async fn newest(
    checked: &Checked<'_>,
    question: &Question,
) -> Result<NewestData, EphemeralError> {
    let said = |outcome: CheckOutcome, why: String| match outcome {
        CheckOutcome::Failed => NewestData::Nothing(why),
        CheckOutcome::Passed | CheckOutcome::Errored => NewestData::NotAsked(why),
        CheckOutcome::Skipped => NewestData::NotReached,
    };
    let mut targets = checked.targets(&question.databases).into_iter();
    let database = match targets.next().map(|target| (target.database, target.standing)) {
        Some((Some(database), Ok(()))) => database,
        Some((_, Err((outcome, why)))) => return Ok(said(outcome, why)),
        Some((None, Ok(()))) | None => return Ok(NewestData::NotReached),
    };
    let session = Readers::make(checked.cluster).await?.session(&database).await?;
    let asked = Asked {
        sql: question.sql.expose(),
        wanted: Wanted::Newest,
        limit: question.time_limit.unwrap_or(CHECK_LIMIT),
        hides: question.sql.is_secret(),
        now: checked.now,
    };
    Ok(match asked.answer(checked.cluster, &session).await? {
        Ok(Answer::Value(Some(Some(time)))) => NewestData::Value(time),
        Ok(Answer::Value(Some(None))) => NewestData::Nothing("the query returns NULL".to_owned()),
        Ok(Answer::Value(None)) => NewestData::Nothing("the query returns no row".to_owned()),
        Ok(Answer::TooLong(_) | Answer::Judged(_) | Answer::Rows { .. }) => {
            NewestData::Nothing("what the query returns is no time".to_owned())
        }
        Err(judged) => said(judged.outcome, judged.observed),
    })
}
