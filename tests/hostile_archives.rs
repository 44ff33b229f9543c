//! Archives that were made to hurt whoever reads them: each is answered with a finding, in little
//! memory, and nothing is written anywhere.
//!
//! The program runs in a container with 128 MiB of memory and a root that nobody can write to.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "the table is for people")]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;

use serde_json::Value;
use support::{Bench, LOCAL_MAJOR, docker, gzip, image, tar};

const GLOBALS: &[u8] = b"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE a;\n\n\
    --\n-- PostgreSQL database cluster dump complete\n--\n\n";
const DUMP: &[u8] = include_bytes!("fixtures/custom/15.dump");

/// A tar archive of globals and one more member.
fn with_member(change: impl Fn(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(GLOBALS.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "globals.sql", GLOBALS).unwrap();
    change(&mut builder);
    builder.into_inner().unwrap()
}

fn named(name: &'static str) -> Vec<u8> {
    with_member(|builder| {
        let mut header = tar::Header::new_ustar();
        // The builder itself refuses such names.
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(DUMP.len() as u64);
        header.set_cksum();
        builder.append(&header, DUMP).unwrap();
    })
}

fn of_type(kind: tar::EntryType) -> Vec<u8> {
    with_member(|builder| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        if kind.is_symlink() || kind.is_hard_link() {
            builder.append_link(&mut header, "dumps/kasse.dump", "/etc/passwd").unwrap();
        } else {
            header.set_device_major(1).unwrap();
            header.set_device_minor(5).unwrap();
            builder.append_data(&mut header, "dumps/kasse.dump", &b""[..]).unwrap();
        }
    })
}

/// The extended header says another size than the header.
fn two_sizes() -> Vec<u8> {
    with_member(|builder| {
        builder.append_pax_extensions([("size", &b"512"[..])]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(DUMP.len() as u64);
        builder.append_data(&mut header, "dumps/kasse.dump", DUMP).unwrap();
    })
}

/// An extended header that goes on for a gigabyte of zeros.
fn endless_extension() -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_path("x").unwrap();
    header.set_size(1 << 30);
    header.set_cksum();
    let zeros = gzip(&vec![0; 64 << 20]);
    let mut bytes = gzip(header.as_bytes());
    (0..16).for_each(|_| bytes.extend_from_slice(&zeros));
    bytes
}

/// A Zstandard frame of blocks that each say one byte 131072 times (RFC 8878, section 3.1.1).
fn zstd_bomb(blocks: u32) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    for block in 0..blocks {
        let header = (131_072 << 3) | (1 << 1) | u32::from(block + 1 == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b'-');
    }
    frame
}

/// One comment, compressed twice: 16 GiB in some kilobytes.
fn gzip_bomb() -> Vec<u8> {
    let inner = gzip(&vec![b'-'; 64 << 20]).repeat(256);
    gzip(&tar(&[
        ("dumps/a.sql.gz".to_owned(), inner),
        ("globals.sql".to_owned(), GLOBALS.to_vec()),
    ]))
}

/// One statement without an end.
fn endless_statement() -> Vec<u8> {
    let mut bytes = gzip(b"--\n-- PostgreSQL database dump\n--\n\nSELECT '");
    let part = gzip(&vec![b'a'; 64 << 20]);
    (0..4).for_each(|_| bytes.extend_from_slice(&part));
    bytes
}

/// `PGDMP`, a header, and a table of contents of so many entries.
fn contents(entries: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let mut bytes = DUMP[..11].to_vec();
    // No compression, no date, and three empty texts (`WriteHead` in pg_backup_archiver.c).
    for number in [0_u32; 8] {
        bytes.push(0);
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for _ in 0..3 {
        bytes.extend_from_slice(&[0, 0, 0, 0, 0]);
    }
    bytes.push(0);
    bytes.extend_from_slice(&entries);
    bytes.extend_from_slice(rest);
    bytes
}

/// Ends within a number of members beyond all reason.
fn many_members() -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_path("dumps/a.dump").unwrap();
    header.set_cksum();
    let part = gzip(&header.as_bytes().repeat(8192));
    let mut bytes = Vec::new();
    (0..128).for_each(|_| bytes.extend_from_slice(&part));
    bytes
}

/// A Zstandard frame that asks for a window of 2 GiB.
fn huge_window() -> Vec<u8> {
    let mut frame = zstd_bomb(8);
    frame[5] = (31 - 10) << 3;
    frame
}

#[test]
fn each_is_answered_in_little_memory_and_writes_nothing() {
    let all: [(&str, Vec<u8>, &str, i64); 15] = [
        ("traversal.tar", named("dumps/../../../etc/kasse.dump"), "unsafe_member", 1),
        ("absolute.tar", named("/etc/kasse.dump"), "unsafe_member", 1),
        ("symlink.tar", of_type(tar::EntryType::Symlink), "unsafe_member", 1),
        ("hardlink.tar", of_type(tar::EntryType::Link), "unsafe_member", 1),
        ("device.tar", of_type(tar::EntryType::Block), "unsafe_member", 1),
        ("two-sizes.tar", two_sizes(), "unsafe_member", 1),
        ("endless-extension.tar.gz", endless_extension(), "archive_damaged", 1),
        ("bomb.sql.zst", zstd_bomb(1 << 20), "expansion_limit", 2),
        ("bomb.tar.gz", gzip_bomb(), "expansion_limit", 2),
        ("endless-statement.sql.gz", endless_statement(), "dump_truncated", 1),
        ("entries.dump", contents([0xff, 0xff, 0xff, 0x7f], b""), "dump_truncated", 1),
        ("entry.dump", contents([1, 0, 0, 0], &[0, 1, 0, 0, 0].repeat(2)), "dump_truncated", 1),
        (
            "long-text.dump",
            contents([1, 0, 0, 0], &[0, 0xff, 0xff, 0xff, 0x7f].repeat(5)),
            "dump_truncated",
            1,
        ),
        ("many-members.tar.gz", many_members(), "duplicate_member", 1),
        ("window.sql.zst", huge_window(), "format_not_supported", 2),
    ];
    let bench = Bench::new();
    let name = format!("hostile-archives-{}", std::process::id());
    let ok = |args: &[&str]| {
        let output = docker(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let archives = bench.path("archives");
    for (file, bytes, _, _) in &all {
        bench.write(&format!("archives/{file}"), bytes);
    }
    let script = "cd /archives && for file in *; do \
        SECONDS=0; timeout 120 /opt/pgdrill verify $file --json /dev/shm/r &>/dev/null; code=$?; \
        echo; echo \"== $file $code $SECONDS\"; cat /dev/shm/r; done";
    #[rustfmt::skip]
    ok(&[
        "create", "--name", &name, "--network", "none", "--memory", "128m", "--user", "root",
        "--env", "PGDRILL_HOME=/nowhere/state", "--env", "HOME=/nowhere", "--tmpfs", "/var/lib/postgresql/data",
        &image(LOCAL_MAJOR), "bash", "-c", script,
    ]);
    ok(&["cp", "-q", env!("CARGO_BIN_EXE_pgdrill"), &format!("{name}:/opt/pgdrill")]);
    ok(&["cp", "-q", archives.to_str().unwrap(), &format!("{name}:/archives")]);
    let written = || {
        let diff = ok(&["diff", &name]);
        diff.lines().map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let before = written();
    let printed = ok(&["start", "--attach", &name]);
    let after = written();
    let killed = ok(&["inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", &name]);
    ok(&["rm", "-f", "-v", &name]);
    let mut out = std::io::stdout().lock();
    let mut wrong = Vec::new();
    for (file, _, code, exit) in &all {
        let found = printed.split("\n== ").find_map(|part| part.strip_prefix(&format!("{file} ")));
        let (status, report) = found.unwrap().split_once('\n').unwrap();
        let json: Value = serde_json::from_str(report).unwrap_or_default();
        let scenario = &json["scenarios"][0];
        let of_dumps = scenario["databases"].as_array().into_iter().flatten();
        let lists = of_dumps.map(|dump| &dump["findings"]).chain([&scenario["findings"]]);
        let codes: BTreeSet<&str> = lists
            .filter_map(Value::as_array)
            .flatten()
            .map(|finding| finding["code"].as_str().unwrap())
            .collect();
        writeln!(
            out,
            "{file:<28} exit, seconds {status:<6} {}",
            Vec::from_iter(codes.clone()).join(", ")
        )
        .unwrap();
        if status.split(' ').next() != Some(&exit.to_string()) || !codes.contains(code) {
            wrong.push((file, code, exit));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(killed.trim(), "false 0");
    assert_eq!(before, after, "something was written");
}
