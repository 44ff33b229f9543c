//! What globals, and the entries of a database itself, say of roles, tablespaces and databases.
//!
//! The statements are those of `pg_dumpall` 9.x to 18 and of `pg_dump --create`'s DATABASE entries,
//! and what people write by hand in their place. What is not understood is counted.

mod grants;
mod model;
mod options;

use super::reader::Reader;
use super::{Setting, setting};
use crate::backup::sql::lexer::{Lexer, Piece};

pub(crate) use model::{
    Attributes, ClusterObjects, Database, Grantee, Membership, Privileges, Role, Settings,
    Tablespace, Verifier,
};

/// Reads statements in their order; names are in `encoding` until a `SET client_encoding`.
#[cfg(test)]
pub(crate) fn cluster_objects(sql: &[u8], encoding: &str) -> ClusterObjects {
    let mut objects = ClusterObjects::default();
    objects.read(sql, encoding);
    objects
}

impl ClusterObjects {
    /// Reads more statements.
    pub(crate) fn read(&mut self, sql: &[u8], encoding: &str) {
        let mut encoding = encoding.to_owned();
        let mut lexer = Lexer::new(sql);
        while let Ok(Some(piece)) = lexer.next() {
            let Piece::StatementEnd { text, complete, .. } = piece else { continue };
            if let Some(Setting::ClientEncoding(name)) = setting(text) {
                encoding = name;
            }
            let mut reader = Reader::new(text, &encoding);
            if !complete || self.statement(&mut reader).is_none() {
                let verb = Reader::new(text, &encoding).keyword().unwrap_or_default();
                *self.not_understood.entry(verb.to_ascii_uppercase()).or_default() += 1;
            }
        }
    }

    /// `None` for what is not understood to its end.
    fn statement(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        match reader.keyword()?.as_str() {
            // What `pg_dumpall --clean` drops is not on a new server.
            "set" | "reset" => return Some(()),
            "drop" => return reader.eat_any(&["database", "role", "tablespace"]).then_some(()),
            "select" => {
                // `SELECT pg_catalog.set_config('search_path', '', false);`
                let (_, name) = reader.qualified()?;
                return (name == "set_config").then_some(());
            }
            "security" => {
                self.labels += 1;
                return Some(());
            }
            "create" => self.create(reader)?,
            "alter" => self.alter(reader)?,
            "comment" => self.comment(reader)?,
            "grant" => grants::change(self, reader, true)?,
            "revoke" => grants::change(self, reader, false)?,
            _ => return None,
        }
        reader.eat_byte(b';');
        reader.at_end().then_some(())
    }

    fn create(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let verb = reader.keyword()?;
        match verb.as_str() {
            "role" | "user" | "group" => {
                let name = reader.name()?;
                let role = self.roles.entry(name.clone()).or_default();
                role.attributes.login |= verb == "user";
                let joined = options::of_role(reader, role)?;
                for (role, member, admin) in joined.memberships(&name) {
                    let grantor = None;
                    let membership =
                        Membership { role, member, grantor, admin, inherit: None, set: None };
                    self.memberships.push(membership);
                }
            }
            "tablespace" => {
                let name = reader.name()?;
                let tablespace = self.tablespaces.entry(name).or_default();
                if reader.eat("owner") {
                    tablespace.owner = Some(reader.name()?);
                }
                reader.eat("location").then_some(())?;
                reader.literal()?;
                if reader.eat("with") {
                    options::of_tablespace(reader, &mut tablespace.options)?;
                }
            }
            "database" => {
                // The first of a database's own entries: its options are looked at when it is made.
                let name = reader.name()?;
                self.databases.entry(name).or_default();
                reader.skip_to_end();
            }
            _ => return None,
        }
        Some(())
    }

    fn alter(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        match reader.keyword()?.as_str() {
            "role" | "user" | "group" => {
                if reader.eat("all") {
                    return options::of_setting(reader, &mut self.settings_of_all);
                }
                let name = reader.name()?;
                if reader.eat("in") {
                    reader.eat("database").then_some(())?;
                    let database = self.databases.entry(reader.name()?).or_default();
                    let settings = database.settings_of.entry(name).or_default();
                    return options::of_setting(reader, settings);
                }
                let role = self.roles.entry(name).or_default();
                if reader.peek_is("set") || reader.peek_is("reset") {
                    return options::of_setting(reader, &mut role.settings);
                }
                options::of_role(reader, role)?.is_empty().then_some(())
            }
            "tablespace" => {
                let name = reader.name()?;
                let tablespace = self.tablespaces.entry(name).or_default();
                if reader.eat("owner") {
                    reader.eat("to").then_some(())?;
                    tablespace.owner = Some(reader.name()?);
                    return Some(());
                }
                reader.eat("set").then_some(())?;
                options::of_tablespace(reader, &mut tablespace.options)
            }
            "database" => {
                let name = reader.name()?;
                let database = self.databases.entry(name).or_default();
                if reader.peek_is("set") || reader.peek_is("reset") {
                    return options::of_setting(reader, &mut database.settings);
                }
                if reader.eat("owner") {
                    reader.skip_to_end();
                    return Some(());
                }
                reader.eat("with");
                if reader.eat("connection") {
                    reader.eat("limit").then_some(())?;
                    reader.eat_byte(b'=');
                    database.connection_limit = reader.number()?;
                    return Some(());
                }
                reader.eat("is_template").then_some(())?;
                reader.eat_byte(b'=');
                database.is_template = options::truth(reader)?;
                Some(())
            }
            _ => None,
        }
    }

    fn comment(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        reader.eat("on").then_some(())?;
        let kind = reader.keyword()?;
        let name = reader.name()?;
        reader.eat("is").then_some(())?;
        let text = if reader.eat("null") { None } else { Some(reader.literal()?) };
        match kind.as_str() {
            "role" => self.roles.entry(name).or_default().comment = text,
            "tablespace" => self.tablespaces.entry(name).or_default().comment = text,
            "database" => self.databases.entry(name).or_default().comment = text,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
