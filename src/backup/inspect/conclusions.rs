//! What follows once a backup has been read: damage of the archive as a whole, duplicates, sidecars.

use std::io;

use super::Reading;
use crate::backup::{changing, member, sidecar};
use crate::finding::{Finding, FindingCode};

impl Reading {
    /// The outer compression or the tar structure broke: everything behind that point is lost.
    pub(super) fn outer_damage(&mut self, error: &io::Error) {
        self.inventory.outer_is_sound = false;
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

    pub(super) fn finish(&mut self) {
        self.duplicates();
        let names: Vec<&str> =
            self.inventory.databases.iter().map(|dump| dump.name.as_str()).collect();
        let mut found = Vec::new();
        if let Some(sidecar) = &self.inventory.sidecar {
            if self.inventory.format.is_cluster() {
                found.extend(sidecar::compare(sidecar, &names));
            }
            if let (Some(expected), Some(actual)) = (&sidecar.sha256, &self.inventory.sha256)
                && expected != actual
                && !sidecar.is_encrypted
            {
                found.push(
                    Finding::new(
                        FindingCode::ChecksumMismatch,
                        format!(
                            "`{}` is not the file that its sidecar was written for",
                            self.inventory.path
                        ),
                    )
                    .because(format!("SHA-256 is {actual}, the sidecar says {expected}")),
                );
            }
        }
        if self.inventory.format.is_cluster() && self.inventory.outer_is_sound {
            let nothing_said = self.inventory.findings.iter().all(|finding| {
                !matches!(
                    finding.code,
                    FindingCode::FormatNotSupported | FindingCode::NoBackupInFolder
                )
            });
            if names.is_empty() && nothing_said {
                found.push(Finding::new(
                    FindingCode::NoDumpInArchive,
                    format!("the archive `{}` holds not a single dump", self.inventory.path),
                ));
            } else if self.inventory.globals.is_none() && nothing_said {
                found.push(Finding::new(
                    FindingCode::GlobalsMissing,
                    format!("the archive `{}` holds no globals.sql: no roles, no grants to them, no tablespaces", self.inventory.path),
                ));
            }
        }
        self.inventory.findings.extend(found);
        self.inventory.created_at = self
            .inventory
            .databases
            .iter()
            .filter_map(|dump| dump.created_at.clone())
            .min()
            .or_else(|| self.inventory.sidecar.as_ref()?.timestamp.clone());
        changing::take_back_if_changed(&mut self.inventory);
    }

    fn duplicates(&mut self) {
        let mut seen: Vec<String> = Vec::new();
        let mut found = Vec::new();
        self.inventory.databases.retain(|dump| {
            let fresh = !seen.contains(&dump.name);
            if fresh {
                seen.push(dump.name.clone());
            } else {
                found.push(
                    Finding::new(
                        FindingCode::DuplicateMember,
                        format!(
                            "the member `{}` holds database `{}` a second time",
                            dump.member, dump.name
                        ),
                    )
                    .in_database(dump.name.clone())
                    .on(format!("member {}", dump.member)),
                );
            }
            fresh
        });
        self.inventory.findings.extend(found);
    }
}

/// Archives that are recognised for what they are and are no cluster archives.
pub(super) fn foreign_archive(name: &str) -> Option<&'static str> {
    match name {
        "toc.dat" => Some("pg_dump's tar format"),
        "backup_label" | "PG_VERSION" | "global/pg_control" => {
            Some("a physical backup's format (pg_basebackup or dbbackup incremental)")
        }
        _ => None,
    }
}
