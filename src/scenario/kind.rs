//! Kinds of values: how each is read, and how it describes itself.

use serde_json::{Value as Json, json};

use super::fill::{FilledText, Filler};
use super::filled::Filled;
use super::node::{Looks, Node, Scalar, Value};
use super::problem::Problems;
use super::shape::Shape;
use super::span::Span;
use crate::text::one_line;

/// What reading needs: the text's problems, and where `${…}` is looked up.
pub(super) struct Reader<'t> {
    pub(super) problems: Problems<'t>,
    pub(super) filler: Filler<'t>,
}

/// A node and whose value it is.
#[derive(Clone, Copy)]
pub(super) struct Slot<'n> {
    /// The key, or the list's key for an item.
    pub(super) name: &'n str,
    /// Where the key stands; an item has none and stands for itself.
    pub(super) key: Span,
    pub(super) node: &'n Node,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) key: Span,
    pub(super) span: Span,
}

/// A kind of value. Reading tells every problem, and gives nothing where there is one.
pub(super) trait Kind {
    type Value;

    fn shape(&self) -> Shape;

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<Self::Value>;
}

/// Why a text is no value of its kind: goes on after the value, which it must not repeat.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) predicate: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(predicate: impl Into<String>, help: impl Into<String>) -> Self {
        Self { predicate: predicate.into(), help: Some(help.into()) }
    }
}

/// Which scalars a kind takes when nothing is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Number,
    Any,
}

/// Whether a value may come from a file, which makes it a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Reports and messages show it.
    Refused,
    Kept,
    /// Refused; what the environment has is not shown either, if it is wrong: it may be one.
    Hidden,
}

type Parse<T> = Box<dyn Fn(&str) -> Result<T, Fault>>;

/// A scalar.
pub(super) struct Leaf<T> {
    /// With its article: `a size such as 4GiB`.
    pub(super) words: String,
    /// Of values without references.
    pub(super) schema: Json,
    pub(super) takes: Takes,
    pub(super) secrets: Secrets,
    pub(super) parse: Parse<T>,
}

impl<T> Leaf<T> {
    pub(super) fn keeping_secrets(mut self) -> Self {
        self.secrets = Secrets::Kept;
        self
    }

    /// The text with its references filled in.
    fn filled(
        &self,
        scalar: &Scalar,
        slot: Slot<'_>,
        reader: &mut Reader<'_>,
    ) -> Option<FilledText> {
        let span = slot.node.span;
        let filled = match reader.filler.fill(&scalar.text) {
            Ok(filled) => filled,
            Err(missing) => {
                for one in missing {
                    let at = place_of(reader.problems.text(), span, &one.written, one.nth);
                    reader.problems.add(at, one.message, Some(one.help));
                }
                return None;
            }
        };
        if let (Some(written), Secrets::Refused | Secrets::Hidden) =
            (&filled.from_file, self.secrets)
        {
            let at = place_of(reader.problems.text(), span, written, 0);
            let message = format!(
                "`{}` is shown in reports and messages: it cannot come from a file, whose text is a secret",
                slot.name
            );
            reader.problems.add(
                at,
                message,
                Some("write it out, or take it from the environment: ${NAME}".to_owned()),
            );
            return None;
        }
        Some(filled)
    }

    /// Says what is wrong with the sort of scalar, if anything is.
    fn wrong_sort(&self, scalar: &Scalar) -> Option<(&'static str, String)> {
        match (self.takes, scalar.looks) {
            (Takes::Text, Looks::Number | Looks::Truth) => Some((
                Value::Scalar(scalar.clone()).described(),
                format!("put it in quotes: \"{}\"", scalar.text),
            )),
            (Takes::Number, Looks::Text) if (self.parse)(&scalar.text).is_ok() => {
                Some(("a text", format!("without quotes: {}", scalar.text)))
            }
            _ => None,
        }
    }
}

impl<T> Kind for Leaf<T> {
    type Value = Filled<T>;

    fn shape(&self) -> Shape {
        // A pattern or a list of words would refuse `${…}`.
        let kind = &self.schema["type"];
        let takes_any_text =
            self.schema.get("pattern").is_none() && (kind == "string" || kind.is_array());
        let schema = if takes_any_text {
            self.schema.clone()
        } else {
            json!({"anyOf": [self.schema, {"$ref": "#/$defs/reference"}]})
        };
        let articles = ["a ", "an ", "the ", "one of "];
        let words = articles.iter().find_map(|article| self.words.strip_prefix(article));
        Shape::Leaf { words: words.unwrap_or(&self.words).to_owned(), schema }
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<Filled<T>> {
        let Value::Scalar(scalar) = &slot.node.value else {
            wrong_type(slot, &self.words, reader);
            return None;
        };
        let filled = self.filled(scalar, slot, reader)?;
        if !filled.changed
            && let Some((found, help)) = self.wrong_sort(scalar)
        {
            let message = format!("`{}` takes {}, found {found}", slot.name, self.words);
            reader.problems.add(slot.node.span, message, Some(help));
            return None;
        }
        match (self.parse)(&filled.text) {
            Ok(value) if filled.from_file.is_some() => Some(Filled::secret(value, &scalar.text)),
            Ok(value) => Some(value.into()),
            Err(fault) => {
                let is_hidden = filled.from_file.is_some() || self.secrets == Secrets::Hidden;
                let shown = if is_hidden { &scalar.text } else { &filled.text };
                let shown = one_line(shown, 60);
                let subject = if shown.is_empty() { slot.name } else { &shown };
                let message = format!("`{subject}` {}", fault.predicate);
                reader.problems.add(slot.node.span, message, fault.help);
                None
            }
        }
    }
}

/// The place of the reference in the text as written; escapes may hide it, then the whole value.
fn place_of(text: &str, span: Span, written: &str, nth: usize) -> Span {
    let found = span.of(text).match_indices(written).nth(nth);
    found.map_or(span, |(at, _)| Span::new(span.start + at, span.start + at + written.len()))
}

/// Expected …, found ….
pub(super) fn wrong_type(slot: Slot<'_>, words: &str, reader: &mut Reader<'_>) {
    let (at, message, help) = match &slot.node.value {
        Value::Null => (
            slot.key,
            format!("`{}` has no value", slot.name),
            Some(format!("it takes {words}; a key that may be missing can be left out")),
        ),
        found => {
            // A list or mapping is as long as what is in it: its key is the mistake.
            let at = if matches!(found, Value::Scalar(_)) { slot.node.span } else { slot.key };
            let help = match found {
                Value::List(_) => "one value, without brackets or `- `",
                Value::Mapping(_) => "one value, without keys below it",
                Value::Null | Value::Scalar(_) => "docs/scenario.md says what each key takes",
            };
            let message = format!("`{}` takes {words}, found {}", slot.name, found.described());
            (at, message, Some(help.to_owned()))
        }
    };
    reader.problems.add(at, message, help);
}

/// Any number of values of one kind.
pub(super) struct ListOf<K>(pub(super) K);

impl<K: Kind> Kind for ListOf<K> {
    type Value = Vec<Placed<K::Value>>;

    fn shape(&self) -> Shape {
        Shape::List(Box::new(self.0.shape()))
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Value::List(items) = &slot.node.value else {
            wrong_type(slot, "a list", reader);
            if let Some(last) = reader.problems.last() {
                last.help = Some(match &slot.node.value {
                    Value::Scalar(scalar) => format!("write [{}]", one_line(&scalar.text, 60)),
                    _ => "write [a, b], or a line that begins with `- ` for each".to_owned(),
                });
            }
            return None;
        };
        let mut read = Vec::new();
        for node in items {
            let key = node.span;
            if let Some(value) = self.0.read(Slot { key, node, ..slot }, reader) {
                read.push(Placed { value, key, span: node.span });
            }
        }
        Some(read)
    }
}
