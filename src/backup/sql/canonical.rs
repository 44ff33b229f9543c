//! What an entry's definition says, however it is written.
//!
//! `pg_dump` has the server print expressions, and what the server prints of an expression that it has
//! read is not always what it was given: `x IN ('a', 'b')` on a `varchar` column gets its casts in
//! another place with the first restore. Options of `pg_dump` change quotes, time zones the text of times.
//! So casts and parentheses are left out, and names, strings and times have one form each.

use std::sync::LazyLock;

use jiff::Timestamp;
use regex::{Captures, Regex};

use super::shape::of_child;
use super::tokens::{Kind, Token, Tokens};
use crate::backup::statements::statements;
use crate::backup::toc::TocEntry;

/// A time with its zone, as the server prints it: `2026-01-31 23:00:00.5+05:30`.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?[+-]\d\d(?::\d\d){0,2}").ok()
});

/// The statements of an entry's definition in their canonical form, without what is compared by itself:
/// the owner, the tablespace, the partition's place. Privileges have no order.
pub(crate) fn canonical(entry: &TocEntry) -> Vec<String> {
    let mut found: Vec<String> = statements(&entry.definition)
        .iter()
        .filter(|statement| !is_aside(&entry.kind, statement))
        .map(|statement| {
            let child = if entry.kind == "TABLE" { of_child(statement) } else { None };
            child.unwrap_or_else(|| of_statement(statement.as_bytes()))
        })
        .collect();
    if matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL") {
        found.sort();
        // Who has granted is not compared: a single dump's roles are made up, and may do more.
        found.dedup();
    }
    found
}

/// What stands around a definition in plain dumps, and the attachment of a partition, which `pg_dump`
/// before 2021 wrote behind its table.
fn is_aside(kind: &str, statement: &str) -> bool {
    let words: Vec<Token<'_>> = Tokens::new(statement.as_bytes()).collect();
    let is_pair = |first: &str, second: &str| {
        words.windows(2).any(|pair| matches!(pair, [a, b] if a.is(first) && b.is(second)))
    };
    match words.first() {
        Some(word) if word.is_any(&["set", "reset"]) => true,
        Some(word) if word.is("alter") => {
            is_pair("owner", "to") && !is_pair("default", "privileges")
                || matches!(kind, "TABLE" | "FOREIGN TABLE") && is_pair("attach", "partition")
        }
        _ => false,
    }
}

fn of_statement(statement: &[u8]) -> String {
    of_tokens(Tokens::new(statement))
}

/// The canonical form of a part of a statement.
pub(super) fn of_tokens<'a>(tokens: impl Iterator<Item = Token<'a>>) -> String {
    let mut out = String::new();
    let mut tokens = tokens.peekable();
    while let Some(token) = tokens.next() {
        if token.is_byte(b'(') || token.is_byte(b')') || token.is_byte(b';') {
            continue;
        }
        if token.is_byte(b':') && tokens.next_if(|next| next.is_byte(b':')).is_some() {
            skip_type(&mut tokens);
            continue;
        }
        out.push_str(&of_token(&token));
        out.push(' ');
    }
    out
}

/// A token in the form that it has in canonical text.
pub(super) fn of_token(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Word | Kind::Quoted => {
            let name = token.name("UTF8").unwrap_or_default();
            let is_plain = name.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'$'
            });
            if is_plain || token.kind == Kind::Word { name } else { format!("\"{name}\"") }
        }
        Kind::Text => format!("'{}", in_utc(&literal(token.text))),
        Kind::Other => String::from_utf8_lossy(token.text).into_owned(),
    }
}

/// The value of a string literal, whichever way it is quoted.
fn literal(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    if let Some(rest) = text.strip_prefix('$') {
        let tag = rest.find('$').map_or(0, |at| at + 2);
        let end = text.len().saturating_sub(tag).max(tag);
        return text.get(tag..end).unwrap_or_default().to_owned();
    }
    let Some((prefix, body)) = text.split_once('\'') else { return text.into_owned() };
    let body = body.strip_suffix('\'').unwrap_or(body).replace("''", "'");
    if prefix.eq_ignore_ascii_case("e") { body.replace("\\\\", "\\") } else { body }
}

/// Times with a zone, which the server prints in the session's, in one zone.
fn in_utc(text: &str) -> String {
    match LazyLock::force(&TIME) {
        Some(time) if text.contains(':') => time
            .replace_all(text, |found: &Captures<'_>| {
                let shown = &found[0];
                shown.parse::<Timestamp>().map_or_else(|_| shown.to_owned(), |at| at.to_string())
            })
            .into_owned(),
        _ => text.to_owned(),
    }
}

/// Steps over the type behind `::`.
fn skip_type<'a>(tokens: &mut std::iter::Peekable<impl Iterator<Item = Token<'a>>>) {
    let is_name = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted);
    let Some(first) = tokens.next_if(is_name) else { return };
    while tokens.next_if(|token| token.is_byte(b'.')).is_some() {
        tokens.next_if(is_name);
    }
    if first.is_any(&["character", "bit", "double"]) {
        tokens.next_if(|token| token.is_any(&["varying", "precision"]));
    }
    if first.is("interval") {
        let fields = ["year", "month", "day", "hour", "minute", "second", "to"];
        while tokens.next_if(|token| token.is_any(&fields)).is_some() {}
    }
    if tokens.next_if(|token| token.is_byte(b'(')).is_some() {
        for token in tokens.by_ref() {
            if token.is_byte(b')') {
                break;
            }
        }
    }
    if first.is_any(&["timestamp", "time"])
        && tokens.next_if(|token| token.is_any(&["with", "without"])).is_some()
    {
        tokens.next_if(|token| token.is("time"));
        tokens.next_if(|token| token.is("zone"));
    }
    while tokens.next_if(|token| token.is_byte(b'[')).is_some() {
        for token in tokens.by_ref() {
            if token.is_byte(b']') {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use crate::backup::toc::TocEntry;

    fn of(kind: &str, definition: &str) -> Vec<String> {
        canonical(&TocEntry {
            kind: kind.to_owned(),
            definition: definition.to_owned(),
            ..TocEntry::default()
        })
    }

    fn same(kind: &str, left: &str, right: &str) {
        assert_eq!(of(kind, left), of(kind, right));
    }

    fn differ(kind: &str, left: &str, right: &str) {
        assert_ne!(of(kind, left), of(kind, right));
    }

    #[test]
    fn what_a_restore_prints_in_another_way_is_the_same() {
        same(
            "CHECK CONSTRAINT",
            "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying(3)])::text[])));",
            "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])));",
        );
        same(
            "VIEW",
            "SELECT '2026-01-01 00:00:00+01'::timestamp with time zone AS a, '1 day'::interval day to hour;",
            "SELECT '2025-12-31 23:00:00+00'::timestamp(3) with time zone AS a, '1 day'::interval;",
        );
        same(
            "FUNCTION",
            "CREATE FUNCTION \"public\".\"f\"() AS $_$ select 'a\\b' $_$;",
            "CREATE FUNCTION public.f() AS E' select ''a\\\\b'' ';",
        );
        same(
            "ACL",
            "REVOKE ALL ON TABLE t FROM o;\nGRANT SELECT ON TABLE t TO a;\nGRANT SELECT ON TABLE t TO b;\n",
            "REVOKE ALL ON TABLE t FROM o;\nGRANT SELECT ON TABLE t TO b;\nGRANT SELECT ON TABLE t TO a;\n",
        );
        same(
            "TABLE",
            "SET default_tablespace = fast;\n\nCREATE TABLE t (a integer);\n\n\nALTER TABLE t OWNER TO o;\n",
            "CREATE TABLE t (\n    a integer\n);\nALTER TABLE ONLY p ATTACH PARTITION t DEFAULT;\n",
        );
    }

    #[test]
    fn columns_of_a_child_have_no_order() {
        let child = |columns: &str| format!("CREATE TABLE a.c ({columns})\nINHERITS (a.p);");
        same("TABLE", &child("own text, id integer"), &child("id integer, own text"));
        differ("TABLE", &child("own text, id integer"), &child("id integer"));
        differ("TABLE", &child("own text"), "CREATE TABLE a.c (own text)\nINHERITS (a.q);");
        differ("TABLE", "CREATE TABLE a.c (b text, a text);", "CREATE TABLE a.c (a text, b text);");
    }

    #[test]
    fn what_says_something_else_is_another() {
        differ("VIEW", "SELECT a FROM t;", "SELECT b FROM t;");
        differ("VIEW", "SELECT 'a'::text;", "SELECT 'b'::text;");
        differ("INDEX", "CREATE INDEX i ON t (a);", "CREATE UNIQUE INDEX i ON t (a);");
        differ("TABLE", "CREATE TABLE t (a numeric(5,2));", "CREATE TABLE t (a numeric(5,1));");
        differ("TABLE", "CREATE TABLE t (\"A\" int);", "CREATE TABLE t (a int);");
        differ("ACL", "GRANT SELECT ON t TO a;", "GRANT SELECT ON t TO a WITH GRANT OPTION;");
        differ("FUNCTION", "CREATE FUNCTION f() AS $$a$$;", "CREATE FUNCTION f() AS $$A$$;");
        differ(
            "TRIGGER",
            "CREATE TRIGGER g;\n",
            "CREATE TRIGGER g;\n\nALTER TABLE t DISABLE TRIGGER g;\n",
        );
    }
}
