//! Hands a backup's dumps out, one after another, in the archive's order.

use std::collections::BTreeSet;
use std::io::{self, Read};

use bytes::Bytes;
use camino::Utf8Path;
use tokio::sync::mpsc;

use super::codec::Codec;
use super::decrypt::Opening;
use super::directory::part_of;
use super::intake;
use super::inventory::{BackupInventory, BackupShape, DatabaseDump, DumpFolder, DumpFormat};
use super::meter::Meter;
use super::tarball::{Kind, TarMember, TarReader};

/// Bytes handed out at once: large enough that a container's exec stream does not crawl.
const CHUNK_BYTES: usize = crate::backup::buffer_bytes(256 * 1024);

/// A piece of the stream of dumps.
#[derive(Debug)]
pub(crate) enum DumpChunk {
    /// The dump at this index of [`BackupInventory::databases`] begins.
    Start(usize),
    /// The next file of a directory dump begins.
    File {
        /// Its name in the dump's folder.
        name: String,
        /// The bytes that follow.
        bytes: u64,
    },
    /// Its bytes, after any compression of the member as a whole; those of a directory dump's files
    /// as they lie in its folder.
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
    let meter = Meter::default();
    let sink = Sink { sender, meter: &meter };
    if let Err(error) = sink.send_all(inventory, wanted)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = sender.blocking_send(Err(error));
    }
    meter.read()
}

/// Where dumps go, and the count of what was read for them.
struct Sink<'a> {
    sender: &'a mpsc::Sender<io::Result<DumpChunk>>,
    meter: &'a Meter,
}

impl Sink<'_> {
    fn send_all(&self, inventory: &BackupInventory, wanted: &BTreeSet<usize>) -> io::Result<()> {
        let open = |path: &Utf8Path| -> io::Result<_> {
            Ok(Opening::of(path, inventory)?.reader(self.meter, false))
        };
        let databases = &inventory.databases;
        let codec = inventory.format.codec;
        let path = &inventory.path;
        match inventory.format.shape {
            BackupShape::ClusterFolder | BackupShape::Single(DumpFormat::Directory)
                if path.is_dir() =>
            {
                for &index in wanted {
                    let Some(database) = databases.get(index) else { continue };
                    if let Some(folder) = &database.folder {
                        self.send_folder(&path.join(&folder.name), index, inventory)?;
                    } else {
                        let mut file = open(&path.join(&database.member))?;
                        self.send_dump(&mut file, index, database.codec)?;
                    }
                }
                Ok(())
            }
            BackupShape::ClusterTar | BackupShape::Single(DumpFormat::Directory) => {
                let mut left = wanted.clone();
                while !left.is_empty() {
                    let before = left.len();
                    let reader = codec.decoder(open(path)?, self.meter)?;
                    self.send_members(reader, databases, &mut left)?;
                    if left.len() == before {
                        return Err(io::Error::other("its members are not there any more"));
                    }
                }
                Ok(())
            }
            BackupShape::DumpAll => {
                let mut reader = codec.decoder(open(path)?, self.meter)?;
                self.send_sections(&mut reader, databases, wanted)
            }
            BackupShape::Single(_) => self.send_dump(&mut open(path)?, 0, codec),
            BackupShape::ClusterFolder | BackupShape::Unknown => Ok(()),
        }
    }

    /// Sends the dumps of one walk through an archive and takes them out of `left`. A directory dump
    /// lies there file by file; where another one's files lie between them, that one is left for the
    /// next walk.
    fn send_members(
        &self,
        reader: impl Read,
        databases: &[DatabaseDump],
        left: &mut BTreeSet<usize>,
    ) -> io::Result<()> {
        let mut archive = TarReader::new(reader);
        let mut sent: Option<(usize, &DumpFolder)> = None;
        let mut position = 0;
        while !left.is_empty()
            && let Some(member) = archive.next()?
        {
            if sent.is_none() {
                let starts = |index: &&usize| databases[**index].position == position;
                let Some(&index) = left.iter().find(starts) else {
                    position += 1;
                    continue;
                };
                if let Some(folder) = &databases[index].folder {
                    self.send(DumpChunk::Start(index))?;
                    sent = Some((index, folder));
                } else {
                    self.send_dump(&mut archive, index, databases[index].codec)?;
                    left.remove(&index);
                }
            }
            if let Some((index, folder)) = sent {
                if let Some(file) = file_of(folder, &member) {
                    self.send_file(&mut archive, file, member.bytes)?;
                }
                if position == folder.last {
                    self.send(DumpChunk::End)?;
                    left.remove(&index);
                    sent = None;
                }
            }
            position += 1;
        }
        Ok(())
    }

    fn send_folder(
        &self,
        folder: &Utf8Path,
        index: usize,
        inventory: &BackupInventory,
    ) -> io::Result<()> {
        self.send(DumpChunk::Start(index))?;
        for entry in folder.read_dir_utf8()? {
            let entry = entry?;
            if entry.file_type()?.is_file() && part_of(entry.file_name()).is_some() {
                let bytes = clear_bytes(entry.path(), inventory)?;
                let mut file = Opening::of(entry.path(), inventory)?.reader(self.meter, false);
                self.send_file(&mut file, entry.file_name(), bytes)?;
            }
        }
        self.send(DumpChunk::End)
    }

    fn send_file(&self, reader: &mut dyn Read, name: &str, bytes: u64) -> io::Result<()> {
        self.send(DumpChunk::File { name: name.to_owned(), bytes })?;
        if self.send_bytes(&mut reader.take(bytes))? == bytes {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Databases of `pg_dumpall`'s output, which lie one behind the other.
    fn send_sections(
        &self,
        reader: &mut dyn Read,
        databases: &[DatabaseDump],
        wanted: &BTreeSet<usize>,
    ) -> io::Result<()> {
        let mut at = 0;
        for &index in wanted {
            let Some(range) = databases.get(index).and_then(|dump| dump.section.clone()) else {
                continue;
            };
            let skipped = range.start.saturating_sub(at);
            if io::copy(&mut (&mut *reader).take(skipped), &mut io::sink())? != skipped {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut section = (&mut *reader).take(range.end - range.start);
            self.send_dump(&mut section, index, Codec::None)?;
            at = range.end;
        }
        Ok(())
    }

    fn send_dump(&self, reader: &mut dyn Read, index: usize, codec: Codec) -> io::Result<()> {
        self.send(DumpChunk::Start(index))?;
        self.send_bytes(&mut codec.decoder(reader, self.meter)?)?;
        self.send(DumpChunk::End)
    }

    /// Sends all that `reader` gives, and says how much that was.
    fn send_bytes(&self, reader: &mut dyn Read) -> io::Result<u64> {
        let mut sent = 0;
        loop {
            let mut buffer = Vec::with_capacity(CHUNK_BYTES);
            (&mut *reader).take(CHUNK_BYTES as u64).read_to_end(&mut buffer)?;
            if buffer.is_empty() {
                return Ok(sent);
            }
            sent += buffer.len() as u64;
            self.send(DumpChunk::Bytes(buffer.into()))?;
        }
    }

    fn send(&self, chunk: DumpChunk) -> io::Result<()> {
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The size of a file in the clear: what is encrypted is longer, by as much as only its chunks tell.
fn clear_bytes(path: &Utf8Path, inventory: &BackupInventory) -> io::Result<u64> {
    let file = Opening::of(path, inventory)?;
    if file.is_sealed() {
        io::copy(&mut file.reader(&Meter::default(), false), &mut io::sink())
    } else {
        file.bytes()
    }
}

/// The file of a directory dump that a member is.
fn file_of<'a>(folder: &DumpFolder, member: &'a TarMember) -> Option<&'a str> {
    let name = std::str::from_utf8(&member.name).ok()?.trim_start_matches("./");
    let (of, file) = name.rsplit_once('/').unwrap_or(("", name));
    let is_part = member.kind == Kind::File && of == folder.name && part_of(file).is_some();
    is_part.then_some(file)
}

/// Whether the backup is another than the one that was inspected: still being written, or replaced.
pub(crate) fn has_changed(inventory: &BackupInventory) -> bool {
    intake::identity(&inventory.path).map_or(true, |now| now != inventory.identity)
}
