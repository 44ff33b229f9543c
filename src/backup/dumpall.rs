//! The output of `pg_dumpall` as the backup of a cluster: globals, and one plain dump per database.

#[cfg(test)]
mod tests;

use std::io::Read;

use super::globals;
use super::inventory::{DatabaseDump, Globals};
use super::member::{self, MemberPlace};
use super::sql::{self, PlainDump, PlainFlavour, Section, Sections};
use crate::finding::{Finding, FindingCode};
use crate::text::one_line;

/// What a plain file turned out to be.
pub(crate) enum Plain {
    /// One dump.
    One(Box<PlainDump>),
    /// A cluster.
    Cluster(Box<Cluster>),
}

/// What the output of `pg_dumpall` holds.
pub(crate) struct Cluster {
    pub(crate) globals: Globals,
    pub(crate) databases: Vec<DatabaseDump>,
    /// What is wrong with the output as a whole.
    pub(crate) findings: Vec<Finding>,
}

/// Reads a plain file to its end; damage is in the findings of what it holds.
pub(crate) fn read(place: &MemberPlace<'_>, reader: &mut dyn Read) -> Plain {
    let Sections { head, head_sql, databases: sections, is_complete, dropped } =
        sql::inspect_sections(reader);
    let is_cluster = head.flavour == PlainFlavour::PgDumpAll
        && head.connects.is_empty()
        && head.databases_created.is_empty();
    if !is_cluster {
        return Plain::One(Box::new(head));
    }
    let is_too_large = head_sql.is_none();
    let mut globals = globals::globals(place, head_sql.unwrap_or_default(), &head);
    if is_too_large {
        let message = format!("what `{}` holds before its first database is too large", place.name);
        globals.findings.push(Finding::new(FindingCode::FormatNotSupported, message));
    }
    let mut findings = Vec::new();
    let databases: Vec<DatabaseDump> = sections
        .into_iter()
        .enumerate()
        .map(|(position, section)| database(place, position, section))
        .collect();
    if !is_complete && let Some(last) = databases.last() {
        findings.push(cut(place, &last.name));
        let lost = dropped.iter().filter(|name| !databases.iter().any(|dump| dump.name == **name));
        findings.extend(lost.map(|name| {
            let message = format!("database `{name}` is lost: `{}` ends before it", place.name);
            let cause = "its first lines drop the database, and nothing makes it again";
            Finding::new(FindingCode::DumpTruncated, message)
                .in_database(name.clone())
                .because(cause)
        }));
    }
    Plain::Cluster(Box::new(Cluster { globals, databases, findings }))
}

fn database(place: &MemberPlace<'_>, position: usize, section: Section) -> DatabaseDump {
    let Section { title, mut dump, from, to } = section;
    // What of pg_dump's first lines is missing is lost: the writer is known.
    if dump.flavour == PlainFlavour::Unknown {
        dump.flavour = PlainFlavour::PgDump;
    }
    let named = contradiction(&title, &dump);
    let name = dump.connects.first().map(|connect| connect.database.clone());
    let name =
        name.or_else(|| dump.databases_created.first().cloned()).unwrap_or_else(|| title.clone());
    let place = MemberPlace {
        database: name,
        position,
        bytes: to - from,
        is_named: false,
        ..place.clone()
    };
    let other = dump.connects.iter().find(|connect| connect.database != place.database);
    let runs_on = other.map(|other| {
        let message = format!(
            "in `{}` the dump of database `{}` runs into that of `{}`",
            place.name, place.database, other.database
        );
        let object = format!("line {} of member {}", other.line, place.name);
        member::finding(&place, FindingCode::DumpDamaged, message).on(object)
    });
    dump.connects.retain(|connect| connect.database == place.database);
    let mut database = member::from_plain(&place, dump);
    database.section = Some(from..to);
    // What runs on into another database says more than that the names differ.
    let named = named.filter(|_| runs_on.is_none()).map(|cause| {
        let message = format!(
            "in `{}` the part below the title `{}` does not name that database throughout",
            place.name,
            one_line(&title, 100)
        );
        member::finding(&place, FindingCode::DumpDamaged, message).because(cause)
    });
    database.findings.extend(runs_on.or(named));
    database
}

/// `pg_dumpall` takes for granted that these are there (`dumpDatabases` in `pg_dumpall.c`).
const ALWAYS_THERE: [&str; 2] = ["postgres", "template1"];

/// What contradicts the title: `CREATE DATABASE` and `\connect` name the same database. What is missing
/// counts only where the part is whole: of one that is cut this is said.
fn contradiction(title: &str, dump: &PlainDump) -> Option<String> {
    let is_same = |name: &String| is_title_of(title, name, dump.client_encoding.as_deref());
    if let Some(other) = dump.connects.iter().map(|connect| &connect.database).find(|n| !is_same(n))
    {
        return Some(format!("its `\\connect` names `{}`", one_line(other, 100)));
    }
    let created = &dump.databases_created;
    if !created.is_empty() && !created.iter().any(is_same) {
        let other = created.first().map_or("", String::as_str);
        return Some(format!("its CREATE DATABASE names `{}`", one_line(other, 100)));
    }
    if !dump.trailer {
        None
    } else if dump.connects.is_empty() {
        Some("the line `\\connect` is missing: its tables would be made in another one".to_owned())
    } else if created.is_empty() && !ALWAYS_THERE.contains(&title) {
        Some("its CREATE DATABASE is missing".to_owned())
    } else {
        None
    }
}

/// Whether a title is that of database `name`: it shows line ends as spaces (`sanitize_line`). Names have
/// no encoding of their own, so that those beyond ASCII are compared only where all of it is UTF-8.
fn is_title_of(title: &str, name: &str, encoding: Option<&str>) -> bool {
    let is_plain = |text: &str| text.is_ascii();
    let is_lost = |text: &str| text.contains('\u{fffd}');
    title == name.replace(['\n', '\r'], " ")
        || !is_plain(title)
            && !is_plain(name)
            && (encoding != Some("UTF8") || is_lost(title) || is_lost(name))
}

fn cut(place: &MemberPlace<'_>, last: &str) -> Finding {
    let message = format!(
        "`{}` ends too early: every database that pg_dumpall wrote behind `{last}` is lost",
        place.name
    );
    Finding::new(FindingCode::DumpTruncated, message)
        .on(format!("member {}", place.name))
        .because("its last line, `PostgreSQL database cluster dump complete`, is missing")
}
