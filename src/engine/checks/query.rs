//! Statements whose answer is judged.

use std::time::Duration;

use jiff::Timestamp;

use crate::check::{Judged, judge_count, judge_value};
use crate::engine::cluster::Cluster;
use crate::ephemeral::EphemeralError;
use crate::postgres::check_session::{self, Answer};
use crate::postgres::table;
use crate::postgres::{ServerError, Session, SessionError};
use crate::scenario::{Comparison, Thresholds};
use crate::text::duration;

/// What the server gets to end a statement by itself, before the session is given up.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// What is asked, how, and what must come of it.
pub(super) struct Asked<'a> {
    pub(super) sql: &'a str,
    pub(super) wanted: Wanted<'a>,
    pub(super) limit: Duration,
    /// Nothing that was seen is told: beside a secret it could tell that.
    pub(super) hides: bool,
    /// What ages are measured from.
    pub(super) now: Timestamp,
}

/// What must come of a statement.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// A value.
    Value(&'a Comparison),
    /// Few enough rows.
    Rows(&'a Thresholds),
    /// A value that somebody else judges.
    Newest,
}

impl Asked<'_> {
    /// Asks one database: its answer, or what a check says without one.
    pub(super) async fn answer(
        &self,
        cluster: &Cluster,
        session: &Session,
    ) -> Result<Result<Answer, Judged>, EphemeralError> {
        let asking = async {
            match self.wanted {
                Wanted::Value(Comparison::EqualsFile(rows)) => {
                    table::ask_table(session, self.sql, rows, self.limit).await
                }
                Wanted::Value(_) | Wanted::Newest => {
                    check_session::ask_value(session, self.sql, self.limit).await
                }
                Wanted::Rows(_) => check_session::ask_rows(session, self.sql, self.limit).await,
            }
        };
        // A function in C may not listen to the server's own clock.
        let Ok(answer) = tokio::time::timeout(self.limit + GRACE, asking).await else {
            return Ok(Err(Judged::errored(too_late(self.limit))));
        };
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(SessionError::Server(error)) => {
                Ok(Err(refused(&error, self.limit, |text| self.shown(text))))
            }
            Err(error @ SessionError::Lost(_)) => Err(cluster.why_lost(&error).await),
        }
    }

    /// Asks one database, and judges its answer.
    pub(super) async fn judged(
        &self,
        cluster: &Cluster,
        session: &Session,
    ) -> Result<Judged, EphemeralError> {
        let answer = match self.answer(cluster, session).await? {
            Ok(answer) => answer,
            Err(judged) => return Ok(judged),
        };
        let judged = match (answer, self.wanted) {
            (Answer::Value(value), Wanted::Value(comparison)) => {
                let value = value.as_ref().map(|value| value.as_deref());
                let judged = judge_value(comparison, value, self.now);
                Judged { observed: crate::text::one_line(&judged.observed, 200), ..judged }
            }
            (Answer::TooLong(characters), _) => Judged::errored(format!(
                "a value of {characters} characters, too long to compare: ask for its length or hash"
            )),
            (Answer::Rows { count, has_population }, Wanted::Rows(thresholds)) => {
                judge_count(count, has_population, thresholds)
            }
            (Answer::Judged(judged), _) => judged,
            (Answer::Value(_) | Answer::Rows { .. }, _) => {
                Judged::errored("an answer to another question")
            }
        };
        Ok(Judged { observed: self.shown(judged.observed.clone()), ..judged })
    }

    fn shown(&self, text: String) -> String {
        if self.hides { "[redacted]".to_owned() } else { text }
    }
}

/// What a check says that the server has refused; `shown` hides what must not be told.
pub(super) fn refused(
    error: &ServerError,
    limit: Duration,
    shown: impl FnOnce(String) -> String,
) -> Judged {
    if error.sqlstate == "57014" {
        return Judged::errored(format!("{} (SQLSTATE 57014)", too_late(limit)));
    }
    let text = crate::text::without_values(&error.sqlstate, &error.message);
    let said = format!("{} (SQLSTATE {})", shown(text), error.sqlstate);
    if check_session::is_missing_object(error) {
        Judged::failed(said)
    } else {
        Judged::errored(said)
    }
}

pub(super) fn too_late(limit: Duration) -> String {
    format!("no answer within {} (`time_limit`)", duration(limit))
}
