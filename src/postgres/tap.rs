//! A session for files of pgTAP tests: one transaction, which is rolled back whatever is in it.

use std::time::{Duration, Instant};

use super::session::{ServerError, Session, SessionError};
use crate::check::Tap;
use crate::scenario::TestStatement;

/// More characters of a value are not sent: a test prints a few lines.
const LIMIT_CHARACTERS: usize = 64 * 1024;
/// More rows of a statement are not sent.
const LIMIT_ROWS: usize = 100_000;

/// What is in the database for tests, and what the server could bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// Functions that every file needs.
    pub(crate) has_functions: bool,
    /// The schema of the extension, where the database holds it.
    pub(crate) schema: Option<String>,
    /// The server's installation brings the extension.
    pub(crate) is_available: bool,
    /// The role may make the temporary tables that pgTAP keeps its results in.
    pub(crate) may_make_temporary: bool,
}

/// What there is, seen by our superuser.
pub(crate) async fn prepared(session: &Session, role: &str) -> Result<Prepared, SessionError> {
    // The database may bring a path on which `=` is not the server's own.
    session.execute("set search_path = pg_catalog").await?;
    let sql = "\
select (select pg_catalog.count(distinct proname) from pg_catalog.pg_proc
         where proname in ('plan', 'ok', 'finish')) = 3,
       (select n.nspname::text from pg_catalog.pg_extension e
          join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgtap'),
       exists (select from pg_catalog.pg_available_extensions where name = 'pgtap'),
       pg_catalog.has_database_privilege($1::text::name, pg_catalog.current_database(), 'TEMP')";
    let rows = session.query(sql, &[&role]).await?;
    let row = rows.first().ok_or_else(|| SessionError::Lost("no row came".to_owned()))?;
    Ok(Prepared {
        has_functions: row.get(0),
        schema: row.get(1),
        is_available: row.get(2),
        may_make_temporary: row.get(3),
    })
}

/// Why a file was not run to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The server refused a statement.
    Refused(ServerError),
    /// The file's time is up.
    TooLate,
    /// A value of more characters than are sent.
    TooLong,
    /// More rows than are sent.
    TooMany,
    /// Rows of a statement whose size nobody bounds.
    Unbounded,
    /// A statement with parameters, which nobody gives it.
    Parameters,
}

/// Runs a file's statements and hands what they print to `tap`; tells the line at which it stopped.
///
/// The transaction is read-write, as pgTAP keeps its results in temporary tables and sequences. The role
/// decides what else can be changed, and the rollback takes it back. A statement cannot end the
/// transaction: those that do are not among `statements`, prepared statements are one at a time, and
/// the server lets no function do it within a transaction.
///
/// Not cancel safe: the session stays in the transaction.
pub(crate) async fn run(
    session: &Session,
    statements: &[TestStatement],
    schema: Option<&str>,
    limit: Duration,
    tap: &mut Tap,
) -> Result<Option<(u64, Stop)>, SessionError> {
    let until = Instant::now() + limit;
    session.execute("begin read write").await?;
    if let Some(schema) = schema {
        let sql = "select pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', \
            nullif(pg_catalog.current_setting('search_path'), ''), pg_catalog.quote_ident($1)), true)";
        session.query(sql, &[&schema]).await?;
    }
    let mut stopped = None;
    for statement in statements {
        let left = until.saturating_duration_since(Instant::now());
        let stop = if left.is_zero() {
            Some(Stop::TooLate)
        } else {
            // Each time: a file may set it too.
            match step(session, statement, left, tap).await {
                Ok(stop) => stop,
                Err(SessionError::Server(error)) if error.sqlstate == "57014" => {
                    Some(Stop::TooLate)
                }
                Err(SessionError::Server(error)) => Some(Stop::Refused(error)),
                Err(error @ SessionError::Lost(_)) => return Err(error),
            }
        };
        if let Some(stop) = stop {
            stopped = Some((statement.line, stop));
            break;
        }
    }
    session.execute("rollback").await?;
    Ok(stopped)
}

/// Runs one statement.
async fn step(
    session: &Session,
    statement: &TestStatement,
    left: Duration,
    tap: &mut Tap,
) -> Result<Option<Stop>, SessionError> {
    // In milliseconds, as many as the setting takes.
    let left = left.as_millis().clamp(1, 2_147_483_647);
    session.execute(&format!("set local statement_timeout = {left}")).await?;
    let (parameters, columns) = session.shape(&statement.sql).await?;
    if parameters > 0 {
        return Ok(Some(Stop::Parameters));
    }
    if columns == 0 {
        session.query(&statement.sql, &[]).await?;
        return Ok(None);
    }
    if !statement.is_query {
        return Ok(Some(Stop::Unbounded));
    }
    let (mut rows, mut stop) = (0, None);
    session
        .each_row(&wrapped(&statement.sql, columns), |row| {
            rows += 1;
            if rows > LIMIT_ROWS {
                stop = Some(Stop::TooMany);
            }
            for at in 0..row.len() {
                let Some(value) = row.get::<_, Option<&str>>(at) else { continue };
                if value.chars().nth(LIMIT_CHARACTERS).is_some() {
                    stop = Some(Stop::TooLong);
                }
                tap.take(value);
            }
            stop.is_none()
        })
        .await?;
    Ok(stop)
}

/// Each value as its type's own text, cut; `offset 0` keeps the server from calling a function of the
/// statement once more.
fn wrapped(sql: &str, columns: usize) -> String {
    let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let value = |name: &String| {
        format!(
            "case when pg_catalog.num_nulls(q.{name}) operator(pg_catalog.=) 0 then \
             pg_catalog.left(pg_catalog.format('%s', q.{name}), {}) end",
            LIMIT_CHARACTERS + 1
        )
    };
    let values: Vec<String> = names.iter().map(value).collect();
    format!(
        "select {} from (select * from (\n{sql}\n) as s ({}) offset 0) as q limit {}",
        values.join(", "),
        names.join(", "),
        LIMIT_ROWS + 1
    )
}
