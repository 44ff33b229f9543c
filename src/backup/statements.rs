//! SQL text cut into its statements, as psql would send them.

use super::sql::{Lexer, Piece};

/// The statements of a short text: an entry's definition may hold several, and some, such as
/// `CREATE DATABASE`, must be sent alone.
pub(crate) fn statements(sql: &str) -> Vec<String> {
    let mut lexer = Lexer::new(sql.as_bytes());
    let mut found = Vec::new();
    while let Ok(Some(piece)) = lexer.next() {
        if let Piece::StatementEnd { text, complete: true, .. } = piece {
            found.push(String::from_utf8_lossy(text).into_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn a_semicolon_in_a_name_ends_nothing() {
        let sql =
            "ALTER DATABASE \"a;b\" SET x TO 'y;z';\nALTER DATABASE \"a;b\" CONNECTION LIMIT 3;\n";
        let found = statements(sql);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].starts_with("ALTER DATABASE \"a;b\" CONNECTION"));
    }
}
