//! Keys of checks.

use super::raw::{RawCheck, RawCheckKind, RawComparisons, RawQuestion, RawRows, RawSample};
use crate::scenario::choice::ContentMode;
use crate::scenario::keys::{Keys, Tag, Tagged};
use crate::scenario::kind::ListOf;
use crate::scenario::values::{
    age, glob, name, number, one_of, operand, regex, sample_rows, text, whole,
};

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
        Tag { name: "rows", meaning: "tables have the rows of the dump", section: rows },
        Tag {
            name: "sample",
            meaning: "a seeded sample of rows can be read, and refers to rows that are there",
            section: sample,
        },
    ],
};

fn no_rows(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "no negative stock", UNIQUE),
        kind: RawCheckKind::NoRows(question(keys, "select 1 from items where stock < 0")),
    }
}

fn sample(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "readable rows", UNIQUE),
        kind: RawCheckKind::Sample(RawSample {
            databases: keys.optional(
                "databases",
                ListOf(glob()),
                "['*']",
                "[shop, 'app_*']",
                "the databases, as globs; each must match one that is restored",
            ),
            tables: keys.optional(
                "tables",
                whole(1, "a sample of no table proves nothing").keeping_secrets(),
                "20",
                "50",
                "how many tables with rows, of each database",
            ),
            rows: keys.optional(
                "rows",
                sample_rows().keeping_secrets(),
                "1%",
                "100",
                "how many rows of each table: a share, at least one row, or a number",
            ),
            seed: keys.optional(
                "seed",
                whole(0, "a whole number").keeping_secrets(),
                "1",
                "7",
                "the same seed chooses the same tables and rows on every server",
            ),
        }),
    }
}

fn rows(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "the rows of the dump", UNIQUE),
        kind: RawCheckKind::Rows(RawRows {
            databases: keys.optional(
                "databases",
                ListOf(glob()),
                "['*']",
                "[shop, 'app_*']",
                "the databases, as globs; each must match one that is restored",
            ),
            content: keys.optional(
                "content",
                one_of(&[
                    ("none", ContentMode::None),
                    ("sampled", ContentMode::Sampled),
                    ("all", ContentMode::All),
                ])
                .keeping_secrets(),
                "sampled",
                "all",
                "of how many tables the values are compared besides the number of rows; without such a check `sampled`",
            ),
        }),
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
