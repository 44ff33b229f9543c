//! Reads a backup once, to its last byte, and says what is inside.

mod conclusions;

use std::io::{self, Read};

use camino::Utf8Path;

use super::intake::{self, Content, CountingReader, ReadCount, TailReader};
use super::inventory::{BackupFormat, BackupInventory, DumpFormat};
use super::member::{self, Member, MemberPlace};
use super::sidecar;
use super::{globals, names};
use crate::finding::{Finding, FindingCode};

/// Reads the backup at `path`. `report` is called with (bytes read, size) now and then.
///
/// Never fails: whatever is wrong is in the inventory's findings. Blocks; holds no more than one
/// dump's table of contents at a time beyond what it returns.
pub fn inspect(path: &Utf8Path, report: &mut dyn FnMut(u64, u64)) -> BackupInventory {
    let mut reading = Reading::new(path);
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

fn unreachable_backup(path: &Utf8Path, error: &io::Error) -> Finding {
    let code = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FindingCode::BackupNotFound,
        _ => FindingCode::BackupUnreadable,
    };
    let message = match code {
        FindingCode::BackupNotFound => format!("there is no backup at `{path}`"),
        _ => format!("the backup `{path}` cannot be read"),
    };
    Finding::new(code, message).because(error.to_string())
}

/// The state of one inspection.
struct Reading {
    inventory: BackupInventory,
    /// The member that was being read, for the message if the outer archive breaks in it.
    current: Option<(String, Option<String>)>,
    saw_globals: bool,
}

impl Reading {
    fn new(path: &Utf8Path) -> Self {
        Self { inventory: BackupInventory::unread(path), current: None, saw_globals: false }
    }

    fn find(&mut self, finding: Finding) {
        self.inventory.findings.push(finding);
    }

    fn file(&mut self, report: &mut dyn FnMut(u64, u64)) -> io::Result<()> {
        let file = match intake::open(&self.inventory.path) {
            Ok(file) => file,
            Err(error) => {
                self.find(unreachable_backup(&self.inventory.path.clone(), &error));
                self.inventory.outer_is_sound = false;
                return Ok(());
            }
        };
        let count = ReadCount::default();
        let mut raw = CountingReader::new(file, count.clone(), true);
        let read = self.content(&mut raw, &count, report);
        // The hash speaks of the whole file, whatever the decoders made of it.
        let drained = io::copy(&mut raw, &mut io::sink());
        self.inventory.bytes_read = count.get();
        self.inventory.sha256 = raw.into_sha256();
        read.and(drained.map(drop))
    }

    fn content(
        &mut self,
        raw: &mut dyn Read,
        count: &ReadCount,
        report: &mut dyn FnMut(u64, u64),
    ) -> io::Result<()> {
        let (head, mut reader) = intake::peek(raw)?;
        let path = self.inventory.path.clone();
        match intake::content_of(&head) {
            Content::Empty => {
                self.find(Finding::new(
                    FindingCode::BackupEmpty,
                    format!("the backup `{path}` has no bytes"),
                ));
            }
            Content::Gzip => {
                let (head, mut inflated) = intake::peek(intake::gunzip(reader))?;
                match intake::content_of(&head) {
                    Content::Tar => {
                        self.inventory.format = BackupFormat::ClusterTarGz;
                        self.tar(&mut inflated, count, report)?;
                    }
                    content => self.single(content, &mut inflated, true)?,
                }
                // The gzip trailer and anything behind it are part of the backup's bytes.
                io::copy(&mut inflated, &mut io::sink())?;
            }
            Content::Tar => {
                self.inventory.format = BackupFormat::ClusterTar;
                self.tar(&mut reader, count, report)?;
            }
            content => self.single(content, &mut reader, false)?,
        }
        Ok(())
    }

    fn tar(
        &mut self,
        reader: &mut dyn Read,
        count: &ReadCount,
        report: &mut dyn FnMut(u64, u64),
    ) -> io::Result<()> {
        let total = self.inventory.bytes;
        let mut tail = TailReader::new(reader);
        let mut archive = tar::Archive::new(&mut tail);
        let mut foreign = None;
        for (position, entry) in archive.entries()?.enumerate() {
            let mut entry = entry?;
            report(count.get(), total);
            let name = match intake::safe_name(&entry.path_bytes()) {
                Ok(name) => name,
                Err(cause) => {
                    let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                    self.unsafe_member(&shown, cause);
                    continue;
                }
            };
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                continue;
            }
            if !kind.is_file() {
                self.unsafe_member(&name, "neither a file nor a folder");
                continue;
            }
            let holds_dumps = self.saw_globals || !self.inventory.databases.is_empty();
            foreign = conclusions::foreign_archive(&name).filter(|_| !holds_dumps);
            if foreign.is_some() {
                break;
            }
            let bytes = entry.size();
            self.member(&name, position, bytes, &mut entry)?;
            self.current = None;
        }
        if foreign.is_none() {
            tail.mark_end();
        }
        io::copy(&mut tail, &mut io::sink())?;
        if tail.has_data_behind_end() {
            self.inventory.outer_is_sound = false;
            self.find(
                Finding::new(
                    FindingCode::ArchiveDamaged,
                    format!("the archive `{}` goes on behind its end mark", self.inventory.path),
                )
                .because(
                    "a block of zeros stands where a member should begin: that member and all \
                     behind it would be lost"
                        .to_owned(),
                ),
            );
        } else if tail.trailing_zeros() < 1024 {
            self.inventory.outer_is_sound = false;
            self.find(
                Finding::new(
                    FindingCode::ArchiveTruncated,
                    format!("the archive `{}` ends too early", self.inventory.path),
                )
                .because("the two blocks of zeros that end a tar archive are missing".to_owned()),
            );
        }
        if let Some(what) = foreign {
            // Its other members are its own business: pg_dump's tar format holds a script of psql
            // commands that is meant for no restore.
            self.inventory.format = BackupFormat::Unknown;
            self.inventory.findings.retain(|finding| finding.code != FindingCode::MemberIgnored);
            self.not_supported(what);
        }
        Ok(())
    }

    fn unsafe_member(&mut self, name: &str, cause: &str) {
        let shown = crate::text::one_line(name, 100);
        self.find(
            Finding::new(
                FindingCode::UnsafeMember,
                format!("the archive holds the unsafe member `{shown}`"),
            )
            .on(format!("member {shown}"))
            .because(format!("it is {cause}")),
        );
    }

    fn folder(&mut self, report: &mut dyn FnMut(u64, u64)) -> io::Result<()> {
        let total = self.inventory.bytes;
        let members = intake::folder_members(&self.inventory.path)?;
        if members.iter().any(|(name, _)| name == "toc.dat") {
            self.not_supported("pg_dump's directory format");
            return Ok(());
        }
        self.inventory.format = BackupFormat::ClusterFolder;
        let count = ReadCount::default();
        for (position, (name, path)) in members.into_iter().enumerate() {
            report(count.get(), total);
            let is_dump = name == "globals.sql"
                || name.starts_with("dumps/")
                || names::database_of_member(&name).is_some();
            if !is_dump {
                continue;
            }
            let file = intake::open(&path)?;
            let bytes = file.metadata()?.len();
            let mut reader = CountingReader::new(file, count.clone(), false);
            self.member(&name, position, bytes, &mut reader)?;
            self.current = None;
        }
        self.inventory.bytes_read = count.get();
        if self.inventory.databases.is_empty() && !self.saw_globals {
            self.inventory.format = BackupFormat::Unknown;
            self.find(Finding::new(
                FindingCode::NoBackupInFolder,
                format!("the folder `{}` holds no dump", self.inventory.path),
            ));
        }
        Ok(())
    }

    fn member(
        &mut self,
        name: &str,
        position: usize,
        bytes: u64,
        reader: &mut dyn Read,
    ) -> io::Result<()> {
        let database = names::database_of_member(name).filter(|_| !name.ends_with("globals.sql"));
        self.current = Some((name.to_owned(), database.clone()));
        let place = MemberPlace {
            name,
            database: database.clone().unwrap_or_else(|| name.to_owned()),
            position,
            bytes,
            is_named: true,
        };
        match member::read(&place, reader)? {
            Member::Globals { sql, dump } => {
                self.saw_globals = true;
                self.inventory.globals = Some(globals::globals(&place, sql, &dump));
            }
            Member::Dump(dump) if database.is_some() => self.inventory.databases.push(*dump),
            Member::Unsupported(what) if database.is_some() => {
                self.find(
                    Finding::new(
                        FindingCode::FormatNotSupported,
                        format!(
                            "the member `{name}` is in {what}, which this version cannot restore"
                        ),
                    )
                    .in_database(place.database)
                    .on(format!("member {name}")),
                );
            }
            Member::Dump(dump) if dump.format == DumpFormat::Custom => self.unnamed_dump(name),
            Member::Unsupported(_) => self.unnamed_dump(name),
            Member::Other if name.starts_with("dumps/") => self.unnamed_dump(name),
            Member::Dump(_) | Member::Other => {
                self.find(
                    Finding::new(
                        FindingCode::MemberIgnored,
                        format!("the member `{name}` is no dump"),
                    )
                    .on(format!("member {name}")),
                );
            }
        }
        // Whatever the reader left is part of the archive's bytes.
        io::copy(reader, &mut io::sink()).map(drop)
    }

    /// A dump whose name is no database's: `dumps/x`, `dumps/x.dump.tmp`, `dumps/x/toc.dat`. What is
    /// in it would not be restored, and might be the only dump of its database.
    fn unnamed_dump(&mut self, name: &str) {
        self.find(
            Finding::new(
                FindingCode::FormatNotSupported,
                format!("the member `{name}` holds data, and is not named as a dump of a database"),
            )
            .on(format!("member {name}"))
            .because("dumps are named DATABASE.dump, DATABASE.sql or DATABASE.sql.gz"),
        );
    }

    fn single(&mut self, content: Content, reader: &mut dyn Read, is_gzip: bool) -> io::Result<()> {
        let path = self.inventory.path.clone();
        let file = path.file_name().unwrap_or("dump").to_owned();
        let encrypted = self.inventory.sidecar.as_ref().is_some_and(|sidecar| sidecar.is_encrypted);
        let database = self
            .inventory
            .sidecar
            .as_ref()
            .and_then(|sidecar| sidecar.database.clone())
            .unwrap_or_else(|| names::database_of_file(&file));
        match content {
            Content::Unknown | Content::Empty if encrypted => {
                self.find(Finding::new(
                    FindingCode::Encrypted,
                    format!("the backup `{path}` is encrypted"),
                ));
                return Ok(());
            }
            Content::Unknown => {
                self.find(Finding::new(
                    FindingCode::UnknownFormat,
                    format!("`{path}` is no PostgreSQL backup: its first bytes belong to no known format"),
                ));
                return Ok(());
            }
            Content::Zstd | Content::OtherCompression(_) | Content::Gzip => {
                self.not_supported(match content {
                    Content::OtherCompression(name) => name,
                    Content::Zstd => "zstd compression",
                    _ => "doubly compressed data",
                });
                return Ok(());
            }
            Content::Empty | Content::Tar | Content::CustomDump | Content::Text => {}
        }
        self.inventory.format = match (content, is_gzip) {
            (Content::CustomDump, false) => BackupFormat::Custom,
            (Content::CustomDump, true) => BackupFormat::CustomGz,
            (_, false) => BackupFormat::Plain,
            (_, true) => BackupFormat::PlainGz,
        };
        let place = MemberPlace {
            name: &file,
            database,
            position: 0,
            bytes: self.inventory.bytes,
            is_named: false,
        };
        self.current = Some((file.clone(), Some(place.database.clone())));
        if let Member::Dump(mut dump) = member::read(&place, reader)? {
            dump.is_gzip = is_gzip;
            self.inventory.databases.push(*dump);
        }
        self.current = None;
        Ok(())
    }

    fn not_supported(&mut self, what: &str) {
        let path = &self.inventory.path;
        let finding = Finding::new(
            FindingCode::FormatNotSupported,
            format!("`{path}` is in {what}, which this version cannot restore"),
        );
        self.find(finding);
    }
}
