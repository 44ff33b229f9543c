//! Single statements.

use crate::backup::sql::{
    CopyTarget, StatementKind, classify, rewrite_tablespace_location, roles_named, roles_named_in,
};

#[test]
fn statements_are_told_apart() {
    let name = |name: &str| name.to_owned();
    let cases = [
        ("CREATE ROLE \"Bob \"\"O'x\";", StatementKind::CreateRole { name: name("Bob \"O'x") }),
        ("create user Alice", StatementKind::CreateRole { name: name("alice") }),
        ("CREATE GROUP g;", StatementKind::CreateRole { name: name("g") }),
        ("CREATE ROLE U&\"d\\0061t\\+000061\";", StatementKind::CreateRole { name: name("data") }),
        ("CREATE USER MAPPING FOR x SERVER y;", StatementKind::Other),
        ("ALTER ROLE x WITH SUPERUSER;", StatementKind::AlterRole { name: name("x") }),
        ("DROP ROLE IF EXISTS x;", StatementKind::DropRole { name: name("x") }),
        (
            "CREATE TABLESPACE t OWNER o LOCATION '/x';",
            StatementKind::CreateTablespace { name: name("t") },
        ),
        (
            "CREATE DATABASE d WITH TEMPLATE = template0;",
            StatementKind::CreateDatabase { name: name("d") },
        ),
        (
            "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public;",
            StatementKind::CreateExtension { name: name("uuid-ossp") },
        ),
        (
            "CREATE UNLOGGED TABLE \"S;\".\"t.x\" (a int);",
            StatementKind::CreateTable { schema: Some(name("S;")), name: name("t.x") },
        ),
        (
            "CREATE TABLE IF NOT EXISTS t (a int);",
            StatementKind::CreateTable { schema: None, name: name("t") },
        ),
        ("CREATE FOREIGN TABLE t (a int) SERVER s;", StatementKind::Other),
        (
            "INSERT INTO public.t (a) VALUES ('x');",
            StatementKind::Insert { schema: Some(name("public")), table: name("t") },
        ),
        (
            "SET client_encoding = 'UTF8';",
            StatementKind::Set { name: name("client_encoding"), value: name("UTF8") },
        ),
        (
            "set session Work_Mem to on;",
            StatementKind::Set { name: name("work_mem"), value: name("on") },
        ),
        ("SET LOCAL x = 1;", StatementKind::Other),
        ("SELECT 1;", StatementKind::Other),
        ("", StatementKind::Other),
    ];
    for (text, expected) in cases {
        assert_eq!(classify(text.as_bytes(), "UTF8"), expected, "{text}");
    }
    let copy = "COPY \"a b\".\"t\"\"\" (id, \"From\", \"x)\") FROM stdin;";
    let expected = CopyTarget {
        schema: Some(name("a b")),
        table: name("t\""),
        columns: vec![name("id"), name("From"), name("x)")],
        oids: false,
        plain: true,
        binary: false,
    };
    assert_eq!(classify(copy.as_bytes(), "UTF8"), StatementKind::Copy(expected));
    let latin = b"CREATE ROLE \"J\xf6rg\";";
    assert_eq!(classify(latin, "LATIN1"), StatementKind::CreateRole { name: name("Jörg") });
}

#[test]
fn roles_are_found_in_the_statements_of_dumps() {
    let cases: &[(&str, &[&str])] = &[
        ("ALTER TABLE public.\"owner\" OWNER TO \"Bob O'x\";", &["Bob O'x"]),
        ("ALTER FUNCTION f(\"to\" text DEFAULT 'owner to x') OWNER TO alice;", &["alice"]),
        ("ALTER LARGE OBJECT 123 OWNER TO CURRENT_USER;", &[]),
        ("ALTER TABLE t RENAME COLUMN owner TO x;", &[]),
        (
            "GRANT SELECT(id, b),INSERT ON TABLE \"from\" TO a, \"B,c\" WITH GRANT OPTION;",
            &["a", "B,c"],
        ),
        ("GRANT ALL ON SCHEMA s TO PUBLIC;", &[]),
        ("GRANT ALL ON SCHEMA s TO GROUP g, PUBLIC;", &["g"]),
        ("GRANT USAGE ON SCHEMA s TO a GRANTED BY b;", &["a", "b"]),
        ("REVOKE GRANT OPTION FOR ALL ON TABLE t FROM a, b CASCADE;", &["a", "b"]),
        ("REVOKE ALL ON TABLE t FROM PUBLIC;", &[]),
        ("GRANT a, b TO c WITH ADMIN OPTION GRANTED BY postgres;", &["a", "b", "c", "postgres"]),
        ("GRANT a TO b WITH INHERIT TRUE, SET FALSE GRANTED BY c;", &["a", "b", "c"]),
        ("REVOKE ADMIN OPTION FOR a FROM b;", &["a", "b"]),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE x IN SCHEMA s, r GRANT SELECT ON TABLES TO y, z;",
            &["x", "y", "z"],
        ),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE x REVOKE ALL ON FUNCTIONS FROM PUBLIC;", &["x"]),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT ALL ON TYPES TO y;", &["y"]),
        (
            "CREATE POLICY \"to x\" ON public.t FOR SELECT TO a, b USING ((x = 'to c'::text));",
            &["a", "b"],
        ),
        ("CREATE POLICY p ON t USING (true) WITH CHECK (a IN (select b from c));", &[]),
        ("CREATE SCHEMA s AUTHORIZATION x;", &["x"]),
        ("CREATE SCHEMA AUTHORIZATION x;", &["x"]),
        ("CREATE SCHEMA s;", &[]),
        ("SET SESSION AUTHORIZATION 'Bob O''x';", &["Bob O'x"]),
        ("SET SESSION AUTHORIZATION DEFAULT;", &[]),
        ("SET ROLE x;", &["x"]),
        ("SET search_path = x;", &[]),
        ("CREATE USER MAPPING FOR x SERVER s OPTIONS (user 'y');", &["x"]),
        ("CREATE USER MAPPING FOR PUBLIC SERVER s;", &[]),
        ("CREATE TABLESPACE t OWNER o LOCATION '/x';", &["o"]),
        ("ALTER ROLE x SET search_path TO 'y';", &["x"]),
        ("ALTER ROLE ALL IN DATABASE d SET a TO 'b';", &[]),
        ("COMMENT ON ROLE x IS 'y';", &["x"]),
        ("COMMENT ON TABLE x IS 'on role y';", &[]),
        ("CREATE ROLE x;", &[]),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ grant a to b $$;", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(roles_named(text.as_bytes(), "UTF8"), *expected, "{text}");
    }
    let several = "REVOKE ALL ON TABLE t FROM a;\nGRANT SELECT ON TABLE t TO \"b;c\";\n-- GRANT x TO y;\nGRANT ALL ON f('; GRANT q TO r;') TO d;";
    let roles: Vec<String> = roles_named_in(several).into_iter().collect();
    assert_eq!(roles, ["a", "b;c", "d"]);
}

#[test]
fn the_location_of_a_tablespace_becomes_empty() {
    let rewritten = |text: &str| {
        String::from_utf8_lossy(&rewrite_tablespace_location(text.as_bytes())).into_owned()
    };
    assert_eq!(
        rewritten(
            "CREATE TABLESPACE \"location\" OWNER \"O LOCATION '/a'\" LOCATION '/srv/it''s' WITH (x=1);"
        ),
        "CREATE TABLESPACE \"location\" OWNER \"O LOCATION '/a'\" LOCATION '' WITH (x=1);"
    );
    assert_eq!(
        rewritten("create tablespace t location E'/x\\'';"),
        "create tablespace t location '';"
    );
    let other = "CREATE TABLE t (a text DEFAULT 'LOCATION');";
    assert_eq!(rewritten(other), other);
}
