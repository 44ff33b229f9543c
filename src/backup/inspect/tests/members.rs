//! What lies among the dumps of an archive or a folder, and what stands in their place.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn what_lies_beside_dumps_and_is_none_is_a_note() {
    let script = b"-- how to restore\n\\set ON_ERROR_STOP on\nSELECT 1;\n";
    let of = |name: &str, bytes: &[u8]| {
        let members = [("globals.sql", GLOBALS), ("dumps/a.sql", SQL), (name, bytes)];
        let inventory = inspected("c.tar", &tar(&members));
        assert_eq!(inventory.databases[0].name, "a");
        codes(&inventory)
    };
    for (name, bytes) in [
        ("metadata.json", &b"{}"[..]),
        ("metadata.json", b"{\"a\": 1}"),
        ("logs/run.json", b"{\n  \"a\": [1, 2]\n}\n"),
        ("logs/runs.json", b"[{\"a\": 1}]"),
        ("README.md", b"# Restore\n\nUse psql.\n"),
        ("hello.txt", b"hello"),
        ("restore.sql", script),
        ("hello.sql", b"hello"),
    ] {
        assert_eq!(of(name, bytes), [FindingCode::MemberIgnored], "{name}");
    }
    assert_eq!(of("metadata.json.gz", &gzip(b"{\"a\": 1}")), [FindingCode::MemberIgnored]);
    // Any of these may be the only dump of its database.
    for (name, bytes) in [
        ("dumps/metadata.json", &b"{}"[..]),
        ("dumps/README", b"hello"),
        ("shop", DUMP),
        ("shop.txt", SQL),
        ("shop.bz2", b"BZh91AY&SY"),
        ("shop.enc", b"Salted__12345678"),
        ("shop.sqlite", b"SQLite format 3\0"),
    ] {
        assert_eq!(of(name, bytes), [FindingCode::FormatNotSupported], "{name}");
    }
    assert_eq!(of("shop.sql", &SQL[..SQL.len() / 2]), [FindingCode::DumpTruncated]);
    assert_eq!(
        of("shop.sql", b"COPY public.t (a) FROM stdin;\n1\n\\.\n"),
        [FindingCode::EndUnmarked]
    );
    assert_eq!(
        of("shop.sql", &script.repeat(2000)),
        [FindingCode::MetaCommand, FindingCode::EndUnmarked]
    );
    let cut = gzip(SQL);
    assert_eq!(of("shop.sql.gz", &cut[..cut.len() / 2]), [FindingCode::DumpTruncated]);
    let alone = inspected("c.tar", &tar(&[("globals.sql", GLOBALS), ("shop.sql", b"SELECT 1;\n")]));
    assert_eq!(codes(&alone), [FindingCode::EndUnmarked]);
}

#[test]
fn nothing_that_stands_in_a_dumps_place_is_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let temp = tempfile::tempdir().unwrap();
    let at = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
    for (name, bytes) in [("a.sql", SQL), ("globals.sql", GLOBALS), ("notes", b"x")] {
        fs::write(at.join(name), bytes).unwrap();
    }
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pgdump/15-dir");
    // A folder with globals and one dump, and what `change` makes of it.
    let read = |change: &dyn Fn(&Utf8Path)| {
        let folder = tempfile::tempdir_in(temp.path()).unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("c")).unwrap();
        fs::create_dir_all(path.join("dumps")).unwrap();
        fs::copy(at.join("globals.sql"), path.join("globals.sql")).unwrap();
        fs::copy(at.join("a.sql"), path.join("dumps/a.sql")).unwrap();
        change(&path);
        inspect(&path, &mut |_, _| {})
    };
    let link = |target: &str, name: &str| {
        let (target, name) = (at.join(target), name.to_owned());
        read(&move |path| symlink(&target, path.join(&name)).unwrap())
    };
    assert_eq!(codes(&read(&|_| {})), []);
    for (target, name, database) in [
        ("gone.dump", "dumps/shop.dump", Some("shop")),
        ("a.sql", "dumps/shop.sql", Some("shop")),
        ("a.sql", "shop.sql", Some("shop")),
        ("a.sql", "dumps/x", None),
        (fixture, "dumps/shop", None),
        (fixture, "shop", None),
    ] {
        let found = link(target, name);
        assert_eq!(codes(&found), [FindingCode::UnsafeMember], "{name}: {:?}", found.findings);
        assert_eq!(found.findings[0].object, Some(format!("member {name}")));
        assert_eq!(found.findings[0].database.as_deref(), database, "{name}");
        assert_eq!(found.findings[0].cause.as_deref(), Some("it is a link"));
    }
    for (target, name) in [("notes", "notes"), ("gone", "latest"), ("/", "root")] {
        assert_eq!(codes(&link(target, name)), [FindingCode::MemberIgnored], "{name}");
    }
    let piped = read(&|path| {
        let pipe = path.join("dumps/shop.dump");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    });
    assert_eq!(codes(&piped), [FindingCode::UnsafeMember]);
    let latin = read(&|path| {
        let name = std::ffi::OsStr::from_bytes(b"m\xfcller.sql");
        fs::write(path.join("dumps").as_std_path().join(name), SQL).unwrap();
    });
    assert_eq!(codes(&latin), [FindingCode::UnsafeMember]);
    assert!(latin.findings[0].cause.as_ref().unwrap().contains("UTF-8"), "{:?}", latin.findings);
    // Neither are they taken for what is not there.
    let globals = read(&|path| {
        fs::remove_file(path.join("globals.sql")).unwrap();
        symlink(at.join("globals.sql"), path.join("globals.sql")).unwrap();
    });
    assert_eq!(codes(&globals), [FindingCode::UnsafeMember]);
    let no_dump = read(&|path| {
        fs::remove_file(path.join("dumps/a.sql")).unwrap();
        symlink(at.join("a.sql"), path.join("dumps/a.sql")).unwrap();
    });
    assert_eq!(codes(&no_dump), [FindingCode::UnsafeMember]);
    let gone = read(&|path| {
        fs::remove_dir_all(path.join("dumps")).unwrap();
        symlink(at.join("gone"), path.join("dumps")).unwrap();
    });
    assert_eq!(codes(&gone), [FindingCode::UnsafeMember]);
    // A folder of dumps may be a link, and one in it is no hiding place.
    let moved = read(&|path| {
        fs::rename(path.join("dumps"), path.join("../moved")).unwrap();
        symlink("../moved", path.join("dumps")).unwrap();
    });
    assert_eq!(codes(&moved), []);
    assert_eq!(moved.databases.len(), 1);
    let deep = read(&|path| {
        fs::create_dir(path.join("dumps/old")).unwrap();
        fs::write(path.join("dumps/old/shop.sql"), &SQL[..SQL.len() / 2]).unwrap();
    });
    assert_eq!(codes(&deep), [FindingCode::DumpTruncated]);
}

#[test]
fn a_link_among_the_files_of_a_directory_dump_is_all_that_is_said_of_it() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pgdump/15-dir");
    let names: Vec<_> = fs::read_dir(fixture).unwrap().map(|e| e.unwrap().file_name()).collect();
    let is_rows = |name: &&std::ffi::OsString| name.to_string_lossy().contains(".dat");
    for in_cluster in [false, true] {
        for linked in names.iter().filter(is_rows) {
            let temp = tempfile::tempdir().unwrap();
            let path = Utf8PathBuf::from_path_buf(temp.path().join("c")).unwrap();
            let folder = if in_cluster { path.join("dumps/shop") } else { path.clone() };
            fs::create_dir_all(&folder).unwrap();
            if in_cluster {
                fs::write(path.join("globals.sql"), GLOBALS).unwrap();
            }
            for name in &names {
                let (from, to) =
                    (std::path::Path::new(fixture).join(name), folder.as_std_path().join(name));
                if name == linked {
                    symlink(from, to).unwrap();
                } else {
                    fs::copy(from, to).unwrap();
                }
            }
            let found = inspect(&path, &mut |_, _| {});
            let bad: Vec<_> = codes(&found)
                .into_iter()
                .filter(|code| code.class() != FindingClass::Notice)
                .collect();
            assert_eq!(bad, [FindingCode::UnsafeMember], "{linked:?}");
            let of = found.findings.iter().find_map(|finding| finding.database.as_deref());
            assert_eq!(of, Some(found.databases[0].name.as_str()), "{linked:?}");
        }
    }
}

#[test]
fn what_was_not_read_is_not_missing() {
    let twice = gzip(&gzip(SQL));
    let window = [&zstd(SQL, true)[..], &[0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3, 1, 0, 0]].concat();
    for info in [
        r#"{"databases":[{"database":"a"},{"database":"b"},{"database":"c"}]}"#,
        r#"{"database_count":3,"success_count":3}"#,
    ] {
        let of = |middle: (&str, &[u8]), last: &[(&str, &[u8])]| {
            let members =
                [&[("globals.sql", GLOBALS), ("dumps/a.sql", SQL), middle], last].concat();
            let temp = tempfile::tempdir().unwrap();
            let path = Utf8PathBuf::from_path_buf(temp.path().join("c.tar")).unwrap();
            fs::write(&path, tar(&members)).unwrap();
            fs::write(format!("{path}.info"), info).unwrap();
            codes(&inspect(&path, &mut |_, _| {}))
        };
        let c: &[(&str, &[u8])] = &[("dumps/c.sql", SQL)];
        assert_eq!(of(("dumps/b.sql", SQL), c), []);
        assert_eq!(of(("dumps/b.sql", SQL), &[]), [FindingCode::DatabaseMissing]);
        assert_eq!(of(("dumps/b.sql.gz", &twice), c), [FindingCode::FormatNotSupported]);
        assert_eq!(of(("dumps/b.sql.zst", &window), c), [FindingCode::FormatNotSupported]);
    }
}

#[test]
fn globals_of_another_name_are_pointed_at() {
    let packed = gzip(GLOBALS);
    for (name, bytes) in [
        ("globals.sql.gz", &packed[..]),
        ("Globals.sql", GLOBALS),
        ("GLOBALS.SQL", GLOBALS),
        ("globals.txt", GLOBALS),
    ] {
        let members = [(name, bytes), ("dumps/a.sql", SQL)];
        for inventory in [inspected("c.tar", &tar(&members)), inspected_folder("c", &members)] {
            let missing = |found: &&Finding| found.code == FindingCode::GlobalsMissing;
            let found = inventory.findings.iter().find(missing).unwrap();
            assert!(found.cause.as_ref().unwrap().contains(name), "{found:?}");
            assert!(found.remedy[0].contains("`globals.sql`"), "{found:?}");
        }
    }
    let none = inspected("c.tar", &tar(&[("dumps/a.sql", SQL)]));
    assert_eq!((codes(&none), &none.findings[0].cause), (vec![FindingCode::GlobalsMissing], &None));
}
