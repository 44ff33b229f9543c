//! From the start to the removal.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tokio::io::AsyncWriteExt as _;

use super::{SERVER, connect, programs, query, run, shell, spec};
use crate::ephemeral::ledger::{Ledger, Resource};
use crate::ephemeral::local::start::start_as;
use crate::ephemeral::local::{find_binaries, folder, processes, start, sweep_local};
use crate::ephemeral::{EphemeralError, ExecCommand, ExecOutput, Sandbox, SandboxState};

#[tokio::test(flavor = "multi_thread")]
async fn programs_run_as_the_servers_account_and_tell_how_they_end() {
    let binaries = programs();
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    let sandbox = start(spec(binaries, home.path(), SERVER), &ledger).await.unwrap();
    assert_eq!(query(&connect(&sandbox).await, "show timezone").await, "UTC");
    let (code, out, _) = run(&sandbox, ExecCommand::new(["pg_dump", "--version"])).await;
    assert_eq!((code, out.starts_with("pg_dump (PostgreSQL)")), (0, true));
    let status = "pwd; env; grep -E 'Cap(Eff|Bnd)|NoNew' /proc/self/status";
    let (_, out, _) = shell(&sandbox, status).await;
    assert!(out.starts_with("/pgdrill\n") && out.contains("NoNewPrivs:\t1"), "{out}");
    assert!(!out.contains("PGDRILL_UID") && !out.contains("PGDRILL_DROP"), "{out}");
    assert_eq!(out.matches("0000000000000000").count(), 2, "{out}");
    let (code, _, err) = run(&sandbox, ExecCommand::new(["no-such-program"])).await;
    assert!(code == 127 && err.contains("no-such-program"), "{code} {err}");
    assert_eq!(shell(&sandbox, "kill -9 $$").await.0, 137);
    assert_eq!(shell(&sandbox, "exit 7").await.0, 7);
    let psql = "psql -X -A -t -h 127.0.0.1 -U x -c 'select 1' postgres";
    assert_eq!(shell(&sandbox, psql).await.1, "1\n");
    let named = ExecCommand::new(["sh", "-c", "echo \"$NAME\""]).env("NAME", "with space");
    assert_eq!(run(&sandbox, named).await.1, "with space\n");
    assert!(sandbox.remove().await.leftovers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn much_data_goes_in_and_the_shutdown_is_its_end() {
    let binaries = programs();
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    let sandbox = start(spec(binaries, home.path(), "sleep 600"), &ledger).await.unwrap();
    let command = ExecCommand::new(["sh", "-c", "cat >big; wc -c <big"]).with_stdin();
    let mut exec = sandbox.exec(command).await.unwrap();
    let mut stdin = exec.stdin.take().unwrap();
    let piece = vec![7; 1 << 20];
    for _ in 0..100 {
        stdin.write_all(&piece).await.unwrap();
    }
    stdin.shutdown().await.unwrap();
    let Some(ExecOutput::Stdout(bytes)) = exec.output.recv().await else { panic!() };
    assert_eq!(bytes, "104857600\n");
    assert!(exec.output.recv().await.is_none());
    assert_eq!(exec.exit.await.unwrap(), 0);
    // One that is still running when all is removed.
    let endless = ExecCommand::new(["cat", "/dev/zero"]);
    let mut endless = sandbox.exec(endless).await.unwrap();
    assert!(endless.output.recv().await.is_some());
    assert!(sandbox.remove().await.leftovers.is_empty());
    drop(endless.output);
    assert_eq!(endless.exit.await.unwrap(), 137);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_run_side_by_side_and_one_that_ends_tells_why() {
    let binaries = programs();
    let home = tempfile::tempdir().unwrap();
    let mut sandboxes = Vec::new();
    for _ in 0..4 {
        // One ledger each: they all say to be of the same run.
        let ledger = Ledger::open(&home.path().join(sandboxes.len().to_string())).unwrap();
        sandboxes.push(start(spec(binaries.clone(), home.path(), SERVER), &ledger).await.unwrap());
    }
    let (last, others) = sandboxes.split_last().unwrap();
    for sandbox in others {
        connect(sandbox).await;
    }
    for sandbox in others {
        assert!(sandbox.remove().await.leftovers.is_empty());
    }
    assert_eq!(query(&connect(last).await, "select 1").await, "1");
    assert!(last.remove().await.leftovers.is_empty());

    let ledger = Ledger::open(home.path()).unwrap();
    let script = "seq 1 1000; echo no good >&2; exit 3";
    let sandbox = start(spec(binaries, home.path(), script), &ledger).await.unwrap();
    sandbox.first.end().await;
    let SandboxState::Ended { last_lines, .. } = sandbox.state().await.unwrap() else { panic!() };
    assert!(
        last_lines.starts_with("902\n") && last_lines.ends_with("1000\nno good"),
        "{last_lines}"
    );
    assert!(sandbox.remove().await.leftovers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_removes_what_is_ours_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    // The number of a process that is not the sandbox's: that of this test.
    let pid = Some(std::process::id());
    let sweep = |folder: &Path| {
        let start_ticks = processes::Process::find(std::process::id()).map(|it| it.start_ticks);
        sweep_local(&Resource::Local { folder: folder.to_owned(), pid, start_ticks }).leftovers
    };
    assert!(sweep(home.path())[0].contains("its name"));
    let innocent = home.path().join("pgdrill-innocent");
    fs::create_dir(&innocent).unwrap();
    fs::write(innocent.join("letter"), "dear").unwrap();
    assert!(sweep(&innocent)[0].contains("no marker"), "{:?}", sweep(&innocent));
    assert!(innocent.join("letter").exists());
    let link = home.path().join("pgdrill-link");
    symlink(&innocent, &link).unwrap();
    assert!(sweep(&link)[0].contains("not a folder of this account"));
    assert!(sweep(&home.path().join("pgdrill-gone")).is_empty());
    let empty = home.path().join("pgdrill-empty");
    fs::create_dir(&empty).unwrap();
    assert!(sweep(&empty).is_empty() && !empty.exists());

    let binaries = programs();
    let sandbox = start(spec(binaries, home.path(), "sleep 600"), &ledger).await.unwrap();
    let (receipt, entry) = ledger.entries().pop().unwrap();
    let pid = sandbox.remains.first.unwrap().0;
    assert!(
        tokio::task::spawn_blocking(move || sweep_local(&entry.resource))
            .await
            .unwrap()
            .leftovers
            .is_empty()
    );
    assert!(!sandbox.plan.folder.exists());
    assert!(processes::is_zombie(pid));
    receipt.strike();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_folder_is_named() {
    let binaries = programs();
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    let missing = home.path().join("missing");
    let error = start(spec(binaries.clone(), &missing, ""), &ledger).await.unwrap_err();
    assert!(
        matches!(&error, EphemeralError::Folder { path, .. } if Path::new(path) == missing),
        "{error:?}"
    );
    assert!(ledger.entries().is_empty());
    let long = home.path().join("x".repeat(100));
    assert!(folder::real_work_dir(&long).is_err());
    if !rustix::process::geteuid().is_root() {
        let closed = home.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        let error = start(spec(binaries, &closed, ""), &ledger).await.unwrap_err();
        assert!(matches!(error, EphemeralError::Folder { action: "create", .. }), "{error:?}");
        assert!(ledger.entries().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_namespaces_nothing_is_left_either() {
    let binaries = find_binaries(None, 10).unwrap();
    let home = tempfile::tempdir().unwrap();
    // As root, the account `nobody` has to get there.
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    let sandbox = start_as(spec(binaries, home.path(), SERVER), &ledger, false).await.unwrap();
    assert_eq!(query(&connect(&sandbox).await, "select 1").await, "1");
    let isolation = sandbox.isolation().await.unwrap();
    assert_eq!((isolation.boundary.as_str(), isolation.network_isolated), ("none", false));
    assert!(!isolation.facts.contains(&"uid=0".to_owned()), "{isolation:?}");
    assert_eq!(shell(&sandbox, "pwd").await.1.trim(), sandbox.work_dir());
    // One known by its environment only, one by its folder only.
    let one = "cd /; setsid sleep 4321 >/dev/null 2>&1 </dev/null & echo $!";
    let two = "setsid env -i sleep 4321 >/dev/null 2>&1 </dev/null & echo $!";
    for script in [one, two] {
        let pid: u32 = shell(&sandbox, script).await.1.trim().parse().unwrap();
        assert!(!processes::is_zombie(pid));
    }
    assert_eq!(sandbox.remove().await.leftovers, Vec::<String>::new());
    assert!(ledger.entries().is_empty() && !sandbox.plan.folder.exists());
    assert!(!processes::all().any(|pid| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x004321\0")
    }));
}
