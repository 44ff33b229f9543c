//! What an image or a local installation lacks is named before any data goes in.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;

use support::{
    Bench, ENGINES, LOCAL_MAJOR, Layout, Ran, docker, fixture, gzip, image, members, tar,
};

/// An archive of globals, this database and another, with bytes of one dump changed for as many others.
fn archive(changed: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    all.retain(|(name, _)| {
        name.contains(changed) || name.contains("x.sql") || name == "globals.sql"
    });
    let dump = &mut all.iter_mut().find(|(name, _)| name.contains(changed)).unwrap().1;
    let places: Vec<usize> = dump
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "the dump of {changed} does not name {from}");
    for at in places {
        dump[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    gzip(&tar(&all))
}

/// This database was not loaded for this reason, with this first step; the other was restored.
fn assert_lacking(ran: &Ran, database: &str, code: &str, step: &str) {
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert_eq!(ran.verdict(), "inconclusive", "{}", ran.text());
    assert_eq!(ran.findings(), [(code.to_owned(), Some(database.to_owned()))], "{}", ran.text());
    assert_eq!(ran.outcomes()[database], "errored", "{}", ran.text());
    assert_eq!(ran.outcomes()["x.sql"], "restored", "{}", ran.text());
    let all = ran.scenario()["databases"].as_array().unwrap();
    let lacking = all.iter().find(|found| found["name"] == database).unwrap();
    assert!(lacking["restored_bytes"].is_null(), "{lacking}");
    let first = lacking["findings"][0]["remedy"][0].as_str().unwrap();
    assert!(first.contains(step), "{first}");
    assert!(ran.stdout.contains(&format!("✗ tools or image     {database}: ")), "{}", ran.text());
    let (before, _) = ran.stdout.split_once("globals run").unwrap();
    assert!(before.contains(&format!("({code})")), "named too late\n{}", ran.text());
}

#[test]
fn an_extension_that_is_not_there_is_named_before_anything_is_loaded() {
    let bytes = archive("app", "pg_trgm", "postgis");
    for (engine, step) in [
        ("docker", "--image postgis/postgis:15-3.5"),
        ("local", "apt install postgresql-15-postgis-3"),
    ] {
        let bench = Bench::new();
        let ran = bench.verify(&bench.write("c.tar.gz", &bytes), engine);
        assert_lacking(&ran, "app", "extension_missing", step);
        assert!(ran.stdout.contains("no extension `postgis`"), "{}", ran.text());
    }
}

#[test]
fn a_locale_that_is_not_there_is_named_before_anything_is_loaded() {
    let bytes = archive("app", "'C.UTF-8'", "'xx_XX.8'");
    for engine in ENGINES {
        let bench = Bench::new();
        let ran = bench.verify(&bench.write("c.tar.gz", &bytes), engine);
        assert_lacking(&ran, "app", "locale_missing", "localedef -i xx_XX");
        let app = &ran.scenario()["databases"][0];
        assert!(app["findings"][0]["cause"].as_str().unwrap().contains("xx_XX.8"), "{app}");
    }
}

#[test]
fn a_collation_that_cannot_be_made_is_named_before_anything_is_loaded() {
    let from = "(provider = libc, locale = 'C')";
    let to = format!("{:<30})", "(locale = 'xx_XX.utf8'");
    // The second is in LATIN1, where a locale must be tried in a database of that encoding.
    for (database, object) in [("app", "COLLATION shop.plain"), ("latin", "COLLATION public.plain")]
    {
        let bytes = archive(database, from, &to);
        for engine in ENGINES {
            let bench = Bench::new();
            let ran = bench.verify(&bench.write("c.tar.gz", &bytes), engine);
            assert_lacking(&ran, database, "locale_missing", "localedef -i xx_XX -f UTF-8");
            assert!(ran.text().contains(object), "{}", ran.text());
        }
    }
}

#[test]
fn a_collation_that_the_server_lacks_is_named_before_anything_is_loaded() {
    let bytes = archive("app", "pg_catalog.ucs_basic", "pg_catalog.\"xx_XX~\" ");
    for engine in ENGINES {
        let bench = Bench::new();
        let ran = bench.verify(&bench.write("c.tar.gz", &bytes), engine);
        assert_lacking(&ran, "app", "locale_missing", "an image");
    }
}

#[test]
fn several_things_are_named_at_once_and_nothing_to_restore_ends_the_run() {
    let mut dump = fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/UPPER.sql")).unwrap();
    let mark = b"CREATE TABLE";
    let at = dump.windows(mark.len()).position(|window| window == mark).unwrap();
    let made = "CREATE EXTENSION IF NOT EXISTS vector;\ncreate extension \"house-made\";\n";
    dump.splice(at..at, made.bytes());
    for engine in ENGINES {
        let bench = Bench::new();
        let ran = bench.verify(&bench.write("UPPER.sql", &dump), engine);
        assert_eq!(ran.code, Some(2), "{}", ran.text());
        let missing = ("extension_missing".to_owned(), Some("UPPER".to_owned()));
        assert_eq!(ran.findings(), [missing.clone(), missing], "{}", ran.text());
        assert!(!ran.stdout.contains("globals run"), "{}", ran.text());
        assert_eq!(ran.verdict(), "inconclusive");
        for name in ["house-made", "vector"] {
            assert!(ran.stdout.contains(&format!("no extension `{name}`")), "{}", ran.text());
        }
    }
}

/// An image of ours without some of its programs, removed when dropped.
struct Crippled(&'static str);

impl Crippled {
    fn without(tag: &'static str, programs: &str) -> Self {
        let name = format!("pgdrill-test-notools-{}", std::process::id());
        let script = format!("cd \"$(pg_config --bindir)\" && rm {programs}");
        let ok = |args: &[&str]| {
            let output = docker(args);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let source = image(LOCAL_MAJOR);
        ok(&[
            "run",
            "--name",
            &name,
            "--network",
            "none",
            "-u",
            "root",
            "--entrypoint",
            "sh",
            &source,
            "-c",
            &script,
        ]);
        let committed = docker(&["commit", &name, tag]);
        docker(&["rm", "-f", "-v", &name]);
        assert!(committed.status.success());
        Self(tag)
    }
}

impl Drop for Crippled {
    fn drop(&mut self) {
        docker(&["rmi", self.0]);
    }
}

#[test]
fn a_program_that_the_image_lacks_is_named_before_anything_is_loaded() {
    let image = Crippled::without("pgdrill-test-notools:15", "pg_restore");
    let verify = |bench: &Bench, file: &str, bytes: &[u8]| {
        let path = bench.write(file, bytes);
        let backup = path.to_str().unwrap();
        bench.run(&["verify", backup, "--restore-test", "--engine", "docker", "--image", image.0])
    };
    let bench = Bench::new();
    let whole = archive("app", "pg_trgm", "pg_trgm");
    let ran = verify(&bench, "c.tar.gz", &whole);
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert_eq!(ran.findings(), [("tool_missing".to_owned(), None)], "{}", ran.text());
    assert!(ran.stdout.contains("no working pg_restore"), "{}", ran.text());
    assert!(ran.stdout.contains("pgdrill-test-notools:15"), "{}", ran.text());
    assert!(!ran.stdout.contains("globals run"), "{}", ran.text());
    // A plain dump needs no pg_restore.
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    all.retain(|(name, _)| {
        name.contains("x.sql") || name.contains("UPPER") || name == "globals.sql"
    });
    let ran = verify(&bench, "mixed.tar.gz", &gzip(&tar(&all)));
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    let of_one = ("tool_missing".to_owned(), Some("x.sql".to_owned()));
    assert_eq!(ran.findings(), [of_one], "{}", ran.text());
    assert_eq!(ran.outcomes()["UPPER"], "restored", "{}", ran.text());
    assert_eq!(ran.outcomes()["x.sql"], "errored", "{}", ran.text());
}
