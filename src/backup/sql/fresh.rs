//! Statements that mean something else to a server that is new.

use super::tokens::{Token, Tokens};

/// The kinds that `pg_dumpall --clean` and `pg_dump --clean --create` drop first.
const DROPPED: [&str; 3] = ["database", "role", "tablespace"];

/// `DROP … IF EXISTS` for a `DROP` of a database, role or tablespace: `--clean` writes them for a
/// server that holds what the dump holds, and a new one holds nothing of it.
pub(crate) fn drop_if_exists(statement: &[u8]) -> Option<Vec<u8>> {
    let mut tokens = Tokens::new(statement);
    tokens.next().filter(|token: &Token<'_>| token.is("drop"))?;
    let kind = tokens.next().filter(|token| token.is_any(&DROPPED))?;
    tokens.next().filter(|token| !token.is("if"))?;
    let (before, name) = statement.split_at_checked(kind.end())?;
    Some([before, b" IF EXISTS", name].concat())
}

/// The database that a statement drops.
pub(super) fn dropped_database(statement: &[u8]) -> Option<String> {
    let mut tokens = Tokens::new(statement).peekable();
    tokens.next().filter(|token| token.is("drop"))?;
    tokens.next().filter(|token| token.is("database"))?;
    if tokens.next_if(|token| token.is("if")).is_some() {
        tokens.next().filter(|token| token.is("exists"))?;
    }
    tokens.next()?.name("UTF8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_cluster_holds_is_dropped_if_it_exists() {
        let rewritten =
            |sql: &str| drop_if_exists(sql.as_bytes()).map(|sql| String::from_utf8(sql).unwrap());
        assert_eq!(rewritten("DROP DATABASE kasse;").unwrap(), "DROP DATABASE IF EXISTS kasse;");
        assert_eq!(rewritten("drop role \"a b\" ;").unwrap(), "drop role IF EXISTS \"a b\" ;");
        assert_eq!(
            rewritten("DROP TABLESPACE\nfast;").unwrap(),
            "DROP TABLESPACE IF EXISTS\nfast;"
        );
        for other in ["DROP DATABASE IF EXISTS kasse;", "DROP TABLE t;", "SELECT 1;", "DROP"] {
            assert_eq!(rewritten(other), None, "{other}");
        }
        assert_eq!(dropped_database(b"DROP DATABASE \"a b\";").as_deref(), Some("a b"));
        assert_eq!(dropped_database(b"DROP DATABASE IF EXISTS x;").as_deref(), Some("x"));
        assert_eq!(dropped_database(b"DROP ROLE x;"), None);
    }
}
