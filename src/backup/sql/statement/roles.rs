//! The roles that statements refer to.

use std::collections::BTreeSet;

use super::reader::Reader;
use crate::backup::sql::lexer::{Lexer, Piece};

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
