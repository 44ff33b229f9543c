//! A file that is one dump.

use std::io::{self, Read};

use super::Reading;
use crate::backup::codec::Codec;
use crate::backup::decrypt::Encryption;
use crate::backup::foreign::DOUBLY_COMPRESSED;
use crate::backup::intake::Content;
use crate::backup::inventory::{BackupFormat, BackupShape, DumpFormat};
use crate::backup::member::{self, Member, MemberPlace};
use crate::backup::{dumpall, names};
use crate::finding::{Finding, FindingCode};

impl Reading {
    pub(super) fn single(
        &mut self,
        content: Content,
        reader: &mut dyn Read,
        codec: Codec,
    ) -> io::Result<()> {
        let path = self.inventory.path.clone();
        let sidecar = self.inventory.sidecar.as_ref();
        // As dbbackup encrypts, it would have been seen before.
        let encrypted = sidecar.is_some_and(|sidecar| sidecar.is_encrypted)
            && self.inventory.encryption == Encryption::None;
        let file = path.file_name().unwrap_or("dump").to_owned();
        let database = sidecar
            .and_then(|sidecar| sidecar.database.clone())
            .unwrap_or_else(|| names::database_of_file(&file));
        let format = match content {
            Content::Unknown | Content::Empty if encrypted => {
                let message = format!("the backup `{path}` is encrypted");
                self.find(Finding::new(FindingCode::Encrypted, message));
                return Ok(());
            }
            Content::Unknown => {
                self.find(Finding::new(
                    FindingCode::UnknownFormat,
                    format!("`{path}` is no PostgreSQL backup: its first bytes belong to no known format"),
                ));
                return Ok(());
            }
            Content::Foreign(foreign) => {
                self.foreign(foreign);
                return Ok(());
            }
            Content::Compressed(_) => {
                self.foreign(DOUBLY_COMPRESSED);
                return Ok(());
            }
            Content::CustomDump => DumpFormat::Custom,
            Content::Tar => DumpFormat::Tar,
            Content::Empty | Content::Text => DumpFormat::Plain,
        };
        self.inventory.format = BackupFormat { shape: BackupShape::Single(format), codec };
        let place = MemberPlace {
            name: &file,
            database,
            position: 0,
            bytes: self.inventory.bytes,
            is_named: false,
        };
        self.current = Some((file.clone(), Some(place.database.clone())));
        if content == Content::Text {
            self.plain(&place, reader, codec);
        } else if let Member::Dump(mut dump) = member::read(&place, reader, &self.meter)? {
            dump.codec = codec;
            self.inventory.format.shape = BackupShape::Single(dump.format);
            self.inventory.databases.push(*dump);
        }
        if self.meter.halt().is_none() {
            self.current = None;
        }
        Ok(())
    }

    /// A plain file: one dump, or a whole cluster.
    fn plain(&mut self, place: &MemberPlace<'_>, reader: &mut dyn Read, codec: Codec) {
        match dumpall::read(place, reader) {
            dumpall::Plain::One(dump) => {
                let mut dump = member::from_plain(place, *dump);
                dump.codec = codec;
                self.inventory.databases.push(dump);
            }
            dumpall::Plain::Cluster(cluster) => {
                self.inventory.format.shape = BackupShape::DumpAll;
                self.inventory.globals = Some(cluster.globals);
                self.inventory.databases = cluster.databases;
                self.inventory.findings.extend(cluster.findings);
            }
        }
    }
}
