//! YAML text as a tree in which everything knows its place. The only file that names the YAML
//! crate: its parser, not its serde layer, which keeps no places of keys and stops at the first
//! mistake (`docs/adr/0010-own-tree.md`).

mod build;
mod words;

use serde_yaml::granit_parser::{Options, Parser};

use super::problem::Problems;
use super::span::Span;
use build::Builder;
pub(super) use build::looks_like;

/// Mappings and lists in each other; the language itself needs six.
const LIMIT_DEPTH: usize = 32;
/// Keys, values and list items, those that aliases stand for counted each time.
const LIMIT_NODES: usize = 20_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// What YAML knows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key and its value. No two entries of a mapping have the same key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

/// A number, a text or a truth value, as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) looks: Looks,
}

/// What a scalar is by YAML's core schema (<https://yaml.org/spec/1.2.2/#103-core-schema>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    Text,
    Number,
    Truth,
}

impl Value {
    /// In words, for "expected …, found …".
    pub(super) fn described(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::List(_) => "a list",
            Self::Mapping(_) => "keys and values",
            Self::Scalar(scalar) => match scalar.looks {
                Looks::Text => "a text",
                Looks::Number => "a number",
                Looks::Truth => "true or false",
            },
        }
    }
}

/// Reads one document. `None` where the text is no YAML or holds none: a problem says so.
pub(super) fn parse(problems: &mut Problems<'_>) -> Option<Node> {
    let text = problems.text();
    let mut options = Options::default();
    options.set_emit_comments(false);
    // Ours comes first, and has the better words.
    options.flow_nesting_limit = LIMIT_DEPTH * 2;
    options.block_nesting_limit = LIMIT_DEPTH * 2;
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.take(event, build::place(&span), problems),
            Err(error) => Err(words::of_error(&error, text)),
        };
        if let Err(problem) = step {
            problems.push(problem);
            return None;
        }
    }
    let root = builder.finish();
    if root.is_none() {
        problems.add(
            Span::default(),
            "the file holds no scenario".to_owned(),
            Some("begin with `version: 1`; docs/scenario.md lists every key".to_owned()),
        );
    }
    root
}
