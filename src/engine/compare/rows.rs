//! Rows of the tables against those that were counted in the dump.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, listed};
use crate::backup::{CopyTarget, DatabaseDump, TocEntry};
use crate::finding::FindingCode;
use crate::postgres::catalog::{self, Table, TableName};
use crate::postgres::{Session, SessionError};
use crate::text::counted;

/// What counting has found out.
pub(super) struct Counted {
    /// The tables that have as many rows as the dump, and some.
    pub(super) alike: BTreeSet<TableName>,
    pub(super) places: Places,
}

/// Compares the number of rows of every table whose rows the dump lets be counted, and enters what it
/// looked at.
pub(super) async fn compare(
    session: &Session,
    dump: &DatabaseDump,
    comparison: &mut Comparison,
) -> Result<Counted, SessionError> {
    let tables = in_dump(&dump.entries);
    let names = tables.keys().cloned().collect();
    let places = Places { dumped: names, known: catalog::tables(session).await? };
    let dumped = places.by_root(&tables);
    let known = &places.known;
    let mut alike = BTreeSet::new();
    let inserted = inserted(&dump.entries, known);
    let mut wanted: Vec<_> =
        dumped.iter().filter_map(|(table, rows)| rows.and(known.get_key_value(table))).collect();
    wanted.extend(inserted.iter().filter_map(|table| known.get_key_value(table)));
    let restored = catalog::count_rows(session, &wanted).await?;
    let (mut lost, mut other) = (Vec::new(), Vec::new());
    let is_empty = |table: &&TableName| restored.get(*table) == Some(&0);
    lost.extend(inserted.iter().filter(is_empty).map(|(schema, name)| format!("{schema}.{name}")));
    for (table, expected) in dumped {
        let (Some(expected), Some(found)) = (expected, restored.get(&table)) else {
            comparison.tables_unknown += 1;
            continue;
        };
        comparison.tables += 1;
        let may_be_more = known.get(&table).is_some_and(|facts| facts.is_of_extension);
        let (schema, name) = &table;
        if *found == 0 && expected > 0 {
            lost.push(format!("{schema}.{name}"));
        } else if *found < expected || *found > expected && !may_be_more {
            other.push(format!("{schema}.{name} ({found} of {expected})"));
        } else if *found == expected && expected > 0 {
            alike.insert(table);
        }
    }
    if !lost.is_empty() {
        let count = counted(lost.len(), "table");
        let message = format!("{count} with rows in the dump and none in the database");
        comparison.findings.push(listed(FindingCode::RowsMissing, &message, &lost));
    }
    if !other.is_empty() {
        let count = counted(other.len(), "table");
        let message = format!("{count} with another number of rows than in the dump");
        comparison.findings.push(listed(FindingCode::RowsDiffer, &message, &other));
    }
    Ok(Counted { alike, places })
}

/// How many rows the dump puts into each table; `None` where that is not known.
fn in_dump(entries: &[TocEntry]) -> Dumped {
    let mut tables = Dumped::new();
    for entry in entries.iter().filter(|entry| entry.kind == "TABLE DATA") {
        let rows = entry.data.as_ref().map(|data| data.rows);
        add(&mut tables, target(entry), rows.unwrap_or(Some(0)));
    }
    tables
}

/// Tables that `INSERT`s fill: how many rows they put in is not known, but that they put in some. Those into a
/// partition may have gone in by way of its root.
fn inserted(entries: &[TocEntry], known: &BTreeMap<TableName, Table>) -> BTreeSet<TableName> {
    // Of a table without rows pg_dump writes two line ends into an archive.
    let is_filled = |entry: &&TocEntry| {
        entry.data.as_ref().is_some_and(|data| data.rows.is_none() && data.bytes > Some(2))
    };
    let of_root =
        |table: TableName| known.get(&table).and_then(|facts| facts.root.clone()).unwrap_or(table);
    let data = entries.iter().filter(|entry| entry.kind == "TABLE DATA");
    data.filter(is_filled).map(|entry| of_root(target(entry))).collect()
}

type Dumped = BTreeMap<TableName, Option<u64>>;

fn add(tables: &mut Dumped, table: TableName, rows: Option<u64>) {
    let sum = tables.entry(table).or_insert(Some(0));
    *sum = sum.zip(rows).and_then(|(sum, rows)| sum.checked_add(rows));
}

/// Where the rows of a dump's tables are after its restore.
pub(super) struct Places {
    /// The tables that rows are copied into.
    dumped: BTreeSet<TableName>,
    pub(super) known: BTreeMap<TableName, Table>,
}

impl Places {
    /// Rows that go in by way of a partitioned table (`pg_dump --load-via-partition-root`, and
    /// without that for hashes that another machine computes otherwise) may end up in any
    /// partition: all of its partitions are looked at together then.
    pub(super) fn of<'a>(&'a self, table: &'a TableName) -> &'a TableName {
        let is_root = |table: &&TableName| {
            let is_partitioned = self.known.get(*table).is_some_and(|facts| facts.is_partitioned);
            self.dumped.contains(*table) && is_partitioned
        };
        let root = self.known.get(table).and_then(|facts| facts.root.as_ref());
        root.filter(is_root).unwrap_or(table)
    }

    fn by_root(&self, dumped: &Dumped) -> Dumped {
        let mut tables = Dumped::new();
        for (table, rows) in dumped {
            add(&mut tables, self.of(table).clone(), *rows);
        }
        tables
    }
}

/// The table that an entry's rows go into: not the entry's own, where they go by way of the root of
/// its partitions.
pub(super) fn target(entry: &TocEntry) -> TableName {
    let schema = entry.schema.clone().unwrap_or_default();
    match CopyTarget::parse(entry.copy_statement.as_bytes(), "UTF8") {
        Some(target) => (target.schema.unwrap_or(schema), target.table),
        None => (schema, entry.tag.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Places, Table, in_dump};
    use crate::backup::{EntryData, TocEntry};

    fn data(tag: &str, copy_statement: &str, rows: Option<u64>) -> TocEntry {
        TocEntry {
            kind: "TABLE DATA".to_owned(),
            schema: Some("app".to_owned()),
            tag: tag.to_owned(),
            copy_statement: copy_statement.to_owned(),
            data: Some(EntryData { rows, ..EntryData::default() }),
            ..TocEntry::default()
        }
    }

    fn shown(tables: &super::Dumped) -> Vec<String> {
        tables.iter().map(|((schema, table), rows)| format!("{schema}.{table} {rows:?}")).collect()
    }

    #[test]
    fn rows_are_those_of_the_table_that_they_go_into() {
        let root = "COPY app.\"All\" (id, at) FROM stdin;\n";
        let tables = in_dump(&[
            data("a", "COPY app.a (id) FROM stdin;", Some(3)),
            data("p1", root, Some(10)),
            data("p2", root, Some(20)),
            data("old", "COPY old (id) FROM stdin;", Some(0)),
            data("inserted", "", None),
            data("plain", "", Some(7)),
            // Rows of which a part is not known are not known.
            data("q1", "COPY app.q (id) FROM stdin;", Some(1)),
            data("q2", "COPY app.q (id) FROM stdin;", None),
        ]);
        assert_eq!(
            shown(&tables),
            [
                "app.All Some(30)",
                "app.a Some(3)",
                "app.inserted None",
                "app.old Some(0)",
                "app.plain Some(7)",
                "app.q None"
            ]
        );
    }

    /// A range of which one part is by hash, and goes in by way of the root.
    #[test]
    fn partitions_are_counted_together_where_one_goes_in_by_way_of_the_root() {
        let name = |table: &str| ("app".to_owned(), table.to_owned());
        let table = |is_partitioned, root: Option<&str>| Table {
            is_partitioned,
            is_of_extension: false,
            root: root.map(name),
        };
        let known = [
            (name("top"), table(true, None)),
            (name("hash"), table(true, Some("top"))),
            (name("hash0"), table(false, Some("top"))),
            (name("y2024"), table(false, Some("top"))),
            (name("other"), table(true, None)),
            (name("other1"), table(false, Some("other"))),
        ]
        .into();
        let dumped = in_dump(&[
            data("hash0", "COPY app.top (id) FROM stdin;", Some(5)),
            data("y2024", "COPY app.y2024 (id) FROM stdin;", Some(7)),
            data("other1", "COPY app.other1 (id) FROM stdin;", Some(9)),
        ]);
        let places = Places { dumped: dumped.keys().cloned().collect(), known };
        let tables = places.by_root(&dumped);
        assert_eq!(shown(&tables), ["app.other1 Some(9)", "app.top Some(12)"]);
    }
}
