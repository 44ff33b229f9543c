//! Statements that reach past their database, and what only looks like one.

use super::{ODD_NAMES, SJIS};
use crate::backup::sql::{forbidden, inspect};

/// Statements and how they are named.
const BAD: &[(&str, &str)] = &[
    ("COPY t TO PROGRAM 'id';", "COPY … TO PROGRAM"),
    ("copy public.t(a, program) to program 'id' with (format csv);", "COPY … TO PROGRAM"),
    ("Copy\tt -- x\n FROM/* y */Program 'curl' WITH (FORMAT csv);", "COPY … FROM PROGRAM"),
    ("COPY (SELECT 1) TO PROGRAM 'id';", "COPY … TO PROGRAM"),
    (
        "COPY (SELECT a FROM (SELECT 1 a) x WHERE (a) IN (1)) TO PROGRAM $$id$$;",
        "COPY … TO PROGRAM",
    ),
    ("COPY (SELECT ') TO stdout') TO PROGRAM 'id';", "COPY … TO PROGRAM"),
    ("COPY BINARY t FROM PROGRAM 'x';", "COPY … FROM PROGRAM"),
    ("COPY program TO PROGRAM 'x';", "COPY … TO PROGRAM"),
    ("COPY public.to FROM PROGRAM 'x';", "COPY … FROM PROGRAM"),
    ("COPY t\u{b}TO\u{b}PROGRAM 'x';", "COPY … TO PROGRAM"),
    ("COPY t TO E'/etc/passwd';", "COPY … TO a file of the server"),
    ("COPY t WITH OIDS FROM '/x';", "COPY … FROM a file of the server"),
    ("COPY t FROM :'HOME';", "COPY … FROM a file of the server"),
    ("/* COPY t FROM stdin; */ COPY t FROM '/x';", "COPY … FROM a file of the server"),
    ("ALTER SYSTEM SET archive_command = 'x';", "ALTER SYSTEM"),
    ("alter /* */ system reset all;", "ALTER SYSTEM"),
    ("SELECT 1; ALTER SYSTEM RESET ALL;", "ALTER SYSTEM"),
    // With standard_conforming_strings off the first string ends elsewhere.
    ("COPY (SELECT 'x\\') TO stdout --') TO PROGRAM 'id';", "COPY … TO PROGRAM"),
    ("SELECT 'a\\''; COPY t TO PROGRAM $$x$$; --';", "COPY … TO PROGRAM"),
    // psql takes the name for the begin of a body and sends all of it at once.
    (
        "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'select 1'; COPY t TO PROGRAM 'x'; select end;",
        "COPY … TO PROGRAM",
    ),
];

const GOOD: &[&str] = &[
    "COPY public.t (program) FROM stdin;",
    "COPY program FROM STDIN;",
    "COPY \"program\" (a) FROM stdin;",
    "COPY binary.program FROM stdin WITH (FORMAT binary);",
    "COPY BINARY t FROM stdin;",
    "COPY t (system, \"to program 'x'\") TO STDOUT;",
    "COPY (SELECT * FROM program) TO STDOUT;",
    "COPY (SELECT '''; COPY t TO PROGRAM x') TO STDOUT;",
    "ALTER TABLE system ADD COLUMN program int;",
    "ALTER TABLE t ALTER system SET NOT NULL;",
    "CREATE TABLE system (copy int, program text DEFAULT 'COPY t TO PROGRAM ''x'';');",
    "COMMENT ON TABLE t IS 'x; COPY t TO PROGRAM ''id''; ALTER SYSTEM';",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $x$ begin COPY t TO PROGRAM 'x'; ALTER SYSTEM RESET ALL; end $x$;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT copy FROM program; SELECT 2; END;",
    "CREATE RULE r AS ON INSERT TO t DO (INSERT INTO a VALUES (1); DELETE FROM program);",
    "INSERT INTO t VALUES ('COPY t TO PROGRAM ''x'';');",
    "/* COPY t TO PROGRAM 'x'; */ SELECT 1;",
    "-- ALTER SYSTEM RESET ALL;\nSELECT 1;",
];

#[test]
fn statements_that_reach_past_their_database_are_named_by_kind() {
    for (text, kind) in BAD {
        assert_eq!(forbidden(text.as_bytes()), Some(*kind), "{text}");
        assert!(!kind.contains("id") && !kind.contains('\''));
    }
    for text in GOOD {
        assert_eq!(forbidden(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_dump_that_holds_one_is_known_by_its_line() {
    for (text, kind) in BAD {
        // The last of them only with a setting that something else has changed.
        let dump = format!(
            "SELECT set_config('standard_conforming_strings', 'on', false);\n{text}\nselect 1;\n"
        );
        let found = inspect(&mut dump.as_bytes());
        assert_eq!(found.first_forbidden, Some((2, *kind)), "{text}");
    }
    for text in GOOD.iter().filter(|text| !text.to_lowercase().contains("stdin")) {
        assert_eq!(inspect(&mut text.as_bytes()).first_forbidden, None, "{text}");
    }
    for bytes in [ODD_NAMES, SJIS] {
        assert_eq!(inspect(&mut &*bytes).first_forbidden, None);
    }
}

#[test]
fn all_of_them_are_counted_and_rows_are_none() {
    let dump = "COPY t (a) FROM stdin;\nCOPY t TO PROGRAM 'x';\n\\.\nCOPY t FROM '/x';\nALTER SYSTEM RESET ALL";
    let found = inspect(&mut dump.as_bytes());
    assert_eq!(found.first_forbidden, Some((4, "COPY … FROM a file of the server")));
    // psql runs the last one, too, at the end of its input.
    assert_eq!(found.forbidden_count, 2);
}

#[test]
fn a_query_too_long_to_be_read_is_no_tools() {
    let dump = format!("COPY (SELECT {}1) TO PROGRAM 'x';\n", "1, ".repeat(100_000));
    let found = inspect(&mut dump.as_bytes());
    assert_eq!(found.first_forbidden, Some((1, "COPY (…)")));
}
