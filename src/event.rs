//! What happens during a run, as plain data. One ordered stream feeds every sink.

use std::time::Duration;

use crate::finding::Finding;
use crate::outcome::{CheckOutcome, DatabaseOutcome, Judgement, SourcePlace};

/// A line of the pre-flight list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preflight {
    /// Every byte of the outer archive was read.
    ArchiveIntegrity,
    /// Every dump is sound.
    DumpValidity,
    /// Enough space for the restore.
    DiskSpace,
    /// The image or the programs.
    Tools,
}

/// One thing that happened. Ordered as it happened; sinks may ignore what they do not show, but
/// list every variant.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// A scenario begins.
    ScenarioStarted {
        /// Its name.
        name: String,
        /// The backup's path.
        backup: String,
    },
    /// The backup's bytes are being read for the first time.
    BackupReading {
        /// Bytes of the file read so far.
        done: u64,
        /// The file's size.
        total: u64,
    },
    /// A line of the pre-flight list is known.
    PreflightChecked {
        /// Which.
        item: Preflight,
        /// Whether it holds.
        passed: bool,
        /// A short fact: how many bytes, which image, …
        detail: String,
    },
    /// Which databases will be restored, as the bytes of their dumps in the archive.
    Weighed {
        /// In the order of the restore.
        weights: Vec<u64>,
    },
    /// The throwaway server is being started.
    ClusterStarting {
        /// `docker` or `local`.
        engine: &'static str,
        /// Image or folder of programs.
        source: String,
        /// Why this engine.
        reason: String,
    },
    /// It accepts sessions.
    ClusterStarted {
        /// How long it took.
        took: Duration,
        /// Its version.
        server_version: String,
    },
    /// Roles and tablespaces are there.
    GlobalsRestored {
        /// How long it took.
        took: Duration,
    },
    /// A database's turn.
    DatabaseStarted {
        /// Its name.
        name: String,
        /// 1 for the first.
        position: usize,
        /// How many there are.
        total: usize,
        /// Bytes of its dump in the archive: its weight.
        bytes: u64,
    },
    /// A part of a database's dump has gone in.
    DatabaseFed {
        /// Its name.
        name: String,
        /// Bytes of its dump fed so far.
        bytes: u64,
    },
    /// A database is done.
    DatabaseFinished {
        /// Its name.
        name: String,
        /// What became of it.
        outcome: DatabaseOutcome,
        /// How long it took.
        took: Duration,
        /// Bytes of its dump in the archive.
        bytes: u64,
        /// Size of the database after the restore.
        restored_bytes: Option<u64>,
    },
    /// A check is done.
    CheckFinished {
        /// Its name.
        name: String,
        /// What became of it.
        outcome: CheckOutcome,
        /// What was expected and what was seen, for people.
        detail: String,
        /// Where the scenario says what must hold.
        place: Option<SourcePlace>,
    },
    /// Something was found.
    Found(Finding),
    /// The sandbox has been removed.
    CleanedUp {
        /// What is still there; empty = nothing.
        leftovers: Vec<String>,
        /// How long it took.
        took: Duration,
    },
    /// A recovery objective is judged.
    ObjectiveJudged {
        /// `rto` or `rpo`.
        name: &'static str,
        /// What became of it.
        outcome: CheckOutcome,
        /// What was measured and what was promised, for people.
        detail: String,
    },
    /// The last event of a run: whoever watches may go home.
    RunEnded,
    /// A scenario ends.
    ScenarioFinished {
        /// Its name.
        name: String,
        /// What pgdrill says.
        judgement: Judgement,
        /// `sample: 3 of 50 databases`; `None`: all were to be restored.
        scope: Option<String>,
        /// What the scenario expects of the backup; `None`: that it is restorable.
        expected: Option<String>,
        /// How long it took.
        took: Duration,
        /// How many databases were restored, of how many.
        restored: (usize, usize),
        /// What was not tested.
        not_tested: Vec<String>,
    },
}

/// Where events go. Cloneable; sending never blocks and never fails.
#[derive(Debug, Clone)]
pub struct EventSender(tokio::sync::mpsc::UnboundedSender<RunEvent>);

impl EventSender {
    /// A sender and the end that sinks read.
    pub fn channel() -> (Self, tokio::sync::mpsc::UnboundedReceiver<RunEvent>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends; a sink that has gone away changes nothing about the run.
    pub fn send(&self, event: RunEvent) {
        let _ = self.0.send(event);
    }
}
