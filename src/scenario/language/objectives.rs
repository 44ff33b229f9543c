//! Keys of recovery objectives.

use super::raw::{RawNewest, RawObjectives, RawRpo};
use crate::scenario::keys::{Keys, Section};
use crate::scenario::kind::{Kind, Reader, Slot};
use crate::scenario::node::Value;
use crate::scenario::shape::Shape;
use crate::scenario::values::{age, name, text, zone};

pub(super) fn objectives(keys: &mut Keys<'_, '_>) -> RawObjectives {
    RawObjectives {
        rto: keys.optional(
            "rto",
            age(),
            "none",
            "30m",
            "how long recovery may take, from the first byte read to the first query that the restored server answers",
        ),
        rpo: keys.optional(
            "rpo",
            Rpo,
            "none",
            "26h",
            "how old the backup may be, by the time inside it or in its sidecar, never by file times",
        ),
    }
}

/// A duration, or one with what says how old the newest data is.
struct Rpo;

impl Kind for Rpo {
    type Value = RawRpo;

    fn shape(&self) -> Shape {
        Shape::Either(vec![age().shape(), Section(rpo).shape()])
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<RawRpo> {
        if !matches!(slot.node.value, Value::Scalar(_)) {
            return Section(rpo).read(slot, reader);
        }
        let target = age().read(slot, reader)?;
        let target =
            crate::scenario::kind::Placed { value: target, key: slot.key, span: slot.node.span };
        Some(RawRpo { target: Some(target), zone: None, query: None })
    }
}

fn rpo(keys: &mut Keys<'_, '_>) -> RawRpo {
    RawRpo {
        target: keys.required("target", age(), "26h", "how old the newest data may be"),
        zone: keys.optional(
            "zone",
            zone(),
            "none; of a query's time: UTC",
            "Europe/Berlin",
            "the time zone of a time that names none: UTC, a name, or an offset such as +02:00",
        ),
        query: keys.optional(
            "query",
            Section(newest),
            "none",
            "",
            "what returns the time of the newest data; without it the time inside the backup counts",
        ),
    }
}

fn newest(keys: &mut Keys<'_, '_>) -> RawNewest {
    RawNewest {
        database: keys.required("database", name(), "shop", "the database to ask"),
        sql: keys.required(
            "sql",
            text("an SQL statement"),
            "select max(created_at) from orders",
            "one statement that reads; its first value is the time of the newest data",
        ),
    }
}
