//! Whether what belongs to us on a throwaway server is still as we made it.
//!
//! A dump's SQL runs as a superuser: it can take our rights, change the server's settings and drop
//! databases that were restored before.

use std::time::{Duration, Instant};

use super::session::{Session, SessionError};
use crate::text::quote_identifier;

const ROLE: &str = "select rolsuper and rolcanlogin and rolconnlimit = -1 and rolvaliduntil is null \
    from pg_catalog.pg_roles where rolname = $1";
/// What `ALTER SYSTEM` has written (`postgresql.auto.conf`, view `pg_file_settings`).
const SETTINGS: &str = "select distinct name from pg_catalog.pg_file_settings \
    where sourcefile like '%postgresql.auto.conf' order by name limit 10";
const ROLES: &str = "select oid::text || ':' || xmin::text from pg_catalog.pg_authid";
const ROLE_SETTINGS: &str = "select setrole::text || ':' || xmin::text \
    from pg_catalog.pg_db_role_setting where setdatabase = 0 order by 1";
const FILES: &str = "select coalesce(md5(string_agg(concat(sourcefile, name, setting), ',' \
    order by seqno)), '') from pg_catalog.pg_file_settings";
const DATABASE: &str = "select d.oid::int8, d.xmin::text || coalesce((select string_agg(\
    s.setrole::text || ':' || s.xmin::text, ',' order by s.setrole) \
    from pg_catalog.pg_db_role_setting s where s.setdatabase = d.oid), ''), d.datallowconn, \
    (select count(*) from pg_catalog.pg_stat_activity a where a.datid = d.oid) \
    from pg_catalog.pg_database d where d.datname = $1";

/// What belongs to no database, as it was before the first of them was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// Versions of the roles' rows.
    roles: Vec<String>,
    /// Versions of the settings of roles in all databases.
    role_settings: Vec<String>,
    /// A digest of what the server's configuration files say.
    files: String,
}

/// Takes the baseline.
pub(crate) async fn baseline(session: &Session) -> Result<Baseline, SessionError> {
    let texts = async |sql: &str| -> Result<Vec<String>, SessionError> {
        let rows = session.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    };
    Ok(Baseline {
        roles: texts(ROLES).await?,
        role_settings: texts(ROLE_SETTINGS).await?,
        files: texts(FILES).await?.concat(),
    })
}

impl Baseline {
    /// What is another now, one phrase each. Roles may have come, none may have changed.
    fn differs(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.roles.iter().all(|role| now.roles.contains(role)) {
            found.push("roles of the cluster".to_owned());
        }
        if self.role_settings != now.role_settings {
            found.push("settings of roles".to_owned());
        }
        if self.files != now.files {
            found.push("the server's configuration files".to_owned());
        }
        found
    }
}

/// How long sessions that are on their way out may take: one of ours closes when its relay ends.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// A database that has been restored and compared, and that nobody can connect to until it is
/// asked again: another dump of the same cluster runs as a superuser too.
///
/// Whoever lets connections in again, however briefly, leaves another version of the database's row
/// in `pg_database`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    name: String,
    oid: i64,
    row_version: String,
}

/// Seals a database. `None` if somebody stays connected to it, or it is not there.
pub(crate) async fn seal(session: &Session, name: &str) -> Result<Option<Sealed>, SessionError> {
    let database = quote_identifier(name);
    session.execute(&format!("alter database {database} allow_connections false")).await?;
    let started = Instant::now();
    loop {
        let rows = session.query(DATABASE, &[&name]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let sessions: i64 = row.get(3);
        if sessions == 0 {
            let name = name.to_owned();
            return Ok(Some(Sealed { name, oid: row.get(0), row_version: row.get(1) }));
        }
        if started.elapsed() > GONE_LIMIT {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lets connections in again.
pub(crate) async fn unseal(session: &Session, sealed: &Sealed) -> Result<(), SessionError> {
    let database = quote_identifier(&sealed.name);
    session.execute(&format!("alter database {database} allow_connections true")).await
}

async fn is_intact(session: &Session, sealed: &Sealed) -> Result<bool, SessionError> {
    let rows = session.query(DATABASE, &[&sealed.name]).await?;
    Ok(rows.first().is_some_and(|row| {
        let (oid, version, open): (i64, String, bool) = (row.get(0), row.get(1), row.get(2));
        !open && oid == sealed.oid && version == sealed.row_version
    }))
}

/// What has been changed of what belongs to us, one phrase each.
///
/// # Errors
///
/// When the server does not answer, or refuses: `superuser`'s session has lost its rights then.
pub(crate) async fn alterations(
    session: &Session,
    superuser: &str,
    restored: &[Sealed],
    before: Option<&Baseline>,
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
    if let Some(before) = before {
        found.extend(before.differs(&baseline(session).await?));
    }
    let mut touched = Vec::new();
    for sealed in restored {
        if !is_intact(session, sealed).await? {
            touched.push(sealed.name.as_str());
        }
    }
    if !touched.is_empty() {
        found.push(format!("databases that had been restored: {}", touched.join(", ")));
    }
    Ok(found)
}
