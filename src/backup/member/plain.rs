//! What a plain dump is as a database's dump, and what is wrong with it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{MemberPlace, blank, finding, is_cut};
use crate::backup::inventory::{DatabaseDump, DumpFormat, PostgresVersion};
use crate::backup::reach;
use crate::backup::rows::FaultKind;
use crate::backup::sql::{self, Behind, Construct, PlainDump, PlainFlavour};
use crate::finding::{Finding, FindingCode};
use crate::text::{counted, one_line};

pub(in crate::backup) fn from_plain(place: &MemberPlace<'_>, plain: PlainDump) -> DatabaseDump {
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
    dump.collations = plain.collations;
    dump.roles_named.extend(plain.entries.iter().filter_map(|entry| entry.owner.clone()));
    // `pg_dump --create` connects a second time where the database has settings of its own.
    let databases: BTreeSet<&String> =
        plain.connects.iter().map(|connect| &connect.database).collect();
    if databases.len() > 1 {
        let message = format!("`{}` holds several databases (pg_dumpall)", place.name);
        dump.findings.push(finding(place, FindingCode::FormatNotSupported, message));
    } else if let Some(name) = databases.first() {
        dump.creates_database = plain.databases_created.contains(*name);
        dump.name.clone_from(name);
    }
    if !dump.creates_database {
        dump.not_tested
            .push("a plain dump carries no owner, encoding or settings of its database".to_owned());
    }
    dump.not_tested.push(
        "a plain dump has no checksum, a changed value that still loads is not seen".to_owned(),
    );
    dump.not_tested.extend(behind(&plain.behind));
    dump.entries = plain.entries;
    dump
}

/// What of the text behind a dump's last line is run, and not judged.
pub(in crate::backup) fn behind(behind: &Behind) -> Option<String> {
    if behind.statements > 0 {
        return Some(format!(
            "what stands behind the dump's last line is not pg_dump's, it is run and not judged: {}, the first in line {}",
            counted(usize::try_from(behind.statements).unwrap_or(usize::MAX), "statement"),
            behind.line
        ));
    }
    (behind.dumps > 0).then(|| {
        format!(
            "the file holds {} one behind the other, and whether they belong together is not known",
            counted(usize::try_from(behind.dumps + 1).unwrap_or(usize::MAX), "dump")
        )
    })
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

/// Whether the commands found are but rows and comments that damage, which is said, has made of them:
/// none of psql's, or `pg_dump`'s own within a statement that text before the dump has opened.
fn is_of_damage(plain: &PlainDump) -> bool {
    let is_own = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        plain.text_before.is_some()
            && matches!(words.as_slice(), ["\\restrict" | "\\unrestrict", key]
            if key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    let is_damaged =
        plain.text_before.is_some() || plain.nul_at.is_some() || plain.head_lost.is_some();
    let is_listed = plain.meta_command_count == plain.meta_commands.len() as u64;
    let mut commands = plain.meta_commands.iter();
    is_damaged
        && is_listed
        && commands.all(|(_, text)| is_own(text) || !sql::is_command(text.as_bytes()))
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
    if let Some(cause) = plain.no_sql {
        let message = format!("`{}` is neither a pg_dump archive nor SQL", place.name);
        found.push(finding(place, FindingCode::UnknownFormat, message).because(cause));
        return;
    }
    if let Some(text) = &plain.text_before {
        let message = format!(
            "text that is no part of it stands before the first line of the dump `{}`",
            place.name
        );
        let cause = format!("it runs into the dump's first statement: {}", one_line(text, 100));
        found.push(damaged(message).because(cause));
    }
    if let Some(cause) = plain.head_lost {
        let message = format!("the dump `{}` has lost its beginning", place.name);
        found.push(truncated(message).because(cause));
    }
    if let Some((_, text)) = plain.meta_commands.first().filter(|_| !is_of_damage(plain)) {
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
    for row in &plain.row_damage {
        // Some kinds are of a line among the rows, and none of a row's.
        let subject = match row.fault.kind {
            FaultKind::EndMark | FaultKind::Leftover | FaultKind::Unended => "among the rows",
            _ => "a row",
        };
        let message =
            format!("{subject} of `{}` in `{}` {}", row.table, place.name, row.fault.kind);
        let object = format!(
            "TABLE DATA {}, row {}, line {}, byte {} of member {}",
            row.table, row.fault.row, row.line, row.offset, place.name
        );
        found.push(damaged(message).on(object));
    }
    if let Some((line, offset)) = plain.bad_text {
        let message = format!(
            "a statement in `{}` has bytes that are no text in the dump's encoding",
            place.name
        );
        found.push(
            damaged(message).on(format!("line {line}, byte {offset} of member {}", place.name)),
        );
    }
    if let Some(stray) = &plain.behind.stray {
        let message = format!("the dump `{}` goes on behind its last line", place.name);
        let cause = format!(
            "{} stands there, and no first line before it: it is of another dump that has lost its beginning",
            one_line(stray, 100)
        );
        found.push(damaged(message).because(cause));
    }
    if let Some(table) = &plain.behind.twice {
        let count = usize::try_from(plain.behind.dumps + 1).unwrap_or(usize::MAX);
        let message =
            format!("`{}` holds {} one behind the other", place.name, counted(count, "dump"));
        let cause = format!(
            "more than one of them holds the table {}: cut the file before the first line of the one \
             that is meant",
            one_line(table, 100)
        );
        found.push(finding(place, FindingCode::FormatNotSupported, message).because(cause));
    }
    // What rows hold has been said, with their table.
    if let Some(offset) = plain.nul_at
        && !plain.row_damage.iter().any(|row| row.offset == offset)
    {
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
}
