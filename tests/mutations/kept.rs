//! One database and its cluster, kept in every format.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::support::encrypt::encrypted;
use crate::support::{Source, gzip, lz4, tar, zstd};

const ROLES: &str = "
create role clerk login connection limit 3 password 'of nobody';
create role staff;
grant staff to clerk;
comment on role staff is 'who works here';
";

const DATABASE: &str = "
create schema app;
create type app.mood as enum ('ok', 'not ok');
create table app.orders (id int primary key, mood app.mood not null, note text, at timestamptz, token text);
insert into app.orders select n, (array['ok', 'not ok'])[1 + n % 2]::app.mood, 'note ' || n,
    timestamptz '2026-01-01 00:00+00' + n * interval '1 hour', md5(n::text)
    from generate_series(1, 150) n;
create table app.items (id int primary key, of int references app.orders, what text);
insert into app.items select n, 1 + n % 150, repeat(chr(97 + n % 26), n % 40) from generate_series(1, 90) n;
create table app.nothing ();
insert into app.nothing default values;
create view app.totals as select of, count(*) as items from app.items group by of;
create function app.twice(int) returns int language sql as 'select 2 * $1';
select lo_from_bytea(70001, decode(repeat('c0ffee', 200), 'hex'));
create sequence app.numbers start 7;
comment on table app.orders is 'what was ordered';
alter database shop set work_mem = '5MB';
comment on database shop is 'where it is sold';
";

/// Files by their paths.
pub(crate) type Files = Vec<(String, Vec<u8>)>;
type Turn<T> = Box<dyn Fn(&Files) -> T + Send + Sync>;

/// A way to keep the same database, or the cluster it is in.
pub(crate) struct Format {
    pub(crate) name: &'static str,
    /// What is damaged: one of these, chosen at random.
    pub(crate) files: Files,
    /// What of the disk is named as the backup.
    pub(crate) backup: &'static str,
    /// What lies on disk, from `files`.
    on_disk: Option<Turn<Files>>,
    /// What the writer's own tools restore, from `files`; nothing where they cannot be unpacked.
    restored: Option<Turn<Option<Files>>>,
    /// Checksums around it were made after the damage was done, and hold.
    pub(crate) is_sealed: bool,
    pub(crate) is_encrypted: bool,
}

impl Format {
    fn of(name: &'static str, backup: &'static str, files: Files) -> Self {
        let (on_disk, restored) = (None, None);
        Self { name, files, backup, on_disk, restored, is_sealed: false, is_encrypted: false }
    }

    fn single(name: &'static str, backup: &'static str, bytes: Vec<u8>) -> Self {
        Self::of(name, backup, vec![(backup.to_owned(), bytes)])
    }

    /// Restored is what comes out of the one file.
    fn opened(mut self, open: impl Fn(&[u8]) -> Option<Files> + Send + Sync + 'static) -> Self {
        self.restored = Some(Box::new(move |files| open(&files[0].1)));
        self
    }

    /// On disk the one file is wrapped, which its writer did after the damage.
    fn sealed(mut self, name: &'static str, backup: &'static str, wrap: Wrap) -> Self {
        (self.name, self.backup, self.is_sealed) = (name, backup, true);
        self.on_disk = Some(Box::new(move |files| vec![(backup.to_owned(), wrap(&files[0].1))]));
        self
    }

    pub(crate) fn on_disk(&self, files: &Files) -> Files {
        self.on_disk.as_ref().map_or_else(|| files.clone(), |turn| turn(files))
    }

    pub(crate) fn restored(&self, files: &Files) -> Option<Files> {
        self.restored.as_ref().map_or_else(|| Some(files.clone()), |turn| turn(files))
    }
}

type Wrap = fn(&[u8]) -> Vec<u8>;
type Unwrap = fn(&[u8]) -> Option<Vec<u8>>;

fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut out).ok().map(|_| out)
}

fn unzstd(bytes: &[u8]) -> Option<Vec<u8>> {
    zstd::stream::decode_all(bytes).ok()
}

fn unlz4(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut out).ok().map(|_| out)
}

/// The files of a tar archive.
fn untar(bytes: &[u8]) -> Option<Files> {
    let mut files = Files::new();
    for member in tar::Archive::new(bytes).entries().ok()? {
        let mut member = member.ok()?;
        if !member.header().entry_type().is_file() {
            continue;
        }
        let name = member.path().ok()?.to_str()?.trim_start_matches("./").to_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).ok()?;
        files.push((name, content));
    }
    Some(files)
}

/// Without the folder that they are in.
fn inside(files: &Files) -> Files {
    let bare = |(path, bytes): &(String, Vec<u8>)| {
        (path.split_once('/').unwrap().1.to_owned(), bytes.clone())
    };
    files.iter().map(bare).collect()
}

pub(crate) fn formats(source: &Source) -> Vec<Format> {
    source.psql("postgres", ROLES);
    source.psql("postgres", "create database shop");
    source.psql("shop", DATABASE);
    let dump = |options: &[&str]| source.dump("shop", options);
    let custom = |codec: &str| dump(&["--format=custom", &format!("--compress={codec}")]);
    let folder = |codec: &str| {
        let script = format!(
            "rm -rf /tmp/d && pg_dump -h /tmp -U postgres -Fd --compress={codec} -f /tmp/d shop \
             && tar -C /tmp/d -cf - ."
        );
        untar(&source.output(&["sh", "-c", &script])).unwrap()
    };
    let below = |at: &str, files: Files| -> Files {
        files.into_iter().map(|(name, bytes)| (format!("{at}/{name}"), bytes)).collect()
    };
    let directory = |name, codec| Format::of(name, "shop", below("shop", folder(codec)));
    let plain = dump(&["--format=plain"]);
    let script = source.output(&["pg_dumpall", "-h", "/tmp", "-U", "postgres"]);
    let globals = ("globals.sql".to_owned(), source.globals());
    let cluster = vec![("dumps/shop.dump".to_owned(), custom("gzip")), globals.clone()];
    let mut with_folder = below("dumps/shop", folder("gzip"));
    with_folder.push(globals);
    let archive = tar(&cluster);
    let sql = || Format::single("plain", "shop.sql", plain.clone());
    let tarball = || {
        Format::single("cluster tar", "cluster_20260101_000000.tar", archive.clone()).opened(untar)
    };
    let kept_in_folder = Format::of(
        "cluster folder",
        "cluster_20260101_000000",
        below("cluster_20260101_000000", cluster),
    );
    let mut all = vec![
        Format::single("custom, gzip", "shop.dump", custom("gzip")),
        Format::single("custom, none", "shop.dump", custom("none")),
        Format::single("custom, lz4", "shop.dump", custom("lz4")),
        Format::single("custom, zstd", "shop.dump", custom("zstd")),
        directory("directory, gzip", "gzip"),
        directory("directory, none", "none"),
        directory("directory, lz4", "lz4"),
        directory("directory, zstd", "zstd"),
        Format::single("tar", "shop.tar", dump(&["--format=tar"])),
        sql(),
        Format::single("plain, inserts", "shop.sql", dump(&["--format=plain", "--inserts"])),
        Format::single("pg_dumpall", "all.sql", script.clone()),
        Format { restored: Some(Box::new(|files| Some(inside(files)))), ..kept_in_folder },
        tarball(),
        Format::single("cluster tar, directory", "cluster_20260101_000000.tar", tar(&with_folder))
            .opened(untar),
        Format::single("", "shop.dump", custom("none")).sealed(
            "custom, none, in gzip",
            "shop.dump.gz",
            gzip,
        ),
        sql().sealed("plain, in gzip", "shop.sql.gz", gzip),
        sql().sealed("plain, in zstd", "shop.sql.zst", zstd),
        sql().sealed("plain, in lz4", "shop.sql.lz4", lz4),
        Format::single("", "all.sql", script).sealed("pg_dumpall, in gzip", "all.sql.gz", gzip),
        tarball().sealed("cluster tar, in gzip", "cluster_20260101_000000.tar.gz", gzip),
        tarball().sealed("cluster tar, in zstd", "cluster_20260101_000000.tar.zst", zstd),
        tarball().sealed("cluster tar, in lz4", "cluster_20260101_000000.tar.lz4", lz4),
    ];
    let outer: [(_, _, _, _, Wrap, Unwrap); 3] = [
        (
            "plain.gz",
            "shop.sql.gz",
            "cluster tar.gz",
            "cluster_20260101_000000.tar.gz",
            gzip,
            gunzip,
        ),
        (
            "plain.zst",
            "shop.sql.zst",
            "cluster tar.zst",
            "cluster_20260101_000000.tar.zst",
            zstd,
            unzstd,
        ),
        (
            "plain.lz4",
            "shop.sql.lz4",
            "cluster tar.lz4",
            "cluster_20260101_000000.tar.lz4",
            lz4,
            unlz4,
        ),
    ];
    for (of_plain, plain_name, of_cluster, cluster_name, wrap, unwrap) in outer {
        let one = move |bytes: &[u8]| Some(vec![("shop.sql".to_owned(), unwrap(bytes)?)]);
        let several = move |bytes: &[u8]| untar(&unwrap(bytes)?);
        all.push(Format::single(of_plain, plain_name, wrap(&plain)).opened(one));
        all.push(Format::single(of_cluster, cluster_name, wrap(&archive)).opened(several));
    }
    // In chunks that are smaller than dbbackup's, so that there are some.
    let closed = encrypted(&gzip(&archive), 1000);
    let mut of_closed =
        Format::single("cluster tar.gz, encrypted", "cluster_20260101_000000.tar.gz", closed);
    of_closed.is_encrypted = true;
    // Whoever lacks the key sees no difference between a good and a damaged one: opened for the
    // comparison with the undamaged one only, every byte has to be covered by the reading.
    let undamaged = of_closed.files[0].1.clone();
    all.push(of_closed.opened(move |bytes| {
        assert!(bytes == undamaged, "a damaged encrypted backup reads as a good one");
        untar(&archive)
    }));
    all
}

pub(crate) fn write(folder: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
