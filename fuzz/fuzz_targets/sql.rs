//! Plain SQL, as psql would read it: what a dump holds, and what of it psql gets to see.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use pgdrill::backup::Opener;

fuzz_target!(|data: &[u8]| {
    pgdrill::backup::fuzzing::feed(data);
    common::read(&common::file("a.sql", data), &Opener::default());
});
