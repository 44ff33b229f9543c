//! Making a sandbox.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::account::{Account, random};
use super::binaries::Binaries;
use super::command::{Bounds, INSIDE, Namespaces, Plan};
use super::first::FirstProcess;
use super::folder::{self, Marker};
use super::processes::{PidNamespace, Process};
use super::removal::Remains;
use super::{LocalSandbox, blocking, pressure};
use crate::ephemeral::EphemeralError;
use crate::ephemeral::ledger::{Entry, Ledger, Owner, Receipt, Resource};
use crate::scenario::Limits;

/// How long making the namespaces and the root may take; it is a matter of milliseconds.
const SETUP: Duration = Duration::from_secs(60);

/// What a sandbox is to be made of.
#[derive(Debug)]
pub(crate) struct LocalSpec {
    pub(crate) binaries: Binaries,
    /// Whether to go without namespaces where they are not allowed.
    pub(crate) trust_dump: bool,
    /// Where the private folder goes; by default `$TMPDIR` or /tmp.
    pub(crate) temp_dir: Option<PathBuf>,
    /// The POSIX shell script that is the first program. It starts in the work folder and finds in
    /// `PGDRILL_LOOPBACK` `up` or `down`: where it is down, 127.0.0.1 cannot be connected to.
    pub(crate) script: String,
    /// Its arguments after the first, which is the work folder.
    pub(crate) args: Vec<String>,
    pub(crate) run_id: String,
    pub(crate) scenario: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) limits: Limits,
}

/// Whether the server can run as another account than root and the owner of the machine's own
/// databases.
pub(crate) fn check_account() -> Result<(), EphemeralError> {
    Account::choose(true).map(drop)
}

/// Whether this machine lets this account make the namespaces; tries it, in some milliseconds.
pub(crate) fn namespaces_allowed() -> Result<(), EphemeralError> {
    let no = |cause: String| EphemeralError::NoNamespaces { cause };
    let account = Account::choose(true)?;
    let mut command = Plan::probe(account).map_err(|error| match error {
        EphemeralError::Exec { cause, .. } => no(cause),
        other => other,
    })?;
    let output = command.output().map_err(|error| no(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(no(if words.is_empty() { output.status.to_string() } else { words }))
}

/// Makes a sandbox and starts its first program. Returns once the sandbox stands; whether the
/// program does is what [`Sandbox::state`](crate::ephemeral::Sandbox::state) tells.
pub(crate) async fn start(
    spec: LocalSpec,
    ledger: &Ledger,
) -> Result<LocalSandbox, EphemeralError> {
    let namespaced = !spec.trust_dump
        || match blocking(namespaces_allowed).await? {
            Ok(()) => true,
            Err(EphemeralError::NoNamespaces { cause }) => {
                tracing::warn!(%cause, "the dump is trusted and runs without isolation");
                false
            }
            Err(error) => return Err(error),
        };
    start_as(spec, ledger, namespaced).await
}

/// Makes a sandbox with or without namespaces.
pub(super) async fn start_as(
    spec: LocalSpec,
    ledger: &Ledger,
    namespaced: bool,
) -> Result<LocalSandbox, EphemeralError> {
    let account = Account::choose(namespaced)?;
    let folder = folder::choose(spec.temp_dir.as_deref())?;
    let work_dir = if namespaced { INSIDE.to_owned() } else { folder::real_work_dir(&folder)? };
    let token = random::<16>()?.map(|byte| format!("{byte:02x}")).concat();
    let foreign = (!namespaced && account.foreign).then_some((account.uid, account.gid));
    let owner = Owner::this_process();
    let marker = Marker {
        token: token.clone(),
        namespaced,
        account: foreign,
        owner: Some((owner.clone(), spec.expires_at)),
    };
    let remains = Remains {
        folder: folder.clone(),
        first: None,
        pid_namespace: None,
        token: Some(token.clone()),
        by_folder: !namespaced,
        account: foreign,
    };
    let bindir = spec.binaries.bindir.clone();
    let bounds = Bounds::of(&spec.limits);
    let plan =
        Plan { folder: folder.clone(), work_dir, bindir, account, token, namespaced, bounds };
    let entry = Entry {
        run_id: spec.run_id,
        scenario: spec.scenario,
        owner,
        expires_at: spec.expires_at,
        resource: Resource::Local { folder: folder.clone(), pid: None, start_ticks: None },
    };
    // From here on, whatever fails, the entry is there until everything is observed to be gone.
    let receipt = ledger.enter(&entry)?;
    if let Err(error) = folder::create(&folder) {
        receipt.strike();
        return Err(error);
    }
    let begun = match folder::furnish(&folder, &marker, &plan.account, &spec.script) {
        Ok(()) => begin(plan, &spec.args, remains.clone(), &receipt, entry).await,
        Err(error) => Err(error),
    };
    if begun.is_err() {
        let removal = blocking(move || remains.remove()).await?;
        if removal.leftovers.is_empty() {
            receipt.strike();
        } else {
            tracing::warn!(leftovers = ?removal.leftovers, "a sandbox that failed to start stays");
        }
    }
    begun
}

/// Starts the processes in the folder that is there by now.
async fn begin(
    plan: Plan,
    arguments: &[String],
    mut remains: Remains,
    receipt: &Receipt,
    mut entry: Entry,
) -> Result<LocalSandbox, EphemeralError> {
    let failed = |cause: String| EphemeralError::Exec { program: "server.sh".to_owned(), cause };
    let namespaced = plan.namespaced;
    let command = plan.first(arguments).map_err(|error| match error {
        EphemeralError::Exec { cause, .. } if namespaced => EphemeralError::NoNamespaces { cause },
        other => other,
    })?;
    let (first, announced) = blocking(move || FirstProcess::start(command, namespaced))
        .await?
        .map_err(|error| failed(error.to_string()))?;
    let mut kept_open = None;
    let mut main = (first.process.pid, first.process.start_ticks);
    if namespaced {
        let announced = tokio::select! {
            announced = announced => announced.ok(),
            () = first.end() => None,
            () = tokio::time::sleep(SETUP) => None,
        };
        let Some(announced) = announced else {
            let cause = first.last_lines().await;
            return Err(EphemeralError::NoNamespaces { cause });
        };
        let gone = || failed("process 1 ended at once".to_owned());
        let process = Process::find(announced.pid).ok_or_else(gone)?;
        let opened = Namespaces::open(announced.pid, !plan.account.foreign)
            .map_err(|error| failed(format!("cannot open the namespaces: {error}")))?;
        remains.pid_namespace = PidNamespace::of(announced.pid);
        // Still the same process, so what was opened in between is its.
        Process::find_exact(process.pid, process.start_ticks).ok_or_else(gone)?;
        if remains.pid_namespace.is_none() {
            return Err(failed("process 1 is not in a pid namespace of its own".to_owned()));
        }
        main = (process.pid, process.start_ticks);
        if !announced.loopback {
            tracing::warn!(
                "without iproute2, ifconfig, busybox or Perl the sandbox has no loopback"
            );
        }
        kept_open = Some(Arc::new(opened));
    }
    remains.first = Some(main);
    entry.resource = Resource::Local {
        folder: plan.folder.clone(),
        pid: Some(main.0),
        start_ticks: Some(main.1),
    };
    receipt.rewrite(&entry)?;
    Ok(LocalSandbox {
        plan,
        first,
        namespaces: Mutex::new(kept_open),
        remains,
        kills_before: pressure::own_memory_kills(),
        receipt: receipt.clone(),
        removal: tokio::sync::Mutex::new(()),
    })
}
