//! Restores one database from the stream of dumps.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Instant;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::diagnosis::{self, Background};
use super::programs::{Feeding, Output};
use crate::backup::sql::{self, Fragment};
use crate::backup::{DatabaseDump, DumpChunk, DumpFormat};
use crate::ephemeral::{EphemeralError, ExecCommand};
use crate::event::{EventSender, RunEvent};
use crate::finding::{Finding, FindingCode};
use crate::postgres::{Session, SessionError};
use crate::text::{quote_identifier, quote_literal};

/// Progress is told after this many bytes.
const TELL_BYTES: u64 = 4 * 1024 * 1024;

/// The stream of dumps as the engine reads it.
pub(super) type Dumps = mpsc::Receiver<io::Result<DumpChunk>>;

/// Stages a dump and restores it in one program: what runs for one exec runs for both, and the
/// staged file is gone whatever happens.
const STAGE_AND_RESTORE: &str = r#"
file=$1
shift
umask 077
if ! cat >"$file"; then
	rm -f "$file"
	exit 97
fi
"$@" "$file"
status=$?
rm -f "$file"
exit "$status"
"#;

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
        if !dump.creates_database {
            let (is_there, found) = self.create(dump).await?;
            findings = found;
            if !is_there {
                skip(dumps).await?;
                return Ok(findings);
            }
        }
        let (program, output) = match dump.format {
            DumpFormat::Custom => ("pg_restore", self.custom(dump, dumps).await?),
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
                    is_globals: false,
                };
                ("psql", self.plain(&feed, dumps).await?)
            }
        };
        for finding in self.diagnose(program, &output, dump).await? {
            diagnosis::fold(&mut findings, finding);
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
            bootstrap: self.bootstrap,
            entries: &dump.entries,
        };
        let entries = diagnosis::entries_of_errors(&output.stderr);
        let mut findings = diagnosis::of_messages(&own, &background, &entries);
        let explained = !own.is_empty();
        findings.extend(diagnosis::of_program(program, output, dump, explained));
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

    /// Makes the database as its own entries say; from template0 where the dump has none.
    ///
    /// Whether it is there, and what was found; what only its properties lack does not stop the
    /// restore of its data.
    async fn create(&mut self, dump: &DatabaseDump) -> Result<(bool, Vec<Finding>), Stop> {
        let entry = dump.entries.iter().find(|entry| entry.kind == "DATABASE");
        let statement = match entry {
            Some(entry) if dump.format == DumpFormat::Custom => entry.definition.clone(),
            _ => create_statement(dump),
        };
        let mut findings = Vec::new();
        if let Some(finding) = self.run(&statement, "DATABASE", dump).await? {
            findings.push(finding);
            return Ok((false, findings));
        }
        let Some(entry) = entry.filter(|_| dump.format == DumpFormat::Custom) else {
            return Ok((true, findings));
        };
        let mut statements = Vec::new();
        if let Some(owner) = &entry.owner {
            statements.push((
                format!(
                    "alter database {} owner to {}",
                    quote_identifier(&dump.name),
                    quote_identifier(owner)
                ),
                "DATABASE".to_owned(),
            ));
        }
        let own_tag = format!("DATABASE {}", dump.name);
        let quoted_tag = format!("DATABASE {}", quote_identifier(&dump.name));
        for entry in &dump.entries {
            let is_own = entry.kind == "DATABASE PROPERTIES"
                || (entry.tag == own_tag || entry.tag == quoted_tag)
                    && matches!(entry.kind.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
            if is_own {
                statements.extend(
                    crate::backup::statements(&entry.definition)
                        .into_iter()
                        .map(|statement| (statement, format!("{} of DATABASE", entry.kind))),
                );
            }
        }
        for (statement, object) in statements {
            findings.extend(self.run(&statement, &object, dump).await?);
        }
        Ok((true, findings))
    }

    /// Runs one statement that makes a database; `Some` when the server refused it.
    async fn run(
        &mut self,
        statement: &str,
        object: &str,
        dump: &DatabaseDump,
    ) -> Result<Option<Finding>, Stop> {
        let refused = match self.cluster.admin.execute(statement).await {
            Ok(()) => return Ok(None),
            Err(SessionError::Server(refused)) => refused,
            Err(error) => return Err(self.cluster.why_lost(&error).await.into()),
        };
        let message = crate::postgres::ServerMessage {
            database: dump.name.clone(),
            severity: "ERROR".to_owned(),
            sqlstate: refused.sqlstate,
            message: refused.message,
            context: None,
            count: 1,
        };
        let background = Background {
            is_cluster: self.is_cluster,
            bootstrap: self.bootstrap,
            entries: &dump.entries,
        };
        let found = diagnosis::of_messages(&[message], &background, &BTreeMap::new());
        Ok(found.into_iter().next().map(|mut finding| {
            if finding.code == FindingCode::RestoreFailed {
                let code = FindingCode::DatabaseNotCreated;
                let sqlstate = finding.sqlstate.take();
                finding = Finding::new(code, finding.message);
                finding.sqlstate = sqlstate;
            }
            finding.on(object.to_owned()).in_database(dump.name.clone())
        }))
    }

    async fn custom(&mut self, dump: &DatabaseDump, dumps: &mut Dumps) -> Result<Output, Stop> {
        let file = self.cluster.stage_path(&format!("{}.dump", dump.position));
        let mut argv = vec![
            "sh".to_owned(),
            "-c".to_owned(),
            STAGE_AND_RESTORE.to_owned(),
            "restore".to_owned(),
            file,
            self.cluster.program("pg_restore"),
            format!("--dbname={}", self.cluster.conninfo(&dump.name)),
            "--no-password".to_owned(),
        ];
        if self.jobs > 1 {
            argv.push(format!("--jobs={}", self.jobs));
        }
        let command = Cluster::with_environment(ExecCommand::new(argv));
        let mut feeding = Feeding::start(self.cluster.sandbox(), command).await?;
        let mut progress = Progress::new(self.events, &dump.name);
        loop {
            match dumps.recv().await {
                Some(Ok(DumpChunk::Bytes(bytes))) => {
                    feeding.write(&bytes).await;
                    progress.add(bytes.len());
                }
                Some(Ok(DumpChunk::End)) => break,
                Some(Ok(DumpChunk::Start(_))) | None => return Err(unexpected_end()),
                Some(Err(error)) => return Err(Stop::Reading(error)),
            }
        }
        let (mut output, was_deaf) = feeding.finish().await?;
        if output.status == 97 || was_deaf {
            output.stderr.push_str("\nrestore: error: the dump could not be staged\n");
            if output.status == 0 {
                output.status = 97;
            }
        }
        Ok(output)
    }

    /// Feeds SQL from the stream to psql, in restricted mode where it has one.
    pub(super) async fn plain(
        &mut self,
        feed: &PlainFeed,
        dumps: &mut Dumps,
    ) -> Result<Output, Stop> {
        let (raw_sender, raw_receiver) = mpsc::channel::<io::Result<Bytes>>(8);
        let (sender, mut fragments) = mpsc::channel::<Sent>(8);
        let is_globals = feed.is_globals;
        let lexing = tokio::task::spawn_blocking(move || {
            let mut reader = ChannelReader { receiver: raw_receiver, pending: Bytes::new() };
            let rewrite = |statement: &[u8]| Some(sql::rewrite_tablespace_location(statement));
            let rewrite: Option<sql::Rewrite<'_>> = is_globals.then_some(&rewrite);
            sql::feed(&mut reader, rewrite, &mut |fragment| {
                let sent = match fragment {
                    Fragment::Bytes(bytes) => Sent::Sql(Bytes::copy_from_slice(bytes)),
                    Fragment::Connect { database, .. } => Sent::Connect(database.to_owned()),
                };
                sender.blocking_send(sent).map_err(|_| io::ErrorKind::BrokenPipe.into())
            })
        });
        let mut progress = Progress::new(self.events, &feed.name);
        let forward = async {
            loop {
                match dumps.recv().await {
                    Some(Ok(DumpChunk::Bytes(bytes))) => {
                        progress.add(bytes.len());
                        // A lexer that has given up has said why in its own result.
                        let _ = raw_sender.send(Ok(bytes)).await;
                    }
                    Some(Ok(DumpChunk::End)) => break,
                    Some(Ok(DumpChunk::Start(_))) | None => return Err(unexpected_end()),
                    Some(Err(error)) => return Err(Stop::Reading(error)),
                }
            }
            drop(raw_sender);
            Ok(())
        };
        let cluster = &*self.cluster;
        let write = async {
            let mut whole = Output::default();
            let mut psql = start_psql(cluster, &feed.database).await?;
            while let Some(fragment) = fragments.recv().await {
                match fragment {
                    Sent::Sql(bytes) => psql.write(&bytes).await,
                    Sent::Connect(database) => {
                        add(&mut whole, psql.finish().await?);
                        psql = start_psql(cluster, &database).await?;
                    }
                }
            }
            add(&mut whole, psql.finish().await?);
            Ok::<Output, Stop>(whole)
        };
        let (forwarded, written) = tokio::join!(forward, write);
        forwarded?;
        let mut output = written?;
        match lexing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                output.status = output.status.max(1);
                output.stderr.push_str(&format!("\nlexer: error: {error}\n"));
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        Ok(output)
    }
}

/// What the lexer hands over to psql's feeder.
enum Sent {
    Sql(Bytes),
    Connect(String),
}

/// Where the SQL goes.
pub(super) struct PlainFeed {
    /// The database of the first session.
    pub(super) database: String,
    /// Whose progress it is.
    pub(super) name: String,
    /// Whether tablespaces are to be put into the cluster itself.
    pub(super) is_globals: bool,
}

async fn start_psql(cluster: &Cluster, database: &str) -> Result<Feeding, EphemeralError> {
    let command = ExecCommand::new([
        cluster.program("psql"),
        "--no-psqlrc".to_owned(),
        "--quiet".to_owned(),
        "--no-password".to_owned(),
        "--set=VERBOSITY=terse".to_owned(),
        "--set=SHOW_CONTEXT=never".to_owned(),
        "--output=/dev/null".to_owned(),
        format!("--dbname={}", cluster.conninfo(database)),
    ]);
    let command = Cluster::with_environment(command);
    let mut psql = Feeding::start(cluster.sandbox(), command).await?;
    if cluster.psql_is_restrictable() {
        // Only who knows the token could leave restricted mode again.
        psql.write(format!("\\restrict {}\n", crate::random::hex(16)).as_bytes()).await;
    }
    Ok(psql)
}

fn add(whole: &mut Output, (output, was_deaf): (Output, bool)) {
    whole.stderr.push_str(&output.stderr);
    whole.status = whole.status.max(output.status);
    if was_deaf {
        whole.stderr.push_str("\npsql: error: it stopped reading before the end of the dump\n");
        whole.status = whole.status.max(1);
    }
}

/// `create database` for a plain dump, which carries no properties of its database: its text's
/// encoding is the database's own unless somebody asked `pg_dump` for another.
fn create_statement(dump: &DatabaseDump) -> String {
    let name = quote_identifier(&dump.name);
    let encoding = dump.encoding.as_deref().unwrap_or("UTF8");
    if encoding.eq_ignore_ascii_case("UTF8") || encoding.eq_ignore_ascii_case("UNICODE") {
        format!("create database {name} template template0")
    } else {
        // C goes with every encoding.
        format!(
            "create database {name} template template0 encoding {} lc_collate 'C' lc_ctype 'C'",
            quote_literal(encoding)
        )
    }
}

fn unexpected_end() -> Stop {
    Stop::Reading(io::ErrorKind::UnexpectedEof.into())
}

/// Takes the rest of a dump off the stream.
pub(super) async fn skip(dumps: &mut Dumps) -> Result<(), Stop> {
    loop {
        match dumps.recv().await {
            Some(Ok(DumpChunk::Bytes(_))) => {}
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

/// The receiving end of a channel as a reader, for code that blocks.
struct ChannelReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    pending: Bytes,
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pending.is_empty() {
            match self.receiver.blocking_recv() {
                Some(bytes) => self.pending = bytes?,
                None => return Ok(0),
            }
        }
        let count = self.pending.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.pending[..count]);
        self.pending.advance(count);
        Ok(count)
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
