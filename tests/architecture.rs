//! Modules import lower levels only. The levels are those of ARCHITECTURE.md and `src/lib.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LEVELS: &[(u8, &[&str])] = &[
    (0, &["outcome", "finding", "event", "progress", "text", "remedy", "random", "baseline"]),
    (1, &["scenario", "backup"]),
    (2, &["plan", "check"]),
    (3, &["ephemeral", "postgres"]),
    (4, &["engine"]),
    (5, &["report"]),
    (6, &["console"]),
    (7, &["cli"]),
];

/// Allowed although the level is another: what stays never looks at what makes it.
const NEVER: &[(&str, &str)] = &[("report", "engine"), ("console", "engine")];

/// Allowed although both are on one level: files of SQL beside a scenario are cut by the lexer of dumps.
/// The other way round is not allowed, so there is no circle.
const ALSO: &[(&str, &str)] = &[("scenario", "backup")];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Modules that a file of the crate names: `use crate::a::b`, `crate::a::f()`, `use crate::{a, b}`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        if text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[start + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => {
                rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
            }
        };
        found.extend(
            names
                .split(',')
                .map(|name| name.trim().split("::").next().unwrap_or_default().to_owned()),
        );
    }
    found
}

#[test]
fn imports_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let levels: BTreeMap<&str, u8> = LEVELS
        .iter()
        .flat_map(|(level, names)| names.iter().map(move |name| (*name, *level)))
        .collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if module == "lib" || module == "main" {
            continue;
        }
        let level = *levels.get(module).unwrap_or_else(|| panic!("`{module}` has no level"));
        for name in imports(&fs::read_to_string(&file).unwrap()) {
            let Some(&target) = levels.get(name.as_str()) else { continue };
            seen += 1;
            let is_itself = name == module;
            // Level 0 is one family of plain types.
            let is_down = target < level || (level == 0 && target == 0);
            let is_also = ALSO.contains(&(module, name.as_str()));
            if !is_itself && !is_down && !is_also || NEVER.contains(&(module, name.as_str())) {
                wrong.push(format!(
                    "{}: {module} ({level}) imports {name} ({target})",
                    relative.display()
                ));
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were seen: is the search broken?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_import_would_be_seen() {
    assert_eq!(imports("use crate::engine::X;"), ["engine"]);
    assert_eq!(imports("use crate::{text, finding::Y};"), ["text", "finding"]);
    assert_eq!(imports("let x = crate::backup::inspect();"), ["backup"]);
}

#[test]
fn each_outside_world_is_named_in_one_place() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    for (name, place) in [
        ("tokio_postgres", "postgres/"),
        ("bollard", "ephemeral/"),
        ("testcontainers", "ephemeral/"),
        ("serde_yaml", "scenario/node"),
        ("junit_report", "report/junit.rs"),
    ] {
        let mut users = 0;
        for file in &files {
            let relative = file.strip_prefix(&src).unwrap().to_str().unwrap();
            if relative.contains("/tests/") {
                continue;
            }
            let text = fs::read_to_string(file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code.into_iter().any(|line| line.contains(&format!("{name}::"))) {
                users += 1;
                assert!(relative.starts_with(place), "{relative} names {name}");
            }
        }
        assert!(users > 0, "nobody names {name}: is the search broken?");
    }
}
