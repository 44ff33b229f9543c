//! What is recognised for what it is, and is nothing that this version restores.

use camino::Utf8Path;

use super::names;

/// Something recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// What it is, behind "is": `an xz file`.
    pub(crate) what: &'static str,
    /// What to do with it.
    pub(crate) step: &'static str,
}

const fn foreign(what: &'static str, step: &'static str) -> Foreign {
    Foreign { what, step }
}

/// What many tools put beside their dumps: it speaks of data and holds none.
const JSON: Foreign = foreign("a JSON document", "Name the backup that it speaks of.");

impl Foreign {
    /// Whether a database could lie in it.
    pub(crate) fn may_hold_a_dump(&self) -> bool {
        *self != JSON
    }
}

const DECOMPRESS: &str =
    "Decompress it, or compress it with gzip, zstd or lz4, and name that file.";
const UNPACK: &str = "Unpack it and name the backup that is in it.";
const DECRYPT: &str = "Decrypt it with the program that encrypted it and name that file.";
const LOGICAL: &str =
    "Test it with the tool that made it; pgdrill restores logical backups (pg_dump, dbbackup).";

/// Twice compressed, as far as this program looks.
pub(crate) const DOUBLY_COMPRESSED: Foreign =
    foreign("doubly compressed data", "Take one of the compressions off and name that file.");
/// A tar archive within an archive, and no dump of `pg_dump`'s.
pub(crate) const NESTED_TAR: Foreign = foreign("a tar archive of its own", UNPACK);

const BASE_BACKUP: Foreign = foreign("a physical backup (pg_basebackup)", LOGICAL);
const DATA_DIRECTORY: Foreign = foreign(
    "a copy of files of a data directory without a backup_label (an incremental backup of \
     dbbackup, or a copied data directory)",
    "Make a logical backup: such a copy alone is no consistent cluster.",
);
const SPLIT: Foreign = foreign(
    "a split backup of dbbackup (schema.sql, data.sql, blob_stream_N.bin)",
    "Make a cluster backup or a single dump with dbbackup.",
);
const DEDUPLICATED: Foreign = foreign(
    "a deduplicating store of dbbackup (chunks, manifests)",
    "Restore the backup out of the store with dbbackup and name that file.",
);
const SAMPLE: Foreign = foreign(
    "a sample backup of dbbackup: a schema with queries in the place of rows",
    "Make a full backup: a sample backup restores no rows.",
);

const MAGICS: &[(&[u8], Foreign)] = &[
    (b"BZh", foreign("a bzip2 file", DECOMPRESS)),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], foreign("an xz file", DECOMPRESS)),
    (b"LZIP", foreign("an lzip file", DECOMPRESS)),
    (&[0x89, b'L', b'Z', b'O', 0], foreign("an lzop file", DECOMPRESS)),
    (&[0x1f, 0x9d], foreign("a file of compress (.Z)", DECOMPRESS)),
    (&[0x02, 0x21, 0x4c, 0x18], foreign("an lz4 file in its legacy format", DECOMPRESS)),
    (&[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c], foreign("a 7z archive", UNPACK)),
    (b"PK\x03\x04", foreign("a zip archive", UNPACK)),
    (b"PK\x05\x06", foreign("an empty zip archive", UNPACK)),
    (b"Rar!\x1a\x07", foreign("a rar archive", UNPACK)),
    (b"Salted__", foreign("a file encrypted with openssl enc", DECRYPT)),
    (
        b"DBBACKUP_ENCRYPTED_V1",
        foreign("in an encrypted format that dbbackup names and never wrote", DECRYPT),
    ),
    (b"WALENC01", foreign("an encrypted WAL file of dbbackup, no backup", LOGICAL)),
    (b"age-encryption.org/", foreign("a file encrypted with age", DECRYPT)),
    (b"-----BEGIN AGE ENCRYPTED FILE", foreign("a file encrypted with age", DECRYPT)),
    (b"-----BEGIN PGP MESSAGE", foreign("a file encrypted with GnuPG", DECRYPT)),
    (b"SQLite format 3\0", foreign("an SQLite database", "Name a backup of PostgreSQL.")),
    (b"-- Sample Database Backup\n-- Database: ", SAMPLE),
];

/// What a stream with these first bytes is.
pub(crate) fn of_head(head: &[u8]) -> Option<Foreign> {
    let by_magic = MAGICS.iter().find(|(magic, _)| head.starts_with(magic));
    by_magic.map(|(_, foreign)| *foreign).or_else(|| {
        if is_gnupg(head) {
            Some(foreign("a file encrypted with GnuPG", DECRYPT))
        } else if is_json(head) {
            Some(JSON)
        } else {
            None
        }
    })
}

/// A session key for a public key (version 3) or a passphrase (version 4): RFC 4880 §4.2, §5.1, §5.3.
fn is_gnupg(head: &[u8]) -> bool {
    let (Some((tag, rest)), Some(length)) = (head.split_first(), head.get(1)) else { return false };
    // Tags 1 and 3, with a length of one byte or of two.
    let length_bytes = match (tag, length) {
        (0x84 | 0x8c, _) | (0xc1 | 0xc3, 0..0xc0) => 1,
        (0x85 | 0x8d, _) | (0xc1 | 0xc3, 0xc0..=0xdf) => 2,
        _ => return false,
    };
    let body = rest.get(length_bytes..).unwrap_or_default();
    match (tag, body) {
        (0x84 | 0x85 | 0xc1, [3, _, _, _, _, _, _, _, _, algorithm, ..]) => {
            matches!(algorithm, 1 | 2 | 16 | 18 | 25)
        }
        (0x8c | 0x8d | 0xc3, [4, cipher, salting, ..]) => {
            (1..=13).contains(cipher) && matches!(salting, 0 | 1 | 3)
        }
        _ => false,
    }
}

fn is_json(head: &[u8]) -> bool {
    let mut words = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    words.next() == Some(&b'{') && matches!(words.next(), Some(b'"' | b'}'))
}

/// What an archive or a folder is that holds a member of this name.
pub(crate) fn of_member(name: &str) -> Option<Foreign> {
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    // Wherever the data directory lies in it.
    match name.rsplit('/').next().unwrap_or(name) {
        "backup_label" | "tablespace_map" | "backup_manifest" => return Some(BASE_BACKUP),
        "PG_VERSION"
        | "pg_control"
        | "postgresql.conf"
        | "postgresql.auto.conf"
        | "pg_hba.conf"
        | "pg_ident.conf" => return Some(DATA_DIRECTORY),
        _ => {}
    }
    if ["base.tar", "pg_wal.tar"].iter().any(|base| first.starts_with(base)) {
        return Some(BASE_BACKUP);
    }
    let is_data = matches!(first, "base" | "global")
        && rest.starts_with(|c: char| c.is_ascii_digit())
        || first.starts_with("pg_") && !rest.is_empty();
    if is_data && names::database_of_member(name).is_none() {
        return Some(DATA_DIRECTORY);
    }
    let is_blobs = rest.starts_with("blob_stream_") || first.starts_with("blob_stream_");
    if is_blobs || has_extension(first, "split") {
        return Some(SPLIT);
    }
    let inside = name.strip_prefix("dedup/").unwrap_or(name);
    let is_store = inside == "chunks.db" || inside.starts_with("chunks/");
    is_store.then_some(DEDUPLICATED)
}

fn has_extension(name: &str, extension: &str) -> bool {
    Utf8Path::new(name).extension() == Some(extension)
}

/// What a folder is.
pub(crate) fn of_folder(folder: &Utf8Path) -> Option<Foreign> {
    let holds = |name: &str| folder.join(name).exists();
    let is_split = holds("schema.sql") && holds("data.sql") && holds("manifest.json");
    let is_named_split = folder.file_name().is_some_and(|name| has_extension(name, "split"));
    let is_store = |prefix: &str| {
        holds(&format!("{prefix}chunks.db"))
            || holds(&format!("{prefix}chunks")) && holds(&format!("{prefix}manifests"))
    };
    let has_base = ["base.tar", "base.tar.gz", "base.tar.lz4", "base.tar.zst"];
    if holds("globals.sql") || holds("dumps") {
        None
    } else if holds("backup_label") || holds("backup_manifest") || has_base.into_iter().any(holds) {
        Some(BASE_BACKUP)
    } else if holds("PG_VERSION") || holds("global/pg_control") {
        Some(DATA_DIRECTORY)
    } else if is_split || is_named_split {
        Some(SPLIT)
    } else if is_store("") || is_store("dedup/") {
        Some(DEDUPLICATED)
    } else {
        None
    }
}

/// Whether a folder of this name is one that dbbackup works in, and leaves behind when it is killed.
pub(crate) fn is_left_over(name: &str) -> bool {
    name.starts_with(".cluster_") || name.starts_with(".restore_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_told_by_their_first_bytes() {
        let what = |head: &[u8]| of_head(head).map(|foreign| foreign.what);
        assert_eq!(what(b"BZh91AY"), Some("a bzip2 file"));
        assert_eq!(what(b"Salted__12345678"), Some("a file encrypted with openssl enc"));
        assert_eq!(what(b"{\n  \"version\": 1}"), Some("a JSON document"));
        // As gpg 2.2 writes with -c, and with -r for an RSA key.
        assert_eq!(what(&[0x8c, 0x0d, 4, 9, 3, 2]), Some("a file encrypted with GnuPG"));
        let rsa = [0x85, 1, 0x8c, 3, 1, 2, 3, 4, 5, 6, 7, 8, 1, 9];
        assert_eq!(what(&rsa), Some("a file encrypted with GnuPG"));
        for dump in [&b"--\n-- PostgreSQL database dump\n"[..], b"PGDMP\x01\x0e", b"", b"{"] {
            assert_eq!(what(dump), None);
        }
    }

    #[test]
    fn archives_of_others_are_told_by_what_they_hold() {
        for (name, expected) in [
            ("backup_label", Some(BASE_BACKUP)),
            ("base.tar.gz", Some(BASE_BACKUP)),
            ("base/16384/2619", Some(DATA_DIRECTORY)),
            ("global/pg_control", Some(DATA_DIRECTORY)),
            ("pg_xact/0000", Some(DATA_DIRECTORY)),
            ("shop.split/data.sql", Some(SPLIT)),
            ("dedup/chunks/ab/abcd", Some(DEDUPLICATED)),
            ("dumps/base.dump", None),
            ("globals.sql", None),
            ("global.dump", None),
            ("base.dump", None),
        ] {
            assert_eq!(of_member(name), expected, "{name}");
        }
    }
}
