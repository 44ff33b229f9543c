//! What a database holds, in the words of `pg_dump`'s table of contents.
//!
//! Tags are built as `pg_dump` builds them (`src/bin/pg_dump/pg_dump.c`): types in functions'
//! tags through `format_type` with an empty search path.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;

use super::session::{Session, SessionError};
use crate::text::quote_identifier;

/// A name in the catalog: kind, schema (empty for none), tag.
pub(crate) type ObjectName = (String, String, String);

/// Kinds of entries that are looked up; the others are counted as not compared.
pub(crate) const COMPARED_KINDS: &[&str] = &[
    "ACCESS METHOD",
    "AGGREGATE",
    "BLOB",
    "CHECK CONSTRAINT",
    "COLLATION",
    "CONSTRAINT",
    "CONVERSION",
    "DEFAULT",
    "DOMAIN",
    "EVENT TRIGGER",
    "EXTENSION",
    "FK CONSTRAINT",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "INDEX",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "POLICY",
    "PROCEDURAL LANGUAGE",
    "PROCEDURE",
    "PUBLICATION",
    "ROW SECURITY",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "TRIGGER",
    "TYPE",
    "VIEW",
];

const OBJECTS: &str = r"
with space as (select oid, nspname from pg_namespace)
select case c.relkind when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' when 'S' then 'SEQUENCE'
         when 'i' then 'INDEX' when 'I' then 'INDEX' when 'f' then 'FOREIGN TABLE'
         when 'c' then 'TYPE' else 'TABLE' end::text, n.nspname::text, c.relname::text
  from pg_class c join space n on n.oid = c.relnamespace where c.relkind not in ('t')
union all select 'SCHEMA', '', nspname::text from space
union all select 'EXTENSION', '', extname::text from pg_extension
union all select case p.prokind when 'p' then 'PROCEDURE' when 'a' then 'AGGREGATE' else 'FUNCTION' end,
       n.nspname::text, p.proname || '(' || case when p.prokind = 'a' and p.pronargs = 0 then '*' else
         (select coalesce(string_agg(format_type(t.oid, null), ', ' order by t.place), '')
            from unnest(p.proargtypes) with ordinality t (oid, place)) end || ')'
  from pg_proc p join space n on n.oid = p.pronamespace
union all select case t.typtype when 'd' then 'DOMAIN' else 'TYPE' end, n.nspname::text, t.typname::text
  from pg_type t join space n on n.oid = t.typnamespace where t.typtype in ('b', 'd', 'e', 'r', 'm') or not t.typisdefined
union all select case k.contype when 'f' then 'FK CONSTRAINT' when 'c' then 'CHECK CONSTRAINT' else 'CONSTRAINT' end,
       n.nspname::text, c.relname || ' ' || k.conname
  from pg_constraint k join pg_class c on c.oid = k.conrelid join space n on n.oid = c.relnamespace
union all select 'CHECK CONSTRAINT', n.nspname::text, t.typname || ' ' || k.conname
  from pg_constraint k join pg_type t on t.oid = k.contypid join space n on n.oid = t.typnamespace
union all select 'TRIGGER', n.nspname::text, c.relname || ' ' || g.tgname
  from pg_trigger g join pg_class c on c.oid = g.tgrelid join space n on n.oid = c.relnamespace
union all select 'RULE', n.nspname::text, c.relname || ' ' || r.rulename
  from pg_rewrite r join pg_class c on c.oid = r.ev_class join space n on n.oid = c.relnamespace
union all select 'POLICY', n.nspname::text, c.relname || ' ' || p.polname
  from pg_policy p join pg_class c on c.oid = p.polrelid join space n on n.oid = c.relnamespace
union all select 'ROW SECURITY', n.nspname::text, c.relname::text
  from pg_class c join space n on n.oid = c.relnamespace where c.relrowsecurity
union all select 'DEFAULT', n.nspname::text, c.relname || ' ' || a.attname
  from pg_attrdef d join pg_class c on c.oid = d.adrelid join space n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
union all select 'COLLATION', n.nspname::text, o.collname::text
  from pg_collation o join space n on n.oid = o.collnamespace
union all select 'CONVERSION', n.nspname::text, o.conname::text
  from pg_conversion o join space n on n.oid = o.connamespace
union all select 'OPERATOR', n.nspname::text, o.oprname::text
  from pg_operator o join space n on n.oid = o.oprnamespace
union all select 'OPERATOR CLASS', n.nspname::text, o.opcname::text
  from pg_opclass o join space n on n.oid = o.opcnamespace
union all select 'OPERATOR FAMILY', n.nspname::text, o.opfname::text
  from pg_opfamily o join space n on n.oid = o.opfnamespace
union all select 'STATISTICS', n.nspname::text, o.stxname::text
  from pg_statistic_ext o join space n on n.oid = o.stxnamespace
union all select 'TEXT SEARCH CONFIGURATION', n.nspname::text, o.cfgname::text
  from pg_ts_config o join space n on n.oid = o.cfgnamespace
union all select 'TEXT SEARCH DICTIONARY', n.nspname::text, o.dictname::text
  from pg_ts_dict o join space n on n.oid = o.dictnamespace
union all select 'TEXT SEARCH PARSER', n.nspname::text, o.prsname::text
  from pg_ts_parser o join space n on n.oid = o.prsnamespace
union all select 'TEXT SEARCH TEMPLATE', n.nspname::text, o.tmplname::text
  from pg_ts_template o join space n on n.oid = o.tmplnamespace
union all select 'EVENT TRIGGER', '', evtname::text from pg_event_trigger
union all select 'PUBLICATION', '', pubname::text from pg_publication
union all select 'SUBSCRIPTION', '', subname::text from pg_subscription
union all select 'PROCEDURAL LANGUAGE', '', lanname::text from pg_language
union all select 'FOREIGN DATA WRAPPER', '', fdwname::text from pg_foreign_data_wrapper
union all select 'SERVER', '', srvname::text from pg_foreign_server
union all select 'ACCESS METHOD', '', amname::text from pg_am
union all select 'BLOB', '', oid::text from pg_largeobject_metadata
";

const TABLES: &str = r"
select n.nspname::text, c.relname::text, c.relkind = 'p', exists (
         select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'),
       rn.nspname::text, r.relname::text
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  left join pg_class r on c.relispartition and r.oid = pg_partition_root(c.oid)
  left join pg_namespace rn on rn.oid = r.relnamespace
 where c.relkind = 'r' or c.relkind = 'p' and not exists (
         select from pg_partition_tree(c.oid) t join pg_class p on p.oid = t.relid where p.relkind not in ('r', 'p'))
";

/// Everything in the database that has an entry of its own in a dump.
pub(crate) async fn objects(session: &Session) -> Result<BTreeSet<ObjectName>, SessionError> {
    session.execute("set search_path = ''").await?;
    let rows = session.query(OBJECTS, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// Schema and name.
pub(crate) type TableName = (String, String);

/// A table whose rows can be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Whether it has partitions.
    pub(crate) is_partitioned: bool,
    /// Whether it belongs to an extension.
    pub(crate) is_of_extension: bool,
    /// The partitioned table that it is a part of, by however many steps.
    pub(crate) root: Option<TableName>,
}

/// The tables whose rows can be counted: not views, whose query would run the dump's own code, nor
/// what has a partition elsewhere.
pub(crate) async fn tables(session: &Session) -> Result<BTreeMap<TableName, Table>, SessionError> {
    let rows = session.query(TABLES, &[]).await?;
    let table = |row: &Row| {
        let root = row.get::<_, Option<String>>(4).zip(row.get(5));
        (
            (row.get(0), row.get(1)),
            Table { is_partitioned: row.get(2), is_of_extension: row.get(3), root },
        )
    };
    Ok(rows.iter().map(table).collect())
}

/// Counts the rows of tables: of partitioned ones those of all their partitions, of others their own
/// alone.
pub(crate) async fn count_rows(
    session: &Session,
    tables: &[(&TableName, &Table)],
) -> Result<BTreeMap<TableName, u64>, SessionError> {
    let mut counted = BTreeMap::new();
    // One round trip for many tables.
    for group in tables.chunks(100) {
        let counts: Vec<String> = group
            .iter()
            .enumerate()
            .map(|(index, ((schema, name), table))| {
                let only = if table.is_partitioned { "" } else { "only " };
                let name = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
                format!("select {index}::int, count(*) from {only}{name}")
            })
            .collect();
        for row in session.query(&counts.join(" union all "), &[]).await? {
            let (index, rows): (i32, i64) = (row.get(0), row.get(1));
            let table = usize::try_from(index).ok().and_then(|index| group.get(index));
            if let (Some((name, _)), Ok(rows)) = (table, u64::try_from(rows)) {
                counted.insert((*name).clone(), rows);
            }
        }
    }
    Ok(counted)
}

/// The size of the session's own database, in bytes.
pub(crate) async fn database_bytes(session: &Session) -> Result<u64, SessionError> {
    let rows = session.query("select pg_database_size(current_database())", &[]).await?;
    let bytes: i64 = rows.first().map_or(0, |row| row.get(0));
    Ok(u64::try_from(bytes).unwrap_or(0))
}
