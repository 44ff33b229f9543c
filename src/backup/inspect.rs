//! Reads a backup once, to its last byte, and says what is inside.

mod archive;
mod conclusions;
mod directories;
mod folder;
mod single;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::thread;

use camino::Utf8Path;

use self::directories::Directory;
use super::codec::Codec;
use super::decrypt::{Encryption, Opener, Opening};
use super::foreign::Foreign;
use super::globals;
use super::intake::{self, Content};
use super::inventory::{BackupFormat, BackupInventory, BackupShape, DatabaseDump, DumpFormat};
use super::member::{self, Member, MemberPlace};
use super::meter::{Halt, Meter};
use super::names::{self, Said};
use super::{pgtar, pipe, sidecar};
use crate::finding::{Finding, FindingCode};
use crate::text::one_line;

/// Reads the backup at `path`. `report` is called with (bytes read, size) now and then.
///
/// Never fails: whatever is wrong is in the inventory's findings. Blocks, and uses a second thread.
/// Holds no more than two dumps' tables of contents at a time beyond what it returns.
pub fn inspect(path: &Utf8Path, report: &mut dyn FnMut(u64, u64)) -> BackupInventory {
    inspect_with(path, &Opener::default(), report)
}

/// [`inspect`], of a backup that may be encrypted.
pub fn inspect_with(
    path: &Utf8Path,
    opener: &Opener,
    report: &mut dyn FnMut(u64, u64),
) -> BackupInventory {
    let mut reading = Reading::new(path);
    reading.inventory.opener = opener.clone();
    match intake::identity(path) {
        Err(error) => {
            reading.find(unreachable_backup(path, &error));
            return reading.inventory;
        }
        Ok(identity) => {
            reading.inventory.bytes = identity.iter().map(|(_, bytes, _)| bytes).sum();
            reading.inventory.identity = identity;
        }
    }
    let (found_sidecar, notices) = sidecar::read(path);
    reading.inventory.sidecar = found_sidecar;
    reading.inventory.findings.extend(notices);
    let read = if path.is_dir() { reading.folder(report) } else { reading.file(report) };
    if let Err(error) = read {
        reading.outer_damage(&error);
    }
    reading.finish();
    reading.inventory
}

pub(crate) fn unreachable_backup(path: &Utf8Path, error: &io::Error) -> Finding {
    let code = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FindingCode::BackupNotFound,
        _ => FindingCode::BackupUnreadable,
    };
    let message = match code {
        FindingCode::BackupNotFound => format!("there is no backup at `{path}`"),
        _ => format!("the backup `{path}` cannot be read"),
    };
    let mut found = Finding::new(code, message).because(error.to_string());
    if error.kind() == io::ErrorKind::InvalidInput {
        let step = "Name a file or a folder: a backup is read more than once.";
        found.remedy = vec![step.to_owned()];
    }
    found
}

/// Findings kept of one code: an archive may hold millions of members that are none.
const MOST_FINDINGS: usize = 100;
/// Dumps kept of one archive.
const MOST_DATABASES: usize = 10_000;

/// The state of one inspection.
struct Reading {
    inventory: BackupInventory,
    /// What the thread that looks into members has got, and why it stopped.
    meter: Meter,
    /// The member that was being read, for the message if the outer archive breaks in it.
    current: Option<(String, Option<String>)>,
    saw_globals: bool,
    /// What is called much like globals, in case there are none.
    like_globals: Option<String>,
    /// How many findings of each code there were.
    kept: HashMap<FindingCode, usize>,
    /// Directory dumps of which files came by, by their folder.
    directories: BTreeMap<String, Directory>,
}

impl Reading {
    fn new(path: &Utf8Path) -> Self {
        Self {
            inventory: BackupInventory::unread(path),
            meter: Meter::default(),
            current: None,
            saw_globals: false,
            like_globals: None,
            kept: HashMap::new(),
            directories: BTreeMap::new(),
        }
    }

    /// Keeps a finding; of one code so many that nobody reads them all, the others are counted. What
    /// is counted for several databases is said of the whole backup: a scenario that leaves one of
    /// them out must not lose what was found in another.
    fn find(&mut self, finding: Finding) {
        let kept = self.kept.entry(finding.code).or_default();
        *kept += 1;
        let last = self.inventory.findings.iter_mut().rev().find(|last| last.code == finding.code);
        match last {
            Some(last) if *kept > MOST_FINDINGS => {
                last.count += finding.count;
                last.database =
                    last.database.take().filter(|of| Some(of) == finding.database.as_ref());
            }
            _ => self.inventory.findings.push(finding),
        }
    }

    /// Keeps a dump, unless there are more than any server has databases.
    fn take_dump(&mut self, dump: DatabaseDump) {
        if self.inventory.databases.len() < MOST_DATABASES {
            self.inventory.databases.push(dump);
        } else {
            self.too_many_databases();
        }
    }

    fn too_many_databases(&self) {
        let most = format!("it holds more than {MOST_DATABASES} databases");
        self.meter.stop(Halt::Unsupported(most));
    }

    /// One file: a second thread reads, hashes and decodes it.
    fn file(&mut self, report: &mut dyn FnMut(u64, u64)) -> io::Result<()> {
        let path = self.inventory.path.clone();
        let mut opening = match Opening::of(&path, &self.inventory) {
            Ok(opening) => opening,
            Err(error) => {
                self.find(unreachable_backup(&path, &error));
                self.inventory.outer_is_sound = false;
                return Ok(());
            }
        };
        self.inventory.findings.extend(opening.notice.take());
        let refusal = opening.refusal().cloned();
        if opening.is_sealed() {
            self.inventory.encryption = Encryption::Closed;
        }
        let codec = match opening.head().map_err(|error| self.unreadable(&error))? {
            head if head.is_empty() && !opening.is_sealed() => {
                let message = format!("the backup `{path}` has no bytes");
                self.find(Finding::new(FindingCode::BackupEmpty, message));
                return Ok(());
            }
            head => match intake::content_of(&head) {
                Content::Compressed(codec) => codec,
                _ => Codec::None,
            },
        };
        let (read, whole) = thread::scope(|scope| {
            let (thread, piped) = pipe::decode(scope, opening, codec, self.meter.clone());
            let read = match refusal {
                Some(finding) => {
                    self.find(finding);
                    drop(piped);
                    Ok(())
                }
                None => self.decoded(codec, piped, report),
            };
            match thread.join() {
                Ok(whole) => (read, whole),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        self.inventory.bytes_read = whole.bytes_read;
        self.inventory.sha256 = whole.sha256;
        self.inventory.encryption = whole.encryption;
        whole.read.map_err(|error| self.unreadable(&error))?;
        if let Some(fault) = whole.fault {
            self.encryption_fault(fault);
            return Ok(());
        }
        read?;
        if whole.is_checked {
            for dump in &mut self.inventory.databases {
                member::seal(&mut dump.not_tested);
            }
            if let Some(globals) = &mut self.inventory.globals {
                member::seal(&mut globals.not_tested);
            }
        }
        Ok(())
    }

    /// The system's error: says nothing about the backup.
    fn unreadable(&self, error: &io::Error) -> io::Error {
        self.meter.stop(Halt::Unreadable(error.to_string()))
    }

    /// What lies behind the compression of the file as a whole.
    fn decoded(
        &mut self,
        codec: Codec,
        piped: impl Read,
        report: &mut dyn FnMut(u64, u64),
    ) -> io::Result<()> {
        let (head, mut reader) = intake::peek(piped)?;
        match intake::content_of(&head) {
            Content::Tar if !pgtar::begins(&head) => {
                self.inventory.format = BackupFormat { shape: BackupShape::ClusterTar, codec };
                self.archive(&mut reader, report)?;
            }
            content => self.single(content, &mut reader, codec)?,
        }
        if self.meter.halt().is_none() {
            // The trailer and anything behind it are part of the backup's bytes.
            io::copy(&mut reader, &mut io::sink())?;
        }
        self.compare_name();
        Ok(())
    }

    /// A name that says another format than the content has. The content decides.
    fn compare_name(&mut self) {
        let BackupFormat { shape, codec } = self.inventory.format;
        let found = match shape {
            BackupShape::ClusterTar
            | BackupShape::Single(DumpFormat::Tar | DumpFormat::Directory) => Said::Tar,
            BackupShape::Single(DumpFormat::Custom) => Said::Custom,
            BackupShape::Single(DumpFormat::Plain) | BackupShape::DumpAll => Said::Plain,
            BackupShape::ClusterFolder | BackupShape::Unknown => return,
        };
        let name = self.inventory.path.file_name().unwrap_or_default();
        if let Some(text) = names::difference(name, codec, found) {
            self.find(Finding::new(FindingCode::ExtensionDiffers, text));
        }
    }

    fn member(
        &mut self,
        name: &str,
        position: usize,
        bytes: u64,
        reader: &mut dyn Read,
    ) -> io::Result<()> {
        self.note_globals(name);
        let place = MemberPlace::of_member(name, position, bytes);
        self.current = Some((name.to_owned(), place.is_dump().then(|| place.database.clone())));
        let read = member::read(&place, reader, &self.meter)?;
        self.take_member(&place, read);
        if self.meter.halt().is_none() {
            // Whatever the reader left is part of the archive's bytes.
            io::copy(reader, &mut io::sink())?;
            self.current = None;
        }
        Ok(())
    }

    fn note_globals(&mut self, name: &str) {
        if self.like_globals.is_none() && names::resembles_globals(name) {
            self.like_globals = Some(name.to_owned());
        }
    }

    /// Enters what a member turned out to be.
    fn take_member(&mut self, place: &MemberPlace<'_>, member: Member) {
        let name = place.name;
        match member {
            Member::Globals { sql, dump } => {
                if self.saw_globals {
                    let message = format!("the member `{name}` holds globals a second time");
                    let found = Finding::new(FindingCode::DuplicateMember, message);
                    self.find(found.on(format!("member {name}")));
                }
                self.saw_globals = true;
                self.inventory.globals = Some(globals::globals(place, sql, &dump));
            }
            Member::Dump(dump) if place.is_dump() => self.take_dump(*dump),
            Member::Unsupported(foreign) if place.is_dump() => {
                let message = format!("the member `{name}` is");
                let found = not_supported(&message, foreign).on(format!("member {name}"));
                self.find(found.in_database(place.database.clone()));
            }
            Member::Dump(dump) if dump.format.is_archive() || dump.server_version.is_some() => {
                self.unnamed_dump(name);
            }
            Member::Unsupported(foreign) if foreign.may_hold_a_dump() => self.unnamed_dump(name),
            _ if name.starts_with("dumps/") => self.unnamed_dump(name),
            Member::Dump(_) | Member::Unsupported(_) | Member::Other => self.ignored(name, None),
        }
    }

    fn ignored(&mut self, name: &str, cause: Option<&str>) {
        let message = format!("the member `{name}` is no dump");
        let mut found = Finding::new(FindingCode::MemberIgnored, message);
        found.cause = cause.map(str::to_owned);
        self.find(found.on(format!("member {name}")));
    }

    /// A dump whose name is no database's: `dumps/x`, `dumps/x.dump.tmp`. What is
    /// in it would not be restored, and might be the only dump of its database.
    fn unnamed_dump(&mut self, name: &str) {
        self.find(
            Finding::new(
                FindingCode::FormatNotSupported,
                format!("the member `{name}` holds data, and is not named as a dump of a database"),
            )
            .on(format!("member {name}"))
            .because(
                "dumps are named DATABASE.dump, DATABASE.sql or DATABASE.tar, with .gz, .zst, .zstd \
                 or .lz4 behind that if they are compressed; directory dumps are folders",
            ),
        );
    }

    /// The backup as a whole is something else.
    fn foreign(&mut self, foreign: Foreign) {
        self.inventory.format = BackupFormat::UNKNOWN;
        let message = format!("`{}` is", self.inventory.path);
        self.find(not_supported(&message, foreign));
    }
}

/// Something in a backup, which is a `place`, that must not be touched.
fn unsafe_member(place: &str, name: &str, what: &str) -> Finding {
    let shown = one_line(name, 100);
    let message = format!("the {place} holds the unsafe member `{shown}`");
    let found = Finding::new(FindingCode::UnsafeMember, message);
    found.on(format!("member {shown}")).because(format!("it is {what}"))
}

fn not_supported(what_is: &str, foreign: Foreign) -> Finding {
    let message = format!("{what_is} {}, which this version cannot restore", foreign.what);
    Finding::new(FindingCode::FormatNotSupported, message).first_try(foreign.step)
}
