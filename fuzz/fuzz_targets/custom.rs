//! pg_dump's custom format.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use pgdrill::backup::Opener;

fuzz_target!(|data: &[u8]| {
    let mut bytes = b"PGDMP".to_vec();
    bytes.extend_from_slice(data.strip_prefix(b"PGDMP").unwrap_or(data));
    common::read(&common::file("a.dump", &bytes), &Opener::default());
});
