//! Feeds plain SQL to psql, as far as psql may see it.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::{Dumps, Progress, Restore, Stop, unexpected_end};
use crate::backup::DumpChunk;
use crate::backup::sql::{self, Fragment};
use crate::engine::cluster::Cluster;
use crate::engine::programs::{Feeding, Output};
use crate::ephemeral::{EphemeralError, ExecCommand};

impl Restore<'_> {
    /// Feeds SQL from the stream to psql, in restricted mode where it has one.
    pub(in crate::engine) async fn plain(
        &mut self,
        feed: &PlainFeed,
        dumps: &mut Dumps,
    ) -> Result<Output, Stop> {
        let (raw_sender, raw_receiver) = mpsc::channel::<io::Result<Bytes>>(8);
        let (sender, mut fragments) = mpsc::channel::<Sent>(8);
        let rewrites = feed.rewrites;
        let lexing = tokio::task::spawn_blocking(move || {
            let mut reader = ChannelReader { receiver: raw_receiver, pending: Bytes::new() };
            let dropped = |statement: &[u8]| sql::drop_if_exists(statement);
            let globals = |statement: &[u8]| {
                let dropped = sql::drop_if_exists(statement);
                Some(dropped.unwrap_or_else(|| sql::rewrite_tablespace_location(statement)))
            };
            let rewrite: Option<sql::Rewrite<'_>> = match rewrites {
                Rewrites::None => None,
                Rewrites::Drops => Some(&dropped),
                Rewrites::Globals => Some(&globals),
            };
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
                    Some(Ok(DumpChunk::Start(_) | DumpChunk::File { .. })) | None => {
                        return Err(unexpected_end());
                    }
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
pub(in crate::engine) struct PlainFeed {
    /// The database of the first session.
    pub(in crate::engine) database: String,
    /// Whose progress it is.
    pub(in crate::engine) name: String,
    /// Which statements are written anew for a server that is new.
    pub(in crate::engine) rewrites: Rewrites,
}

/// Statements that mean something else to a new server than to the one that was dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Rewrites {
    /// None.
    None,
    /// What `--clean` drops is dropped if it is there.
    Drops,
    /// That, and tablespaces are put into the cluster itself.
    Globals,
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
        // Standard input by this name: messages then begin with their line.
        "--file=-".to_owned(),
        format!("--dbname={}", cluster.conninfo(database)),
    ]);
    let command = cluster.with_environment(command);
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
