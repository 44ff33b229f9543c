//! A backup that is a folder.

use std::io;

use super::{Reading, unsafe_member};
use crate::backup::codec::Codec;
use crate::backup::decrypt::Opening;
use crate::backup::directory::part_of;
use crate::backup::foreign;
use crate::backup::intake::{self, FolderMembers, Refused};
use crate::backup::inventory::{BackupFormat, BackupShape, DumpFolder};
use crate::backup::names::{self, Said};
use crate::finding::{Finding, FindingClass, FindingCode};

impl Reading {
    pub(super) fn folder(&mut self, report: &mut dyn FnMut(u64, u64)) -> io::Result<()> {
        let path = self.inventory.path.clone();
        if path.file_name().is_some_and(foreign::is_left_over) {
            let message = format!("the folder `{path}` is one that dbbackup worked in");
            let found = Finding::new(FindingCode::NoBackupInFolder, message).because(
                "dbbackup leaves it behind when it is killed; what is in it may be a part",
            );
            self.find(found);
            return Ok(());
        }
        let total = self.inventory.bytes;
        let FolderMembers { files, refused } =
            intake::walk_folder(&path).map_err(|error| self.unreadable(&error))?;
        if let Some(foreign) = foreign::of_folder(&path) {
            self.foreign(foreign);
            return Ok(());
        }
        self.inventory.format =
            BackupFormat { shape: BackupShape::ClusterFolder, codec: Codec::None };
        let mut notice = None;
        let mut unopened = Vec::new();
        for (position, (name, path)) in files.into_iter().enumerate() {
            report(self.meter.read(), total);
            if !self.is_of_dump(&name) {
                self.note_globals(&name);
                continue;
            }
            let opened = Opening::of(&path, &self.inventory);
            let opened = opened.and_then(|opening| Ok((opening.bytes()?, opening)));
            let (bytes, mut opening) = opened.map_err(|error| {
                self.current = Some((name.clone(), None));
                self.unreadable(&error)
            })?;
            let database = names::database_of_member(&name);
            notice = notice.or(opening.notice.take());
            if let Some(refusal) = opening.refusal() {
                let mut found = refusal.clone();
                found.database = database;
                self.find(found);
                unopened.push(name);
                continue;
            }
            let mut reader = opening.reader(&self.meter, false);
            let read = match self.directory_file(&name, position, bytes, &mut reader) {
                Ok(false) => self.member(&name, position, bytes, &mut reader),
                Ok(true) => Ok(()),
                Err(error) => Err(error),
            };
            if let Some(mut fault) = reader.end().fault {
                self.current = None;
                fault.database = database;
                self.find(fault);
                unopened.push(name);
                continue;
            }
            read?;
            if self.meter.halt().is_some() {
                break;
            }
        }
        self.inventory.findings.extend(notice);
        let refused: Vec<_> = refused
            .into_iter()
            .map(|entry| (entry.holds_dump || self.is_of_dump(&entry.name), entry))
            .collect();
        self.finish_directories();
        let mut is_dump_refused = false;
        for (is_of_dump, Refused { name, what, .. }) in refused {
            if is_of_dump {
                is_dump_refused = true;
                self.refuse(&name, what);
                unopened.push(name);
            } else {
                self.ignored(&name, Some(&format!("it is {what}")));
            }
        }
        self.forget_unopened(&unopened);
        self.inventory.bytes_read = self.meter.read();
        if self.inventory.databases.is_empty() && !self.saw_globals && !is_dump_refused {
            self.inventory.format = BackupFormat::UNKNOWN;
            self.find(Finding::new(
                FindingCode::NoBackupInFolder,
                format!("the folder `{path}` holds no dump"),
            ));
        }
        Ok(())
    }

    /// Whether what has this name in a folder is, or belongs to, a dump.
    fn is_of_dump(&self, name: &str) -> bool {
        // An archive beside dumps is a backup of its own.
        let is_archive = matches!(names::said_by(name), Some((_, Some(Said::Tar))));
        name == "globals.sql"
            || name.starts_with("dumps/")
            || self.is_directory_file(name)
            || names::database_of_member(name).is_some() && !is_archive
    }

    /// What stands in a dump's place and is no file. Once every other file went by: a directory
    /// dump says itself which database it is of.
    fn refuse(&mut self, name: &str, what: &str) {
        let of = name.rsplit_once('/').map_or("", |(of, _)| of);
        let in_folder = |folder: &DumpFolder| folder.name == of || folder.name == name;
        let dumps = &self.inventory.databases;
        let of_folder = dumps.iter().find(|dump| dump.folder.as_ref().is_some_and(in_folder));
        let database = match of_folder {
            Some(dump) => Some(dump.name.clone()),
            None if part_of(name.rsplit('/').next().unwrap_or(name)).is_some() => {
                Some(self.database_of_folder(of))
            }
            None if name == "globals.sql" => None,
            None => names::database_of_member(name),
        };
        let mut found = unsafe_member("folder", name, what);
        found.database = database;
        found.remedy = vec![
            "Put the files themselves into the folder, with names in UTF-8: what a link leads to is \
             not part of the backup."
                .to_owned(),
        ];
        self.find(found);
    }

    /// Of a file that could not be decrypted to its end its own finding says so; what readers took
    /// its end, or its absence, for does not count.
    fn forget_unopened(&mut self, unopened: &[String]) {
        for dump in &mut self.inventory.databases {
            let lies_in = |name: &String| match &dump.folder {
                Some(folder) => name.rsplit_once('/').map_or("", |(of, _)| of) == folder.name,
                None => *name == dump.member,
            };
            if unopened.iter().any(lies_in) {
                dump.findings.retain(|finding| finding.class == FindingClass::Notice);
            }
        }
    }
}
