//! A sample cluster archive, made on a throwaway server as dbbackup would make it.

use std::fs;
use std::io::{self, Write as _};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::cluster::{open, until_ready};
use super::programs::collect_into;
use super::scenario_run::RunOptions;
use crate::backup::PostgresVersion;
use crate::ephemeral::ledger::Ledger;
use crate::ephemeral::{
    self, EngineKind, EngineRequest, EphemeralError, ExecCommand, Sandbox, Selected, StartRequest,
};
use crate::outcome::ExitCode;
use crate::plan::DEFAULT_MAJOR;
use crate::postgres::SessionError;
use crate::scenario::{EngineChoice, ImageChoice, Limits};
use crate::text::quote_conninfo;

const SQL: &str = include_str!("sample.sql");
const ARCHIVE: &str = "cluster_20260130_021011.tar.gz";
/// Any server will do: the local engine takes what is there.
const OLDEST_MAJOR: u32 = 10;
const BOOTSTRAP: &str = "postgres";

/// The archive that was made.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Where it lies.
    pub archive: Utf8PathBuf,
    /// How many databases it holds.
    pub databases: usize,
    /// The server it was made on.
    pub server_version: String,
    /// The engine of that server.
    pub engine: EngineKind,
}

/// Why no sample could be made.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// No throwaway server.
    #[error(transparent)]
    Ephemeral(#[from] EphemeralError),
    /// The server refused the sample's SQL.
    #[error("the server refused the sample: {0}")]
    Refused(String),
    /// A program failed.
    #[error("{program} ended with status {status}: {complaint}")]
    Program {
        /// Which.
        program: &'static str,
        /// Its exit status.
        status: i64,
        /// What it said.
        complaint: String,
    },
    /// The archive could not be written.
    #[error("failed to write the sample archive `{path}`")]
    Write {
        /// Which file.
        path: Utf8PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The server was not removed as a whole.
    #[error("the throwaway server left something behind: {0}")]
    Leftovers(String),
    /// A signal came.
    #[error("ended by a signal")]
    Cancelled,
}

impl SampleError {
    /// What to do next, and what lies behind the error.
    pub fn help(&self) -> Vec<String> {
        match self {
            Self::Ephemeral(error) => {
                let cause = error.cause().map(|cause| format!("Cause: {cause}"));
                let steps = crate::remedy::steps(error.code());
                cause.into_iter().chain(error.next_step()).chain(steps).collect()
            }
            Self::Write { source, .. } => vec![format!("Cause: {source}")],
            Self::Leftovers(_) => vec!["Run pgdrill sweep.".to_owned()],
            Self::Refused(_) | Self::Program { .. } | Self::Cancelled => Vec::new(),
        }
    }

    /// The exit code for it: never the backup's fault, there is none yet.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Cancelled => ExitCode::Interrupted,
            Self::Ephemeral(_)
            | Self::Refused(_)
            | Self::Program { .. }
            | Self::Write { .. }
            | Self::Leftovers(_) => ExitCode::Errored,
        }
    }
}

/// Makes the archive, its sidecar included, in `folder`.
///
/// The throwaway server is removed whatever happens, a signal included.
pub async fn make(
    folder: &Utf8Path,
    options: &RunOptions,
    cancel: &CancellationToken,
) -> Result<Sample, SampleError> {
    let selected = select(options).await?;
    let request = StartRequest {
        run_id: options.run_id.clone(),
        scenario: "demo".to_owned(),
        superuser: BOOTSTRAP.to_owned(),
        major: DEFAULT_MAJOR,
        limits: Limits::default(),
        settings: Vec::new(),
        expires_at: Timestamp::now()
            .checked_add(SignedDuration::from_hours(24))
            .unwrap_or(Timestamp::MAX),
    };
    let ledger = Ledger::open(&options.home)?;
    let sandbox: Arc<dyn Sandbox> = ephemeral::start(&selected, request, &ledger).await?.into();
    let made = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(SampleError::Cancelled),
        made = fill_and_dump(&*sandbox, folder) => made,
    };
    let removal = sandbox.remove().await;
    let (databases, version) = made?;
    if !removal.leftovers.is_empty() {
        return Err(SampleError::Leftovers(removal.leftovers.join(", ")));
    }
    Ok(Sample {
        archive: folder.join(ARCHIVE),
        databases,
        server_version: PostgresVersion(version).number().to_owned(),
        engine: selected.kind,
    })
}

async fn select(options: &RunOptions) -> Result<Selected, EphemeralError> {
    let request = |choice, major| EngineRequest {
        choice,
        image: options.image.clone().map(ImageChoice::Template),
        pull: options.pull.unwrap_or_default(),
        major,
        pg_bindir: options.pg_bindir.clone(),
        trust_dump: options.trust_dump,
        limits: Limits::default(),
    };
    let choice = options.engine.unwrap_or_default();
    let docker = match choice {
        EngineChoice::Local => None,
        EngineChoice::Docker | EngineChoice::Auto => {
            Some(ephemeral::select(&request(EngineChoice::Docker, DEFAULT_MAJOR)).await)
        }
    };
    match docker {
        Some(Ok(selected)) => Ok(selected),
        Some(Err(error)) if choice == EngineChoice::Docker => Err(error),
        Some(Err(docker)) => {
            ephemeral::select(&request(EngineChoice::Local, OLDEST_MAJOR)).await.map_err(|local| {
                EphemeralError::NoEngine { docker: Box::new(docker), local: Box::new(local) }
            })
        }
        None => ephemeral::select(&request(EngineChoice::Local, OLDEST_MAJOR)).await,
    }
}

fn refused(error: &SessionError) -> SampleError {
    SampleError::Refused(error.to_string())
}

async fn fill_and_dump(
    sandbox: &dyn Sandbox,
    folder: &Utf8Path,
) -> Result<(usize, String), SampleError> {
    let first = until_ready(sandbox, BOOTSTRAP).await?;
    let rows = first
        .query("select version(), current_setting('server_version')", &[])
        .await
        .map_err(|error| refused(&error))?;
    let (long, short): (String, String) =
        rows.first().map(|row| (row.get(0), row.get(1))).unwrap_or_default();
    let mut names = vec!["postgres".to_owned()];
    for (index, part) in SQL.split("\n\\connect ").enumerate() {
        if index == 0 {
            // CREATE DATABASE stands alone: statements one by one.
            for statement in part.split(";\n").filter(|text| !text.trim().is_empty()) {
                first.execute(statement).await.map_err(|error| refused(&error))?;
            }
            continue;
        }
        let (name, sql) = part.split_once('\n').unwrap_or((part, ""));
        let session = open(sandbox, BOOTSTRAP, name).await?;
        session.execute(sql).await.map_err(|error| refused(&error))?;
        names.push(name.to_owned());
    }
    drop(first);
    names.sort();
    let path = folder.join(ARCHIVE);
    let failed = |source| SampleError::Write { path: path.clone(), source };
    let file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::new(6)));
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).map_err(failed)
    };
    for name in &names {
        let dump = dump(sandbox, "pg_dump", &["--format=custom"], name).await?;
        add(&format!("dumps/{name}.dump"), &dump)?;
    }
    // Last, as dbbackup writes it: members are in the order of their names.
    let globals = dump(sandbox, "pg_dumpall", &["--globals-only"], "postgres").await?;
    add("globals.sql", &globals)?;
    let file = archive.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    sidecar(&path, &names, &long).map_err(failed)?;
    Ok((names.len(), short))
}

async fn dump(
    sandbox: &dyn Sandbox,
    program: &'static str,
    options: &[&str],
    database: &str,
) -> Result<Vec<u8>, SampleError> {
    let work = sandbox.work_dir();
    // The folder of the programs is known inside the sandbox only.
    let script = "program=$1; shift; exec \"$(cat \"$0/bindir\")/$program\" \"$@\"";
    let conninfo = format!(
        "host={} port=5432 user={BOOTSTRAP} dbname={}",
        quote_conninfo(&format!("{work}/sock")),
        quote_conninfo(database)
    );
    let mut argv = vec!["sh", "-c", script, work, program];
    argv.extend(options);
    let target = format!("--dbname={conninfo}");
    argv.push(&target);
    let exec = sandbox.exec(ExecCommand::new(argv).env("LC_ALL", "C")).await?;
    let mut bytes = Vec::new();
    let output = collect_into(exec, &mut bytes).await?;
    if output.status == 0 {
        Ok(bytes)
    } else {
        Err(SampleError::Program {
            program,
            status: output.status,
            complaint: crate::text::one_line(&output.stderr, 300),
        })
    }
}

/// dbbackup's `.meta.json` beside a cluster archive.
fn sidecar(path: &Utf8Path, names: &[String], server: &str) -> io::Result<()> {
    let archive = fs::read(path)?;
    let hash = Sha256::digest(&archive).iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let now = Timestamp::now().to_string();
    let databases: Vec<_> = names
        .iter()
        .map(|name| {
            json!({"database": name, "database_type": "postgres", "database_version": server, "timestamp": now})
        })
        .collect();
    let count = names.len().to_string();
    let meta = json!({
        "version": "2.0", "timestamp": now, "cluster_name": "localhost:5432",
        "database_type": "postgres", "host": "localhost", "port": 5432, "databases": databases,
        "total_size_bytes": archive.len(), "duration_seconds": 0.1,
        "extra_info": {
            "archive_sha256": hash, "database_count": count, "success_count": count,
            "failure_count": "0", "database_version": server,
        },
    });
    let mut file = fs::File::create(format!("{path}.meta.json"))?;
    file.write_all(&serde_json::to_vec_pretty(&meta)?)
}
