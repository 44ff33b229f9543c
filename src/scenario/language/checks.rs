//! Keys of checks.

use super::raw::{RawCheck, RawCheckKind, RawComparisons, RawQuestion};
use crate::scenario::keys::{Keys, Tag, Tagged};
use crate::scenario::kind::ListOf;
use crate::scenario::values::{age, glob, name, number, operand, regex, text};

/// The default of a comparison, in words.
const ONE: &str = "exactly one of these";
const UNIQUE: &str = "unique in the scenario";

pub(super) const CHECK: Tagged<RawCheck> = Tagged {
    what: "a check",
    tags: &[
        Tag {
            name: "query",
            meaning: "the first column of the first row is compared",
            section: query,
        },
        Tag {
            name: "no_rows",
            meaning: "no row comes, although the tables that are read hold rows",
            section: no_rows,
        },
        Tag {
            name: "structure",
            meaning: "everything in the tables of contents is in the restored databases as they say",
            section: structure,
        },
    ],
};

fn no_rows(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "no negative stock", UNIQUE),
        kind: RawCheckKind::NoRows(question(keys, "select 1 from items where stock < 0")),
    }
}

fn structure(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "everything in the TOC is there", UNIQUE),
        kind: RawCheckKind::Structure(keys.optional(
            "databases",
            ListOf(glob()),
            "every database",
            "[shop, 'tenant_*']",
            "which databases; a glob that matches none fails",
        )),
    }
}

fn question(keys: &mut Keys<'_, '_>, example: &'static str) -> RawQuestion {
    RawQuestion {
        database: keys.required("database", name(), "shop", "the database to ask"),
        sql: keys.required(
            "sql",
            text("an SQL statement").keeping_secrets(),
            example,
            "one statement that reads",
        ),
    }
}

fn query(keys: &mut Keys<'_, '_>) -> RawCheck {
    let name = keys.required("name", name(), "enough orders", UNIQUE);
    let question = question(keys, "select count(*) from orders");
    let comparisons = RawComparisons {
        equals: keys.optional(
            "equals",
            operand(),
            ONE,
            "20000",
            "holds for the same number, or the same text",
        ),
        at_least: keys.optional(
            "at_least",
            number(),
            ONE,
            "1000",
            "holds for this number and larger ones",
        ),
        at_most: keys.optional(
            "at_most",
            number(),
            ONE,
            "0.5",
            "holds for this number and smaller ones",
        ),
        between: keys.optional(
            "between",
            ListOf(number()),
            ONE,
            "[3, 10]",
            "holds for numbers from the first to the second",
        ),
        newer_than: keys.optional(
            "newer_than",
            age().keeping_secrets(),
            ONE,
            "24h",
            "holds for a time no longer ago than this; a time without a zone is UTC",
        ),
        matches: keys.optional(
            "matches",
            regex(),
            ONE,
            "'^v[0-9]+'",
            "holds for a text in which the expression is found",
        ),
    };
    let all = ["equals", "at_least", "at_most", "between", "newer_than", "matches"];
    keys.exactly_one(&all, "says what to ask, not what must hold", "; ask twice to compare twice");
    RawCheck { name, kind: RawCheckKind::Query(question, Box::new(comparisons)) }
}
