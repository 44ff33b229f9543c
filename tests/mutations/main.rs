//! Damage of every kind, in every format, inside and outside of any outer compression: what is not
//! found by reading fails the restore, or is harmless, or is what the report says that it cannot see.
//!
//! The suite runs some cases of each kind; `PGDRILL_MUTATIONS=70` runs so many of each, more than
//! 10,000 in all, and `--no-capture` prints the table.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "the table is for people")]

mod damage;
mod kept;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use pgdrill::backup::{BackupInventory, KeyOrigin, Opener, inspect_with};
use pgdrill::finding::FindingClass;

use damage::{MUTATIONS, Mutation, Random, damage};
use kept::{Files, Format, formats, write};
use support::Source;
use support::encrypt::KEY;

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// A finding, before any server.
    Read,
    /// An error of the restore.
    Restore,
    /// The same came out.
    Harmless,
    /// Something else came out, and the report says that it may.
    NoChecksum,
    /// Something else came out, and was damaged before the checksum around it was made: the backup
    /// is what its writer wrote, nobody can tell, and the report says so.
    Sealed,
    /// Something else came out, and nothing says so.
    Silent,
}

const FATES: [(Fate, &str); 6] = [
    (Fate::Read, "read"),
    (Fate::Restore, "restore"),
    (Fate::Harmless, "harmless"),
    (Fate::NoChecksum, "no checksum"),
    (Fate::Sealed, "sealed in"),
    (Fate::Silent, "SILENT"),
];

/// How many cases came to what, by format and kind of damage.
type Table = BTreeMap<(usize, Mutation), BTreeMap<Fate, usize>>;

/// A case that reading has not found.
struct Open {
    format: usize,
    mutation: Mutation,
    case: usize,
    /// Which file is damaged.
    file: String,
    /// What it is if something else comes out.
    otherwise: Fate,
    /// Whether there is something to restore.
    is_unpacked: bool,
}

impl Open {
    /// The folder of what is to be restored.
    fn folder(&self) -> String {
        format!("{}-{:?}-{}", self.format, self.mutation, self.case)
    }
}

fn is_found(inventory: &BackupInventory) -> bool {
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    let of_globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
    let mut all = inventory.findings.iter().chain(of_dumps).chain(of_globals);
    all.any(|finding| finding.class != FindingClass::Notice)
}

/// Everything that the report says of dumps and globals under `not_tested`.
fn not_tested(inventory: &BackupInventory) -> impl Iterator<Item = &String> {
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.not_tested);
    of_dumps.chain(inventory.globals.iter().flat_map(|globals| &globals.not_tested))
}

fn is_said_of_sealed(inventory: &BackupInventory) -> bool {
    not_tested(inventory).any(|text| text.contains("before the checksum around it"))
}

/// Whether the report says that such damage in this file may not be seen.
fn is_said(inventory: &BackupInventory, file: &str, mutation: Mutation) -> bool {
    let about = match file.rsplit('/').next().unwrap() {
        "toc.dat" => "table of contents",
        "globals.sql" => "globals",
        name if name.contains(".dat") => "format with",
        _ => "",
    };
    // A part that is lost is no value that has changed.
    let lost = if mutation == Mutation::Cut { "is cut" } else { "" };
    let mut all = not_tested(inventory).filter(|text| text.contains("no checksum"));
    all.any(|text| text.contains(about) && text.contains(lost))
}

/// Where one thread reads its backups.
struct Desk {
    folder: tempfile::TempDir,
    opener: Opener,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Utf8PathBuf::from_path_buf(folder.path().join("key")).unwrap();
        fs::write(&key, KEY).unwrap();
        Self { folder, opener: Opener::load(Some(&KeyOrigin::File(key))) }
    }

    fn read(&self, format: &Format, files: &Files) -> BackupInventory {
        let disk = self.folder.path().join("disk");
        write(&disk, &format.on_disk(files));
        let backup = Utf8Path::from_path(&disk).unwrap().join(format.backup);
        let opener = if format.is_encrypted { self.opener.clone() } else { Opener::default() };
        let inventory = inspect_with(&backup, &opener, &mut |_, _| {});
        fs::remove_dir_all(&disk).unwrap();
        inventory
    }
}

/// Reads every case of one format; what is not found is left in `to_restore`.
fn read_all(index: usize, format: &Format, cases: usize, to_restore: &Path) -> (Table, Vec<Open>) {
    let desk = Desk::new();
    let sound = desk.read(format, &format.files);
    assert!(!is_found(&sound), "{}: {:?}", format.name, sound.findings);
    write(&to_restore.join(index.to_string()), &format.restored(&format.files).unwrap());
    let (mut table, mut open) = (Table::new(), Vec::new());
    for mutation in MUTATIONS {
        for case in 0..cases {
            let mut random = Random::of(format.name, mutation, case);
            let mut files = format.files.clone();
            let file = random.below(files.len());
            let Some(bytes) = damage(&files[file].1, mutation, &mut random) else { continue };
            files[file].1 = bytes;
            let inventory = desk.read(format, &files);
            if is_found(&inventory) {
                *table.entry((index, mutation)).or_default().entry(Fate::Read).or_default() += 1;
                continue;
            }
            let otherwise = match is_said(&inventory, &files[file].0, mutation) {
                true => Fate::NoChecksum,
                false if format.is_sealed && is_said_of_sealed(&inventory) => Fate::Sealed,
                false => Fate::Silent,
            };
            let restored = format.restored(&files).filter(|files| !files.is_empty());
            let is_unpacked = restored.is_some();
            let file = files[file].0.clone();
            let one = Open { format: index, mutation, case, file, otherwise, is_unpacked };
            restored.inspect(|files| write(&to_restore.join(one.folder()), files));
            open.push(one);
        }
    }
    (table, open)
}

#[test]
fn damage_is_found_or_fails_or_is_harmless_or_is_said_to_be_out_of_reach() {
    let cases: usize =
        std::env::var("PGDRILL_MUTATIONS").map_or(3, |number| number.parse().unwrap());
    let begin = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let to_restore = folder.path().join("files");
    fs::create_dir(&to_restore).unwrap();
    let source = Source::start(17);
    let formats = formats(&source);
    let next = AtomicUsize::new(0);
    let read = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(format) = formats.get(index) else { return done };
            done.push(read_all(index, format, cases, &to_restore));
        }
    };
    let (mut table, mut open) = (Table::new(), Vec::new());
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(read)).collect();
        for (found, left) in readers.into_iter().flat_map(|reader| reader.join().unwrap()) {
            table.extend(found);
            open.extend(left);
        }
    });
    println!("read in {} s, {} cases are left to restore", begin.elapsed().as_secs(), open.len());
    let silent = judge(&source, &to_restore, &formats, &open, &mut table);
    print(&formats, &table);
    println!("{} s", begin.elapsed().as_secs());
    assert!(silent.is_empty(), "something else comes out, and nobody says so: {silent:#?}");
}

/// Enters what became of the open cases, and names those of which nothing speaks.
fn judge(
    source: &Source,
    folder: &Path,
    formats: &[Format],
    open: &[Open],
    table: &mut Table,
) -> Vec<String> {
    let answers: BTreeMap<String, String> = source
        .shell(folder, include_str!("restore.sh"))
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(case, answer)| (case.to_owned(), answer.to_owned()))
        .collect();
    let mut silent = Vec::new();
    for one in open {
        let name = formats[one.format].name;
        let sound = &answers[&one.format.to_string()];
        assert_ne!(sound, "error", "{name}");
        let fate = if !one.is_unpacked || answers[&one.folder()] == "error" {
            Fate::Restore
        } else if answers[&one.folder()] == *sound {
            Fate::Harmless
        } else {
            one.otherwise
        };
        if fate == Fate::Silent {
            silent.push(format!("{name}, {:?}, case {}, in {}", one.mutation, one.case, one.file));
        }
        *table.entry((one.format, one.mutation)).or_default().entry(fate).or_default() += 1;
    }
    silent
}

fn print(formats: &[Format], table: &Table) {
    let line = |format: &str, mutation: &str, numbers: &dyn Fn(Fate) -> String| {
        let columns = FATES.map(|(fate, title)| {
            let width = title.len().max(8);
            format!(" {:>width$}", numbers(fate))
        });
        println!("{format:<26} {mutation:<10}{}", columns.concat());
    };
    let title = |fate| FATES.iter().find(|(of, _)| *of == fate).unwrap().1.to_owned();
    line("format", "mutation", &title);
    let mut total: BTreeMap<Fate, usize> = BTreeMap::new();
    for ((format, mutation), fates) in table {
        let mutation = format!("{mutation:?}").to_lowercase();
        line(formats[*format].name, &mutation, &|fate| {
            fates.get(&fate).copied().unwrap_or(0).to_string()
        });
        for (fate, count) in fates {
            *total.entry(*fate).or_default() += count;
        }
    }
    for mutation in MUTATIONS {
        let of_kind = || table.iter().filter(|((_, kind), _)| *kind == mutation);
        line("all", &format!("{mutation:?}").to_lowercase(), &|fate| {
            of_kind().filter_map(|(_, fates)| fates.get(&fate)).sum::<usize>().to_string()
        });
    }
    line("all", "all", &|fate| total.get(&fate).copied().unwrap_or(0).to_string());
    println!("{} cases of {} formats", total.values().sum::<usize>(), formats.len());
}
