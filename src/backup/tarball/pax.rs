//! Extended headers: `LENGTH KEYWORD=VALUE` and a line feed, each (POSIX.1-2001, pax).

use std::io;

use super::header::Header;
use super::{Kind, TarMember, broken};

/// A name field holds so many bytes.
const NAME_BYTES: usize = 100;
/// Sizes from here on do not fit the header's eleven octal digits.
const OCTAL_LIMIT: u64 = 1 << 33;

/// What an extended header says that matters here.
#[derive(Debug, Default)]
pub(super) struct Records {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
}

impl Records {
    pub(super) fn parse(mut text: &[u8]) -> io::Result<Self> {
        let mut records = Self::default();
        while !text.is_empty() {
            let Some((keyword, value, length)) = first(text) else {
                return Err(broken("a broken extended header"));
            };
            text = &text[length..];
            match (keyword, value) {
                // No value takes an earlier one back.
                (b"path", value) => records.path = Some(value.to_vec()).filter(|p| !p.is_empty()),
                (b"size", b"") => records.size = None,
                (b"size", value) => records.size = Some(size(value)?),
                (keyword, _) => records.is_sparse |= keyword.starts_with(b"GNU.sparse."),
            }
        }
        Ok(records)
    }

    /// Whether it says something that only one member's own header may say.
    pub(super) fn names_a_member(&self) -> bool {
        self.path.is_some() || self.size.is_some() || self.is_sparse
    }

    /// The member that a header means with these records, and with a long name of GNU tar's.
    pub(super) fn apply(self, header: Header, long_name: Option<Vec<u8>>) -> io::Result<TarMember> {
        let mut kind = match header.typeflag {
            _ if self.is_sparse => Kind::Sparse,
            b'S' => Kind::Sparse,
            // Version 7 has no type for folders.
            b'0' | 0 if header.name.ends_with(b"/") => Kind::Folder,
            b'0' | 0 | b'7' => Kind::File,
            b'5' | b'D' => Kind::Folder,
            b'1' | b'2' => Kind::Unsafe("a link"),
            b'3' | b'4' => Kind::Unsafe("a device"),
            b'6' => Kind::Unsafe("a pipe"),
            b'M' => return Err(broken("a member that began in another volume")),
            _ => Kind::Unsafe("neither a file nor a folder"),
        };
        let bytes = match self.size {
            Some(size) if !is_same_size(size, header.bytes) => {
                kind =
                    Kind::Unsafe("of one size in its header and of another in its extended header");
                size
            }
            Some(size) => size,
            None => header.bytes,
        };
        let long_name = match (self.path, long_name) {
            (Some(path), Some(name)) if path != name => {
                kind = Kind::Unsafe("named in two extended headers");
                Some(path)
            }
            (path, name) => path.or(name),
        };
        let name = match long_name {
            Some(name) => {
                if !self.is_sparse && !is_same_name(&name, &header.name) {
                    kind = Kind::Unsafe(
                        "of one name in its header and of another in its extended header",
                    );
                }
                name
            }
            None => header.name,
        };
        Ok(TarMember { name, kind, bytes })
    }
}

/// The first record's keyword and value, and the length of all of it.
fn first(text: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let blank = text.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
    let record = text.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], length))
}

fn size(value: &[u8]) -> io::Result<u64> {
    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
    size.filter(|size| *size <= i64::MAX.unsigned_abs())
        .ok_or_else(|| broken("a size in an extended header that is no number"))
}

/// A header whose digits do not hold the size says 0 (GNU tar, Go, Python), their greatest number,
/// or what is left of it.
fn is_same_size(size: u64, of_header: u64) -> bool {
    size == of_header
        || size >= OCTAL_LIMIT && [0, OCTAL_LIMIT - 1, size % OCTAL_LIMIT].contains(&of_header)
}

/// A header that cannot hold the name holds what is left of it: its front (GNU tar), that without
/// what is not ASCII (Go), `?` for that (Python), parts of folders left out (bsdtar).
fn is_same_name(name: &[u8], of_header: &[u8]) -> bool {
    let bare = |name: &[u8]| -> Vec<u8> {
        let name = name.strip_prefix(b"./").unwrap_or(name);
        name.strip_suffix(b"/").unwrap_or(name).to_vec()
    };
    let (name, of_header) = (bare(name), bare(of_header));
    if name == of_header {
        return true;
    }
    if name.is_ascii() && name.len() < NAME_BYTES {
        return false;
    }
    let mut rest = name.iter();
    of_header
        .iter()
        .filter(|byte| byte.is_ascii() && !matches!(byte, b'?' | b'_'))
        .all(|byte| rest.any(|other| other == byte))
}
