//! What single statements of a dump say.
//!
//! Only the forms that `pg_dump`, `pg_dumpall` and like tools write are understood; anything else
//! is [`StatementKind::Other`] and names no roles.

pub(crate) mod cluster;
mod collations;
mod reader;
mod roles;

use super::copy::CopyTarget;
use super::tokens::{Kind, Token, Tokens};

pub use collations::{CollationOptions, CollationsNeeded};
use reader::Reader;
pub(crate) use roles::{roles_named, roles_named_in};

/// A statement by what a restore test must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatementKind {
    /// `CREATE ROLE`, `CREATE USER` or `CREATE GROUP`.
    CreateRole {
        /// The role.
        name: String,
    },
    /// `ALTER ROLE`, `ALTER USER` or `ALTER GROUP`.
    AlterRole {
        /// The role.
        name: String,
    },
    /// `DROP ROLE`, `DROP USER` or `DROP GROUP`.
    DropRole {
        /// The first role dropped.
        name: String,
    },
    /// `CREATE TABLESPACE`.
    CreateTablespace {
        /// The tablespace.
        name: String,
    },
    /// `CREATE DATABASE`.
    CreateDatabase {
        /// The database.
        name: String,
    },
    /// `CREATE TABLE`, but not `CREATE FOREIGN TABLE`.
    CreateTable {
        /// The schema, where it is named.
        schema: Option<String>,
        /// The table.
        name: String,
    },
    /// `CREATE EXTENSION`.
    CreateExtension {
        /// The extension.
        name: String,
    },
    /// `COPY … FROM stdin`.
    Copy(CopyTarget),
    /// `INSERT INTO`.
    Insert {
        /// The schema, where it is named.
        schema: Option<String>,
        /// The table.
        table: String,
    },
    /// `SET name = value` or `SET name TO value`, for the session.
    Set {
        /// The setting, in lower case.
        name: String,
        /// Its first value, unquoted.
        value: String,
    },
    /// Anything else.
    Other,
}

/// A setting that decides how `psql` reads what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    StdStrings(bool),
    ClientEncoding(String),
}

/// Reads plain `SET`s of the two settings the lexer must follow.
pub(super) fn setting(statement: &[u8]) -> Option<Setting> {
    let mut reader = Reader::new(statement, "UTF8");
    let StatementKind::Set { name, value } = set(&mut reader) else {
        return None;
    };
    reader.eat_byte(b';');
    if !reader.at_end() {
        return None;
    }
    match name.as_str() {
        "standard_conforming_strings" => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Some(Setting::StdStrings(true)),
            "off" | "false" | "no" | "0" => Some(Setting::StdStrings(false)),
            _ => None,
        },
        "client_encoding" => Some(Setting::ClientEncoding(value)),
        _ => None,
    }
}

/// Says what a statement does; names are decoded from the client encoding `encoding`.
pub(crate) fn classify(statement: &[u8], encoding: &str) -> StatementKind {
    let mut reader = Reader::new(statement, encoding);
    let found = match reader.keyword().as_deref() {
        Some("create") => create(&mut reader),
        Some(verb @ ("alter" | "drop")) => role(&mut reader, verb),
        Some("copy") => CopyTarget::parse(statement, encoding).map(StatementKind::Copy),
        Some("insert") if reader.eat("into") => {
            reader.qualified().map(|(schema, table)| StatementKind::Insert { schema, table })
        }
        Some("set") => Some(set(&mut Reader::new(statement, encoding))),
        _ => None,
    };
    found.unwrap_or(StatementKind::Other)
}

/// How much of an `INSERT` names its table, with the byte behind the name.
pub(super) fn insert_head(statement: &[u8]) -> Option<&[u8]> {
    let mut tokens = Tokens::new(statement).peekable();
    tokens.next().filter(|token| token.is("insert"))?;
    tokens.next().filter(|token| token.is("into"))?;
    let mut name = tokens.next()?;
    while tokens.next_if(|token| token.is_byte(b'.')).is_some() {
        name = tokens.next()?;
    }
    let behind = statement.get(name.end())?;
    matches!(behind, b' ' | b'\t' | b'\n' | b'\r' | b'(').then_some(())?;
    statement.get(..=name.end())
}

fn create(reader: &mut Reader<'_>) -> Option<StatementKind> {
    while reader.eat_any(&["global", "local", "temp", "temporary", "unlogged"]) {}
    match reader.keyword()?.as_str() {
        "user" if reader.peek_is("mapping") => None,
        "role" | "user" | "group" => Some(StatementKind::CreateRole { name: reader.name()? }),
        "tablespace" => Some(StatementKind::CreateTablespace { name: reader.name()? }),
        "database" => Some(StatementKind::CreateDatabase { name: reader.name()? }),
        "extension" => {
            reader.if_exists();
            Some(StatementKind::CreateExtension { name: reader.name()? })
        }
        "table" => {
            reader.if_exists();
            let (schema, name) = reader.qualified()?;
            Some(StatementKind::CreateTable { schema, name })
        }
        _ => None,
    }
}

fn role(reader: &mut Reader<'_>, verb: &str) -> Option<StatementKind> {
    if !reader.eat_any(&["role", "user", "group"]) || reader.peek_is("mapping") {
        return None;
    }
    reader.if_exists();
    let name = reader.name()?;
    Some(match verb {
        "alter" => StatementKind::AlterRole { name },
        _ => StatementKind::DropRole { name },
    })
}

fn set(reader: &mut Reader<'_>) -> StatementKind {
    let parts = |reader: &mut Reader<'_>| {
        reader.eat("set").then_some(())?;
        reader.eat("session");
        if reader.eat("names") {
            return Some(("client_encoding".to_owned(), reader.value()?));
        }
        if reader.peek_is("local") {
            return None;
        }
        let name = reader.keyword()?;
        (reader.eat_byte(b'=') || reader.eat("to")).then_some(())?;
        Some((name, reader.value()?))
    };
    match parts(reader) {
        Some((name, value)) => StatementKind::Set { name, value },
        None => StatementKind::Other,
    }
}

/// Makes the location of a `CREATE TABLESPACE` empty.
///
/// A throwaway server has none of the directories a cluster dump names. With
/// `allow_in_place_tablespaces` the server makes a directory of its own for `LOCATION ''`
/// (`CreateTableSpace` in `src/backend/commands/tablespace.c`).
pub(crate) fn rewrite_tablespace_location(statement: &[u8]) -> Vec<u8> {
    let tokens: Vec<Token<'_>> = Tokens::new(statement).collect();
    let starts = matches!(tokens.as_slice(), [create, space, ..] if create.is("create") && space.is("tablespace"));
    let location = tokens.windows(2).skip(2).find_map(|pair| match pair {
        [word, path] if word.is("location") && path.kind == Kind::Text => Some(*path),
        _ => None,
    });
    match location {
        Some(path) if starts => {
            let mut out = statement.get(..path.start).unwrap_or_default().to_vec();
            out.extend_from_slice(b"''");
            out.extend_from_slice(statement.get(path.end()..).unwrap_or_default());
            out
        }
        _ => statement.to_vec(),
    }
}
