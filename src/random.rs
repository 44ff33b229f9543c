//! Names that nobody can guess and no two runs share.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// `bytes` random bytes in hexadecimal, from the system's generator.
///
/// Falls back to the standard library's own randomly keyed hasher where `/dev/urandom` cannot be
/// read.
pub(crate) fn hex(bytes: usize) -> String {
    use std::fmt::Write as _;
    use std::io::Read as _;
    let mut buffer = vec![0_u8; bytes];
    let filled = std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut buffer))
        .is_ok();
    if !filled {
        for chunk in buffer.chunks_mut(8) {
            let random = RandomState::new().build_hasher().finish().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
    buffer.iter().fold(String::with_capacity(bytes * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_differ() {
        assert_eq!(super::hex(8).len(), 16);
        assert_ne!(super::hex(8), super::hex(8));
    }
}
