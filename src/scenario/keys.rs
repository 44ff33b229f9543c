//! Keys of a section, asked for one after another.
//!
//! A section is a function that takes [`Keys`] and asks for each of its keys. It runs in two ways:
//! over a mapping of a scenario, whose values it gets and whose problems are told, and over nothing,
//! when each question becomes a line of the description. So the language is written down once, and
//! what is read, what the JSON Schema says and what the reference lists cannot differ.

use super::kind::{Kind, Placed, Reader, Slot, wrong_type};
use super::language;
use super::node::{Entry, Value};
use super::shape::{Alternatives, KeyShape, Shape};
use super::span::Span;
use super::suggest::{either, nearest};

/// The keys of one section.
pub(super) struct Keys<'k, 't>(Mode<'k, 't>);

enum Mode<'k, 't> {
    Reading(Reading<'k, 't>),
    Describing { keys: Vec<KeyShape>, exactly_one: Vec<Alternatives> },
}

struct Reading<'k, 't> {
    /// In words: `backup`, or the scenario.
    title: String,
    at: Span,
    entries: &'k [Entry],
    known: Vec<&'static str>,
    /// Required keys that are not there, and what to add.
    missing: Vec<(&'static str, String)>,
    reader: &'k mut Reader<'t>,
}

#[expect(clippy::needless_pass_by_value, reason = "a kind is made where it is asked for")]
impl Keys<'_, '_> {
    /// A key that must be there.
    pub(super) fn required<K: Kind>(
        &mut self,
        name: &'static str,
        kind: K,
        example: &'static str,
        meaning: &'static str,
    ) -> Option<Placed<K::Value>> {
        self.ask(&kind, KeyShape { name, shape: Shape::nothing(), default: None, example, meaning })
    }

    /// A key that may be missing; `default` says in words what holds then.
    pub(super) fn optional<K: Kind>(
        &mut self,
        name: &'static str,
        kind: K,
        default: &'static str,
        example: &'static str,
        meaning: &'static str,
    ) -> Option<Placed<K::Value>> {
        let default = Some(default);
        self.ask(&kind, KeyShape { name, shape: Shape::nothing(), default, example, meaning })
    }

    fn ask<K: Kind>(&mut self, kind: &K, mut key: KeyShape) -> Option<Placed<K::Value>> {
        let reading = match &mut self.0 {
            Mode::Describing { keys, .. } => {
                key.shape = kind.shape();
                keys.push(key);
                return None;
            }
            Mode::Reading(reading) => reading,
        };
        reading.known.push(key.name);
        if let Some(entry) = reading.entries.iter().find(|entry| entry.key == key.name) {
            let slot = Slot { name: key.name, key: entry.key_span, node: &entry.node };
            let value = kind.read(slot, reading.reader)?;
            return Some(Placed { value, key: entry.key_span, span: entry.node.span });
        }
        if key.is_required() {
            let help = match key.example {
                "" => format!("add `{}:`: {}", key.name, key.meaning),
                example => format!("add `{}: {example}`", key.name),
            };
            reading.missing.push((key.name, help));
        }
        None
    }

    /// Of these keys, asked for before, exactly one must be there.
    pub(super) fn exactly_one(&mut self, names: &[&'static str], lacking: &str, both: &str) {
        let groups: Vec<&[&'static str]> = names.chunks(1).collect();
        self.exactly_one_group(&groups, lacking, both);
    }

    /// Of these groups exactly one must be there; keys of one group may stand together.
    pub(super) fn exactly_one_group(
        &mut self,
        groups: &[&[&'static str]],
        lacking: &str,
        both: &str,
    ) {
        let reading = match &mut self.0 {
            Mode::Describing { exactly_one, .. } => {
                exactly_one.push(groups.iter().map(|group| group.to_vec()).collect());
                return;
            }
            Mode::Reading(reading) => reading,
        };
        let names = groups.concat();
        let is_one = |entry: &&Entry| names.contains(&entry.key.as_str());
        let mut present = reading.entries.iter().filter(is_one);
        let Some(first) = present.next() else {
            // A slip in the one that is there is told as an unknown key.
            let slipped = |entry: &Entry| {
                !reading.known.contains(&entry.key.as_str())
                    && nearest(&entry.key, names.iter().copied()).is_some()
            };
            if !reading.entries.iter().any(slipped) {
                let help = format!("add one of {}", either(names.iter().copied()));
                reading.reader.problems.add(
                    reading.at,
                    format!("{} {lacking}", reading.title),
                    Some(help),
                );
            }
            return;
        };
        let is_beside = |extra: &&Entry| {
            let together = |group: &&&[&str]| group.contains(&extra.key.as_str());
            groups.iter().find(together).is_some_and(|group| group.contains(&first.key.as_str()))
        };
        for extra in present.filter(|extra| !is_beside(extra)) {
            let message = format!(
                "`{}` beside `{}`: {} takes one of them",
                extra.key, first.key, reading.title
            );
            let help = format!("exactly one of {}{both}", either(names.iter().copied()));
            reading.reader.problems.add(extra.key_span, message, Some(help));
        }
    }
}

impl Reading<'_, '_> {
    /// Keys that nobody asked for, and those that are missing; a slip is not both.
    fn finish(&mut self) {
        let mut slips = Vec::new();
        for entry in self.entries {
            let name = entry.key.as_str();
            if self.known.contains(&name) {
                continue;
            }
            let help = if name == "<<" {
                "merge keys are no part of the language; an alias may stand for a whole value"
                    .to_owned()
            } else if let Some(near) = nearest(name, self.known.iter().copied()) {
                slips.push(near);
                format!("did you mean `{near}`?")
            } else if let Some(home) = language::home_of(name) {
                home
            } else {
                format!("known here: {}", self.known.join(", "))
            };
            let message = format!("unknown key `{name}` in {}", self.title);
            self.reader.problems.add(entry.key_span, message, Some(help));
        }
        for (name, help) in self.missing.drain(..).filter(|(name, _)| !slips.contains(name)) {
            let message = format!("{} lacks `{name}`", self.title);
            self.reader.problems.add(self.at, message, Some(help));
        }
    }
}

/// A mapping whose keys a function asks for. Without a value it has no keys.
pub(super) struct Section<T>(pub(super) fn(&mut Keys<'_, '_>) -> T);

impl<T> Section<T> {
    /// Reads the mapping of a whole scenario.
    pub(super) fn read_root(&self, entries: &[Entry], reader: &mut Reader<'_>) -> T {
        let at = entries.first().map_or_else(Span::default, |entry| entry.key_span);
        self.read_entries("the scenario".to_owned(), at, entries, reader)
    }

    fn read_entries(
        &self,
        title: String,
        at: Span,
        entries: &[Entry],
        reader: &mut Reader<'_>,
    ) -> T {
        let reading =
            Reading { title, at, entries, known: Vec::new(), missing: Vec::new(), reader };
        let mut keys = Keys(Mode::Reading(reading));
        let value = (self.0)(&mut keys);
        if let Keys(Mode::Reading(mut reading)) = keys {
            reading.finish();
        }
        value
    }
}

impl<T> Kind for Section<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        let mut keys = Keys(Mode::Describing { keys: Vec::new(), exactly_one: Vec::new() });
        (self.0)(&mut keys);
        match keys.0 {
            Mode::Describing { keys, exactly_one } => Shape::Section { keys, exactly_one },
            Mode::Reading(_) => Shape::nothing(),
        }
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<T> {
        let entries: &[Entry] = match &slot.node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            Value::Scalar(_) | Value::List(_) => {
                wrong_type(slot, "keys and values", reader);
                if let Some(last) = reader.problems.last() {
                    let shape = self.shape();
                    let first = shape
                        .keys()
                        .first()
                        .map(|(_, key)| format!("{}: {}", key.name, key.example));
                    last.help =
                        first.map(|first| format!("write the keys below it, such as `{first}`"));
                }
                return None;
            }
        };
        Some(self.read_entries(format!("`{}`", slot.name), slot.key, entries, reader))
    }
}

/// A mapping with one key, which says of what sort the rest is.
pub(super) struct Tagged<T: 'static> {
    /// With its article: `a check`.
    pub(super) what: &'static str,
    pub(super) tags: &'static [Tag<T>],
}

/// One sort.
pub(super) struct Tag<T> {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) section: fn(&mut Keys<'_, '_>) -> T,
}

impl<T> Tagged<T> {
    fn names(&self) -> String {
        either(self.tags.iter().map(|tag| tag.name))
    }

    fn example(&self) -> String {
        format!("{} begins with its sort: `{}: {{…}}`", self.what, self.tags[0].name)
    }

    /// What is wrong with keys beside the one that says the sort.
    fn refuse_beside(&self, tag: &Entry, extra: &Entry, reader: &mut Reader<'_>) {
        let message = format!("`{}` beside `{}`: {} has one key", extra.key, tag.key, self.what);
        let help = if self.tags.iter().any(|known| known.name == extra.key) {
            "begin another item of the list with `- `".to_owned()
        } else {
            format!("indent it further, so that it belongs to `{}`", tag.key)
        };
        reader.problems.add(extra.key_span, message, Some(help));
    }
}

impl<T> Kind for Tagged<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        let key = |tag: &Tag<T>| KeyShape {
            name: tag.name,
            shape: Section(tag.section).shape(),
            default: Some(""),
            example: "",
            meaning: tag.meaning,
        };
        Shape::Tagged(self.tags.iter().map(key).collect())
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<T> {
        let Value::Mapping(entries) = &slot.node.value else {
            wrong_type(slot, &format!("{}: {}", self.what, self.names()), reader);
            if let Some(last) = reader.problems.last() {
                last.help = Some(self.example());
            }
            return None;
        };
        let known = |entry: &&Entry| self.tags.iter().any(|tag| tag.name == entry.key);
        let Some(entry) = entries.iter().find(known) else {
            let at = entries.first().map_or(slot.key, |entry| entry.key_span);
            let found = entries
                .first()
                .map_or_else(String::new, |entry| format!(", found `{}`", entry.key));
            let near = entries
                .first()
                .and_then(|entry| nearest(&entry.key, self.tags.iter().map(|tag| tag.name)));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => self.example(),
            };
            reader.problems.add(
                at,
                format!("{} is {}{found}", self.what, self.names()),
                Some(help),
            );
            return None;
        };
        let others: Vec<&Entry> = entries.iter().filter(|other| other.key != entry.key).collect();
        for extra in &others {
            self.refuse_beside(entry, extra, reader);
        }
        // What was meant for it stands beside it: that it lacks keys follows from that.
        if !others.is_empty() && entry.node.value == Value::Null {
            return None;
        }
        let tag = self.tags.iter().find(|tag| tag.name == entry.key)?;
        let inner = Slot { name: tag.name, key: entry.key_span, node: &entry.node };
        Section(tag.section).read(inner, reader)
    }
}
