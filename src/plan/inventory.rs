//! What `pgdrill inspect` says, as a tree: the JSON is this type, the text is a view of it.
//!
//! Where a field means what a field of the JSON report means, it has that one's name. Holds names,
//! numbers and versions: no rows, no passwords, no bodies of functions, no values of settings.

mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use properties::DatabaseProperties;

use super::{left_open, unmade};
use crate::backup::{BackupInventory, Codec, DatabaseDump, Encryption, Sidecar, TocEntry};
use crate::finding::{Finding, FindingClass};
use crate::outcome::ExitCode;

/// The version of the tree's paths.
pub const INVENTORY_SCHEMA: &str = "pgdrill.inventory/v1";

/// Where the tree comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InventorySource {
    /// Every byte of the backup was read.
    Backup,
    /// Its sidecars alone: nothing of it is verified.
    Sidecar,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryReport {
    /// [`INVENTORY_SCHEMA`].
    pub schema: String,
    /// pgdrill's version.
    pub tool_version: String,
    /// Where this comes from.
    pub source: InventorySource,
    /// Whether the backup was read by an earlier call, and has not changed since.
    pub cached: bool,
    /// The backup as a whole.
    pub backup: InventoryBackup,
    /// What the sidecars say; `null` where there are none.
    pub sidecar: Option<Value>,
    /// In the backup's order.
    pub databases: Vec<InventoryDatabase>,
    /// Roles that globals create.
    pub roles: BTreeSet<String>,
    /// Tablespaces that globals create.
    pub tablespaces: BTreeSet<String>,
    /// Extensions of all databases.
    pub extensions: BTreeSet<String>,
    /// Damage and notices that belong to no database.
    pub findings: Vec<Finding>,
    /// What nobody has looked at.
    pub not_tested: Vec<String>,
}

/// A backup as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryBackup {
    /// Where it lies.
    pub path: String,
    /// Its shape and compression: `cluster_tar_gz`.
    pub format: String,
    /// Its size.
    pub bytes: u64,
    /// Bytes read of it.
    pub bytes_read: u64,
    /// Of the file; none for a folder.
    pub sha256: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// When it was made, from inside or from its sidecar.
    pub created_at: Option<String>,
    /// The server that was dumped.
    pub server_version: Option<String>,
    /// The lowest major version of a server that restores everything.
    pub needs_major: Option<u32>,
}

/// One database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryDatabase {
    /// Its name.
    pub name: String,
    /// Its dump's name in the backup.
    pub member: String,
    /// `custom` or `plain`; none where only a sidecar names it.
    pub format: Option<String>,
    /// How the dump as a whole is compressed: `none`, `gzip`, `zstd`, `lz4`.
    pub codec: Option<String>,
    /// The encoding of the dump's text.
    pub encoding: Option<String>,
    /// The server that was dumped.
    pub server_version: Option<String>,
    /// The `pg_dump` that wrote it.
    pub pg_dump_version: Option<String>,
    /// By its own clock, without a zone.
    pub created_at: Option<String>,
    /// Bytes in the backup.
    pub archive_bytes: u64,
    /// Bytes of its data after decompression.
    pub data_bytes: u64,
    /// Tables that the dump makes.
    pub tables: u64,
    /// Rows in the dump; none where those of a table cannot be counted.
    pub rows: Option<u64>,
    /// Large objects that the dump makes.
    pub large_objects: u64,
    /// Extensions that it needs.
    pub extensions: BTreeSet<String>,
    /// Roles that it names.
    pub roles: BTreeSet<String>,
    /// Tablespaces that it names.
    pub tablespaces: BTreeSet<String>,
    /// What its own entries say of the database; none where the dump has none.
    pub properties: Option<DatabaseProperties>,
    /// The table of contents, in the dump's order.
    pub entries: Vec<InventoryEntry>,
    /// What its format leaves open.
    pub not_tested: Vec<String>,
    /// Damage and notices.
    pub findings: Vec<Finding>,
}

/// One entry of a table of contents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryEntry {
    /// `pg_dump`'s number of it; 0 in plain dumps.
    pub id: i64,
    /// `TABLE`, `TABLE DATA`, `INDEX`, …
    pub kind: String,
    /// The schema it lives in.
    pub schema: Option<String>,
    /// Its name, as `pg_dump` tags it.
    pub tag: String,
    /// Its owner.
    pub owner: Option<String>,
    /// Its tablespace, where it is not the default.
    pub tablespace: Option<String>,
    /// How many entries it depends on.
    pub dependencies: usize,
    /// What the dump holds as its data: sizes, rows, fingerprint; `null` where it holds none.
    pub data: Option<Value>,
}

impl InventoryReport {
    /// Of a backup that was read.
    pub fn new(inventory: &BackupInventory) -> Self {
        let mut databases: Vec<_> = inventory.databases.iter().map(database).collect();
        for finding in unmade(inventory) {
            let mut all = databases.iter_mut();
            if let Some(one) = all.find(|one| Some(&one.name) == finding.database.as_ref()) {
                one.findings.push(finding);
            }
        }
        let globals = inventory.globals.as_ref();
        let findings = inventory.findings.iter();
        Self {
            backup: InventoryBackup {
                path: inventory.path.to_string(),
                format: inventory.format.to_string(),
                bytes: inventory.bytes,
                bytes_read: inventory.bytes_read,
                sha256: inventory.sha256.clone(),
                encrypted: inventory.encryption != Encryption::None,
                created_at: inventory.created_at.clone(),
                server_version: inventory.server_version().map(ToString::to_string),
                needs_major: inventory.needs_major(),
            },
            roles: globals.map(|globals| globals.roles.clone()).unwrap_or_default(),
            tablespaces: globals.map(|globals| globals.tablespaces.clone()).unwrap_or_default(),
            extensions: databases.iter().flat_map(|one| one.extensions.iter().cloned()).collect(),
            findings: findings
                .chain(globals.into_iter().flat_map(|globals| &globals.findings))
                .cloned()
                .collect(),
            not_tested: {
                let hint = "pgdrill verify --restore-test";
                let mut all = vec![super::unread::without_restore(inventory, hint)];
                all.extend(left_open(inventory.databases.iter(), globals));
                all
            },
            databases,
            ..Self::empty(InventorySource::Backup, inventory.sidecar.as_ref())
        }
    }

    /// Of the sidecars of a backup that was not read; `bytes` is its size.
    pub fn of_sidecar(
        path: &Utf8Path,
        bytes: u64,
        sidecar: &Sidecar,
        findings: Vec<Finding>,
    ) -> Self {
        let listed = sidecar.databases.iter().chain(&sidecar.database);
        let version = sidecar.server_version.as_ref();
        Self {
            backup: InventoryBackup {
                path: path.to_string(),
                format: "unknown".to_owned(),
                bytes,
                bytes_read: 0,
                sha256: None,
                encrypted: sidecar.is_encrypted,
                created_at: sidecar.timestamp.clone(),
                server_version: version.map(ToString::to_string),
                needs_major: version.and_then(crate::backup::PostgresVersion::major),
            },
            databases: listed.map(|name| listed_database(name)).collect(),
            findings,
            not_tested: vec![
                "the backup: not one byte of it was read, all this is what its sidecar says"
                    .to_owned(),
            ],
            ..Self::empty(InventorySource::Sidecar, Some(sidecar))
        }
    }

    fn empty(source: InventorySource, sidecar: Option<&Sidecar>) -> Self {
        Self {
            schema: INVENTORY_SCHEMA.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            source,
            cached: false,
            backup: InventoryBackup {
                path: String::new(),
                format: String::new(),
                bytes: 0,
                bytes_read: 0,
                sha256: None,
                encrypted: false,
                created_at: None,
                server_version: None,
                needs_major: None,
            },
            sidecar: sidecar.and_then(|sidecar| serde_json::to_value(sidecar).ok()),
            databases: Vec::new(),
            roles: BTreeSet::new(),
            tablespaces: BTreeSet::new(),
            extensions: BTreeSet::new(),
            findings: Vec::new(),
            not_tested: Vec::new(),
        }
    }

    /// Every finding, those of databases too.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.databases.iter().flat_map(|one| &one.findings))
    }

    /// 1 where the backup is bad, 2 where something could not be found out, or where only its sidecar
    /// was read; else 0.
    pub fn exit_code(&self) -> ExitCode {
        let any = |is: fn(FindingClass) -> bool| self.all_findings().any(|one| is(one.class));
        if any(|class| class == FindingClass::Backup) {
            ExitCode::Failed
        } else if any(|class| class != FindingClass::Notice)
            || self.source == InventorySource::Sidecar
        {
            ExitCode::Errored
        } else {
            ExitCode::Success
        }
    }
}

fn database(dump: &DatabaseDump) -> InventoryDatabase {
    let of_kind = |kind: &'static str| dump.entries.iter().filter(move |entry| entry.kind == kind);
    InventoryDatabase {
        member: dump.member.clone(),
        format: Some(dump.format.as_str().to_owned()),
        codec: Some(codec(dump.codec).to_owned()),
        encoding: dump.encoding.clone(),
        server_version: dump.server_version.as_ref().map(ToString::to_string),
        pg_dump_version: dump.pg_dump_version.as_ref().map(ToString::to_string),
        created_at: dump.created_at.clone(),
        archive_bytes: dump.archive_bytes,
        data_bytes: dump.data_bytes,
        tables: of_kind("TABLE").count() as u64,
        rows: dump.rows(),
        large_objects: dump.entries.iter().map(large_objects).sum(),
        extensions: dump.extensions().into_iter().map(ToOwned::to_owned).collect(),
        roles: dump.roles_named.clone(),
        tablespaces: dump.tablespaces_named.clone(),
        properties: DatabaseProperties::of(dump),
        entries: dump.entries.iter().map(entry).collect(),
        not_tested: dump.not_tested.clone(),
        findings: dump.findings.clone(),
        ..listed_database(&dump.name)
    }
}

fn listed_database(name: &str) -> InventoryDatabase {
    InventoryDatabase {
        name: name.to_owned(),
        member: String::new(),
        format: None,
        codec: None,
        encoding: None,
        server_version: None,
        pg_dump_version: None,
        created_at: None,
        archive_bytes: 0,
        data_bytes: 0,
        tables: 0,
        rows: None,
        large_objects: 0,
        extensions: BTreeSet::new(),
        roles: BTreeSet::new(),
        tablespaces: BTreeSet::new(),
        properties: None,
        entries: Vec::new(),
        not_tested: Vec::new(),
        findings: Vec::new(),
    }
}

fn codec(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "none",
        Codec::Gzip => "gzip",
        Codec::Zstd => "zstd",
        Codec::Lz4 => "lz4",
    }
}

/// One for each `BLOB` entry before PostgreSQL 17; since then an entry lists many, one a line.
fn large_objects(entry: &TocEntry) -> u64 {
    match entry.kind.as_str() {
        "BLOB" => 1,
        "BLOB METADATA" => {
            let oids = entry.definition.lines().filter(|line| line.trim().parse::<u32>().is_ok());
            oids.count() as u64
        }
        _ => 0,
    }
}

fn entry(entry: &TocEntry) -> InventoryEntry {
    InventoryEntry {
        id: entry.dump_id,
        kind: entry.kind.clone(),
        schema: entry.schema.clone(),
        tag: entry.tag.clone(),
        owner: entry.owner.clone(),
        tablespace: entry.tablespace.clone(),
        dependencies: entry.dependencies.len(),
        data: entry.data.as_ref().and_then(|data| serde_json::to_value(data).ok()),
    }
}
