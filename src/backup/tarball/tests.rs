use std::fs;
use std::io::{self, Cursor, Read};
use std::process::Command;

use super::{BLOCK, End, Kind, TarMember, TarReader};

/// A header block of a file.
fn header(name: &str, size: u64, typeflag: u8) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len().min(100)]
        .copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
    header.set_size(size);
    header.set_mode(0o644);
    header.as_mut_bytes()[156] = typeflag;
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(BLOCK), 0);
    data
}

fn file(name: &str, data: &[u8]) -> Vec<u8> {
    [header(name, data.len() as u64, b'0'), padded(data)].concat()
}

fn records(of: &[(&str, &str)]) -> Vec<u8> {
    let record = |(keyword, value): &(&str, &str)| {
        let bare = keyword.len() + value.len() + 3;
        let length =
            (1..9).map(|digits: usize| bare + digits).find(|l| l.to_string().len() + bare == *l);
        format!("{} {keyword}={value}\n", length.unwrap())
    };
    of.iter().map(record).collect::<String>().into_bytes()
}

fn extended(typeflag: u8, of: &[(&str, &str)]) -> Vec<u8> {
    let text = records(of);
    [header("PaxHeaders/x", text.len() as u64, typeflag), padded(&text)].concat()
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

fn walk(reader: impl Read) -> io::Result<(Vec<TarMember>, End)> {
    let mut archive = TarReader::new(reader);
    let mut members = Vec::new();
    while let Some(member) = archive.next()? {
        members.push(member);
    }
    Ok((members, archive.finish()?))
}

/// The members of some blocks with an end behind them.
fn members(parts: &[Vec<u8>]) -> io::Result<Vec<TarMember>> {
    let (members, how) = walk(&[parts.concat(), end()].concat()[..])?;
    assert_eq!(how, End::Whole);
    Ok(members)
}

fn kinds(parts: &[Vec<u8>]) -> Vec<Kind> {
    members(parts).unwrap().into_iter().map(|member| member.kind).collect()
}

#[test]
fn archives_of_gnu_tar_are_read_in_every_format() {
    let temp = tempfile::tempdir().unwrap();
    let dumps = temp.path().join("dumps");
    fs::create_dir(&dumps).unwrap();
    let short = ["a.dump", "b c.sql.gz"].map(str::to_owned);
    let long = [format!("{}.dump", "n".repeat(150)), format!("größe-{}.dump", "ö".repeat(90))];
    for (index, name) in short.iter().chain(&long).enumerate() {
        fs::write(dumps.join(name), vec![b'x'; index * 700 + 1]).unwrap();
    }
    for format in ["v7", "ustar", "gnu", "oldgnu", "pax", "posix"] {
        let names: Vec<&String> = match format {
            "v7" | "ustar" => short.iter().collect(),
            _ => short.iter().chain(&long).collect(),
        };
        for prefix in ["", "./"] {
            let wanted: Vec<String> =
                names.iter().map(|name| format!("{prefix}dumps/{name}")).collect();
            let output = Command::new("tar")
                .arg(format!("--format={format}"))
                .args(["--create", "--file=-", "--no-recursion", "--directory"])
                .arg(temp.path())
                .arg(format!("{prefix}dumps"))
                .args(&wanted)
                .output()
                .expect("GNU tar");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(super::is_header(&output.stdout));
            let (members, how) = walk(&output.stdout[..]).unwrap();
            assert_eq!(how, End::Whole);
            assert_eq!(members[0].kind, Kind::Folder, "{format}");
            let shown = |member: &TarMember| {
                (String::from_utf8_lossy(&member.name).into_owned(), member.kind, member.bytes)
            };
            let files: Vec<_> = members[1..].iter().map(shown).collect();
            let expected: Vec<_> = (wanted.into_iter().enumerate())
                .map(|(index, name)| (name, Kind::File, index as u64 * 700 + 1))
                .collect();
            assert_eq!(files, expected, "{format}");
        }
    }
}

#[test]
fn sparse_members_are_known_in_each_of_gnu_tars_ways() {
    let temp = tempfile::tempdir().unwrap();
    let holes = fs::File::create(temp.path().join("holes.dump")).unwrap();
    for at in [0u64, 1 << 20, 3 << 20, 5 << 20, 7 << 20, 9 << 20] {
        std::os::unix::fs::FileExt::write_all_at(&holes, b"data", at).unwrap();
    }
    fs::write(temp.path().join("next.sql"), "select 1;").unwrap();
    for options in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let output = Command::new("tar")
            .args(options)
            .args(["--sparse", "--hole-detection=raw", "--create", "--file=-", "--directory"])
            .arg(temp.path())
            .args(["holes.dump", "next.sql"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (members, how) = walk(&output.stdout[..]).unwrap();
        let found: Vec<_> = members.iter().map(|member| (member.kind, member.bytes)).collect();
        assert_eq!(how, End::Whole);
        assert_eq!(found.len(), 2, "{options:?}");
        assert_eq!((found[0].0, found[1]), (Kind::Sparse, (Kind::File, 9)), "{options:?}");
        assert_eq!(members[1].name, b"next.sql");
    }
}

#[test]
fn what_other_programs_write_is_no_contradiction() {
    let long = format!("dumps/{}.dump", "n".repeat(150));
    let accented = "dumps/größe.dump";
    let is_file = |parts: &[Vec<u8>], name: &str| {
        let all = members(parts).unwrap();
        assert_eq!((all.len(), all[0].kind), (1, Kind::File), "{name}");
        assert_eq!(String::from_utf8_lossy(&all[0].name), name);
    };
    // Go's archive/tar cuts the name, and leaves out what is not ASCII.
    is_file(&[extended(b'x', &[("path", &long)]), file(&long, b"x")], &long);
    is_file(&[extended(b'x', &[("path", accented)]), file("dumps/gre.dump", b"x")], accented);
    // Python's tarfile.
    is_file(&[extended(b'x', &[("path", accented)]), file("dumps/gr??e.dump", b"x")], accented);
    // bsdtar keeps the end of a name and leaves out parts of its folders.
    let deep = format!("{}/dumps/shop.dump", "folder/".repeat(40));
    is_file(
        &[extended(b'x', &[("path", &deep)]), file("folder/folder/dumps/shop.dump", b"x")],
        &deep,
    );
    // Times and owners say nothing about the member; a global comment (git archive) neither.
    let times = extended(b'x', &[("mtime", "1769740000.123"), ("uname", "postgres")]);
    is_file(&[extended(b'g', &[("comment", "abc")]), times, file("a.dump", b"x")], "a.dump");
    // A volume's label, and a folder of Version 7.
    assert_eq!(kinds(&[header("nightly", 0, b'V'), file("a.dump", b"x")]), [Kind::File]);
    assert_eq!(kinds(&[header("dumps/", 0, 0), file("a.dump", b"x")]), [Kind::Folder, Kind::File]);
}

#[test]
fn headers_that_contradict_each_other_are_unsafe() {
    let is_unsafe = |parts: &[Vec<u8>]| {
        let found = kinds(parts);
        assert!(matches!(found[..], [Kind::Unsafe(_), Kind::File]), "{found:?}");
    };
    let next = || file("next.sql", b"select 1;");
    // One program would restore `shop`, another `crm`.
    is_unsafe(&[
        extended(b'x', &[("path", "dumps/crm.dump")]),
        file("dumps/shop.dump", b"x"),
        next(),
    ]);
    is_unsafe(&[extended(b'x', &[("path", "../x")]), file("dumps/shop.dump", b"x"), next()]);
    let long = format!("dumps/{}.dump", "n".repeat(150));
    is_unsafe(&[extended(b'x', &[("path", &long)]), file("dumps/shop.dump", b"x"), next()]);
    let long_name = [header("././@LongLink", 10, b'L'), padded(b"dumps/crm\0")].concat();
    is_unsafe(&[long_name, file("dumps/shop.dump", b"x"), next()]);
    // One program would take the data for headers, another not.
    let hidden = [header("a.dump", 0, b'0'), file("hidden.dump", b"")].concat();
    is_unsafe(&[extended(b'x', &[("size", "512")]), hidden, next()]);
    is_unsafe(&[
        extended(b'x', &[("size", "9")]),
        header("a.dump", 10, b'0'),
        padded(b"0123456789"),
        next(),
    ]);
    is_unsafe(&[extended(b'g', &[("path", "dumps/crm.dump")]), next()]);
}

#[test]
fn what_is_no_file_is_unsafe() {
    for (typeflag, why) in [
        (b'1', "link"),
        (b'2', "link"),
        (b'3', "device"),
        (b'4', "device"),
        (b'6', "pipe"),
        (b'Z', "neither"),
    ] {
        let found = kinds(&[header("dumps/a.dump", 0, typeflag), file("b.sql", b"x")]);
        let [Kind::Unsafe(cause), Kind::File] = found[..] else { panic!("{found:?}") };
        assert!(cause.contains(why), "{cause}");
    }
}

/// Gives bytes without making them.
struct Hole(u64);

impl Read for Hole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.0).unwrap_or(usize::MAX).min(buffer.len());
        self.0 -= count as u64;
        Ok(count)
    }
}

#[test]
fn members_may_be_larger_than_eight_gibibytes() {
    let size: u64 = (9 << 30) + 100;
    let decimal = size.to_string();
    let pax = extended(b'x', &[("size", &decimal)]);
    let modulo = size % (1 << 33);
    for front in [
        header("big.dump", size, b'0'),
        [pax.clone(), header("big.dump", 0, b'0')].concat(),
        [pax.clone(), header("big.dump", size, b'0')].concat(),
        [pax.clone(), header("big.dump", (1 << 33) - 1, b'0')].concat(),
        [pax, header("big.dump", modulo, b'0')].concat(),
    ] {
        let back = [file("next.sql", b"select 1;"), end()].concat();
        let rest = Hole(size.next_multiple_of(BLOCK as u64));
        let (members, how) = walk(Cursor::new(front).chain(rest).chain(Cursor::new(back))).unwrap();
        assert_eq!(how, End::Whole);
        assert_eq!((members[0].kind, members[0].bytes), (Kind::File, size));
        assert_eq!((members[1].kind, members[1].bytes), (Kind::File, 9));
    }
}

#[test]
fn memory_is_bounded_whatever_a_header_says() {
    for typeflag in [b'x', b'g', b'L', b'K'] {
        let reader = Cursor::new(header("x", 1 << 40, typeflag)).chain(Hole(1 << 40));
        let error = walk(reader).unwrap_err();
        assert!(error.to_string().contains("an extended header of 1099511627776 bytes"), "{error}");
    }
}

#[test]
fn every_cut_and_every_broken_header_shows() {
    let pax = extended(b'x', &[("mtime", "1.5")]);
    let whole = [pax, file("a.dump", &[b'x'; 700]), file("b.dump", b"x"), end()].concat();
    assert!(matches!(walk(&whole[..]), Ok((_, End::Whole))));
    let ends = [2560, 3584];
    for cut in 1..whole.len() {
        match walk(&whole[..cut]) {
            Ok((_, End::Unmarked)) => {
                // Between two members, or in the zeros of the end.
                assert!(ends.contains(&cut) || cut > whole.len() - 1024, "cut at {cut}");
            }
            Ok(other) => panic!("cut at {cut}: {other:?}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}"),
        }
    }
    for at in (0..512).chain(1024..1536).chain(2560..3072) {
        let mut changed = whole.clone();
        changed[at] ^= 0x11;
        assert_eq!(walk(&changed[..]).unwrap_err().kind(), io::ErrorKind::InvalidData, "{at}");
    }
    let goes_on = [file("a.dump", b"x"), vec![0; BLOCK], file("b.dump", b"x"), end()].concat();
    assert!(matches!(walk(&goes_on[..]), Ok((_, End::GoesOn))));
    for broken in ["5 a", "99 path=x\n", "x path=y\n", "8 path=x\n", "7 path\n"] {
        let header = [header("x", broken.len() as u64, b'x'), padded(broken.as_bytes())].concat();
        assert!(members(&[header, file("a", b"x")]).is_err(), "{broken:?}");
    }
}
