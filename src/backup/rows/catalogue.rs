//! What the columns of a dump's tables are, from the statements that make them.

use std::collections::HashMap;

use super::column::{Column, Form};

/// The memory that tables may take here; those beyond it have no fingerprint.
const TABLES_LIMIT: usize = 32 * 1024 * 1024;

/// A name with its schema, where it has one.
pub(crate) type Name = (Option<String>, String);

/// A type as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeName {
    /// Its words, with `[]` for an array, without a schema: `timestamp with time zone`.
    pub(crate) text: String,
    pub(crate) schema: Option<String>,
}

/// The columns that a `CREATE TABLE` lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TableColumns {
    pub(crate) columns: Vec<(String, TypeName)>,
    /// The tables it inherits from.
    pub(crate) parents: Vec<Name>,
}

/// What a statement declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Declaration {
    Table(Name, TableColumns),
    /// `CREATE TYPE … AS ENUM`: its labels are its values' text.
    Enum(Name),
    /// `CREATE DOMAIN … AS`: as the type below it.
    Domain(Name, TypeName),
}

/// The types and tables of one database, as far as a dump has declared them.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    types: HashMap<Name, Form>,
    tables: HashMap<Name, Box<[Column]>>,
    taken: usize,
}

impl Catalogue {
    /// Remembers what a statement declares; statements come in a dump's order.
    pub(crate) fn learn(&mut self, declaration: Declaration) {
        match declaration {
            Declaration::Enum(name) => self.learn_type(name, Form::Text),
            Declaration::Domain(name, below) => {
                let form = self.form(&below, name.0.as_deref());
                self.learn_type(name, form);
            }
            Declaration::Table(name, table) => {
                let columns = self
                    .columns(&name, table, &mut |parent| Some(self.tables.get(parent)?.to_vec()));
                let names: usize = columns.iter().map(|column| column.name.len()).sum();
                let cost = names + columns.len() * size_of::<Column>() + 200;
                if self.taken + cost <= TABLES_LIMIT {
                    self.taken += cost;
                    self.tables.insert(name, columns.into());
                }
            }
        }
    }

    fn learn_type(&mut self, name: Name, form: Form) {
        self.taken += 200;
        if self.taken <= TABLES_LIMIT {
            self.types.insert(name, form);
        }
    }

    /// The columns of a table: those of its parents, which `parent` knows, and its own.
    pub(crate) fn columns(
        &self,
        name: &Name,
        table: TableColumns,
        parent: &mut dyn FnMut(&Name) -> Option<Vec<Column>>,
    ) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for inherited in table.parents.iter().filter_map(parent).flatten() {
            if !columns.iter().any(|column| column.name == inherited.name) {
                columns.push(inherited);
            }
        }
        for (column, type_name) in table.columns {
            let form = self.form(&type_name, name.0.as_deref());
            match columns.iter_mut().find(|inherited| inherited.name == column) {
                Some(inherited) => inherited.form = form,
                None => columns.push(Column { name: column, form }),
            }
        }
        columns
    }

    /// The columns of a table that [`Catalogue::learn`] was told of.
    pub(crate) fn table(&self, name: &Name) -> Option<&[Column]> {
        Some(self.tables.get(name)?)
    }

    /// Types of a dump are named with their schema; `pg_dump` of 2017 and before leaves out that of
    /// the table itself.
    fn form(&self, name: &TypeName, own_schema: Option<&str>) -> Form {
        if matches!(name.schema.as_deref(), None | Some("pg_catalog"))
            && let Some(form) = Form::of_type(&name.text)
        {
            return form;
        }
        let (base, is_array) = match name.text.strip_suffix("[]") {
            Some(base) => (base, true),
            None => (&*name.text, false),
        };
        let schema = name.schema.as_deref().or(own_schema);
        let key = (schema.map(str::to_owned), base.to_owned());
        let form = self.types.get(&key).copied().unwrap_or_default();
        if is_array { form.in_array() } else { form }
    }
}

/// The columns of a `COPY` by its list of names: those that `table` does not know are left out of
/// the fingerprint.
pub(crate) fn of_copy(names: &[String], table: &[Column]) -> Vec<Column> {
    let form = |name: &String| {
        table.iter().find(|column| column.name == *name).map_or(Form::LeftOut, |column| column.form)
    };
    names.iter().map(|name| Column { form: form(name), name: name.clone() }).collect()
}
