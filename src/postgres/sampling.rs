//! A seeded sample of a table's rows: the same on every server that has the same rows
//! (`docs/sampling.md`).

use std::collections::HashMap;

use super::catalog::TableName;
use super::session::{Session, SessionError};
use crate::text::quote_identifier;

/// Reading one table may take no longer.
const STATEMENT_LIMIT: &str = "5min";
/// What the rows are called in statements: the name of a column would win over one.
const ROW: &str = "pgdrill_row_0f6b";

/// Tables with their primary key: partitioned ones as a whole, none that an extension brought.
const TABLES: &str = r"
select c.oid, n.nspname::text, c.relname::text, c.relkind = 'p', array(
         select a.attname::text
           from pg_index i cross join unnest(i.indkey::int2[]) with ordinality k (attnum, place)
           join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
          where i.indrelid = c.oid and i.indisprimary and k.place <= i.indnkeyatts order by k.place)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema')
   and (c.relkind = 'r' or c.relkind = 'p' and not exists (
         select from pg_partition_tree(c.oid) t join pg_class p on p.oid = t.relid where p.relkind not in ('r', 'p')))
   and not exists (select from pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')";

/// Foreign keys that hold for all rows: not those that were never validated. The comparison is the
/// constraint's own.
const FOREIGN_KEYS: &str = r"
select k.conrelid, k.conname::text, n.nspname::text, p.relname::text, p.relkind = 'p', k.confmatchtype = 'f', array(
         select a.attname::text from unnest(k.conkey) with ordinality u (attnum, place)
           join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum order by u.place), array(
         select format(' operator(%I.%s) ', s.nspname, o.oprname)
           from unnest(k.conpfeqop) with ordinality u (op, place)
           join pg_operator o on o.oid = u.op join pg_namespace s on s.oid = o.oprnamespace order by u.place), array(
         select quote_ident(a.attname) || case when a.attcollation in (0, f.attcollation) then ''
                  else (select format(' collate %I.%I', s.nspname, o.collname) from pg_collation o
                          join pg_namespace s on s.oid = o.collnamespace where o.oid = a.attcollation) end
           from unnest(k.confkey, k.conkey) with ordinality u (theirs, ours, place)
           join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.theirs
           join pg_attribute f on f.attrelid = k.conrelid and f.attnum = u.ours order by u.place)
  from pg_constraint k join pg_class p on p.oid = k.confrelid join pg_namespace n on n.oid = p.relnamespace
 where k.contype = 'f' and k.convalidated and k.conparentid = 0 and p.relkind in ('r', 'p')
   and coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false) is false
 order by k.conname";

/// A table that can be sampled.
#[derive(Debug, Clone)]
pub(crate) struct SampleTable {
    pub(crate) name: TableName,
    is_partitioned: bool,
    primary_key: Vec<String>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
}

/// A foreign key, and the condition under which a row breaks it.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    broken: String,
}

/// What was read of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SampleRead {
    pub(crate) rows: u64,
    pub(crate) read: u64,
    pub(crate) bytes: u64,
    /// For each foreign key, how many of the rows break it.
    pub(crate) broken: Vec<u64>,
}

/// How many rows are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Amount {
    /// Of 1.
    Share(f64),
    Rows(u64),
}

/// The tables of the session's database.
pub(crate) async fn tables(session: &Session) -> Result<Vec<SampleTable>, SessionError> {
    // Values have the same text whatever the database is set to.
    session
        .execute(
            "set search_path = ''; set timezone = 'UTC'; set datestyle = iso; \
             set intervalstyle = postgres; set extra_float_digits = 3; set bytea_output = hex; \
             set lc_monetary = 'C'; set xmloption = content",
        )
        .await?;
    let mut keys: HashMap<u32, Vec<ForeignKey>> = HashMap::new();
    for row in session.query(FOREIGN_KEYS, &[]).await? {
        let (schema, table): (String, String) = (row.get(2), row.get(3));
        let key = Referenced {
            table: (schema, table),
            is_partitioned: row.get(4),
            is_full: row.get(5),
            ours: row.get(6),
            operators: row.get(7),
            theirs: row.get(8),
        };
        let key = ForeignKey { name: row.get(1), broken: key.broken() };
        keys.entry(row.get(0)).or_default().push(key);
    }
    let rows = session.query(TABLES, &[]).await?;
    let table = |row: &tokio_postgres::Row| SampleTable {
        name: (row.get(1), row.get(2)),
        is_partitioned: row.get(3),
        primary_key: row.get(4),
        foreign_keys: keys.remove(&row.get(0)).unwrap_or_default(),
    };
    Ok(rows.iter().map(table).collect())
}

struct Referenced {
    table: TableName,
    is_partitioned: bool,
    is_full: bool,
    ours: Vec<String>,
    operators: Vec<String>,
    /// Quoted already.
    theirs: Vec<String>,
}

impl Referenced {
    /// A row with NULL in a column refers to nothing; with `MATCH FULL` only where all are NULL.
    fn broken(&self) -> String {
        let ours: Vec<String> =
            self.ours.iter().map(|name| format!("{ROW}.{}", quote_identifier(name))).collect();
        let nulls: Vec<String> = ours.iter().map(|column| format!("{column} is null")).collect();
        let same: Vec<String> = self
            .theirs
            .iter()
            .zip(&self.operators)
            .zip(&ours)
            .map(|((theirs, operator), ours)| format!("parent.{theirs}{operator}{ours}"))
            .collect();
        let parent = from(&self.table, self.is_partitioned);
        let lost = format!("not exists (select from {parent} parent where {})", same.join(" and "));
        let any_null = nulls.join(" or ");
        if self.is_full {
            format!("not ({}) and ({any_null} or {lost})", nulls.join(" and "))
        } else {
            format!("not ({any_null}) and {lost}")
        }
    }
}

fn from((schema, name): &TableName, is_partitioned: bool) -> String {
    let only = if is_partitioned { "" } else { "only " };
    format!("{only}{}.{}", quote_identifier(schema), quote_identifier(name))
}

impl SampleTable {
    /// One statement: the rows are ordered by the hash of the seed and of the text of their primary
    /// key, or, without one, of all their columns; the first ones are read with every column.
    fn statement(&self, amount: Amount, seed: u64) -> String {
        let table = from(&self.name, self.is_partitioned);
        let key = if self.primary_key.is_empty() {
            ROW.to_owned()
        } else {
            let columns: Vec<String> =
                self.primary_key.iter().map(|n| format!("{ROW}.{}", quote_identifier(n))).collect();
            format!("row({})", columns.join(", "))
        };
        let limit = match amount {
            Amount::Share(share) => format!("pg_catalog.ceil(rows * {share}::numeric)::bigint"),
            Amount::Rows(rows) => format!("least(rows, {rows})"),
        };
        let broken = self.foreign_keys.iter().fold(String::new(), |text, key| {
            text + ", count(*) filter (where " + &key.broken + ")"
        });
        // By their place in the file: a row as a whole would be read as a whole to be sorted.
        format!(
            "with total as materialized (select count(*) as rows from {table}), \
             chosen as materialized (select {ROW}.tableoid as part, {ROW}.ctid as place \
               from {table} {ROW} order by pg_catalog.md5('{seed}:' || pg_catalog.concat({key})) \
               limit (select {limit} from total)) \
             select (select rows from total), count(*), \
               coalesce(sum(pg_catalog.octet_length(pg_catalog.concat({ROW}))), 0)::bigint{broken} \
             from chosen join {table} {ROW} on {ROW}.ctid = chosen.place and {ROW}.tableoid = chosen.part"
        )
    }
}

/// Reads a sample. The session must be one that [`tables`] was asked on.
pub(crate) async fn read(
    session: &Session,
    table: &SampleTable,
    amount: Amount,
    seed: u64,
) -> Result<SampleRead, SessionError> {
    let begin = "begin isolation level repeatable read read only";
    session.execute(&format!("{begin}; set local statement_timeout = '{STATEMENT_LIMIT}'")).await?;
    let read = session.query(&table.statement(amount, seed), &[]).await;
    let ended = session.execute("rollback").await;
    let rows = read?;
    ended?;
    let count = |at: usize| {
        let count: i64 = rows.first().map_or(0, |row| row.get(at));
        u64::try_from(count).unwrap_or(0)
    };
    Ok(SampleRead {
        rows: count(0),
        read: count(1),
        bytes: count(2),
        broken: (0..table.foreign_keys.len()).map(|at| count(3 + at)).collect(),
    })
}
