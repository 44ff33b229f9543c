//! Rows of a server's tables as a dump would write them, and their fingerprints
//! (`docs/fingerprint.md`).

use std::collections::{BTreeMap, HashMap};

use super::catalog::TableName;
use super::session::{Session, SessionError};
use crate::backup::{Column, Form, RowReader, RowSummary, TextEncoding};
use crate::text::quote_identifier;

/// Columns that a dump writes: neither dropped nor generated ones.
const COLUMNS: &str = r"
select n.nspname::text, c.relname::text, a.attname::text, a.atttypid
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
   and n.nspname not in ('pg_catalog', 'information_schema')
 order by c.oid, a.attnum";

/// Types that columns have, or that types of columns are made of, with their kind, what is below
/// them, and whether an extension brought them.
const TYPES: &str = r"
select t.oid, format_type(t.oid, null), t.typtype::text,
       case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem else 0 end,
       exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
  from pg_type t where t.typtype in ('b', 'd', 'e', 'r', 'm')";

/// The columns of every table, in the order of a dump's `COPY`.
pub(crate) async fn columns(
    session: &Session,
) -> Result<BTreeMap<TableName, Vec<Column>>, SessionError> {
    session.execute("set search_path = ''; set quote_all_identifiers = off").await?;
    let mut types = Types::default();
    for row in session.query(TYPES, &[]).await? {
        let kind: String = row.get(2);
        let known = Type {
            name: row.get(1),
            is_enum: kind == "e",
            is_domain: kind == "d",
            below: row.get(3),
            is_of_extension: row.get(4),
        };
        types.0.insert(row.get(0), known);
    }
    let mut tables: BTreeMap<TableName, Vec<Column>> = BTreeMap::new();
    for row in session.query(COLUMNS, &[]).await? {
        let column = Column { name: row.get(2), form: types.form(row.get(3), 0) };
        tables.entry((row.get(0), row.get(1))).or_default().push(column);
    }
    Ok(tables)
}

struct Type {
    name: String,
    is_enum: bool,
    is_domain: bool,
    /// What a domain stands for, or an array is made of; 0 for neither.
    below: u32,
    is_of_extension: bool,
}

#[derive(Default)]
struct Types(HashMap<u32, Type>);

impl Types {
    /// The form of a type's values, as a reader of the dump sees it: of what an extension declares
    /// that sees nothing.
    fn form(&self, oid: u32, depth: u32) -> Form {
        let Some(known) = self.0.get(&oid).filter(|_| depth < 32) else { return Form::LeftOut };
        if let Some(form) = Form::of_type(&known.name) {
            return form;
        }
        if known.is_of_extension {
            return Form::LeftOut;
        }
        match known.below {
            _ if known.is_enum => Form::Text,
            0 => Form::LeftOut,
            below if known.is_domain => self.form(below, depth + 1),
            below => self.form(below, depth + 1).in_array(),
        }
    }
}

/// Settings under which rows are written as `pg_dump` writes them, in `encoding`
/// (`setup_connection` in `pg_dump.c`).
pub(crate) async fn write_as_dumps(session: &Session, encoding: &str) -> Result<(), SessionError> {
    let encoding = encoding.replace('\'', "''");
    session
        .execute(&format!(
            "set client_encoding = '{encoding}'; set datestyle = iso; set intervalstyle = postgres; \
             set extra_float_digits = 3; set bytea_output = hex; set xmloption = content; \
             set search_path = ''"
        ))
        .await
}

/// Ends what [`write_as_dumps`] began: text that comes now is in UTF-8 again.
pub(crate) async fn write_as_before(session: &Session) -> Result<(), SessionError> {
    session.execute("set client_encoding = 'UTF8'").await
}

/// A name in a statement of a session that is not in UTF-8: the server would take its bytes for
/// other characters.
fn identifier(name: &str, encoding: TextEncoding) -> String {
    if name.is_ascii() || encoding.takes_utf8() {
        return quote_identifier(name);
    }
    let mut text = "U&\"".to_owned();
    for c in name.chars() {
        match c {
            '"' => text.push_str("\"\""),
            '\\' => text.push_str("\\\\"),
            c if c.is_ascii() => text.push(c),
            c => text.push_str(&format!("\\+{:06x}", u32::from(c))),
        }
    }
    text.push('"');
    text
}

/// Reads all rows of a table: of a partitioned one those of its partitions, of others its own alone.
/// The session must be one that [`write_as_dumps`] was told of.
pub(crate) async fn read_rows(
    session: &Session,
    table: &TableName,
    is_partitioned: bool,
    columns: &[Column],
    encoding: TextEncoding,
) -> Result<RowSummary, SessionError> {
    let quoted = |name: &str| identifier(name, encoding);
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let (schema, name) = table;
    let only = if is_partitioned { "" } else { "only " };
    let copy = format!(
        "copy (select {} from {only}{}.{}) to stdout",
        names.join(", "),
        quoted(schema),
        quoted(name)
    );
    let mut reader = RowReader::new(Some(columns.to_vec()), encoding);
    session.copy_out(&copy, |piece| reader.feed(piece)).await?;
    Ok(reader.finish())
}

#[cfg(test)]
mod tests {
    use super::{TextEncoding, identifier};

    #[test]
    fn names_are_the_same_in_every_encoding() {
        let named = |encoding: &str| identifier("größe \"\\", TextEncoding::named(encoding));
        assert_eq!(named("UTF8"), r#""größe ""\""#);
        assert_eq!(named("SQL_ASCII"), r#""größe ""\""#);
        assert_eq!(named("LATIN1"), r#"U&"gr\+0000f6\+0000dfe ""\\""#);
        assert_eq!(identifier("id", TextEncoding::named("LATIN1")), "\"id\"");
    }
}
