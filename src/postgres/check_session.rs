//! A session for a scenario's own SQL: one prepared statement at a time, read-only, with a limit.

use serde_json::Value;

use super::session::{ServerError, Session, SessionError};
use crate::text::quote_identifier;

/// No check may take longer.
const STATEMENT_LIMIT: &str = "5min";

/// What a check's statement returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The first column of the first row: no row, NULL, or its text.
    #[expect(clippy::option_option, reason = "no row and NULL are told apart")]
    Value(Option<Option<String>>),
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
fn bare(sql: &str) -> &str {
    sql.trim().trim_end_matches(';').trim_end()
}

/// The first column of the first row, as text.
///
/// Values come as JSON, so that every type has a text. The statement stands in a subquery of one
/// prepared statement: a second command in it is a syntax error, and the transaction is read-only.
pub(crate) async fn ask_value(session: &Session, sql: &str) -> Result<Answer, SessionError> {
    let wrapped = format!(
        "select to_jsonb(q.pgdrill_value)::text from (\n{}\n) as q (pgdrill_value) limit 1",
        bare(sql)
    );
    let rows = read_only(session, &wrapped).await?;
    let value = rows.first().map(|row| {
        let json: Option<String> = row.get(0);
        json.and_then(|json| match serde_json::from_str(&json) {
            Ok(Value::Null) => None,
            Ok(Value::String(text)) => Some(text),
            // Numbers keep the server's own digits: they are not read as floating point here.
            Ok(_) | Err(_) => Some(json),
        })
    });
    Ok(Answer::Value(value))
}

/// The number of rows, and whether the tables that the statement reads hold any.
pub(crate) async fn ask_rows(session: &Session, sql: &str) -> Result<Answer, SessionError> {
    let counted = format!("select count(*) from (\n{}\n) as q", bare(sql));
    let rows = read_only(session, &counted).await?;
    let count: i64 = rows.first().map_or(0, |row| row.get(0));
    // EXPLAIN is not a subquery: its statement is checked by having been one just now.
    let explained =
        read_only(session, &format!("explain (verbose, costs off, format json)\n{}", bare(sql)))
            .await?;
    let plan: Value = explained.first().map_or(Value::Null, |row| row.get(0));
    let mut tables = Vec::new();
    tables_of(&plan, &mut tables);
    let mut has_population = false;
    for (schema, table) in tables {
        let probe = format!(
            "select exists (select from {}.{})",
            quote_identifier(&schema),
            quote_identifier(&table)
        );
        let rows = read_only(session, &probe).await?;
        has_population |= rows.first().is_some_and(|row| row.get(0));
        if has_population {
            break;
        }
    }
    Ok(Answer::Rows { count: u64::try_from(count).unwrap_or(0), has_population })
}

async fn read_only(session: &Session, sql: &str) -> Result<Vec<tokio_postgres::Row>, SessionError> {
    let begin = format!("begin read only; set local statement_timeout = '{STATEMENT_LIMIT}'");
    session.execute(&begin).await?;
    let result = session.client().query(sql, &[]).await;
    let ended = session.execute("rollback").await;
    let rows = result?;
    ended?;
    Ok(rows)
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
