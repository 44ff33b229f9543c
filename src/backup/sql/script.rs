//! A file of SQL that people have written for psql, cut into what a session can run.

use super::lexer::{Lexer, Piece};
use super::tokens::{Token, Tokens};
use super::whole::Construct;

/// One part of a script, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptPart {
    pub(crate) line: u64,
    pub(crate) kind: ScriptKind,
}

/// What a part of a script is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScriptKind {
    /// `SELECT`, `VALUES`, `TABLE` or `WITH`: it can stand in a subquery.
    Query(String),
    /// Any other statement that leaves the transaction alone.
    Other(String),
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`, `ROLLBACK`, `ABORT`.
    End,
    /// A statement of two-phase commit.
    TwoPhase,
    /// `COPY`, whose rows would travel beside the statements.
    Copy,
    /// A psql meta-command, whole.
    Meta(String),
}

/// The parts of a script, as psql would cut it; the last statement may lack its semicolon.
///
/// # Errors
///
/// What cannot be cut, in words and with its line.
pub(crate) fn script(sql: &str) -> Result<Vec<ScriptPart>, (u64, String)> {
    let mut lexer = Lexer::new(sql.as_bytes());
    let mut parts = Vec::new();
    loop {
        let piece = match lexer.next() {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) => return Err((1, error.to_string())),
        };
        match piece {
            Piece::StatementEnd { complete: false, line, .. } => {
                return Err((line, "a statement of more than 256 KiB".to_owned()));
            }
            Piece::StatementEnd { text, line, .. } => parts.extend(part(text, line)),
            Piece::MetaCommand { text, line, .. } => {
                let text = String::from_utf8_lossy(text).into_owned();
                parts.push(ScriptPart { line, kind: ScriptKind::Meta(text) });
            }
            // What follows are rows and no statements.
            Piece::CopyStart(_) => return Ok(parts),
            Piece::Sql(_) | Piece::Comment(_) | Piece::CopyRows { .. } | Piece::CopyEnd { .. } => {}
        }
    }
    match lexer.unfinished() {
        Some(open) if open.construct != Construct::Statement => {
            return Err((open.line, "what begins here is never closed".to_owned()));
        }
        Some(_) | None => {}
    }
    if let Some((text, line)) = lexer.open_statement() {
        parts.extend(part(text, line));
    }
    Ok(parts)
}

/// The statement without its semicolon; nothing where nothing is before that.
fn part(text: &[u8], line: u64) -> Option<ScriptPart> {
    let mut tokens = Tokens::new(text).filter(|token| !token.is_byte(b';'));
    let first = tokens.next()?;
    let second = tokens.next();
    let second_is = |word: &str| second.is_some_and(|token: Token<'_>| token.is(word));
    let sql = || {
        let text = String::from_utf8_lossy(text);
        text.trim().trim_end_matches(';').trim_end().to_owned()
    };
    let kind = if first.is("begin") || first.is("start") && second_is("transaction") {
        ScriptKind::Begin
    } else if first.is("prepare") && second_is("transaction")
        || first.is_any(&["commit", "rollback"]) && second_is("prepared")
    {
        ScriptKind::TwoPhase
    } else if first.is("rollback") && (second_is("to") || tokens.any(|token| token.is("to"))) {
        ScriptKind::Other(sql())
    } else if first.is_any(&["commit", "end", "rollback", "abort"]) {
        ScriptKind::End
    } else if first.is("copy") {
        ScriptKind::Copy
    } else if first.is_any(&["select", "values", "table", "with"]) || first.is_byte(b'(') {
        ScriptKind::Query(sql())
    } else {
        ScriptKind::Other(sql())
    };
    Some(ScriptPart { line, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str) -> Vec<(u64, ScriptKind)> {
        script(sql).unwrap().into_iter().map(|part| (part.line, part.kind)).collect()
    }

    #[test]
    fn a_script_is_cut_as_psql_cuts_it() {
        let sql = "\\set QUIET 1\n-- a; b\nBEGIN;\nSELECT ok(';' = $x$;$x$);\n;\n\
            create temp table a (b int);\nrollback work to savepoint s;\nROLLBACK;\nselect 2 -- x";
        let query = |sql: &str| ScriptKind::Query(sql.to_owned());
        let other = |sql: &str| ScriptKind::Other(sql.to_owned());
        assert_eq!(
            kinds(sql),
            [
                (1, ScriptKind::Meta("\\set QUIET 1".to_owned())),
                (3, ScriptKind::Begin),
                (4, query("SELECT ok(';' = $x$;$x$)")),
                (6, other("create temp table a (b int)")),
                (7, other("rollback work to savepoint s")),
                (8, ScriptKind::End),
                (9, query("select 2 -- x")),
            ]
        );
    }

    #[test]
    fn no_spelling_of_a_commit_is_a_statement() {
        for sql in ["commit", "/* x */ COMMIT AND CHAIN;", "end work;", "abort;", "Rollback;"] {
            assert_eq!(kinds(sql)[0].1, ScriptKind::End, "{sql}");
        }
        for sql in ["commit prepared 'x';", "prepare transaction 'x';", "rollback prepared 'x'"] {
            assert_eq!(kinds(sql)[0].1, ScriptKind::TwoPhase, "{sql}");
        }
        assert_eq!(kinds("start transaction read only;")[0].1, ScriptKind::Begin);
        assert_eq!(kinds("copy t from stdin;\ncommit;\n\\.\n").len(), 1);
        assert_eq!(kinds("copy t to stdout;")[0].1, ScriptKind::Copy);
    }

    #[test]
    fn what_is_never_closed_is_told_by_its_line() {
        assert_eq!(script("select 1;\nselect 'a\n").unwrap_err().0, 2);
        assert_eq!(script("select 1;\n\nselect $x$ a\n").unwrap_err().0, 3);
    }
}
