//! What an entry's definition says, however it is written.
//!
//! `pg_dump` has the server print expressions, and what the server prints of an expression that it has
//! read is not always what it was given: `x IN ('a', 'b')` on a `varchar` column gets its casts in
//! another place with the first restore. Options of `pg_dump` change quotes, time zones the text of times.
//! So casts and parentheses are left out, and names, strings and times have one form each.

use std::iter::{Copied, Peekable};
use std::slice;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::shape::of_child;
use super::tokens::{Kind, Token, Tokens};
use crate::backup::statements::statements;
use crate::backup::toc::TocEntry;

/// A time with its zone, as the server prints it: `2026-01-31 23:00:00.5+05:30`.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?",
    )
    .ok()
});

/// The statements of an entry's definition in their canonical form, without what is compared by itself:
/// the owner, the tablespace. Privileges have no order.
pub(crate) fn canonical(entry: &TocEntry) -> Vec<String> {
    let mut found: Vec<String> = statements(&entry.definition)
        .iter()
        .filter(|statement| !is_aside(statement))
        .map(|statement| {
            let special = match entry.kind.as_str() {
                "TABLE" => of_child(statement),
                "POLICY" => of_policy(statement),
                _ => None,
            };
            special.unwrap_or_else(|| of_statement(statement.as_bytes()))
        })
        .collect();
    if matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL") {
        found.sort();
        // Who has granted is not compared: a single dump's roles are made up, and may do more.
        found.dedup();
    }
    found
}

/// What stands around a definition in plain dumps.
fn is_aside(statement: &str) -> bool {
    let words: Vec<Token<'_>> = Tokens::new(statement.as_bytes()).collect();
    let is_pair = |first: &str, second: &str| {
        words.windows(2).any(|pair| matches!(pair, [a, b] if a.is(first) && b.is(second)))
    };
    match words.first() {
        Some(word) if word.is_any(&["set", "reset"]) => true,
        Some(word) if word.is("alter") => {
            is_pair("owner", "to") && !is_pair("default", "privileges")
        }
        _ => false,
    }
}

/// A policy's roles stand in the order in which they were made.
fn of_policy(statement: &str) -> Option<String> {
    let tokens: Vec<Token<'_>> = Tokens::new(statement.as_bytes()).collect();
    let from = tokens.iter().position(|token| token.is("to"))? + 1;
    let behind = tokens[from..].iter().position(|token| token.is_any(&["using", "with"]));
    let (roles, rest) = tokens[from..].split_at(behind.unwrap_or(tokens.len() - from));
    let is_name = |token: &&Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted);
    let mut roles: Vec<String> = roles.iter().filter(is_name).map(of_token).collect();
    roles.sort();
    let before = of_tokens(tokens[..from].iter().copied());
    Some(format!("{before}{} {}", roles.join(" "), of_tokens(rest.iter().copied())))
}

fn of_statement(statement: &[u8]) -> String {
    of_tokens(Tokens::new(statement))
}

/// Tokens that can be looked at before they are taken.
type Ahead<'s, 'a> = Peekable<Copied<slice::Iter<'s, Token<'a>>>>;

/// The canonical form of a part of a statement.
pub(super) fn of_tokens<'a>(tokens: impl Iterator<Item = Token<'a>>) -> String {
    let mut out = String::new();
    // Where the last token begins in it, and whether that is a constant.
    let (mut last, mut constant): (usize, Option<Token<'_>>) = (0, None);
    let tokens: Vec<Token<'_>> = tokens.collect();
    let mut tokens: Ahead<'_, '_> = tokens.iter().copied().peekable();
    while let Some(token) = tokens.next() {
        if token.is_byte(b'(') || token.is_byte(b')') || token.is_byte(b';') {
            continue;
        }
        if token.is_byte(b':') && tokens.next_if(|next| next.is_byte(b':')).is_some() {
            let of_type = skip_type(&mut tokens);
            if let Some(text) = constant.filter(|token| token.kind == Kind::Text) {
                let value = literal(text.text);
                let value = match &*of_type {
                    "bytea" => Some(in_hexadecimal(&value)),
                    // Names in quotes, where the database has all of them written so.
                    "regclass" => Some(value.replace('"', "")),
                    _ => None,
                };
                if let Some(value) = value {
                    out.truncate(last);
                    out.push_str(&format!("'{value} "));
                }
            }
            if constant.is_some() {
                skip_own_name(&mut tokens, &of_type);
            }
            continue;
        }
        let is_constant = token.kind == Kind::Text || token.is("null");
        (last, constant) = (out.len(), is_constant.then_some(token));
        out.push_str(&of_token(&token));
        out.push(' ');
    }
    out
}

/// Steps over the name that a constant has from its type, and a restore gives it: `'x'::text AS text`.
fn skip_own_name(tokens: &mut Ahead<'_, '_>, of_type: &str) {
    let own = match of_type {
        "character" => "bpchar",
        "character varying" => "varchar",
        "bit varying" => "varbit",
        "timestamp with" => "timestamptz",
        "time with" => "timetz",
        "double precision" => "float8",
        "real" => "float4",
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" => "int4",
        "bigint" => "int8",
        other => other.split(' ').next().unwrap_or_default(),
    };
    let mut ahead = tokens.clone();
    let is_named = ahead.next().is_some_and(|token| token.is("as"))
        && ahead.next().and_then(|token| token.name("UTF8")).is_some_and(|name| name == own);
    if is_named {
        tokens.next();
        tokens.next();
    }
}

/// The bytes of a `bytea` in hexadecimal, whichever way `bytea_output` chose.
fn in_hexadecimal(text: &str) -> String {
    if text.starts_with("\\x") {
        return text.to_ascii_lowercase();
    }
    let mut out = "\\x".to_owned();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, behind) = match (first, behind) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..]) => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), behind)
            }
            (b'\\', [b'\\', behind @ ..]) => (b'\\', behind),
            (other, behind) => (*other, behind),
        };
        out.push_str(&format!("{byte:02x}"));
        rest = behind;
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

/// Times with a zone, which the server prints in the session's, as microseconds since 1970 in UTC.
fn in_utc(text: &str) -> String {
    match LazyLock::force(&TIME) {
        Some(time) if text.contains(':') => time
            .replace_all(text, |found: &Captures<'_>| {
                microseconds(found).map_or_else(|| found[0].to_owned(), |at| format!("utc {at}"))
            })
            .into_owned(),
        _ => text.to_owned(),
    }
}

/// The server knows years from 4714 BC to 294276.
fn microseconds(time: &Captures<'_>) -> Option<i64> {
    let part = |at: usize| -> Option<i64> {
        time.get(at).map_or(Some(0), |part| part.as_str().parse().ok())
    };
    let year = part(1)?;
    let year = if time.get(12).is_some() { 1 - year } else { year };
    // Days since 1970 of a date of the Gregorian calendar, whose years begin with March here.
    let (month, day) = (part(2)?, part(3)?);
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let fraction = time.get(7).map_or("", |part| part.as_str());
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    let seconds = days * 86_400 + part(4)? * 3600 + part(5)? * 60 + part(6)?;
    let offset = part(9)? * 3600 + part(10)? * 60 + part(11)?;
    let offset = if &time[8] == "-" { -offset } else { offset };
    Some((seconds - offset) * 1_000_000 + micros)
}

/// Steps over the type behind `::`. Returns its name, with a second word where that makes it another.
fn skip_type(tokens: &mut Ahead<'_, '_>) -> String {
    let is_name = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted);
    let Some(first) = tokens.next_if(is_name) else { return String::new() };
    let mut name = first.name("UTF8").unwrap_or_default();
    while tokens.next_if(|token| token.is_byte(b'.')).is_some() {
        name = tokens.next_if(is_name).and_then(|token| token.name("UTF8")).unwrap_or_default();
    }
    if first.is_any(&["character", "bit", "double"])
        && let Some(second) = tokens.next_if(|token| token.is_any(&["varying", "precision"]))
    {
        name.push_str(if second.is("varying") { " varying" } else { " precision" });
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
        && let Some(second) = tokens.next_if(|token| token.is_any(&["with", "without"]))
    {
        name.push_str(if second.is("with") { " with" } else { "" });
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
    name
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
        // What pg_dump before 14 writes behind a table.
        differ(
            "TABLE",
            "CREATE TABLE t (a integer);\nALTER TABLE ONLY p ATTACH PARTITION t DEFAULT;\n",
            "CREATE TABLE t (a integer);\n",
        );
    }

    #[test]
    fn names_that_a_restore_gives_to_constants_are_none() {
        let view = |list: &str| format!("CREATE VIEW a.v AS SELECT {list} FROM a.t;");
        for (first, then) in [
            ("'x'::text", "'x'::text AS text"),
            ("NULL::character varying", "NULL::character varying AS \"varchar\""),
            ("'1'::numeric(3,1)", "'1'::numeric(3,1) AS numeric"),
            (
                "'2026-01-01'::timestamp with time zone",
                "'2026-01-01'::timestamp with time zone AS timestamptz",
            ),
        ] {
            same("VIEW", &view(first), &view(then));
        }
        differ("VIEW", &view("'x'::text AS kind"), &view("'x'::text AS sort"));
        differ("VIEW", &view("t.x::text"), &view("t.x::text AS text"));
    }

    #[test]
    fn roles_of_a_policy_have_no_order() {
        let policy =
            |roles: &str| format!("CREATE POLICY p ON a.t FOR SELECT TO {roles} USING (true);");
        same("POLICY", &policy("zz, aa"), &policy("aa, zz"));
        differ("POLICY", &policy("zz, aa"), &policy("zz"));
        same("POLICY", "CREATE POLICY p ON a.t TO b, a;", "CREATE POLICY p ON a.t TO a, b;");
    }

    #[test]
    fn times_at_the_ends_of_the_calendar_are_the_same_in_every_zone() {
        let index = |time: &str| {
            format!("CREATE INDEX i ON a.t (x) WHERE y < '{time}'::timestamp with time zone;")
        };
        same("INDEX", &index("9999-12-31 00:00:00-05"), &index("9999-12-31 05:00:00+00"));
        same("INDEX", &index("12026-03-01 00:00:00+01"), &index("12026-02-28 23:00:00+00"));
        same(
            "INDEX",
            &index("0044-03-15 00:00:00+00:53:28 BC"),
            &index("0044-03-14 23:06:32+00 BC"),
        );
        differ("INDEX", &index("9999-12-31 00:00:00-05"), &index("9999-12-31 00:00:00-04"));
        differ("INDEX", &index("0044-03-15 00:00:00+00 BC"), &index("0044-03-15 00:00:00+00"));
    }

    #[test]
    fn names_in_literals_may_be_quoted() {
        let default = |name: &str| {
            format!("ALTER TABLE a.t ALTER COLUMN id SET DEFAULT nextval('{name}'::regclass);")
        };
        same("DEFAULT", &default("a.t_id_seq"), &default("\"a\".\"t_id_seq\""));
        differ("DEFAULT", &default("a.t_id_seq"), &default("a.u_id_seq"));
    }

    #[test]
    fn bytes_are_the_same_in_both_forms() {
        let index = |bytes: &str| format!("CREATE INDEX i ON a.t (x) WHERE y <> '{bytes}'::bytea;");
        same("INDEX", &index("\\x01ff5c61"), &index("\\001\\377\\\\a"));
        differ("INDEX", &index("\\x01ff"), &index("\\001\\376"));
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
