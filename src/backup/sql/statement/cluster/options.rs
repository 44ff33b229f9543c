//! Options of roles and tablespaces, and settings.

use super::model::{Role, Settings, Verifier};
use crate::backup::sql::statement::reader::Reader;

/// Roles that `CREATE ROLE` joins to the new one.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// `IN ROLE`
    into: Vec<String>,
    /// `ROLE`
    members: Vec<String>,
    /// `ADMIN`
    admins: Vec<String>,
}

impl Joined {
    pub(super) fn is_empty(&self) -> bool {
        self.into.is_empty() && self.members.is_empty() && self.admins.is_empty()
    }

    /// Role, member, and whether with the admin option.
    pub(super) fn memberships(self, name: &str) -> Vec<(String, String, bool)> {
        let name = || name.to_owned();
        let into = self.into.into_iter().map(|role| (role, name(), false));
        let members = self.members.into_iter().map(|member| (name(), member, false));
        let admins = self.admins.into_iter().map(|member| (name(), member, true));
        into.chain(members).chain(admins).collect()
    }
}

/// The options behind a role's name, to the statement's end.
pub(super) fn of_role(reader: &mut Reader<'_>, role: &mut Role) -> Option<Joined> {
    let mut joined = Joined::default();
    reader.eat("with");
    while let Some(word) = reader.keyword() {
        let (is_on, name) = match word.strip_prefix("no") {
            Some(name) => (false, name),
            None => (true, word.as_str()),
        };
        let attributes = &mut role.attributes;
        match name {
            "superuser" => attributes.superuser = is_on,
            "inherit" => attributes.inherit = is_on,
            "createrole" => attributes.createrole = is_on,
            "createdb" => attributes.createdb = is_on,
            "login" => attributes.login = is_on,
            "replication" => attributes.replication = is_on,
            "bypassrls" => attributes.bypassrls = is_on,
            _ => match word.as_str() {
                "connection" => {
                    reader.eat("limit").then_some(())?;
                    role.connection_limit = reader.number()?;
                }
                "encrypted" => reader.peek_is("password").then_some(())?,
                "password" => {
                    role.password =
                        if reader.eat("null") { None } else { Some(Verifier(reader.literal()?)) };
                }
                "valid" => {
                    reader.eat("until").then_some(())?;
                    role.valid_until = Some(reader.literal()?);
                }
                "in" => {
                    reader.eat_any(&["role", "group"]).then_some(())?;
                    joined.into.extend(reader.roles()?);
                }
                "role" | "user" => joined.members.extend(reader.roles()?),
                "admin" => joined.admins.extend(reader.roles()?),
                "sysid" => {
                    reader.number()?;
                }
                _ => return None,
            },
        }
    }
    Some(joined)
}

/// `SET x TO a, b`, `SET x = a`, `SET x TO DEFAULT`, `RESET x`, `RESET ALL`.
pub(super) fn of_setting(reader: &mut Reader<'_>, settings: &mut Settings) -> Option<()> {
    if reader.eat("reset") {
        if reader.eat("all") {
            settings.clear();
        } else {
            settings.remove(&setting_name(reader)?);
        }
        return Some(());
    }
    reader.eat("set").then_some(())?;
    let name = setting_name(reader)?;
    (reader.eat("to") || reader.eat_byte(b'=')).then_some(())?;
    if reader.eat("default") {
        settings.remove(&name);
        return Some(());
    }
    let mut values = vec![reader.setting_value()?];
    while reader.eat_byte(b',') {
        values.push(reader.setting_value()?);
    }
    settings.insert(name, values);
    Some(())
}

/// `work_mem`, `app.tenant`, `"App".tenant`: settings are told apart without regard to case.
fn setting_name(reader: &mut Reader<'_>) -> Option<String> {
    let mut name = reader.name()?;
    while reader.eat_byte(b'.') {
        name = format!("{name}.{}", reader.name()?);
    }
    Some(name.to_ascii_lowercase())
}

/// `(seq_page_cost=1.5, …)`
pub(super) fn of_tablespace(reader: &mut Reader<'_>, options: &mut Settings) -> Option<()> {
    reader.eat_byte(b'(').then_some(())?;
    loop {
        let name = setting_name(reader)?;
        reader.eat_byte(b'=').then_some(())?;
        options.insert(name, vec![reader.setting_value()?]);
        if reader.eat_byte(b')') {
            return Some(());
        }
        reader.eat_byte(b',').then_some(())?;
    }
}

/// `true`, `off`, …
pub(super) fn truth(reader: &mut Reader<'_>) -> Option<bool> {
    match reader.setting_value()?.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}
