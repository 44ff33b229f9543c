//! Tables of a database, live or restored, read for a baseline.

use std::collections::BTreeMap;

use crate::backup::{Column, TextEncoding};
use crate::baseline::{FingerprintBaseline, Salt, TableBaseline};
use crate::postgres::catalog::{self, Table, TableName};
use crate::postgres::{Session, SessionError, content, keyed_rows};

/// What a database's catalogs say of its tables.
pub(super) struct Contents {
    /// Tables with rows of their own, or of their partitions. Not those of extensions, of which a
    /// dump holds what the extension says, nor partitions, which are read with what they are parts of.
    pub(super) tables: BTreeMap<TableName, Table>,
    columns: BTreeMap<TableName, Vec<Column>>,
    keys: BTreeMap<TableName, Vec<String>>,
    /// The encoding in which rows are read.
    pub(super) encoding: String,
}

impl Contents {
    /// Looks at the catalogs, and sets the session up for reading rows.
    pub(super) async fn of(session: &Session, encoding: &str) -> Result<Self, SessionError> {
        keyed_rows::write_alike(session, encoding).await?;
        let mut tables = catalog::tables(session).await?;
        let parts: Vec<TableName> = tables
            .iter()
            .filter(|(_, table)| table.root.as_ref().is_some_and(|root| tables.contains_key(root)))
            .map(|(name, _)| name.clone())
            .collect();
        tables.retain(|name, table| {
            let (schema, _) = name;
            let is_the_servers = schema.starts_with("pg_") || schema == "information_schema";
            !is_the_servers && !table.is_of_extension && !parts.contains(name)
        });
        Ok(Self {
            tables,
            columns: content::columns(session).await?,
            keys: keyed_rows::keys(session).await?,
            encoding: encoding.to_owned(),
        })
    }

    /// A table's columns, without generated ones.
    pub(super) fn columns(&self, name: &TableName) -> Vec<String> {
        let columns = self.columns.get(name).map(Vec::as_slice).unwrap_or_default();
        columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Reads a table to its last row, in a session that [`Contents::of`] or `write_alike` has set up.
    pub(super) async fn read(
        &self,
        session: &Session,
        name: &TableName,
        salt: &Salt,
    ) -> Result<TableBaseline, SessionError> {
        let columns = self.columns.get(name).map(Vec::as_slice).unwrap_or_default();
        let key = self.keys.get(name).cloned().unwrap_or_default();
        let is_partitioned = self.tables.get(name).is_some_and(|table| table.is_partitioned);
        let encoding = TextEncoding::named(&self.encoding);
        let asked = keyed_rows::Asked { table: name, is_partitioned, columns, key: &key };
        let read = keyed_rows::read(session, &asked, encoding, salt).await?;
        let (schema, table) = name.clone();
        Ok(TableBaseline {
            schema,
            name: table,
            is_partitioned,
            rows: read.rows,
            columns: self.columns(name),
            fingerprint: read.summary.fingerprint.map(|found| FingerprintBaseline {
                sum: found.to_string(),
                columns_left_out: found.left_out().to_vec(),
            }),
            key,
            sketch: read.sketch,
        })
    }
}
