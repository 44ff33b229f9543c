//! The parser's errors in words for people who write scenarios, not parsers.

use serde_yaml::granit_parser::{ErrorKind, ScanError};

use crate::scenario::problem::{ScenarioProblem, problem};
use crate::scenario::span::Span;

const INDENT: &str = "keys of one mapping begin in the same column, two spaces further than the \
                      key they belong to";
const QUOTE: &str = "a text with `: `, ` #`, or a bracket, quote or other sign at its beginning \
                     goes in quotes: 'like this'";

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
        | Kind::InvalidFlowScalarIndent => (
            "a bracket is not closed, or a comma is missing",
            "lists are [a, b], mappings {key: value, key: value}",
        ),
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
        Kind::MappingValueNotAllowed | Kind::InvalidColonPlacement => {
            ("a `:` where no key can be", QUOTE)
        }
        Kind::UnexpectedCharacter { .. }
        | Kind::PlainScalarStartsWithDashFlowIndicator
        | Kind::UnexpectedEndOfPlainScalar
        | Kind::MissingAnchorOrAliasName
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

/// Whether blanks before this place, or the place itself, are a tab where an indent should be.
fn is_tab(text: &str, at: Span) -> bool {
    let before = &text[..at.start];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    indent.contains('\t')
}

/// The parser tells where it gave up; for what is not closed, where it was opened says more.
fn place(kind: &ErrorKind, text: &str, at: Span) -> Span {
    let line_start = text[..at.start].rfind('\n').map_or(0, |end| end + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    if is_tab(text, at) {
        let tab = line_start + line.find('\t').unwrap_or_default();
        return Span::new(tab, tab + 1);
    }
    if matches!(kind, ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey) {
        let indent = line.len() - line.trim_start().len();
        return Span::new(line_start + indent, line_start + line.trim_end().len());
    }
    let rest = text[at.start..].lines().next().unwrap_or_default();
    Span::new(at.start, at.start + rest.trim_end().len())
}
