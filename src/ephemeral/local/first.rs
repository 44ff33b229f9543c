//! The first process of a sandbox: started by a thread that lives as long as it does.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read as _};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::processes::Process;

/// How many of the last lines are kept, and how long each may be.
const LINES: usize = 100;
const LINE_BYTES: usize = 2000;
/// What `enter.sh` prints once all is ready.
const ANNOUNCEMENT: &str = "pgdrill-first ";

/// What `enter.sh` tells.
#[derive(Debug)]
pub(super) struct Announced {
    /// Process 1 of the namespaces, as seen from here.
    pub(super) pid: u32,
    /// Whether the loopback interface is up.
    pub(super) loopback: bool,
}

/// The outermost process of the chain; all inside ends with it. Dropping this ends it.
#[derive(Debug)]
pub(super) struct FirstProcess {
    pub(super) process: Process,
    ended: watch::Receiver<bool>,
    tail: Arc<Mutex<Tail>>,
}

#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    partial: Vec<u8>,
    closed: bool,
    announce: Option<oneshot::Sender<Announced>>,
}

impl FirstProcess {
    /// Starts it. With `wait_for_setup`, the receiver gets what `enter.sh` tells when all is set up.
    ///
    /// The kernel ties the signal that ends the chain along with us (`PR_SET_PDEATHSIG`) to the
    /// thread that started it, so that thread does nothing else but wait for it.
    pub(super) fn start(
        mut command: Command,
        wait_for_setup: bool,
    ) -> io::Result<(Self, oneshot::Receiver<Announced>)> {
        let (sender, announced) = oneshot::channel();
        let tail = Tail { announce: wait_for_setup.then_some(sender), ..Tail::default() };
        let tail = Arc::new(Mutex::new(tail));
        let (reader, writer) = io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let (started, start) = mpsc::sync_channel(1);
        let (end, ended) = watch::channel(false);
        thread::Builder::new().name("pgdrill-sandbox".to_owned()).spawn(move || {
            let child = command.spawn();
            // Holds the other ends of the pipe.
            drop(command);
            match child {
                Ok(mut child) => {
                    // Not yet waited for, so the number is still its own.
                    let process = Process::find(child.id());
                    let _ =
                        started.send(process.ok_or_else(|| io::Error::other("no such process")));
                    let _ = child.wait();
                    end.send_replace(true);
                }
                Err(error) => drop(started.send(Err(error))),
            }
        })?;
        let process = start.recv().map_err(io::Error::other)??;
        let shared = Arc::clone(&tail);
        let first = Self { process, ended, tail };
        thread::Builder::new()
            .name("pgdrill-output".to_owned())
            .spawn(move || follow(reader, &shared))?;
        Ok((first, announced))
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits for its end.
    pub(super) async fn end(&self) {
        // An error means that the thread is gone, after the process.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// The last lines it printed; once it has ended, all of them are waited for, but not long:
    /// without namespaces a stray process may hold the pipe.
    pub(super) async fn last_lines(&self) -> String {
        for _ in 0..50 {
            if !self.has_ended() || lock(&self.tail).closed {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let tail = lock(&self.tail);
        let mut lines: Vec<String> = tail.lines.iter().cloned().collect();
        if !tail.partial.is_empty() {
            lines.push(String::from_utf8_lossy(&tail.partial).into_owned());
        }
        lines.join("\n")
    }
}

impl Drop for FirstProcess {
    fn drop(&mut self) {
        self.process.kill();
    }
}

fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads to the end, whatever comes, so that the server never blocks on its own messages.
fn follow(mut reader: PipeReader, tail: &Mutex<Tail>) {
    let mut buffer = [0; 8192];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => lock(tail).push(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    lock(tail).closed = true;
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                // The rest of an overlong line is dropped.
                byte if self.partial.len() < LINE_BYTES => self.partial.push(*byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        if self.announce.is_some()
            && let Some(announced) = line.strip_prefix(ANNOUNCEMENT).and_then(parse)
        {
            // What came before is the setup's, and it went well.
            self.lines.clear();
            if let Some(announce) = self.announce.take() {
                let _ = announce.send(announced);
            }
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

fn parse(line: &str) -> Option<Announced> {
    let (pid, loopback) = line.split_once(' ')?;
    Some(Announced { pid: pid.parse().ok()?, loopback: loopback == "up" })
}

#[cfg(test)]
mod tests {
    use super::{FirstProcess, LINES, Tail};
    use std::process::Command;
    use tokio::sync::oneshot;

    #[test]
    fn the_tail_is_bounded_and_only_the_first_announcement_counts() {
        let (sender, mut announced) = oneshot::channel();
        let mut tail = Tail { announce: Some(sender), ..Tail::default() };
        tail.push(b"setting up\npgdrill-first 17 up\npgdrill-first 1 up\n");
        assert_eq!(announced.try_recv().unwrap().pid, 17);
        assert_eq!(tail.lines, ["pgdrill-first 1 up"]);
        tail.push(&vec![b'x'; 1 << 20]);
        tail.push(&b"\ny".repeat(500));
        assert_eq!(tail.lines.len(), LINES);
        assert_eq!(tail.partial, b"y");
    }

    #[tokio::test]
    async fn the_end_and_the_last_words_are_noticed() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; printf two >&2; exit 3"]);
        let (first, _) = FirstProcess::start(command, false).unwrap();
        first.end().await;
        assert!(first.has_ended());
        assert_eq!(first.last_lines().await, "one\ntwo");
    }
}
