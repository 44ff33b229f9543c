//! Whether what belongs to us on a throwaway server is still as we made it.
//!
//! A dump's SQL runs as a superuser: it can take our rights, change the server's settings and drop
//! databases that were restored before.

use super::session::{Session, SessionError};

const ROLE: &str = "select rolsuper and rolcanlogin and rolconnlimit = -1 and rolvaliduntil is null \
    from pg_catalog.pg_roles where rolname = $1";
/// What `ALTER SYSTEM` has written (`postgresql.auto.conf`, view `pg_file_settings`).
const SETTINGS: &str = "select distinct name from pg_catalog.pg_file_settings \
    where sourcefile like '%postgresql.auto.conf' order by name limit 10";
const DATABASES: &str = "select datname::text, oid::int8 from pg_catalog.pg_database \
    where not datistemplate and datallowconn";

/// A database by name, and by the number that a new one of the same name would not have.
pub(crate) type DatabaseIdentity = (String, i64);

/// The databases of the server that allow connections.
pub(crate) async fn databases(session: &Session) -> Result<Vec<DatabaseIdentity>, SessionError> {
    let rows = session.query(DATABASES, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What has been changed of what belongs to us, one phrase each.
///
/// # Errors
///
/// When the server does not answer, or refuses: `superuser`'s session has lost its rights then.
pub(crate) async fn alterations(
    session: &Session,
    superuser: &str,
    restored: &[DatabaseIdentity],
) -> Result<Vec<String>, SessionError> {
    let mut found = Vec::new();
    let rows = session.query(ROLE, &[&superuser]).await?;
    match rows.first().map(|row| row.get::<_, Option<bool>>(0)) {
        Some(Some(true)) => {}
        Some(_) => found.push("the rights of pgdrill's own superuser".to_owned()),
        None => found.push("pgdrill's own superuser, which is gone".to_owned()),
    }
    let rows = session.query(SETTINGS, &[]).await?;
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if !names.is_empty() {
        found.push(format!("settings of the server: {}", names.join(", ")));
    }
    let there = databases(session).await?;
    let lost: Vec<&str> = restored
        .iter()
        .filter(|known| !there.contains(known))
        .map(|(name, _)| name.as_str())
        .collect();
    if !lost.is_empty() {
        found.push(format!("databases that had been restored: {}", lost.join(", ")));
    }
    Ok(found)
}
