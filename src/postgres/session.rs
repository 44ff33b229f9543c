//! One session over whatever stream leads to the server.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Connection, NoTls, Row};

/// How long a server may take to accept a session.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// An error that the server has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerError {
    pub(crate) sqlstate: String,
    pub(crate) message: String,
}

/// Why a statement gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SessionError {
    /// The server refused it.
    #[error("{}", .0.message)]
    Server(ServerError),
    /// The session is gone, or never was.
    #[error("the session to the server was lost: {0}")]
    Lost(String),
}

impl From<tokio_postgres::Error> for SessionError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(server) => Self::Server(ServerError {
                sqlstate: server.code().code().to_owned(),
                message: server.message().to_owned(),
            }),
            None => Self::Lost(error.to_string()),
        }
    }
}

/// A session. Dropping it says goodbye to the server and ends it.
pub(crate) struct Session {
    client: Client,
}

impl Session {
    /// Logs in over `stream`. Settings that a role or database may bring are overridden: a restored
    /// `ALTER ROLE ALL SET default_transaction_read_only = on` must not change what we see.
    pub(crate) async fn open<S>(
        stream: S,
        user: &str,
        database: &str,
        options: &str,
    ) -> Result<Self, SessionError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut config = Config::new();
        config.user(user).dbname(database).application_name("pgdrill").options(options);
        let connected = tokio::time::timeout(CONNECT_LIMIT, config.connect_raw(stream, NoTls));
        let (client, connection) = connected
            .await
            .map_err(|_| SessionError::Lost("the server did not answer in 20 s".to_owned()))??;
        Ok(Self::of(client, connection))
    }

    /// Of a login that somebody else made.
    pub(super) fn of<S, T>(client: Client, connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Ends by itself, after a goodbye, once the client is gone: a connection that is cut would
        // be an error in the server's log.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a session ended");
            }
        });
        Self { client }
    }

    /// Runs one or more statements, as psql would: no parameters, no result.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), SessionError> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Runs one prepared statement.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, SessionError> {
        Ok(self.client.query(sql, parameters).await?)
    }

    /// The names of the columns that a statement would return.
    pub(crate) async fn columns(&self, sql: &str) -> Result<Vec<String>, SessionError> {
        let statement = self.client.prepare(sql).await?;
        Ok(statement.columns().iter().map(|column| column.name().to_owned()).collect())
    }

    /// Runs one prepared statement and calls `see` with each row, until it wants no more.
    pub(crate) async fn each_row(
        &self,
        sql: &str,
        mut see: impl FnMut(&Row) -> bool,
    ) -> Result<(), SessionError> {
        let none: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = std::pin::pin!(self.client.query_raw(sql, none).await?);
        while let Some(row) = rows.next().await {
            if !see(&row?) {
                break;
            }
        }
        Ok(())
    }

    /// How many parameters and columns a statement has.
    pub(crate) async fn shape(&self, sql: &str) -> Result<(usize, usize), SessionError> {
        let statement = self.client.prepare(sql).await?;
        Ok((statement.params().len(), statement.columns().len()))
    }

    /// Runs a `COPY … TO STDOUT` and calls `see` with what comes, piece by piece: a piece is a row,
    /// line end included.
    pub(crate) async fn copy_out(
        &self,
        sql: &str,
        mut see: impl FnMut(&[u8]),
    ) -> Result<(), SessionError> {
        let mut rows = std::pin::pin!(self.client.copy_out(sql).await?);
        while let Some(row) = rows.next().await {
            see(&row?);
        }
        Ok(())
    }
}

/// Options of our superuser's sessions, and of `pg_restore` and psql through `PGOPTIONS`: what
/// comes from the client wins over what a restored role or database sets. A server refuses a
/// setting that it does not know, so `major` decides.
pub(crate) fn superuser_options(major: u32) -> String {
    let mut options = vec![
        "-c default_transaction_read_only=off",
        "-c log_min_messages=warning",
        "-c log_min_error_statement=panic",
        "-c lc_messages=C",
        "-c synchronous_commit=off",
    ];
    if major >= 17 {
        // A login event trigger of the dump must not decide who may look at its database.
        options.push("-c event_triggers=off");
    }
    options.extend(common_options(major));
    options.join(" ")
}

/// Options of a session without superuser's rights, which may only read.
pub(crate) fn reader_options(major: u32) -> String {
    let mut options = vec!["-c default_transaction_read_only=on", "-c quote_all_identifiers=off"];
    options.extend(common_options(major));
    options.join(" ")
}

fn common_options(major: u32) -> Vec<&'static str> {
    let mut options = vec![
        "-c statement_timeout=0",
        "-c lock_timeout=0",
        "-c idle_in_transaction_session_timeout=0",
        "-c standard_conforming_strings=on",
        "-c DateStyle=ISO",
    ];
    if major >= 14 {
        options.push("-c idle_session_timeout=0");
    }
    if major >= 17 {
        options.push("-c transaction_timeout=0");
    }
    options
}
