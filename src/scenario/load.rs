//! From text to a [`Scenario`]: reads, checks everything, reports every problem at once.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::ValueEnum as _;
use glob::Pattern;
use jiff::SignedDuration;
use regex::Regex;
use serde_yaml::{Location, Spanned};

use super::problem::{ScenarioError, ScenarioProblem};
use super::raw::{RawCheck, RawQuery, RawScenario, Scalar};
use super::{
    BackupChoice, Check, CheckKind, Comparison, EngineChoice, ExpectedVerdict, ImageChoice,
    PostgresChoice, ReportChoice, RestoreChoice, SandboxChoice, Scenario,
};

/// A scenario is written by hand: anything larger is none.
const LIMIT_BYTES: u64 = 1024 * 1024;

/// Loads a scenario file. Relative paths in it are relative to the working directory, except the
/// backup's, which is tried beside the file first.
///
/// # Errors
///
/// When the file cannot be read, or with every problem of its text.
pub fn load(file: &Utf8Path) -> Result<Scenario, ScenarioError> {
    let unreadable = |source| ScenarioError::Unreadable { file: file.to_path_buf(), source };
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|opened| opened.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let wrong =
        |text: String, problems| ScenarioError::Wrong { file: file.to_path_buf(), text, problems };
    if bytes.len() as u64 > LIMIT_BYTES {
        let problem = at_start("the file is larger than 1 MiB: it is no scenario");
        return Err(wrong(String::new(), vec![problem]));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(wrong(String::new(), vec![at_start("the file is not UTF-8")]));
    };
    let raw: RawScenario = match serde_yaml::from_str(&text) {
        Ok(raw) => raw,
        Err(error) => {
            let location = error.location();
            let message = error.without_snippet().to_string();
            let problem = problem(&text, location.as_ref(), first_line(&message), None);
            return Err(wrong(text, vec![problem]));
        }
    };
    let mut problems = Problems { text: &text, found: Vec::new() };
    let scenario = validate(file, &raw, &mut problems);
    let mut found = problems.found;
    if found.is_empty() {
        Ok(scenario)
    } else {
        found.sort_by_key(|problem| (problem.line, problem.column));
        Err(wrong(text, found))
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn at_start(message: &str) -> ScenarioProblem {
    ScenarioProblem {
        message: message.to_owned(),
        help: None,
        line: 1,
        column: 1,
        offset: 0,
        length: 0,
    }
}

fn problem(
    text: &str,
    location: Option<&Location>,
    message: String,
    help: Option<String>,
) -> ScenarioProblem {
    let (line, column) = location.map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
    let line_start: usize =
        text.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    let rest = &text[line_start.min(text.len())..];
    let inside: usize =
        rest.chars().take(usize::try_from(column - 1).unwrap_or(0)).map(char::len_utf8).sum();
    let offset = (line_start + inside).min(text.len());
    // The offending word: up to the end of the line, a comment or a colon.
    let word = text[offset..].lines().next().unwrap_or_default();
    let length = word.find([':', '#']).filter(|&end| end > 0).unwrap_or(word.trim_end().len());
    ScenarioProblem { message, help, line, column, offset, length }
}

struct Problems<'a> {
    text: &'a str,
    found: Vec<ScenarioProblem>,
}

impl Problems<'_> {
    fn add<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, help: Option<String>) {
        self.found.push(problem(self.text, Some(&at.referenced), message.into(), help));
    }
}

fn validate(file: &Utf8Path, raw: &RawScenario, problems: &mut Problems<'_>) -> Scenario {
    if raw.version.value != 1 {
        let help = "this pgdrill knows version 1".to_owned();
        problems.add(
            &raw.version,
            format!("unknown language version {}", raw.version.value),
            Some(help),
        );
    }
    if raw.name.value.trim().is_empty() {
        problems.add(&raw.name, "the name is empty", None);
    }
    if raw.backup.path.value.is_empty() {
        problems.add(&raw.backup.path, "the path is empty", None);
    }
    let major = raw.postgres.version.as_ref().and_then(|version| major_of(version, problems));
    let engine = raw.sandbox.engine.as_ref().and_then(|engine| {
        let choice = EngineChoice::from_str(&engine.value, false).ok();
        if choice.is_none() {
            let help = "one of: auto, docker, local".to_owned();
            problems.add(engine, format!("unknown engine `{}`", engine.value), Some(help));
        }
        choice
    });
    let mut globs = |globs: &[Spanned<String>]| -> Vec<String> {
        for glob in globs {
            if let Err(error) = Pattern::new(&glob.value) {
                problems.add(glob, format!("`{}` is no glob: {error}", glob.value), None);
            }
        }
        globs.iter().map(|glob| glob.value.clone()).collect()
    };
    let only = raw.restore.only.as_ref().map_or_else(|| vec!["*".to_owned()], |only| globs(only));
    let exclude = globs(&raw.restore.exclude);
    let mut names = BTreeSet::new();
    let mut checks = Vec::new();
    for raw_check in &raw.checks {
        let (name, database, sql) = match &raw_check.value {
            RawCheck::Query(query) => (&query.name, &query.database, &query.sql),
            RawCheck::NoRows(query) => (&query.name, &query.database, &query.sql),
        };
        if !names.insert(name.value.clone()) {
            problems.add(name, format!("a second check is named `{}`", name.value), None);
        }
        for text in [name, database, sql] {
            if text.value.trim().is_empty() {
                problems.add(text, "this must not be empty", None);
            }
        }
        let kind = match &raw_check.value {
            RawCheck::NoRows(_) => Some(CheckKind::NoRows),
            RawCheck::Query(query) => comparison(query, problems).map(CheckKind::Query),
        };
        if let Some(kind) = kind {
            checks.push(Check {
                name: name.value.clone(),
                database: database.value.clone(),
                sql: sql.value.clone(),
                kind,
                line: Some(name.referenced.line()),
            });
        }
    }
    let path = |path: &Option<Spanned<String>>| {
        path.as_ref().map(|path| Utf8PathBuf::from(path.value.clone()))
    };
    Scenario {
        name: raw.name.value.clone(),
        description: None,
        file: Some(file.to_path_buf()),
        backup: BackupChoice {
            path: backup_path(file, &raw.backup.path.value),
            pick: None,
            sha256: None,
        },
        postgres: PostgresChoice {
            major,
            image: raw
                .postgres
                .image
                .as_ref()
                .map(|image| ImageChoice::Template(image.value.clone())),
        },
        sandbox: SandboxChoice { engine, ..SandboxChoice::default() },
        restore: Some(RestoreChoice { only, exclude, ..RestoreChoice::default() }),
        expect: ExpectedVerdict::default(),
        checks,
        report: ReportChoice { junit: path(&raw.report.junit), json: path(&raw.report.json) },
    }
}

/// A scenario and its backup often lie side by side and are run from elsewhere.
fn backup_path(file: &Utf8Path, path: &str) -> Utf8PathBuf {
    let beside = file.parent().map(|folder| folder.join(path));
    match beside {
        Some(beside) if !Utf8Path::new(path).is_absolute() && beside.exists() => beside,
        _ => Utf8PathBuf::from(path),
    }
}

fn major_of(version: &Spanned<Scalar>, problems: &mut Problems<'_>) -> Option<u32> {
    let text = version.value.0.as_str();
    if text == "auto" {
        return None;
    }
    let major = text.parse().ok().filter(|major| (9..100).contains(major));
    if major.is_none() {
        let help = "`auto`, or a major version such as 17".to_owned();
        problems.add(version, format!("`{text}` is no major version"), Some(help));
    }
    major
}

fn comparison(query: &RawQuery, problems: &mut Problems<'_>) -> Option<Comparison> {
    let mut found: Vec<Comparison> = Vec::new();
    let mut number = |bound: &Option<Spanned<Scalar>>, make: fn(String) -> Comparison| {
        if let Some(bound) = bound {
            if bound.value.0.parse::<f64>().is_err() {
                problems.add(bound, format!("`{}` is no number", bound.value.0), None);
            }
            found.push(make(bound.value.0.clone()));
        }
    };
    number(&query.at_least, Comparison::AtLeast);
    number(&query.at_most, Comparison::AtMost);
    if let Some(value) = &query.equals {
        found.push(Comparison::Equals(value.value.0.clone()));
    }
    if let Some(bounds) = &query.between {
        match bounds.value.as_slice() {
            [low, high] if [low, high].iter().all(|bound| bound.0.parse::<f64>().is_ok()) => {
                found.push(Comparison::Between(low.0.clone(), high.0.clone()));
            }
            _ => {
                let help = "two numbers: between: [1, 10]".to_owned();
                problems.add(bounds, "`between` takes two numbers", Some(help));
                return None;
            }
        }
    }
    if let Some(age) = &query.newer_than {
        let parsed = age.value.parse::<SignedDuration>().ok();
        let Some(duration) = parsed.and_then(|age| Duration::try_from(age).ok()) else {
            let help = "a number and a unit: 90m, 24h, 2h 30m".to_owned();
            problems.add(age, format!("`{}` is no duration", age.value), Some(help));
            return None;
        };
        found.push(Comparison::NewerThan(duration));
    }
    if let Some(pattern) = &query.matches {
        if let Err(error) = Regex::new(&pattern.value) {
            problems.add(pattern, format!("no regular expression: {}", last_line(&error)), None);
        }
        found.push(Comparison::Matches(pattern.value.clone()));
    }
    if found.len() == 1 {
        return found.pop();
    }
    let help = "exactly one of: equals, at_least, at_most, between, newer_than, matches".to_owned();
    let message = if found.is_empty() {
        "the query says what to ask, not what must hold"
    } else {
        "the query has more than one comparison"
    };
    problems.add(&query.name, message, Some(help));
    None
}

fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Scenario, ScenarioError> {
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(folder.path().join("s.yaml")).unwrap();
        fs::write(&file, text).unwrap();
        load(&file)
    }

    fn messages(text: &str) -> Vec<(u64, u64, String)> {
        match loaded(text) {
            Err(ScenarioError::Wrong { problems, .. }) => {
                problems.into_iter().map(|p| (p.line, p.column, p.message)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    const GOOD: &str = "version: 1
name: demo
backup:
  path: /b/cluster.tar.gz
postgres: {version: 17, image: 'pg:{major}'}
sandbox: {engine: docker}
restore: {only: ['app_*'], exclude: [app_old]}
checks:
  - query: {name: a, database: shop, sql: select 1, at_least: 1000}
  - no_rows: {name: b, database: shop, sql: select 1}
report: {junit: out/j.xml}
";

    #[test]
    fn a_scenario_is_read_as_written() {
        let scenario = loaded(GOOD).unwrap();
        assert_eq!(scenario.postgres.major, Some(17));
        assert_eq!(scenario.checks.len(), 2);
        assert_eq!(scenario.checks[0].line, Some(9));
        assert_eq!(scenario.checks[0].kind, CheckKind::Query(Comparison::AtLeast("1000".into())));
        assert_eq!(scenario.restore.unwrap().only, ["app_*"]);
    }

    #[test]
    fn every_problem_is_reported_at_its_place() {
        let text = GOOD
            .replace("version: 1\n", "version: 2\n")
            .replace("engine: docker", "engine: podman")
            .replace("at_least: 1000", "at_least: many");
        let found = messages(&text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!((found[0].0, found[0].1), (1, 10));
        assert_eq!((found[1].0, found[1].1), (6, 19));
        assert_eq!(found[2].0, 9);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let found = messages(&GOOD.replace("at_least", "at_leest"));
        assert_eq!(found[0].0, 9, "{found:?}");
        assert!(found[0].2.contains("at_leest"), "{found:?}");
    }

    #[test]
    fn a_query_needs_exactly_one_comparison() {
        let none = messages(&GOOD.replace(", at_least: 1000", ""));
        assert!(none[0].2.contains("what must hold"));
        let two = messages(&GOOD.replace("at_least: 1000", "at_least: 1, equals: 2"));
        assert!(two[0].2.contains("more than one"));
    }

    #[test]
    fn text_that_is_no_yaml_does_not_panic() {
        for text in ["", "\u{0}", "a: [", "- - -", "version: 1\nversion: 1", "\tversion: 1"] {
            assert!(loaded(text).is_err(), "{text:?}");
        }
    }
}
