//! The verdict that a scenario expects.

use super::raw::RawVerdict;
use crate::scenario::keys::{Keys, Tag, Tagged};
use crate::scenario::kind::{Kind, Leaf, Reader, Slot, wrong_type};
use crate::scenario::node::Value;
use crate::scenario::shape::Shape;
use crate::scenario::values::{finding, name, one_of};

/// A word, or a mapping that says which finding must come.
pub(super) struct Verdict;

impl Verdict {
    const WORDS: &'static str = "`restorable`, or `not_restorable` with the finding that must come";
    const TAGGED: Tagged<RawVerdict> = Tagged {
        what: "a verdict other than `restorable`",
        tags: &[Tag {
            name: "not_restorable",
            meaning: "the backup is bad, and this finding says how",
            section: not_restorable,
        }],
    };
}

fn not_restorable(keys: &mut Keys<'_, '_>) -> RawVerdict {
    RawVerdict::NotRestorable {
        finding: keys.required(
            "finding",
            finding().keeping_secrets(),
            "dump_truncated",
            "the code of class backup that must be found",
        ),
        database: keys.optional(
            "database",
            name(),
            "any",
            "shop",
            "the database in which it must be found",
        ),
    }
}

impl Kind for Verdict {
    type Value = RawVerdict;

    fn shape(&self) -> Shape {
        Shape::Either(vec![word().shape(), Self::TAGGED.shape()])
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<RawVerdict> {
        match &slot.node.value {
            Value::Scalar(scalar) if scalar.text == "not_restorable" => {
                let message =
                    "`not_restorable` without the finding that must come: any failure would pass";
                let help = "{not_restorable: {finding: dump_truncated, database: shop}}";
                reader.problems.add(slot.node.span, message.to_owned(), Some(help.to_owned()));
                None
            }
            Value::Scalar(_) => word().read(slot, reader).map(|_| RawVerdict::Restorable),
            Value::Mapping(_) => Self::TAGGED.read(slot, reader),
            Value::Null | Value::List(_) => {
                wrong_type(slot, Self::WORDS, reader);
                None
            }
        }
    }
}

fn word() -> Leaf<()> {
    one_of(&[("restorable", ())]).keeping_secrets()
}
