//! Keys of checks.

use super::raw::{
    RawBaseline, RawCheck, RawCheckKind, RawComparisons, RawPgTap, RawQuestion, RawRows, RawSample,
    RawSequences, RawThresholds,
};
use crate::scenario::choice::ContentMode;
use crate::scenario::keys::{Keys, Tag, Tagged};
use crate::scenario::kind::ListOf;
use crate::scenario::values::{
    age, condition, glob, glob_path, name, number, one_of, operand, path, percentage, regex,
    sample_rows, text, whole,
};

/// The default of a comparison, in words.
const ONE: &str = "exactly one of these";
/// The default of what says which databases are asked, in words.
const ONE_TARGET: &str = "exactly one of these two";
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
            name: "structure",
            meaning: "everything in the tables of contents is in the restored databases as they say",
            section: structure,
        },
        Tag {
            name: "roles",
            meaning: "roles, memberships and tablespaces are as the backup's globals say",
            section: roles,
        },
        Tag {
            name: "sample",
            meaning: "a seeded sample of rows can be read, and refers to rows that are there",
            section: sample,
        },
        Tag {
            name: "baseline",
            meaning: "tables hold what those of the source held when the baseline was taken",
            section: baseline,
        },
        Tag {
            name: "sequences",
            meaning: "no sequence gives a value that its column has had",
            section: sequences,
        },
        Tag { name: "pgtap", meaning: "every test in files of pgTAP tests holds", section: pgtap },
    ],
};

fn no_rows(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "no negative stock", UNIQUE),
        kind: RawCheckKind::NoRows(
            question(keys, "select 1 from items where stock < 0"),
            thresholds(
                keys,
                ["'> 0'; none beside `warn_if`", "none"],
                [
                    "the check fails if this holds for the number of rows",
                    "the check holds, and a notice says so, if this holds for the number of rows",
                ],
            ),
        ),
    }
}

fn sequences(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "sequences follow", UNIQUE),
        kind: RawCheckKind::Sequences(RawSequences {
            databases: keys.optional(
                "databases",
                ListOf(glob()),
                "['*']",
                "['app_*']",
                "the databases, as globs; each must match one that is restored",
            ),
            schemas: keys.optional(
                "schemas",
                ListOf(glob()),
                "['*']",
                "[public]",
                "the schemas whose sequences are compared with the columns that they feed",
            ),
            time_limit: keys.optional(
                "time_limit",
                age().keeping_secrets(),
                "5m",
                "30s",
                "how long one comparison may take",
            ),
        }),
    }
}

fn pgtap(keys: &mut Keys<'_, '_>) -> RawCheck {
    let check = RawCheck {
        name: keys.required("name", name(), "the tests of shop", UNIQUE),
        kind: RawCheckKind::PgTap(RawPgTap {
            database: keys.optional("database", name(), ONE_TARGET, "shop", "the database to test"),
            each_database: keys.optional(
                "each_database",
                ListOf(glob()),
                ONE_TARGET,
                "['app_*']",
                "the databases to test, one after another: each that was restored and matches; every glob must match one of the backup",
            ),
            files: keys.required(
                "files",
                ListOf(glob_path()),
                "[tests/*.sql]",
                "files of pgTAP tests, or globs, relative to the scenario's folder; each must match a file",
            ),
            time_limit: keys.optional(
                "time_limit",
                age().keeping_secrets(),
                "5m",
                "30s",
                "how long one file may take in a database",
            ),
        }),
    };
    let targets = ["database", "each_database"];
    keys.exactly_one(&targets, "does not say which database to test", "");
    check
}

/// Of a value or of a number of rows: the words that differ are `error_if`'s, then `warn_if`'s.
fn thresholds(
    keys: &mut Keys<'_, '_>,
    defaults: [&'static str; 2],
    meanings: [&'static str; 2],
) -> RawThresholds {
    RawThresholds {
        error_if: keys.optional("error_if", condition(), defaults[0], "'> 100'", meanings[0]),
        warn_if: keys.optional("warn_if", condition(), defaults[1], "'> 10'", meanings[1]),
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

fn roles(keys: &mut Keys<'_, '_>) -> RawCheck {
    let name = keys.required("name", name(), "roles are there", UNIQUE);
    RawCheck { name, kind: RawCheckKind::Roles }
}

fn structure(keys: &mut Keys<'_, '_>) -> RawCheck {
    RawCheck {
        name: keys.required("name", name(), "everything in the TOC is there", UNIQUE),
        kind: RawCheckKind::Structure(keys.optional(
            "databases",
            ListOf(glob()),
            "['*']",
            "[shop, 'tenant_*']",
            "the databases, as globs; each must match one that is restored",
        )),
    }
}

fn baseline(keys: &mut Keys<'_, '_>) -> RawCheck {
    let name = keys.required("name", name(), "as the source was", UNIQUE);
    let baseline = RawBaseline {
        file: keys.required(
            "file",
            path(),
            "baseline.json",
            "a file that `pgdrill fingerprint` has written; a relative path as with `backup.path`",
        ),
        within: keys.optional(
            "within",
            percentage(),
            "0%: the same rows",
            "5%",
            "by how much numbers of rows may differ; with it values are not compared",
        ),
        databases: keys.optional(
            "databases",
            ListOf(glob()),
            "['*']",
            "[shop]",
            "databases of the baseline to compare",
        ),
        tables: keys.optional(
            "tables",
            ListOf(glob()),
            "['*']",
            "['public.*']",
            "tables to compare, and sequences, each as `schema.name`",
        ),
    };
    RawCheck { name, kind: RawCheckKind::Baseline(baseline) }
}

fn question(keys: &mut Keys<'_, '_>, example: &'static str) -> RawQuestion {
    let question = RawQuestion {
        database: keys.optional("database", name(), ONE_TARGET, "shop", "the database to ask"),
        each_database: keys.optional(
            "each_database",
            ListOf(glob()),
            ONE_TARGET,
            "['app_*']",
            "the databases to ask, one after another: each that was restored and matches; every glob must match one of the backup",
        ),
        sql: keys.required(
            "sql",
            text("an SQL statement").keeping_secrets(),
            example,
            "one statement that reads",
        ),
        time_limit: keys.optional(
            "time_limit",
            age().keeping_secrets(),
            "5m",
            "30s",
            "how long the statement may take in a database",
        ),
    };
    let targets = ["database", "each_database"];
    keys.exactly_one(&targets, "does not say which database to ask", "");
    question
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
        equals_file: keys.optional(
            "equals_file",
            path(),
            ONE,
            "expected/orders.csv",
            "holds if the rows are those of this CSV file, in any order; relative to the scenario's folder",
        ),
        thresholds: thresholds(
            keys,
            [ONE; 2],
            [
                "the check fails if this holds for the number; may stand beside `warn_if`",
                "the check holds, and a notice says so, if this holds for the number; may stand beside `error_if`",
            ],
        ),
    };
    let all: [&[&'static str]; 8] = [
        &["equals"],
        &["at_least"],
        &["at_most"],
        &["between"],
        &["newer_than"],
        &["matches"],
        &["equals_file"],
        &["error_if", "warn_if"],
    ];
    keys.exactly_one_group(
        &all,
        "says what to ask, not what must hold",
        "; ask twice to compare twice",
    );
    RawCheck { name, kind: RawCheckKind::Query(question, Box::new(comparisons)) }
}
