//! The JSON Schema against a validator that is not ours: Python's jsonschema.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may fail, and says what it did not do"
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const SCHEMA: &str = "scenarios/schema/scenario-v1.json";

/// Broken scenarios that a schema must let pass, and why it cannot know.
const BEYOND: &[(&str, &str)] = &[
    ("check-between", "which of two numbers is larger"),
    ("check-database-left-out", "globs against names"),
    ("check-no-file", "files"),
    ("check-no-target", "globs, and an empty list is a list"),
    ("check-twins", "names that must differ"),
    ("check-warning-never", "which of two numbers is larger"),
    ("duplicate-keys", "keys that a parser has merged"),
    ("exclude-all", "what `**` leaves out"),
    ("image-not-mapped", "a version against the images"),
    ("image-references", "the grammar of an image's parts"),
    ("limits-of-local", "what an engine can hold"),
    ("name-control", "blanks and control characters"),
    ("only-nothing", "an empty list is a list"),
    ("reference-no-file", "files"),
    ("reference-secret-shown", "where a reference leads"),
    ("reference-secret-wrong", "where a reference leads"),
    ("reference-unclosed", "references in texts"),
    ("reference-unset", "the environment"),
    ("reference-wrong-value", "the environment"),
    ("sha256-and-pick", "contradictions"),
];

/// `None` where Python or a module is missing, which fails in CI.
fn judged(files: &[String]) -> Option<BTreeMap<String, String>> {
    let modules = Command::new("python3").args(["-c", "import jsonschema, yaml"]).output();
    if !modules.is_ok_and(|output| output.status.success()) {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
        assert!(
            !ci,
            "python3 lacks jsonschema or yaml: apt-get install python3-jsonschema python3-yaml"
        );
        eprintln!("NOT CHECKED: python3 lacks jsonschema or yaml");
        return None;
    }
    let output = Command::new("python3")
        .args(["tests/scenarios/validate_schema.py", SCHEMA])
        .args(files)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap();
        let file = rest.split(": ").next().unwrap();
        (file.to_owned(), word.to_owned())
    };
    Some(text.lines().map(line).collect())
}

fn scenarios(folder: &str) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
        .map(|file| file.to_str().unwrap().to_owned())
        .collect();
    files.sort();
    files
}

#[test]
fn shipped_scenarios_are_valid() {
    let mut files = scenarios("scenarios");
    files.extend(scenarios("tests/scenarios/good"));
    assert!(files.len() >= 2);
    let Some(judged) = judged(&files) else { return };
    for file in files {
        assert_eq!(judged[&file], "valid", "{file}");
    }
}

#[test]
fn broken_scenarios_are_invalid_as_far_as_a_schema_can_see() {
    let files = scenarios("tests/scenarios/broken");
    let Some(judged) = judged(&files) else { return };
    let mut wrong = Vec::new();
    for file in files {
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".yaml");
        let beyond = BEYOND.iter().find(|(known, _)| *known == name);
        let is_valid = judged[&file] == "valid";
        if is_valid != beyond.is_some() {
            wrong.push(format!("{name}: {}, known as {beyond:?}", judged[&file]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
