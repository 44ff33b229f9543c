//! What the layers of one reading share: how much has been read, how much came out, why it stopped.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What may come out of decoders, however little went in: many tables are almost empty.
const FREE_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// What may come out for each byte that was read. gzip alone makes 1032 of one at most.
const FACTOR: u64 = 2000;
/// Files of directory dumps that are kept count of: one for each large object, and more for one of
/// rows, of which more is kept.
const MOST_FILES: u64 = 1_200_000;

/// Why a reading cannot go on, though nothing is known to be wrong with the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Halt {
    /// The system reads no further.
    #[error("{0}")]
    Unreadable(String),
    /// Decoders made more of the backup than is ever worth reading.
    #[error(
        "its decoders made {decoded} bytes of {read}: more than 4 GiB, and more than 2000 for each byte"
    )]
    TooMuch { read: u64, decoded: u64 },
    /// Sound as far as is known, and in a variant that cannot be read here.
    #[error("{0}")]
    Unsupported(String),
}

impl From<Halt> for io::Error {
    fn from(halt: Halt) -> Self {
        Self::other(halt)
    }
}

/// Counts of one thread's reading. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    decoded: AtomicU64,
    files: AtomicU64,
    halt: OnceLock<Halt>,
}

impl Meter {
    /// Bytes read from the backup's files so far.
    pub(crate) fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    pub(crate) fn add_read(&self, bytes: usize) {
        self.0.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// For whoever gets bytes that another thread has read.
    pub(crate) fn set_read(&self, bytes: u64) {
        self.0.read.store(bytes, Ordering::Relaxed);
    }

    /// Counts what a decoder gave. Layers of compression count together.
    ///
    /// # Errors
    ///
    /// [`Halt::TooMuch`] once it is out of all proportion.
    pub(crate) fn add_decoded(&self, bytes: usize) -> io::Result<()> {
        let decoded = self.0.decoded.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let read = self.read();
        if decoded > FREE_BYTES && decoded > read.saturating_mul(FACTOR) {
            return Err(self.stop(Halt::TooMuch { read, decoded }));
        }
        Ok(())
    }

    /// Counts a file of a directory dump that something is kept of, as so many as it takes room.
    ///
    /// # Errors
    ///
    /// [`Halt::Unsupported`] once they are too many, whichever dumps they are of.
    pub(crate) fn keep_file(&self, weight: u64) -> io::Result<()> {
        if self.0.files.fetch_add(weight, Ordering::Relaxed) + weight > MOST_FILES {
            let most = "its directory dumps have more files than are kept in mind: a million large \
                objects, or 200,000 tables";
            return Err(self.stop(Halt::Unsupported(most.to_owned())));
        }
        Ok(())
    }

    /// Remembers the first reason to stop; decoders and parsers above may hide the error.
    pub(crate) fn stop(&self, halt: Halt) -> io::Error {
        let error = io::Error::from(halt.clone());
        let _ = self.0.halt.set(halt);
        error
    }

    pub(crate) fn halt(&self) -> Option<&Halt> {
        self.0.halt.get()
    }
}
