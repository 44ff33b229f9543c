//! Damaged backups and bad input: the right finding, verdict and exit code, and nothing left.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use support::{Bench, ENGINES, LOCAL_MAJOR, Layout, Ran, fixture, gzip, members, tar};

/// A cluster archive of the fixture with members changed.
fn archive(change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    change(&mut all);
    gzip(&tar(&all))
}

fn member<'a>(all: &'a mut [(String, Vec<u8>)], name: &str) -> &'a mut Vec<u8> {
    let wanted = format!("dumps/{name}");
    &mut all.iter_mut().find(|(found, _)| *found == wanted || *found == name).unwrap().1
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

fn find(text: &[u8], part: &str) -> usize {
    text.windows(part.len()).position(|window| window == part.as_bytes()).unwrap()
}

/// The archive is not restorable, for this reason, in this database.
fn assert_bad(ran: &Ran, code: &str, database: Option<&str>) {
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert_eq!(ran.verdict(), "not_restorable");
    assert!(ran.has(code, database), "{code} {database:?} in {:?}\n{}", ran.findings(), ran.text());
    if let Some(database) = database {
        assert_eq!(ran.outcomes()[database], "failed", "{}", ran.text());
        assert!(ran.junit.contains("<failure"), "{}", ran.junit);
    }
    assert!(ran.stdout.contains("✗ Backup is NOT RESTORABLE"), "{}", ran.text());
    assert!(ran.stdout.contains("How to fix:"), "{}", ran.text());
}

/// Nothing is known about the backup, for this reason.
fn assert_unknown(ran: &Ran, code: &str) {
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert_eq!(ran.verdict(), "inconclusive", "{}", ran.text());
    assert!(ran.has(code, None), "{code} in {:?}\n{}", ran.findings(), ran.text());
    assert!(ran.junit.contains("<error"), "{}", ran.junit);
    assert!(ran.stdout.contains("How to fix:"), "{}", ran.text());
}

fn verify(bytes: &[u8]) -> Ran {
    let bench = Bench::new();
    let path = bench.write("cluster_20260130_021011.tar.gz", bytes);
    bench.verify(&path, "local")
}

#[test]
fn a_dump_cut_in_half_is_named_and_the_others_are_restored() {
    let ran = verify(&archive(|all| {
        let dump = member(all, "app.dump");
        let half = dump.len() / 2;
        dump.truncate(half);
    }));
    assert_bad(&ran, "dump_truncated", Some("app"));
    assert_eq!(ran.outcomes()["x.sql"], "restored");
    assert_eq!(ran.outcomes()["with space"], "restored");
}

#[test]
fn a_flipped_byte_in_compressed_data_is_named() {
    let ran = verify(&archive(|all| {
        let dump = member(all, "a\"b; DROP.dump");
        let near_end = dump.len() - dump.len() / 4;
        dump[near_end] ^= 0x10;
    }));
    assert_bad(&ran, "dump_damaged", Some("a\"b; DROP"));
}

#[test]
fn a_plain_dump_cut_inside_copy_is_named() {
    let ran = verify(&archive(|all| {
        let dump = member(all, "with space.sql.gz");
        let text = gunzip(dump);
        let cut = find(&text, "COPY public.t ") + 2_000;
        *dump = gzip(&text[..cut]);
    }));
    assert_bad(&ran, "dump_truncated", Some("with space"));
    assert!(ran.stdout.contains("TABLE DATA public.t"), "{}", ran.text());
}

#[test]
fn a_plain_dump_cut_between_statements_is_named() {
    let ran = verify(&archive(|all| {
        let dump = member(all, "UPPER.sql");
        let cut = find(dump, "--\n-- PostgreSQL database dump complete");
        dump.truncate(cut);
    }));
    assert_bad(&ran, "dump_truncated", Some("UPPER"));
}

#[test]
fn a_cut_gzip_inside_a_sound_archive_is_named() {
    let ran = verify(&archive(|all| {
        let dump = member(all, "with space.sql.gz");
        let half = dump.len() / 2;
        dump.truncate(half);
    }));
    assert_bad(&ran, "dump_truncated", Some("with space"));
}

#[test]
fn a_role_missing_from_globals_is_the_backups_fault_on_both_engines() {
    for engine in ENGINES {
        let bench = Bench::new();
        let bytes = archive(|all| {
            let globals = member(all, "globals.sql");
            let text = String::from_utf8(globals.clone()).unwrap();
            let kept: Vec<&str> = text.lines().filter(|line| !line.contains("app_owner")).collect();
            let kept = kept.join(
                "
",
            ) + "
";
            *globals = kept.into_bytes();
        });
        let path = bench.write("c.tar.gz", &bytes);
        let ran = bench.verify(&path, engine);
        assert_bad(&ran, "role_missing", Some("app"));
        assert!(ran.stdout.contains("role \"app_owner\" does not exist"), "{}", ran.text());
        // One root, however many statements name the role.
        let of_app = ran
            .findings()
            .iter()
            .filter(|(code, of)| code == "role_missing" && of.as_deref() == Some("app"))
            .count();
        assert_eq!(of_app, 1, "{:?}", ran.findings());
        assert_eq!(ran.outcomes()["latin"], "restored");
    }
}

#[test]
fn globals_that_are_cut_or_missing_are_seen() {
    let ran = verify(&archive(|all| {
        let globals = member(all, "globals.sql");
        let cut = find(globals, "ALTER ROLE app_owner") + 12;
        globals.truncate(cut);
    }));
    assert_bad(&ran, "dump_truncated", None);
    let ran = verify(&archive(|all| all.retain(|(name, _)| name != "globals.sql")));
    assert_bad(&ran, "globals_missing", None);
}

fn sidecar(databases: &[&str], failures: &str, sha256: &str) -> String {
    let listed: Vec<String> =
        databases.iter().map(|name| format!("{{\"database\": {name:?}}}")).collect();
    format!(
        "{{\"version\": \"2.0\", \"databases\": [{}], \"extra_info\": {{\"failure_count\": {failures:?}, \"archive_sha256\": {sha256:?}}}}}",
        listed.join(",")
    )
}

#[test]
fn a_sidecar_that_lists_a_lost_database_is_a_finding() {
    let bench = Bench::new();
    let bytes =
        archive(|all| all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql"));
    let path = bench.write("c.tar.gz", &bytes);
    bench.write("c.tar.gz.meta.json", sidecar(&["x.sql", "lost"], "0", "").as_bytes());
    let ran = bench.verify(&path, "local");
    assert_bad(&ran, "database_missing", Some("lost"));
    assert_eq!(ran.outcomes()["x.sql"], "restored");
    assert!(!ran.has("checksum_mismatch", None));
}

#[test]
fn failures_and_a_wrong_hash_in_the_sidecar_are_findings() {
    let bench = Bench::new();
    let bytes =
        archive(|all| all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql"));
    let path = bench.write("c.tar.gz", &bytes);
    bench.write("c.tar.gz.meta.json", sidecar(&["x.sql"], "1", &"ab".repeat(32)).as_bytes());
    let ran = bench.verify(&path, "local");
    assert_bad(&ran, "backup_incomplete", None);
    assert_bad(&ran, "checksum_mismatch", None);
    bench.write("c.tar.gz.meta.json", b"{ not json");
    let ran = bench.verify(&path, "local");
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert!(ran.stdout.contains("sidecar_unreadable"), "{}", ran.text());
}

#[test]
fn meta_commands_never_run_on_either_engine() {
    for engine in ENGINES {
        for (command, marker) in [
            ("\\! touch /tmp/pgdrill-touched", "\\!"),
            ("\\i /etc/passwd", "\\i"),
            ("select 1 \\g | touch /tmp/pgdrill-touched", "\\g"),
            ("\\set x `touch /tmp/pgdrill-touched`", "\\set"),
            ("\\copy (select 1) to program 'touch /tmp/pgdrill-touched'", "\\copy"),
        ] {
            let bench = Bench::new();
            let mut dump = fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/UPPER.sql")).unwrap();
            let place = find(&dump, "CREATE TABLE");
            dump.splice(place..place, format!("{command}\n").into_bytes());
            let path = bench.write("UPPER.sql", &dump);
            let ran = bench.verify(&path, engine);
            assert_bad(&ran, "meta_command", Some("UPPER"));
            assert!(ran.stdout.contains(marker), "{}", ran.text());
            assert!(!Path::new("/tmp/pgdrill-touched").exists(), "{command} ran on {engine}");
        }
    }
}

#[test]
fn a_good_dump_with_its_own_restrict_pair_and_backslash_rows_is_green() {
    let text =
        gunzip(&fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/with space.sql.gz")).unwrap());
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("\\restrict ") && text.contains("\\unrestrict "));
    assert!(text.lines().any(|line| line.starts_with("0\t\\\\N begins")));
    let text = text
        .replace("0\t\\\\N begins", "\\\\! first\t\\\\N begins")
        .replace("id integer NOT NULL,\n    v text", "id text NOT NULL,\n    v text");
    let text = text.replace("id integer\n", "id text\n");
    for engine in ENGINES {
        let bench = Bench::new();
        let path = bench.write("odd.sql", text.as_bytes());
        let ran = bench.verify(&path, engine);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
    }
}

#[test]
fn rows_that_break_a_constraint_are_the_backups_fault_and_stay_out_of_reports() {
    let text =
        gunzip(&fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/with space.sql.gz")).unwrap());
    let text = String::from_utf8(text).unwrap().replacen("\n2\tc81e", "\n1\tc81e", 1);
    let bench = Bench::new();
    let path = bench.write("dup.sql", text.as_bytes());
    let ran = bench.verify(&path, "local");
    assert_bad(&ran, "constraint_violated", Some("dup"));
    let text = text.replacen("\n1\tc4ca4238a0b923820dcc509a6f75849b", "\nsecret-4111\tc4ca", 1);
    let path = bench.write("bad.sql", text.as_bytes());
    let ran = bench.verify(&path, "local");
    assert_bad(&ran, "data_rejected", Some("bad"));
    for report in [ran.json.to_string(), ran.junit.clone(), ran.stdout.clone()] {
        assert!(!report.contains("secret-4111"), "{report}");
    }
    assert!(ran.stdout.contains("COPY t, line"), "{}", ran.text());
}

#[test]
fn a_dump_that_turns_the_log_down_hides_nothing() {
    let mut dump = fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/UPPER.sql")).unwrap();
    let place = find(&dump, "--\n-- PostgreSQL database dump complete");
    let hidden = "CREATE TABLE t_t (id nowhere);\nSET log_min_messages = panic;\n\
        SET client_min_messages = error;\nSELECT 1/0;\nSELECT * FROM nowhere;\n";
    dump.splice(place..place, hidden.bytes());
    let bench = Bench::new();
    let ran = bench.verify(&bench.write("UPPER.sql", &dump), "local");
    assert_bad(&ran, "restore_failed", Some("UPPER"));
    let unlogged = "2 errors of the server that its log does not hold";
    assert!(ran.stdout.contains(unlogged), "{}", ran.text());
}

#[test]
fn bad_input_gets_one_clear_answer() {
    let good =
        archive(|all| all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql"));
    let bench = Bench::new();
    let ran = bench.verify(Path::new("/nowhere/cluster.tar.gz"), "local");
    assert_unknown(&ran, "backup_not_found");
    let ran = bench.verify(&bench.write("empty.tar.gz", b""), "local");
    assert_bad(&ran, "backup_empty", None);
    fs::create_dir(bench.path("folder")).unwrap();
    let ran = bench.verify(&bench.path("folder"), "local");
    assert_unknown(&ran, "no_backup_in_folder");
    let ran = bench.verify(&bench.write("cut.tar.gz", &good[..good.len() / 2]), "local");
    assert_bad(&ran, "archive_truncated", None);
    let ran = bench.verify(
        &bench.write("cut.tar", &tar(&members(&fixture(LOCAL_MAJOR).folder, Layout::V4))[..20_480]),
        "local",
    );
    assert_bad(&ran, "archive_truncated", None);
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let ran = bench.verify(&bench.write("flipped.tar.gz", &flipped), "local");
    assert_bad(&ran, "archive_damaged", None);
    let mut trailing = good.clone();
    trailing.extend_from_slice(b"trailing garbage");
    let ran = bench.verify(&bench.write("trailing.tar.gz", &trailing), "local");
    assert_bad(&ran, "archive_damaged", None);
    let zero = archive(|all| member(all, "x.sql.dump").clear());
    let ran = bench.verify(&bench.write("zero.tar.gz", &zero), "local");
    assert_bad(&ran, "dump_empty", Some("x.sql"));
    let noise: Vec<u8> =
        (0..4096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let ran = bench.verify(&bench.write("noise.tar.gz", &noise), "local");
    assert_bad(&ran, "unknown_format", None);
    let only_globals = archive(|all| all.retain(|(name, _)| name == "globals.sql"));
    let ran = bench.verify(&bench.write("globals.tar.gz", &only_globals), "local");
    assert_bad(&ran, "no_dump_in_archive", None);
    bench.write("sealed.tar.gz.meta.json", b"{\"encrypted\": true}");
    let ran = bench.verify(&bench.write("sealed.tar.gz", &noise), "local");
    assert_unknown(&ran, "encrypted");
}

#[test]
fn formats_that_this_version_cannot_restore_are_named_and_never_red_or_green() {
    let bench = Bench::new();
    let of = |names: &[&str]| {
        let members: Vec<_> =
            names.iter().map(|name| ((*name).to_owned(), b"\\i x\n".to_vec())).collect();
        tar(&members)
    };
    for (file, bytes) in [
        ("base.tar.gz", gzip(&of(&["backup_label", "PG_VERSION", "base/1/1259"]))),
        ("c.tar.xz", b"\xfd7zXZ\0 rest".to_vec()),
        (
            "mysql.sql",
            b"-- MySQL dump 10.13  Distrib 8.0.36\n--\nCREATE TABLE `t` (id int);\n".to_vec(),
        ),
    ] {
        let ran = bench.verify(&bench.write(file, &bytes), "local");
        assert_unknown(&ran, "format_not_supported");
        assert_eq!(ran.findings().len(), 1, "{file}: {:?}", ran.findings());
    }
}

#[test]
fn members_that_would_leave_the_archive_are_refused() {
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    let name = b"../../pgdrill-escaped.dump";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql");
    let mut bytes = Vec::new();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(b"oops");
    bytes.resize(1024, 0);
    bytes.extend_from_slice(&tar(&all));
    let bench = Bench::new();
    let ran = bench.verify(&bench.write("evil.tar.gz", &gzip(&bytes)), "local");
    assert_bad(&ran, "unsafe_member", None);
}

#[test]
fn engines_that_cannot_run_say_what_to_do() {
    let good =
        archive(|all| all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql"));
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &good);
    let backup = path.to_str().unwrap();
    let ran = bench.run(&[
        "verify",
        backup,
        "--restore-test",
        "--engine",
        "docker",
        "--image",
        "no-such-image:{major}",
    ]);
    assert_unknown(&ran, "image_unavailable");
    assert!(ran.stdout.contains("no-such-image:15"), "{}", ran.text());
    let ran = bench.run(&[
        "verify",
        backup,
        "--restore-test",
        "--engine",
        "local",
        "--pg-bindir",
        "/nowhere",
    ]);
    assert_unknown(&ran, "engine_unavailable");
    // Neither: no daemon, no programs.
    let (json, junit) = (bench.path("n.json"), bench.path("n.xml"));
    let output = bench
        .command()
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .args(["verify", backup, "--restore-test", "--pg-bindir", "/nowhere"])
        .arg("--json")
        .arg(&json)
        .arg("--junit")
        .arg(&junit)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("neither engine can run"), "{text}");
    assert!(text.contains("apt install postgresql"), "{text}");
    assert!(fs::read_to_string(json).unwrap().contains("engine_unavailable"));
    assert!(fs::read_to_string(junit).unwrap().contains("<error"));
    bench.assert_nothing_left();
}

#[test]
fn a_dump_newer_than_the_server_is_no_failure_of_the_backup() {
    let bench = Bench::new();
    let newer = fixture(17).folder.join("dumps/x.sql.dump");
    let path = bench.write("newer.dump", &fs::read(newer).unwrap());
    let ran = bench.verify(&path, "local");
    assert_unknown(&ran, "engine_unavailable");
    let image = support::image(15);
    let ran = bench.run(&[
        "verify",
        path.to_str().unwrap(),
        "--restore-test",
        "--engine",
        "docker",
        "--image",
        &image,
    ]);
    assert_unknown(&ran, "server_too_old");
}

#[test]
fn a_full_temporary_folder_is_named() {
    let good =
        archive(|all| all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql"));
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &good);
    let full = bench.path("full");
    fs::create_dir(&full).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
        .arg(&full)
        .status()
        .unwrap();
    assert!(mounted.success(), "this test mounts a small file system: it needs root");
    let json = bench.path("full.json");
    let output = bench
        .command()
        .env("TMPDIR", &full)
        .args(["verify", path.to_str().unwrap(), "--restore-test", "--engine", "local", "--json"])
        .arg(&json)
        .output();
    let left: Vec<PathBuf> =
        fs::read_dir(&full).unwrap().map(|entry| entry.unwrap().path()).collect();
    let unmounted = std::process::Command::new("umount").arg(&full).status().unwrap();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(unmounted.success(), "something still uses the folder\n{text}");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(fs::read_to_string(json).unwrap().contains("\"disk_full\""), "{text}");
    assert!(text.contains("TMPDIR"), "{text}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_read_only_folder_stays_as_it_was() {
    let bench = Bench::new();
    let good =
        archive(|all| all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql"));
    let path = bench.write("backups/c.tar.gz", &good);
    let folder = path.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    let before = fs::metadata(folder).unwrap().modified().unwrap();
    let ran = bench.verify(&path, "local");
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(fs::metadata(folder).unwrap().modified().unwrap(), before);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_static_verification_never_says_restorable() {
    let bench = Bench::new();
    let path = bench.write("c.tar.gz", &archive(|_| {}));
    let ran = bench.run(&["verify", path.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.verdict(), "not_run");
    assert!(!ran.stdout.contains("RESTORABLE"), "{}", ran.text());
    assert!(ran.scenario()["engine"].is_null());
    let bad = archive(|all| {
        let dump = member(all, "app.dump");
        let half = dump.len() / 2;
        dump.truncate(half);
    });
    let path = bench.write("bad.tar.gz", &bad);
    let ran = bench.run(&["verify", path.to_str().unwrap()]);
    assert_bad(&ran, "dump_truncated", Some("app"));
}

#[test]
fn an_archive_that_goes_on_behind_its_end_mark_is_damaged() {
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    all.retain(|(name, _)| {
        name.contains("x.sql") || name.contains("dash") || name == "globals.sql"
    });
    let whole = tar(&all);
    // One lost sector: the header of the second dump.
    let second =
        whole.windows(16).position(|bytes| bytes.starts_with(b"dumps/x.sql.dump")).unwrap();
    let mut lost = whole.clone();
    lost[second..second + 512].fill(0);
    let bench = Bench::new();
    let ran = bench.verify(&bench.write("lost.tar", &lost), "local");
    assert_bad(&ran, "archive_damaged", None);
    let twice = [gzip(&whole), gzip(&whole)].concat();
    let ran = bench.verify(&bench.write("twice.tar.gz", &twice), "local");
    assert_bad(&ran, "archive_damaged", None);
}

#[test]
fn rows_without_their_end_mark_are_seen_where_they_swallow_the_next_table() {
    let dump = "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE public.a1 (x text);\nCREATE TABLE public.a2 (x text);\n\
        --\n-- Data for Name: a1; Type: TABLE DATA; Schema: public; Owner: postgres\n--\n\nCOPY public.a1 (x) FROM stdin;\none\n\n\n\
        --\n-- Data for Name: a2; Type: TABLE DATA; Schema: public; Owner: postgres\n--\n\nCOPY public.a2 (x) FROM stdin;\ntwo\n\\.\n\n\n\
        --\n-- PostgreSQL database dump complete\n--\n\n";
    let bench = Bench::new();
    let ran = bench.verify(&bench.write("swallowed.sql", dump.as_bytes()), "local");
    assert_bad(&ran, "dump_damaged", Some("swallowed"));
}

#[test]
fn a_plain_dump_of_nobody_knows_whom_needs_an_end() {
    let bench = Bench::new();
    let ran = bench.verify(
        &bench.write("own.sql", b"CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\n"),
        "local",
    );
    assert_unknown(&ran, "end_unmarked");
}

#[test]
fn a_dump_under_a_name_that_is_no_databases_is_never_green() {
    let dump = fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/app.dump")).unwrap();
    for name in ["dumps/app", "dumps/app.dump.tmp", "dumps/app.bak", "dumps/app.dump.xz"] {
        let bytes = archive(|all| {
            all.retain(|(name, _)| name.contains("x.sql") || name == "globals.sql");
            all.push((name.to_owned(), dump.clone()));
        });
        let bench = Bench::new();
        let ran = bench.verify(&bench.write("c.tar.gz", &bytes), "local");
        assert_unknown(&ran, "format_not_supported");
        assert!(ran.stdout.contains(name), "{}", ran.text());
    }
}

#[test]
fn a_pipe_is_refused_at_once() {
    let bench = Bench::new();
    let pipe = bench.path("pipe.tar.gz");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_unknown(&bench.verify(&pipe, "local"), "backup_unreadable");
}

#[test]
fn a_databases_own_settings_do_not_end_our_sessions() {
    let mut dump = fs::read(fixture(17).folder.join("dumps/UPPER.sql")).unwrap();
    let place = find(&dump, "--\n-- PostgreSQL database dump complete");
    let settings = "ALTER DATABASE \"UPPER\" SET idle_session_timeout = '1ms';\nALTER DATABASE \"UPPER\" SET transaction_timeout = '1ms';\n\
        CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;\n\
        CREATE EVENT TRIGGER no ON login EXECUTE FUNCTION public.no();\nALTER EVENT TRIGGER no ENABLE ALWAYS;\n";
    dump.splice(place..place, settings.bytes());
    let bench = Bench::new();
    bench.write("UPPER.sql", &dump);
    let file = bench.write("s.yaml", b"version: 1\nname: s\nbackup: {path: UPPER.sql}\nchecks:\n  - query: {name: rows, database: UPPER, sql: 'select count(*) from \"T\"', equals: 10}\n");
    let ran = bench.run(&["run", file.to_str().unwrap(), "--engine", "docker"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
}
