//! `GRANT` and `REVOKE` of roles, and on tablespaces, databases and parameters.

use super::model::{ClusterObjects, GrantChange, Grantee, Grants, Membership};
use crate::backup::sql::statement::reader::Reader;

/// Reads what stands behind the verb.
pub(super) fn change(
    objects: &mut ClusterObjects,
    reader: &mut Reader<'_>,
    is_grant: bool,
) -> Option<()> {
    let mut ahead = reader.clone();
    if ahead.skip_to(&["on", "to", "from"]) && ahead.last_was("on") {
        return of_object(objects, reader, is_grant);
    }
    // A role is revoked by nothing that pg_dumpall writes.
    is_grant.then(|| membership(objects, reader))?
}

/// `a, b TO c WITH ADMIN OPTION, INHERIT TRUE, SET FALSE GRANTED BY d`
fn membership(objects: &mut ClusterObjects, reader: &mut Reader<'_>) -> Option<()> {
    let roles = reader.roles()?;
    reader.eat("to").then_some(())?;
    let members = reader.roles()?;
    let (mut admin, mut inherit, mut set) = (false, None, None);
    if reader.eat("with") {
        loop {
            let option = reader.keyword()?;
            // The first options had no value: `WITH ADMIN OPTION`.
            let is_on = reader.eat_any(&["option", "true"]);
            (is_on || reader.eat("false")).then_some(())?;
            match option.as_str() {
                "admin" => admin = is_on,
                "inherit" => inherit = Some(is_on),
                "set" => set = Some(is_on),
                _ => return None,
            }
            if !reader.eat_byte(b',') {
                break;
            }
        }
    }
    let mut grantor = None;
    if reader.eat("granted") {
        reader.eat("by").then_some(())?;
        grantor = Some(reader.name()?);
    }
    for role in &roles {
        for member in &members {
            let (role, member, grantor) = (role.clone(), member.clone(), grantor.clone());
            objects.memberships.push(Membership { role, member, grantor, admin, inherit, set });
        }
    }
    (!roles.is_empty() && !members.is_empty()).then_some(())
}

/// `ALL ON TABLESPACE t TO a WITH GRANT OPTION`
fn of_object(objects: &mut ClusterObjects, reader: &mut Reader<'_>, is_grant: bool) -> Option<()> {
    let mut is_of_option = false;
    if !is_grant && reader.eat("grant") {
        (reader.eat("option") && reader.eat("for")).then_some(())?;
        is_of_option = true;
    }
    let mut privileges = Vec::new();
    if reader.eat("all") {
        reader.eat("privileges");
    } else {
        loop {
            let mut name = reader.keyword()?.to_ascii_uppercase();
            if reader.eat("system") {
                name.push_str(" SYSTEM");
            }
            // The server's own short form.
            privileges.push(if name == "TEMP" { "TEMPORARY".to_owned() } else { name });
            if !reader.eat_byte(b',') {
                break;
            }
        }
    }
    reader.eat("on").then_some(())?;
    let kind = reader.keyword()?;
    let mut names = Vec::new();
    loop {
        let mut name = reader.name()?;
        while reader.eat_byte(b'.') {
            name = format!("{name}.{}", reader.name()?);
        }
        names.push(name);
        if !reader.eat_byte(b',') {
            break;
        }
    }
    (if is_grant { reader.eat("to") } else { reader.eat("from") }).then_some(())?;
    let mut grantees = Vec::new();
    loop {
        reader.eat("group");
        grantees.push(if reader.eat("public") {
            Grantee::Public
        } else {
            Grantee::Role(reader.name()?)
        });
        if !reader.eat_byte(b',') {
            break;
        }
    }
    if is_grant && reader.eat("with") {
        (reader.eat("grant") && reader.eat("option")).then_some(())?;
        is_of_option = true;
    }
    reader.eat_any(&["cascade", "restrict"]);
    if reader.eat("granted") {
        reader.eat("by").then_some(())?;
        reader.name()?;
    }
    for name in names {
        let grants: &mut Grants = match kind.as_str() {
            "tablespace" => &mut objects.tablespaces.entry(name).or_default().grants,
            "database" => &mut objects.databases.entry(name).or_default().grants,
            "parameter" => objects.parameters.entry(name.to_ascii_lowercase()).or_default(),
            _ => return None,
        };
        grants.0.extend(grantees.iter().map(|grantee| GrantChange {
            is_grant,
            is_of_option,
            privileges: privileges.clone(),
            grantee: grantee.clone(),
        }));
    }
    Some(())
}
