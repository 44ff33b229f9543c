//! What to do next, for each kind of finding.

use crate::finding::FindingCode;

/// The steps that fit a code whatever the details. `match` lists every code on purpose: a new one
/// has to say what its reader should do.
pub(crate) fn steps(code: FindingCode) -> Vec<String> {
    use FindingCode as Code;
    let steps: &[&str] = match code {
        Code::BackupEmpty | Code::DumpEmpty => {
            &["Look at the log of the backup job: nothing was written.", "Make a new backup."]
        }
        Code::UnknownFormat => &[
            "Check that the path names a backup: a cluster archive, or a pg_dump file.",
            "If the backup is encrypted, give its key with --decrypt-key-file, or decrypt it first.",
        ],
        Code::ArchiveTruncated | Code::ArchiveDamaged => &[
            "Compare size and checksum with the copy on the machine that made the backup, and copy it again.",
            "If that copy is damaged too, make a new backup.",
        ],
        Code::UnsafeMember => &[
            "Do not unpack this archive by hand.",
            "Find out who made it: no backup tool writes such members.",
        ],
        Code::NoDumpInArchive | Code::GlobalsMissing => {
            &["Look at the log of the backup job.", "Make a new backup of the whole cluster."]
        }
        Code::DuplicateMember => {
            &["Look at how the archive was made: one database must be in it once."]
        }
        Code::DumpTruncated | Code::DumpDamaged => &[
            "Look at the log of the backup job for this database, and at the free space of its disk.",
            "Make a new backup of this database.",
        ],
        Code::MetaCommand => &[
            "Look at the line in the dump: pg_dump writes no psql meta-commands besides \\restrict, \\unrestrict and \\connect.",
            "Find out who changed the dump.",
        ],
        Code::UnsafeStatement => &[
            "Do not restore this dump on a server that matters: as a superuser it runs programs there.",
            "Find out who changed it: no backup tool writes such a statement.",
        ],
        Code::ServerAltered => &[
            "Do not restore this backup on a server that matters.",
            "Look at its functions, event triggers and DO blocks: one of them changes other databases, roles or settings.",
        ],
        Code::DatabaseMissing | Code::BackupIncomplete => &[
            "Look at the log of the backup job for the databases that failed; dbbackup exits 0 when a database fails.",
            "Make a new backup once the cause is gone.",
        ],
        Code::ChecksumMismatch => &[
            "Compare with the copy on the machine that made the backup: this file is not the one that was hashed.",
            "If the sidecar belongs to another file, remove it and try again.",
        ],
        Code::RoleMissing | Code::TablespaceMissing => &[
            "Check that the backup takes globals with pg_dumpall --globals-only as a superuser.",
            "Until then create the role or tablespace by hand before a real restore.",
        ],
        Code::GlobalsFailed | Code::DatabaseNotCreated | Code::RestoreFailed => &[
            "Restore this database by hand into a scratch server of the same major version to see the error in full.",
            "Make a new backup if the dump itself is wrong.",
        ],
        Code::DataRejected | Code::ConstraintViolated => &[
            "Check the same rows on the source: the dump holds data that its own schema refuses.",
            "Check the source's indexes with amcheck, repair it, and make a new backup.",
        ],
        Code::ObjectMissing | Code::RowsMissing => &[
            "Look at the other findings of this database first: they mostly explain what is missing.",
        ],
        Code::OwnerDiffers
        | Code::AclDiffers
        | Code::DefinitionDiffers
        | Code::SequenceDiffers
        | Code::NotPopulated => &[
            "Look at the other findings of this database first: they may explain it.",
            "Compare the objects named with the source: pg_dump --schema-only of both, side by side.",
            "Look for functions, event triggers and DO blocks in the dump that change others' objects while it is restored.",
        ],
        Code::RowsDiffer => &[
            "Look at the other findings of this database first: they may explain it.",
            "Look for triggers, rules and functions in the dump that write while it is restored.",
        ],
        Code::CheckFailed => {
            &["Run the query on the source: is the data wrong there too, or is the expectation?"]
        }
        Code::BackupNotFound => {
            &["Check the path.", "Check that the backup job has run and has not cleaned up."]
        }
        Code::BackupUnreadable => {
            &["Run as an account that may read the file, or give it the permission."]
        }
        Code::BackupChanging => &["Wait until the backup job has ended, and run again."],
        Code::BackupUndecided => &[
            "Name the backup itself in `backup.path`.",
            "Or write the time into the names of the backups, as in shop_20260130_021011.dump.",
        ],
        Code::NoBackupInFolder => {
            &["Name the backup itself: a cluster archive, or a folder with globals.sql and dumps/."]
        }
        Code::FormatNotSupported => &[
            "Use a cluster archive (.tar, .tar.gz, .tar.zst, .tar.lz4, folder) or a .dump or .sql file, which may be compressed with gzip, zstd or lz4.",
        ],
        Code::ExpansionLimit => &[
            "Look at what is in it with the programs of its compression: a real dump does not shrink to so little.",
            "If it does, decompress it and name that file.",
        ],
        Code::Encrypted => &[
            "Give the key: `backup.decrypt` in the scenario, --decrypt-key-file or --decrypt-key-env.",
            "If another program encrypted it, decrypt it to another place and name that file.",
        ],
        Code::KeyUnreadable => {
            &["Name the file or the variable that holds the key, and let this account read it."]
        }
        Code::KeyUnusable => &[
            "Give the key that the backup was made with: 32 bytes, or those in base64.",
            "If it was made with this very passphrase, nobody can decrypt it: make a key (openssl rand -base64 32) and a new backup, now.",
        ],
        Code::KeyWrong => &[
            "Give the key that this backup was made with; keys may have been changed since.",
            "If the key is right, compare the file with the copy on the machine that made the backup.",
        ],
        Code::EndUnmarked => &[
            "Make the dump with pg_dump or pg_dumpall: both end their files with a line that says so.",
        ],
        Code::FolderUnusable => &[
            "Check the folder's permissions and free space.",
            "PGDRILL_HOME names the folder for pgdrill's own state, TMPDIR the one for local servers.",
        ],
        Code::EngineUnavailable => &[
            "Start a Docker daemon that this account may use, or",
            "install the PostgreSQL server programs of the backup's major version, or a newer one (Debian, Ubuntu: apt install postgresql), or",
            "name their folder with --pg-bindir.",
        ],
        Code::ImageUnavailable => &[
            "Pull the image (docker pull) or name another one with --image.",
            "Or use --engine local with PostgreSQL programs on this machine.",
        ],
        Code::ServerTooOld => {
            &["Name a newer image with --image, or newer programs with --pg-bindir."]
        }
        Code::ServerVersionDiffers => &[
            "Name an image, or a folder of programs, of the version in `postgres.version`, or remove that key.",
        ],
        Code::IsolationUnavailable => &[
            "Use --engine docker, or allow user namespaces on this machine, or",
            "add --trust-dump if nobody else could have written this backup.",
        ],
        Code::ClusterNotStarted => &[
            "Read the server's last lines above.",
            "Try another image with --image, or --engine local.",
        ],
        Code::ServerEnded => &[
            "Run again.",
            "If it happens again, give the sandbox more memory or use another image.",
        ],
        Code::DiskFull => &[
            "Free space where the throwaway server lives (Docker's data folder, or TMPDIR with --engine local).",
            "Or set TMPDIR to a larger file system with --engine local.",
        ],
        Code::OutOfMemory => &[
            "Raise `sandbox.memory` in the scenario, or run on a machine with more memory.",
            "If it needs far more than the source did, look at what the dump's functions do.",
        ],
        Code::ProcessLimit => &[
            "Raise `sandbox.pids` in the scenario.",
            "If that does not help, look at the programs that the dump starts.",
        ],
        Code::LimitUnenforceable => &[
            "Lower the limit to what the machine has, use --engine docker, or remove it from the scenario.",
        ],
        Code::NetworkNeeded => &[
            "Find what connects while it is restored: mostly a materialized view over a foreign table, or a function that uses dblink.",
            "Leave that database out with `restore.exclude`: without its network it cannot be tested.",
        ],
        Code::ToolMissing => &[
            "Name an image with PostgreSQL's client programs (psql, pg_restore, pg_dump) with --image.",
        ],
        Code::ExtensionMissing => &[
            "Name an image that has the extension with --image (for example postgis/postgis:15-3.4).",
        ],
        Code::LocaleMissing => &[
            "Name an image that has the locale with --image.",
            "With --engine local, install the locale.",
        ],
        Code::PsqlTooOld => {
            &["Use an image with PostgreSQL 13.22, 14.19, 15.14, 16.10, 17.6 or newer."]
        }
        Code::PlaceholderMissing => &["Restore the cluster archive instead: it carries its roles."],
        Code::TimedOut => {
            &["Run again when the machine is less busy.", "Raise the limit that the message names."]
        }
        Code::StructureUnread => &[
            "Look at the other findings of this database first: they may explain it.",
            "Restore the database by hand and run pg_dump --schema-only on it to see the error in full.",
        ],
        Code::NothingRestored | Code::NothingCompared => {
            &["Look at the other findings: nothing is known about this backup."]
        }
        Code::CheckErrored => {
            &["Try the query with psql on the source.", "Correct it in the scenario."]
        }
        Code::CleanupIncomplete => &["Run pgdrill sweep."],
        Code::ReportNotWritten => {
            &["Check the folder's permissions and free space, and run again."]
        }
        Code::ScenarioInvalid | Code::NoDatabaseSelected => {
            &["Correct the scenario, and run again."]
        }
        Code::Cancelled => &["Run again."],
        Code::Internal => {
            &["Report this with the output of the same command and RUST_LOG=pgdrill=debug."]
        }
        Code::SidecarUnreadable
        | Code::SidecarStale
        | Code::NotEncrypted
        | Code::MemberNotListed
        | Code::MemberIgnored
        | Code::SettingUnknown
        | Code::AnalyzeFailed
        | Code::ProgramStarted
        | Code::NameDiffers
        | Code::ExtensionDiffers
        | Code::ObjectUnexpected => &[],
    };
    steps.iter().map(|&step| step.to_owned()).collect()
}
