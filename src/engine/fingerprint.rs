//! Takes a baseline: what a live server holds, read in one snapshot of each database.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::try_join_all;
use glob::Pattern;
use jiff::Timestamp;

use super::contents::Contents;
use crate::backup::Fingerprint;
use crate::baseline::{Baseline, DatabaseBaseline, SCHEMA, Salt, TableBaseline};
use crate::postgres::catalog::TableName;
use crate::postgres::login::Target;
use crate::postgres::{LoginFailure, Session, SessionError, keyed_rows};
use crate::text::{one_line, quote_identifier, without_values};

/// How long a lock may be waited for: whoever alters a table goes first.
const LOCK_LIMIT: &str = "10s";

/// What to take.
#[derive(Debug, Clone)]
pub struct FingerprintRequest {
    /// The connection string, with its secrets.
    pub dsn: String,
    /// A snapshot that another session has exported.
    pub snapshot: Option<String>,
    /// Globs of databases; none for the one that the connection string names.
    pub databases: Vec<String>,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// Sessions that read at the same time.
    pub jobs: usize,
}

/// Why there is no baseline.
#[derive(Debug)]
pub enum FingerprintError {
    /// The command line is wrong.
    Usage(String),
    /// A login failed.
    Login(Box<LoginFailure>),
    /// The server did not give what was asked.
    Refused {
        /// The database.
        database: String,
        /// What was being read, and why it was not.
        cause: String,
        /// What to do.
        step: String,
    },
}

/// Takes a baseline. Changes nothing on the server: every transaction is read-only.
///
/// Cancel safe: the sessions end.
pub async fn fingerprint(
    request: &FingerprintRequest,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Baseline, FingerprintError> {
    let target = Target::parse(&request.dsn, variables)
        .map_err(|cause| FingerprintError::Usage(format!("--dsn: {}", one_line(&cause, 200))))?;
    if request.snapshot.as_deref().is_some_and(|id| !is_snapshot(id)) {
        let message =
            "--snapshot takes what pg_export_snapshot() gave, such as 00000003-0000001B-1";
        return Err(FingerprintError::Usage(message.to_owned()));
    }
    let first = log_in(&target, target.database()).await?;
    let databases = match request.databases.as_slice() {
        [] => vec![target.database().to_owned()],
        globs => databases(&first, target.database(), globs).await?,
    };
    if request.snapshot.is_some() && databases.len() > 1 {
        return Err(FingerprintError::Usage(format!(
            "--snapshot is of one database, and --databases names {}: take a file for each",
            databases.len()
        )));
    }
    let rows = first.query("select current_setting('server_version')", &[]).await;
    let rows = rows.map_err(|error| refused(target.database(), "its version", &error))?;
    let server_version = rows.first().map(|row| row.get(0)).unwrap_or_default();
    drop(first);
    let salt = Salt::random();
    let taken_at = Timestamp::now();
    let mut taken = Vec::new();
    for database in &databases {
        taken.push(of_database(&target, database, request, &salt).await?);
    }
    Ok(Baseline {
        schema: SCHEMA.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at,
        server_version,
        algorithm: Fingerprint::ALGORITHM.to_owned(),
        salt,
        databases: taken,
    })
}

fn is_snapshot(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

async fn log_in(target: &Target, database: &str) -> Result<Session, FingerprintError> {
    target.log_in(database).await.map_err(|failure| FingerprintError::Login(Box::new(failure)))
}

async fn databases(
    session: &Session,
    own: &str,
    globs: &[String],
) -> Result<Vec<String>, FingerprintError> {
    let globs: Vec<Pattern> = globs.iter().filter_map(|glob| Pattern::new(glob).ok()).collect();
    let asked = "select datname::text from pg_catalog.pg_database \
        where datallowconn and not datistemplate order by 1";
    let rows = session.query(asked, &[]).await;
    let rows = rows.map_err(|error| refused(own, "the list of databases", &error))?;
    let names = rows.iter().map(|row| row.get::<_, String>(0));
    let names: Vec<String> =
        names.filter(|name| globs.iter().any(|glob| glob.matches(name))).collect();
    if names.is_empty() {
        return Err(FingerprintError::Refused {
            database: own.to_owned(),
            cause: "no database of the server fits --databases".to_owned(),
            step: "Look at their names: psql -l".to_owned(),
        });
    }
    Ok(names)
}

/// A session that reads in one snapshot.
async fn reading(
    target: &Target,
    database: &str,
    request: &FingerprintRequest,
    snapshot: Option<&str>,
) -> Result<Session, FingerprintError> {
    let session = log_in(target, database).await?;
    // Not as options of the login: a pooler takes none.
    let limit = request.statement_timeout.as_millis();
    let mut settings = format!(
        "set default_transaction_read_only = on; set statement_timeout = {limit}; \
         set lock_timeout = '{LOCK_LIMIT}'; set idle_in_transaction_session_timeout = 0; \
         set standard_conforming_strings = on; set row_security = off; \
         begin isolation level repeatable read read only"
    );
    if let Some(id) = snapshot {
        settings.push_str(&format!("; set transaction snapshot '{id}'"));
    }
    match session.execute(&settings).await {
        Ok(()) => Ok(session),
        Err(error) if snapshot.is_some() => Err(FingerprintError::Refused {
            database: database.to_owned(),
            cause: format!("the snapshot cannot be taken over: {error}"),
            step: "Take it from a session in this database whose transaction is still open."
                .to_owned(),
        }),
        Err(error) => Err(refused(database, "its settings", &error)),
    }
}

async fn of_database(
    target: &Target,
    database: &str,
    request: &FingerprintRequest,
    salt: &Salt,
) -> Result<DatabaseBaseline, FingerprintError> {
    let session = reading(target, database, request, request.snapshot.as_deref()).await?;
    let asked = async {
        let asked = "select pg_catalog.current_setting('server_encoding')";
        let rows = session.query(asked, &[]).await?;
        let encoding: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
        Contents::of(&session, &encoding).await
    };
    let contents = asked.await.map_err(|error| refused(database, "its catalogs", &error))?;
    let queue: Vec<TableName> = contents.tables.keys().cloned().collect();
    let helpers = request.jobs.min(queue.len()).saturating_sub(1);
    let mut sessions = Vec::new();
    if helpers > 0 {
        let rows = session.query("select pg_catalog.pg_export_snapshot()", &[]).await;
        let rows = rows.map_err(|error| refused(database, "a snapshot", &error))?;
        let id: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
        for _ in 0..helpers {
            let helper = reading(target, database, request, Some(&id)).await?;
            let alike = keyed_rows::write_alike(&helper, &contents.encoding).await;
            alike.map_err(|error| refused(database, "its settings", &error))?;
            sessions.push(helper);
        }
    }
    sessions.push(session);
    let queue = Mutex::new(queue);
    let read = sessions.iter().map(|session| read_all(session, database, &queue, &contents, salt));
    let mut read: Vec<TableBaseline> = try_join_all(read).await?.into_iter().flatten().collect();
    read.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    let sequences = match sessions.last() {
        Some(session) => keyed_rows::sequences(session)
            .await
            .map_err(|error| refused(database, "its sequences", &error))?,
        None => Vec::new(),
    };
    Ok(DatabaseBaseline {
        name: database.to_owned(),
        encoding: contents.encoding,
        snapshot: request.snapshot.clone(),
        tables: read,
        sequences,
    })
}

/// Reads tables from the queue until it is empty.
async fn read_all(
    session: &Session,
    database: &str,
    queue: &Mutex<Vec<TableName>>,
    contents: &Contents,
    salt: &Salt,
) -> Result<Vec<TableBaseline>, FingerprintError> {
    let mut read = Vec::new();
    let next = || queue.lock().map_or(None, |mut queue| queue.pop());
    while let Some(name) = next() {
        let table = contents.read(session, &name, salt).await;
        let (schema, table_name) = &name;
        let of_table = format!("table {schema}.{table_name}");
        read.push(table.map_err(|error| refused(database, &of_table, &error))?);
    }
    Ok(read)
}

fn refused(database: &str, what: &str, error: &SessionError) -> FingerprintError {
    let (cause, step) = match error {
        SessionError::Server(said) => {
            let step = match said.sqlstate.as_str() {
                "42501" if said.message.contains("row-level security") => {
                    "Read as a role that row security does not bind: alter role … bypassrls"
                        .to_owned()
                }
                "42501" => format!(
                    "Let the role read: grant pg_read_all_data to … (before PostgreSQL 14: grant select on \
                     all tables of each schema), in database {}",
                    quote_identifier(database)
                ),
                "57014" => {
                    "Give it longer with --statement-timeout, or read at a quieter time.".to_owned()
                }
                "55P03" => "Somebody alters it: run again later.".to_owned(),
                _ => "Look at the server's log at this time.".to_owned(),
            };
            let message = without_values(&said.sqlstate, &said.message);
            (format!("{message} (SQLSTATE {})", said.sqlstate), step)
        }
        SessionError::Lost(_) => {
            (error.to_string(), "Look at the server's log at this time.".to_owned())
        }
    };
    FingerprintError::Refused {
        database: database.to_owned(),
        cause: format!("{what} cannot be read: {}", one_line(&cause, 300)),
        step,
    }
}
