//! Statements whose answer is judged.

use jiff::Timestamp;

use crate::check::{judge_count, judge_value};
use crate::engine::cluster::Cluster;
use crate::ephemeral::EphemeralError;
use crate::outcome::CheckOutcome;
use crate::postgres::check_session::{self, Answer};
use crate::postgres::{Session, SessionError};
use crate::scenario::Comparison;

/// Asks one database. `comparison` judges a value; without one no row may come. With `hides`
/// nothing that was seen is told: beside a secret it could tell that.
pub(super) async fn ask(
    cluster: &Cluster,
    session: &Session,
    sql: &str,
    comparison: Option<&Comparison>,
    hides: bool,
) -> Result<(CheckOutcome, String), EphemeralError> {
    let shown = |text: String| if hides { "[redacted]".to_owned() } else { text };
    let answer = match comparison {
        Some(_) => check_session::ask_value(session, sql).await,
        None => check_session::ask_rows(session, sql).await,
    };
    match answer {
        Ok(Answer::Value(value)) => {
            let Some(comparison) = comparison else {
                return Ok((CheckOutcome::Errored, "no value was asked for".to_owned()));
            };
            let value = value.as_ref().map(|value| value.as_deref());
            let judged = judge_value(comparison, value, Timestamp::now());
            Ok((judged.outcome, shown(crate::text::one_line(&judged.observed, 200))))
        }
        Ok(Answer::Rows { count, has_population }) => {
            let judged = judge_count(count, has_population);
            Ok((judged.outcome, shown(judged.observed)))
        }
        Err(SessionError::Server(refused)) => {
            let outcome = if check_session::is_missing_object(&refused) {
                CheckOutcome::Failed
            } else {
                CheckOutcome::Errored
            };
            let text = crate::text::without_values(&refused.sqlstate, &refused.message);
            Ok((outcome, format!("{} (SQLSTATE {})", shown(text), refused.sqlstate)))
        }
        Err(error @ SessionError::Lost(_)) => Err(cluster.why_lost(&error).await),
    }
}
