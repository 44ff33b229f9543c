//! With real servers: PostgreSQL programs and namespaces are needed, and absence fails.

mod hostile;
mod life;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::{Binaries, LocalSandbox, LocalSpec, find_binaries, namespaces_allowed};
use crate::ephemeral::{ExecCommand, ExecOutput, Sandbox, SandboxState};
use crate::scenario::Limits;

const SERVER: &str = r#"
initdb --no-sync -D data -U x -A trust --locale=C -E UTF8 >/dev/null && mkdir -m 700 sock &&
    exec postgres -D data -k "$1/sock" -c listen_addresses=127.0.0.1 -c port=5432 -c fsync=off
"#;

/// Absence fails: a test that quietly looks at nothing would be green.
fn programs() -> Binaries {
    namespaces_allowed().expect("these tests need namespaces: run them as root");
    find_binaries(None, 10).expect("these tests need PostgreSQL programs: ci/test installs them")
}

fn spec(binaries: Binaries, temp_dir: &Path, script: &str) -> LocalSpec {
    LocalSpec {
        binaries,
        trust_dump: false,
        temp_dir: Some(temp_dir.to_owned()),
        script: script.to_owned(),
        args: Vec::new(),
        run_id: "run".to_owned(),
        scenario: "scenario".to_owned(),
        expires_at: Timestamp::now(),
        limits: Limits::default(),
    }
}

/// Runs a program to its end: status, output, errors.
async fn run(sandbox: &LocalSandbox, command: ExecCommand) -> (i64, String, String) {
    let mut exec = sandbox.exec(command).await.unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(piece) = exec.output.recv().await {
        match piece {
            ExecOutput::Stdout(bytes) => out.extend_from_slice(&bytes),
            ExecOutput::Stderr(bytes) => err.extend_from_slice(&bytes),
        }
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exec.exit.await.unwrap(), text(out), text(err))
}

async fn shell(sandbox: &LocalSandbox, script: &str) -> (i64, String, String) {
    run(sandbox, ExecCommand::new(["sh", "-c", script])).await
}

async fn connect(sandbox: &LocalSandbox) -> Client {
    for _ in 0..600 {
        if let Ok(stream) = sandbox.dial().await
            && let Ok((client, connection)) =
                Config::new().user("x").dbname("postgres").connect_raw(stream, NoTls).await
        {
            tokio::spawn(connection);
            return client;
        }
        assert_eq!(sandbox.state().await.unwrap(), SandboxState::Running);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no connection");
}

async fn query(client: &Client, sql: &str) -> String {
    let mut lines = Vec::new();
    for message in client.simple_query(sql).await.unwrap() {
        if let SimpleQueryMessage::Row(row) = message {
            lines.push(row.get(0).unwrap_or_default().to_owned());
        }
    }
    lines.join("\n")
}
