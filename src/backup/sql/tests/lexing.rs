//! Where statements end and meta-commands begin.

use super::{ODD_NAMES, SJIS, metas, of_kind, pieces};
use crate::backup::sql::{Construct, Lexer};

/// Texts in which `psql` 15.18 runs the `\echo`s given, and no others.
const SEEN: &[(&str, &[&str])] = &[
    ("select 1 \\echo a\n;", &["\\echo a"]),
    ("select '\\echo a\n';\\echo b", &["\\echo b"]),
    ("select 'it''s \\echo a\n';\\echo b", &["\\echo b"]),
    ("select '\\';\\echo a\n", &["\\echo a"]),
    ("select E'\\'\\echo a\n';\\echo b", &["\\echo b"]),
    ("select e'\\\\';\\echo a\n", &["\\echo a"]),
    ("select U&'\\';\\echo a\n", &["\\echo a"]),
    ("select N'\\';\\echo a\n", &["\\echo a"]),
    ("select B'1''\\echo a\n';\\echo b", &["\\echo b"]),
    ("select abce'\\';\\echo a\n", &["\\echo a"]),
    ("select \"\\echo a\n\"\"\\echo b\n\" \\echo c\n", &["\\echo c"]),
    ("select U&\"\\\" \\echo a\n", &["\\echo a"]),
    ("select $$ \\echo a\n $a$ $$ \\echo b\n", &["\\echo b"]),
    ("select $a$ $$ \\echo a\n $a$ \\echo b\n", &["\\echo b"]),
    ("select $a$ $b$a$ \\echo a\n", &["\\echo a"]),
    ("select $ab$ $a$ \\echo a\n $abc$ $ab$ \\echo b\n", &["\\echo b"]),
    ("select a$$ \\echo a\n", &["\\echo a"]),
    ("select $1$$ \\echo a\n $$ \\echo b\n", &["\\echo b"]),
    ("select $é$ \\echo a\n $é$ \\echo b\n", &["\\echo b"]),
    ("select 1e5$$ \\echo a\n", &["\\echo a"]),
    ("select 1e5 $$ \\echo a\n", &[]),
    ("select 1e-- \\echo a\n", &["\\echo a"]),
    ("select 1e'\\' \\echo a\n", &["\\echo a"]),
    ("/* \\echo a\n /* */ \\echo b\n */ \\echo c\n", &["\\echo c"]),
    ("/* // /*/ \\echo a\n */ \\echo b\n **/ \\echo c\n", &["\\echo c"]),
    ("select 1+/* \\echo a\n*/ \\echo b\n", &["\\echo b"]),
    ("select 1 *-- \\echo a\n \\echo b\n", &["\\echo b"]),
    ("-- x \\echo a\n\\echo b\n", &["\\echo b"]),
    ("-- x\r\\echo a\n", &["\\echo a"]),
    ("-- x\r\n\\echo a\r\n", &["\\echo a\r"]),
    ("select (\\echo a\n;) \\echo b\n", &["\\echo a", "\\echo b"]),
    ("\u{feff}\\echo a\n", &["\\echo a"]),
    // Literals go on behind a `\r`, in the manner they began, but not behind a `\n`: psql scans
    // line by line.
    ("select E'a'\r'\\' \\echo a\n", &[]),
    ("select E'a'\n'\\' \\echo a\n", &["\\echo a"]),
    ("select E'a'--x\r'\\' \\echo a\n", &[]),
    ("select E'a'\n\r'\\' \\echo a\n", &[]),
    ("select E'a' \n\r'\\' \\echo a\n", &["\\echo a"]),
    ("select E'a'/**/\r'\\' \\echo a\n", &["\\echo a"]),
    // Settings count from the next line on.
    ("SET standard_conforming_strings = off; select '\\' \\echo a\n", &["\\echo a"]),
    ("SET standard_conforming_strings = off;\nselect '\\' \\echo a\n", &[]),
    ("set standard_conforming_strings to 'OFF';\nselect B'1''\\' \\echo a\n", &[]),
    ("select 1; SET standard_conforming_strings = off", &[]),
    ("SET standard_conforming_strings = off 1;\nselect '\\' \\echo a\n", &["\\echo a"]),
    ("select standard_conforming_strings = off;\nselect '\\' \\echo a\n", &["\\echo a"]),
    // psql's own variables.
    ("select :'x' \\echo a\n", &["\\echo a"]),
    ("select :'x \\echo a\n", &[]),
    ("select ::'x' \\echo a\n", &["\\echo a"]),
    ("select :a'\\' \\echo a\n", &["\\echo a"]),
];

#[test]
fn meta_commands_are_seen_where_psql_sees_them() {
    for (text, expected) in SEEN {
        assert_eq!(metas(text.as_bytes()), *expected, "{text:?}");
    }
}

#[test]
fn statements_end_where_psql_ends_them() {
    let cases: &[(&str, &[&str])] = &[
        ("select 1;select 2 ; ", &["select 1;", "select 2 ;"]),
        ("-- c\n/* ; */ select ';' -- ;\n;", &["select ';' -- ;\n;"]),
        (";;", &[";", ";"]),
        (
            "CREATE RULE r AS ON INSERT TO t DO ALSO (select 1; select 2;);",
            &["CREATE RULE r AS ON INSERT TO t DO ALSO (select 1; select 2;);"],
        ),
        (
            "create or replace function f() returns int BEGIN ATOMIC select case when true then 1 end; select 2; END; select 3;",
            &[
                "create or replace function f() returns int BEGIN ATOMIC select case when true then 1 end; select 2; END;",
                "select 3;",
            ],
        ),
        ("CREATE PROCEDURE p() begin atomic; end;", &["CREATE PROCEDURE p() begin atomic; end;"]),
        (
            "create view f as select 1; begin; select 2; end;",
            &["create view f as select 1;", "begin;", "select 2;", "end;"],
        ),
        (
            "begin; create function f() as $$ begin $$;",
            &["begin;", "create function f() as $$ begin $$;"],
        ),
        (
            "create function f(:begin) as 'x';select 1;",
            &["create function f(:begin) as 'x';", "select 1;"],
        ),
        // An operator named by keywords, or a function named `begin`: psql loses its way, too.
        ("create function begin() as 'x';select 1;", &[]),
        (") select 1;", &[") select 1;"]),
    ];
    for (text, expected) in cases {
        assert_eq!(of_kind(text.as_bytes(), 'T'), *expected, "{text:?}");
    }
}

#[test]
fn rows_belong_to_the_copy_before_them() {
    let copies = |text: &str| {
        pieces(text.as_bytes(), 1 << 16)
            .into_iter()
            .filter(|piece| piece.starts_with(['>', 'R', '<', 'm']))
            .collect::<Vec<_>>()
    };
    let one = |name: &str, rows: &str, end: &str| {
        let mut list = vec![format!(">{name}")];
        if !rows.is_empty() {
            list.push(format!("R{rows}"));
        }
        list.push(format!("<{end} "));
        list
    };
    for start in [
        "COPY t FROM stdin;",
        "copy t (a, \"b)\") from /* ; */ STDIN with (format text);",
        "-- x\n/* y */ Copy\nt\nFrom --z\nstdin  ;",
        "COPY t FROM STDOUT;",
        "COPY t FROM stdin; -- rows follow \\. in the next line",
        "COPY BINARY_ FROM stdin;".replace("BINARY_", "t").as_str(),
    ] {
        let text = format!("{start}\na'\\! x\n\\N\n\\\\.\n\\.x\n x\\.\n\\.\nselect 1;");
        assert_eq!(
            copies(&text),
            one("t", "a'\\! x\n\\N\n\\\\.\n\\.x\n x\\.\n", "5 true"),
            "{start}"
        );
        let text = format!("{start}\r\n\\.\r\n");
        assert_eq!(copies(&text), one("t", "", "0 true"), "{start}");
        // A `\.` needs its line end: the server says "end-of-copy marker corrupt".
        let text = format!("{start}\nx\n\\.");
        assert_eq!(copies(&text), one("t", "x\n", "1 false"), "{start}");
    }
    for none in [
        "COPY t FROM '/file';",
        "COPY t TO stdout;",
        "COPY t TO stdin;",
        "COPY t FROM PROGRAM 'stdin';",
        "COPY (select 1 from stdin) TO stdout;",
        "select 'COPY t FROM stdin;';",
        "create function f() as $$\nCOPY t FROM stdin;\n$$;",
        "explain COPY t FROM stdin;",
        "\"copy\" t FROM stdin;",
    ] {
        let text = format!("{none}\n\\.\n");
        assert_eq!(copies(&text), ["m\\."], "{none}");
    }
    let two = "COPY a FROM stdin; COPY b.\"C\" FROM stdin; select '\n1\n\\.\n2\n\\.\n\\echo a\n';\\echo b\n";
    let expected = [">a", "R1\n", "<1 true ", ">b.C", "R2\n", "<1 true ", "m\\echo b"];
    assert_eq!(copies(two), expected);
    let binary = copies("COPY t FROM stdin (FORMAT 'binary');\nx\n\\.\nselect 1;\n");
    assert_eq!(binary, [">t", "Rx\n\\.\nselect 1;\n", "<3 false "]);
}

#[test]
fn multibyte_tails_are_no_backslashes() {
    let text = |encoding: &str, body: &[u8]| {
        let mut text = format!("SET client_encoding = '{encoding}';\n").into_bytes();
        text.extend_from_slice(body);
        text
    };
    // "表" ends in 0x5C in SJIS; in UTF8 the byte would be a backslash.
    assert!(metas(&text("SJIS", b"select \x95\x5c\n")).is_empty());
    assert_eq!(metas(&text("LATIN1", b"select \x95\x5c\n")).len(), 1);
    assert_eq!(metas(&text("Shift_JIS_2004", b"select \xb1\x5cecho\n")).len(), 1);
    assert!(metas(&text("big-5", b"select \xb1\x5cecho\n")).is_empty());
    assert!(metas(&text("GB18030", b"select \x810\x81\x5c\n")).is_empty());
    assert!(metas(&text("JOHAB", b"select \x8f\xa1\x5c\n")).is_empty());
    // A character ends with its line at the latest.
    assert_eq!(metas(&text("GBK", b"select \x95\n\\echo a\n")), ["\\echo a"]);
    // Only from the next line on, and no longer after a new connection.
    assert_eq!(metas(b"set names 'SJIS'; select \x95\x5c\n").len(), 1);
    let connect = text("SJIS", b"\\connect x\nselect \x95\x5c\n");
    assert_eq!(metas(&connect).len(), 2);
    assert!(of_kind(SJIS, 'U')[0].starts_with("None"));
    assert_eq!(of_kind(SJIS, 'm').len(), 2);
}

#[test]
fn what_is_open_at_the_end_is_told() {
    for (text, construct, line) in [
        ("select 1", Construct::Statement, 1),
        ("select 1;\n\nselect (1;\n", Construct::Statement, 3),
        ("select\n'", Construct::Text, 2),
        ("select E'\\';", Construct::Text, 1),
        ("select\n\n\"x", Construct::Identifier, 3),
        ("select\n$x$ ;\n\n", Construct::DollarText, 2),
        ("\n/* ;", Construct::Comment, 2),
        ("\n\nCOPY a.b FROM stdin;\n1\n2", Construct::CopyRows, 4),
        ("COPY a.b FROM stdin;", Construct::CopyRows, 1),
    ] {
        let mut lexer = Lexer::new(text.as_bytes());
        while let Ok(Some(_)) = lexer.next() {}
        let Some(found) = lexer.unfinished() else {
            panic!("{text:?}");
        };
        assert_eq!((found.construct, found.line), (construct, line), "{text:?}");
        if construct == Construct::CopyRows {
            assert_eq!(found.table.as_deref(), Some("a.b"));
        }
    }
    for whole in ["", "select 1; -- x", "select 1;\n/* x */", "COPY a FROM stdin;\n\\.\n", "\n \t"]
    {
        let mut lexer = Lexer::new(whole.as_bytes());
        while let Ok(Some(_)) = lexer.next() {}
        assert_eq!(lexer.unfinished(), None, "{whole:?}");
    }
}

#[test]
fn pieces_do_not_depend_on_how_much_is_read_at_once() {
    let mut texts: Vec<Vec<u8>> = SEEN.iter().map(|(text, _)| text.as_bytes().to_vec()).collect();
    texts.extend([ODD_NAMES.to_vec(), SJIS.to_vec()]);
    texts.push(
        b"COPY a FROM stdin; COPY b FROM stdin;\n1\\\\!\t\\N\n\\.\n2\n\\.\r\n\\connect x\n"
            .to_vec(),
    );
    for text in texts {
        let whole = pieces(&text, 1 << 16);
        for step in [1, 2, 3, 7, 64, 4096] {
            assert_eq!(pieces(&text, step), whole, "{step}");
        }
    }
}

#[test]
fn tokens_may_be_longer_than_what_is_read_at_once() {
    let text = [
        b"select ".as_slice(),
        &b"x".repeat(300_000),
        b", $t$",
        &b"$t".repeat(200_000),
        b"$t$;\\q",
    ]
    .concat();
    let whole = pieces(&text, 1 << 20);
    assert_eq!(whole.iter().filter(|piece| piece.starts_with('m')).count(), 1);
    for step in [997, 1 << 16] {
        assert_eq!(pieces(&text, step), whole, "{step}");
    }
}

#[test]
fn memory_is_bounded() {
    let name = b"a".repeat(3 << 20);
    assert_eq!(of_kind(&name, '!'), ["line 1: a name of more than one megabyte"]);
    let text = [b"select '".as_slice(), &b"a".repeat(3 << 20), b"';"].concat();
    assert_eq!(of_kind(&text, 'T')[0].len(), 256 * 1024);
    assert!(of_kind(&text, '!').is_empty());
}
