//! What a dump of a schema does not tell: values of sequences, whether materialized views and indexes can
//! be used, who owns large objects.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;

use super::session::{Session, SessionError};
use crate::text::quote_identifier;

/// Schema and name.
pub(crate) type Name = (String, String);

/// A sequence's last value and whether it has been given out.
pub(crate) type SequenceValue = (i64, bool);

/// A large object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LargeObject {
    /// Its owner.
    pub(crate) owner: String,
    /// Whether it has a comment.
    pub(crate) has_comment: bool,
    /// Privileges beside the owner's: grantee, privilege, and whether it may be handed on.
    pub(crate) privileges: BTreeSet<(String, String, bool)>,
}

const LARGE_OBJECTS: &str = "
select m.oid::bigint, pg_get_userbyid(m.lomowner)::text, obj_description(m.oid, 'pg_largeobject') is not null,
       case when a.grantee = 0 then 'public' else pg_get_userbyid(a.grantee)::text end, a.privilege_type, a.is_grantable
  from pg_largeobject_metadata m left join lateral aclexplode(m.lomacl) a on a.grantee <> m.lomowner";

const NAMES: &str = "
select n.nspname::text, c.relname::text, c.relkind = 'm' and not c.relispopulated
    or exists (select from pg_index i where i.indexrelid = c.oid and not (i.indisvalid and i.indisready))
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = ";

/// Schema, and table and constraint as a dump's tag has them.
const IDLE_FOREIGN_KEYS: &str = "
select distinct n.nspname::text, c.relname || ' ' || k.conname
  from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint and k.contype = 'f'
  join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
 where t.tgisinternal and t.tgenabled <> 'O' order by 1, 2";

/// The values of all sequences whose name is `wanted`.
pub(crate) async fn sequences(
    session: &Session,
    wanted: impl Fn(&Name) -> bool,
) -> Result<BTreeMap<Name, SequenceValue>, SessionError> {
    let known = session.query(&format!("{NAMES}'S'"), &[]).await?;
    let names: Vec<Name> = known.iter().map(name).filter(|name| wanted(name)).collect();
    let mut values = BTreeMap::new();
    // One round trip for many sequences.
    for group in names.chunks(100) {
        let selects: Vec<String> = group
            .iter()
            .enumerate()
            .map(|(index, (schema, name))| {
                let name = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
                format!("select {index}::int, last_value, is_called from {name}")
            })
            .collect();
        for row in session.query(&selects.join(" union all "), &[]).await? {
            let index: i32 = row.get(0);
            let of = usize::try_from(index).ok().and_then(|index| group.get(index));
            values.extend(of.map(|name| (name.clone(), (row.get(1), row.get(2)))));
        }
    }
    Ok(values)
}

/// All materialized views; `true` for those that hold no rows yet and refuse to be read.
pub(crate) async fn materialized_views(
    session: &Session,
) -> Result<BTreeMap<Name, bool>, SessionError> {
    let rows = session.query(&format!("{NAMES}'m'"), &[]).await?;
    Ok(rows.iter().map(|row| (name(row), row.get(2))).collect())
}

/// Foreign keys that are not looked after: their triggers are switched off, which no dump tells.
pub(crate) async fn idle_foreign_keys(
    session: &Session,
) -> Result<Vec<(String, String)>, SessionError> {
    let rows = session.query(IDLE_FOREIGN_KEYS, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Indexes of tables, not of partitioned ones, that the server does not use.
pub(crate) async fn invalid_indexes(session: &Session) -> Result<BTreeSet<Name>, SessionError> {
    let rows = session.query(&format!("{NAMES}'i'"), &[]).await?;
    Ok(rows.iter().filter(|row| row.get(2)).map(name).collect())
}

/// All large objects.
pub(crate) async fn large_objects(
    session: &Session,
) -> Result<BTreeMap<u32, LargeObject>, SessionError> {
    let mut found: BTreeMap<u32, LargeObject> = BTreeMap::new();
    for row in session.query(LARGE_OBJECTS, &[]).await? {
        let Ok(oid) = u32::try_from(row.get::<_, i64>(0)) else { continue };
        let object = found.entry(oid).or_insert_with(|| LargeObject {
            owner: row.get(1),
            has_comment: row.get(2),
            privileges: BTreeSet::new(),
        });
        let privilege = (row.get::<_, Option<String>>(3), row.get::<_, Option<String>>(4));
        if let (Some(grantee), Some(privilege)) = privilege {
            let is_grantable = row.get::<_, Option<bool>>(5).unwrap_or_default();
            object.privileges.insert((grantee, privilege, is_grantable));
        }
    }
    Ok(found)
}

fn name(row: &Row) -> Name {
    (row.get(0), row.get(1))
}
