use super::*;
use crate::backup::sql::cluster::{Verifier, cluster_objects};

const GLOBALS: &str = "create role postgres; alter role postgres with superuser login;\
    create role app; alter role app with login noinherit connection limit 3 \
        password 'md5aabbccddeeff00112233445566778899';\
    create role staff; alter role app set search_path to '$user', 'public';\
    grant staff to app granted by postgres;\
    create tablespace fast owner app location '/x'; grant create on tablespace fast to staff;";

/// What a server holds that has run these statements; before PostgreSQL 16 grants have no options.
fn server(globals: &str, has_options: bool) -> ClusterFound {
    let said = cluster_objects(globals.as_bytes(), "UTF8");
    let mut roles = said.roles.clone();
    for role in roles.values_mut() {
        if let Some(path) = role.settings.get_mut("search_path") {
            *path = vec!["\"$user\", public".to_owned()];
        }
    }
    for name in ["pgdrill_1", "pg_monitor"] {
        roles.insert(name.to_owned(), Role::default());
    }
    let mut memberships = said.memberships.clone();
    for grant in memberships.iter_mut().filter(|_| has_options) {
        let own = said.roles.get(&grant.member).is_none_or(|role| role.attributes.inherit);
        grant.inherit = Some(grant.inherit.unwrap_or(own));
        grant.set = Some(grant.set.unwrap_or(true));
    }
    let tablespaces = said.tablespaces.iter().map(|(name, tablespace)| {
        let owner = tablespace.owner.clone().unwrap_or_default();
        let privileges = tablespace.grants.applied(&owner, &["CREATE"], &[]);
        (name.clone(), (tablespace.clone(), privileges))
    });
    ClusterFound {
        roles,
        settings_of_all: said.settings_of_all.clone(),
        memberships,
        tablespaces: tablespaces.collect(),
        parameters: BTreeMap::new(),
        bootstrap: "postgres".to_owned(),
        known_settings: ["search_path".to_owned(), "work_mem".to_owned()].into(),
    }
}

fn compared(globals: &str, server: &ClusterFound) -> Vec<String> {
    let said = cluster_objects(globals.as_bytes(), "UTF8");
    let Differences { roles, memberships, tablespaces } =
        differences(&said, server, &["pgdrill_1"]);
    [roles, memberships, tablespaces].concat()
}

#[test]
fn what_globals_say_is_no_difference_on_any_major() {
    for has_options in [false, true] {
        assert!(compared(GLOBALS, &server(GLOBALS, has_options)).is_empty());
    }
}

#[test]
fn every_change_is_named_without_values() {
    let changed = |then: &str| compared(GLOBALS, &server(&format!("{GLOBALS}{then}"), true));
    for (statement, said) in [
        ("alter role app with nologin superuser", "role app: SUPERUSER, NOLOGIN"),
        (
            "alter role app with password 'md5aabbccddeeff00112233445566778800'",
            "role app: password",
        ),
        ("alter role app with password null", "role app: password"),
        ("alter role staff with password 'clear'", "role staff: password"),
        ("alter role app connection limit -1", "role app: connection limit"),
        ("alter role app set work_mem = '1GB'", "role app: setting work_mem"),
        ("alter role app reset search_path", "role app: setting search_path"),
        ("alter role all set work_mem = '1GB'", "setting work_mem of all roles"),
        ("comment on role staff is 'x'", "role staff: comment"),
        ("create role extra", "role extra, which globals do not create"),
        ("grant app to staff", "staff in app, which globals do not grant"),
        ("grant pg_monitor to staff", "staff in pg_monitor, which globals do not grant"),
        ("alter tablespace fast owner to staff", "tablespace fast: owner, grants"),
        ("alter tablespace fast set (seq_page_cost=2)", "tablespace fast: setting seq_page_cost"),
        ("grant create on tablespace fast to public", "tablespace fast: grants"),
        ("create tablespace more location ''", "tablespace more, which globals do not create"),
    ] {
        assert_eq!(changed(&format!("{statement};")), [said], "{statement}");
    }
}

#[test]
fn options_of_grants_are_compared_where_the_server_has_them() {
    let mut server = server(GLOBALS, true);
    server.memberships[0].inherit = Some(true);
    server.memberships[0].admin = true;
    assert_eq!(compared(GLOBALS, &server), ["app in staff: ADMIN, INHERIT"]);
    server.memberships[0].grantor = Some("app".to_owned());
    assert_eq!(
        compared(GLOBALS, &server),
        [
            "app in staff is missing, granted by postgres",
            "app in staff, which globals do not grant"
        ]
    );
}

#[test]
fn what_is_missing_is_said() {
    let mut server = server(GLOBALS, true);
    server.roles.remove("staff");
    server.tablespaces.clear();
    server.memberships.clear();
    let said = compared(GLOBALS, &server);
    let missing = [
        "role staff is missing",
        "app in staff is missing, granted by postgres",
        "tablespace fast is missing",
    ];
    assert_eq!(said, missing);
}

/// The server refused it, and that was said.
#[test]
fn a_setting_that_the_server_does_not_know_is_no_difference() {
    let globals = format!("{GLOBALS} alter role app set gone_with_17 to 'x';");
    assert!(compared(&globals, &server(GLOBALS, true)).is_empty());
}

#[test]
fn a_password_in_clear_becomes_a_verifier() {
    let mut server = server(GLOBALS, true);
    let kept = Verifier("SCRAM-SHA-256$4096:x$y:z".to_owned());
    server.roles.get_mut("app").unwrap().password = Some(kept);
    assert_eq!(compared(GLOBALS, &server), ["role app: password"]);
    let globals = GLOBALS.replace("md5aabbccddeeff00112233445566778899", "clear");
    assert!(compared(&globals, &server).is_empty());
}

#[test]
fn lists_are_kept_with_quotes_and_commas() {
    let is_same = |wanted: &[&str], kept: &str| {
        let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
        is_same_value(&wanted, &[kept.to_owned()])
    };
    assert!(is_same(&["$user", "public"], "\"$user\", public"));
    assert!(is_same(&["a\"b"], "\"a\"\"b\""));
    assert!(is_same(&[""], "\"\""));
    assert!(is_same(&["a, b"], "a, b"));
    assert!(!is_same(&["public"], "\"$user\", public"));
    assert!(!is_same(&["a"], "\"a"));
}
