//! A run in the background that has come to a certain line of its output.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Bench, LOCAL_MAJOR, Layout, fixture, gzip, members, tar};

/// See [`start`].
pub struct Running {
    pub child: Child,
}

/// The whole fixture as an archive.
pub fn whole_backup(bench: &Bench) -> std::path::PathBuf {
    let archive = gzip(&tar(&members(&fixture(LOCAL_MAJOR).folder, Layout::V4)));
    bench.write("c.tar.gz", &archive)
}

/// Starts a restore test and returns once it has said `line`.
pub fn start(bench: &Bench, engine: &str, line: &'static str) -> Running {
    let mut command = bench.command();
    let backup = whole_backup(bench);
    command.args(["verify", backup.to_str().unwrap(), "--restore-test", "--engine", engine]);
    command.arg("--json").arg(bench.path("r.json")).arg("--junit").arg(bench.path("j.xml"));
    start_command(command, line)
}

/// Starts a command likewise.
pub fn start_command(mut command: Command, line: &'static str) -> Running {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let output = child.stdout.take().unwrap();
    let (found, has_found) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for said in BufReader::new(output).lines().map_while(Result::ok) {
            if said.contains(line) {
                let _ = found.send(());
            }
        }
    });
    has_found.recv_timeout(Duration::from_secs(120)).expect("the run came to the moment");
    Running { child }
}

impl Running {
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(60), "the run does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
