//! A connection to a server that no network leads to: through a program inside its sandbox.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use super::sandbox::{Exec, ExecOutput};

/// Connects its own input and output with the server's TCP port on the sandbox's loopback.
///
/// bash's `/dev/tcp` where there is a bash, else `nc`. When the server closes the connection the
/// first `cat` ends and takes the other with it; without that the client would wait for ever.
pub(super) const SCRIPT: &str = r#"
if command -v bash >/dev/null 2>&1; then
	exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/5432 || exit 1; cat >&3 <&0 & cat <&3; kill $! 2>/dev/null'
elif command -v nc >/dev/null 2>&1; then
	exec nc 127.0.0.1 5432
else
	echo "neither bash nor nc in the image: no way to talk to the server" >&2
	exit 127
fi
"#;

/// The two ends of a relaying program as one stream.
pub(super) struct RelayStream {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: mpsc::Receiver<ExecOutput>,
    pending: Bytes,
    complaint: Vec<u8>,
}

impl RelayStream {
    /// # Errors
    ///
    /// `InvalidInput` when the program was started without an input.
    pub(super) fn new(exec: Exec) -> io::Result<Self> {
        let input = exec.stdin.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            input: Box::into_pin(input),
            output: exec.output,
            pending: Bytes::new(),
            complaint: Vec::new(),
        })
    }
}

impl AsyncRead for RelayStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.pending.is_empty() {
            match self.output.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(ExecOutput::Stdout(bytes))) => self.pending = bytes,
                Poll::Ready(Some(ExecOutput::Stderr(bytes))) => {
                    if self.complaint.len() < 4096 {
                        self.complaint.extend_from_slice(&bytes);
                    }
                }
                Poll::Ready(None) if self.complaint.is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(None) => {
                    let complaint = std::mem::take(&mut self.complaint);
                    let text = String::from_utf8_lossy(&complaint).trim().to_owned();
                    return Poll::Ready(Err(io::Error::other(text)));
                }
            }
        }
        let count = self.pending.len().min(buffer.remaining());
        buffer.put_slice(&self.pending[..count]);
        self.pending.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RelayStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.input.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_shutdown(context)
    }
}
