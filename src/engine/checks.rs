//! Runs a scenario's checks against the restored databases.

mod query;
mod rows;
mod sample;

use std::time::Instant;

use super::cluster::{Cluster, random_role};
use crate::ephemeral::EphemeralError;
use crate::event::{EventSender, RunEvent};
use crate::outcome::{CheckOutcome, CheckReport, DatabaseOutcome, DatabaseReport};
use crate::postgres::{Session, check_session};
use crate::scenario::{Check, CheckKind, Question, matches_any};

/// What checks look at.
pub(super) struct Checked<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) databases: &'a [DatabaseReport],
}

/// What came of a check, of one database or of the cluster.
struct Answered {
    database: Option<String>,
    outcome: CheckOutcome,
    observed: String,
    started: Instant,
}

/// Runs every check in the scenario's order; what it says of several databases stands in the
/// report once for each.
///
/// Cancel safe: the sessions end with the sandbox.
pub(super) async fn run(
    checked: &Checked<'_>,
    checks: &[Check],
    events: &EventSender,
    reports: &mut Vec<CheckReport>,
) -> Result<(), EphemeralError> {
    if checks.is_empty() {
        return Ok(());
    }
    let mut readers = Readers::make(checked.cluster).await?;
    for check in checks {
        let answers = match &check.kind {
            CheckKind::Query(question, comparison) => {
                vec![ask(checked, &mut readers, check, question, Some(comparison)).await?]
            }
            CheckKind::NoRows(question) => {
                vec![ask(checked, &mut readers, check, question, None).await?]
            }
            CheckKind::Rows(asked) => rows::judge(checked, asked),
            CheckKind::Sample(asked) => sample::ask(checked, &mut readers, asked).await?,
        };
        for answer in answers {
            let report = CheckReport {
                kind: check.kind.as_str().to_owned(),
                name: check.name.clone(),
                database: answer.database,
                outcome: answer.outcome,
                expected: check.expected(),
                observed: answer.observed,
                duration_seconds: answer.started.elapsed().as_secs_f64(),
                line: check.place.as_ref().map(|place| place.line),
                column: check.place.as_ref().map(|place| place.column),
            };
            events.send(RunEvent::CheckFinished {
                name: report.name.clone(),
                outcome: report.outcome,
                detail: format!("expected {}, observed {}", report.expected, report.observed),
                place: check.place.clone(),
            });
            reports.push(report);
        }
    }
    Ok(())
}

async fn ask(
    checked: &Checked<'_>,
    readers: &mut Readers<'_>,
    check: &Check,
    question: &Question,
    comparison: Option<&crate::scenario::Comparison>,
) -> Result<Answered, EphemeralError> {
    let started = Instant::now();
    let (outcome, observed) = match checked.standing(&question.database) {
        Ok(()) => {
            let session = readers.session(&question.database).await?;
            let hides = check.hides_observed();
            query::ask(checked.cluster, &session, question.sql.expose(), comparison, hides).await?
        }
        Err(standing) => standing,
    };
    Ok(Answered { database: Some(question.database.clone()), outcome, observed, started })
}

impl Checked<'_> {
    /// What is said of each glob that matches no database that was to be restored.
    fn unmatched(&self, globs: &[String]) -> Vec<String> {
        let tried = || self.databases.iter().filter(|one| one.outcome != DatabaseOutcome::Skipped);
        let lost = globs.iter().filter(|glob| {
            let glob = std::slice::from_ref(*glob);
            !tried().any(|database| matches_any(glob, &database.name))
        });
        lost.map(|glob| format!("no database that is restored matches `{glob}`")).collect()
    }

    /// Whether a database can be asked; else what a check on it says.
    fn standing(&self, name: &str) -> Result<(), (CheckOutcome, String)> {
        let database = self.databases.iter().find(|database| database.name == name);
        match database.map(|database| database.outcome) {
            Some(DatabaseOutcome::Restored) => Ok(()),
            Some(_) => Err((CheckOutcome::Skipped, format!("database `{name}` was not restored"))),
            None => Err((
                CheckOutcome::Failed,
                format!("the backup holds no database `{name}`, or the scenario leaves it out"),
            )),
        }
    }
}

/// Sessions of a role that can read everything and change nothing.
struct Readers<'a> {
    cluster: &'a Cluster,
    role: String,
    /// Databases that have given the role its rights, where each must (before PostgreSQL 14).
    opened: Vec<String>,
}

impl<'a> Readers<'a> {
    async fn make(cluster: &'a Cluster) -> Result<Self, EphemeralError> {
        let role = random_role();
        match check_session::make_reader(&cluster.admin, &role, cluster.major()).await {
            Ok(()) => Ok(Self { cluster, role, opened: Vec::new() }),
            Err(error) => Err(cluster.why_lost(&error).await),
        }
    }

    async fn session(&mut self, database: &str) -> Result<Session, EphemeralError> {
        if self.cluster.major() < 14 && !self.opened.iter().any(|opened| opened == database) {
            let session = self.cluster.session(database).await?;
            if let Err(error) = check_session::let_read(&session, &self.role).await {
                return Err(self.cluster.why_lost(&error).await);
            }
            self.opened.push(database.to_owned());
        }
        self.cluster.reader_session(&self.role, database).await
    }
}
