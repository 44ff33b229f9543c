//! One member of an archive, or one file: which database's dump it is, and what is in it.

mod place;
mod plain;

use std::collections::BTreeSet;
use std::io::{self, Read};

use super::codec::Codec;
use super::custom::{self, Compression, CustomDump, DamageKind};
use super::foreign::{self, Foreign};
use super::intake::{self, Content};
use super::inventory::{DatabaseDump, DumpFormat, PostgresVersion};
use super::meter::{Halt, Meter};
use super::names::{self, Said};
use super::pgtar;
use super::reach;
use super::sql::{self, CollationsNeeded, PlainDump};
use crate::finding::{Finding, FindingCode};
use crate::text::{counted, one_line};

pub(crate) use self::place::MemberPlace;
pub(crate) use self::plain::plain_damage;
pub(super) use self::plain::{behind, from_plain};

/// What a member turned out to be.
pub(crate) enum Member {
    Dump(Box<DatabaseDump>),
    Globals {
        sql: Vec<u8>,
        dump: Box<PlainDump>,
    },
    /// Recognised, and nothing that this version restores.
    Unsupported(Foreign),
    /// No dump at all.
    Other,
}

/// Globals are held in memory. A role takes some hundred bytes.
const GLOBALS_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a member to its end.
///
/// # Errors
///
/// Only what the outer archive reports; damage inside the member is in the result's findings. Where
/// `meter` has a reason to stop, what was found says nothing.
pub(crate) fn read(
    place: &MemberPlace<'_>,
    reader: &mut dyn Read,
    meter: &Meter,
) -> io::Result<Member> {
    let (head, mut reader) = intake::peek(reader)?;
    let Content::Compressed(codec) = intake::content_of(&head) else {
        return read_dump(place, &head, &mut reader, Codec::None, meter);
    };
    let (head, mut inflated) = match codec.decoder(reader, meter).and_then(intake::peek) {
        Ok(peeked) => peeked,
        Err(error) => return Ok(Member::Dump(Box::new(damaged_stream(place, codec, &error)))),
    };
    let mut member = read_dump(place, &head, &mut inflated, codec, meter)?;
    if let Member::Dump(dump) = &mut member
        && inflated.get_ref().1.is_checked()
    {
        seal(&mut dump.not_tested);
    }
    Ok(member)
}

fn read_dump(
    place: &MemberPlace<'_>,
    head: &[u8],
    reader: &mut dyn Read,
    codec: Codec,
    meter: &Meter,
) -> io::Result<Member> {
    let (mut dump, found) = match intake::content_of(head) {
        Content::Empty => (empty(place), None),
        Content::CustomDump => {
            (from_custom(place, custom::read(reader, meter)), Some(Said::Custom))
        }
        Content::Text if is_globals_name(place.name) => return globals(reader, meter),
        Content::Text => (from_plain(place, sql::inspect(reader)), Some(Said::Plain)),
        Content::Foreign(foreign) => return Ok(Member::Unsupported(foreign)),
        Content::Tar if pgtar::begins(head) => (pgtar::read(place, reader, meter), Some(Said::Tar)),
        Content::Tar => return Ok(Member::Unsupported(foreign::NESTED_TAR)),
        Content::Compressed(_) => return Ok(Member::Unsupported(foreign::DOUBLY_COMPRESSED)),
        Content::Unknown if names::database_of_member(place.name).is_none() => {
            return Ok(Member::Other);
        }
        Content::Unknown => (unknown(place), None),
    };
    dump.codec = codec;
    // The name of a single file speaks of its outer compression as well.
    let lie = found.filter(|_| place.is_named);
    if let Some(text) = lie.and_then(|found| names::difference(place.name, codec, found)) {
        let differs = Finding::new(FindingCode::ExtensionDiffers, text);
        dump.findings.push(differs.on(format!("member {}", place.name)).in_database(&*dump.name));
    }
    Ok(Member::Dump(Box::new(dump)))
}

/// Something around a dump or globals had checksums of everything in it, and they were right. They
/// speak of what their writer was given.
pub(crate) fn seal(not_tested: &mut Vec<String>) {
    let open = not_tested.len();
    not_tested.retain(|text| !text.contains("no checksum"));
    if not_tested.len() < open {
        not_tested.push(
            "what was changed before the checksum around it was made, and still restores, is not seen"
                .to_owned(),
        );
    }
}

/// A dump of a database `globals` would lie in `dumps/`.
fn is_globals_name(name: &str) -> bool {
    match name.rsplit_once('/') {
        Some((folder, file)) => file == "globals.sql" && !folder.ends_with("dumps"),
        None => name == "globals.sql",
    }
}

fn globals(reader: &mut dyn Read, meter: &Meter) -> io::Result<Member> {
    let mut sql = Vec::new();
    reader.take(GLOBALS_LIMIT_BYTES).read_to_end(&mut sql)?;
    if sql.len() as u64 == GLOBALS_LIMIT_BYTES {
        meter.stop(Halt::Unsupported("its globals are larger than 64 MiB".to_owned()));
        sql = Vec::new();
    }
    let dump = sql::inspect(&mut sql.as_slice());
    Ok(Member::Globals { sql, dump: Box::new(dump) })
}

fn blank(place: &MemberPlace<'_>, format: DumpFormat) -> DatabaseDump {
    DatabaseDump {
        name: place.database.clone(),
        member: place.name.to_owned(),
        position: place.position,
        format,
        codec: Codec::None,
        archive_bytes: place.bytes,
        data_bytes: 0,
        entries: Vec::new(),
        has_table_of_contents: false,
        encoding: None,
        server_version: None,
        pg_dump_version: None,
        created_at: None,
        roles_named: BTreeSet::new(),
        tablespaces_named: BTreeSet::new(),
        extensions_created: BTreeSet::new(),
        collations: CollationsNeeded::default(),
        creates_database: false,
        section: None,
        folder: None,
        unclear_for_old_psql: None,
        not_tested: Vec::new(),
        findings: Vec::new(),
    }
}

pub(super) fn finding(place: &MemberPlace<'_>, code: FindingCode, message: String) -> Finding {
    Finding::new(code, message)
        .in_database(place.database.clone())
        .on(format!("member {}", place.name))
}

fn empty(place: &MemberPlace<'_>) -> DatabaseDump {
    let mut dump = blank(place, DumpFormat::Plain);
    let message = format!("the dump `{}` has no bytes", place.name);
    dump.findings.push(finding(place, FindingCode::DumpEmpty, message));
    dump
}

fn unknown(place: &MemberPlace<'_>) -> DatabaseDump {
    let mut dump = blank(place, DumpFormat::Plain);
    let message = format!("`{}` is neither a pg_dump archive nor SQL", place.name);
    dump.findings.push(finding(place, FindingCode::UnknownFormat, message));
    dump
}

fn damaged_stream(place: &MemberPlace<'_>, codec: Codec, error: &io::Error) -> DatabaseDump {
    let mut dump = blank(place, DumpFormat::Plain);
    let code =
        if is_cut_error(error) { FindingCode::DumpTruncated } else { FindingCode::DumpDamaged };
    let message = format!("the {codec} data of `{}` cannot be read", place.name);
    dump.findings.push(finding(place, code, message).because(error.to_string()));
    dump
}

pub(super) fn from_custom(place: &MemberPlace<'_>, custom: CustomDump) -> DatabaseDump {
    let mut dump = blank(place, DumpFormat::Custom);
    dump.has_table_of_contents = true;
    dump.data_bytes = custom
        .entries
        .iter()
        .filter_map(|entry| entry.data.as_ref())
        .map(|data| data.bytes.unwrap_or(data.stored_bytes.saturating_mul(4)))
        // A header may say any size of a file that is cut.
        .fold(0, u64::saturating_add);
    if let Some(header) = &custom.header {
        dump.encoding = Some(header.encoding.clone());
        dump.server_version = Some(PostgresVersion(header.server_version.clone()));
        dump.pg_dump_version = Some(PostgresVersion(header.pg_dump_version.clone()));
        dump.created_at = header.created.map(|[year, month, day, hour, minute, second]| {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
        });
        if !header.database.is_empty() && header.database != place.database {
            let message = format!(
                "the dump `{}` is of database `{}`, its name says `{}`",
                place.name, header.database, place.database
            );
            dump.name.clone_from(&header.database);
            if place.is_named {
                let differs = finding(place, FindingCode::NameDiffers, message);
                dump.findings.push(differs.in_database(&*header.database));
            }
        }
        if custom.has_checksums {
            dump.not_tested.push(
                "the table of contents has no checksum, a changed definition that still restores is not seen"
                    .to_owned(),
            );
        } else {
            let codec = match header.compression {
                Compression::None => "no compression",
                Compression::Gzip => "gzip",
                Compression::Lz4 => "lz4",
                Compression::Zstd => "zstd",
            };
            dump.not_tested.push(format!(
                "custom format with {codec} has no checksum, a flipped bit that still restores is not seen"
            ));
        }
    }
    for entry in &custom.entries {
        dump.roles_named.extend(entry.owner.clone());
        dump.tablespaces_named.extend(entry.tablespace.clone());
        if names_roles(&entry.kind) {
            dump.roles_named.extend(sql::roles_named_in(&entry.definition));
        }
        dump.collations.add(entry.definition.as_bytes(), "UTF8");
    }
    let unknown = custom::unknown_kinds(&custom.entries);
    if !unknown.is_empty() {
        let count = unknown.len();
        let names = one_line(&unknown.into_iter().take(5).collect::<Vec<_>>().join(", "), 100);
        dump.not_tested.push(format!(
            "{} that this version does not know ({names}): whether they are as pg_dump writes them",
            counted(count, "kind of entry")
        ));
    }
    dump.findings.extend(reach::in_custom(place, &custom.entries));
    dump.entries = custom.entries;
    for damage in &custom.damage {
        let code = match damage.kind {
            DamageKind::Empty => FindingCode::DumpEmpty,
            DamageKind::Truncated => FindingCode::DumpTruncated,
            DamageKind::Corrupt | DamageKind::Io => FindingCode::DumpDamaged,
            DamageKind::UnsupportedVersion
            | DamageKind::PrivateVariant
            | DamageKind::OtherFormat
            | DamageKind::TooLarge => FindingCode::FormatNotSupported,
        };
        let message = match code {
            FindingCode::DumpTruncated => format!("the dump `{}` ends too early", place.name),
            FindingCode::FormatNotSupported => {
                format!("`{}` is in a form that this version does not read", place.name)
            }
            _ => format!("the dump `{}` is damaged", place.name),
        };
        let object = match &damage.entry {
            Some(entry) => format!("{entry}, at byte {} of member {}", damage.offset, place.name),
            None => format!("byte {} of member {}", damage.offset, place.name),
        };
        let found = finding(place, code, message).on(object).because(one_line(&damage.detail, 300));
        dump.findings.push(found.in_database(dump.name.clone()));
    }
    dump
}

/// Entries whose SQL names roles besides the owner.
fn names_roles(kind: &str) -> bool {
    matches!(
        kind,
        "ACL" | "DEFAULT ACL" | "POLICY" | "USER MAPPING" | "DATABASE" | "DATABASE PROPERTIES"
    )
}

/// Whether an error means that a dump or its compression ends too early.
pub(crate) fn is_cut_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || is_cut(&error.to_string())
}

/// Whether a decoder's words mean that its input ended too early. flate2 has no kind for it.
pub(crate) fn is_cut(words: &str) -> bool {
    ["incomplete deflate stream", "unexpected end", "unexpected EOF", "failed to fill whole buffer"]
        .iter()
        .any(|text| words.contains(text))
}
