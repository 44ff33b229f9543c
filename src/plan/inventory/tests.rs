//! Inventories of real dumps.

use std::fs;

use camino::Utf8PathBuf;

use super::properties::setting;
use super::*;
use crate::backup::inspect;

#[test]
fn settings_are_named_and_their_values_are_not() {
    for (statement, name) in [
        ("ALTER DATABASE app SET work_mem TO '64MB';", Some("work_mem")),
        ("ALTER DATABASE \"a SET b\" SET \"app.jwt\" TO 'secret';", Some("app.jwt")),
        ("ALTER ROLE \"x y\" IN DATABASE app SET search_path TO 'a', 'b';", Some("search_path")),
        ("ALTER DATABASE app SET TABLESPACE fast;", None),
        ("ALTER DATABASE app CONNECTION LIMIT 3;", None),
        ("UPDATE pg_catalog.pg_database SET datistemplate = 't';", None),
    ] {
        assert_eq!(setting(statement).as_deref(), name, "{statement}");
    }
}

#[test]
fn every_real_dump_becomes_a_tree_that_comes_back() {
    let folder = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/custom"));
    let mut seen = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = Utf8PathBuf::from_path_buf(file.unwrap().path()).unwrap();
        let inventory = inspect(&path, &mut |_, _| {});
        let report = InventoryReport::new(&inventory);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<InventoryReport>(&text).unwrap(), report, "{path}");
        for (dump, database) in inventory.databases.iter().zip(&report.databases) {
            seen += 1;
            assert_eq!(dump.entries.len(), database.entries.len());
            let made = dump.entries.iter().filter(|entry| entry.kind == "TABLE").count();
            assert_eq!(database.tables, made as u64);
            for entry in &dump.entries {
                // Short ones are words that stand elsewhere too.
                let body = entry.definition.trim();
                assert!(body.len() < 40 || !text.contains(body), "{path}: {body}");
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn nothing_is_green_that_was_not_read() {
    let sidecar = Sidecar { databases: vec!["app".to_owned()], ..Sidecar::default() };
    let report = InventoryReport::of_sidecar("c.tar.gz".into(), 5, &sidecar, Vec::new());
    assert_eq!(report.exit_code(), ExitCode::Errored);
    assert_eq!((report.databases.len(), report.backup.bytes_read), (1, 0));
}
