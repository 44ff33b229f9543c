//! Rows of a `COPY`: what is found in them, however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| pgdrill::backup::fuzzing::rows(data));
