//! The scenario language: whatever the text, all problems, each at its place, or a scenario.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use pgdrill::backup::BackupInventory;
use pgdrill::console::show_scenario_error;
use pgdrill::plan;

fuzz_target!(|data: &[u8]| {
    let path = common::file("s.yaml", data);
    match pgdrill::scenario::load(&path, &|name| (name == "HOME").then(|| "/x".into())) {
        Ok(scenario) => {
            plan::build(&scenario, &BackupInventory::unread(&scenario.backup.path));
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(!show_scenario_error(&error).is_empty());
        }
    }
});
