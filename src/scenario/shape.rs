//! The language, described by itself: what the JSON Schema and the reference are made from.

use serde_json::Value;

/// Of these groups of keys exactly one must be there; keys of one group may stand together.
pub(super) type Alternatives = Vec<Vec<&'static str>>;

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// One scalar: its type in words, and in JSON Schema.
    Leaf { words: String, schema: Value },
    /// Any number of the same.
    List(Box<Shape>),
    /// Keys of its own.
    Section { keys: Vec<KeyShape>, exactly_one: Vec<Alternatives> },
    /// A mapping with exactly one of these keys.
    Tagged(Vec<KeyShape>),
    /// A mapping whose keys match a pattern.
    Map { keys: &'static str, words: &'static str, of: Box<Shape> },
    /// One of several.
    Either(Vec<Shape>),
}

/// A key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeyShape {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// `None`: the key is required.
    pub(super) default: Option<&'static str>,
    /// As one would write it; empty for sections, whose keys have examples.
    pub(super) example: &'static str,
    pub(super) meaning: &'static str,
}

impl KeyShape {
    pub(super) fn is_required(&self) -> bool {
        self.default.is_none()
    }
}

impl Shape {
    /// Before a key has told its own.
    pub(super) fn nothing() -> Self {
        Self::Either(Vec::new())
    }

    /// The keys right below, whichever way they are reached, each with the words for that way.
    pub(super) fn keys(&self) -> Vec<(&'static str, &KeyShape)> {
        match self {
            Self::Leaf { .. } | Self::Map { .. } => Vec::new(),
            Self::List(of) => of.keys().into_iter().map(|(_, key)| ("[].", key)).collect(),
            Self::Section { keys, .. } | Self::Tagged(keys) => {
                keys.iter().map(|key| (".", key)).collect()
            }
            Self::Either(shapes) => shapes.iter().flat_map(Self::keys).collect(),
        }
    }

    /// The type in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Leaf { words, .. } => words.clone(),
            Self::List(of) => match of.as_ref() {
                Self::Tagged(_) => format!("list of {}", of.words()),
                of => format!("list of {}s", of.words()),
            },
            Self::Section { .. } => "keys".to_owned(),
            Self::Tagged(keys) => {
                let tags: Vec<String> =
                    keys.iter().map(|key| format!("`{}: {{…}}`", key.name)).collect();
                tags.join(" or ")
            }
            Self::Map { words, of, .. } => format!("{words}: {}", of.words()),
            Self::Either(shapes) => {
                shapes.iter().map(Self::words).collect::<Vec<_>>().join(", or ")
            }
        }
    }

    /// Calls `see` with the path of every key and the key, depth first.
    pub(super) fn walk(&self, path: &str, see: &mut dyn FnMut(&str, &KeyShape)) {
        for (joint, key) in self.keys() {
            let joint = if path.is_empty() { "" } else { joint };
            let inner = format!("{path}{joint}{}", key.name);
            see(&inner, key);
            key.shape.walk(&inner, see);
        }
    }
}
