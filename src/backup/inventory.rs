//! What a backup holds, as far as it could be read.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::codec::Codec;
use super::decrypt::{Encryption, Opener};
use super::sidecar::Sidecar;
use super::sql::CollationsNeeded;
use super::toc::TocEntry;
use crate::finding::Finding;
use crate::outcome::BackupFacts;

/// The shape of a backup as a whole, behind any compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupShape {
    /// A tar archive with globals and dumps.
    ClusterTar,
    /// The same, as a folder.
    ClusterFolder,
    /// The output of `pg_dumpall`.
    DumpAll,
    /// One dump.
    Single(DumpFormat),
    /// Nothing that could be recognised.
    Unknown,
}

/// The format of a backup: its shape and how that is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupFormat {
    /// What it is behind the compression.
    pub shape: BackupShape,
    /// How the file as a whole is compressed.
    pub codec: Codec,
}

impl BackupFormat {
    /// Of something that was not recognised.
    pub const UNKNOWN: Self = Self { shape: BackupShape::Unknown, codec: Codec::None };

    /// Whether the backup carries roles and tablespaces of its own.
    pub fn is_cluster(self) -> bool {
        match self.shape {
            BackupShape::ClusterTar | BackupShape::ClusterFolder | BackupShape::DumpAll => true,
            BackupShape::Single(_) | BackupShape::Unknown => false,
        }
    }
}

/// The name used in reports: `cluster_tar_gz`, `custom`, `plain_zst`.
impl fmt::Display for BackupFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.shape {
            BackupShape::ClusterTar => "cluster_tar",
            BackupShape::ClusterFolder => "cluster_folder",
            BackupShape::DumpAll => "pg_dumpall",
            BackupShape::Single(format) => format.as_str(),
            BackupShape::Unknown => return f.write_str("unknown"),
        })?;
        match self.codec.extension() {
            Some(extension) => write!(f, "_{extension}"),
            None => Ok(()),
        }
    }
}

/// The shape of one dump, behind any compression of the member as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DumpFormat {
    /// `pg_dump -Fc`.
    Custom,
    /// `pg_dump -Fd`: a folder.
    Directory,
    /// `pg_dump -Ft`.
    Tar,
    /// SQL for psql.
    Plain,
}

impl DumpFormat {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Directory => "directory",
            Self::Tar => "tar",
            Self::Plain => "plain",
        }
    }

    /// Whether it is `pg_restore`'s to read, with a table of contents of the database's own entries
    /// and their definitions.
    pub fn is_archive(self) -> bool {
        match self {
            Self::Custom | Self::Directory | Self::Tar => true,
            Self::Plain => false,
        }
    }
}

/// A version of PostgreSQL as its programs print it: `15.18 (Debian 15.18-0+deb12u1)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PostgresVersion(pub String);

impl PostgresVersion {
    /// The major version: 15 of `15.18`, 9 of `9.6.24`.
    pub fn major(&self) -> Option<u32> {
        let digits: String = self
            .0
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    }

    /// Major and minor, where both are there: (15, 18).
    pub fn major_minor(&self) -> Option<(u32, u32)> {
        let start = self.0.trim_start_matches(|c: char| !c.is_ascii_digit());
        let mut parts = start.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    /// The number alone: `15.18`.
    pub fn number(&self) -> &str {
        let start = self.0.trim_start_matches(|c: char| !c.is_ascii_digit());
        start.split_whitespace().next().unwrap_or(start)
    }
}

impl fmt::Display for PostgresVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Roles and tablespaces of a cluster: the output of `pg_dumpall --globals-only`.
#[derive(Debug, Clone)]
pub struct Globals {
    /// The member's name in the archive.
    pub member: String,
    /// Its text. Holds password hashes: never printed, never reported.
    pub(crate) sql: Vec<u8>,
    /// Roles it creates.
    pub roles: BTreeSet<String>,
    /// Tablespaces it creates.
    pub tablespaces: BTreeSet<String>,
    /// The role that initdb has to make, because the source's initdb made it.
    pub bootstrap_role: Option<String>,
    /// Damage found by reading it.
    pub findings: Vec<Finding>,
    /// What its format leaves open.
    pub not_tested: Vec<String>,
    /// Where a psql without `\restrict` could take data for a command.
    pub unclear_for_old_psql: Option<u64>,
}

/// Where the files of a directory dump lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DumpFolder {
    /// The folder's name in the backup; empty where the backup as a whole is the dump.
    pub(crate) name: String,
    /// The position of its last file among the archive's members.
    pub(crate) last: usize,
}

/// One database's dump.
#[derive(Debug, Clone)]
pub struct DatabaseDump {
    /// The database's name.
    pub name: String,
    /// The dump's name in the archive; the file's own name for a single dump.
    pub member: String,
    /// Its position among the archive's members, from 0.
    pub position: usize,
    /// Its shape.
    pub format: DumpFormat,
    /// How the member, or the single file, is compressed as a whole.
    pub codec: Codec,
    /// Bytes it takes in the archive, before the outer compression: its weight.
    pub archive_bytes: u64,
    /// Bytes of its data after decompression, as far as they could be counted.
    pub data_bytes: u64,
    /// The table of contents.
    pub entries: Vec<TocEntry>,
    /// Whether the dump brings a table of contents of `pg_dump`'s own.
    pub has_table_of_contents: bool,
    /// The encoding of its text.
    pub encoding: Option<String>,
    /// The server that was dumped.
    pub server_version: Option<PostgresVersion>,
    /// The `pg_dump` that wrote it.
    pub pg_dump_version: Option<PostgresVersion>,
    /// When it was made, by its own clock and without a time zone.
    pub created_at: Option<String>,
    /// Roles it names as owners, grantees, …
    pub roles_named: BTreeSet<String>,
    /// Tablespaces it names.
    pub tablespaces_named: BTreeSet<String>,
    /// Extensions that statements of a plain dump make; [`Self::extensions`] knows them all.
    pub extensions_created: BTreeSet<String>,
    /// Collations that the server must be able to make, or have.
    pub collations: CollationsNeeded,
    /// A plain dump made with `pg_dump --create` makes its database itself.
    pub creates_database: bool,
    /// Where it lies in the output of `pg_dumpall`, in bytes after decompression.
    pub(crate) section: Option<Range<u64>>,
    /// Where the files of a directory dump lie in the backup.
    pub(crate) folder: Option<DumpFolder>,
    /// Line of the first place where a psql without `\restrict` could take data for a command.
    pub unclear_for_old_psql: Option<u64>,
    /// What its format leaves open, for the report.
    pub not_tested: Vec<String>,
    /// Damage and notices found by reading it.
    pub findings: Vec<Finding>,
}

impl DatabaseDump {
    /// The lowest major version that can restore it.
    pub fn needs_major(&self) -> Option<u32> {
        [&self.server_version, &self.pg_dump_version]
            .into_iter()
            .filter_map(|version| version.as_ref()?.major())
            .max()
    }

    /// Rows that it holds; `None` where those of a table cannot be counted.
    pub fn rows(&self) -> Option<u64> {
        let of_tables = self.entries.iter().filter(|entry| entry.kind == "TABLE DATA");
        of_tables.map(|entry| entry.data.as_ref().map_or(Some(0), |data| data.rows)).sum()
    }

    /// Extensions that the server must have for it: those of the table of contents, and those that
    /// statements make.
    pub fn extensions(&self) -> BTreeSet<&str> {
        let of_contents = self
            .entries
            .iter()
            .filter(|entry| entry.kind == "EXTENSION")
            .map(|entry| entry.tag.as_str());
        of_contents.chain(self.extensions_created.iter().map(String::as_str)).collect()
    }
}

/// What a backup holds and what is wrong with it.
#[derive(Debug, Clone)]
pub struct BackupInventory {
    /// Where it lies.
    pub path: Utf8PathBuf,
    /// Its shape.
    pub format: BackupFormat,
    /// Its size on disk.
    pub bytes: u64,
    /// Bytes read from it so far.
    pub bytes_read: u64,
    /// SHA-256 of the file in hexadecimal; none for a folder.
    pub sha256: Option<String>,
    /// Whether the file is encrypted, and what was found in it.
    pub encryption: Encryption,
    /// When it was made, from inside or from its sidecar.
    pub created_at: Option<String>,
    /// What the sidecars say.
    pub sidecar: Option<Sidecar>,
    /// Roles and tablespaces.
    pub globals: Option<Globals>,
    /// The databases in the archive's order.
    pub databases: Vec<DatabaseDump>,
    /// Whether the outer archive could be read to its end.
    pub outer_is_sound: bool,
    /// Damage and notices that belong to no database.
    pub findings: Vec<Finding>,
    /// What was there when it was first looked at; told apart from a file that still grows.
    pub(crate) identity: Vec<(Utf8PathBuf, u64, i64)>,
    /// What opens it again.
    pub(crate) opener: Opener,
}

impl BackupInventory {
    /// Of a backup that nobody has read.
    pub fn unread(path: &Utf8Path) -> Self {
        Self {
            path: path.to_path_buf(),
            format: BackupFormat::UNKNOWN,
            bytes: 0,
            bytes_read: 0,
            sha256: None,
            encryption: Encryption::None,
            created_at: None,
            sidecar: None,
            globals: None,
            databases: Vec::new(),
            outer_is_sound: true,
            findings: Vec::new(),
            identity: Vec::new(),
            opener: Opener::default(),
        }
    }

    /// The server that was dumped.
    pub fn server_version(&self) -> Option<&PostgresVersion> {
        self.databases
            .iter()
            .filter_map(|database| database.server_version.as_ref())
            .max_by_key(|version| version.major())
            .or_else(|| self.sidecar.as_ref()?.server_version.as_ref())
    }

    /// The lowest major version that can restore everything.
    pub fn needs_major(&self) -> Option<u32> {
        self.databases
            .iter()
            .filter_map(DatabaseDump::needs_major)
            .max()
            .or_else(|| self.sidecar.as_ref()?.server_version.as_ref()?.major())
    }
}

impl From<&BackupInventory> for BackupFacts {
    fn from(inventory: &BackupInventory) -> Self {
        Self {
            path: inventory.path.to_string(),
            picked: None,
            format: inventory.format.to_string(),
            bytes: inventory.bytes,
            sha256: inventory.sha256.clone(),
            created_at: inventory.created_at.clone(),
            server_version: inventory.server_version().map(ToString::to_string),
            bytes_read: inventory.bytes_read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PostgresVersion;

    #[test]
    fn majors_are_read_from_what_programs_print() {
        let major = |text: &str| PostgresVersion(text.into()).major();
        assert_eq!(major("15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("PostgreSQL 17.6 on x86_64-pc-linux-gnu"), Some(17));
        assert_eq!(major("9.6.24"), Some(9));
        assert_eq!(major("unknown"), None);
        assert_eq!(PostgresVersion("18beta1".into()).major(), Some(18));
        assert_eq!(PostgresVersion("15.18 (x)".into()).major_minor(), Some((15, 18)));
    }
}
