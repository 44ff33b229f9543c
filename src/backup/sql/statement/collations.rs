//! The collations that a dump makes, and those of the server that it uses.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use super::reader::Reader;
use crate::backup::sql::tokens::Tokens;
use crate::text::quote_literal;

/// Kept of each kind; hostile dumps could name more.
const MOST: usize = 10_000;

/// What `CREATE COLLATION` says of locale and provider, in the parameters of its manual page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollationOptions(Vec<(&'static str, String)>);

const OPTIONS: [&str; 6] =
    ["provider", "locale", "lc_collate", "lc_ctype", "deterministic", "rules"];

impl CollationOptions {
    /// The parameters as `CREATE COLLATION` takes them: known words and literals of ours, whatever
    /// else the statement of the dump held.
    pub fn clauses(&self) -> String {
        let clause = |(key, value): &(&str, String)| match *key {
            "provider" | "deterministic" => format!("{key} = {value}"),
            _ => format!("{key} = {}", quote_literal(value)),
        };
        self.0.iter().map(clause).collect::<Vec<_>>().join(", ")
    }

    /// The libc locales that it needs; none for another provider.
    pub fn libc_names(&self) -> BTreeSet<&str> {
        let is_libc = self.get("provider").is_none_or(|provider| provider == "libc");
        let names =
            self.0.iter().filter(|(key, _)| matches!(*key, "locale" | "lc_collate" | "lc_ctype"));
        names.filter(|_| is_libc).map(|(_, value)| value.as_str()).collect()
    }

    /// For people: `de_DE.utf8`, `icu de-AT`.
    pub fn describe(&self) -> String {
        let name = ["locale", "lc_collate", "lc_ctype"].iter().find_map(|key| self.get(key));
        match (self.get("provider"), name) {
            (Some("libc") | None, name) => name.unwrap_or_default().to_owned(),
            (Some(provider), Some(name)) => format!("{provider} {name}"),
            (Some(provider), None) => provider.to_owned(),
        }
    }

    fn get(&self, wanted: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value.as_str())
    }
}

/// What a dump needs of the server's collations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollationsNeeded {
    /// Those it makes, with the name of the first of each kind.
    pub made: BTreeMap<CollationOptions, String>,
    /// Those of the server, which initdb makes from the locales it finds.
    pub named: BTreeSet<String>,
}

impl CollationsNeeded {
    /// Adds what a statement needs; names are decoded from the client encoding `encoding`.
    pub(crate) fn add(&mut self, statement: &[u8], encoding: &str) {
        // Nearly no statement names one, and a look at the tokens is dear.
        if memmem::find(statement, b"ollat").is_none()
            && memmem::find(statement, b"OLLAT").is_none()
        {
            return;
        }
        if let Some((name, options)) = made(statement, encoding) {
            if self.made.len() < MOST {
                self.made.entry(options).or_insert(name);
            }
            return;
        }
        let mut tokens = Tokens::new(statement).peekable();
        while let Some(token) = tokens.next() {
            if token.is("collation") {
                // As in the parameters of a range type.
                if tokens.next_if(|next| next.is_byte(b'=')).is_none() {
                    continue;
                }
            } else if !token.is("collate") {
                continue;
            }
            let is_catalog =
                tokens.next_if(|next| next.name(encoding).as_deref() == Some("pg_catalog"));
            if is_catalog.is_none() || tokens.next_if(|next| next.is_byte(b'.')).is_none() {
                continue;
            }
            if let Some(name) = tokens.peek().and_then(|next| next.name(encoding))
                && self.named.len() < MOST
            {
                self.named.insert(name);
            }
        }
    }
}

/// Name and parameters of a `CREATE COLLATION`.
fn made(statement: &[u8], encoding: &str) -> Option<(String, CollationOptions)> {
    let mut reader = Reader::new(statement, encoding);
    (reader.eat("create") && reader.eat("collation")).then_some(())?;
    reader.if_exists();
    let (schema, name) = reader.qualified()?;
    reader.eat_byte(b'(').then_some(())?;
    let mut options = Vec::new();
    loop {
        let key = reader.keyword()?;
        reader.eat_byte(b'=').then_some(())?;
        // What a backslash stands for is not read here.
        let value = reader.value().filter(|value| !value.contains('\\'))?;
        if let Some(known) = OPTIONS.iter().find(|known| **known == key) {
            let is_word = match *known {
                "provider" => matches!(value.as_str(), "libc" | "icu" | "builtin"),
                "deterministic" => matches!(value.as_str(), "true" | "false"),
                _ => true,
            };
            is_word.then_some(())?;
            options.push((*known, value));
        }
        if !reader.eat_byte(b',') {
            break;
        }
    }
    let name = match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name,
    };
    (reader.eat_byte(b')') && !options.is_empty()).then_some((name, CollationOptions(options)))
}

#[cfg(test)]
mod tests {
    use super::CollationsNeeded;

    fn needed(statement: &str) -> CollationsNeeded {
        let mut needed = CollationsNeeded::default();
        needed.add(statement.as_bytes(), "UTF8");
        needed
    }

    fn clauses(statement: &str) -> Vec<String> {
        needed(statement).made.keys().map(super::CollationOptions::clauses).collect()
    }

    #[test]
    fn a_collation_is_known_by_its_parameters() {
        let icu = "CREATE COLLATION public.german (provider = icu, deterministic = false, locale = 'de''x');";
        assert_eq!(clauses(icu), ["provider = icu, deterministic = false, locale = 'de''x'"]);
        let of_icu = needed(icu);
        let (options, name) = of_icu.made.first_key_value().unwrap();
        assert_eq!((options.describe().as_str(), name.as_str()), ("icu de'x", "public.german"));
        assert_eq!(options.libc_names().len(), 0);
        let libc = needed(
            "create collation if not exists g (lc_collate = 'xx', lc_ctype='yy', version = '1');",
        );
        let options = libc.made.first_key_value().unwrap().0;
        assert_eq!(options.clauses(), "lc_collate = 'xx', lc_ctype = 'yy'");
        assert_eq!(Vec::from_iter(options.libc_names()), ["xx", "yy"]);
        assert_eq!(options.describe(), "xx");
    }

    #[test]
    fn nothing_else_gets_into_a_probe() {
        let hostile = [
            "CREATE COLLATION a (provider = libc); DROP TABLE x; (locale = 'C');",
            "CREATE COLLATION a (locale = E'a\\'); drop database b; --');",
            "CREATE COLLATION a (provider = \"x); drop table y; --\", locale = 'C');",
            "CREATE COLLATION a (deterministic = 'x', locale = 'C');",
            "CREATE COLLATION a FROM \"C\";",
            "CREATE COLLATION a (locale = 'never ends",
            "CREATE COLLATION a (",
        ];
        for statement in hostile {
            let clauses = clauses(statement);
            assert!(
                clauses.is_empty() || clauses == ["provider = libc"],
                "{statement}: {clauses:?}"
            );
        }
    }

    #[test]
    fn collations_of_the_server_are_found_where_they_are_used() {
        let named = |statement: &str| Vec::from_iter(needed(statement).named);
        let table = "CREATE TABLE public.t (a text COLLATE pg_catalog.\"de_DE.utf8\" DEFAULT 'COLLATE pg_catalog.x', \
            b text COLLATE public.own, c text COLLATE \"pg_catalog\".\"C\");";
        assert_eq!(named(table), ["C", "de_DE.utf8"]);
        assert_eq!(
            named("CREATE TYPE r AS RANGE (subtype = text, collation = pg_catalog.\"POSIX\");"),
            ["POSIX"]
        );
        let body = "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$select 'a' COLLATE pg_catalog.\"x\"$$;";
        assert!(named(body).is_empty());
        assert!(named("COMMENT ON COLLATION pg_catalog.x IS 'y';").is_empty());
    }
}
