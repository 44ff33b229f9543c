//! Values in rows against the fingerprints of the dump's rows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use xxhash_rust::xxh3::Xxh3;

use super::rows::{Counted, target};
use super::{Comparison, listed, some_of};
use crate::backup::{Column, CopyTarget, DatabaseDump, Fingerprint, Form, TextEncoding, TocEntry};
use crate::check::choose;
use crate::finding::FindingCode;
use crate::outcome::ContentFacts;
use crate::postgres::catalog::TableName;
use crate::postgres::{Session, SessionError, content};
use crate::scenario::ContentMode;
use crate::text::{ByteCount, counted};

/// A table's rows in the dump.
#[derive(Debug, Clone, PartialEq)]
struct Rows {
    count: u64,
    bytes: u64,
    /// `None` where they cannot be compared.
    values: Option<Values>,
}

#[derive(Debug, Clone, PartialEq)]
struct Values {
    fingerprint: Fingerprint,
    /// In the order of the `COPY`, those that the fingerprint leaves out among them.
    columns: Vec<String>,
}

/// A table that can be compared, with the columns to read.
struct Comparable {
    table: TableName,
    rows: u64,
    bytes: u64,
    fingerprint: Fingerprint,
    columns: Vec<Column>,
}

/// Compares the values of tables that have as many rows as the dump says, and enters what it looked
/// at and what not.
pub(super) async fn compare(
    session: &Session,
    dump: &DatabaseDump,
    mode: ContentMode,
    rows: &Counted,
    comparison: &mut Comparison,
) -> Result<(), SessionError> {
    let started = Instant::now();
    let facts = &mut comparison.content;
    facts.mode = mode.as_str();
    let encoding = dump.encoding.as_deref();
    if mode == ContentMode::None || rows.alike.is_empty() {
        return Ok(());
    }
    let restored = content::columns(session).await?;
    let (mut comparable, mut others) = (Vec::new(), Vec::new());
    for (table, found) in in_dump(dump, rows) {
        let columns = found.values.filter(|_| encoding.is_some()).and_then(|values| {
            // A table without columns has none to be listed by.
            let columns = restored.get(&table).map_or(&[][..], Vec::as_slice);
            let columns = columns_to_read(&values, columns)?;
            Some((values.fingerprint, columns))
        });
        match columns {
            Some((fingerprint, columns)) => comparable.push(Comparable {
                table,
                rows: found.count,
                bytes: found.bytes,
                fingerprint,
                columns,
            }),
            None => others.push(shown(&table)),
        }
    }
    facts.tables_not_comparable = others.len() as u64;
    if !others.is_empty() {
        comparison.not_tested.push(format!(
            "{}: values in {} without a fingerprint that can be compared (docs/fingerprint.md): {}",
            dump.name,
            counted(others.len(), "table"),
            some_of(&others)
        ));
    }
    let taken = take(dump, mode, comparable, comparison);
    let encoding = encoding.unwrap_or_default();
    let differing = differing(session, rows, &taken, encoding).await?;
    let facts = &mut comparison.content;
    enter(facts, &taken);
    facts.duration_seconds = started.elapsed().as_secs_f64();
    let left_out: Vec<String> = taken
        .iter()
        .flat_map(|one| one.fingerprint.left_out().iter().map(|name| (&one.table, name)))
        .map(|(table, name)| format!("{}.{name}", shown(table)))
        .collect();
    if !left_out.is_empty() {
        comparison.not_tested.push(format!(
            "{}: values of {} of types whose text depends on more than the value (docs/fingerprint.md): {}",
            dump.name,
            counted(left_out.len(), "column"),
            some_of(&left_out)
        ));
    }
    if !differing.is_empty() {
        let count = counted(differing.len(), "table");
        let message = format!("{count} with as many rows as the dump, and other values");
        comparison.findings.push(listed(FindingCode::ContentDiffers, &message, &differing));
    }
    Ok(())
}

/// The tables whose number of rows is the dump's, with what the dump holds of them.
fn in_dump(dump: &DatabaseDump, rows: &Counted) -> BTreeMap<TableName, Rows> {
    let mut tables = BTreeMap::new();
    for entry in dump.entries.iter().filter(|entry| entry.kind == "TABLE DATA") {
        let Some(found) = rows_of(entry) else { continue };
        let table = rows.places.of(&target(entry)).clone();
        if !rows.alike.contains(&table) {
            continue;
        }
        match tables.entry(table) {
            Entry::Vacant(place) => {
                place.insert(found);
            }
            Entry::Occupied(mut place) => {
                let sum = together(place.get(), &found);
                place.insert(sum);
            }
        }
    }
    tables
}

/// The rows of one entry; `None` where it has none.
fn rows_of(entry: &TocEntry) -> Option<Rows> {
    let data = entry.data.as_ref()?;
    let count = data.rows.filter(|rows| *rows > 0)?;
    let target = CopyTarget::parse(entry.copy_statement.as_bytes(), "UTF8");
    // Since PostgreSQL 12 no table has the OIDs that such rows begin with.
    let target = target.filter(|target| target.plain && !target.oids);
    let values = target
        .zip(data.fingerprint.clone())
        .map(|(target, fingerprint)| Values { fingerprint, columns: target.columns });
    Some(Rows { count, bytes: data.bytes.unwrap_or(data.stored_bytes), values })
}

/// The rows of two partitions, which are read as one table: their columns must stand in one order.
fn together(one: &Rows, other: &Rows) -> Rows {
    let values = one.values.as_ref().zip(other.values.as_ref()).and_then(|(one, other)| {
        let fingerprint = one.fingerprint.checked_add(&other.fingerprint)?;
        let columns = one.columns.clone();
        (one.columns == other.columns).then_some(Values { fingerprint, columns })
    });
    Rows { count: one.count + other.count, bytes: one.bytes + other.bytes, values }
}

/// The restored table's columns that the dump's fingerprint was made of, in its order; `None` where
/// one is not there, or has no canonical text.
fn columns_to_read(values: &Values, table: &[Column]) -> Option<Vec<Column>> {
    let left_out = values.fingerprint.left_out();
    let names = values.columns.iter().filter(|name| !left_out.contains(name));
    let column = |name: &String| {
        table.iter().find(|column| column.name == *name && column.form != Form::LeftOut)
    };
    names.map(|name| column(name).cloned()).collect()
}

/// Those of the tables that are compared; the others are said.
fn take(
    dump: &DatabaseDump,
    mode: ContentMode,
    tables: Vec<Comparable>,
    comparison: &mut Comparison,
) -> Vec<Comparable> {
    if mode == ContentMode::All {
        return tables;
    }
    let weights: Vec<(String, u64)> =
        tables.iter().map(|one| (shown(&one.table), one.bytes)).collect();
    let choice = choose(seed(dump), &weights);
    let total = tables.len();
    let facts = &mut comparison.content;
    facts.chance = Some(choice.chance);
    let mut taken = Vec::new();
    for (table, is_chosen) in tables.into_iter().zip(choice.chosen) {
        if is_chosen {
            taken.push(table);
        } else {
            facts.tables_not_chosen += 1;
            facts.bytes_not_chosen += table.bytes;
        }
    }
    if facts.tables_not_chosen > 0 {
        comparison.not_tested.push(format!(
            "{}: values in {} of {} ({}): not chosen by `content: sampled`, each had a chance of {:.1} %; `content: all` compares them",
            dump.name,
            facts.tables_not_chosen,
            counted(total, "table"),
            ByteCount(facts.bytes_not_chosen),
            choice.chance * 100.0
        ));
    }
    taken
}

/// A number that is the same for the same dump, and another for tomorrow's.
fn seed(dump: &DatabaseDump) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(dump.name.as_bytes());
    hash.update(dump.created_at.as_deref().unwrap_or_default().as_bytes());
    let fingerprints = dump.entries.iter().filter_map(|e| e.data.as_ref()?.fingerprint.as_ref());
    fingerprints.for_each(|one| hash.update(one.to_string().as_bytes()));
    hash.digest()
}

/// The names of the tables whose rows are not those of the dump.
async fn differing(
    session: &Session,
    rows: &Counted,
    tables: &[Comparable],
    encoding: &str,
) -> Result<Vec<String>, SessionError> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    content::write_as_dumps(session, encoding).await?;
    let mut differing = Vec::new();
    for one in tables {
        let is_partitioned =
            rows.places.known.get(&one.table).is_some_and(|facts| facts.is_partitioned);
        let text = TextEncoding::named(encoding);
        let read =
            content::read_rows(session, &one.table, is_partitioned, &one.columns, text).await?;
        let is_same = read.rows == Some(one.rows)
            && read.fingerprint.is_some_and(|found| one.fingerprint.is_of_same_rows(&found));
        if !is_same {
            differing.push(shown(&one.table));
        }
    }
    content::write_as_before(session).await?;
    Ok(differing)
}

fn enter(facts: &mut ContentFacts, taken: &[Comparable]) {
    facts.tables = taken.len() as u64;
    facts.rows = taken.iter().map(|one| one.rows).sum();
    facts.bytes = taken.iter().map(|one| one.bytes).sum();
    facts.columns_left_out = taken.iter().map(|one| one.fingerprint.left_out().len() as u64).sum();
}

fn shown((schema, name): &TableName) -> String {
    format!("{schema}.{name}")
}
