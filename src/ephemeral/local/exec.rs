//! Programs started in a running sandbox, and their pipes.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;

use super::command::{Namespaces, Plan};
use crate::ephemeral::{EphemeralError, Exec, ExecCommand, ExecOutput};

/// How much is read at once, and how many such pieces may wait for the reader.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 16;

/// Starts a program. Needs a Tokio runtime.
pub(super) fn start(
    plan: &Plan,
    program: &ExecCommand,
    namespaces: Option<Arc<Namespaces>>,
) -> Result<Exec, EphemeralError> {
    let name = program.argv.first().cloned().unwrap_or_default();
    let failed = move |error: io::Error| EphemeralError::Exec {
        program: name.clone(),
        cause: error.to_string(),
    };
    let mut command = Command::from(plan.exec(program, namespaces.as_deref())?);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if program.stdin {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(&failed)?;
    let stdin = child
        .stdin
        .take()
        .map(|stdin| Box::new(ClosingStdin(Some(stdin))) as Box<dyn AsyncWrite + Send + Unpin>);
    let (sender, output) = mpsc::channel(PIECES);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(pump(stdout, sender.clone(), ExecOutput::Stdout));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(pump(stderr, sender, ExecOutput::Stderr));
    }
    // Waits even if nobody awaits `exit`; `nsenter` opens the namespaces by our descriptors, which
    // therefore stay until it has ended.
    let ended = tokio::spawn(async move {
        let status = child.wait().await;
        drop(namespaces);
        status
    });
    let exit = async move {
        let status = ended.await.map_err(io::Error::other).and_then(|status| status);
        status.map(code).map_err(failed)
    };
    Ok(Exec { stdin, output, exit: Box::pin(exit) })
}

/// The exit status as a shell would give it.
fn code(status: ExitStatus) -> i64 {
    let signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(signal).into()
}

/// Hands a stream on; when nobody takes it any more, it is read on nevertheless, so that the
/// program neither blocks nor fails.
async fn pump(
    mut stream: impl AsyncRead + Unpin,
    sender: mpsc::Sender<ExecOutput>,
    wrap: fn(bytes::Bytes) -> ExecOutput,
) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let _ = sender.send(wrap(buffer.split().freeze())).await;
            }
        }
    }
}

/// A program's input whose shutdown is its end; Tokio's own stays open until it is dropped.
struct ClosingStdin(Option<ChildStdin>);

impl ClosingStdin {
    fn inner(&mut self) -> io::Result<Pin<&mut ChildStdin>> {
        self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for ClosingStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(stdin) => Pin::new(stdin).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}
