//! What follows once a backup has been read: damage of the archive as a whole, duplicates, sidecars.

use std::collections::{BTreeSet, HashSet};
use std::io;

use camino::Utf8Path;

use super::Reading;
use crate::backup::codec::Codec;
use crate::backup::decrypt::{Encryption, say_where_it_was_cut};
use crate::backup::inventory::{BackupShape, DatabaseDump, DumpFormat};
use crate::backup::meter::Halt;
use crate::backup::sidecar::{self, FileFacts};
use crate::backup::{changing, member};
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::text::one_line;

/// A script that somebody wrote is not longer than this.
const SCRIPT_BYTES: u64 = 64 * 1024;

/// Whether nothing says that a plain dump is one: neither its writer, nor rows, nor anything that
/// could have made it unreadable.
fn is_script(dump: &DatabaseDump) -> bool {
    let is_of_scripts = |code: FindingCode| {
        matches!(
            code,
            // What its writer did not say, and what psql alone understands.
            FindingCode::EndUnmarked | FindingCode::DumpTruncated | FindingCode::MetaCommand
        )
    };
    dump.format == DumpFormat::Plain
        && dump.codec == Codec::None
        && (1..=SCRIPT_BYTES).contains(&dump.archive_bytes)
        && !dump.has_table_of_contents
        && dump.server_version.is_none()
        && dump
            .findings
            .iter()
            .all(|found| found.class == FindingClass::Notice || is_of_scripts(found.code))
}

fn globals_missing(path: &Utf8Path, like: Option<&str>) -> Finding {
    let message = format!(
        "the archive `{path}` holds no globals.sql: no roles, no grants to them, no tablespaces"
    );
    let found = Finding::new(FindingCode::GlobalsMissing, message);
    let Some(like) = like.map(|like| one_line(like, 100)) else { return found };
    found
        .because(format!("`{like}` is there and is not taken for it: its name is another"))
        .first_try(format!(
            "If `{like}` holds the globals, put them, not compressed, into a file `globals.sql` \
             beside the folder `dumps`."
        ))
}

impl Reading {
    /// The outer compression or the tar structure broke: everything behind that point is lost.
    pub(super) fn outer_damage(&mut self, error: &io::Error) {
        self.inventory.outer_is_sound = false;
        if self.meter.halt().is_some() {
            return;
        }
        let path = self.inventory.path.clone();
        let cut =
            error.kind() == io::ErrorKind::UnexpectedEof || member::is_cut(&error.to_string());
        let code = if cut { FindingCode::ArchiveTruncated } else { FindingCode::ArchiveDamaged };
        let what = if cut { "ends too early" } else { "is damaged" };
        let mut finding =
            Finding::new(code, format!("the archive `{path}` {what}")).because(error.to_string());
        if let Some((member, database)) = self.current.take() {
            finding = finding.on(format!("member {member}"));
            finding.message = format!(
                "the archive `{path}` {what} inside the member `{member}`; it and all behind it are lost"
            );
            finding.database = database;
        }
        self.find(finding);
    }

    /// The encryption broke: everything behind that point is lost.
    pub(super) fn encryption_fault(&mut self, mut finding: Finding) {
        self.inventory.outer_is_sound = false;
        if let Some((member, database)) = self.current.take() {
            finding
                .message
                .push_str(&format!(" inside the member `{member}`; it and all behind it are lost"));
            finding.database = database;
        }
        self.find(finding);
    }

    /// The reading stopped for a reason that says nothing about the backup: nothing that seemed
    /// broken where it stopped counts.
    fn halted(&mut self) {
        let Some(halt) = self.meter.halt().cloned() else { return };
        self.inventory.outer_is_sound = false;
        let path = &self.inventory.path;
        let (code, message) = match &halt {
            Halt::Unreadable(_) => {
                (FindingCode::BackupUnreadable, format!("the backup `{path}` cannot be read"))
            }
            Halt::TooMuch { .. } => {
                (FindingCode::ExpansionLimit, format!("the backup `{path}` was not read further"))
            }
            Halt::Unsupported(_) => (
                FindingCode::FormatNotSupported,
                format!("the backup `{path}` is in a form that this version does not read"),
            ),
        };
        let mut found = Finding::new(code, message).because(halt.to_string());
        if let Some((member, database)) = self.current.take() {
            found = found.on(format!("member {member}"));
            found.database = database;
            let dumps = self.inventory.databases.iter_mut().filter(|dump| dump.member == member);
            let globals = self.inventory.globals.iter_mut().filter(|found| found.member == member);
            let of_globals = globals.map(|globals| &mut globals.findings);
            for findings in dumps.map(|dump| &mut dump.findings).chain(of_globals) {
                findings.retain(|finding| finding.class == FindingClass::Notice);
            }
        }
        self.find(found);
    }

    pub(super) fn finish(&mut self) {
        self.halted();
        self.set_scripts_aside();
        self.duplicates();
        let names: Vec<&str> =
            self.inventory.databases.iter().map(|dump| dump.name.as_str()).collect();
        let mut found = Vec::new();
        if let Some(sidecar) = &self.inventory.sidecar {
            if self.inventory.format.is_cluster() {
                // What was not read may hold whatever is missing, and what cannot be restored is there.
                let unread = self.inventory.findings.iter().filter_map(|finding| {
                    let is_unread = finding.class == FindingClass::Environment;
                    finding.database.as_deref().filter(|_| is_unread)
                });
                let there: BTreeSet<&str> = names.iter().copied().chain(unread).collect();
                found.extend(match self.meter.halt() {
                    None => sidecar::compare_members(sidecar, &there),
                    Some(_) => sidecar::failures_said(sidecar).into_iter().collect(),
                });
            }
            let dumps = &self.inventory.databases;
            let made: Vec<&str> =
                dumps.iter().filter_map(|dump| dump.created_at.as_deref()).collect();
            found.extend(sidecar::compare_file(
                sidecar,
                &FileFacts {
                    path: &self.inventory.path,
                    bytes: self.inventory.bytes,
                    sha256: self.inventory.sha256.as_deref(),
                    encryption: &self.inventory.encryption,
                    dumps_made: &made,
                },
            ));
        }
        if self.inventory.format.is_cluster() && self.inventory.outer_is_sound {
            let nothing_said = self.inventory.findings.iter().all(|finding| {
                !matches!(
                    finding.code,
                    FindingCode::FormatNotSupported | FindingCode::NoBackupInFolder
                )
            });
            let is_refused = |fits: &dyn Fn(&str) -> bool| {
                let mut refused = self.inventory.findings.iter().filter(|finding| {
                    self.inventory.format.shape == BackupShape::ClusterFolder
                        && finding.code == FindingCode::UnsafeMember
                });
                refused.any(|finding| finding.object.as_deref().is_some_and(fits))
            };
            let is_globals = |object: &str| object == "member globals.sql";
            if names.is_empty() && nothing_said && is_refused(&|object| !is_globals(object)) {
                // What stands in the place of dumps has been said.
            } else if names.is_empty() && nothing_said {
                found.push(Finding::new(
                    FindingCode::NoDumpInArchive,
                    format!("the archive `{}` holds not a single dump", self.inventory.path),
                ));
            } else if self.inventory.globals.is_none() && nothing_said && !is_refused(&is_globals) {
                found.push(globals_missing(&self.inventory.path, self.like_globals.as_deref()));
            }
        }
        self.inventory.findings.extend(found);
        if matches!(self.inventory.encryption, Encryption::Opened { .. }) {
            self.say_where_it_was_cut();
        }
        self.inventory.created_at = self
            .inventory
            .databases
            .iter()
            .filter_map(|dump| dump.created_at.clone())
            .min()
            .or_else(|| self.inventory.sidecar.as_ref()?.timestamp.clone());
        changing::take_back_if_changed(&mut self.inventory);
    }

    /// Scripts that somebody laid beside the folder `dumps`. Where no such folder is, the same file
    /// may be the only dump of its database.
    fn set_scripts_aside(&mut self) {
        let dumps = &mut self.inventory.databases;
        let is_in_dumps = |dump: &DatabaseDump| dump.member.starts_with("dumps/");
        if !dumps.iter().any(is_in_dumps) {
            return;
        }
        let scripts: Vec<_> =
            dumps.extract_if(.., |dump| !is_in_dumps(dump) && is_script(dump)).collect();
        for script in scripts {
            self.ignored(&script.member, None);
        }
    }

    /// A dump in a sound archive is cut by itself.
    fn say_where_it_was_cut(&mut self) {
        let inventory = &mut self.inventory;
        let is_one = !inventory.format.is_cluster();
        let of_dumps = inventory.databases.iter_mut().flat_map(|dump| &mut dump.findings);
        say_where_it_was_cut(of_dumps.filter(|_| is_one).chain(&mut inventory.findings));
    }

    fn duplicates(&mut self) {
        let mut seen: HashSet<String> = HashSet::new();
        let mut found = Vec::new();
        self.inventory.databases.retain(|dump| {
            let fresh = seen.insert(dump.name.clone());
            if !fresh {
                let message = format!(
                    "the member `{}` holds database `{}` a second time",
                    dump.member, dump.name
                );
                found.push(
                    Finding::new(FindingCode::DuplicateMember, message)
                        .in_database(dump.name.clone())
                        .on(format!("member {}", dump.member)),
                );
            }
            fresh
        });
        for finding in found {
            self.find(finding);
        }
    }
}
