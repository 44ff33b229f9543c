//! The outside of a backup: opening it, telling its format by content, walking its members.

mod folder;

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

pub(crate) use self::folder::{FolderMembers, Refused, folder_members, walk_folder};
use super::codec::Codec;
use super::foreign::{self, Foreign};
use super::meter::{Halt, Meter};
use super::tarball;

/// Bytes that are looked at to tell a format: a tar header is one block of 512 bytes.
pub(crate) const HEAD_BYTES: usize = 512;

/// What the first bytes of a stream say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Empty,
    /// In a codec that this program reads; what is in it shows only when it is decoded.
    Compressed(Codec),
    /// Known, and nothing that this program restores.
    Foreign(Foreign),
    Tar,
    CustomDump,
    /// Printable text: SQL, as far as a head can tell.
    Text,
    Unknown,
}

/// Tells a format by its magic bytes; names and extensions lie.
pub(crate) fn content_of(head: &[u8]) -> Content {
    if head.is_empty() {
        Content::Empty
    } else if let Some(codec) = Codec::of_head(head) {
        Content::Compressed(codec)
    } else if head.starts_with(b"PGDMP") {
        Content::CustomDump
    } else if head.get(257..262) == Some(b"ustar") || tarball::is_header(head) {
        Content::Tar
    } else if let Some(foreign) = foreign::of_head(head) {
        Content::Foreign(foreign)
    } else if is_text(head) {
        Content::Text
    } else {
        Content::Unknown
    }
}

/// SQL dumps begin with printable text in whatever encoding: no NUL and hardly a control byte.
fn is_text(head: &[u8]) -> bool {
    let control = head
        .iter()
        .filter(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c))
        .count();
    let ascii = head.iter().filter(|byte| byte.is_ascii()).count();
    !head.contains(&0) && control == 0 && ascii * 4 >= head.len() * 3
}

/// Fills `buffer` as far as there is something to read; returns how far.
///
/// # Errors
///
/// Those of `reader`; what was read before them is lost.
pub(crate) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A stream whose head has been read and stands in front again.
pub(crate) type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Reads the head of a stream and gives it back in front of the rest.
pub(crate) fn peek<'a, R: Read + 'a>(mut reader: R) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut head = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while filled < head.len() {
        match reader.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What was read before the error still tells the format; the error comes again.
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

/// Counts, and where asked hashes, every byte that passes.
pub(crate) struct CountingReader<R> {
    inner: R,
    meter: Meter,
    hash: Option<Sha256>,
}

impl<R: Read> CountingReader<R> {
    pub(crate) fn new(inner: R, meter: Meter, hashed: bool) -> Self {
        Self { inner, meter, hash: hashed.then(Sha256::new) }
    }

    /// The hash in hexadecimal, of what has been read.
    pub(crate) fn into_sha256(self) -> Option<String> {
        self.hash.map(hexadecimal)
    }
}

/// A hash as it is written.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    use std::fmt::Write as _;
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.meter.stop(Halt::Unreadable(error.to_string()))),
        };
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        self.meter.add_read(count);
        Ok(count)
    }
}

/// Opens a backup's file for reading.
pub(crate) fn open(path: &Utf8Path) -> io::Result<File> {
    File::open(path)
}

/// Size and time of change of each file, to notice one that is still being written.
pub(crate) fn identity(path: &Utf8Path) -> io::Result<Vec<(Utf8PathBuf, u64, i64)>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() && !metadata.is_file() {
        // A pipe or a device has no end that could be checked, and opening one may wait for ever.
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is neither a file nor a folder",
        ));
    }
    if !metadata.is_dir() {
        return Ok(vec![(
            path.to_path_buf(),
            metadata.len(),
            metadata.mtime_nsec() ^ metadata.mtime(),
        )]);
    }
    folder_members(path)?
        .into_iter()
        .map(|(_, file)| {
            let metadata = fs::metadata(&file)?;
            Ok((file, metadata.len(), metadata.mtime_nsec() ^ metadata.mtime()))
        })
        .collect()
}

/// A member's name without a leading `./`, or why it must not be touched.
pub(crate) fn safe_name(raw: &[u8]) -> Result<String, &'static str> {
    let name = String::from_utf8_lossy(raw).into_owned();
    let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
    if name.starts_with('/') {
        Err("an absolute path")
    } else if name.split('/').any(|part| part == "..") {
        Err("a path that leaves the archive")
    } else if name.contains('\0') {
        Err("a name with a NUL byte")
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        assert_eq!(content_of(b""), Content::Empty);
        assert_eq!(content_of(&[0x1f, 0x8b, 8, 0]), Content::Compressed(Codec::Gzip));
        assert_eq!(content_of(b"PGDMP\x01\x0e"), Content::CustomDump);
        assert_eq!(content_of(b"--\n-- PostgreSQL database dump\n"), Content::Text);
        assert_eq!(content_of(&[7, 0, 200, 3, 9]), Content::Unknown);
        assert!(matches!(content_of(b"BZh91AY&SY"), Content::Foreign(_)));
        // A member may be named like the magic of something else.
        let mut tar = b"BZh".repeat(171)[..512].to_vec();
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(content_of(&tar), Content::Tar);
    }

    #[test]
    fn names_that_leave_the_archive_are_refused() {
        assert_eq!(safe_name(b"./dumps/x.dump"), Ok("dumps/x.dump".to_owned()));
        assert_eq!(safe_name(b"dumps/"), Ok("dumps".to_owned()));
        assert!(safe_name(b"/etc/passwd").is_err());
        assert!(safe_name(b"dumps/../../x").is_err());
        assert_eq!(safe_name(b"a..b"), Ok("a..b".to_owned()));
    }
}
