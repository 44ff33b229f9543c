//! Roles, memberships, tablespaces and databases: what statements say against what the catalogs
//! hold. Values of settings, passwords and comments are compared and never told.

use std::collections::{BTreeMap, BTreeSet};

use crate::backup::sql::cluster::{
    ClusterObjects, Database, Grantee, Membership, Privileges, Role, Settings, Tablespace,
};

/// What is another, one phrase each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// Of roles, their settings and their rights on parameters.
    pub(crate) roles: Vec<String>,
    /// Of grants of roles to roles.
    pub(crate) memberships: Vec<String>,
    /// Of tablespaces.
    pub(crate) tablespaces: Vec<String>,
}

impl Differences {
    /// Whether nothing is another.
    pub(crate) fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.memberships.is_empty() && self.tablespaces.is_empty()
    }
}

/// What a server holds that belongs to no database.
#[derive(Debug, Default)]
pub(crate) struct ClusterFound {
    pub(crate) roles: BTreeMap<String, Role>,
    /// `ALTER ROLE ALL`
    pub(crate) settings_of_all: Settings,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) tablespaces: BTreeMap<String, (Tablespace, Privileges)>,
    pub(crate) parameters: BTreeMap<String, Privileges>,
    /// The role that initdb made: the owner of parameters.
    pub(crate) bootstrap: String,
    /// Settings that the server knows, in lower case.
    pub(crate) known_settings: BTreeSet<String>,
}

/// A database as the catalogs hold it.
#[derive(Debug)]
pub(crate) struct DatabaseFound {
    pub(crate) owner: String,
    pub(crate) database: Database,
    pub(crate) privileges: Privileges,
    /// Settings that the server knows, in lower case.
    pub(crate) known_settings: BTreeSet<String>,
}

/// Compares globals with a server, on which the roles `ours` are pgdrill's own.
pub(crate) fn differences(
    globals: &ClusterObjects,
    server: &ClusterFound,
    ours: &[&str],
) -> Differences {
    let mut found = Differences {
        roles: roles(globals, server, ours),
        memberships: memberships(globals, server, ours),
        tablespaces: tablespaces(globals, server),
    };
    found.roles.extend(parameters(globals, server));
    found
}

fn is_built_in(name: &str) -> bool {
    name.starts_with("pg_")
}

fn roles(globals: &ClusterObjects, server: &ClusterFound, ours: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, expected) in &globals.roles {
        match server.roles.get(name) {
            None => found.push(format!("role {name} is missing")),
            Some(role) => {
                let what = of_role(expected, role, &server.known_settings);
                if !what.is_empty() {
                    found.push(format!("role {name}: {}", what.join(", ")));
                }
            }
        }
    }
    let more = server.roles.keys().filter(|name| {
        !globals.roles.contains_key(*name) && !is_built_in(name) && !ours.contains(&name.as_str())
    });
    found.extend(more.map(|name| format!("role {name}, which globals do not create")));
    let of_all =
        settings(&globals.settings_of_all, &server.settings_of_all, &server.known_settings);
    found.extend(of_all.into_iter().map(|setting| format!("{setting} of all roles")));
    found
}

fn of_role(expected: &Role, role: &Role, known: &BTreeSet<String>) -> Vec<String> {
    let mut what = Vec::new();
    let pairs = expected.attributes.named().into_iter().zip(role.attributes.named());
    for ((name, wanted), (_, is_on)) in pairs {
        if wanted != is_on {
            what.push(format!("{}{name}", if is_on { "" } else { "NO" }));
        }
    }
    if expected.connection_limit != role.connection_limit {
        what.push("connection limit".to_owned());
    }
    // An empty one is none to the server.
    let wanted = expected.password.as_ref().filter(|password| !password.0.is_empty());
    let is_same = match (wanted, &role.password) {
        (Some(wanted), Some(kept)) => wanted == kept || !wanted.is_hashed(),
        (wanted, kept) => wanted.is_none() && kept.is_none(),
    };
    if !is_same {
        what.push("password".to_owned());
    }
    if expected.valid_until != role.valid_until {
        what.push("the time until which it is valid".to_owned());
    }
    what.extend(settings(&expected.settings, &role.settings, known));
    if expected.comment != role.comment {
        what.push("comment".to_owned());
    }
    what
}

/// Names of settings that differ. One that the server does not know was refused by it, which is
/// said elsewhere.
fn settings(expected: &Settings, found: &Settings, known: &BTreeSet<String>) -> Vec<String> {
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differs = |name: &&String| match (expected.get(*name), found.get(*name)) {
        (Some(wanted), Some(kept)) => !is_same_value(wanted, kept),
        (Some(_), None) => known.contains(*name),
        (None, _) => true,
    };
    names.into_iter().filter(differs).map(|name| format!("setting {name}")).collect()
}

/// Whether the catalog's text is that of the values: a list is kept with quotes, where they are
/// needed, and commas.
fn is_same_value(wanted: &[String], kept: &[String]) -> bool {
    let [kept] = kept else { return wanted == kept };
    wanted == [kept.as_str()] || list(kept).is_some_and(|items| items == wanted)
}

/// `"$user", public` as its items; `None` for what is no list of names.
fn list(text: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut item = String::new();
            let mut after = quoted;
            loop {
                let (part, behind) = after.split_once('"')?;
                item.push_str(part);
                let Some(more) = behind.strip_prefix('"') else {
                    after = behind;
                    break;
                };
                item.push('"');
                after = more;
            }
            items.push(item);
            rest = after.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            items.push(rest[..end].trim_end().to_owned());
            rest = &rest[end..];
        }
        if rest.is_empty() {
            return Some(items);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

fn memberships(globals: &ClusterObjects, server: &ClusterFound, ours: &[&str]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let is_match = |wanted: &Membership, kept: &Membership| {
        wanted.role == kept.role
            && wanted.member == kept.member
            && wanted.grantor.as_ref().is_none_or(|by| kept.grantor.as_ref() == Some(by))
    };
    for wanted in &globals.memberships {
        let name = format!("{} in {}", wanted.member, wanted.role);
        let Some(kept) = server.memberships.iter().find(|kept| is_match(wanted, kept)) else {
            let by = wanted.grantor.as_ref().map(|by| format!(", granted by {by}"));
            found.insert(format!("{name} is missing{}", by.unwrap_or_default()));
            continue;
        };
        // A later statement may have granted more to the same member.
        let admin = globals.memberships.iter().any(|other| other.admin && is_match(other, kept));
        let mut what = Vec::new();
        if admin != kept.admin {
            what.push("ADMIN");
        }
        let own = globals.roles.get(&wanted.member).is_none_or(|role| role.attributes.inherit);
        if kept.inherit.is_some_and(|inherit| inherit != wanted.inherit.unwrap_or(own)) {
            what.push("INHERIT");
        }
        if kept.set.is_some_and(|set| set != wanted.set.unwrap_or(true)) {
            what.push("SET");
        }
        if !what.is_empty() {
            found.insert(format!("{name}: {}", what.join(", ")));
        }
    }
    for kept in &server.memberships {
        let is_ours = [&kept.role, &kept.member].iter().any(|n| ours.contains(&n.as_str()));
        let is_the_servers = is_built_in(&kept.role) && is_built_in(&kept.member);
        if !is_ours
            && !is_the_servers
            && !globals.memberships.iter().any(|wanted| is_match(wanted, kept))
        {
            found.insert(format!("{} in {}, which globals do not grant", kept.member, kept.role));
        }
    }
    found.into_iter().collect()
}

fn tablespaces(globals: &ClusterObjects, server: &ClusterFound) -> Vec<String> {
    let mut found = Vec::new();
    let own = globals.tablespaces.iter().filter(|(name, _)| !is_built_in(name));
    for (name, expected) in own {
        let Some((tablespace, privileges)) = server.tablespaces.get(name) else {
            found.push(format!("tablespace {name} is missing"));
            continue;
        };
        let mut what = Vec::new();
        let owner = expected.owner.as_ref().or(tablespace.owner.as_ref());
        if owner != tablespace.owner.as_ref() {
            what.push("owner".to_owned());
        }
        what.extend(settings(&expected.options, &tablespace.options, &server.known_settings));
        if expected.comment != tablespace.comment {
            what.push("comment".to_owned());
        }
        let owner = owner.map_or("", String::as_str);
        if expected.grants.applied(owner, &["CREATE"], &[]) != *privileges {
            what.push("grants".to_owned());
        }
        if !what.is_empty() {
            found.push(format!("tablespace {name}: {}", what.join(", ")));
        }
    }
    let more = server.tablespaces.keys().filter(|name| !globals.tablespaces.contains_key(*name));
    found.extend(more.map(|name| format!("tablespace {name}, which globals do not create")));
    found
}

fn parameters(globals: &ClusterObjects, server: &ClusterFound) -> Vec<String> {
    let names: BTreeSet<&String> =
        globals.parameters.keys().chain(server.parameters.keys()).collect();
    let owner = Grantee::Role(server.bootstrap.clone());
    let of_others = |privileges: &Privileges| -> Privileges {
        let mut privileges = privileges.clone();
        privileges.retain(|(grantee, _), _| *grantee != owner);
        privileges
    };
    let all = ["SET", "ALTER SYSTEM"];
    let differs = |name: &&String| {
        let wanted = globals.parameters.get(*name).cloned().unwrap_or_default();
        let wanted = wanted.applied(&server.bootstrap, &all, &[]);
        let kept = server.parameters.get(*name).cloned().unwrap_or_default();
        of_others(&wanted) != of_others(&kept)
    };
    names.into_iter().filter(differs).map(|name| format!("grants on parameter {name}")).collect()
}

/// What of a database is not as its own entries say.
pub(crate) fn of_database(
    expected: &Database,
    owner: Option<&str>,
    found: &DatabaseFound,
) -> Vec<String> {
    let DatabaseFound { owner: found_owner, database, privileges, known_settings: known } = found;
    let mut what = Vec::new();
    if owner.is_some_and(|owner| owner != found_owner) {
        what.push("owner".to_owned());
    }
    if expected.connection_limit != database.connection_limit {
        what.push("connection limit".to_owned());
    }
    if expected.is_template != database.is_template {
        what.push("IS_TEMPLATE".to_owned());
    }
    if expected.comment != database.comment {
        what.push("comment".to_owned());
    }
    what.extend(settings(&expected.settings, &database.settings, known));
    let roles: BTreeSet<&String> =
        expected.settings_of.keys().chain(database.settings_of.keys()).collect();
    let none = Settings::new();
    for role in roles {
        let wanted = expected.settings_of.get(role).unwrap_or(&none);
        let kept = database.settings_of.get(role).unwrap_or(&none);
        let of_role = settings(wanted, kept, known);
        what.extend(of_role.into_iter().map(|setting| format!("{setting} of role {role}")));
    }
    let all = ["CREATE", "TEMPORARY", "CONNECT"];
    let wanted = expected.grants.applied(found_owner, &all, &["TEMPORARY", "CONNECT"]);
    if wanted != *privileges {
        what.push("grants".to_owned());
    }
    what
}

#[cfg(test)]
mod tests;
