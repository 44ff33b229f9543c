//! Roles, memberships, tablespaces and databases as the catalogs hold them.

use std::collections::{BTreeMap, BTreeSet};

use super::session::{Session, SessionError};
use crate::backup::sql::cluster::{
    Attributes, Database, Grantee, Membership, Privileges, Role, Settings, Tablespace, Verifier,
};
use crate::check::cluster::{ClusterFound, DatabaseFound};

const ROLES: &str = "select rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, \
    rolreplication, rolbypassrls, rolconnlimit::int8, rolpassword, \
    extract(epoch from rolvaliduntil)::float8::text, \
    pg_catalog.shobj_description(oid, 'pg_authid'), oid = 10 \
    from pg_catalog.pg_authid";
/// Settings of roles in all databases; those of all roles stand under no name.
const ROLE_SETTINGS: &str = "select r.rolname::text, s.setconfig \
    from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole \
    where s.setdatabase = 0";
const TABLESPACES: &str = "select t.spcname::text, pg_catalog.pg_get_userbyid(t.spcowner)::text, \
    coalesce(t.spcoptions, '{}'), pg_catalog.shobj_description(t.oid, 'pg_tablespace') \
    from pg_catalog.pg_tablespace t where t.spcname !~ '^pg_'";
const DATABASE: &str = "select pg_catalog.pg_get_userbyid(datdba)::text, datconnlimit::int8, datistemplate, \
    pg_catalog.shobj_description(oid, 'pg_database') \
    from pg_catalog.pg_database where datname = $1";
const DATABASE_SETTINGS: &str = "select r.rolname::text, s.setconfig \
    from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole \
    where s.setdatabase = (select oid from pg_catalog.pg_database where datname = $1)";
const KNOWN_SETTINGS: &str = "select lower(name) from pg_catalog.pg_settings";

/// Looks at what belongs to no database.
pub(crate) async fn cluster(session: &Session, major: u32) -> Result<ClusterFound, SessionError> {
    let mut roles = BTreeMap::new();
    let mut bootstrap = String::new();
    for row in session.query(ROLES, &[]).await? {
        let name: String = row.get(0);
        if row.get(12) {
            bootstrap.clone_from(&name);
        }
        let attributes = Attributes {
            superuser: row.get(1),
            inherit: row.get(2),
            createrole: row.get(3),
            createdb: row.get(4),
            login: row.get(5),
            replication: row.get(6),
            bypassrls: row.get(7),
        };
        let role = Role {
            attributes,
            connection_limit: row.get(8),
            password: row.get::<_, Option<String>>(9).map(Verifier),
            valid_until: row.get(10),
            comment: row.get(11),
            ..Role::default()
        };
        roles.insert(name, role);
    }
    let mut settings_of_all = Settings::new();
    for row in session.query(ROLE_SETTINGS, &[]).await? {
        let found = settings(&row.get::<_, Vec<String>>(1));
        match row.get::<_, Option<String>>(0) {
            Some(name) => {
                if let Some(role) = roles.get_mut(&name) {
                    role.settings = found;
                }
            }
            None => settings_of_all = found,
        }
    }
    let mut tablespaces = BTreeMap::new();
    for row in session.query(TABLESPACES, &[]).await? {
        let tablespace = Tablespace {
            owner: Some(row.get(1)),
            options: settings(&row.get::<_, Vec<String>>(2)),
            comment: row.get(3),
            ..Tablespace::default()
        };
        tablespaces.insert(row.get::<_, String>(0), (tablespace, Privileges::new()));
    }
    let of_tablespaces = privileges(
        session,
        "select t.spcname::text, t.spcowner, coalesce(t.spcacl, pg_catalog.acldefault('t', t.spcowner)) \
         from pg_catalog.pg_tablespace t",
    );
    for (name, found) in of_tablespaces.await? {
        if let Some((_, privileges)) = tablespaces.get_mut(&name) {
            *privileges = found;
        }
    }
    let parameters = if major >= 15 {
        let asked = "select parname::text, 10::oid, paracl from pg_catalog.pg_parameter_acl";
        privileges(session, asked).await?
    } else {
        BTreeMap::new()
    };
    Ok(ClusterFound {
        roles,
        settings_of_all,
        memberships: memberships(session, major).await?,
        tablespaces,
        parameters,
        bootstrap,
        known_settings: known_settings(session).await?,
    })
}

/// Looks at a database from outside; `None` if it is not there.
pub(crate) async fn database(
    session: &Session,
    name: &str,
) -> Result<Option<DatabaseFound>, SessionError> {
    let rows = session.query(DATABASE, &[&name]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut database = Database {
        connection_limit: row.get(1),
        is_template: row.get(2),
        comment: row.get(3),
        ..Database::default()
    };
    for row in session.query(DATABASE_SETTINGS, &[&name]).await? {
        let found = settings(&row.get::<_, Vec<String>>(1));
        match row.get::<_, Option<String>>(0) {
            Some(role) => {
                database.settings_of.insert(role, found);
            }
            None => database.settings = found,
        }
    }
    let mut of_databases = privileges(
        session,
        "select d.datname::text, d.datdba, coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba)) \
         from pg_catalog.pg_database d",
    )
    .await?;
    Ok(Some(DatabaseFound {
        owner: row.get(0),
        database,
        privileges: of_databases.remove(name).unwrap_or_default(),
        known_settings: known_settings(session).await?,
    }))
}

async fn known_settings(session: &Session) -> Result<BTreeSet<String>, SessionError> {
    let rows = session.query(KNOWN_SETTINGS, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn memberships(session: &Session, major: u32) -> Result<Vec<Membership>, SessionError> {
    // One row for each grantor, with options of its own, since PostgreSQL 16.
    let options = if major >= 16 { "inherit_option, set_option" } else { "null::bool, null::bool" };
    let asked = format!(
        "select r.rolname::text, m.rolname::text, g.rolname::text, a.admin_option, {options} \
         from pg_catalog.pg_auth_members a join pg_catalog.pg_authid r on r.oid = a.roleid \
         join pg_catalog.pg_authid m on m.oid = a.member \
         left join pg_catalog.pg_authid g on g.oid = a.grantor"
    );
    let rows = session.query(&asked, &[]).await?;
    let mut found: Vec<Membership> = rows
        .iter()
        .map(|row| Membership {
            role: row.get(0),
            member: row.get(1),
            grantor: row.get(2),
            admin: row.get(3),
            inherit: row.get(4),
            set: row.get(5),
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Access privileges of the objects that a query names with their owner.
async fn privileges(
    session: &Session,
    objects: &str,
) -> Result<BTreeMap<String, Privileges>, SessionError> {
    let asked = format!(
        "select o.name, a.grantee = 0, pg_catalog.pg_get_userbyid(a.grantee)::text, a.privilege_type, \
           a.is_grantable and a.grantee <> o.owner \
         from ({objects}) o (name, owner, acl) cross join lateral pg_catalog.aclexplode(o.acl) a"
    );
    let mut found: BTreeMap<String, Privileges> = BTreeMap::new();
    for row in session.query(&asked, &[]).await? {
        let grantee = if row.get(1) { Grantee::Public } else { Grantee::Role(row.get(2)) };
        let privileges = found.entry(row.get(0)).or_default();
        *privileges.entry((grantee, row.get(3))).or_default() |= row.get::<_, bool>(4);
    }
    Ok(found)
}

/// `name=value`, with the value as the catalog keeps it.
fn settings(found: &[String]) -> Settings {
    found
        .iter()
        .filter_map(|setting| setting.split_once('='))
        .map(|(name, value)| (name.to_ascii_lowercase(), vec![value.to_owned()]))
        .collect()
}

/// A time as the server reads it, in the form in which [`cluster`] gives those of roles.
///
/// # Errors
///
/// When the server takes it for no time.
pub(crate) async fn time(session: &Session, text: &str) -> Result<Option<String>, SessionError> {
    let asked = "select extract(epoch from ($1::text)::timestamptz)::float8::text";
    let rows = session.query(asked, &[&text]).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}
