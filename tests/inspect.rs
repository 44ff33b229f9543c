//! `pgdrill inspect`: what is inside, for people and for programs, and what is remembered of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use support::encrypt::{KEY_BASE64, STEP, encrypted};
use support::{Bench, DATABASES, LOCAL_MAJOR, Layout, fixture, gzip, members, tar};

fn archive() -> Vec<u8> {
    gzip(&tar(&members(&fixture(LOCAL_MAJOR).folder, Layout::V4)))
}

fn inspect(bench: &Bench, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        bench.command().arg("inspect").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    bench.assert_nothing_left();
    (status.code(), text(stdout), text(stderr))
}

fn tree(bench: &Bench, args: &[&str]) -> Value {
    let (code, stdout, stderr) = inspect(bench, &[args, &["--json", "-"]].concat());
    assert!(matches!(code, Some(0..=2)) && stderr.is_empty(), "{code:?} {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn remembered(bench: &Bench) -> Vec<PathBuf> {
    let found = fs::read_dir(bench.path("state/cache"));
    found.map(|all| all.map(|one| one.unwrap().path()).collect()).unwrap_or_default()
}

/// A file that has just changed is not remembered: another change might leave its time as it is.
fn settle() {
    std::thread::sleep(Duration::from_millis(3100));
}

#[test]
fn everything_in_an_archive_is_in_the_tree() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &archive());
    let tree = tree(&bench, &["c.tar.gz"]);
    assert_eq!(tree["schema"], "pgdrill.inventory/v1");
    assert_eq!((&tree["source"], &tree["cached"]), (&json!("backup"), &json!(false)));
    assert_eq!(tree["backup"]["format"], "cluster_tar_gz");
    assert_eq!((&tree["backup"]["encrypted"], &tree["findings"]), (&json!(false), &json!([])));
    assert!(tree["roles"].as_array().unwrap().contains(&json!("app_owner")), "{}", tree["roles"]);
    assert_eq!(tree["tablespaces"], json!(["fast"]));
    assert!(tree["extensions"].as_array().unwrap().contains(&json!("pg_trgm")));
    let databases = tree["databases"].as_array().unwrap();
    assert_eq!(databases.len(), DATABASES.len());
    let named = |name: &str| databases.iter().find(|one| one["name"] == name).unwrap();
    let app = named("app");
    assert_eq!((&app["format"], &app["codec"]), (&json!("custom"), &json!("none")));
    assert!(app["pg_dump_version"].as_str().unwrap().starts_with("15."));
    assert_eq!((&app["tables"], &app["large_objects"]), (&json!(13), &json!(1)));
    assert_eq!(app["properties"]["owner"], "app_owner", "{}", app["properties"]);
    assert_eq!(app["properties"]["options"]["encoding"], "UTF8");
    assert!(!app["properties"]["settings"].as_array().unwrap().is_empty());
    assert_eq!(named("latin")["encoding"], "LATIN1");
    let zipped = named("with space");
    assert_eq!((&zipped["format"], &zipped["codec"]), (&json!("plain"), &json!("gzip")));
    assert_eq!(zipped["properties"], Value::Null);
    // The rows that the source counted are those of the tree.
    let facts = &fixture(LOCAL_MAJOR).facts;
    for (name, _) in DATABASES {
        let counted = facts[name]["rows"].split(',').filter_map(|table| table.rsplit('=').next());
        let sum: u64 = counted.filter_map(|rows| rows.parse::<u64>().ok()).sum();
        assert_eq!(named(name)["rows"], sum, "{name}");
        for entry in named(name)["entries"].as_array().unwrap() {
            let keys: Vec<&String> = entry.as_object().unwrap().keys().collect();
            let all =
                ["data", "dependencies", "id", "kind", "owner", "schema", "tablespace", "tag"];
            assert_eq!(keys, all, "{entry}");
            assert_eq!(entry["data"].is_null(), entry["data"]["stored_bytes"].is_null(), "{entry}");
        }
    }
}

#[test]
fn no_row_no_password_and_no_body_is_shown() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &archive());
    let globals = fs::read_to_string(fixture(LOCAL_MAJOR).folder.join("globals.sql")).unwrap();
    assert!(globals.contains("SCRAM-SHA-256$"), "the fixture has no password: {globals}");
    let (code, text, _) = inspect(&bench, &["c.tar.gz", "--json", "out.json"]);
    assert_eq!(code, Some(0), "{text}");
    let all = fs::read_to_string(bench.path("out.json")).unwrap() + &text;
    let cache =
        remembered(&bench).iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    for secret in ["SCRAM-SHA", "CREATE FUNCTION", "CREATE TABLE", "COPY ", "$$"] {
        assert!(!all.contains(secret) && !cache.contains(secret), "{secret}");
    }
}

#[test]
fn people_get_a_table() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &archive());
    let (code, text, stderr) = inspect(&bench, &["c.tar.gz"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{text}");
    let head = text.lines().find(|line| line.contains("Database")).unwrap();
    let row = text.lines().find(|line| line.starts_with("  app ")).unwrap();
    for (column, cell) in [("Format", "custom"), ("Encoding", "UTF8"), ("Extensions", "pg_trgm")] {
        let at = head.find(column).unwrap();
        assert!(row[at..].starts_with(cell), "{head}\n{row}");
    }
    let end = head.find("Rows").unwrap() + "Rows".len();
    assert!(row[..end].ends_with("4710"), "{head}\n{row}");
    for part in ["cluster_tar_gz", "SHA-256:", "Roles:", "app_owner", "Tablespaces:", "Not tested:"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_second_call_does_not_read() {
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &archive());
    settle();
    let first = tree(&bench, &["c.tar.gz"]);
    let [file] = &remembered(&bench)[..] else { panic!("{:?}", remembered(&bench)) };
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file), mode(&bench.path("state/cache"))), (0o600, 0o700));
    let mut second = tree(&bench, &["c.tar.gz"]);
    assert_eq!(second["cached"], true);
    second["cached"] = json!(false);
    second["backup"]["path"] = first["backup"]["path"].clone();
    assert_eq!(second, first);
    assert!(inspect(&bench, &["c.tar.gz"]).1.contains("Cached:"));
    assert_eq!(tree(&bench, &["c.tar.gz", "--no-cache"])["cached"], false);
    // It really is what was remembered, and nothing else reads it.
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, text.replace("app_owner", "someone")).unwrap();
    assert!(inspect(&bench, &["c.tar.gz"]).1.contains("someone"));
    let ran = bench.run(&["verify", path.to_str().unwrap()]);
    assert!(ran.code == Some(0) && !ran.text().contains("someone"), "{}", ran.text());
    // What is broken, foreign or open to others is written anew.
    for spoil in
        ["", "{}", "garbage", &text.replace("pgdrill.inventory/v1", "pgdrill.inventory/v0")]
    {
        fs::write(file, spoil).unwrap();
        assert_eq!(tree(&bench, &["c.tar.gz"])["cached"], false, "{spoil}");
        assert_eq!(tree(&bench, &["c.tar.gz"])["cached"], true);
    }
    fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(tree(&bench, &["c.tar.gz"])["cached"], false);
    let beside: Vec<_> =
        fs::read_dir(bench.folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    let beside: Vec<_> =
        beside.iter().filter(|name| name.to_str().unwrap().starts_with("c.")).collect();
    assert_eq!(beside, ["c.tar.gz"]);
}

#[test]
fn another_backup_or_another_sidecar_is_read_again() {
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &archive());
    settle();
    assert_eq!(tree(&bench, &["c.tar.gz"])["cached"], false);
    assert_eq!(tree(&bench, &["c.tar.gz"])["cached"], true);
    bench.write("c.tar.gz.meta.json", br#"{"extra_info": {"failure_count": "1"}}"#);
    let changed = tree(&bench, &["c.tar.gz"]);
    assert_eq!(changed["cached"], false);
    assert_eq!(changed["findings"][0]["code"], "backup_incomplete");
    fs::remove_file(bench.path("c.tar.gz.meta.json")).unwrap();
    // The same size and the same time of change, and other bytes.
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    settle();
    let (code, text, _) = inspect(&bench, &["c.tar.gz"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("Cached:"), "{text}");
    // Bad news are remembered too, with their exit code.
    let (code, text, _) = inspect(&bench, &["c.tar.gz"]);
    assert!(code == Some(1) && text.contains("Cached:"), "{text}");
}

#[test]
fn only_so_many_are_remembered_and_nothing_of_the_encrypted() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &archive());
    bench.write("s.tar.gz", &encrypted(&archive(), STEP));
    bench.write("key", KEY_BASE64.as_bytes());
    for number in 0..70 {
        let file = bench.write(&format!("state/cache/{number}.inventory"), b"old");
        let old = std::time::SystemTime::now() - Duration::from_secs(10_000 - number);
        fs::File::options().write(true).open(file).unwrap().set_modified(old).unwrap();
    }
    bench.write("state/cache/other", b"not ours");
    settle();
    let opened = tree(&bench, &["s.tar.gz", "--decrypt-key-file", "key"]);
    assert_eq!(opened["backup"]["encrypted"], true);
    assert_eq!(opened["databases"].as_array().unwrap().len(), DATABASES.len());
    assert_eq!(tree(&bench, &["s.tar.gz"])["findings"][0]["code"], "encrypted");
    assert_eq!(remembered(&bench).len(), 71);
    assert_eq!(tree(&bench, &["c.tar.gz"])["cached"], false);
    let left = remembered(&bench);
    assert_eq!(left.len(), 64 + 1);
    assert!(left.iter().any(|path| path.ends_with("other")));
    assert!(!left.iter().any(|path| path.ends_with("0.inventory")));
    assert_eq!(tree(&bench, &["c.tar.gz"])["cached"], true);
}

#[test]
fn a_sidecar_alone_verifies_nothing() {
    let bench = Bench::new();
    // What is no backup at all shows that it is not read.
    bench.write("c.tar.gz", b"not a backup");
    let (code, _, stderr) = inspect(&bench, &["c.tar.gz", "--quick"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("leave --quick out"), "{stderr}");
    let meta = |failures: u32| {
        format!(
            "{{\"timestamp\": \"2026-01-30T02:10:11Z\", \"databases\": [{{\"database\": \"app\"}}], \
             \"extra_info\": {{\"failure_count\": \"{failures}\", \"database_version\": \"PostgreSQL 15.18\"}}}}"
        )
    };
    bench.write("c.tar.gz.meta.json", meta(0).as_bytes());
    let (code, text, _) = inspect(&bench, &["c.tar.gz", "--quick"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("UNVERIFIED") && text.contains("not one byte of it was read"), "{text}");
    let quick = tree(&bench, &["c.tar.gz", "--quick"]);
    assert_eq!(quick["source"], "sidecar");
    assert_eq!(quick["databases"][0]["name"], "app");
    assert_eq!(quick["databases"][0]["format"], Value::Null);
    assert_eq!(
        (&quick["backup"]["bytes_read"], &quick["backup"]["needs_major"]),
        (&json!(0), &json!(15))
    );
    bench.write("c.tar.gz.meta.json", meta(1).as_bytes());
    assert_eq!(inspect(&bench, &["c.tar.gz", "--quick"]).0, Some(1));
}

#[test]
fn json_never_replaces_the_backup_or_its_key() {
    let bench = Bench::new();
    let bytes = encrypted(&archive(), STEP);
    bench.write("c.tar.gz", &bytes);
    bench.write("key", KEY_BASE64.as_bytes());
    for json in ["c.tar.gz", "./c.tar.gz", "c.tar.gz.meta.json", "key"] {
        let args = ["c.tar.gz", "--json", json, "--decrypt-key-file", "key"];
        let (code, _, stderr) = inspect(&bench, &args);
        assert_eq!(code, Some(64), "{json}: {stderr}");
    }
    assert_eq!(fs::read(bench.path("c.tar.gz")).unwrap(), bytes);
    assert_eq!(fs::read_to_string(bench.path("key")).unwrap(), KEY_BASE64);
}

#[test]
fn a_static_verification_says_what_it_has_read_and_what_it_has_not() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &archive());
    let ran = bench.run(&["verify", "c.tar.gz"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let read = "10 dumps sound: 141 entries, 11731 rows, 462.2 kB of data";
    assert!(ran.stdout.contains(read), "{}", ran.text());
    let open =
        "a plain dump carries no owner, encoding or settings of its database: UPPER, with space";
    assert!(ran.stdout.contains(open), "{}", ran.text());
}

#[test]
fn what_is_remembered_is_of_the_name_that_is_given() {
    let bench = Bench::new();
    let one =
        bench.write("f/one.sql", support::plain_dump("CREATE TABLE t (a integer);").as_bytes());
    std::os::unix::fs::symlink(&one, bench.path("two.sql")).unwrap();
    settle();
    let shown = |folder: &str, args: &[&str]| {
        let mut command = bench.command();
        command.current_dir(bench.path(folder)).arg("inspect").args(args).args(["--json", "-"]);
        let output = command.stdin(fs::File::open(&one).unwrap()).output().unwrap();
        let tree: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&tree["backup"]["path"]),
            text(&tree["databases"][0]["name"]),
            tree["cached"].as_bool().unwrap(),
        )
    };
    let told = |path: &str, name: &str, cached| (path.to_owned(), name.to_owned(), cached);
    for cached in [false, true] {
        assert_eq!(shown(".", &["f/one.sql"]), told("f/one.sql", "one", cached));
        assert_eq!(shown(".", &["two.sql"]), told("two.sql", "two", cached));
        assert_eq!(shown("f", &["one.sql"]), told("one.sql", "one", cached));
    }
    // What is there is another file for each call.
    let kept = remembered(&bench).len();
    std::os::unix::fs::symlink("/dev/stdin", bench.path("in.sql")).unwrap();
    for path in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "in.sql"] {
        for _ in 0..2 {
            let (shown, _, cached) = shown(".", &[path]);
            assert_eq!((shown.as_str(), cached), (path, false));
        }
    }
    assert_eq!(remembered(&bench).len(), kept);
}

#[test]
fn only_what_was_read_is_said_to_have_been() {
    let bench = Bench::new();
    bench.write("c.tar.gz", &archive());
    bench.write("s.tar.gz", &encrypted(&archive(), STEP));
    let cases = [
        ("c.tar.gz", 0, "the restore: every byte was read, none was restored"),
        ("gone.tar.gz", 2, "the backup: not one byte of it was read"),
        ("s.tar.gz", 2, "the backup: it is encrypted and was not opened"),
    ];
    for (path, expected, sentence) in cases {
        let (code, text, _) = inspect(&bench, &[path]);
        assert_eq!(code, Some(expected), "{text}");
        assert!(text.contains(sentence), "{path}: {text}");
        let first = tree(&bench, &[path])["not_tested"][0].as_str().unwrap().to_owned();
        assert!(first.starts_with(sentence), "{path}: {first}");
        let ran = bench.run(&["verify", path]);
        assert_eq!(ran.code, Some(expected), "{}", ran.text());
        assert!(ran.stdout.contains(sentence), "{}", ran.text());
        let is_read = expected == 0;
        assert_eq!(is_read, ran.junit.contains("every byte was read"), "{}", ran.junit);
    }
}

#[test]
fn a_sidecar_without_its_backup_says_that_it_is_gone() {
    let bench = Bench::new();
    let (code, text, stderr) = inspect(&bench, &["c.tar.gz", "--quick"]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
    assert!(stderr.contains("there is no backup at `c.tar.gz`"), "{stderr}");
    bench.write("c.tar.gz.meta.json", br#"{"databases": [{"database": "app"}]}"#);
    let (code, text, _) = inspect(&bench, &["c.tar.gz", "--quick"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("not there") && !text.contains("0 B"), "{text}");
    let quick = tree(&bench, &["c.tar.gz", "--quick"]);
    assert_eq!(quick["findings"][0]["code"], "backup_not_found");
    assert_eq!(quick["databases"][0]["name"], "app");
}
