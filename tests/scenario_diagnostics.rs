//! Broken scenarios, and what is said about each: `tests/scenarios/broken/*.yaml` against
//! `tests/snapshots/`. Review changes with `cargo insta review`, or `INSTA_UPDATE=always`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use pgdrill::console::show_scenario_error;
use pgdrill::scenario;

fn broken() -> Vec<Utf8PathBuf> {
    let folder = Utf8Path::new("tests/scenarios/broken");
    let mut files: Vec<Utf8PathBuf> =
        folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()).collect();
    files.sort();
    files
}

/// What is said about a file; nothing of it depends on this machine's environment.
fn said(file: &Utf8Path) -> String {
    match scenario::load(file, &|_| None) {
        Ok(scenario) => panic!("{file} is no broken scenario: {scenario:?}"),
        Err(error) => show_scenario_error(&error),
    }
}

#[test]
fn every_broken_scenario_is_explained() {
    let files = broken();
    assert!(files.len() >= 60, "{}", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for file in files {
            insta::assert_snapshot!(file.file_stem().unwrap(), said(&file));
        }
    });
}

#[test]
fn no_snapshot_is_left_without_its_scenario() {
    let known: Vec<String> =
        broken().iter().map(|file| format!("{}.snap", file.file_stem().unwrap())).collect();
    for entry in fs::read_dir("tests/snapshots").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".new");
        assert!(
            known.iter().any(|known| known == name),
            "tests/snapshots/{name}: no scenario of that name"
        );
    }
}

#[test]
fn every_problem_has_help_and_no_secret_is_told() {
    for file in broken() {
        let error = scenario::load(&file, &|_| None).unwrap_err();
        let scenario::ScenarioError::Wrong { problems, .. } = &error else { panic!("{error}") };
        for problem in problems {
            assert!(problem.help.is_some(), "{file}: {}", problem.message);
        }
        let said = show_scenario_error(&error);
        assert!(!said.contains("hunter2") && !said.contains('\u{1b}'), "{said}");
    }
}
