//! Programs inside the sandbox: run, fed, and listened to within bounds.

use tokio::io::AsyncWriteExt as _;

use crate::ephemeral::{EphemeralError, Exec, ExecCommand, ExecOutput, Sandbox};

/// Kept of each stream: the first lines tell, millions more tell nothing new.
const KEPT_BYTES: usize = 512 * 1024;

/// What a program printed, cut to bounds, and how it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) status: i64,
}

/// Takes a program's output in until it ends. The streams are drained to the end, whatever is kept.
pub(super) async fn collect(exec: Exec) -> Result<Output, EphemeralError> {
    let mut stdout = Vec::new();
    let mut output = take_in(exec, &mut stdout, KEPT_BYTES).await?;
    output.stdout = String::from_utf8_lossy(&stdout).into_owned();
    Ok(output)
}

/// The same for a program whose standard output is wanted as a whole, as bytes.
pub(super) async fn collect_into(
    exec: Exec,
    stdout: &mut Vec<u8>,
) -> Result<Output, EphemeralError> {
    take_in(exec, stdout, usize::MAX).await
}

/// The same, up to so many bytes.
pub(super) async fn collect_up_to(
    exec: Exec,
    stdout: &mut Vec<u8>,
    limit: usize,
) -> Result<Output, EphemeralError> {
    take_in(exec, stdout, limit).await
}

async fn take_in(
    mut exec: Exec,
    stdout: &mut Vec<u8>,
    limit: usize,
) -> Result<Output, EphemeralError> {
    drop(exec.stdin.take());
    let mut stderr = Vec::new();
    while let Some(piece) = exec.output.recv().await {
        let (kept, bytes, limit) = match piece {
            ExecOutput::Stdout(bytes) => (&mut *stdout, bytes, limit),
            ExecOutput::Stderr(bytes) => (&mut stderr, bytes, KEPT_BYTES),
        };
        let room = limit.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    Ok(Output {
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        status: exec.exit.await?,
    })
}

/// Runs a program without input to its end.
pub(super) async fn run(
    sandbox: &dyn Sandbox,
    command: ExecCommand,
) -> Result<Output, EphemeralError> {
    collect(sandbox.exec(command).await?).await
}

/// A program that is being fed.
///
/// Its output is taken in by a task of its own, so that neither side can block the other.
pub(super) struct Feeding {
    input: Option<Box<dyn tokio::io::AsyncWrite + Send + Unpin>>,
    output: tokio::task::JoinHandle<Result<Output, EphemeralError>>,
    /// The program stopped reading; what it printed says why.
    is_deaf: bool,
}

impl Feeding {
    pub(super) async fn start(
        sandbox: &dyn Sandbox,
        command: ExecCommand,
    ) -> Result<Self, EphemeralError> {
        let mut exec = sandbox.exec(command.with_stdin()).await?;
        let input = exec.stdin.take();
        Ok(Self { input, output: tokio::spawn(collect(exec)), is_deaf: false })
    }

    /// Feeds a piece. A program that has stopped reading is no error here: [`Feeding::finish`]
    /// tells how it ended.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        if self.is_deaf {
            return;
        }
        if let Some(input) = &mut self.input
            && input.write_all(bytes).await.is_err()
        {
            self.is_deaf = true;
        }
    }

    /// Ends the input and waits for the program's end. `true` = it had stopped reading before.
    pub(super) async fn finish(mut self) -> Result<(Output, bool), EphemeralError> {
        if let Some(mut input) = self.input.take() {
            let ended = input.shutdown().await;
            self.is_deaf |= ended.is_err();
        }
        let output = self.output.await.map_err(|error| EphemeralError::Exec {
            program: "a restore program".to_owned(),
            cause: error.to_string(),
        })??;
        Ok((output, self.is_deaf))
    }
}
