//! Runs a scenario's checks against the restored databases.

use std::time::Instant;

use jiff::Timestamp;

use super::cluster::{Cluster, random_role};
use crate::check::{judge_count, judge_value};
use crate::ephemeral::EphemeralError;
use crate::event::{EventSender, RunEvent};
use crate::outcome::{CheckOutcome, CheckReport, DatabaseOutcome, DatabaseReport};
use crate::postgres::SessionError;
use crate::postgres::check_session::{self, Answer};
use crate::scenario::{Check, CheckKind};

/// Runs every check in the scenario's order.
///
/// Cancel safe: the sessions end with the sandbox.
pub(super) async fn run(
    cluster: &Cluster,
    checks: &[Check],
    databases: &[DatabaseReport],
    events: &EventSender,
    reports: &mut Vec<CheckReport>,
) -> Result<(), EphemeralError> {
    if checks.is_empty() {
        return Ok(());
    }
    let role = random_role();
    let major = cluster.major();
    if let Err(error) = check_session::make_reader(&cluster.admin, &role, major).await {
        return Err(cluster.why_lost(&error).await);
    }
    let mut opened: Vec<String> = Vec::new();
    for check in checks {
        let started = Instant::now();
        let outcome = databases
            .iter()
            .find(|database| database.name == check.database)
            .map(|database| database.outcome);
        let (outcome, observed) = match outcome {
            Some(DatabaseOutcome::Restored) => {
                if major < 14 && !opened.contains(&check.database) {
                    let session = cluster.session(&check.database).await?;
                    if let Err(error) = check_session::let_read(&session, &role).await {
                        return Err(cluster.why_lost(&error).await);
                    }
                    opened.push(check.database.clone());
                }
                ask(cluster, &role, check).await?
            }
            Some(_) => {
                (CheckOutcome::Skipped, format!("database `{}` was not restored", check.database))
            }
            None => (
                CheckOutcome::Failed,
                format!(
                    "the backup holds no database `{}`, or the scenario leaves it out",
                    check.database
                ),
            ),
        };
        let report = CheckReport {
            kind: check.kind.as_str().to_owned(),
            name: check.name.clone(),
            database: check.database.clone(),
            outcome,
            expected: check.expected(),
            observed,
            duration_seconds: started.elapsed().as_secs_f64(),
            line: check.place.as_ref().map(|place| place.line),
            column: check.place.as_ref().map(|place| place.column),
        };
        events.send(RunEvent::CheckFinished {
            name: report.name.clone(),
            outcome,
            detail: format!("expected {}, observed {}", report.expected, report.observed),
            place: check.place.clone(),
        });
        reports.push(report);
    }
    Ok(())
}

async fn ask(
    cluster: &Cluster,
    role: &str,
    check: &Check,
) -> Result<(CheckOutcome, String), EphemeralError> {
    let session = cluster.reader_session(role, &check.database).await?;
    let sql = check.sql.expose();
    // What is seen beside a secret could tell it.
    let hides = check.hides_observed();
    let shown = |text: String| if hides { "[redacted]".to_owned() } else { text };
    let answer = match &check.kind {
        CheckKind::Query(_) => check_session::ask_value(&session, sql).await,
        CheckKind::NoRows => check_session::ask_rows(&session, sql).await,
    };
    match answer {
        Ok(Answer::Value(value)) => {
            let CheckKind::Query(comparison) = &check.kind else {
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
