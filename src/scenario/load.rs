//! From a file to a [`Scenario`], or to every problem of its text.

use std::fs::File;
use std::io::Read as _;

use camino::Utf8Path;

use super::Scenario;
use super::fill::{Environment, Filler};
use super::kind::Reader;
use super::language::SCENARIO;
use super::node::{self, Value};
use super::problem::{Problems, ScenarioError, ScenarioProblem, problem};
use super::span::Span;
use super::validate::validate;

/// A scenario is written by hand: anything larger is none.
const LIMIT_BYTES: u64 = 1024 * 1024;

/// Loads a scenario file. Relative paths in it are relative to the working directory, except the
/// backup's, which is tried beside the file first, and `${file:…}`, which is beside the file.
///
/// # Errors
///
/// When the file cannot be read, or with every problem of its text.
pub fn load(file: &Utf8Path, environment: Environment<'_>) -> Result<Scenario, ScenarioError> {
    let unreadable = |source| ScenarioError::Unreadable { file: file.to_path_buf(), source };
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let wrong =
        |text: String, problems| ScenarioError::Wrong { file: file.to_path_buf(), text, problems };
    if bytes.len() as u64 > LIMIT_BYTES {
        let problem =
            at_start("the file is larger than 1 MiB", "this is no scenario: is it the backup?");
        return Err(wrong(String::new(), vec![problem]));
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(file, &error)),
    };
    // Windows' editors put one there. The parser would too see it as nothing, but count it.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    read(file, &text, environment).map_err(|problems| wrong(text, problems))
}

/// The scenario that a text is.
fn read(
    file: &Utf8Path,
    text: &str,
    environment: Environment<'_>,
) -> Result<Scenario, Vec<ScenarioProblem>> {
    let mut problems = Problems::new(text);
    let Some(root) = node::parse(&mut problems) else { return Err(problems.sorted()) };
    let Value::Mapping(entries) = &root.value else {
        let help = "a scenario is a list of keys and values: `version: 1`, `name: …`, `backup: …`";
        let message = format!("a scenario is keys and values, found {}", root.value.described());
        problems.add(root.span, message, Some(help.to_owned()));
        return Err(problems.sorted());
    };
    let folder = file.parent().unwrap_or(Utf8Path::new(""));
    let mut reader = Reader { problems, filler: Filler { folder, environment } };
    let raw = SCENARIO.read_root(entries, &mut reader);
    let scenario = validate(file, &raw, &mut reader.problems);
    let problems = reader.problems.sorted();
    match scenario {
        Some(scenario) if problems.is_empty() => Ok(scenario),
        _ => Err(problems),
    }
}

fn at_start(message: &str, help: &str) -> ScenarioProblem {
    problem("", Span::default(), message.to_owned(), Some(help.to_owned()))
}

fn not_utf8(file: &Utf8Path, error: &std::string::FromUtf8Error) -> ScenarioError {
    let good = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let help = "save it as UTF-8; `file -i` tells what it is now";
    let found = problem(
        &text,
        Span::new(good, good + char::REPLACEMENT_CHARACTER.len_utf8()),
        "the file is not UTF-8".to_owned(),
        Some(help.to_owned()),
    );
    ScenarioError::Wrong { file: file.to_path_buf(), text, problems: vec![found] }
}

#[cfg(test)]
mod tests;
