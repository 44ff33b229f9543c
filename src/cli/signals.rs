//! The first signal ends the run in good order, the second at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::console::complain;
use crate::outcome::ExitCode;

/// Which signal came first.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<AtomicU8>);

impl Received {
    /// The exit code of a run that was ended by a signal.
    pub(super) fn exit_code(&self) -> Option<ExitCode> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            2 => Some(ExitCode::Terminated),
            _ => Some(ExitCode::Interrupted),
        }
    }
}

/// Listens from now on: cancels `cancel` at the first SIGINT, SIGTERM or SIGHUP, leaves the
/// process at the second.
pub(super) fn listen(cancel: &CancellationToken) -> std::io::Result<Received> {
    let received = Received::default();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (cancel, seen) = (cancel.clone(), received.clone());
    tokio::spawn(async move {
        loop {
            let which = tokio::select! {
                _ = interrupt.recv() => 1,
                _ = hangup.recv() => 1,
                _ = terminate.recv() => 2,
            };
            let first = seen.0.compare_exchange(0, which, Ordering::SeqCst, Ordering::SeqCst);
            if first.is_err() {
                complain("pgdrill: leaving at once; run `pgdrill sweep` to remove what is left");
                std::process::exit(i32::from(
                    seen.exit_code().unwrap_or(ExitCode::Interrupted).as_u8(),
                ));
            }
            complain("pgdrill: ending the run and removing its server; once more leaves at once");
            cancel.cancel();
        }
    });
    Ok(received)
}
