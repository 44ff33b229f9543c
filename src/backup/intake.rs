//! The outside of a backup: opening it, telling its format by content, walking its members.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

/// Bytes that are looked at to tell a format: a tar header is one block of 512 bytes.
const HEAD_BYTES: usize = 512;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// What the first bytes of a stream say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Empty,
    Gzip,
    Tar,
    CustomDump,
    Zstd,
    OtherCompression(&'static str),
    /// Printable text: SQL, as far as a head can tell.
    Text,
    Unknown,
}

/// Tells a format by its magic bytes; names and extensions lie.
pub(crate) fn content_of(head: &[u8]) -> Content {
    if head.is_empty() {
        Content::Empty
    } else if head.starts_with(GZIP_MAGIC) {
        Content::Gzip
    } else if head.starts_with(b"PGDMP") {
        Content::CustomDump
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Content::Zstd
    } else if head.starts_with(b"BZh") {
        Content::OtherCompression("bzip2")
    } else if head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Content::OtherCompression("xz")
    } else if head.starts_with(&[0x04, 0x22, 0x4d, 0x18]) {
        Content::OtherCompression("lz4")
    } else if head.get(257..262) == Some(b"ustar") {
        Content::Tar
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

/// What a reader has seen so far; shared, because the reader itself sits below decoders.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadCount(Arc<AtomicU64>);

impl ReadCount {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts, and where asked hashes, every byte that passes.
pub(crate) struct CountingReader<R> {
    inner: R,
    count: ReadCount,
    hash: Option<Sha256>,
}

impl<R: Read> CountingReader<R> {
    pub(crate) fn new(inner: R, count: ReadCount, hashed: bool) -> Self {
        Self { inner, count, hash: hashed.then(Sha256::new) }
    }

    /// The hash in hexadecimal, of what has been read.
    pub(crate) fn into_sha256(self) -> Option<String> {
        use std::fmt::Write as _;
        self.hash.map(|hash| {
            hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        })
    }
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        self.count.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Remembers how a stream ended: a tar archive ends with two blocks of zeros.
pub(crate) struct TailReader<R> {
    inner: R,
    zeros: u64,
    has_ended: bool,
    data_behind_end: bool,
}

impl<R: Read> TailReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, zeros: 0, has_ended: false, data_behind_end: false }
    }

    /// From here on nothing but zeros may follow: the archive's own end mark has been read.
    pub(crate) fn mark_end(&mut self) {
        self.has_ended = true;
    }

    /// Whether something else followed: members behind a lost header, or a second archive.
    pub(crate) fn has_data_behind_end(&self) -> bool {
        self.data_behind_end
    }

    /// How many zero bytes the stream ended with, as far as it has been read.
    pub(crate) fn trailing_zeros(&self) -> u64 {
        self.zeros
    }
}

impl<R: Read> Read for TailReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let seen = &buffer[..count];
        match seen.iter().rposition(|&byte| byte != 0) {
            Some(last) => {
                self.zeros = (count - last - 1) as u64;
                self.data_behind_end |= self.has_ended;
            }
            None => self.zeros += count as u64,
        }
        Ok(count)
    }
}

/// Inflates one or many gzip members; bytes behind the last one are an error.
pub(crate) fn gunzip<R: Read>(reader: R) -> MultiGzDecoder<BufReader<R>> {
    // The decoder reads through its own buffer otherwise, 32 KiB a time.
    MultiGzDecoder::new(BufReader::with_capacity(256 * 1024, reader))
}

/// Opens a backup's file for reading.
pub(crate) fn open(path: &Utf8Path) -> io::Result<File> {
    File::open(path)
}

/// Files of a folder backup, sorted by name, with `/`-separated names relative to it.
///
/// Links are not followed: a backup's folder holds files.
pub(crate) fn folder_members(folder: &Utf8Path) -> io::Result<Vec<(String, Utf8PathBuf)>> {
    let mut found = Vec::new();
    for (prefix, place) in
        [(String::new(), folder.to_path_buf()), ("dumps/".to_owned(), folder.join("dumps"))]
    {
        if !place.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&place)? {
            let entry = entry?;
            if !prefix.is_empty()
                && entry.file_type()?.is_dir()
                && let Ok(toc) = Utf8PathBuf::from_path_buf(entry.path().join("toc.dat"))
                && toc.is_file()
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                found.push((format!("{prefix}{name}/toc.dat"), toc));
            }
            if entry.file_type()?.is_file()
                && let Ok(path) = Utf8PathBuf::from_path_buf(entry.path())
            {
                let name = path.file_name().unwrap_or_default().to_owned();
                found.push((format!("{prefix}{name}"), path));
            }
        }
    }
    found.sort();
    Ok(found)
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
        assert_eq!(content_of(&[0x1f, 0x8b, 8, 0]), Content::Gzip);
        assert_eq!(content_of(b"PGDMP\x01\x0e"), Content::CustomDump);
        assert_eq!(content_of(b"--\n-- PostgreSQL database dump\n"), Content::Text);
        assert_eq!(content_of(&[7, 0, 200, 3, 9]), Content::Unknown);
        let mut tar = vec![b'a'; 512];
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

    #[test]
    fn the_end_of_a_tar_archive_is_seen() {
        let mut reader = TailReader::new(Cursor::new([&[1u8; 10][..], &[0; 1024]].concat()));
        io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!(reader.trailing_zeros(), 1024);
    }
}
