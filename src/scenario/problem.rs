//! What is wrong with a scenario, and where.

use std::io;

use camino::Utf8PathBuf;

use super::span::{Span, line_column};
use crate::text::one_line;

/// Characters of a message.
const LIMIT_WORDS: usize = 500;

/// One thing that is wrong, with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioProblem {
    /// One sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// Byte offset of the offending text.
    pub offset: usize,
    /// Its length in bytes.
    pub length: usize,
}

/// Why a scenario could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("failed to read the scenario `{file}`: {source}")]
    Unreadable {
        /// The file.
        file: Utf8PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The text is wrong.
    #[error("{} in the scenario `{file}`", crate::text::counted(problems.len(), "problem"))]
    Wrong {
        /// The file.
        file: Utf8PathBuf,
        /// Its text.
        text: String,
        /// In the order of the text.
        problems: Vec<ScenarioProblem>,
    },
}

/// A problem at a place; what spans lines is underlined in the first.
pub(super) fn problem(
    text: &str,
    span: Span,
    message: String,
    help: Option<String>,
) -> ScenarioProblem {
    let span = span.first_line(text);
    let (line, column) = line_column(text, span.start);
    let length = span.end - span.start;
    let (message, help) = (tamed(message), help.map(tamed));
    ScenarioProblem { message, help, line, column, offset: span.start, length }
}

/// Names of keys come from the file: they may be long, and hold what a terminal obeys.
fn tamed(text: String) -> String {
    let is_tame = text.len() <= LIMIT_WORDS && !text.chars().any(char::is_control);
    if is_tame { text } else { one_line(&text, LIMIT_WORDS) }
}

/// Problems of one text, as they are found.
pub(super) struct Problems<'t> {
    text: &'t str,
    found: Vec<ScenarioProblem>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn add(&mut self, span: Span, message: String, help: Option<String>) {
        self.push(problem(self.text, span, message, help));
    }

    pub(super) fn push(&mut self, problem: ScenarioProblem) {
        self.found.push(problem);
    }

    /// Whether something there is wrong already: what follows from it need not be told.
    pub(super) fn any_in(&self, span: Span) -> bool {
        self.found.iter().any(|problem| (span.start..span.end).contains(&problem.offset))
    }

    /// The one found last.
    pub(super) fn last(&mut self) -> Option<&mut ScenarioProblem> {
        self.found.last_mut()
    }

    /// In the order of the text. What aliases repeat is said once.
    pub(super) fn sorted(mut self) -> Vec<ScenarioProblem> {
        self.found.sort_by_key(|problem| problem.offset);
        let mut unique: Vec<ScenarioProblem> = Vec::new();
        for problem in self.found {
            if !unique.contains(&problem) {
                unique.push(problem);
            }
        }
        unique
    }
}
