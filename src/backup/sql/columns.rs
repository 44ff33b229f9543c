//! What `CREATE TABLE`, `CREATE TYPE` and `CREATE DOMAIN` say about columns, as `pg_dump` writes
//! them (`dumpTableSchema`, `dumpEnumType` and `dumpDomain` in `pg_dump.c`).

use std::iter::Peekable;

use crate::backup::rows::{Declaration, Name, TableColumns, TypeName};

use super::tokens::{Kind, Token, Tokens};

/// What a statement declares; `None` where it declares nothing that rows need.
pub(crate) fn declaration(statement: &[u8], encoding: &str) -> Option<Declaration> {
    let mut reader = Reader { tokens: Tokens::new(statement).peekable(), encoding };
    reader.expect("create")?;
    while reader.take(&["unlogged", "foreign", "temp", "temporary", "global", "local"]) {}
    if reader.take(&["table"]) {
        if reader.take(&["if"]) {
            reader.expect("not")?;
            reader.expect("exists")?;
        }
        let name = reader.name()?;
        Some(Declaration::Table(name, reader.table()?))
    } else if reader.take(&["type"]) {
        let name = reader.name()?;
        reader.expect("as")?;
        reader.expect("enum")?;
        Some(Declaration::Enum(name))
    } else if reader.take(&["domain"]) {
        let name = reader.name()?;
        reader.take(&["as"]);
        Some(Declaration::Domain(name, reader.type_name()?))
    } else {
        None
    }
}

struct Reader<'a, 'e> {
    tokens: Peekable<Tokens<'a>>,
    encoding: &'e str,
}

impl<'a> Reader<'a, '_> {
    fn take(&mut self, words: &[&str]) -> bool {
        self.tokens.next_if(|token| token.is_any(words)).is_some()
    }

    fn take_byte(&mut self, byte: u8) -> bool {
        self.tokens.next_if(|token| token.is_byte(byte)).is_some()
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.take(&[word]).then_some(())
    }

    fn name(&mut self) -> Option<Name> {
        let first = self.tokens.next()?.name(self.encoding)?;
        if self.take_byte(b'.') {
            return Some((Some(first), self.tokens.next()?.name(self.encoding)?));
        }
        Some((None, first))
    }

    /// `(a integer, b text) INHERITS (c)`; `None` for the columns of a type or a parent, which are
    /// not listed.
    fn table(&mut self) -> Option<TableColumns> {
        if !self.take_byte(b'(') {
            return None;
        }
        let mut table = TableColumns::default();
        while !self.take_byte(b')') {
            let first = self.tokens.next()?;
            // Columns of these names are quoted.
            let is_constraint =
                first.is_any(&["constraint", "check", "primary", "unique", "foreign", "like"])
                    || (first.is("exclude") && !self.begins_type());
            if !is_constraint {
                let name = first.name(self.encoding)?;
                table.columns.push((name, self.type_name()?));
            }
            self.skip_element()?;
        }
        if self.take(&["inherits"]) {
            self.take_byte(b'(').then_some(())?;
            while !self.take_byte(b')') {
                table.parents.push(self.name()?);
                self.take_byte(b',');
            }
        }
        Some(table)
    }

    fn begins_type(&mut self) -> bool {
        self.tokens.peek().is_some_and(|token| {
            matches!(token.kind, Kind::Word | Kind::Quoted) && !token.is("using")
        })
    }

    /// Steps over what is left of a column or constraint, and the comma behind it.
    fn skip_element(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            let token = self.tokens.peek()?;
            match (token.is_byte(b'('), token.is_byte(b')'), token.is_byte(b',')) {
                (true, ..) => depth += 1,
                (_, true, _) if depth == 0 => return Some(()),
                (_, true, _) => depth -= 1,
                (.., true) if depth == 0 => {
                    self.tokens.next();
                    return Some(());
                }
                _ => {}
            }
            self.tokens.next();
        }
    }

    /// A type up to what follows it: modifiers are left out, `[]` is kept once.
    fn type_name(&mut self) -> Option<TypeName> {
        let first = self.tokens.next()?;
        let mut text = self.type_word(&first)?;
        let mut schema = None;
        if self.take_byte(b'.') {
            schema = Some(first.name(self.encoding)?);
            let second = self.tokens.next()?;
            text = self.type_word(&second)?;
        }
        loop {
            if self.take_byte(b'(') {
                while !self.tokens.next()?.is_byte(b')') {}
            } else if self.take_byte(b'[') {
                while !self.tokens.next()?.is_byte(b']') {}
                if !text.ends_with("[]") {
                    text.push_str("[]");
                }
            } else if let Some(word) = self.tokens.next_if(|token| token.is_any(TYPE_WORDS)) {
                text.push(' ');
                text.push_str(&word.name(self.encoding)?);
            } else {
                return Some(TypeName { text, schema });
            }
        }
    }

    /// A quoted name is none of the built-in types' words, but for `"char"`.
    fn type_word(&self, token: &Token<'a>) -> Option<String> {
        let name = token.name(self.encoding)?;
        Some(if token.text == b"\"char\"" { "\"char\"".to_owned() } else { name })
    }
}

/// The words behind the first in the names of built-in types.
const TYPE_WORDS: &[&str] = &[
    "precision",
    "varying",
    "with",
    "without",
    "time",
    "zone",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "to",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(sql: &str) -> Vec<String> {
        match declaration(sql.as_bytes(), "UTF8") {
            Some(Declaration::Table(_, table)) => table
                .columns
                .into_iter()
                .map(|(name, found)| match found.schema {
                    Some(schema) => format!("{name}: {schema}.{}", found.text),
                    None => format!("{name}: {}", found.text),
                })
                .collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn columns_have_the_types_that_pg_dump_writes() {
        let sql = r#"CREATE UNLOGGED TABLE app."Tab,le" (
    id integer NOT NULL,
    "größe (cm)" character varying(20) COLLATE pg_catalog."C" DEFAULT 'a,b)'::character varying,
    at timestamp(3) with time zone DEFAULT now() NOT NULL,
    seen time without time zone[],
    d double precision GENERATED ALWAYS AS ((id * 2)) STORED,
    c "char",
    n numeric(10,2)[],
    i interval day to second(3),
    m public."My Mood"[],
    exclude boolean,
    CONSTRAINT positive CHECK ((id > 0)),
    last bit varying(5) OPTIONS (x 'y')
)
INHERITS (app.a, "B")
WITH (fillfactor='70');"#;
        assert_eq!(
            columns(sql),
            [
                "id: integer",
                "größe (cm): character varying",
                "at: timestamp with time zone",
                "seen: time without time zone[]",
                "d: double precision",
                "c: \"char\"",
                "n: numeric[]",
                "i: interval day to second",
                "m: public.My Mood[]",
                "exclude: boolean",
                "last: bit varying",
            ]
        );
        let Some(Declaration::Table(name, table)) = declaration(sql.as_bytes(), "UTF8") else {
            panic!("no table");
        };
        assert_eq!(name, (Some("app".to_owned()), "Tab,le".to_owned()));
        assert_eq!(
            table.parents,
            [(Some("app".to_owned()), "a".to_owned()), (None, "B".to_owned())]
        );
        assert_eq!(columns("CREATE TABLE public.none (\n);\n"), Vec::<String>::new());
        assert_eq!(columns("CREATE FOREIGN TABLE f (a xml) SERVER s;"), ["a: xml"]);
    }

    #[test]
    fn what_lists_no_columns_declares_none() {
        for sql in [
            "CREATE TABLE a OF public.t (PRIMARY KEY (x));",
            "CREATE TABLE a PARTITION OF b FOR VALUES IN (1);",
            "CREATE TABLE a (b",
            "CREATE TABLE",
            "CREATE TYPE public.t AS (a integer);",
            "CREATE TYPE public.t AS RANGE (subtype = float8);",
            "CREATE TYPE public.t;",
            "CREATE VIEW v AS SELECT 1;",
        ] {
            assert_eq!(declaration(sql.as_bytes(), "UTF8"), None, "{sql}");
        }
    }

    #[test]
    fn enums_and_domains_are_known() {
        let name = |name: &str| (Some("public".to_owned()), name.to_owned());
        let found = declaration(b"CREATE TYPE public.mood AS ENUM (\n 'a'\n);", "UTF8");
        assert_eq!(found, Some(Declaration::Enum(name("mood"))));
        let found =
            declaration(b"CREATE DOMAIN public.d AS numeric(3,1)[] NOT NULL DEFAULT 1;", "UTF8");
        let below = TypeName { text: "numeric[]".to_owned(), schema: None };
        assert_eq!(found, Some(Declaration::Domain(name("d"), below)));
    }
}
