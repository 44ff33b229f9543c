//! What a dump might try.

use std::fs;
use std::path::Path;

use tokio_postgres::Client;

use super::{SERVER, connect, programs, query, shell, spec};
use crate::ephemeral::ledger::{Ledger, start_ticks};
use crate::ephemeral::local::{processes, start};
use crate::ephemeral::{EphemeralError, ExecCommand, Sandbox, SandboxState};

/// A shell script, and what its output must have in it.
const ATTACKS: [(&str, &str); 15] = [
    ("touch /tmp/pgdrill_escape; ls /tmp", "pgdrill_escape"),
    ("id -un", "postgres"),
    ("cat /etc/shadow", "No such file"),
    ("ls /home", "No such file"),
    ("ls /root /var/lib /sys", "No such file"),
    ("echo x >/etc/ld.so.preload", "Read-only"),
    ("echo x >/usr/pgdrill_escape", "Read-only"),
    ("unshare -Ur true", "unshare failed"),
    ("unshare -n true", "unshare failed"),
    ("mount -t tmpfs x /tmp", "superuser"),
    ("readlink /proc/1/fd/1 || echo denied", "denied"),
    ("cat /proc/1/environ || echo denied", "denied"),
    ("ls /proc/1/root/ || echo denied", "denied"),
    ("kill -9 1; kill -STOP 1; echo survived", "survived"),
    (
        "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => \"1.1.1.1:53\") or print $!'",
        "Network is unreachable",
    ),
];

/// What a dump's shell prints.
async fn attack(client: &Client, script: &str) -> String {
    let sql = format!(
        "create temp table if not exists t (line text); truncate t; \
         copy t from program $x${{ {script} ; }} 2>&1; true$x$ with (format csv, delimiter e'\\x01', quote e'\\x02'); \
         select line from t"
    );
    query(client, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_dump_gets_nowhere() {
    let binaries = programs();
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    let sandbox = start(spec(binaries, home.path(), SERVER), &ledger).await.unwrap();
    let client = connect(&sandbox).await;
    for (script, expected) in ATTACKS {
        let answer = attack(&client, script).await;
        assert!(answer.contains(expected), "{script}: {answer}");
    }
    assert!(!Path::new("/tmp/pgdrill_escape").exists());
    let sql = "select string_agg(x, ' ' order by x) from pg_ls_dir('/') x where x !~ 'lib|bin'";
    assert_eq!(query(&client, sql).await, "dev etc pgdrill proc run tmp usr var");
    // What is in the place of the server's socket is not followed out of the sandbox.
    shell(&sandbox, "mv sock real; ln -s real sock").await;
    assert!(sandbox.dial().await.is_err());
    assert!(sandbox.remove().await.leftovers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn isolation_is_what_the_kernel_says() {
    let binaries = programs();
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    let sandbox = start(spec(binaries, home.path(), "sleep 600"), &ledger).await.unwrap();
    let isolation = sandbox.isolation().await.unwrap();
    assert_eq!(isolation.boundary, "namespaces", "{isolation:?}");
    assert!(isolation.network_isolated);
    // Some kernels put dead ends of tunnels into every network namespace.
    for fact in ["capabilities=none", "no_new_privileges=yes", "root=private", "interfaces=lo"] {
        let holds = isolation.facts.iter().any(|it| it.starts_with(fact));
        assert!(holds, "{fact}: {isolation:?}");
    }
    let uid = format!("uid={}", sandbox.plan.account.outside_uid);
    let uids: Vec<&String> = isolation.facts.iter().filter(|it| it.starts_with("uid=")).collect();
    assert_eq!(uids, [&uid]);
    assert!(sandbox.remove().await.leftovers.is_empty());
    assert!(sandbox.isolation().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left() {
    let binaries = programs();
    let home = tempfile::tempdir().unwrap();
    // Longer than the path of a socket may be, too.
    let temp = home.path().join(format!("spaces & ünïcode {}", "x".repeat(100)));
    fs::create_dir(&temp).unwrap();
    let ledger = Ledger::open(home.path()).unwrap();
    let sandbox = start(spec(binaries, &temp, SERVER), &ledger).await.unwrap();
    assert_eq!(ledger.entries().len(), 1);
    connect(&sandbox).await;
    let stubborn = "trap '' TERM HUP; while :; do sleep 60; done";
    let script = format!("setsid env -i sh -c \"{stubborn}\" >/dev/null 2>&1 </dev/null &");
    shell(&sandbox, &script).await;
    shell(&sandbox, "mkdir locked; cd locked; touch x; mkdir y; chmod 000 y; chmod 000 .").await;
    shell(&sandbox, "ln -s /etc link; perl -e 'for (1..3000) { mkdir \"d\"; chdir \"d\" }'").await;

    // By their start: the kernel gives the number of an ended namespace to the next one.
    let inside = sandbox.remains.pid_namespace.as_ref().unwrap();
    let before: Vec<_> = processes::all()
        .filter(|pid| inside.has(*pid))
        .filter_map(|pid| Some((pid, start_ticks(pid)?)))
        .collect();
    assert!(before.len() > 3, "{before:?}");
    assert_eq!(sandbox.remove().await.leftovers, Vec::<String>::new());
    assert_eq!(sandbox.remove().await.leftovers, Vec::<String>::new());
    assert!(ledger.entries().is_empty());
    assert_eq!(fs::read_dir(&temp).unwrap().count(), 0);
    // Ended they are; whoever started them may take a moment to ask how.
    let asked = std::time::Instant::now();
    while before.iter().any(|(pid, ticks)| start_ticks(*pid) == Some(*ticks)) {
        assert!(asked.elapsed() < std::time::Duration::from_secs(10), "{before:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let name = sandbox.plan.folder.file_name().unwrap().to_str().unwrap();
    assert!(!mounts.contains(name));
    assert!(matches!(sandbox.state().await.unwrap(), SandboxState::Ended { .. }));
    let refused = sandbox.exec(ExecCommand::new(["true"])).await.err();
    assert!(matches!(refused, Some(EphemeralError::ServerEnded { .. })));
}
