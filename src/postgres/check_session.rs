//! A session for a scenario's own SQL: one prepared statement at a time, read-only, with a limit.

use std::time::Duration;

use serde_json::Value;
use tokio_postgres::Row;

use super::session::{ServerError, Session, SessionError};
use crate::check::Judged;
use crate::text::quote_identifier;

/// More characters of a value are not sent: nothing that a scenario can hold is longer.
const LIMIT_CHARACTERS: u32 = 1 << 20;

/// The tables, outside of the catalogs, that parsing, rewriting, planning and running the statements
/// of this transaction have locked.
const LOCKED_TABLES: &str = "\
select distinct n.nspname::text, c.relname::text
  from pg_catalog.pg_locks l
  join pg_catalog.pg_class c on c.oid = l.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where l.locktype = 'relation' and l.pid = pg_catalog.pg_backend_pid()
   and l.database = (select oid from pg_catalog.pg_database
                      where datname = pg_catalog.current_database())
   and c.relkind in ('r', 'p', 'm', 'f')
   and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast'";

/// What a check's statement returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The first column of the first row: no row, NULL, or its text.
    #[expect(clippy::option_option, reason = "no row and NULL are told apart")]
    Value(Option<Option<String>>),
    /// The same, of more characters than are sent.
    TooLong(u64),
    /// It was judged on the way.
    Judged(Judged),
    /// How many rows there are, and whether any table of the statement holds a row.
    Rows { count: u64, has_population: bool },
}

/// Makes a role that can read everything and change nothing. Roles are the cluster's: once.
pub(crate) async fn make_reader(
    admin: &Session,
    role: &str,
    major: u32,
) -> Result<(), SessionError> {
    let role = quote_identifier(role);
    admin.execute(&format!("create role {role} login bypassrls")).await?;
    // Large objects have rights of their own, which no predefined role has.
    admin.execute(&format!("alter role {role} set lo_compat_privileges = on")).await?;
    if major >= 17 {
        admin.execute(&format!("alter role {role} set event_triggers = off")).await?;
    }
    if major >= 14 {
        admin.execute(&format!("grant pg_read_all_data to {role}")).await?;
    }
    Ok(())
}

/// Lets the role into a database that lets in few, or nobody, as the source's may.
pub(crate) async fn let_in(
    admin: &Session,
    role: &str,
    database: &str,
) -> Result<(), SessionError> {
    let known = "select has_database_privilege($1, oid, 'connect'), datconnlimit from pg_database where datname = $2";
    let rows = admin.query(known, &[&role, &database]).await?;
    // Nothing is changed where nothing has to be: checks may look at it.
    let (may_connect, limit) = rows.first().map_or((true, -1), |row| (row.get(0), row.get(1)));
    let (role, database) = (quote_identifier(role), quote_identifier(database));
    if !may_connect {
        admin.execute(&format!("grant connect on database {database} to {role}")).await?;
    }
    if limit >= 0_i32 {
        admin.execute(&format!("alter database {database} connection limit -1")).await?;
    }
    Ok(())
}

/// Before PostgreSQL 14 there is no role that reads everything: rights are given table by table.
pub(crate) async fn let_read(database: &Session, role: &str) -> Result<(), SessionError> {
    let role = quote_identifier(role);
    let rows = database
        .query(
            "select nspname::text from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'",
            &[],
        )
        .await?;
    for row in rows {
        let schema = quote_identifier(row.get(0));
        database
            .execute(&format!(
                "grant usage on schema {schema} to {role};
                 grant select on all tables in schema {schema} to {role};
                 grant select on all sequences in schema {schema} to {role}"
            ))
            .await?;
    }
    Ok(())
}

/// A statement's text without the semicolon that people end it with.
pub(super) fn bare(sql: &str) -> &str {
    sql.trim().trim_end_matches(';').trim_end()
}

/// The first column of the first row, as text.
///
/// Values go through JSON, so that every type has a text, and the server cuts what is too long to be
/// sent. The statement stands in a subquery of one prepared statement: a second command in it is a
/// syntax error, and the transaction is read-only.
pub(crate) async fn ask_value(
    session: &Session,
    sql: &str,
    limit: Duration,
) -> Result<Answer, SessionError> {
    let wrapped = format!(
        "select pg_catalog.left(v.t, {LIMIT_CHARACTERS}), pg_catalog.length(v.t) from (select \
         pg_catalog.to_jsonb(q.pgdrill_value) operator(pg_catalog.#>>) '{{}}'::pg_catalog.text[] \
         from (\n{}\n) as q (pgdrill_value) limit 1) as v (t)",
        bare(sql)
    );
    let rows = read_only(session, limit, session.query(&wrapped, &[])).await?;
    let Some(row) = rows.first() else { return Ok(Answer::Value(None)) };
    let length: i32 = row.get::<_, Option<i32>>(1).unwrap_or(0);
    match u32::try_from(length) {
        Ok(length) if length > LIMIT_CHARACTERS => Ok(Answer::TooLong(u64::from(length))),
        Ok(_) | Err(_) => Ok(Answer::Value(Some(row.get(0)))),
    }
}

/// The number of rows, and whether the tables that the statement reads hold any.
///
/// The tables are those that the statement has locked, together with those of its plan: a plan
/// lacks a table where the planner knows the answer beforehand (`where false`, pruned partitions,
/// NULL in a column that has none) or a function reads it, and the locks on catalogs cannot be told
/// from our own.
pub(crate) async fn ask_rows(
    session: &Session,
    sql: &str,
    limit: Duration,
) -> Result<Answer, SessionError> {
    let counted = format!("select count(*) from (\n{}\n) as q", bare(sql));
    let (rows, held) = read_only(session, limit, count_and_locks(session, &counted)).await?;
    let count: i64 = rows.first().map_or(0, |row| row.get(0));
    let mut tables: Vec<_> = held.iter().map(|row| (row.get(0), row.get(1))).collect();
    // EXPLAIN is not a subquery: its statement is checked by having been one just now.
    let explain = format!("explain (verbose, costs off, format json)\n{}", bare(sql));
    let explained = read_only(session, limit, session.query(&explain, &[])).await?;
    let plan: Value = explained.first().map_or(Value::Null, |row| row.get(0));
    tables_of(&plan, &mut tables);
    tables.sort();
    tables.dedup();
    let has_population = any_holds_rows(session, &tables, limit).await?;
    Ok(Answer::Rows { count: u64::try_from(count).unwrap_or(0), has_population })
}

/// Runs a statement, and asks which tables it has locked: locks last until the transaction ends.
async fn count_and_locks(
    session: &Session,
    counted: &str,
) -> Result<(Vec<Row>, Vec<Row>), SessionError> {
    let rows = session.query(counted, &[]).await?;
    // The database may bring a path on which `=` is not the server's own.
    session.execute("set local search_path = pg_catalog").await?;
    Ok((rows, session.query(LOCKED_TABLES, &[]).await?))
}

/// Whether one of the tables (schema and name) holds a row; of a partitioned table, any partition.
///
/// A table that cannot be asked (a foreign server is out of reach, a materialized view was never
/// filled) matters only where no other holds rows.
async fn any_holds_rows(
    session: &Session,
    tables: &[(String, String)],
    limit: Duration,
) -> Result<bool, SessionError> {
    let mut refused = None;
    for (schema, table) in tables {
        let (schema, table) = (quote_identifier(schema), quote_identifier(table));
        let probe = format!("select exists (select from {schema}.{table})");
        match read_only(session, limit, session.query(&probe, &[])).await {
            Ok(rows) if rows.first().is_some_and(|row| row.get(0)) => return Ok(true),
            Ok(_) => {}
            Err(error @ SessionError::Server(_)) => refused = refused.or(Some(error)),
            Err(error @ SessionError::Lost(_)) => return Err(error),
        }
    }
    refused.map_or(Ok(false), Err)
}

/// Does `work` in a transaction of its own, which changes nothing and is rolled back.
///
/// Not cancel safe: the session stays in the transaction.
pub(super) async fn read_only<T>(
    session: &Session,
    limit: Duration,
    work: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    // In milliseconds, as many as the setting takes.
    let limit = limit.as_millis().clamp(1, 2_147_483_647);
    let begin = format!("begin read only; set local statement_timeout = {limit}");
    session.execute(&begin).await?;
    let result = work.await;
    let ended = session.execute("rollback").await;
    let done = result?;
    ended?;
    Ok(done)
}

/// Every table that a plan scans.
fn tables_of(plan: &Value, tables: &mut Vec<(String, String)>) {
    match plan {
        Value::Array(items) => items.iter().for_each(|item| tables_of(item, tables)),
        Value::Object(fields) => {
            if let (Some(schema), Some(table)) = (
                fields.get("Schema").and_then(Value::as_str),
                fields.get("Relation Name").and_then(Value::as_str),
            ) {
                tables.push((schema.to_owned(), table.to_owned()));
            }
            fields.values().for_each(|value| tables_of(value, tables));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether an error says that what the check asks for is not in the database: a failure of the
/// backup. Everything else (syntax, time limit, rights) means that the check could not run.
pub(crate) fn is_missing_object(error: &ServerError) -> bool {
    matches!(error.sqlstate.as_str(), "42P01" | "42703" | "42883" | "3F000" | "42704")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_may_end_with_a_semicolon() {
        assert_eq!(bare(" select 1 ;\n"), "select 1");
    }

    #[test]
    fn tables_are_found_anywhere_in_a_plan() {
        let plan = serde_json::json!([{"Plan": {"Node Type": "Hash Join", "Plans": [
            {"Relation Name": "items", "Schema": "shop"},
            {"Plans": [{"Relation Name": "orders", "Schema": "shop"}]}]}}]);
        let mut tables = Vec::new();
        tables_of(&plan, &mut tables);
        tables.sort();
        assert_eq!(tables, [("shop".into(), "items".into()), ("shop".into(), "orders".into())]);
    }
}
