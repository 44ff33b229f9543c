//! Reads `pg_dump`'s tar format (`pg_dump -Ft`): the files of the directory format, uncompressed and
//! in the order of the table of contents, and a script `restore.sql` that nothing ever runs.
//!
//! Defined by `src/bin/pg_dump/pg_backup_tar.c`.

use std::io::{self, Read};

use super::directory::{DirectoryReading, part_of};
use super::inventory::{DatabaseDump, DumpFolder, DumpFormat};
use super::member::{self, MemberPlace};
use super::meter::Meter;
use super::tarball::{End, Kind, TarReader};
use crate::finding::{Finding, FindingCode};
use crate::text::one_line;

/// The script for human eyes that `_CloseArchive` writes last.
const SCRIPT: &[u8] = b"restore.sql";

/// Whether a tar archive that begins with `head` can be `pg_dump`'s: its first member is `toc.dat`.
pub(crate) fn begins(head: &[u8]) -> bool {
    head.starts_with(b"toc.dat\0")
}

/// Reads a tar dump to its end; damage is in the dump's findings.
///
/// The files of a directory dump in a tar archive of their own look the same, but for those that are
/// compressed; `pg_restore` does not take those for a tar dump.
pub(crate) fn read(place: &MemberPlace<'_>, reader: &mut dyn Read, meter: &Meter) -> DatabaseDump {
    let mut reading = DirectoryReading::new(meter);
    let mut found = Vec::new();
    let mut archive = TarReader::new(reader);
    let mut last = 0;
    let read = members(place, &mut archive, &mut reading, &mut found, &mut last);
    let name = place.name;
    let wrong = |code, message| member::finding(place, code, message);
    match read.and_then(|()| archive.finish()) {
        Ok(End::Whole) => {}
        Ok(End::GoesOn) => {
            let message = format!("the dump `{name}` goes on behind its end mark");
            found.push(wrong(FindingCode::DumpDamaged, message));
        }
        Ok(End::Unmarked) => {
            let message = format!("the dump `{name}` ends too early");
            let cause = "the two blocks of zeros that end a tar archive are missing";
            found.push(wrong(FindingCode::DumpTruncated, message).because(cause));
        }
        Err(error) => {
            let message = format!("the dump `{name}` cannot be read to its end");
            let code = if member::is_cut_error(&error) {
                FindingCode::DumpTruncated
            } else {
                FindingCode::DumpDamaged
            };
            found.push(wrong(code, message).because(error.to_string()));
        }
    }
    let is_folder = reading.is_compressed();
    let format = if is_folder { DumpFormat::Directory } else { DumpFormat::Tar };
    let mut dump = reading.finish(place, format);
    dump.archive_bytes = place.bytes;
    if is_folder && place.is_named {
        let message = format!("`{name}` is a directory dump in a tar archive within the backup");
        let step = "Unpack the inner archive, or name it as the backup.";
        found.push(wrong(FindingCode::FormatNotSupported, message).first_try(step));
    } else if is_folder {
        dump.folder = Some(DumpFolder { name: String::new(), last });
    }
    dump.findings.extend(found.into_iter().map(|found| found.in_database(&*dump.name)));
    dump
}

fn members(
    place: &MemberPlace<'_>,
    archive: &mut TarReader<&mut dyn Read>,
    reading: &mut DirectoryReading,
    found: &mut Vec<Finding>,
    last: &mut usize,
) -> io::Result<()> {
    let mut position = 0;
    while let Some(member) = archive.next()? {
        let here = position;
        position += 1;
        let name = std::str::from_utf8(&member.name).ok().filter(|name| part_of(name).is_some());
        match (name, member.kind) {
            (Some(name), Kind::File) => {
                *last = here;
                reading.file(name, member.bytes, archive)?;
            }
            _ if member.name == SCRIPT && member.kind == Kind::File => {}
            _ => {
                let shown = one_line(&String::from_utf8_lossy(&member.name), 100);
                let message = format!("the dump `{}` holds `{shown}`, no part of it", place.name);
                found.push(member::finding(place, FindingCode::DumpDamaged, message));
            }
        }
    }
    Ok(())
}
