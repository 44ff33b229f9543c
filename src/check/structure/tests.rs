//! Differences of two tables of contents.

use super::{Differences, Sides, Written, differences, is_written_quoted};
use crate::backup::TocEntry;

fn entry(kind: &str, tag: &str, owner: &str, definition: &str) -> TocEntry {
    TocEntry {
        kind: kind.to_owned(),
        schema: Some("app".to_owned()),
        tag: tag.to_owned(),
        owner: (!owner.is_empty()).then(|| owner.to_owned()),
        definition: definition.to_owned(),
        ..TocEntry::default()
    }
}

fn compared(dump: &[TocEntry], again: &[TocEntry], written: Written) -> Differences {
    let catalog = [("INDEX".to_owned(), "app".to_owned(), "i".to_owned())].into();
    let looked_up = &["TABLE", "INDEX"];
    differences(&Sides { dump, again, catalog: &catalog, looked_up, written, has_known_tags: true })
}

const TABLE: &str = "CREATE TABLE app.t (\n    a integer DEFAULT 1,\n    b text NOT NULL\n);\n";

#[test]
fn each_entry_is_restored_failed_or_excluded() {
    let dump = [
        entry("ENCODING", "ENCODING", "", "SET client_encoding = 'UTF8';"),
        entry("TABLE", "t", "o", TABLE),
        entry("TABLE", "u", "o", TABLE),
        entry("TABLE DATA", "t", "o", ""),
        entry("COMMENT", "TABLE t", "o", "COMMENT ON TABLE app.t IS 'a';\n"),
        entry("INDEX", "i", "o", "CREATE INDEX i ON app.t (a);\n"),
    ];
    let again = [
        entry("TABLE", "t", "p", &TABLE.replace("integer DEFAULT 1", "integer")),
        entry("VIEW", "new", "o", "CREATE VIEW app.new AS SELECT 1;\n"),
    ];
    let found = compared(&dump, &again, Written::Alike);
    assert_eq!(found.missing, ["TABLE app.u", "COMMENT TABLE t in app"]);
    assert_eq!(found.owners, ["TABLE app.t (p instead of o)"]);
    assert_eq!(found.definitions, ["TABLE app.t (column a lost its default)"]);
    assert_eq!(found.unexpected, ["VIEW app.new"]);
    // One entry is named once, whatever differs; the index was seen in the catalog.
    assert_eq!(found.failed, ["TABLE app.t", "TABLE app.u", "COMMENT TABLE t in app"]);
    assert_eq!((found.restored, found.excluded.values().sum::<u64>()), (1, 1));
}

#[test]
fn another_major_version_may_write_it_otherwise_but_for_what_stays() {
    let view =
        |text: &str| entry("VIEW", "v", "o", &format!("CREATE VIEW app.v AS SELECT {text};\n"));
    let key = |end: &str| {
        entry(
            "FK CONSTRAINT",
            "t k",
            "o",
            &format!(
                "ALTER TABLE ONLY app.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u(id){end};\n"
            ),
        )
    };
    let comment = |text: &str| {
        entry("COMMENT", "VIEW v", "o", &format!("COMMENT ON VIEW app.v IS '{text}';\n"))
    };
    let dump = [view("t.a"), key(""), comment("a"), entry("TABLE", "t", "o", TABLE)];
    let again = [
        view("a"),
        key(" NOT VALID"),
        comment("b"),
        entry("TABLE", "t", "o", &TABLE.replace(" NOT NULL", "")),
    ];
    let found = compared(&dump, &again, Written::Otherwise);
    assert_eq!(
        found.definitions,
        [
            "FK CONSTRAINT app.t k (it is not validated)",
            "COMMENT VIEW v in app",
            "TABLE app.t (column b lost NOT NULL)"
        ]
    );
    assert_eq!((found.in_part, found.restored), (1, 1));
    assert_eq!(compared(&dump, &again, Written::Alike).definitions.len(), 4);
}

#[test]
fn privileges_that_nobody_backed_up_count_where_the_dump_has_any() {
    let acl = |tag: &str, owner: &str, to: &str| {
        entry("ACL", tag, owner, &format!("GRANT SELECT ON TABLE app.t TO {to};\n"))
    };
    let again = [acl("TABLE t", "o", "a"), acl("TABLE u", "o", "b")];
    let table = entry("TABLE", "t", "o", TABLE);
    let found = compared(&[acl("TABLE t", "o", "a")], &again, Written::Alike);
    assert_eq!(found.privileges, ["ACL TABLE u in app (granted, and not in the dump)"]);
    let found = compared(&[acl("TABLE t", "o", "c")], &again[..1], Written::Alike);
    assert_eq!(found.privileges, ["ACL TABLE t in app"]);
    // `--no-acl`, and `--no-owner`: the privileges are those beside another owner's.
    let with_table = [again.as_slice(), std::slice::from_ref(&table)].concat();
    assert_eq!(compared(&[table], &with_table, Written::Alike).privileges, [""; 0]);
    assert_eq!(
        compared(&[acl("TABLE t", "", "c")], &again[..1], Written::Alike).privileges,
        [""; 0]
    );
}

#[test]
fn objects_of_one_name_are_told_apart_by_what_they_are() {
    let operator = |of: &str| {
        entry("OPERATOR", "===", "o", &format!("CREATE OPERATOR app.=== (LEFTARG = {of});\n"))
    };
    let dump = [operator("integer"), operator("text")];
    let found = compared(&dump, &[operator("text"), operator("integer")], Written::Alike);
    assert_eq!(found, Differences { restored: 2, ..Differences::default() });
    let found = compared(&dump, &dump[1..], Written::Alike);
    assert_eq!((found.missing.len(), found.restored), (1, 1));
}

#[test]
fn a_dump_shows_whether_every_name_is_quoted() {
    let quoted = [entry("TABLE", "t", "o", "CREATE TABLE \"app\".\"t\" (\"a\" integer);")];
    assert!(is_written_quoted(&quoted));
    assert!(!is_written_quoted(&[
        entry("TABLE", "t", "o", TABLE),
        entry("TABLE", "order", "o", "CREATE TABLE app.\"order\" ();")
    ]));
    assert!(!is_written_quoted(&[]));
}
