//! Encrypted backups, as dbbackup 3 to 6 writes them: a stream of AES-256-GCM chunks without a
//! header. What is decrypted is read from memory and never written anywhere.

mod chunks;
mod findings;
mod framing;
mod key;
mod opening;

pub(crate) use findings::say_where_it_was_cut;
pub use key::KeyOrigin;
pub use opening::{Encryption, Opener};
pub(crate) use opening::{Ended, Opening};

/// Bytes of the nonce that a file begins with.
const NONCE_BYTES: usize = 12;
/// Bytes of the length before each chunk, in network order.
const LENGTH_BYTES: usize = 4;
/// Bytes of the tag that each chunk ends with.
const TAG_BYTES: usize = 16;
/// The longest chunk that dbbackup writes: it encrypts what one read of 64 KiB returned.
const LONGEST_CHUNK: usize = 65_536 + TAG_BYTES;

#[cfg(test)]
#[path = "../../tests/support/encrypt.rs"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared with other tests")]
pub(super) mod testing;
