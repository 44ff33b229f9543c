//! What is made from the language's one description is committed, and up to date.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;

use pgdrill::scenario;

const HOW: &str = "run: PGDRILL_BLESS=1 cargo nextest run --test scenario_language";

/// Compares, or writes where it was asked to.
fn same(file: &str, wanted: &str) {
    if std::env::var_os("PGDRILL_BLESS").is_some() {
        fs::write(file, wanted).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert!(found == wanted, "{file} is not what the language says; {HOW}");
}

#[test]
fn the_schema_is_what_the_language_says() {
    same("scenarios/schema/scenario-v1.json", &scenario::schema());
}

#[test]
fn the_schema_is_what_the_program_prints() {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_pgdrill"))
        .args(["generate", "schema"])
        .output()
        .unwrap();
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), scenario::schema());
}

#[test]
fn the_reference_is_what_the_language_says() {
    let file = "docs/scenario.md";
    let text = fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once("<!-- keys: begin").unwrap();
    let (marker, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once("<!-- keys: end -->").unwrap();
    let table = scenario::reference();
    same(file, &format!("{before}<!-- keys: begin{marker}\n{table}<!-- keys: end -->{after}"));
}

#[test]
fn every_example_of_the_reference_can_be_written() {
    let table = scenario::reference();
    let mut tried = 0;
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let (key, example) = (cells[0].trim_matches('`'), cells[3].trim_matches('`'));
        if example.is_empty() || key.starts_with("version") {
            continue;
        }
        let text = scenario_with(key, example);
        let folder = tempfile::tempdir().unwrap();
        let file = camino::Utf8PathBuf::from_path_buf(folder.path().join("s.yaml")).unwrap();
        fs::write(&file, &text).unwrap();
        fs::create_dir(folder.path().join("expected")).unwrap();
        fs::write(folder.path().join("expected/orders.csv"), "id\n1\n").unwrap();
        fs::create_dir(folder.path().join("tests")).unwrap();
        fs::write(folder.path().join("tests/a.sql"), "SELECT 1;").unwrap();
        fs::write(folder.path().join("baseline.json"), BASELINE).unwrap();
        if let Err(error) = scenario::load(&file, &|_| None) {
            panic!("{text}\n{}", pgdrill::console::show_scenario_error(&error));
        }
        tried += 1;
    }
    assert!(tried > 30, "{tried}");
}

/// What `checks[].baseline.file` names.
const BASELINE: &str = r#"{"schema": "pgdrill.baseline/v1", "tool_version": "0", "taken_at": "2026-01-30T02:10:11Z",
    "server_version": "15.1", "algorithm": "pgdrill-fp1", "salt": "00000000000000000000000000000000",
    "databases": [{"name": "shop", "encoding": "UTF8", "snapshot": null, "sequences": [], "tables": [
        {"schema": "public", "name": "t", "is_partitioned": false, "rows": 1, "columns": ["id"],
         "fingerprint": null, "key": [], "sketch": null}]}]}"#;

/// A good scenario in which this key has this value.
fn scenario_with(key: &str, example: &str) -> String {
    let (mut name, mut path, mut more) = ("n", "/b", String::new());
    match key {
        "name" => name = example,
        "backup.path" => path = example,
        key if key.starts_with("checks[].baseline.") => {
            let inner = key.rsplit('.').next().unwrap();
            let mut keys = vec![("name", "a"), ("file", "baseline.json")];
            keys.retain(|(name, _)| *name != inner);
            keys.push((inner, example));
            let keys: Vec<String> = keys.iter().map(|(k, v)| format!("      {k}: {v}\n")).collect();
            more = format!("checks:\n  - baseline:\n{}", keys.concat());
        }
        key if key.starts_with("checks[].pgtap.") => {
            let inner = key.rsplit('.').next().unwrap();
            let mut keys = vec![("name", "a"), ("database", "shop"), ("files", "[tests/a.sql]")];
            keys.retain(|(name, _)| {
                *name != inner && !(inner == "each_database" && *name == "database")
            });
            keys.push((inner, example));
            let keys: Vec<String> = keys.iter().map(|(k, v)| format!("      {k}: {v}\n")).collect();
            more = format!("checks:\n  - pgtap:\n{}", keys.concat());
        }
        key if key.starts_with("checks[].")
            && !key.starts_with("checks[].query.")
            && !key.starts_with("checks[].no_rows.") =>
        {
            let mut parts = key.split('.').skip(1);
            let (sort, inner) = (parts.next().unwrap(), parts.next().unwrap());
            let name = if inner == "name" { "" } else { "name: a, " };
            more = format!("checks:\n  - {sort}: {{{name}{inner}: {example}}}\n");
        }
        key if key.starts_with("checks[].") => {
            let inner = key.rsplit('.').next().unwrap();
            let no_rows = key.contains("no_rows");
            let mut keys = vec![("name", "a"), ("database", "shop"), ("sql", "select 1")];
            if inner == "each_database" {
                keys.retain(|(name, _)| *name != "database");
            }
            let of_any = ["name", "database", "each_database", "sql", "time_limit"];
            if !no_rows && !of_any.contains(&inner) {
                keys.push((inner, example));
            } else {
                keys.retain(|(name, _)| *name != inner);
                keys.push((inner, example));
                if !no_rows {
                    keys.push(("equals", "1"));
                }
            }
            let sort = if no_rows { "no_rows" } else { "query" };
            let keys: Vec<String> = keys.iter().map(|(k, v)| format!("      {k}: {v}\n")).collect();
            more = format!("checks:\n  - {sort}:\n{}", keys.concat());
        }
        "expect.verdict.not_restorable.database" => {
            more = format!(
                "expect: {{verdict: {{not_restorable: {{finding: dump_damaged, database: {example}}}}}}}\n"
            );
        }
        "backup.decrypt.key_file" | "backup.decrypt.key_env" => {
            let key = key.trim_start_matches("backup.decrypt.");
            return format!(
                "version: 1\nname: n\nbackup:\n  path: /b\n  decrypt: {{{key}: {example}}}\n"
            );
        }
        key if key.starts_with("objectives.rpo.") => {
            let key = key.trim_start_matches("objectives.rpo.");
            let keys = match key.strip_prefix("query.") {
                Some("sql") => format!("target: 1h, query: {{database: shop, sql: {example}}}"),
                Some(_) => format!("target: 1h, query: {{database: {example}, sql: select 1}}"),
                None if key == "target" => format!("target: {example}"),
                None => format!("target: 1h, {key}: {example}"),
            };
            more = format!("objectives: {{rpo: {{{keys}}}}}\n");
        }
        "backup.pick" | "backup.sha256" => {
            let key = key.trim_start_matches("backup.");
            return format!("version: 1\nname: n\nbackup:\n  path: /b\n  {key}: {example}\n");
        }
        key => {
            let parts: Vec<&str> = key.split('.').collect();
            for (depth, part) in parts.iter().enumerate() {
                more.push_str(&format!("{}{part}:", "  ".repeat(depth)));
                more.push_str(if depth + 1 == parts.len() { " " } else { "\n" });
            }
            more.push_str(example);
            more.push('\n');
        }
    }
    format!("version: 1\nname: {name}\nbackup:\n  path: {path}\n{more}")
}
