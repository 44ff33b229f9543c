//! Backups of every kind: archives, folders, directory dumps, compressed and encrypted ones. The
//! format is told by content.
//!
//! The first byte says what is done with the rest before it is read, because no mutation gets past a
//! checksum: see the constants. Without any of them the input is read as it is.
#![no_main]

#[path = "../../tests/support/encrypt.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod encrypt;

mod common;
mod tarball;

use std::fs;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pgdrill::backup::{Codec, KeyOrigin, Opener};

/// The whole becomes gzip (1), zstd (2) or LZ4 (3).
const CODEC: u8 = 3;
/// It is a tar archive: headers get right checksums, members named `*.gz` are compressed, and so on.
const TAR: u8 = 4;
/// It is such a tar archive, and its members become the files of a folder.
const FOLDER: u8 = 8;
/// It is encrypted.
const SEALED: u8 = 16;
/// The key is given.
const KEY: u8 = 32;
/// It lies beside sidecars: the rest's first line, which ends in a NUL byte.
const SIDECAR: u8 = 64;
/// Chunks of the encryption are short.
const SHORT: u8 = 128;

fuzz_target!(|data: &[u8]| {
    let Some((&options, mut data)) = data.split_first() else { return };
    let is = |option: u8| options & option != 0;
    let mut sidecar = None;
    if is(SIDECAR) {
        let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
        sidecar = Some(&data[..end]);
        data = data.get(end + 1..).unwrap_or_default();
    }
    let codec = [Codec::None, Codec::Gzip, Codec::Zstd, Codec::Lz4][usize::from(options & CODEC)];
    let seal = |bytes: Vec<u8>| {
        let step = if is(SHORT) { 100 } else { encrypt::STEP };
        if is(SEALED) { encrypt::encrypted(&bytes, step) } else { bytes }
    };
    let path = if is(FOLDER) {
        let path = common::folder().join("f");
        // Of the run before.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a folder");
        for (name, bytes) in tarball::files(data) {
            let file = path.join(name);
            let made = fs::create_dir_all(file.parent().expect("it lies in the folder"));
            // A member may be a file and a folder at once, or have too long a name.
            let _ = made.and_then(|()| fs::write(file, seal(bytes)));
        }
        path
    } else {
        let bytes = if is(TAR) { tarball::mended(data) } else { data.to_vec() };
        common::file("c.tar.gz", &seal(common::compressed(codec, &bytes)))
    };
    for (bit, suffix) in [(1, ".meta.json"), (2, ".info"), (4, ".sha256")] {
        let beside = format!("{path}{suffix}");
        match sidecar.and_then(<[u8]>::split_first) {
            Some((which, text)) if which & bit != 0 => fs::write(beside, text).expect("a sidecar"),
            _ => drop(fs::remove_file(beside)),
        }
    }
    static OPENER: OnceLock<Opener> = OnceLock::new();
    let opener = OPENER.get_or_init(|| {
        Opener::load(Some(&KeyOrigin::File(common::file("key", &encrypt::KEY))))
    });
    common::read(&path, &if is(KEY) { opener.clone() } else { Opener::default() });
});
