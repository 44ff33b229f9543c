//! How much of a backup is restored.

use super::raw::RawScope;
use crate::scenario::keys::{Keys, Tag, Tagged};
use crate::scenario::kind::{Kind, Leaf, Reader, Slot, wrong_type};
use crate::scenario::node::Value;
use crate::scenario::shape::Shape;
use crate::scenario::values::{one_of, whole};

/// A word, or a mapping that says what is chosen.
pub(super) struct Scope;

impl Scope {
    const WORDS: &'static str = "`full`, or `sample` with how many databases";
    const TAGGED: Tagged<RawScope> = Tagged {
        what: "a scope other than `full`",
        tags: &[Tag {
            name: "sample",
            meaning: "a seeded choice of databases, and those that checks ask",
            section: sample,
        }],
    };
}

fn sample(keys: &mut Keys<'_, '_>) -> RawScope {
    RawScope::Sample {
        databases: keys.optional(
            "databases",
            whole(1, "a sample of no database proves nothing").keeping_secrets(),
            "3",
            "5",
            "how many databases are restored; those that checks ask are among them, however many",
        ),
        seed: keys.optional(
            "seed",
            whole(0, "a whole number").keeping_secrets(),
            "the backup's own",
            "7",
            "chooses the databases; without it the same backup always gives the same, and tomorrow's others",
        ),
    }
}

impl Kind for Scope {
    type Value = RawScope;

    fn shape(&self) -> Shape {
        Shape::Either(vec![word().shape(), Self::TAGGED.shape()])
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<RawScope> {
        match &slot.node.value {
            Value::Scalar(_) => word().read(slot, reader).map(|_| RawScope::Full),
            Value::Mapping(_) => Self::TAGGED.read(slot, reader),
            Value::Null | Value::List(_) => {
                wrong_type(slot, Self::WORDS, reader);
                None
            }
        }
    }
}

fn word() -> Leaf<()> {
    one_of(&[("full", ())]).keeping_secrets()
}
