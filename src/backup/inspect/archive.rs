//! A tar archive, member by member.

use std::io::{self, Read};

use super::{Reading, not_supported, unsafe_member};
use crate::backup::foreign::{self, Foreign};
use crate::backup::intake;
use crate::backup::tarball::{End, Kind, TarReader};
use crate::finding::{Finding, FindingCode};

const SPARSE: Foreign = Foreign {
    what: "a file whose holes are left out (tar --sparse)",
    step: "Pack the backup without --sparse.",
};

impl Reading {
    pub(super) fn archive(
        &mut self,
        reader: &mut dyn Read,
        report: &mut dyn FnMut(u64, u64),
    ) -> io::Result<()> {
        let total = self.inventory.bytes;
        let mut archive = TarReader::new(reader);
        let mut position = 0;
        while let Some(member) = archive.next()? {
            report(self.meter.read(), total);
            let (here, bytes) = (position, member.bytes);
            position += 1;
            let name = match intake::safe_name(&member.name) {
                Ok(name) => name,
                Err(cause) => {
                    let name = String::from_utf8_lossy(&member.name);
                    self.find(unsafe_member("archive", &name, cause));
                    continue;
                }
            };
            match member.kind {
                Kind::Folder => continue,
                Kind::Unsafe(cause) => {
                    self.find(unsafe_member("archive", &name, cause));
                    continue;
                }
                Kind::File | Kind::Sparse => {}
            }
            let holds_dumps = self.saw_globals
                || !self.inventory.databases.is_empty()
                || !self.directories.is_empty();
            if let Some(foreign) = foreign::of_member(&name).filter(|_| !holds_dumps) {
                // Its other members are its own business: pg_dump's tar format holds a script of
                // psql commands that is meant for no restore.
                self.inventory.findings.retain(|found| found.code != FindingCode::MemberIgnored);
                self.foreign(foreign);
                io::copy(&mut archive.into_inner(), &mut io::sink())?;
                return Ok(());
            }
            if member.kind == Kind::Sparse {
                let message = format!("the member `{name}` is");
                self.find(not_supported(&message, SPARSE).on(format!("member {name}")));
                continue;
            }
            if !self.directory_file(&name, here, bytes, &mut archive)? {
                self.member(&name, here, bytes, &mut archive)?;
            }
            if self.meter.halt().is_some() {
                return Ok(());
            }
        }
        self.finish_directories();
        let end = archive.finish()?;
        self.end_of_archive(end);
        Ok(())
    }

    fn end_of_archive(&mut self, end: End) {
        let path = &self.inventory.path;
        let found = match end {
            End::Whole => return,
            End::GoesOn => Finding::new(
                FindingCode::ArchiveDamaged,
                format!("the archive `{path}` goes on behind its end mark"),
            )
            .because(
                "a block of zeros stands where a member should begin: that member and all behind \
                 it would be lost",
            ),
            End::Unmarked => Finding::new(
                FindingCode::ArchiveTruncated,
                format!("the archive `{path}` ends too early"),
            )
            .because("the two blocks of zeros that end a tar archive are missing"),
        };
        self.inventory.outer_is_sound = false;
        self.find(found);
    }
}
