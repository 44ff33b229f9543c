//! Files of pgTAP tests beside the scenario, cut into their statements.

use std::fs::File;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::backup::sql::{ScriptKind, ScriptPart, script};

/// What a file may hold.
const LIMIT_BYTES: u64 = 1024 * 1024;

/// Settings of psql that change no result.
const HARMLESS: [&str; 6] =
    ["ECHO", "QUIET", "ON_ERROR_ROLLBACK", "ON_ERROR_STOP", "VERBOSITY", "SHOW_CONTEXT"];

/// A file of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// The path as the scenario's folder has it.
    pub path: Utf8PathBuf,
    /// Without what begins and ends the transaction.
    pub statements: Vec<TestStatement>,
}

/// A statement of a file of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStatement {
    /// The line it begins in.
    pub line: u64,
    /// Without its semicolon.
    pub sql: String,
    /// Whether it can stand in a subquery.
    pub is_query: bool,
}

/// A message, and what to do.
type Wrong = (String, String);

impl TestFile {
    /// Reads what a path or glob matches, in the order of the names.
    pub(super) fn read(folder: &Utf8Path, given: &Utf8Path) -> Result<Vec<Self>, Wrong> {
        let mut files = Vec::new();
        for path in matches(folder, given)? {
            let cause = |cause: String| {
                let help = "a file of pgTAP tests, at most 1 MiB of SQL in UTF-8".to_owned();
                (format!("cannot take `{path}`: {cause}"), help)
            };
            let text = text(&folder.join(&path)).map_err(cause)?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let at = |line: u64, message: &str, help: &str| {
                (format!("`{path}`, line {line}: {message}"), help.to_owned())
            };
            let parts = script(text)
                .map_err(|(line, message)| at(line, &message, "psql would not run it either"))?;
            let statements =
                statements(parts).map_err(|(line, message, help)| at(line, &message, help))?;
            if statements.is_empty() {
                return Err(cause("it holds no statement".to_owned()));
            }
            files.push(Self { path, statements });
        }
        Ok(files)
    }
}

/// The files, relative to `folder`.
fn matches(folder: &Utf8Path, given: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Wrong> {
    if !given.as_str().contains(['*', '?', '[']) {
        return Ok(vec![given.to_owned()]);
    }
    let pattern = Utf8Path::new(&glob::Pattern::escape(folder.as_str())).join(given);
    let none = |cause: &str| {
        let help = "a path or glob relative to the scenario's folder, such as tests/*.sql";
        (format!("no file of tests matches `{given}`{cause}"), help.to_owned())
    };
    let found = glob::glob(pattern.as_str()).map_err(|error| none(&format!(": {error}")))?;
    let mut files = Vec::new();
    for path in found {
        // A file that is not looked at would be a test that silently does not run.
        let path = path.map_err(|error| none(&format!(": {error}")))?;
        let path = Utf8PathBuf::from_path_buf(path)
            .map_err(|path| none(&format!(": {} is not UTF-8", path.display())))?;
        if !path.is_dir() {
            files.push(path.strip_prefix(folder).unwrap_or(&path).to_owned());
        }
    }
    if files.is_empty() { Err(none("")) } else { Ok(files) }
}

fn text(file: &Utf8Path) -> Result<String, String> {
    // A pipe or a device would be waited for.
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err("it is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// What is run: everything between the file's own beginning and end of a transaction.
fn statements(parts: Vec<ScriptPart>) -> Result<Vec<TestStatement>, (u64, String, &'static str)> {
    let mut statements = Vec::new();
    let mut ended = None;
    for ScriptPart { line, kind } in parts {
        if let (Some(end), ScriptKind::Query(_) | ScriptKind::Other(_) | ScriptKind::Begin) =
            (ended, &kind)
        {
            let message = format!("a statement behind the end of the transaction in line {end}");
            return Err((line, message, "one transaction a file: move it to a file of its own"));
        }
        match kind {
            ScriptKind::Query(sql) => statements.push(TestStatement { line, sql, is_query: true }),
            ScriptKind::Other(sql) => statements.push(TestStatement { line, sql, is_query: false }),
            ScriptKind::Begin => {}
            ScriptKind::End => ended = ended.or(Some(line)),
            ScriptKind::Meta(text) if is_harmless(&text) => {}
            ScriptKind::Meta(text) => {
                let name = text.split_whitespace().next().unwrap_or("\\");
                let message = format!("the psql command `{name}` is not understood here");
                let help = "only `\\pset`, and `\\set` or `\\unset` of ECHO, QUIET, VERBOSITY, SHOW_CONTEXT, ON_ERROR_STOP and ON_ERROR_ROLLBACK: they change no result";
                return Err((line, message, help));
            }
            ScriptKind::Copy => {
                let message = "`COPY` cannot be part of a test".to_owned();
                return Err((line, message, "write the rows as VALUES"));
            }
            ScriptKind::TwoPhase => {
                let message = "two-phase commit would outlive the test".to_owned();
                return Err((line, message, "end the file with ROLLBACK"));
            }
        }
    }
    Ok(statements)
}

fn is_harmless(meta: &str) -> bool {
    // A second command may stand in the same line.
    let Some(rest) = meta.strip_prefix('\\').filter(|rest| !rest.contains(['\\', '`'])) else {
        return false;
    };
    let mut words = rest.split_whitespace();
    match (words.next(), words.next()) {
        (Some("pset"), Some(_)) => true,
        (Some("set" | "unset"), Some(name)) => HARMLESS.contains(&name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, String, bool)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        std::fs::write(path.join("a.sql"), text).unwrap();
        let files = TestFile::read(path, Utf8Path::new("*.sql")).map_err(|(message, _)| message)?;
        assert_eq!(files[0].path, "a.sql");
        let of = |one: &TestStatement| (one.line, one.sql.clone(), one.is_query);
        Ok(files[0].statements.iter().map(of).collect())
    }

    #[test]
    fn the_usual_head_and_transaction_are_left_out() {
        let text = "\\unset ECHO\n\\set QUIET 1\n\\pset format unaligned\n\\pset pager off\n\
            \\set ON_ERROR_ROLLBACK 1\n\\set ON_ERROR_STOP true\nBEGIN;\nSELECT plan(1);\n\
            SET search_path = x;\nROLLBACK;\n";
        let expected =
            [(8, "SELECT plan(1)".to_owned(), true), (9, "SET search_path = x".to_owned(), false)];
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn everything_else_is_told_with_its_line() {
        for (text, says) in [
            ("select 1;\n\\i other.sql\n", "`a.sql`, line 2: the psql command `\\i`"),
            ("\\set x `id`\n", "line 1: the psql command `\\set`"),
            ("\\set QUIET 1 \\! id\nselect 1;", "line 1: the psql command `\\set`"),
            ("select 1 \\gexec\n", "line 1: the psql command `\\gexec`"),
            ("begin;\nselect 1;\ncommit;\nselect 2;", "line 4: a statement behind the end of the"),
            ("copy t from stdin;\n1\n\\.\n", "line 1: `COPY` cannot"),
            ("prepare transaction 'x';", "line 1: two-phase commit"),
            ("select 'a", "line 1: what begins here is never closed"),
            ("begin; rollback;", "it holds no statement"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(says), "{text}: {message}");
        }
        let (message, _) =
            TestFile::read(Utf8Path::new("/nowhere"), Utf8Path::new("*.sql")).unwrap_err();
        assert_eq!(message, "no file of tests matches `*.sql`");
    }
}
