//! One member of an archive, or one file: which database's dump it is, and what is in it.

use std::collections::BTreeSet;
use std::io::{self, Read};

use super::custom::{self, Compression, CustomDump, DamageKind};
use super::intake::{self, Content};
use super::inventory::{DatabaseDump, DumpFormat, PostgresVersion};
use super::names;
use super::reach;
use super::sql::{self, Construct, PlainDump, PlainFlavour};
use crate::finding::{Finding, FindingCode};
use crate::text::one_line;

/// What a member turned out to be.
pub(crate) enum Member {
    Dump(Box<DatabaseDump>),
    Globals {
        sql: Vec<u8>,
        dump: Box<PlainDump>,
    },
    /// Recognised, and nothing that this version restores.
    Unsupported(&'static str),
    /// No dump at all.
    Other,
}

/// Globals larger than this are none: a role takes about a hundred bytes.
const GLOBALS_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// What is being read, for the messages.
#[derive(Debug, Clone)]
pub(crate) struct MemberPlace<'a> {
    pub(crate) name: &'a str,
    pub(crate) database: String,
    pub(crate) position: usize,
    pub(crate) bytes: u64,
    /// Whether its name says which database it is: a file's name may say anything.
    pub(crate) is_named: bool,
}

/// Reads a member to its end.
///
/// # Errors
///
/// Only what the outer archive reports; damage inside the member is in the result's findings.
pub(crate) fn read(place: &MemberPlace<'_>, reader: &mut dyn Read) -> io::Result<Member> {
    let (head, mut reader) = intake::peek(reader)?;
    match intake::content_of(&head) {
        Content::Gzip => {
            let (head, mut inflated) = match intake::peek(intake::gunzip(reader)) {
                Ok(peeked) => peeked,
                Err(error) => {
                    return Ok(Member::Dump(Box::new(damaged_gzip(place, &error))));
                }
            };
            read_dump(place, &head, &mut inflated, true)
        }
        _ => read_dump(place, &head, &mut reader, false),
    }
}

fn read_dump(
    place: &MemberPlace<'_>,
    head: &[u8],
    reader: &mut dyn Read,
    is_gzip: bool,
) -> io::Result<Member> {
    let mut dump = match intake::content_of(head) {
        Content::Empty => empty(place),
        Content::CustomDump => from_custom(place, custom::read(reader)),
        Content::Text if is_globals_name(place.name) => return globals(reader),
        Content::Text => from_plain(place, sql::inspect(reader)),
        Content::Zstd => return Ok(Member::Unsupported("zstd compression")),
        Content::OtherCompression(name) => return Ok(Member::Unsupported(name)),
        Content::Tar => return Ok(Member::Unsupported("pg_dump's tar format")),
        Content::Gzip => return Ok(Member::Unsupported("doubly compressed data")),
        Content::Unknown if names::database_of_member(place.name).is_none() => {
            return Ok(Member::Other);
        }
        Content::Unknown => unknown(place),
    };
    dump.is_gzip = is_gzip;
    if is_gzip {
        dump.not_tested.retain(|text| !text.contains("no checksum"));
    }
    Ok(Member::Dump(Box::new(dump)))
}

fn is_globals_name(name: &str) -> bool {
    name.rsplit('/').next() == Some("globals.sql")
}

fn globals(reader: &mut dyn Read) -> io::Result<Member> {
    let mut sql = Vec::new();
    reader.take(GLOBALS_LIMIT_BYTES).read_to_end(&mut sql)?;
    let dump = sql::inspect(&mut sql.as_slice());
    Ok(Member::Globals { sql, dump: Box::new(dump) })
}

fn blank(place: &MemberPlace<'_>, format: DumpFormat) -> DatabaseDump {
    DatabaseDump {
        name: place.database.clone(),
        member: place.name.to_owned(),
        position: place.position,
        format,
        is_gzip: false,
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
        creates_database: false,
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

fn damaged_gzip(place: &MemberPlace<'_>, error: &io::Error) -> DatabaseDump {
    let mut dump = blank(place, DumpFormat::Plain);
    let code = if error.kind() == io::ErrorKind::UnexpectedEof || is_cut(&error.to_string()) {
        FindingCode::DumpTruncated
    } else {
        FindingCode::DumpDamaged
    };
    let message = format!("the gzip data of `{}` cannot be read", place.name);
    dump.findings.push(finding(place, code, message).because(error.to_string()));
    dump
}

fn from_custom(place: &MemberPlace<'_>, custom: CustomDump) -> DatabaseDump {
    let mut dump = blank(place, DumpFormat::Custom);
    dump.has_table_of_contents = true;
    dump.data_bytes = custom
        .entries
        .iter()
        .filter_map(|entry| entry.data)
        .map(|data| data.bytes.unwrap_or(data.stored_bytes.saturating_mul(4)))
        .sum();
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
        if !custom.has_checksums {
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

fn from_plain(place: &MemberPlace<'_>, plain: PlainDump) -> DatabaseDump {
    let mut dump = blank(place, DumpFormat::Plain);
    plain_damage(place, &plain, &mut dump.findings);
    dump.has_table_of_contents = plain.flavour == PlainFlavour::PgDump || !plain.entries.is_empty();
    dump.data_bytes = plain.bytes;
    dump.encoding = plain.client_encoding;
    dump.server_version = plain.server_version.map(PostgresVersion);
    dump.pg_dump_version = plain.pg_dump_version.map(PostgresVersion);
    dump.unclear_for_old_psql = plain.first_unclear.map(|unclear| unclear.line);
    dump.tablespaces_named = plain.entries.iter().filter_map(|e| e.tablespace.clone()).collect();
    dump.roles_named = plain.roles_named;
    dump.extensions_created = plain.extensions_created;
    dump.roles_named.extend(plain.entries.iter().filter_map(|entry| entry.owner.clone()));
    if plain.connects.len() > 1 {
        let message = format!("`{}` holds several databases (pg_dumpall)", place.name);
        dump.findings.push(finding(place, FindingCode::FormatNotSupported, message));
    } else if let Some(connect) = plain.connects.first() {
        dump.creates_database = true;
        dump.name.clone_from(&connect.database);
    } else {
        dump.not_tested
            .push("a plain dump carries no owner, encoding or settings of its database".to_owned());
    }
    dump.not_tested.push(
        "a plain dump has no checksum, a changed value that still loads is not seen".to_owned(),
    );
    dump.entries = plain.entries;
    dump
}

/// Whether a decoder's words mean that its input ended too early. flate2 has no kind for it.
pub(crate) fn is_cut(words: &str) -> bool {
    ["incomplete deflate stream", "unexpected end", "unexpected EOF", "failed to fill whole buffer"]
        .iter()
        .any(|text| words.contains(text))
}

fn construct(construct: Construct) -> &'static str {
    match construct {
        Construct::CopyRows => "the rows of a table",
        Construct::Text | Construct::DollarText => "a string",
        Construct::Identifier => "a quoted name",
        Construct::Comment => "a comment",
        Construct::Statement => "a statement",
    }
}

/// Whether the writer ends every whole dump with a line that says so.
fn has_trailer(flavour: PlainFlavour) -> bool {
    match flavour {
        PlainFlavour::PgDump | PlainFlavour::PgDumpAll | PlainFlavour::DbbackupNative => true,
        PlainFlavour::Mysql | PlainFlavour::Unknown => false,
    }
}

/// What reading a plain dump has found; also used for globals.
pub(crate) fn plain_damage(place: &MemberPlace<'_>, plain: &PlainDump, found: &mut Vec<Finding>) {
    let truncated = |message: String| finding(place, FindingCode::DumpTruncated, message);
    let damaged = |message: String| finding(place, FindingCode::DumpDamaged, message);
    if plain.flavour == PlainFlavour::Mysql {
        let message = format!("`{}` is a MySQL dump", place.name);
        found.push(finding(place, FindingCode::FormatNotSupported, message));
        return;
    }
    if let Some((_, text)) = plain.meta_commands.first() {
        let count = plain.meta_command_count;
        let line = plain.meta_commands.first().map_or(0, |(line, _)| *line);
        let name: String = text.chars().take_while(|c| !c.is_whitespace()).take(20).collect();
        let mut refused = finding(
            place,
            FindingCode::MetaCommand,
            format!(
                "the plain dump `{}` holds the psql command `{}`; it was not run",
                place.name,
                one_line(&name, 20)
            ),
        )
        .on(format!("line {line} of member {}", place.name));
        refused.count = count;
        found.push(refused);
    }
    found.extend(reach::in_plain(place, plain));
    if let Some(error) = &plain.io_error {
        let message = format!("the compressed data of `{}` cannot be read to its end", place.name);
        found.push(if is_cut(error) {
            truncated(message).because(error.clone())
        } else {
            damaged(message).because(error.clone())
        });
    } else if let Some(unfinished) = &plain.unfinished {
        let object = match &unfinished.table {
            Some(table) => format!("TABLE DATA {table}, line {}", unfinished.line),
            None => format!("line {}", unfinished.line),
        };
        found.push(
            truncated(format!(
                "the dump `{}` ends inside {}",
                place.name,
                construct(unfinished.construct)
            ))
            .on(object),
        );
    } else if !plain.trailer && !has_trailer(plain.flavour) {
        let message = format!("nothing says that the dump `{}` is whole", place.name);
        found.push(
            finding(place, FindingCode::EndUnmarked, message).because(
                "its writer is not known, and the line that ends pg_dump's files is missing",
            ),
        );
    } else if !plain.trailer {
        found.push(
            truncated(format!("the dump `{}` ends between two statements", place.name)).because(
                "its last line, `PostgreSQL database dump complete`, is missing".to_owned(),
            ),
        );
    }
    if let Some(offset) = plain.nul_at {
        let message = format!("the dump `{}` holds bytes that no dump holds", place.name);
        found.push(damaged(message).on(format!("byte {offset} of member {}", place.name)));
    }
    if let Some((table, line)) = &plain.swallowed {
        let message = format!(
            "in `{}` the rows of `{table}` have no end mark: they run into what follows",
            place.name
        );
        found.push(damaged(message).on(format!("TABLE DATA {table}, line {line}")));
    }
    if let Some((table, line)) = &plain.copy_shape {
        let message = format!("a row of `{table}` in `{}` has not the table's columns", place.name);
        found.push(damaged(message).on(format!("TABLE DATA {table}, line {line}")));
    }
}
