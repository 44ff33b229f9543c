//! Whether sequences are behind the columns that take their values from them.

use std::time::Duration;

use glob::Pattern;

use super::check_session::read_only;
use super::session::{Session, SessionError};
use crate::text::quote_identifier;

/// Every column that a sequence is owned by or is the default of. Comparable are whole numbers and
/// numerics whose values come from the sequence as they are.
const FED_COLUMNS: &str = r"
with link as (
  select d.objid as sequence, d.refobjid as relation, d.refobjsubid::int2 as attribute, d.deptype
    from pg_depend d
   where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
     and d.deptype in ('a', 'i') and d.refobjsubid > 0
  union all
  select d.refobjid, f.adrelid, f.adnum, d.deptype
    from pg_depend d
    join pg_attrdef f on f.oid = d.objid
   where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_class'::regclass
     and d.deptype = 'n'
), fed as (
  select sequence, relation, attribute, bool_or(deptype = 'i') as is_identity
    from link group by sequence, relation, attribute
)
select sn.nspname::text, s.relname::text, tn.nspname::text, t.relname::text, a.attname::text,
       q.seqincrement, q.seqmin, q.seqmax, q.seqcycle,
       coalesce(nullif(y.typbasetype, 0), y.oid)
         in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
       and (fed.is_identity or f.oid is null
            or pg_get_expr(f.adbin, f.adrelid) ~ '^nextval\(''([^'']|'''')*''::regclass\)$')
  from fed
  join pg_sequence q on q.seqrelid = fed.sequence
  join pg_class s on s.oid = fed.sequence
  join pg_namespace sn on sn.oid = s.relnamespace
  join pg_class t on t.oid = fed.relation and t.relkind in ('r', 'p')
  join pg_namespace tn on tn.oid = t.relnamespace
  join pg_attribute a on a.attrelid = fed.relation and a.attnum = fed.attribute
   and not a.attisdropped
  join pg_type y on y.oid = a.atttypid
  left join pg_attrdef f on f.adrelid = fed.relation and f.adnum = fed.attribute
 order by 1, 2, 3, 4, fed.attribute";

/// What was seen of the sequences of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SequencesSeen {
    /// Sequences that were compared with a column, one for each column.
    pub(crate) compared: usize,
    /// Those that would give a value again: sequence and column.
    pub(crate) behind: Vec<(String, String)>,
    /// Those that begin anew at their end: which value comes next says nothing.
    pub(crate) cycling: usize,
    /// Those whose column holds something else than their values.
    pub(crate) not_compared: usize,
}

struct Fed {
    sequence: (String, String),
    table: (String, String),
    column: String,
    increment: i64,
    least: i64,
    most: i64,
}

/// Compares every sequence of these schemas with its columns. No value leaves the server.
pub(crate) async fn compare(
    session: &Session,
    schemas: &[String],
    limit: Duration,
) -> Result<SequencesSeen, SessionError> {
    let globs: Vec<Pattern> = schemas.iter().filter_map(|glob| Pattern::new(glob).ok()).collect();
    let listing = async {
        session.execute("set local search_path = pg_catalog").await?;
        session.query(FED_COLUMNS, &[]).await
    };
    let mut seen = SequencesSeen::default();
    for row in read_only(session, limit, listing).await? {
        let fed = Fed {
            sequence: (row.get(0), row.get(1)),
            table: (row.get(2), row.get(3)),
            column: row.get(4),
            increment: row.get(5),
            least: row.get(6),
            most: row.get(7),
        };
        let (is_cycling, is_comparable): (bool, bool) = (row.get(8), row.get(9));
        if !globs.iter().any(|glob| glob.matches(&fed.sequence.0)) {
            continue;
        }
        if is_cycling {
            seen.cycling += 1;
        } else if !is_comparable {
            seen.not_compared += 1;
        } else {
            seen.compared += 1;
            if is_behind(session, &fed, limit).await? {
                let (schema, table) = &fed.table;
                let column = format!("{schema}.{table}.{}", fed.column);
                seen.behind.push((format!("{}.{}", fed.sequence.0, fed.sequence.1), column));
            }
        }
    }
    Ok(seen)
}

/// Whether the next value is one that the column has passed. Values beyond the sequence's end are
/// not its own; an empty column has passed none.
async fn is_behind(session: &Session, fed: &Fed, limit: Duration) -> Result<bool, SessionError> {
    let name = |(schema, name): &(String, String)| {
        format!("{}.{}", quote_identifier(schema), quote_identifier(name))
    };
    let (farthest, side, end, passed) = if fed.increment > 0 {
        ("max", "<=", fed.most, ">=")
    } else {
        ("min", ">=", fed.least, "<=")
    };
    let (column, increment) = (quote_identifier(&fed.column), fed.increment);
    let sql = format!(
        "select coalesce((select {farthest}({column}) from {table} where {column} {side} '{end}'::bigint)::numeric {passed} \
         (select last_value::numeric + case when is_called then {increment} else 0 end from {sequence}), false)",
        table = name(&fed.table),
        sequence = name(&fed.sequence),
    );
    let asking = async {
        // The database may bring a path on which the operators are not the server's own.
        session.execute("set local search_path = pg_catalog").await?;
        session.query(&sql, &[]).await
    };
    let rows = read_only(session, limit, asking).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}
