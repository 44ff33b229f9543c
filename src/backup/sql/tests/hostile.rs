//! Dumps that want more than to be restored.

use super::{ODD_NAMES, metas, pieces, unclear};
use crate::backup::sql::{FeedError, Fragment, feed, inspect};

#[test]
fn a_dump_is_clear_only_without_commands_in_any_state_of_psql() {
    let rows = |row: &str| format!("COPY t FROM stdin;\n1\n{row}\n\\.\n");
    // Rows of a failed COPY are read as SQL.
    for row in [
        "\\! id",
        "a\\!id",
        "x\t\\!\tid",
        "\\q",
        "\\i x",
        "a\\\\\\! id",
        "\\copy t from program 'id'",
        "\\COPY x",
        "\\lo_import x",
        "\\o |id",
        "\\t `id`",
        "\\N\tx\\t\ty `id`",
        "\\dfoo `id`",
        "\\x\t`id`",
        "\\e",
        "\\%",
        "\\gexec",
        "\\if 0",
        "\\encoding SJIS",
        "\\restrict x",
        "select :LAST_ERROR_MESSAGE",
        "é\\\\!",
        "é01\\\\! id",
    ] {
        let found = unclear(rows(row).as_bytes());
        assert_eq!(found.map(|(line, _)| line), Some(3), "{row}");
    }
    for row in [
        "\\N",
        "a\\tb",
        "a\\t b",
        "\\\\! id",
        "\\\\\\\\.",
        "\\.x",
        "a\\nb\\rc\\bd\\fe\\vf",
        "\\t\\t\\t",
        "\\x41 b",
        "C:\\\\Users\\\\x",
        "`id`",
        "`\\t",
        ":HOME :1",
        "\\N\t\\N",
        "é\\tb",
        "\\nselect `",
    ] {
        assert_eq!(unclear(rows(row).as_bytes()), None, "{row}");
    }
    // A function can change how psql reads strings, so these are no safe place either.
    for text in [
        "select '\\! id';",
        "-- \\! id\n",
        "/* \\! id */",
        "select $$ \\i x $$;",
        "select \"\\w x\";",
        "select '\\d `id`';",
        "select :DBNAME;",
        "select ':LAST_ERROR_MESSAGE';",
        "select :VERSION;",
        "select set_config('standard_conforming_strings', 'off', false);",
        "SET Standard_Conforming_Strings = off;",
        "SET LOCAL client_encoding = 'SJIS';",
        "create function f() as $$ set CLIENT_ENCODING to big5 $$;",
        "select 1a;",
        "select '\0';",
        "\\t on",
        "select 1\\;",
        "select '\\w",
    ] {
        assert!(unclear(text.as_bytes()).is_some(), "{text}");
    }
    for text in [
        "select '^\\d+\\s*\\w+$';",
        "select E'a\\tb\\n';",
        "SET client_encoding = 'UTF8';",
        "SET standard_conforming_strings = on;",
        "\\restrict abc\n\\unrestrict abc\n",
        "\\connect x\n",
        "select a[1:2], b[1:n], 'x'::text, :VERSIONs;",
        "select 1e5, 1.5, .5e-3, 1..2;",
        "select '`id`';",
        "SELECT pg_catalog.set_config('search_path', '', false);",
    ] {
        assert_eq!(unclear(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn only_what_dump_tools_write_is_let_pass() {
    let connects = |text: &str| {
        let dump = inspect(&mut text.as_bytes());
        let names: Vec<String> = dump.connects.into_iter().map(|found| found.database).collect();
        (names, dump.meta_commands.len())
    };
    for (text, name) in [
        ("\\connect orders\n", "orders"),
        ("\\connect \"Or\"\"ders; x\"\r\n", "Or\"ders; x"),
        (
            "\\encoding SQL_ASCII\n\\connect -reuse-previous=on \"dbname='o\\'d d\\\\\"\"x='\"\n",
            "o'd d\\\"x=",
        ),
    ] {
        assert_eq!(connects(text), (vec![name.to_owned()], 0), "{text}");
    }
    for text in [
        "\\connect orders mallory\n",
        "\\connect -\n",
        "\\connect\n",
        "\\connect `id`\n",
        "\\connect orders\\! id\n",
        "\\connect 'x'\n",
        "\\connect \"host=evil\"\n",
        "\\connect \"postgres://evil/x\"\n",
        "\\connect :x\n",
        "\\connect \"a\"b\"\n",
        "\\c orders\n",
        "\\connect -reuse-previous=on \"dbname='x' host='evil'\"\n",
        "select 1 \\connect orders\n",
        "\\restrict\n",
        "\\restrict a b\n",
        "\\restrict a\\! id\n",
        "\\restrict `id`\n",
        "select 1 \\restrict a\n",
        "\\encoding SJIS\n",
        "\\unrestrict '\n",
        "\\copy (SELECT * FROM t LIMIT 5) TO STDOUT\n",
        "\\\n",
        "\\.\n",
        "select 1 \\gexec\n",
        "\\;\n",
    ] {
        assert_eq!(connects(text), (vec![], 1), "{text}");
    }
}

#[test]
fn names_are_cut_as_psql_cuts_them() {
    let names = |text: &str| {
        let all = pieces(text.as_bytes(), 1 << 16);
        all.iter()
            .filter_map(|piece| piece.strip_prefix('M').map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names("\\! id\n\\!id\n\\t\\x\n\\;select\n\\\n"),
        ["1 !", "2 !id", "3 t", "4 ;", "5 "]
    );
    assert_eq!(metas(b"select 1 \\gexec\n"), ["\\gexec"]);
}

type Fed = (Vec<u8>, Vec<(u64, String)>, Result<(), FeedError>);

fn fed(text: &[u8]) -> Fed {
    let (mut bytes, mut connects) = (Vec::new(), Vec::new());
    let result = feed(text, None, &mut |fragment| {
        match fragment {
            Fragment::Bytes(part) => bytes.extend_from_slice(part),
            Fragment::Connect { database, line } => connects.push((line, database.to_owned())),
        }
        Ok(())
    });
    (bytes, connects, result)
}

#[test]
fn psql_is_fed_everything_but_meta_commands() {
    let (bytes, connects, result) = fed(ODD_NAMES);
    assert!(result.is_ok() && connects.is_empty());
    let lines =
        |text: &[u8]| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let expected: Vec<Vec<u8>> = lines(ODD_NAMES)
        .into_iter()
        .map(|line| {
            let key = line.starts_with(b"\\restrict") || line.starts_with(b"\\unrestrict");
            if key { Vec::new() } else { line }
        })
        .collect();
    assert_eq!(lines(&bytes), expected);

    let text = b"select 1;\n\\connect b\nCOPY t FROM stdin;\n\\! id\n\\.\n";
    let (bytes, connects, result) = fed(text);
    assert!(result.is_ok());
    assert_eq!(bytes, b"select 1;\n\nCOPY t FROM stdin;\n\\! id\n\\.\n");
    assert_eq!(connects, [(2, "b".to_owned())]);

    let (bytes, _, result) = fed(b"select 1;\n\\! id\nselect 2;");
    assert!(matches!(result, Err(FeedError::Meta { line: 2, .. })));
    assert_eq!(bytes, b"select 1;\n");
    let (bytes, _, result) = fed(b"select 1;\nselect '\0';\n");
    assert!(matches!(result, Err(FeedError::Nul { offset: 18 })));
    assert!(!bytes.contains(&0));
}

#[test]
fn whole_statements_can_be_rewritten() {
    let text =
        b"-- a\nCREATE ROLE x;\n/* b */ CREATE\nTABLESPACE y LOCATION '/z'; select 2;\nselect";
    let rewrite =
        |statement: &[u8]| statement.starts_with(b"CREATE\n").then(|| b"select 1;".to_vec());
    let mut bytes = Vec::new();
    let result = feed(text.as_slice(), Some(&rewrite), &mut |fragment| {
        if let Fragment::Bytes(part) = fragment {
            bytes.extend_from_slice(part);
        }
        Ok(())
    });
    assert!(result.is_ok());
    let expected = b"-- a\nCREATE ROLE x;\n/* b */ select 1;\n select 2;\nselect";
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(expected));
}
