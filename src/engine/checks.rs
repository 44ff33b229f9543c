//! Runs a scenario's checks against the restored databases.

mod baseline;
mod newest;
mod pgtap;
mod query;
mod rows;
mod sample;
mod sequences;
mod structure;
mod targets;

use std::time::Instant;

use jiff::Timestamp;

pub(super) use self::newest::newest;
use self::query::Wanted;
use self::targets::Target;
use super::cluster::{Cluster, random_role};
use super::roles::Roles;
use crate::ephemeral::EphemeralError;
use crate::event::{EventSender, RunEvent};
use crate::finding::{Finding, FindingCode};
use crate::outcome::{CheckOutcome, CheckReport, DatabaseReport};
use crate::postgres::{Session, check_session};
use crate::scenario::{CHECK_LIMIT, Check, CheckKind, Question, RestoreChoice};

/// What checks look at.
pub(super) struct Checked<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) databases: &'a [DatabaseReport],
    /// What the scenario restores; `None`: everything.
    pub(super) restore: Option<&'a RestoreChoice>,
    /// What ages are measured from.
    pub(super) now: Timestamp,
    pub(super) roles: &'a Roles,
}

/// What came of a check, of one database or of the cluster.
struct Answered {
    database: Option<String>,
    outcome: CheckOutcome,
    observed: String,
    started: Instant,
}

/// Runs every check in the scenario's order, those of pgTAP last; what it says of several databases stands in the
/// report once for each.
///
/// Cancel safe: the sessions end with the sandbox.
pub(super) async fn run(
    checked: &Checked<'_>,
    checks: &[Check],
    events: &EventSender,
    reports: &mut Vec<CheckReport>,
    notes: &mut Vec<Finding>,
) -> Result<(), EphemeralError> {
    if checks.is_empty() {
        return Ok(());
    }
    let mut readers = Readers::make(checked.cluster).await?;
    // Tests may call what moves a sequence, which no rollback takes back: nobody looks after them.
    let is_last = |check: &&Check| matches!(check.kind, CheckKind::PgTap(_));
    let (last, first): (Vec<&Check>, Vec<&Check>) = checks.iter().partition(is_last);
    for check in first.into_iter().chain(last) {
        let earlier = notes.len();
        let answers = match &check.kind {
            CheckKind::Query(question, comparison) => {
                let wanted = Wanted::Value(comparison);
                ask(checked, &mut readers, check, question, wanted, notes).await?
            }
            CheckKind::NoRows(question, thresholds) => {
                let wanted = Wanted::Rows(thresholds);
                ask(checked, &mut readers, check, question, wanted, notes).await?
            }
            CheckKind::Rows(asked) => rows::judge(checked, asked),
            CheckKind::Baseline(check) => baseline::compare(checked, &mut readers, check).await?,
            CheckKind::Roles => {
                let (outcome, observed) = checked.roles.outcome();
                vec![Answered { database: None, outcome, observed, started: Instant::now() }]
            }
            CheckKind::Structure(globs) => checked.each(globs, structure::of_database),
            CheckKind::Sequences(compared) => {
                sequences::compare(checked, &mut readers, compared).await?
            }
            CheckKind::PgTap(tests) => pgtap::run(checked, &mut readers, tests).await?,
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
        for note in &notes[earlier..] {
            events.send(RunEvent::Found(note.clone()));
        }
    }
    Ok(())
}

async fn ask(
    checked: &Checked<'_>,
    readers: &mut Readers<'_>,
    check: &Check,
    question: &Question,
    wanted: Wanted<'_>,
    notes: &mut Vec<Finding>,
) -> Result<Vec<Answered>, EphemeralError> {
    let mut answers = Vec::new();
    for Target { database, standing } in checked.targets(&question.databases) {
        let started = Instant::now();
        let (outcome, observed) = match (&database, standing) {
            (Some(name), Ok(())) => {
                let session = readers.session(name).await?;
                let asked = query::Asked {
                    sql: question.sql.expose(),
                    wanted,
                    limit: question.time_limit.unwrap_or(CHECK_LIMIT),
                    hides: check.hides_observed(),
                    now: checked.now,
                };
                let judged = asked.judged(checked.cluster, &session).await?;
                if judged.is_warned {
                    notes.push(warning(check, name, &judged.observed));
                }
                (judged.outcome, judged.observed)
            }
            (None, Ok(())) => continue,
            (_, Err(standing)) => standing,
        };
        answers.push(Answered { database, outcome, observed, started });
    }
    Ok(answers)
}

/// What is said of a check that holds and is worth a look.
fn warning(check: &Check, database: &str, observed: &str) -> Finding {
    let cause = format!("expected {}, observed {observed}", check.expected());
    Finding::new(FindingCode::CheckWarned, "a check holds, and its `warn_if` holds too")
        .in_database(database)
        .on(&check.name)
        .because(cause)
}

/// Sessions of a role that can read everything and change nothing.
struct Readers<'a> {
    cluster: &'a Cluster,
    role: String,
    /// Databases that have let the role in.
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
        if !self.opened.iter().any(|opened| opened == database) {
            let admin = &self.cluster.admin;
            let mut opened = check_session::let_in(admin, &self.role, database).await;
            if opened.is_ok() && self.cluster.major() < 14 {
                let session = self.cluster.session(database).await?;
                opened = check_session::let_read(&session, &self.role).await;
            }
            if let Err(error) = opened {
                return Err(self.cluster.why_lost(&error).await);
            }
            self.opened.push(database.to_owned());
        }
        self.cluster.reader_session(&self.role, database).await
    }
}
