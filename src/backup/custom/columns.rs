//! The columns of an archive's tables, from the definitions in its table of contents.

use std::cell::Cell;
use std::collections::HashMap;

use crate::backup::rows::{Catalogue, Column, Declaration, Name};
use crate::backup::sql::{CopyTarget, declaration};
use crate::backup::toc::TocEntry;

/// Tables that are looked at for the columns of one: itself and those it inherits from.
const TABLES: usize = 64;
/// What is read of a definition: 1600 columns with long names and defaults.
const DEFINITION_BYTES: usize = 1024 * 1024;

/// The types that the dump declares.
pub(super) fn types(entries: &[TocEntry]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    let types = entries.iter().filter(|entry| matches!(entry.kind.as_str(), "TYPE" | "DOMAIN"));
    for found in types.filter_map(declared) {
        catalogue.learn(found);
    }
    catalogue
}

fn declared(entry: &TocEntry) -> Option<Declaration> {
    let text = entry.definition.as_bytes();
    declaration(text.get(..DEFINITION_BYTES).unwrap_or(text), "UTF8")
}

/// The columns of the rows of a `TABLE DATA` entry; `None` where its `COPY` does not name them.
/// Those of tables that the dump does not hold have no known form.
pub(super) fn of_rows(
    entries: &[TocEntry],
    by_id: &HashMap<i64, usize>,
    types: &Catalogue,
    index: usize,
) -> Option<Vec<Column>> {
    let entry = entries.get(index)?;
    let target = CopyTarget::parse(entry.copy_statement.as_bytes(), "UTF8")?;
    let tables = Tables { entries, by_id, types, left: Cell::new(TABLES) };
    let name = (entry.schema.clone(), entry.tag.clone());
    let table = tables.used_by(entry, &name);
    target.row_columns(true, &table.unwrap_or_default())
}

struct Tables<'a> {
    entries: &'a [TocEntry],
    by_id: &'a HashMap<i64, usize>,
    types: &'a Catalogue,
    left: Cell<usize>,
}

impl Tables<'_> {
    /// The columns of the table `name`, which `entry` depends on. Nothing is kept: a dump may hold
    /// very many tables.
    fn used_by(&self, entry: &TocEntry, name: &Name) -> Option<Vec<Column>> {
        self.left.set(self.left.get().checked_sub(1)?);
        let found = entry
            .dependencies
            .iter()
            .filter_map(|id| self.entries.get(*self.by_id.get(id)?))
            .find(|used| {
                matches!(used.kind.as_str(), "TABLE" | "FOREIGN TABLE")
                    && used.tag == name.1
                    && (used.schema == name.0 || name.0.is_none())
            })?;
        let Some(Declaration::Table(_, table)) = declared(found) else { return None };
        let mut parent = |parent: &Name| self.used_by(found, parent);
        Some(self.types.columns(name, table, &mut parent))
    }
}
