//! Opens a file of a backup: as it is, or decrypted.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::chunks::{ChunkFault, Decrypter, FaultCell};
use super::findings;
use super::framing::{Framing, Sealing, look};
use super::key::{DecryptionKey, KeyOrigin};
use super::{LENGTH_BYTES, LONGEST_CHUNK, NONCE_BYTES, TAG_BYTES};
use crate::backup::intake::{self, Content, CountingReader, HEAD_BYTES, hexadecimal};
use crate::backup::inventory::BackupInventory;
use crate::backup::meter::Meter;
use crate::finding::Finding;

/// What is given to open encrypted backups with: a key, why there is none, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Opener(Option<Result<DecryptionKey, Box<Finding>>>);

impl Opener {
    /// Reads the key, if one is named. Blocks. That it cannot be read matters once a backup turns out
    /// to be encrypted.
    pub fn load(origin: Option<&KeyOrigin>) -> Self {
        Self(origin.map(DecryptionKey::load))
    }
}

/// How a backup is encrypted, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// It is, and was not decrypted to its end.
    Closed,
    /// It was decrypted. Bytes and SHA-256 are those of what was encrypted.
    Opened {
        /// Size.
        bytes: u64,
        /// In hexadecimal.
        sha256: String,
    },
}

/// A file of a backup, looked at: whether it is encrypted, and whether that can be opened.
pub(crate) struct Opening {
    path: Utf8PathBuf,
    file: File,
    access: Access,
    /// Worth saying, and changes nothing.
    pub(crate) notice: Option<Finding>,
}

enum Access {
    Plain,
    Key(DecryptionKey),
    Refused(Box<Finding>),
}

impl Opening {
    /// Opens the file at `path`, which is the backup of `inventory` or lies in it.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn of(path: &Utf8Path, inventory: &BackupInventory) -> io::Result<Self> {
        let is_claimed = inventory.sidecar.as_ref().is_some_and(|sidecar| sidecar.is_encrypted);
        let given = &inventory.opener.0;
        let file = intake::open(path)?;
        let head = head_of(&file)?;
        let content = intake::content_of(&head);
        let sealing = look(&file, &head, content, is_claimed, given.is_some())?;
        let mut notice = None;
        let access = match (sealing, given) {
            (Sealing::Open, Some(Ok(key)))
                if content == Content::Unknown && is_headless_chunk(&file, key)? =>
            {
                Access::Key(key.clone())
            }
            (Sealing::Open, given) => {
                let is_dump = !matches!(content, Content::Empty | Content::Unknown);
                let said = given.as_ref().filter(|_| is_dump);
                notice = said
                    .map(|given| findings::not_encrypted(path, given.as_ref().err().map(|f| &**f)));
                Access::Plain
            }
            (Sealing::Sealed(_), Some(Ok(key))) => Access::Key(key.clone()),
            (Sealing::Sealed(Framing::Cut { chunks }), _) => {
                Access::Refused(Box::new(findings::cut_unopened(path, chunks)))
            }
            (Sealing::Sealed(Framing::Headless { chunks }), _) => {
                Access::Refused(Box::new(findings::headless_unopened(path, chunks)))
            }
            (Sealing::Sealed(_), Some(Err(finding))) => Access::Refused(finding.clone()),
            (Sealing::Sealed(framing), None) => {
                Access::Refused(Box::new(findings::encrypted(path, framing, is_claimed)))
            }
        };
        Ok(Self { path: path.to_owned(), file, access, notice })
    }

    /// Why nothing can be read.
    pub(crate) fn refusal(&self) -> Option<&Finding> {
        match &self.access {
            Access::Refused(finding) => Some(finding),
            Access::Plain | Access::Key(_) => None,
        }
    }

    /// Whether it is encrypted.
    pub(crate) fn is_sealed(&self) -> bool {
        !matches!(self.access, Access::Plain)
    }

    /// What the file, or what is encrypted in it, begins with; nothing where that cannot be opened.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn head(&self) -> io::Result<Vec<u8>> {
        match &self.access {
            Access::Plain => head_of(&self.file),
            Access::Refused(_) => Ok(Vec::new()),
            Access::Key(key) => {
                let fault = FaultCell::default();
                let below = At { file: &self.file, offset: 0 };
                let mut head = vec![0; HEAD_BYTES];
                let mut clear = Decrypter::new(below, key, fault.clone());
                let read = intake::fill(&mut clear, &mut head);
                if fault.get().is_none() {
                    head.truncate(read?);
                } else {
                    // The thread that reads it all meets the fault again.
                    head.clear();
                }
                Ok(head)
            }
        }
    }

    /// Size in bytes.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Reads it in the clear. `meter` counts what is read from the file; where asked, that and what
    /// is encrypted in it are hashed.
    pub(crate) fn reader(self, meter: &Meter, is_hashed: bool) -> ClearReader {
        let raw = CountingReader::new(self.file, meter.clone(), is_hashed);
        let fault = FaultCell::default();
        let (stream, key) = match self.access {
            Access::Plain => (Stream::Plain(raw), None),
            Access::Refused(_) => (Stream::Closed(raw), None),
            Access::Key(key) => {
                let decrypter = Box::new(Decrypter::new(raw, &key, fault.clone()));
                let hash = is_hashed.then(Sha256::new);
                (Stream::Opened { decrypter, bytes: 0, hash }, Some(key))
            }
        };
        ClearReader { path: self.path, stream, key, fault }
    }
}

/// Whether a file is a single chunk that opens with `key`, once its length is put right.
fn is_headless_chunk(file: &File, key: &DecryptionKey) -> io::Result<bool> {
    let begin = NONCE_BYTES + LENGTH_BYTES;
    let Ok(bytes) = usize::try_from(file.metadata()?.len()) else { return Ok(false) };
    if !(begin + TAG_BYTES + 1..=begin + LONGEST_CHUNK).contains(&bytes) {
        return Ok(false);
    }
    let mut chunk = vec![0; bytes];
    let filled = intake::fill(&mut At { file, offset: 0 }, &mut chunk)?;
    let Ok(length) = u32::try_from(bytes - begin) else { return Ok(false) };
    chunk[NONCE_BYTES..begin].copy_from_slice(&length.to_be_bytes());
    let mut clear = Decrypter::new(&chunk[..filled], key, FaultCell::default());
    Ok(io::copy(&mut clear, &mut io::sink()).is_ok())
}

fn head_of(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    let filled = intake::fill(&mut At { file, offset: 0 }, &mut head)?;
    head.truncate(filled);
    Ok(head)
}

/// Reads a file without moving its own place.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A file of a backup in the clear.
pub(crate) struct ClearReader {
    path: Utf8PathBuf,
    stream: Stream,
    key: Option<DecryptionKey>,
    fault: FaultCell,
}

enum Stream {
    Plain(CountingReader<File>),
    Closed(CountingReader<File>),
    Opened { decrypter: Box<Decrypter<CountingReader<File>>>, bytes: u64, hash: Option<Sha256> },
}

/// What is known of a file that was read to its end.
pub(crate) struct Ended {
    /// SHA-256 of the file, where it was asked for.
    pub(crate) sha256: Option<String>,
    /// Of what is in it.
    pub(crate) encryption: Encryption,
    /// Why it could not be decrypted to its end: decoders above may have taken the error for
    /// something else, or passed it over.
    pub(crate) fault: Option<Finding>,
    /// Whether the system read it to its end.
    pub(crate) read: io::Result<()>,
}

impl ClearReader {
    /// Reads what is left of the file, for the hashes.
    pub(crate) fn end(mut self) -> Ended {
        let mut read = match self.stream {
            Stream::Closed(_) => Ok(()),
            _ => io::copy(&mut self, &mut io::sink()).map(drop),
        };
        let fault = self.fault.get();
        if fault.is_some() {
            read = Ok(());
        }
        let (mut raw, encryption) = match self.stream {
            Stream::Plain(raw) => (raw, Encryption::None),
            Stream::Closed(raw) => (raw, Encryption::Closed),
            Stream::Opened { decrypter, bytes, hash } => {
                let encryption = match (&fault, hash) {
                    (None, Some(hash)) => Encryption::Opened { bytes, sha256: hexadecimal(hash) },
                    _ => Encryption::Closed,
                };
                (decrypter.into_inner(), encryption)
            }
        };
        let rest = io::copy(&mut raw, &mut io::sink()).map(drop);
        let found = |fault: &ChunkFault| findings::fault(&self.path, fault, self.key.as_ref());
        Ended {
            sha256: raw.into_sha256(),
            encryption,
            fault: fault.as_ref().map(found),
            read: read.and(rest),
        }
    }
}

impl Read for ClearReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(raw) => raw.read(buffer),
            Stream::Closed(_) => Err(io::Error::other("the file is encrypted")),
            Stream::Opened { decrypter, bytes, hash } => {
                let count = decrypter.read(buffer)?;
                *bytes += count as u64;
                if let Some(hash) = hash {
                    hash.update(&buffer[..count]);
                }
                Ok(count)
            }
        }
    }
}
