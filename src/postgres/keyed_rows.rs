//! Rows of a table in one reading: counted, their fingerprint made, and sketched by their keys.

use std::collections::BTreeMap;

use super::catalog::TableName;
use super::content;
use super::session::{Session, SessionError};
use crate::backup::{Column, Form, RowReader, RowSummary, TextEncoding};
use crate::baseline::{Salt, SequenceBaseline, Sketch};
use crate::text::quote_identifier;

const KEYS: &str = "\
select n.nspname::text, c.relname::text, array_agg(a.attname::text order by k.place)
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral unnest(i.indkey::int2[]) with ordinality k (number, place)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
 where i.indisprimary and k.place <= i.indnkeyatts
 group by 1, 2";
const SEQUENCES: &str = "\
select n.nspname::text, c.relname::text, s.seqincrement
  from pg_catalog.pg_sequence s join pg_catalog.pg_class c on c.oid = s.seqrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname !~ '^pg_' and not exists (select from pg_catalog.pg_depend d
   where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
 order by 1, 2";

/// The table that is read.
pub(crate) struct Asked<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) is_partitioned: bool,
    pub(crate) columns: &'a [Column],
    /// The columns of its primary key.
    pub(crate) key: &'a [String],
}

/// What one reading of a table says.
pub(crate) struct KeyedRows {
    pub(crate) rows: u64,
    pub(crate) summary: RowSummary,
    /// None without a key.
    pub(crate) sketch: Option<Sketch>,
}

/// Settings under which rows of two servers are the same bytes.
pub(crate) async fn write_alike(session: &Session, encoding: &str) -> Result<(), SessionError> {
    content::write_as_dumps(session, encoding).await?;
    session.execute("set timezone = 'UTC'").await
}

/// The columns of the primary keys.
pub(crate) async fn keys(
    session: &Session,
) -> Result<BTreeMap<TableName, Vec<String>>, SessionError> {
    let rows = session.query(KEYS, &[]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// The sequences and where they stand.
pub(crate) async fn sequences(session: &Session) -> Result<Vec<SequenceBaseline>, SessionError> {
    let mut found = Vec::new();
    for row in session.query(SEQUENCES, &[]).await? {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let asked = format!(
            "select last_value, is_called from {}.{}",
            quote_identifier(&schema),
            quote_identifier(&name)
        );
        if let Some(state) = session.query(&asked, &[]).await?.first() {
            found.push(SequenceBaseline {
                schema,
                name,
                last_value: state.get(0),
                is_called: state.get(1),
                increment: row.get(2),
            });
        }
    }
    Ok(found)
}

/// Reads a table's rows: of a partitioned one those of its partitions, of others its own alone. The
/// session must be one that [`write_alike`] was told of.
pub(crate) async fn read(
    session: &Session,
    asked: &Asked<'_>,
    encoding: TextEncoding,
    salt: &Salt,
) -> Result<KeyedRows, SessionError> {
    let Asked { table, is_partitioned, columns, key } = *asked;
    let names: Vec<String> = columns.iter().map(|column| quote_identifier(&column.name)).collect();
    let (schema, name) = table;
    let copy = format!(
        "copy (select {} from {}{}.{}) to stdout",
        names.join(", "),
        if is_partitioned { "" } else { "only " },
        quote_identifier(schema),
        quote_identifier(name)
    );
    let mut sketcher = Sketcher::new(columns, key, salt);
    let mut reader = RowReader::new(Some(columns.to_vec()), encoding);
    let mut rows = 0;
    let see = |row: &[u8]| {
        rows += 1;
        reader.feed(row);
        if let Some(sketcher) = &mut sketcher {
            sketcher.row(row);
        }
    };
    session.copy_out(&copy, see).await?;
    let sketch = sketcher.map(|sketcher| sketcher.sketch);
    Ok(KeyedRows { rows, summary: reader.finish(), sketch })
}

/// Sketches rows, of which tabs and line ends are escaped, by their keys.
struct Sketcher<'a> {
    salt: &'a Salt,
    /// For each column its place in the key, and whether its text is the same on two servers.
    columns: Vec<(Option<usize>, bool)>,
    key: Vec<Vec<u8>>,
    row: Vec<u8>,
    sketch: Sketch,
}

impl<'a> Sketcher<'a> {
    fn new(columns: &[Column], key: &[String], salt: &'a Salt) -> Option<Self> {
        let places: Vec<(Option<usize>, bool)> = columns
            .iter()
            .map(|column| {
                let place = key.iter().position(|name| *name == column.name);
                (place, column.form != Form::LeftOut)
            })
            .collect();
        let known = places.iter().filter(|(place, is_alike)| place.is_some() && *is_alike).count();
        (!key.is_empty() && known == key.len()).then(|| Self {
            salt,
            columns: places,
            key: vec![Vec::new(); key.len()],
            row: Vec::new(),
            sketch: Sketch::new(),
        })
    }

    fn row(&mut self, row: &[u8]) {
        let row = row.strip_suffix(b"\n").unwrap_or(row);
        self.row.clear();
        for (field, (place, is_alike)) in row.split(|byte| *byte == b'\t').zip(&self.columns) {
            if let Some(part) = place.and_then(|place| self.key.get_mut(place)) {
                part.clear();
                part.extend_from_slice(field);
            }
            if *is_alike {
                self.row.extend_from_slice(field);
                self.row.push(b'\t');
            }
        }
        let key = self.salt.key(&self.key.join(&b'\t'));
        self.sketch.add(key, self.salt.row(&self.row));
    }
}
