//! From the parser's events to the tree, without recursion.

use std::collections::HashMap;

use serde_yaml::granit_parser::{self, Event, ScalarStyle};

use super::{Entry, LIMIT_DEPTH, LIMIT_NODES, Looks, Node, Scalar, Value};
use crate::scenario::problem::{Problems, ScenarioProblem, problem};
use crate::scenario::span::{Span, line_column};

/// A collection that is not closed yet.
enum Open {
    List { anchor: usize, start: Span, items: Vec<Node> },
    Mapping { anchor: usize, start: Span, entries: Vec<Entry>, key: Option<(String, Span)> },
}

pub(super) struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

/// A place as the parser tells it.
pub(super) fn place(span: &granit_parser::Span) -> Span {
    let byte = |marker: &granit_parser::Marker| marker.byte_offset().unwrap_or_default();
    Span::new(byte(&span.start), byte(&span.end))
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, open: Vec::new(), anchors: HashMap::new(), nodes: 0, documents: 0, root: None }
    }

    /// Takes one event. A key that was there before is a problem that does not stop the reading.
    ///
    /// # Errors
    ///
    /// With the problem that ends the reading.
    pub(super) fn take(
        &mut self,
        event: Event<'_>,
        span: Span,
        problems: &mut Problems<'_>,
    ) -> Result<(), ScenarioProblem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag {
                    return Err(self.refused_tag(span, &tag.to_string()));
                }
                let node = Node { value: value_of(&text, style), span };
                self.add(node, anchor, problems)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.enter(span, tag.is_some())?;
                self.open.push(Open::List { anchor, start: span, items: Vec::new() });
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.enter(span, tag.is_some())?;
                let entries = Vec::new();
                self.open.push(Open::Mapping { anchor, start: span, entries, key: None });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span, problems),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    self.nodes += weight(node);
                    self.bounded(span)?;
                    // What is wrong inside is wrong where it is written, not where it is repeated.
                    let node = self.anchors[&anchor].clone();
                    self.add(node, 0, problems)
                }
                None => Err(self.problem(
                    span,
                    "an alias inside of what it stands for",
                    "write the value out",
                )),
            },
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.problem(
                        span,
                        "a second YAML document begins here",
                        "one file holds one scenario: put each into a file of its own",
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What was read.
    pub(super) fn finish(self) -> Option<Node> {
        self.root.filter(|root| root.value != Value::Null)
    }

    fn problem(&self, span: Span, message: &str, help: &str) -> ScenarioProblem {
        problem(self.text, span, message.to_owned(), Some(help.to_owned()))
    }

    fn refused_tag(&self, span: Span, tag: &str) -> ScenarioProblem {
        let message = format!("the YAML tag `{tag}` is no part of the language");
        self.problem(span, &message, "leave it out; a text that looks like a number goes in quotes")
    }

    fn enter(&self, span: Span, tagged: bool) -> Result<(), ScenarioProblem> {
        if tagged {
            return Err(self.refused_tag(span, "!…"));
        }
        if self.open.len() == LIMIT_DEPTH {
            let message = format!("more than {LIMIT_DEPTH} lists or mappings in each other");
            return Err(self.problem(
                span,
                &message,
                "this is no scenario: the language needs six",
            ));
        }
        Ok(())
    }

    fn bounded(&self, span: Span) -> Result<(), ScenarioProblem> {
        if self.nodes <= LIMIT_NODES {
            return Ok(());
        }
        let message = format!("more than {LIMIT_NODES} values, those behind aliases included");
        Err(self.problem(span, &message, "this is no scenario"))
    }

    fn close(&mut self, end: Span, problems: &mut Problems<'_>) -> Result<(), ScenarioProblem> {
        let until = |start: Span, last: Option<Span>| {
            // Block collections end where something else begins; their last value tells better.
            let last = last.map_or(end.end, |last| last.end);
            let is_flow = self.text[start.start..].starts_with(['[', '{']);
            Span::new(start.start, if is_flow { end.end } else { last })
        };
        match self.open.pop() {
            Some(Open::List { anchor, start, items }) => {
                let span = until(start, items.last().map(|item| item.span));
                self.add(Node { value: Value::List(items), span }, anchor, problems)
            }
            Some(Open::Mapping { anchor, start, entries, .. }) => {
                let span = until(start, entries.last().map(|entry| entry.node.span));
                self.add(Node { value: Value::Mapping(entries), span }, anchor, problems)
            }
            None => Ok(()),
        }
    }

    fn add(
        &mut self,
        node: Node,
        anchor: usize,
        problems: &mut Problems<'_>,
    ) -> Result<(), ScenarioProblem> {
        self.nodes += 1;
        self.bounded(node.span)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key, .. }) => match key.take() {
                None => *key = Some(key_of(self.text, node)?),
                Some((name, key_span)) => match entries.iter().find(|entry| entry.key == name) {
                    Some(first) => {
                        let (line, _) = line_column(self.text, first.key_span.start);
                        let message = format!("`{name}` stands here a second time");
                        let help = format!("the first is in line {line}: keep one of them");
                        problems.add(key_span, message, Some(help));
                    }
                    None => entries.push(Entry { key: name, key_span, node }),
                },
            },
        }
        Ok(())
    }
}

fn key_of(text: &str, node: Node) -> Result<(String, Span), ScenarioProblem> {
    match node.value {
        Value::Scalar(scalar) => Ok((scalar.text, node.span)),
        Value::Null | Value::List(_) | Value::Mapping(_) => {
            let message = format!("{} cannot be a key", node.value.described());
            let help =
                "a key is one word: `key: value`; a text that begins with [ or { goes in quotes";
            Err(problem(text, node.span, message, Some(help.to_owned())))
        }
    }
}

/// What a copy costs: a node for each value, and for each 64 bytes of its text.
fn weight(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null => 0,
        Value::Scalar(scalar) => scalar.text.len() / 64,
        Value::List(items) => items.iter().map(weight).sum::<usize>(),
        Value::Mapping(entries) => entries.iter().map(|entry| 1 + weight(&entry.node)).sum(),
    }
}

fn value_of(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Scalar(Scalar { text: text.to_owned(), looks: Looks::Text });
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => Value::Scalar(Scalar { text: text.to_owned(), looks: looks_like(text) }),
    }
}

/// What a plain scalar that is not null looks like.
pub(in crate::scenario) fn looks_like(text: &str) -> Looks {
    match text {
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Looks::Truth,
        _ if is_number(text) => Looks::Number,
        _ => Looks::Text,
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, `0x…`, `0o…`, `.inf`, `.nan`.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let of_radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix)
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)))
    };
    if matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return true;
    }
    let only = |text: &str| {
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'))
    };
    // Rust reads the same numbers once words such as `inf` are out.
    of_radix("0x", 16)
        || of_radix("0o", 8)
        || (only(unsigned) && !unsigned.starts_with(['-', '+']) && unsigned.parse::<f64>().is_ok())
}
