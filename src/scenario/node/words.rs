//! The parser's errors in words for people who write scenarios, not parsers.

use serde_yaml::granit_parser::{ErrorKind, ScanError};

use crate::scenario::problem::{ScenarioProblem, problem};
use crate::scenario::span::{Span, line_of};

const INDENT: &str = "keys of one mapping begin in the same column, two spaces further than the \
                      key they belong to";
const QUOTE: &str = "a text with `: `, ` #`, or a bracket, quote or other sign at its beginning \
                     goes in quotes: 'like this'";

const BRACKETS: (&str, &str) = (
    "a bracket is not closed, or a comma is missing",
    "lists are [a, b], mappings {key: value, key: value}",
);

/// What is wrong, where, and what to do.
pub(super) fn of_error(error: &ScanError, text: &str) -> ScenarioProblem {
    let offset = error.marker().byte_offset().unwrap_or_default().min(text.len());
    let at = Span::new(offset, offset);
    let (message, help) = words(error.kind(), text, at);
    problem(text, place(error.kind(), text, at), message, Some(help))
}

fn words(kind: &ErrorKind, text: &str, at: Span) -> (String, String) {
    use ErrorKind as Kind;
    let (message, help) = match kind {
        _ if is_tab(text, at) => {
            ("a tab: YAML is indented with spaces", "replace it by two spaces for each level")
        }
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabInIndentation
        | Kind::TabAtBlockScalarStart
        | Kind::TabInPlainScalar => {
            ("a tab: YAML is indented with spaces", "replace it by two spaces for each level")
        }
        Kind::UnclosedQuotedScalar
        | Kind::DocumentIndicatorInQuotedScalar
        | Kind::InvalidQuotedScalarIndent => (
            "a quote is not closed",
            "end the text with the quote it begins with; inside '…' a quote is written twice",
        ),
        Kind::InvalidTrailingSingleQuotedScalar | Kind::InvalidTrailingDoubleQuotedScalar => (
            "text after a closing quote",
            "put all of it into the quotes; inside '…' a quote is written twice",
        ),
        Kind::UnknownQuotedScalarEscape
        | Kind::InvalidQuotedScalarHexEscape
        | Kind::InvalidUnicodeEscape => (
            "an unknown escape in \"…\"",
            "use '…', in which a backslash is a backslash, or write it twice",
        ),
        Kind::UnclosedFlowCollection { .. }
        | Kind::UnexpectedEofFlowSequence
        | Kind::UnexpectedEofFlowMapping
        | Kind::UnexpectedEofImplicitFlowMapping
        | Kind::ExpectedFlowMappingSeparator
        | Kind::ExpectedFlowSequenceSeparator
        | Kind::InvalidFlowScalarIndent => BRACKETS,
        Kind::MisplacedFlowCollectionEnd | Kind::MismatchedFlowCollectionEnd { .. } => (
            "a closing bracket that fits no opening one",
            "lists are [a, b], mappings {key: value, key: value}",
        ),
        Kind::UnknownAnchor => (
            "an alias to an anchor that does not exist",
            "a text that begins with * goes in quotes: '*'; an alias needs its &anchor before it",
        ),
        Kind::RecursionLimitExceeded => (
            "too many lists or mappings in each other",
            "this is no scenario: the language needs six",
        ),
        Kind::InvalidIndentation
        | Kind::ExpectedBlockMappingKey
        | Kind::ExpectedBlockSequenceEntry
        | Kind::BlockSequenceEntryNotAllowed
        | Kind::MappingKeyNotAllowed
        | Kind::UnexpectedEofBlockMapping
        | Kind::UnexpectedEofBlockSequence => ("this line is indented wrong", INDENT),
        Kind::InvalidSimpleKey | Kind::SimpleKeyExpected | Kind::UnexpectedEof => {
            ("this line is no `key: value`", INDENT)
        }
        Kind::MappingValueNotAllowed | Kind::InvalidColonPlacement => match colon(text, at) {
            Colon::InText => ("a `:` in a text without quotes", QUOTE),
            Colon::InBrackets => BRACKETS,
            Colon::OfKey => ("this line is indented wrong", INDENT),
        },
        Kind::MissingAnchorOrAliasName => (
            "a sign that no value can begin with",
            "a text that begins with * or & goes in quotes: '*'",
        ),
        Kind::UnexpectedCharacter { .. }
        | Kind::PlainScalarStartsWithDashFlowIndicator
        | Kind::UnexpectedEndOfPlainScalar
        | Kind::ExpectedNodeContent => ("a sign that no value can begin with", QUOTE),
        Kind::CommentNotSeparated | Kind::CommentInterceptedScalar => {
            ("a comment in the middle of a text", "put a space before `#`, or the text in quotes")
        }
        Kind::ZeroBlockScalarIndent
        | Kind::InvalidBlockScalarHeader
        | Kind::InvalidBlockScalarIndent => (
            "a text of several lines that is indented wrong",
            "after `|` or `>` the text begins in the next line, two spaces further than its key",
        ),
        Kind::InvalidDocumentEnd | Kind::ExpectedDocumentStart => (
            "the document has ended before this",
            "one file holds one scenario: keys of the top level begin in the first column",
        ),
        other => return (format!("this is no YAML: {other}"), QUOTE.to_owned()),
    };
    (message.to_owned(), help.to_owned())
}

/// What a `:` that should not be there belongs to.
enum Colon {
    InText,
    InBrackets,
    OfKey,
}

fn colon(text: &str, at: Span) -> Colon {
    let (before, line) = text[..at.start].rsplit_once('\n').unwrap_or(("", &text[..at.start]));
    let count = |signs: [char; 2]| before.matches(signs).count();
    if line.contains(": ") {
        Colon::InText
    } else if count(['[', '{']) > count([']', '}']) {
        Colon::InBrackets
    } else {
        Colon::OfKey
    }
}

/// Whether a tab stands where the line of this place is indented.
fn is_tab(text: &str, at: Span) -> bool {
    let line = line_of(text, at.start);
    line[..line.len() - line.trim_start().len()].contains('\t')
}

/// The parser tells where it gave up. For what is indented wrong, the whole line says more.
fn place(kind: &ErrorKind, text: &str, at: Span) -> Span {
    use ErrorKind as Kind;
    let line_start = text[..at.start].rfind('\n').map_or(0, |end| end + 1);
    let line = line_of(text, at.start);
    let tab = |from: usize| {
        let tab = text[from..].find('\t').map_or(from, |tab| from + tab);
        Span::new(tab, tab + 1)
    };
    let words = Span::new(
        line_start + line.len() - line.trim_start().len(),
        line_start + line.trim_end().len(),
    );
    match kind {
        _ if is_tab(text, at) => tab(line_start),
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabInIndentation
        | Kind::TabAtBlockScalarStart
        | Kind::TabInPlainScalar => tab(at.start),
        Kind::InvalidIndentation | Kind::ExpectedBlockMappingKey => words,
        Kind::MappingValueNotAllowed if matches!(colon(text, at), Colon::OfKey) => words,
        _ => Span::new(at.start, words.end),
    }
}
