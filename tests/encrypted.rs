//! Encrypted backups: opened with the right key, and told for what they are with any other.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;

use sha2::{Digest as _, Sha256};
use support::encrypt::{KEY, KEY_BASE64, STEP, encrypted};
use support::{Bench, DATABASES, ENGINES, LOCAL_MAJOR, Layout, Ran, fixture, gzip, members, tar};

/// Bytes that a full chunk takes: its length, what is in it, its tag.
const CHUNK: usize = 4 + STEP + 16;
const SECRETS: [&str; 2] = [KEY_BASE64, "correct horse battery staple"];

/// A cluster archive of several chunks, as dbbackup has it before it encrypts.
fn archive() -> Vec<u8> {
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    // What does not shrink: the archive takes several chunks.
    let mut state = 1_u64;
    let noise = (0..300_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    all.push(("notes.bin".to_owned(), noise.collect()));
    gzip(&tar(&all))
}

fn hash(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// A run's folder with an archive in it and files of keys.
fn bench(bytes: &[u8]) -> Bench {
    let bench = Bench::new();
    bench.write("c.tar.gz", bytes);
    bench.write("key", format!("{KEY_BASE64}\n").as_bytes());
    bench.write("raw", &KEY);
    bench.write("raw-line", &[&KEY[..], b"\n"].concat());
    bench.write("other", &[9; 32]);
    bench.write("phrase", format!("{}\n", SECRETS[1]).as_bytes());
    bench
}

fn verify(bench: &Bench, args: &[&str]) -> Ran {
    let ran = bench.run(&[&["verify", "c.tar.gz"], args].concat());
    let reports = format!("{}{}{}", ran.text(), ran.json, ran.junit);
    for secret in SECRETS {
        assert!(!reports.contains(secret), "{reports}");
    }
    ran
}

/// The exit code and the one finding that decides: code, message and cause.
fn said(ran: &Ran) -> (i32, String, String) {
    let findings = ran.scenario()["findings"].as_array().unwrap();
    let mut own = findings.iter().filter(|finding| finding["class"] != "notice");
    let one = own.next().unwrap_or_else(|| panic!("{}", ran.text()));
    assert_eq!(own.next(), None, "{}", ran.text());
    assert!(!one["remedy"].as_array().unwrap().is_empty());
    let text = format!("{} | {}", one["message"], one["cause"]);
    (ran.code.unwrap(), one["code"].as_str().unwrap().to_owned(), text)
}

#[test]
fn an_encrypted_cluster_is_restored_on_both_engines() {
    let plain = archive();
    for (engine, args, variable) in [
        (ENGINES[0], ["--decrypt-key-file", "key"], ""),
        (ENGINES[1], ["--decrypt-key-env", "BACKUP_KEY"], KEY_BASE64),
    ] {
        let bench = bench(&encrypted(&plain, STEP));
        let sidecar = format!("{}  /var/backups/c.tar.gz\n", hash(&plain));
        bench.write("c.tar.gz.sha256", sidecar.as_bytes());
        let mut all = vec!["verify", "c.tar.gz", "--restore-test", "--engine", engine];
        all.extend(args);
        let ran = bench.run_with(&all, &[("BACKUP_KEY", variable)]);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        assert_eq!(ran.verdict(), "restorable");
        for (name, _) in DATABASES {
            assert_eq!(ran.outcomes()[name], "restored", "{name}: {}", ran.text());
        }
        assert!(!format!("{}{}{}", ran.text(), ran.json, ran.junit).contains(KEY_BASE64));
    }
}

#[test]
fn a_scenario_names_the_key_beside_itself() {
    let bench = bench(&encrypted(&archive(), STEP));
    let yaml = "version: 1\nname: sealed\nbackup:\n  path: c.tar.gz\n  decrypt: {key_file: KEY}\n\
        sandbox: {engine: local}\nrestore: {only: [app]}\n";
    fs::create_dir(bench.path("elsewhere")).unwrap();
    let key = bench.write("elsewhere/key2", &KEY);
    fs::rename(bench.path("c.tar.gz"), bench.path("elsewhere/c.tar.gz")).unwrap();
    let file = bench.write("elsewhere/s.yaml", yaml.replace("KEY", "key2").as_bytes());
    let ran = bench.run(&["run", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.verdict()), (Some(0), "restorable"), "{}", ran.text());
    assert_eq!(ran.outcomes()["app"], "restored");
    // The command line wins.
    let ran = bench.run(&["run", file.to_str().unwrap(), "--decrypt-key-file", "other"]);
    assert_eq!(said(&ran).1, "key_wrong");
    let plan = bench.command().args(["plan", file.to_str().unwrap()]).output().unwrap();
    assert!(String::from_utf8_lossy(&plan.stdout).contains("app"), "{plan:?}");
    // A report never replaces the key.
    let refused = bench
        .command()
        .args(["run", file.to_str().unwrap(), "--json", key.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    assert_eq!(fs::read(key).unwrap(), KEY);
}

#[test]
fn every_form_of_a_key_opens() {
    let bench = bench(&encrypted(&archive(), STEP));
    for key in ["key", "raw", "raw-line"] {
        let ran = verify(&bench, &["--decrypt-key-file", key]);
        assert_eq!(ran.code, Some(0), "{key}: {}", ran.text());
        assert_eq!(ran.findings(), [], "{key}");
        assert_eq!(ran.outcomes().len(), DATABASES.len(), "{key}");
    }
    let bytes = fs::read(bench.path("c.tar.gz")).unwrap();
    let ran = verify(&bench, &["--decrypt-key-file", "key"]);
    let backup = &ran.scenario()["backup"];
    assert_eq!(backup["sha256"], hash(&bytes));
    assert_eq!(
        (&backup["bytes"], &backup["bytes_read"]),
        (&bytes.len().into(), &bytes.len().into())
    );
}

#[test]
fn a_single_encrypted_dump_is_read() {
    let plain = fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/app.dump")).unwrap();
    for (plain, format) in
        [(plain.clone(), "custom"), (support::plain_dump("").into_bytes(), "plain")]
    {
        // dbbackup encrypts what one read returned, which may be less than a full chunk.
        for step in [999, STEP] {
            let bench = bench(&encrypted(&plain, step));
            let ran = verify(&bench, &["--decrypt-key-file", "key"]);
            assert_eq!(
                (ran.code, ran.findings()),
                (Some(0), vec![]),
                "{format} {step}: {}",
                ran.text()
            );
            assert_eq!(ran.scenario()["backup"]["format"], format);
        }
    }
}

#[test]
fn without_a_key_it_is_recognised() {
    let bench = bench(&encrypted(&archive(), STEP));
    let (code, finding, text) = said(&verify(&bench, &[]));
    assert_eq!((code, &*finding), (2, "encrypted"));
    assert!(text.contains("looks like an encrypted dbbackup archive"), "{text}");
    // The hash of what was encrypted is no mismatch: nobody can compare it.
    let sidecar = format!("{{\"encrypted\": true, \"sha256\": \"{}\"}}", hash(&archive()));
    bench.write("c.tar.gz.meta.json", sidecar.as_bytes());
    let (code, finding, text) = said(&verify(&bench, &[]));
    assert_eq!((code, &*finding), (2, "encrypted"));
    assert!(text.contains("its sidecar says so") || text.contains("is encrypted"), "{text}");
}

#[test]
fn a_wrong_key_is_inconclusive() {
    let whole = encrypted(&archive(), STEP);
    let bench = bench(&whole);
    let (code, finding, text) = said(&verify(&bench, &["--decrypt-key-file", "other"]));
    assert_eq!((code, &*finding), (2, "key_wrong"), "{text}");
    assert!(
        text.contains("the key file `other`") && text.contains("or that chunk is damaged"),
        "{text}"
    );
    assert!(!text.contains("passphrase"), "{text}");
    // The same with the right key and a first chunk that is damaged.
    let mut damaged = whole;
    damaged[100] ^= 1;
    bench.write("c.tar.gz", &damaged);
    let (code, finding, text) = said(&verify(&bench, &["--decrypt-key-file", "raw-line"]));
    assert_eq!((code, &*finding), (2, "key_wrong"), "{text}");
    assert!(text.contains("takes such a file for a passphrase"), "{text}");
}

#[test]
fn a_cut_inside_a_chunk_is_a_truncated_backup() {
    let whole = encrypted(&archive(), STEP);
    assert!(whole.len() > 4 * CHUNK, "{}", whole.len());
    // Within the first chunk, a length, a chunk, a tag, the last chunk.
    for end in [20, 900, 12 + 2 * CHUNK + 3, 12 + 3 * CHUNK - 1, whole.len() - 1] {
        let bench = bench(&whole[..end]);
        let ran = verify(&bench, &["--decrypt-key-file", "key"]);
        assert_eq!(ran.code, Some(1), "{end}: {}", ran.text());
        assert!(ran.has("archive_truncated", None), "{end}: {}", ran.text());
        assert!(!ran.stdout.contains("boundary"), "{end}: {}", ran.text());
        assert!(ran.stdout.contains(&format!("ends at byte {end}")), "{end}: {}", ran.text());
    }
    let bench = bench(&whole[..12 + 3 * CHUNK - 1]);
    let (code, finding, text) = said(&verify(&bench, &[]));
    assert_eq!((code, &*finding), (1, "archive_truncated"), "{text}");
}

#[test]
fn a_cut_between_chunks_shows_inside_and_says_where_it_is() {
    let whole = encrypted(&archive(), STEP);
    let dump = fs::read(fixture(LOCAL_MAJOR).folder.join("dumps/app.dump")).unwrap();
    let single = encrypted(&dump, 1000);
    for (bytes, code) in [
        (&whole[..12 + CHUNK], "archive_truncated"),
        (&whole[..12 + 3 * CHUNK], "archive_truncated"),
        (&single[..12 + 3 * 1020], "dump_truncated"),
    ] {
        let bench = bench(bytes);
        let ran = verify(&bench, &["--decrypt-key-file", "key"]);
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        assert!(ran.has(code, None), "{code}: {}", ran.text());
        assert!(ran.stdout.contains("at the boundary between two chunks"), "{}", ran.text());
    }
}

#[test]
fn a_dump_cut_before_it_was_encrypted_is_not_blamed_on_the_encryption() {
    let mut all = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    let dump = &mut all.iter_mut().find(|(name, _)| name == "dumps/app.dump").unwrap().1;
    dump.truncate(dump.len() / 2);
    let bench = bench(&encrypted(&gzip(&tar(&all)), STEP));
    let ran = verify(&bench, &["--decrypt-key-file", "key"]);
    assert!(ran.has("dump_truncated", Some("app")), "{}", ran.text());
    assert!(!ran.stdout.contains("boundary"), "{}", ran.text());
}

#[test]
fn damage_behind_the_first_chunk_is_the_backups() {
    let mut whole = encrypted(&archive(), STEP);
    let begin = 12 + 2 * CHUNK;
    whole[begin + 500] ^= 1;
    let bench = bench(&whole);
    let ran = verify(&bench, &["--decrypt-key-file", "key"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(ran.has("archive_damaged", None), "{}", ran.text());
    let place = format!("chunk 3 of the encryption, byte {begin}");
    assert!(ran.stdout.contains(&place), "{}", ran.text());
    whole[begin + 500] ^= 1;
    whole[begin..begin + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    bench.write("c.tar.gz", &whole);
    let ran = verify(&bench, &["--decrypt-key-file", "key"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(ran.has("archive_damaged", None), "{}", ran.text());
    assert!(ran.stdout.contains("says that it is 4294967295 bytes long"), "{}", ran.text());
}

#[test]
fn a_key_for_a_plain_backup_changes_nothing() {
    let bench = bench(&archive());
    for key in ["key", "other", "phrase", "gone"] {
        let ran = verify(&bench, &["--decrypt-key-file", key]);
        assert_eq!((ran.code, ran.findings()), (Some(0), vec![]), "{key}: {}", ran.text());
        assert!(ran.stdout.contains("(not_encrypted)"), "{}", ran.text());
        assert_eq!(ran.stdout.contains("could not be used"), ["phrase", "gone"].contains(&key));
    }
    // Sidecars that say otherwise do not make it so.
    bench.write("c.tar.gz.meta.json", b"{\"encrypted\": true}");
    let ran = verify(&bench, &["--decrypt-key-file", "key"]);
    assert_eq!((ran.code, ran.findings()), (Some(0), vec![]), "{}", ran.text());
}

#[test]
fn a_key_that_is_none_is_explained() {
    let bench = bench(&encrypted(&archive(), STEP));
    let file = |name| ["--decrypt-key-file", name];
    let (code, finding, text) = said(&verify(&bench, &file("phrase")));
    assert_eq!((code, &*finding), (2, "key_unusable"), "{text}");
    assert!(text.contains("a salt that it stores nowhere"), "{text}");
    assert!(text.contains("can be decrypted by nobody"), "{text}");
    for (args, wanted) in [
        (file("gone"), "the key file `gone` cannot be read"),
        (file("state"), "the key file `state` cannot be read"),
        (["--decrypt-key-env", "PGDRILL_NO_SUCH"], "`PGDRILL_NO_SUCH` cannot be read"),
        (file(KEY_BASE64), "looks like a key and is not shown"),
    ] {
        fs::create_dir_all(bench.path("state")).unwrap();
        let (code, finding, text) = said(&verify(&bench, &args));
        assert_eq!((code, &*finding), (2, "key_unreadable"), "{text}");
        assert!(text.contains(wanted), "{text}");
    }
    let key_as_name = verify(&bench, &["--decrypt-key-env", KEY_BASE64]);
    assert_eq!(key_as_name.code, Some(64), "{}", key_as_name.text());
    assert!(key_as_name.stderr.contains("without its value"), "{}", key_as_name.text());
}

#[test]
fn hashes_of_either_side_of_the_encryption_fit_and_others_do_not() {
    let plain = archive();
    let bytes = encrypted(&plain, STEP);
    let other = hash(b"another file");
    for (wanted, fits) in [(hash(&plain), true), (hash(&bytes), true), (other, false)] {
        let bench = bench(&bytes);
        bench.write("c.tar.gz.sha256", format!("{wanted}  /old/path\n").as_bytes());
        let meta = format!(
            "{{\"encrypted\": true, \"size_bytes\": {}, \"sha256\": \"{wanted}\"}}",
            if fits { plain.len() } else { 17 }
        );
        bench.write("c.tar.gz.meta.json", meta.as_bytes());
        let ran = verify(&bench, &["--decrypt-key-file", "key"]);
        assert_eq!(ran.has("checksum_mismatch", None), !fits, "{}", ran.text());
        assert_eq!(ran.stdout.contains("(sidecar_stale)"), !fits, "{}", ran.text());
        assert_eq!(ran.code, Some(i32::from(!fits)), "{}", ran.text());
        let yaml = format!(
            "version: 1\nname: pinned\nbackup: {{path: c.tar.gz, sha256: {wanted}, decrypt: {{key_file: key}}}}\n\
             restore: {{only: [nothing]}}\n"
        );
        fs::remove_file(bench.path("c.tar.gz.sha256")).unwrap();
        fs::remove_file(bench.path("c.tar.gz.meta.json")).unwrap();
        let file = bench.write("pinned.yaml", yaml.as_bytes());
        let ran = bench.run(&["run", file.to_str().unwrap()]);
        assert_eq!(ran.has("checksum_mismatch", None), !fits, "{}", ran.text());
    }
}

#[test]
fn other_encryption_is_named_and_never_red() {
    let bench = bench(b"");
    for (head, name) in [
        (&b"DBBACKUP_ENCRYPTED_V1\0\x01\x01rest"[..], "dbbackup names and never wrote"),
        (b"WALENC01\x01\x02\x03rest", "an encrypted WAL file of dbbackup"),
    ] {
        bench.write("c.tar.gz", head);
        let (code, finding, text) = said(&verify(&bench, &["--decrypt-key-file", "key"]));
        assert_eq!((code, &*finding), (2, "format_not_supported"), "{text}");
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn reading_it_writes_no_file_at_all() {
    let bench = bench(&encrypted(&archive(), STEP));
    // A process that may write no byte into a file is killed when it tries.
    let script = "ulimit -f 0; exec \"$0\" \"$@\" | cat; exit ${PIPESTATUS[0]}";
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new("bash");
        command.args(["-c", script, env!("CARGO_BIN_EXE_pgdrill")]).args(args);
        command.current_dir(bench.folder.path()).env("PGDRILL_HOME", bench.path("state"));
        command.env("PGDRILL_PROGRESS", "none").env("TMPDIR", bench.temp());
        command.output().unwrap()
    };
    let output = run(&["verify", "c.tar.gz", "--decrypt-key-file", "key"]);
    assert!(output.status.success(), "{output:?}");
    let output = run(&["verify", "c.tar.gz", "--decrypt-key-file", "key", "--json", "r.json"]);
    assert!(!output.status.success(), "the limit does nothing: {output:?}");
}

/// dbbackup encrypts archives; somebody may encrypt the dumps of a folder one by one.
#[test]
fn an_encrypted_member_of_a_folder_is_its_own_matter() {
    let folder = fixture(LOCAL_MAJOR).folder;
    let bench = bench(b"");
    fs::create_dir_all(bench.path("c/dumps")).unwrap();
    bench.write("c/globals.sql", &fs::read(folder.join("globals.sql")).unwrap());
    for name in ["latin", "x.sql"] {
        let file = format!("dumps/{name}.dump");
        bench.write(&format!("c/{file}"), &fs::read(folder.join(file)).unwrap());
    }
    let sealed = encrypted(&fs::read(folder.join("dumps/app.dump")).unwrap(), 999);
    bench.write("c/dumps/app.dump", &sealed);
    let code_with = |args: &[&str]| {
        let ran = bench.run(&[&["verify", "c"], args].concat());
        let own = ran.findings().into_iter().filter(|(code, _)| code != "not_encrypted");
        let found: Vec<String> = own
            .map(|(code, database)| format!("{code} {}", database.unwrap_or_default()))
            .collect();
        // Whatever becomes of the one, the others are read.
        assert_eq!(ran.outcomes().len(), 3, "{}", ran.text());
        (ran.code.unwrap(), found.join(", "))
    };
    assert_eq!(code_with(&[]), (2, "encrypted app".to_owned()));
    let other = ["--decrypt-key-file", "other"];
    assert_eq!(code_with(&other), (2, "key_wrong app".to_owned()));
    assert_eq!(code_with(&["--decrypt-key-file", "key"]), (0, String::new()));
    bench.write("c/dumps/app.dump", &sealed[..CUT_MEMBER]);
    let (code, found) = code_with(&["--decrypt-key-file", "key"]);
    assert_eq!((code, &*found), (1, "archive_truncated app"));
}

/// Inside the second chunk of 999 bytes.
const CUT_MEMBER: usize = 12 + 4 + 999 + 16 + 200;
