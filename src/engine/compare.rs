//! What came out against what the dump's table of contents says went in.

mod large_objects;
mod redump;
mod rows;
mod values;

use std::collections::BTreeSet;

use crate::backup::{Again, DatabaseDump, DumpFormat, PostgresVersion, TocEntry};
use crate::check::structure::{Differences, Sides, Written, differences};
use crate::engine::cluster::Cluster;
use crate::ephemeral::EphemeralError;
use crate::finding::{Finding, FindingCode};
use crate::outcome::EntryAccount;
use crate::postgres::catalog::{self, COMPARED_KINDS, ObjectName};
use crate::postgres::{Session, SessionError};
use crate::text::counted;

/// Names in a message; the count tells of the others.
const NAMED: usize = 8;
/// The oldest `pg_dump` whose names for all kinds of entries are those of today.
const KNOWN_TAGS: u32 = 13;

/// What a comparison looked at.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// What became of each entry.
    pub(super) account: EntryAccount,
    pub(super) tables: u64,
    /// Tables of which the dump does not tell whether it holds rows.
    pub(super) tables_unknown: usize,
    pub(super) findings: Vec<Finding>,
    /// What could not be looked at, one sentence each.
    pub(super) not_tested: Vec<String>,
}

/// Compares every entry with the restored database, and every table that has rows in the dump.
///
/// Cancel safe: what it starts ends with the sandbox.
pub(super) async fn compare(
    cluster: &Cluster,
    session: &Session,
    dump: &DatabaseDump,
) -> Result<Comparison, EphemeralError> {
    // The one waits for a program, the other for the server.
    let (again, asked) = tokio::join!(redump::dump_again(cluster, dump), ask(session, dump));
    let (catalog, mut comparison) = match asked {
        Ok(asked) => asked,
        Err(error) => return Err(cluster.why_lost(&error).await),
    };
    comparison.account.total = dump.entries.len() as u64;
    match again? {
        Ok(again) => entries(dump, &again, &catalog, &mut comparison),
        Err(finding) => comparison.findings.push(finding),
    }
    if comparison.account.looked_at() == 0 && !dump.has_table_of_contents {
        comparison.findings.push(Finding::new(
            FindingCode::NothingCompared,
            "the dump has neither a table of contents nor statements that make tables",
        ));
    }
    Ok(comparison)
}

/// What the server itself has to be asked for.
async fn ask(
    session: &Session,
    dump: &DatabaseDump,
) -> Result<(BTreeSet<ObjectName>, Comparison), SessionError> {
    let is_plain = dump.format == DumpFormat::Plain;
    let mut comparison = Comparison::default();
    let catalog = catalog::objects(session)
        .await?
        .into_iter()
        .map(|(kind, schema, tag)| (kind, flat_if(is_plain, &schema), flat_if(is_plain, &tag)))
        .collect();
    values::compare(session, dump, &mut comparison).await?;
    large_objects::compare(session, dump, &mut comparison).await?;
    rows::compare(session, dump, &mut comparison).await?;
    rows_account(dump, &mut comparison);
    Ok((catalog, comparison))
}

/// `pg_dump` writes line feeds in names as spaces in a plain dump's comments.
fn flat_if(is_plain: bool, name: &str) -> String {
    if is_plain { name.replace(['\n', '\r'], " ") } else { name.to_owned() }
}

/// Entries with rows: those whose rows were counted, less the tables that were found to differ.
fn rows_account(dump: &DatabaseDump, comparison: &mut Comparison) {
    let is_counted = |entry: &&TocEntry| entry.data.as_ref().is_none_or(|data| data.rows.is_some());
    let of_tables = || dump.entries.iter().filter(|entry| entry.kind == "TABLE DATA");
    let all = of_tables().count() as u64;
    let counted = of_tables().filter(is_counted).count() as u64;
    let is_of_rows =
        |code: FindingCode| matches!(code, FindingCode::RowsMissing | FindingCode::RowsDiffer);
    let failed: u64 = comparison
        .findings
        .iter()
        .filter(|finding| is_of_rows(finding.code))
        .map(|finding| finding.count)
        .sum();
    comparison.account.failed_rows = failed.min(counted);
    comparison.account.restored += counted - failed.min(counted);
    comparison.account.excluded(
        "TABLE DATA: rows that the dump does not let be counted".to_owned(),
        all - counted,
    );
    let contents = dump.entries.iter().filter(|entry| entry.kind == "BLOBS").count() as u64;
    comparison.account.excluded("BLOBS: what is in large objects".to_owned(), contents);
}

/// Entries of both tables of contents.
fn entries(
    dump: &DatabaseDump,
    again: &Again,
    catalog: &BTreeSet<ObjectName>,
    comparison: &mut Comparison,
) {
    let major =
        |version: &Option<PostgresVersion>| version.as_ref().and_then(PostgresVersion::major);
    let of_dump = [major(&dump.server_version), major(&dump.pg_dump_version)];
    let of_again = [major(&again.server_version), major(&again.pg_dump_version)];
    let is_alike = of_dump == of_again && of_dump.iter().all(Option::is_some);
    let strings_escape = dump
        .entries
        .iter()
        .any(|entry| entry.kind == "STDSTRINGS" && entry.definition.contains("'off'"));
    let written = if is_alike && !strings_escape { Written::Alike } else { Written::Otherwise };
    let found = differences(&Sides {
        dump: &dump.entries,
        again: &again.entries,
        catalog,
        looked_up: COMPARED_KINDS,
        written,
        has_known_tags: of_dump[1].is_some_and(|major| major >= KNOWN_TAGS),
    });
    if written == Written::Otherwise && found.in_part > 0 {
        let shown = |major: Option<u32>| {
            major.map_or("another writer".to_owned(), |major| major.to_string())
        };
        comparison.not_tested.push(format!(
            "{}: definitions of {} are written otherwise by PostgreSQL {} and {}, they were compared by name, owner and columns",
            dump.name,
            counted(usize::try_from(found.in_part).unwrap_or(usize::MAX), "object"),
            shown(of_dump[1]),
            shown(of_again[1]),
        ));
    }
    report(found, comparison);
}

fn report(found: Differences, comparison: &mut Comparison) {
    comparison.account.restored += found.restored;
    comparison.account.failed(found.failed);
    for (what, count) in found.excluded {
        comparison.account.excluded(what, count);
    }
    for (code, names, noun, what) in [
        (
            FindingCode::ObjectMissing,
            found.missing,
            "entry",
            "of the table of contents not in the catalog",
        ),
        (FindingCode::OwnerDiffers, found.owners, "object", "with another owner than in the dump"),
        (
            FindingCode::AclDiffers,
            found.privileges,
            "entry",
            "with other privileges than in the dump",
        ),
        (
            FindingCode::DefinitionDiffers,
            found.definitions,
            "object",
            "with another definition than in the dump",
        ),
        (
            FindingCode::ObjectUnexpected,
            found.unexpected,
            "object",
            "that the dump's table of contents does not list",
        ),
    ] {
        if !names.is_empty() {
            let message = format!("{} {what}", counted(names.len(), noun));
            comparison.findings.push(listed(code, &message, &names));
        }
    }
}

fn listed(code: FindingCode, message: &str, names: &[String]) -> Finding {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let rest = names.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let mut finding = Finding::new(code, format!("{message}: {shown}{more}"));
    finding.object = names.first().cloned();
    finding.count = names.len() as u64;
    finding
}
