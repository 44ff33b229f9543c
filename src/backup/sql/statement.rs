//! What single statements of a dump say.
//!
//! Only the forms that `pg_dump`, `pg_dumpall` and like tools write are understood; anything else
//! is [`StatementKind::Other`] and names no roles.

use std::collections::BTreeSet;

use super::copy::CopyTarget;
use super::lexer::{Lexer, Piece};
use super::tokens::{Kind, Token, Tokens};

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
    if reader.tokens.next().is_some() {
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
        Some("insert") if reader.eat("into") => reader
            .qualified()
            .map(|(schema, table)| StatementKind::Insert { schema, table }),
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

/// The roles that a statement refers to, but not those that it creates or drops.
pub(crate) fn roles_named(statement: &[u8], encoding: &str) -> Vec<String> {
    let mut reader = Reader::new(statement, encoding);
    let verb = reader.keyword();
    let roles = match verb.as_deref() {
        Some("grant") => granted(&mut reader, "to"),
        Some("revoke") => granted(&mut reader, "from"),
        Some("alter") => altered(&mut reader),
        Some("create" | "drop") => created(&mut reader),
        Some("set") => session(&mut reader),
        Some("comment" | "security") => {
            let on_role = reader.skip_to(&["on"]) && reader.eat("role");
            on_role.then(|| reader.roles()).flatten()
        }
        _ => None,
    };
    roles.unwrap_or_default()
}

/// The roles that any of several statements refers to, such as a TOC entry's `definition`.
pub(crate) fn roles_named_in(sql: &str) -> BTreeSet<String> {
    let mut roles = BTreeSet::new();
    let mut lexer = Lexer::new(sql.as_bytes());
    while let Ok(Some(piece)) = lexer.next() {
        if let Piece::StatementEnd { text, .. } = piece {
            roles.extend(roles_named(text, "UTF8"));
        }
    }
    roles
}

/// `GRANT … TO a, b`, `REVOKE … FROM a, b`; role memberships name roles on both sides.
fn granted(reader: &mut Reader<'_>, word: &str) -> Option<Vec<String>> {
    let mut membership = reader.clone();
    let mut roles = Vec::new();
    if !reader.skip_to(&["on", word]) {
        return None;
    }
    if reader.last_was("on") {
        if !reader.skip_to(&[word]) {
            return None;
        }
    } else {
        // `REVOKE ADMIN OPTION FOR a FROM b`
        if ["admin", "inherit", "set"].iter().any(|word| membership.peek_is(word)) {
            membership.skip_to(&["for"]);
        }
        roles.extend(membership.roles().unwrap_or_default());
    }
    roles.extend(reader.roles()?);
    while reader.skip_to(&["granted"]) {
        if reader.eat("by") {
            roles.extend(reader.roles().unwrap_or_default());
        }
    }
    Some(roles)
}

fn altered(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    if reader.eat("default") {
        reader.eat("privileges");
        let mut roles = Vec::new();
        if reader.eat("for") {
            reader.eat_any(&["role", "user"]);
            roles.extend(reader.roles()?);
        }
        if reader.skip_to(&["grant", "revoke"]) {
            let word = if reader.last_was("grant") { "to" } else { "from" };
            roles.extend(granted(reader, word).unwrap_or_default());
        }
        return Some(roles);
    }
    if reader.peek_is("policy") {
        return policy(reader);
    }
    if reader.eat("user") && reader.eat("mapping") {
        reader.skip_to(&["for"]);
        return reader.role().map(|role| vec![role]);
    }
    if reader.last_was("user") || reader.eat_any(&["role", "group"]) {
        return reader.role().map(|role| vec![role]);
    }
    while reader.skip_to(&["owner", "rename"]) {
        if reader.last_was("rename") {
            return None;
        }
        if reader.eat("to") {
            return reader.role().map(|role| vec![role]);
        }
    }
    None
}

fn created(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    if reader.peek_is("policy") {
        return policy(reader);
    }
    let one = |role: String| vec![role];
    match reader.keyword()?.as_str() {
        "schema" => {
            reader.if_exists();
            if !reader.peek_is("authorization") {
                reader.name();
            }
            reader.eat("authorization").then_some(())?;
            reader.role().map(one)
        }
        "user" if reader.eat("mapping") => {
            reader.skip_to(&["for"]);
            reader.role().map(one)
        }
        "database" | "tablespace" => {
            reader.name();
            if reader.skip_to(&["owner"]) {
                reader.eat_byte(b'=');
                return reader.role().map(one);
            }
            None
        }
        _ => None,
    }
}

/// `CREATE POLICY p ON t [FOR …] TO a, b USING (…)`
fn policy(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    reader.eat("policy");
    reader.name();
    if reader.skip_to(&["to", "using", "with", "rename"]) && reader.last_was("to") {
        return reader.roles();
    }
    None
}

/// `SET SESSION AUTHORIZATION x`, `SET ROLE x`
fn session(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    reader.eat_any(&["session", "local"]);
    // `SET SESSION SESSION AUTHORIZATION`
    reader.eat("session");
    if reader.eat_any(&["authorization", "role"]) {
        let role = match reader.peek_text() {
            Some(name) => Some(name),
            None => reader.role(),
        };
        return role.filter(|role| role != "default" && role != "none").map(|role| vec![role]);
    }
    None
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

/// A cursor over a statement's tokens.
#[derive(Clone)]
struct Reader<'a> {
    tokens: std::iter::Peekable<Tokens<'a>>,
    last: Option<Token<'a>>,
    encoding: &'a str,
}

impl<'a> Reader<'a> {
    fn new(statement: &'a [u8], encoding: &'a str) -> Self {
        Self {
            tokens: Tokens::new(statement).peekable(),
            last: None,
            encoding,
        }
    }

    /// The next word in lower case.
    fn keyword(&mut self) -> Option<String> {
        let token = self.tokens.next_if(|token| token.kind == Kind::Word)?;
        self.last = Some(token);
        Some(String::from_utf8_lossy(token.text).to_ascii_lowercase())
    }

    fn peek_is(&mut self, word: &str) -> bool {
        self.tokens.peek().is_some_and(|token| token.is(word))
    }

    fn eat(&mut self, word: &str) -> bool {
        self.eat_any(&[word])
    }

    fn eat_any(&mut self, words: &[&str]) -> bool {
        let found = self.tokens.next_if(|token| token.is_any(words));
        if found.is_some() {
            self.last = found;
        }
        found.is_some()
    }

    fn eat_byte(&mut self, byte: u8) -> bool {
        self.tokens.next_if(|token| token.is_byte(byte)).is_some()
    }

    fn if_exists(&mut self) {
        if self.eat("if") {
            self.eat("not");
            self.eat("exists");
        }
    }

    /// Goes behind the next of `words` outside parentheses.
    fn skip_to(&mut self, words: &[&str]) -> bool {
        let mut depth = 0_i64;
        for token in self.tokens.by_ref() {
            if token.is_byte(b'(') {
                depth += 1;
            } else if token.is_byte(b')') {
                depth -= 1;
            } else if depth <= 0 && token.is_any(words) {
                self.last = Some(token);
                return true;
            }
        }
        false
    }

    /// Whether the last keyword read was `word`.
    fn last_was(&self, word: &str) -> bool {
        self.last.is_some_and(|token| token.is(word))
    }

    fn name(&mut self) -> Option<String> {
        let name = self.tokens.peek()?.name(self.encoding)?;
        self.tokens.next();
        Some(name)
    }

    fn qualified(&mut self) -> Option<(Option<String>, String)> {
        let mut schema = None;
        let mut name = self.name()?;
        while self.eat_byte(b'.') {
            schema = Some(std::mem::replace(&mut name, self.name()?));
        }
        Some((schema, name))
    }

    /// A value of a `SET`: a word, a string or a number.
    fn value(&mut self) -> Option<String> {
        let token = self.tokens.next()?;
        match token.kind {
            Kind::Text => token.value(self.encoding),
            Kind::Word | Kind::Quoted => token.name(self.encoding),
            Kind::Other => Some(String::from_utf8_lossy(token.text).into_owned()),
        }
    }

    fn peek_text(&mut self) -> Option<String> {
        self.tokens.peek()?.value(self.encoding)
    }

    /// One role specification; `None` for `PUBLIC`, `CURRENT_USER` and their like.
    fn role(&mut self) -> Option<String> {
        self.eat("group");
        let token = *self.tokens.peek()?;
        let name = self.name()?;
        let pseudo = ["public", "current_user", "current_role", "session_user", "user", "all"];
        let word = token.kind == Kind::Word && pseudo.contains(&name.as_str());
        (!word && name != "public").then_some(name)
    }

    /// A list of role specifications.
    fn roles(&mut self) -> Option<Vec<String>> {
        let mut roles = Vec::new();
        loop {
            roles.extend(self.role());
            if !self.eat_byte(b',') {
                return Some(roles);
            }
        }
    }
}
