use super::*;

fn read(sql: &str) -> ClusterObjects {
    cluster_objects(sql.as_bytes(), "UTF8")
}

/// Written by `pg_dumpall` 13, 15 and 17, in their words.
#[test]
fn globals_of_pg_dumpall_are_understood() {
    let globals = read(
        r#"SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
DROP DATABASE shop;
DROP ROLE app;
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE CREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5 PASSWORD 'SCRAM-SHA-256$4096:a==$b=:c=' VALID UNTIL '2030-01-01 00:00:00+00';
COMMENT ON ROLE app IS E'it''s \\ mine';
CREATE ROLE "A ""b""";
ALTER ROLE "A ""b""" WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
ALTER ROLE app SET work_mem TO '64MB';
ALTER ROLE app SET search_path TO '$user', 'my schema';
ALTER ROLE app SET "app.Tenant" TO 'x';
ALTER ROLE app IN DATABASE shop SET jit TO 'off';
GRANT app TO "A ""b""" WITH ADMIN OPTION GRANTED BY postgres;
GRANT pg_monitor TO app WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY "A ""b""";
GRANT pg_monitor TO app WITH INHERIT TRUE GRANTED BY postgres;
GRANT SET,ALTER SYSTEM ON PARAMETER log_statement TO app WITH GRANT OPTION;
CREATE TABLESPACE fast OWNER app LOCATION '/srv/fast';
ALTER TABLESPACE fast SET (random_page_cost=1.1, seq_page_cost='1');
REVOKE ALL ON TABLESPACE fast FROM app;
GRANT ALL ON TABLESPACE fast TO PUBLIC;
COMMENT ON TABLESPACE fast IS 'quick';
SECURITY LABEL FOR 'dummy' ON ROLE app IS 'secret';
"#,
    );
    assert_eq!(globals.not_understood, [].into(), "{globals:?}");
    assert_eq!(globals.labels, 1);
    let app = &globals.roles["app"];
    assert!(app.attributes.login && app.attributes.createdb && !app.attributes.superuser);
    assert_eq!(app.connection_limit, 5);
    assert!(app.password.as_ref().is_some_and(Verifier::is_hashed));
    assert_eq!(app.valid_until.as_deref(), Some("2030-01-01 00:00:00+00"));
    assert_eq!(app.comment.as_deref(), Some("it's \\ mine"));
    assert_eq!(app.settings["search_path"], ["$user", "my schema"]);
    assert_eq!(app.settings["work_mem"], ["64MB"]);
    assert_eq!(app.settings["app.tenant"], ["x"]);
    assert!(!globals.roles["A \"b\""].attributes.inherit);
    assert_eq!(globals.databases["shop"].settings_of["app"]["jit"], ["off"]);
    let options: Vec<_> = globals.memberships.iter().map(|m| (m.admin, m.inherit, m.set)).collect();
    assert_eq!(
        options,
        [(true, None, None), (true, Some(false), Some(false)), (false, Some(true), None)]
    );
    let fast = &globals.tablespaces["fast"];
    assert_eq!(fast.options["random_page_cost"], ["1.1"]);
    let privileges = fast.grants.applied("app", &["CREATE"], &[]);
    assert_eq!(privileges, [((Grantee::Public, "CREATE".to_owned()), false)].into());
    let parameter = globals.parameters["log_statement"].applied("postgres", &["SET"], &[]);
    assert!(parameter[&(Grantee::Role("app".to_owned()), "ALTER SYSTEM".to_owned())]);
}

#[test]
fn what_people_write_by_hand_is_understood_or_counted() {
    let globals = read(
        "create user app password 'clear' in role a, b admin c;\n\
         alter role all set work_mem = 64;\n\
         alter user app set work_mem = -1.5;\n\
         alter user app reset work_mem;\n\
         do $$ begin execute 'create role x'; end $$;\n\
         alter role app rename to other;\n\
         grant app to z with admin perhaps;\n\
         revoke app from z;\n\
         select make_roles();\n",
    );
    assert!(globals.roles["app"].attributes.login);
    assert!(!globals.roles["app"].password.as_ref().unwrap().is_hashed());
    assert_eq!(globals.settings_of_all["work_mem"], ["64"]);
    assert!(globals.roles["app"].settings.is_empty());
    assert_eq!(globals.memberships.len(), 3);
    let counted: Vec<_> =
        globals.not_understood.iter().map(|(verb, count)| format!("{verb} {count}")).collect();
    assert_eq!(counted, ["ALTER 1", "DO 1", "GRANT 1", "REVOKE 1", "SELECT 1"]);
}

#[test]
fn a_password_is_never_shown() {
    let globals = read("create role app password 'of nobody';");
    assert!(!format!("{globals:?}").contains("nobody"));
}
