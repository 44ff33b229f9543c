//! Hands a backup's dumps out, one after another, in the archive's order.

use std::collections::BTreeSet;
use std::io::{self, Read};

use bytes::Bytes;
use camino::Utf8Path;
use tokio::sync::mpsc;

use super::intake::{self, CountingReader, ReadCount};
use super::inventory::{BackupFormat, BackupInventory, DatabaseDump};

/// Bytes handed out at once: large enough that a container's exec stream does not crawl.
const CHUNK_BYTES: usize = 256 * 1024;

/// A piece of the stream of dumps.
#[derive(Debug)]
pub(crate) enum DumpChunk {
    /// The dump at this index of [`BackupInventory::databases`] begins.
    Start(usize),
    /// Its bytes, after any compression of the member as a whole.
    Bytes(Bytes),
    /// It has ended.
    End,
}

/// Reads the backup again and sends the dumps of the databases in `wanted` (by index).
///
/// Blocks: to be called on a thread that may. Ends early, without an error, when the receiver is
/// gone. Returns the bytes read from the backup.
///
/// # Errors
///
/// Whatever the system or a decoder says; the first reading had found none, so the file has changed.
pub(crate) fn stream(
    inventory: &BackupInventory,
    wanted: &BTreeSet<usize>,
    sender: &mpsc::Sender<io::Result<DumpChunk>>,
) -> u64 {
    let count = ReadCount::default();
    if let Err(error) = send_all(inventory, wanted, sender, &count)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = sender.blocking_send(Err(error));
    }
    count.get()
}

fn send_all(
    inventory: &BackupInventory,
    wanted: &BTreeSet<usize>,
    sender: &mpsc::Sender<io::Result<DumpChunk>>,
    count: &ReadCount,
) -> io::Result<()> {
    let open = |path: &Utf8Path| -> io::Result<CountingReader<std::fs::File>> {
        Ok(CountingReader::new(intake::open(path)?, count.clone(), false))
    };
    let databases = &inventory.databases;
    match inventory.format {
        BackupFormat::ClusterTarGz => {
            let tar = intake::gunzip(open(&inventory.path)?);
            send_members(tar, databases, wanted, sender)
        }
        BackupFormat::ClusterTar => send_members(open(&inventory.path)?, databases, wanted, sender),
        BackupFormat::ClusterFolder => {
            for &index in wanted {
                if let Some(database) = databases.get(index) {
                    let mut file = open(&inventory.path.join(&database.member))?;
                    send_dump(&mut file, index, database.is_gzip, sender)?;
                }
            }
            Ok(())
        }
        BackupFormat::Custom
        | BackupFormat::CustomGz
        | BackupFormat::Plain
        | BackupFormat::PlainGz => {
            let is_gzip = databases.first().is_some_and(|database| database.is_gzip);
            send_dump(&mut open(&inventory.path)?, 0, is_gzip, sender)
        }
        BackupFormat::Unknown => Ok(()),
    }
}

fn send_members(
    reader: impl Read,
    databases: &[DatabaseDump],
    wanted: &BTreeSet<usize>,
    sender: &mpsc::Sender<io::Result<DumpChunk>>,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(reader);
    let mut left = wanted.len();
    for (position, member) in archive.entries()?.enumerate() {
        let mut member = member?;
        let index = databases.iter().position(|database| database.position == position);
        if let Some(index) = index.filter(|index| wanted.contains(index)) {
            send_dump(&mut member, index, databases[index].is_gzip, sender)?;
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

fn send_dump(
    reader: &mut dyn Read,
    index: usize,
    is_gzip: bool,
    sender: &mpsc::Sender<io::Result<DumpChunk>>,
) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    sender.blocking_send(Ok(DumpChunk::Start(index))).map_err(gone)?;
    let mut inflated;
    let reader: &mut dyn Read = if is_gzip {
        inflated = intake::gunzip(reader);
        &mut inflated
    } else {
        reader
    };
    loop {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut filled = 0;
        while filled < buffer.len() {
            match reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            break;
        }
        buffer.truncate(filled);
        sender.blocking_send(Ok(DumpChunk::Bytes(buffer.into()))).map_err(gone)?;
    }
    sender.blocking_send(Ok(DumpChunk::End)).map_err(gone)
}

/// Whether the backup is another than the one that was inspected: still being written, or replaced.
pub(crate) fn has_changed(inventory: &BackupInventory) -> bool {
    intake::identity(&inventory.path).map_or(true, |now| now != inventory.identity)
}
