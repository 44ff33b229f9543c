//! Keys: where they come from, and what is one.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8PathBuf;

use crate::finding::{Finding, FindingCode};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// A key file holds no more than a line of base64; what is longer is something else.
const LIMIT_BYTES: u64 = 4096;

/// Where a key is.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    /// In a file: 32 bytes, or those in base64; a line feed behind them is no part of the key.
    File(Utf8PathBuf),
    /// In an environment variable of this name, in base64.
    Variable(String),
}

impl fmt::Debug for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who gives the key itself in place of its place shall not read it in a report.
        match self {
            Self::File(path) if decoded(path.as_str().as_bytes()).is_some() => {
                f.write_str("the key file (its name looks like a key and is not shown)")
            }
            Self::File(path) => write!(f, "the key file `{path}`"),
            Self::Variable(name) if is_variable(name) => {
                write!(f, "the environment variable `{name}`")
            }
            Self::Variable(_) => {
                f.write_str("the environment variable (what was given is no name and is not shown)")
            }
        }
    }
}

/// An AES-256 key. Printed as `[redacted]`.
#[derive(Clone)]
pub(super) struct DecryptionKey {
    bytes: [u8; KEY_BYTES],
    origin: KeyOrigin,
    /// Whether it stood in a file of 33 bytes, which dbbackup takes for a passphrase.
    is_passphrase_to_dbbackup: bool,
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl DecryptionKey {
    /// Reads the key. Blocks.
    ///
    /// # Errors
    ///
    /// A finding that holds nothing of what was read: the file or the variable is not there, cannot
    /// be read, or holds no key.
    pub(super) fn load(origin: &KeyOrigin) -> Result<Self, Box<Finding>> {
        let unreadable = |cause: String| {
            let message = format!("{origin} cannot be read");
            Box::new(Finding::new(FindingCode::KeyUnreadable, message).because(cause))
        };
        let text = match origin {
            KeyOrigin::File(path) => {
                let mut text = Vec::new();
                // A pipe or a terminal might have no end: what is longer than a key is refused.
                File::open(path)
                    .and_then(|file| file.take(LIMIT_BYTES).read_to_end(&mut text))
                    .map_err(|error| unreadable(error.to_string()))?;
                text
            }
            KeyOrigin::Variable(name) => Some(name)
                .filter(|name| is_variable(name))
                .and_then(std::env::var_os)
                .map(OsString::into_vec)
                .ok_or_else(|| unreadable("it is not set".to_owned()))?,
        };
        let is_file = matches!(origin, KeyOrigin::File(_));
        match parse(&text, is_file) {
            Ok((bytes, is_passphrase_to_dbbackup)) => {
                Ok(Self { bytes, origin: origin.clone(), is_passphrase_to_dbbackup })
            }
            Err(cause) => {
                let message = format!("{origin} holds no AES-256 key");
                Err(Box::new(Finding::new(FindingCode::KeyUnusable, message).because(cause)))
            }
        }
    }

    /// What else may be the matter if this key opens nothing.
    pub(super) fn doubt(&self) -> Option<&'static str> {
        self.is_passphrase_to_dbbackup.then_some(
            "the key file has 32 bytes and a line feed: dbbackup takes such a file for a passphrase, \
             and a backup made with it can be decrypted by nobody",
        )
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    pub(super) fn origin(&self) -> &KeyOrigin {
        &self.origin
    }

    #[cfg(test)]
    pub(super) fn of(bytes: [u8; KEY_BYTES]) -> Self {
        let origin = KeyOrigin::Variable("TEST".to_owned());
        Self { bytes, origin, is_passphrase_to_dbbackup: false }
    }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn decoded(text: &[u8]) -> Option<[u8; KEY_BYTES]> {
    STANDARD.decode(text.trim_ascii()).ok()?.try_into().ok()
}

/// As dbbackup reads keys: 32 bytes in base64, else (in a file) 32 bytes as they are. Also says
/// whether dbbackup would take them for a passphrase.
fn parse(text: &[u8], is_file: bool) -> Result<([u8; KEY_BYTES], bool), String> {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let trimmed = text.trim_ascii();
    if let Some(bytes) = decoded(trimmed) {
        return Ok((bytes, false));
    }
    if is_file {
        for (raw, is_passphrase_to_dbbackup) in [(text, false), (line, true)] {
            if let Ok(bytes) = <[u8; KEY_BYTES]>::try_from(raw) {
                return Ok((bytes, is_passphrase_to_dbbackup));
            }
        }
    }
    Err(if trimmed.is_empty() {
        "it is empty".to_owned()
    } else {
        let hexadecimal = trimmed.len() == 64 && trimmed.iter().all(u8::is_ascii_hexdigit);
        let what = if hexadecimal { "64 hexadecimal digits" } else { "what is in it" };
        let place = if is_file { "32 bytes, or 32 bytes in base64" } else { "32 bytes in base64" };
        format!(
            "a key is {place}; dbbackup takes {what} for a passphrase, and mixes it with a salt \
             that it stores nowhere: a backup made so can be decrypted by nobody"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: [u8; 32] = *b"0123456789abcdef0123456789ABCDE\xff";

    #[test]
    fn every_form_of_a_key_is_read() {
        let base64 = STANDARD.encode(RAW);
        for end in ["", "\n", "\r\n"] {
            let text = format!("{base64}{end}");
            assert_eq!(parse(text.as_bytes(), true), Ok((RAW, false)));
            assert_eq!(parse(text.as_bytes(), false), Ok((RAW, false)));
        }
        assert_eq!(parse(&RAW, true), Ok((RAW, false)));
        assert_eq!(parse(&[&RAW[..], b"\n"].concat(), true), Ok((RAW, true)));
        let ends_in_line_feed = [b'\n'; 32];
        assert_eq!(parse(&ends_in_line_feed, true), Ok((ends_in_line_feed, false)));
    }

    #[test]
    fn what_is_no_key_is_explained_and_not_shown() {
        let cases: [(&[u8], bool); 6] = [
            (b"", true),
            (b"correct horse battery staple", true),
            (&RAW, false),
            (b"c2hvcnQ=", true),
            (&[b'a'; 64], true),
            (&[b'a'; 31], true),
        ];
        for (text, is_file) in cases {
            let cause = parse(text, is_file).unwrap_err();
            assert!(!cause.contains("horse") && !cause.contains("aaaa"), "{cause}");
            assert_eq!(cause.contains("by nobody"), !text.is_empty(), "{cause}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = DecryptionKey::of(RAW);
        assert_eq!(format!("{key:?} {:?}", Some(&key)), "[redacted] Some([redacted])");
    }

    #[test]
    fn a_key_in_place_of_its_place_is_not_printed() {
        let base64 = STANDARD.encode(RAW);
        for origin in [KeyOrigin::File(base64.clone().into()), KeyOrigin::Variable(base64.clone())]
        {
            let found = DecryptionKey::load(&origin).unwrap_err();
            assert_eq!(found.code, FindingCode::KeyUnreadable);
            assert!(!format!("{origin} {origin:?} {found:?}").contains(&base64), "{found:?}");
        }
    }

    #[test]
    fn a_key_that_is_not_there_is_an_error_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Utf8PathBuf::from_path_buf(folder.path().join(name)).unwrap();
        std::fs::write(path("long"), [b'x'; 10_000]).unwrap();
        for (origin, code) in [
            (KeyOrigin::File(path("gone")), FindingCode::KeyUnreadable),
            (KeyOrigin::File(path("")), FindingCode::KeyUnreadable),
            (KeyOrigin::File(path("long")), FindingCode::KeyUnusable),
            (KeyOrigin::Variable("PGDRILL_TEST_NO_SUCH_KEY".into()), FindingCode::KeyUnreadable),
        ] {
            let found = DecryptionKey::load(&origin).unwrap_err();
            assert_eq!(found.code, code, "{origin}");
            assert!(found.message.contains(&origin.to_string()) && found.cause.is_some());
        }
    }
}
