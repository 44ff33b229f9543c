//! Encrypts as dbbackup does, with a key that is no secret.

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};

pub const KEY: [u8; 32] = [7; 32];
/// The same in base64.
pub const KEY_BASE64: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// Bytes that dbbackup puts into a chunk.
pub const STEP: usize = 65_536;

/// `text` in chunks of `step` bytes: a nonce, and before each chunk its length.
pub fn encrypted(text: &[u8], step: usize) -> Vec<u8> {
    let cipher = Aes256Gcm::new(&KEY.into());
    let mut nonce = [0xff_u8; 12];
    nonce[0] = 3;
    let mut file = nonce.to_vec();
    for part in text.chunks(step) {
        let mut chunk = part.to_vec();
        let tag =
            cipher.encrypt_inout_detached(&nonce.into(), b"", chunk.as_mut_slice().into()).unwrap();
        chunk.extend_from_slice(&tag);
        file.extend_from_slice(&u32::try_from(chunk.len()).unwrap().to_be_bytes());
        file.extend_from_slice(&chunk);
        let next = nonce.iter().rev().take_while(|byte| **byte == 0xff).count();
        for byte in nonce.iter_mut().rev().take(next + 1) {
            *byte = byte.wrapping_add(1);
        }
    }
    file
}
