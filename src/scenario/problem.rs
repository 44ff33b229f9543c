//! What is wrong with a scenario, and where.

use std::io;

use camino::Utf8PathBuf;

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
    #[error("the scenario `{file}` is wrong in {} place(s)", problems.len())]
    Wrong {
        /// The file.
        file: Utf8PathBuf,
        /// Its text.
        text: String,
        /// In the order of the text.
        problems: Vec<ScenarioProblem>,
    },
}
