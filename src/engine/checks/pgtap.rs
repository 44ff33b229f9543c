//! Files of pgTAP tests.

use std::time::{Duration, Instant};

use super::query::{GRACE, refused, too_late};
use super::targets::Target;
use super::{Answered, Checked, Readers};
use crate::check::{FileSaid, Judged, Tap, judge_files};
use crate::ephemeral::EphemeralError;
use crate::postgres::tap::{self, Prepared, Stop};
use crate::postgres::{ServerError, Session, SessionError};
use crate::scenario::{CHECK_LIMIT, PgTapCheck, TestFile};
use crate::text::{quote_identifier, quote_literal};

/// What is told where a database has no pgTAP.
const LACKING: &str = "the database has no pgTAP (no functions plan, ok and finish), and the server brings no \
    extension pgtap: name an image that has it under `postgres.image`, or install pgtap in the source's database";

/// The functions of pgTAP that nearly every file calls: one that is missing says nothing of the backup.
const OWN: [&str; 28] = [
    "plan",
    "no_plan",
    "finish",
    "ok",
    "is",
    "isnt",
    "pass",
    "fail",
    "diag",
    "skip",
    "todo",
    "todo_start",
    "todo_end",
    "matches",
    "imatches",
    "alike",
    "unalike",
    "cmp_ok",
    "isa_ok",
    "throws_ok",
    "lives_ok",
    "performs_ok",
    "results_eq",
    "set_eq",
    "bag_eq",
    "is_empty",
    "isnt_empty",
    "has_table",
];

/// Runs all files in every database.
pub(super) async fn run(
    checked: &Checked<'_>,
    readers: &mut Readers<'_>,
    check: &PgTapCheck,
) -> Result<Vec<Answered>, EphemeralError> {
    let limit = check.time_limit.unwrap_or(CHECK_LIMIT);
    let mut answers = Vec::new();
    for Target { database, standing } in checked.targets(&check.databases) {
        let started = Instant::now();
        let (outcome, observed) = match (&database, standing) {
            (Some(name), Ok(())) => {
                let judged = in_database(checked, readers, name, &check.files, limit).await?;
                (judged.outcome, judged.observed)
            }
            (None, Ok(())) => continue,
            (_, Err(standing)) => standing,
        };
        answers.push(Answered { database, outcome, observed, started });
    }
    Ok(answers)
}

async fn in_database(
    checked: &Checked<'_>,
    readers: &mut Readers<'_>,
    database: &str,
    files: &[TestFile],
    limit: Duration,
) -> Result<Judged, EphemeralError> {
    let schema = match provide(checked, readers, database).await? {
        Ok(schema) => schema,
        Err(judged) => return Ok(judged),
    };
    let mut ran = Vec::new();
    for file in files {
        // A session each: what one has set or prepared is nothing to the next.
        let session = readers.session(database).await?;
        let mut tap = Tap::default();
        let running = tap::run(&session, &file.statements, schema.as_deref(), limit, &mut tap);
        // A function in C may not listen to the server's own clock.
        let stopped = match tokio::time::timeout(limit + GRACE, running).await {
            Ok(Ok(stopped)) => stopped.map(|(line, stop)| told(line, &stop, limit)),
            Ok(Err(SessionError::Server(error))) => Some(refused(&error, limit, |text| text)),
            Ok(Err(error @ SessionError::Lost(_))) => {
                return Err(checked.cluster.why_lost(&error).await);
            }
            Err(_) => Some(Judged::errored(too_late(limit))),
        };
        ran.push((file, tap, stopped));
    }
    // A description that stands nowhere in its file may be made of rows.
    let is_written = |file: &TestFile, description: &str| {
        let literal = quote_literal(description);
        file.statements.iter().any(|statement| statement.sql.contains(&literal))
    };
    let asked: Vec<_> = files.iter().map(|file| move |text: &str| is_written(file, text)).collect();
    let said: Vec<FileSaid<'_>> = ran
        .into_iter()
        .zip(&asked)
        .map(|((file, tap, stopped), is_written)| FileSaid {
            path: file.path.as_str(),
            tap,
            stopped,
            is_written,
        })
        .collect();
    Ok(judge_files(&said))
}

/// Sees to it that there is a pgTAP, and that the role may use it; its schema, where it is an extension.
async fn provide(
    checked: &Checked<'_>,
    readers: &Readers<'_>,
    database: &str,
) -> Result<Result<Option<String>, Judged>, EphemeralError> {
    let session = checked.cluster.session(database).await?;
    match made(&session, &readers.role, database).await {
        Ok(provided) => Ok(provided),
        Err(SessionError::Server(error)) => {
            let cause = crate::text::without_values(&error.sqlstate, &error.message);
            Ok(Err(Judged::errored(format!(
                "pgTAP could not be made ready: {cause} (SQLSTATE {})",
                error.sqlstate
            ))))
        }
        Err(error @ SessionError::Lost(_)) => Err(checked.cluster.why_lost(&error).await),
    }
}

async fn made(
    session: &Session,
    role: &str,
    database: &str,
) -> Result<Result<Option<String>, Judged>, SessionError> {
    let Prepared { has_functions, schema, is_available, may_make_temporary } =
        tap::prepared(session, role).await?;
    if !may_make_temporary {
        let (database, role) = (quote_identifier(database), quote_identifier(role));
        session.execute(&format!("grant temporary on database {database} to {role}")).await?;
    }
    if has_functions {
        return Ok(Ok(schema));
    }
    if !is_available {
        return Ok(Err(Judged::errored(LACKING)));
    }
    // A schema of its own: nothing of the database's is hidden by it, as it comes last in the path.
    let name = super::random_role();
    let (schema, role) = (quote_identifier(&name), quote_identifier(role));
    session
        .execute(&format!(
            "create schema {schema}; create extension pgtap schema {schema}; \
             grant usage on schema {schema} to {role}"
        ))
        .await?;
    Ok(Ok(Some(name)))
}

/// What a file's end before its end says, with its line.
fn told(line: u64, stop: &Stop, limit: Duration) -> Judged {
    let judged = match stop {
        Stop::Refused(error) if is_own(error) => {
            Judged::errored(format!("{} (SQLSTATE 42883): that is pgTAP's own", error.message))
        }
        Stop::Refused(error) => refused(error, limit, |text| text),
        Stop::TooLate => Judged::errored(too_late(limit)),
        Stop::TooLong => Judged::errored("a value of more than 65536 characters is no test's"),
        Stop::TooMany => Judged::errored("more than 100000 rows"),
        Stop::Unbounded => {
            Judged::errored("rows of another statement than SELECT, VALUES, TABLE and WITH")
        }
        Stop::Parameters => Judged::errored("a parameter such as $1, which nobody gives"),
    };
    Judged { observed: format!("line {line}: {}", judged.observed), ..judged }
}

/// `function plan(integer) does not exist`
fn is_own(error: &ServerError) -> bool {
    let name = error.message.strip_prefix("function ").and_then(|rest| rest.split('(').next());
    let name = name.map(|name| name.rsplit('.').next().unwrap_or(name));
    error.sqlstate == "42883" && name.is_some_and(|name| OWN.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::CheckOutcome;

    #[test]
    fn a_missing_function_is_the_backups_or_pgtaps() {
        let outcome = |message: &str| {
            let error = ServerError { sqlstate: "42883".to_owned(), message: message.to_owned() };
            told(7, &Stop::Refused(error), Duration::from_secs(1)).outcome
        };
        assert_eq!(outcome("function plan(integer) does not exist"), CheckOutcome::Errored);
        assert_eq!(outcome("function tap.is(a, b) does not exist"), CheckOutcome::Errored);
        assert_eq!(outcome("function price(integer) does not exist"), CheckOutcome::Failed);
        assert_eq!(outcome("operator does not exist: plan = ok"), CheckOutcome::Failed);
    }
}
