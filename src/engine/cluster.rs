//! A PostgreSQL server inside a sandbox, with a superuser and a maintenance database of ours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::programs::{Output, run};
use crate::backup::PostgresVersion;
use crate::ephemeral::{EphemeralError, ExecCommand, Sandbox, SandboxState};
use crate::postgres::integrity::{self, Baseline, Sealed};
use crate::postgres::{LogReader, Session, SessionError, reader_options, superuser_options};
use crate::text::{quote_conninfo, quote_identifier};

/// A server that is not ready by then will not be.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// The first minor releases whose psql knows `\restrict`, by major version.
const RESTRICT_SINCE: [(u32, u32); 5] = [(13, 22), (14, 19), (15, 14), (16, 10), (17, 6)];

/// A running server.
pub(super) struct Cluster {
    sandbox: Arc<dyn Sandbox>,
    /// Our own superuser: whatever globals do to the source's roles, they do not lock us out.
    superuser: String,
    /// Our own database: the archive's `postgres` gets a clean one.
    pub(super) maintenance: String,
    pub(super) admin: Session,
    pub(super) log: LogReader,
    pub(super) server_version: PostgresVersion,
    bindir: String,
}

/// The role that initdb makes, when the backup does not say which the source's made.
pub(super) fn random_role() -> String {
    format!("pgdrill_{}", crate::random::hex(6))
}

impl Cluster {
    /// Waits until the server in `sandbox` accepts sessions and takes possession of it.
    ///
    /// Cancel safe: everything it makes lives inside the sandbox.
    pub(super) async fn take(
        sandbox: Arc<dyn Sandbox>,
        bootstrap: &str,
    ) -> Result<Self, EphemeralError> {
        let first = until_ready(&*sandbox, bootstrap).await?;
        let failed = |action: &str, error: &SessionError| EphemeralError::Session {
            action: action.to_owned(),
            cause: error.to_string(),
        };
        let superuser = random_role();
        let maintenance = random_role();
        let role = quote_identifier(&superuser);
        for statement in [
            format!("create role {role} superuser login"),
            format!("create database {} template template0", quote_identifier(&maintenance)),
        ] {
            first
                .execute(&statement)
                .await
                .map_err(|error| failed("prepare the server", &error))?;
        }
        drop(first);
        let admin = open(&*sandbox, &superuser, &maintenance).await?;
        // Whatever an image put into it: a database of that name comes from the archive, or not
        // at all.
        admin
            .execute("drop database if exists postgres")
            .await
            .map_err(|error| failed("prepare the server", &error))?;
        let rows = admin
            .query("select current_setting('server_version')", &[])
            .await
            .map_err(|error| failed("ask the server for its version", &error))?;
        let server_version = rows.first().map(|row| row.get(0)).unwrap_or_default();
        let work = sandbox.work_dir().to_owned();
        let bindir = run(&*sandbox, ExecCommand::new(["cat", &format!("{work}/bindir")])).await?;
        // The collector gives the csvlog file this ending.
        let mut log = LogReader::new(format!("{work}/log/server.csv"));
        // What was said while the server came up is not the backup's doing.
        log.errors(&admin).await.map_err(|error| failed("read the server's log", &error))?;
        Ok(Self {
            superuser,
            maintenance,
            admin,
            log,
            server_version: PostgresVersion(server_version),
            bindir: bindir.stdout.trim().to_owned(),
            sandbox,
        })
    }

    /// The role of our own sessions.
    pub(super) fn superuser(&self) -> &str {
        &self.superuser
    }

    pub(super) fn sandbox(&self) -> &dyn Sandbox {
        &*self.sandbox
    }

    /// A session of our superuser.
    pub(super) async fn session(&self, database: &str) -> Result<Session, EphemeralError> {
        open_with(&*self.sandbox, &self.superuser, database, &superuser_options(self.major())).await
    }

    /// A session of a role that may only read.
    pub(super) async fn reader_session(
        &self,
        role: &str,
        database: &str,
    ) -> Result<Session, EphemeralError> {
        open_with(&*self.sandbox, role, database, &reader_options(self.major())).await
    }

    /// The path of one of PostgreSQL's own programs.
    pub(super) fn program(&self, name: &str) -> String {
        format!("{}/{name}", self.bindir)
    }

    /// A folder inside the sandbox for dumps on their way in.
    pub(super) fn stage_path(&self, name: &str) -> String {
        format!("{}/stage/{name}", self.sandbox.work_dir())
    }

    /// A connection string for PostgreSQL's programs inside the sandbox.
    pub(super) fn conninfo(&self, database: &str) -> String {
        format!(
            "host={} port=5432 user={} dbname={}",
            quote_conninfo(&format!("{}/sock", self.sandbox.work_dir())),
            quote_conninfo(&self.superuser),
            quote_conninfo(database)
        )
    }

    /// What PostgreSQL's programs get as environment.
    pub(super) fn with_environment(&self, command: ExecCommand) -> ExecCommand {
        command
            .env("LC_ALL", "C")
            .env("PGOPTIONS", &superuser_options(self.major()))
            .env("PGAPPNAME", "pgdrill_restore")
            .env("PSQL_HISTORY", "/dev/null")
            .env("HOME", "/tmp")
    }

    /// Whether the server's psql has a restricted mode.
    pub(super) fn psql_is_restrictable(&self) -> bool {
        let Some((major, minor)) = self.server_version.major_minor() else { return false };
        major > 17 || RESTRICT_SINCE.iter().any(|&(of, since)| of == major && minor >= since)
    }

    /// The server's major version.
    pub(super) fn major(&self) -> u32 {
        self.server_version.major().unwrap_or(0)
    }

    /// Whether a program inside complained that no process can be made.
    pub(super) async fn complains_of_forks(&self) -> bool {
        self.log.complains_of_forks(&self.admin).await.unwrap_or(false)
    }

    /// What a dump has changed of what belongs to us, one phrase each.
    pub(super) async fn alterations(
        &self,
        restored: &[Sealed],
        before: Option<&Baseline>,
    ) -> Result<Vec<String>, EphemeralError> {
        match integrity::alterations(&self.admin, &self.superuser, restored, before).await {
            Ok(found) => Ok(found),
            Err(_) if self.answers().await => {
                Ok(vec!["the rights of pgdrill's own superuser".to_owned()])
            }
            Err(error) => Err(self.why_lost(&error).await),
        }
    }

    /// What belongs to no database, as it is now.
    pub(super) async fn baseline(&self) -> Result<Baseline, EphemeralError> {
        match integrity::baseline(&self.admin).await {
            Ok(baseline) => Ok(baseline),
            Err(error) => Err(self.why_lost(&error).await),
        }
    }

    /// Lets nobody connect to a database that has been restored; `None` if somebody stays.
    pub(super) async fn seal(&self, database: &str) -> Result<Option<Sealed>, EphemeralError> {
        match integrity::seal(&self.admin, database).await {
            Ok(sealed) => Ok(sealed),
            Err(error) => Err(self.why_lost(&error).await),
        }
    }

    /// Lets connections in again.
    pub(super) async fn unseal(&self, sealed: &Sealed) -> Result<(), EphemeralError> {
        match integrity::unseal(&self.admin, sealed).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.why_lost(&error).await),
        }
    }

    /// Whether the server still answers, after a session to one of its databases was lost.
    pub(super) async fn answers(&self) -> bool {
        self.admin.execute("select 1").await.is_ok()
    }

    /// Why a session was lost: asks the sandbox what became of the server.
    pub(super) async fn why_lost(&self, error: &SessionError) -> EphemeralError {
        // A server that goes down takes a moment until its last process is gone.
        for _ in 0..20 {
            match self.sandbox.state().await {
                Ok(SandboxState::Ended { last_lines, out_of_memory }) => {
                    return EphemeralError::ServerEnded { last_lines, out_of_memory };
                }
                Ok(SandboxState::Running) if !self.answers().await => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok(SandboxState::Running) | Err(_) => break,
            }
        }
        EphemeralError::Session {
            action: "keep a session to the throwaway server".to_owned(),
            cause: error.to_string(),
        }
    }
}

/// A superuser's session on a server that nothing has been restored into.
pub(super) async fn open(
    sandbox: &dyn Sandbox,
    user: &str,
    database: &str,
) -> Result<Session, EphemeralError> {
    open_with(sandbox, user, database, &superuser_options(0)).await
}

async fn open_with(
    sandbox: &dyn Sandbox,
    user: &str,
    database: &str,
    options: &str,
) -> Result<Session, EphemeralError> {
    let stream = sandbox.dial().await?;
    Session::open(stream, user, database, options).await.map_err(|error| EphemeralError::Session {
        action: format!("log in to database `{database}` of the throwaway server"),
        cause: error.to_string(),
    })
}

/// A session of `user` as soon as the server accepts one.
pub(super) async fn until_ready(
    sandbox: &dyn Sandbox,
    user: &str,
) -> Result<Session, EphemeralError> {
    let started = Instant::now();
    loop {
        if let SandboxState::Ended { last_lines, .. } = sandbox.state().await? {
            let image = sandbox.identity().image;
            return Err(EphemeralError::ServerNotStarted { image, last_lines });
        }
        let tried = open(sandbox, user, "template1").await;
        match tried {
            Ok(session) => return Ok(session),
            Err(error) if started.elapsed() > READY_LIMIT => return Err(error),
            Err(error) => tracing::debug!(%error, "the server is not ready yet"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Output {
    /// Whether a program complained about a full disk.
    pub(super) fn says_disk_full(&self) -> bool {
        self.stderr.contains("No space left on device")
            || self.stderr.contains("Disk quota exceeded")
    }
}
