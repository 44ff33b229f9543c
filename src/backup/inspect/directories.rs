//! Directory dumps: on their own, or among the members of an archive or a folder.

use std::io::{self, Read};

use super::{MOST_DATABASES, Reading};
use crate::backup::directory::{DirectoryReading, part_of};
use crate::backup::inventory::{BackupShape, DumpFolder, DumpFormat};
use crate::backup::member::MemberPlace;
use crate::backup::names;

/// A directory dump of which files came by.
pub(super) struct Directory {
    reading: DirectoryReading,
    first: usize,
    last: usize,
}

/// The folder and the file of a member's name.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

impl Reading {
    /// Whether a member of this name belongs to a directory dump. What lies beside its files does,
    /// too, as far as one of them has come by.
    pub(super) fn is_directory_file(&self, name: &str) -> bool {
        let (folder, file) = split(name);
        part_of(file).is_some()
            || !matches!(folder, "" | "dumps") && self.directories.contains_key(folder)
    }

    /// Reads the member `name` if it belongs to a directory dump, and says whether it does.
    pub(super) fn directory_file(
        &mut self,
        name: &str,
        position: usize,
        bytes: u64,
        reader: &mut dyn Read,
    ) -> io::Result<bool> {
        if !self.is_directory_file(name) {
            return Ok(false);
        }
        let (folder, file) = split(name);
        let is_new = !self.directories.contains_key(folder);
        if is_new && self.directories.len() + self.inventory.databases.len() >= MOST_DATABASES {
            self.too_many_databases();
            return Ok(true);
        }
        self.current = Some((name.to_owned(), Some(self.database_of_folder(folder))));
        let directory = self.directories.entry(folder.to_owned()).or_insert_with(|| Directory {
            reading: DirectoryReading::new(&self.meter),
            first: position,
            last: position,
        });
        directory.last = position;
        directory.reading.file(file, bytes, reader)?;
        if self.meter.halt().is_none() {
            self.current = None;
        }
        Ok(true)
    }

    /// Judges directory dumps, once every member went by. One that is all there is makes the backup
    /// a single dump: an archive of one folder.
    pub(super) fn finish_directories(&mut self) {
        if self.meter.halt().is_some() {
            return;
        }
        let directories = std::mem::take(&mut self.directories);
        let is_single = directories.len() == 1
            && self.inventory.databases.is_empty()
            && !self.saw_globals
            && !directories.keys().any(|folder| folder.starts_with("dumps/"));
        let path = self.inventory.path.clone();
        for (folder, Directory { reading, first, last }) in directories {
            let name = if folder.is_empty() || is_single {
                path.file_name().unwrap_or("dump").to_owned()
            } else {
                folder.clone()
            };
            let place = MemberPlace {
                name: &name,
                database: self.database_of_folder(&folder),
                position: first,
                bytes: 0,
                is_named: !is_single,
            };
            let mut dump = reading.finish(&place, DumpFormat::Directory);
            dump.folder = Some(DumpFolder { name: folder, last });
            self.inventory.databases.push(dump);
        }
        self.inventory.databases.sort_by_key(|dump| dump.position);
        if is_single {
            self.inventory.format.shape = BackupShape::Single(DumpFormat::Directory);
        }
    }

    pub(super) fn database_of_folder(&self, folder: &str) -> String {
        let path = &self.inventory.path;
        match folder.rsplit('/').next().filter(|last| !last.is_empty()) {
            Some(last) => last.to_owned(),
            None => names::database_of_file(path.file_name().unwrap_or("dump")),
        }
    }
}
