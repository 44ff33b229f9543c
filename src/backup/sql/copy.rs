//! `COPY` statements whose rows follow them in the dump.

use crate::backup::rows::{self, Column, Form};

use super::tokens::{Token, Tokens};
use crate::text::quote_identifier;

/// A `COPY … FROM stdin`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CopyTarget {
    /// The schema, where the statement names one.
    pub(crate) schema: Option<String>,
    /// The table.
    pub(crate) table: String,
    /// The columns, where the statement lists them.
    pub(crate) columns: Vec<String>,
    /// Whether rows begin with an OID before these columns (before PostgreSQL 12).
    pub(crate) oids: bool,
    /// Whether rows are lines of tab-separated fields: no option says otherwise.
    pub(crate) plain: bool,
    /// Whether the rows are in the binary format, which psql reads to the end of its input.
    pub(crate) binary: bool,
}

impl CopyTarget {
    /// Reads a `COPY` statement; `None` where it takes no rows from the dump.
    ///
    /// The server also takes `FROM STDOUT` (`copy_file_name` in `src/backend/parser/gram.y`).
    pub(crate) fn parse(statement: &[u8], encoding: &str) -> Option<Self> {
        let mut tokens = Tokens::new(statement).peekable();
        tokens.next().filter(|token| token.is("copy"))?;
        let mut target = Self {
            binary: tokens.next_if(|token| token.is("binary")).is_some(),
            ..Self::default()
        };
        let mut parts = vec![tokens.next()?.name(encoding)?];
        while tokens.next_if(|token| token.is_byte(b'.')).is_some() {
            parts.push(tokens.next()?.name(encoding)?);
        }
        target.table = parts.pop()?;
        target.schema = parts.pop();
        if tokens.next_if(|token| token.is_byte(b'(')).is_some() {
            for token in tokens.by_ref().take_while(|token| !token.is_byte(b')')) {
                target.columns.extend(token.name(encoding));
            }
        }
        // `WITH OIDS` stood before FROM until 12.
        target.oids = tokens.find(|token| token.is_any(&["from", "oids"]))?.is("oids");
        if target.oids {
            tokens.find(|token| token.is("from"))?;
        }
        tokens.next().filter(|token| token.is_any(&["stdin", "stdout"]))?;
        let rest: Vec<Token<'_>> = tokens.filter(|token| !token.is_byte(b';')).collect();
        target.plain = rest.is_empty() && !target.binary;
        target.binary |= rest.iter().any(|token| {
            token.is("binary")
                || token.name(encoding).as_deref() == Some("binary")
                || token.value(encoding).is_some_and(|value| value.eq_ignore_ascii_case("binary"))
        });
        Some(target)
    }

    /// The columns of its rows, named as the statement names them; `None` where it names none.
    ///
    /// `pg_dump` names them always, unless there are none (`fmtCopyColumnList` in `pg_dump.c`).
    pub(crate) fn row_columns(&self, by_pg_dump: bool, table: &[Column]) -> Option<Vec<Column>> {
        if !self.plain || (self.columns.is_empty() && !by_pg_dump) {
            return None;
        }
        let mut columns = rows::of_copy(&self.columns, table);
        if self.oids {
            columns.insert(0, Column { name: "oid".to_owned(), form: Form::Text });
        }
        Some(columns)
    }

    /// The statement as `pg_dump` writes it, in UTF-8.
    pub(crate) fn statement(&self) -> String {
        let schema = self.schema.iter().map(|schema| format!("{}.", quote_identifier(schema)));
        let schema = schema.collect::<String>();
        let table = quote_identifier(&self.table);
        let columns: Vec<String> = self.columns.iter().map(|name| quote_identifier(name)).collect();
        let columns = columns.join(", ");
        let oids = if self.oids { "WITH OIDS " } else { "" };
        if columns.is_empty() {
            format!("COPY {schema}{table} {oids}FROM stdin;")
        } else {
            format!("COPY {schema}{table} ({columns}) {oids}FROM stdin;")
        }
    }

    /// `schema.table`, for messages.
    pub(crate) fn display(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.table),
            None => self.table.clone(),
        }
    }
}
