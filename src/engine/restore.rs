//! Restores one database from the stream of dumps.

mod archive;
mod create;
mod plain;

pub(super) use plain::{PlainFeed, Rewrites};

use std::io;
use std::time::Instant;

use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::diagnosis::{self, Background};
use super::programs::Output;
use crate::backup::{DatabaseDump, DumpChunk, DumpFormat};
use crate::ephemeral::EphemeralError;
use crate::event::{EventSender, RunEvent};
use crate::finding::{Finding, FindingCode};
use crate::postgres::{Session, SessionError};

/// Progress is told after this many bytes.
const TELL_BYTES: u64 = 4 * 1024 * 1024;

/// The stream of dumps as the engine reads it.
pub(super) type Dumps = mpsc::Receiver<io::Result<DumpChunk>>;

/// What one restore needs to know besides the dump.
pub(super) struct Restore<'a> {
    pub(super) cluster: &'a mut Cluster,
    pub(super) events: &'a EventSender,
    pub(super) is_cluster: bool,
    pub(super) bootstrap: &'a str,
    pub(super) jobs: usize,
}

/// Why a restore could not go on at all.
pub(super) enum Stop {
    /// The surroundings.
    Ephemeral(EphemeralError),
    /// The backup could not be read a second time as it was read the first.
    Reading(io::Error),
}

impl From<EphemeralError> for Stop {
    fn from(error: EphemeralError) -> Self {
        Self::Ephemeral(error)
    }
}

impl Restore<'_> {
    /// Takes the dump's bytes off the stream, up to its end, and restores them.
    ///
    /// Returns what was found. Cancel safe: everything it makes lives inside the sandbox.
    pub(super) async fn database(
        &mut self,
        dump: &DatabaseDump,
        dumps: &mut Dumps,
    ) -> Result<Vec<Finding>, Stop> {
        let mut findings = Vec::new();
        self.make_room(&dump.name).await?;
        if !dump.creates_database {
            let (is_there, found) = self.create(dump).await?;
            findings = found;
            if !is_there {
                skip(dumps).await?;
                return Ok(findings);
            }
        }
        let (program, output) = match dump.format {
            DumpFormat::Custom | DumpFormat::Tar => {
                ("pg_restore", self.archive_file(dump, dumps).await?)
            }
            DumpFormat::Directory => ("pg_restore", self.archive_folder(dump, dumps).await?),
            DumpFormat::Plain => {
                if let Some(finding) = self.psql_refusal(dump.unclear_for_old_psql) {
                    skip(dumps).await?;
                    return Ok(vec![finding.in_database(dump.name.clone())]);
                }
                let feed = PlainFeed {
                    database: if dump.creates_database {
                        self.cluster.maintenance.clone()
                    } else {
                        dump.name.clone()
                    },
                    name: dump.name.clone(),
                    rewrites: if dump.creates_database { Rewrites::Drops } else { Rewrites::None },
                };
                ("psql", self.plain(&feed, dumps).await?)
            }
        };
        for finding in self.diagnose(program, &output, dump).await? {
            diagnosis::fold(&mut findings, finding);
        }
        if dump.creates_database && !self.is_there(&dump.name).await? {
            // Nothing else could be said: psql ends where a `\\connect` fails.
            findings.retain(|finding| finding.sqlstate.as_deref().is_some_and(|s| s != "3D000"));
            findings.push(not_created(dump));
        }
        Ok(findings)
    }

    /// The errors of the server's log since the last look, and what the program itself said.
    async fn diagnose(
        &mut self,
        program: &str,
        output: &Output,
        dump: &DatabaseDump,
    ) -> Result<Vec<Finding>, Stop> {
        let messages = self.new_messages().await?;
        let own: Vec<_> = messages
            .into_iter()
            .filter(|message| message.database == dump.name || dump.creates_database)
            .collect();
        let background = Background {
            is_cluster: self.is_cluster,
            // Only globals may make the role that initdb has made.
            bootstrap: None,
            entries: &dump.entries,
        };
        let entries = diagnosis::entries_of_errors(&output.stderr);
        let mut findings = diagnosis::of_messages(&own, &background, &entries);
        let logged = diagnosis::logged_errors(&own);
        findings.extend(diagnosis::of_program(program, output, dump, logged));
        for finding in &mut findings {
            finding.database = Some(dump.name.clone());
        }
        Ok(findings)
    }

    /// Everything in the server's log that nobody has read yet.
    pub(super) async fn new_messages(
        &mut self,
    ) -> Result<Vec<crate::postgres::ServerMessage>, EphemeralError> {
        match self.cluster.log.errors(&self.cluster.admin).await {
            Ok(messages) => Ok(messages),
            Err(error) => Err(self.cluster.why_lost(&error).await),
        }
    }

    /// A psql without restricted mode gets only what the lexer has cleared.
    pub(super) fn psql_refusal(&self, unclear_line: Option<u64>) -> Option<Finding> {
        let line = unclear_line?;
        (!self.cluster.psql_is_restrictable()).then(|| {
            Finding::new(
                FindingCode::PsqlTooOld,
                format!(
                    "psql {} has no restricted mode, and this dump could make it take data for a command",
                    self.cluster.server_version.number()
                ),
            )
            .on(format!("line {line}"))
        })
    }
}

fn not_created(dump: &DatabaseDump) -> Finding {
    let message = format!("the dump `{}` did not make its database", dump.member);
    Finding::new(FindingCode::DatabaseNotCreated, message)
        .on("DATABASE")
        .in_database(dump.name.clone())
        .because("its own statements ran, and the server has no database of that name")
}

fn unexpected_end() -> Stop {
    Stop::Reading(io::ErrorKind::UnexpectedEof.into())
}

/// Takes the rest of a dump off the stream.
pub(super) async fn skip(dumps: &mut Dumps) -> Result<(), Stop> {
    loop {
        match dumps.recv().await {
            Some(Ok(DumpChunk::Bytes(_) | DumpChunk::File { .. })) => {}
            Some(Ok(DumpChunk::End)) => return Ok(()),
            Some(Ok(DumpChunk::Start(_))) | None => return Err(unexpected_end()),
            Some(Err(error)) => return Err(Stop::Reading(error)),
        }
    }
}

/// Tells how far a dump has been fed, not too often.
struct Progress<'a> {
    events: &'a EventSender,
    name: &'a str,
    bytes: u64,
    told: u64,
    last: Instant,
}

impl<'a> Progress<'a> {
    fn new(events: &'a EventSender, name: &'a str) -> Self {
        Self { events, name, bytes: 0, told: 0, last: Instant::now() }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.bytes - self.told >= TELL_BYTES || self.last.elapsed().as_millis() > 500 {
            self.told = self.bytes;
            self.last = Instant::now();
            self.events
                .send(RunEvent::DatabaseFed { name: self.name.to_owned(), bytes: self.bytes });
        }
    }
}

/// Refreshes the planner's statistics, as whoever restores for real does.
pub(super) async fn analyze(session: &Session) -> Option<Finding> {
    match session.execute("analyze").await {
        Ok(()) | Err(SessionError::Lost(_)) => None,
        Err(SessionError::Server(refused)) => Some(
            Finding::new(
                FindingCode::AnalyzeFailed,
                crate::text::without_values(&refused.sqlstate, &refused.message),
            )
            .with_sqlstate(refused.sqlstate),
        ),
    }
}
