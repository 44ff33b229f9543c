//! From what the server's log and the programs said to findings.
//!
//! The server is ours, so its log is the complete list, with SQLSTATEs; a program's own words only
//! add which entry it was about and what never reached the server.

use std::collections::BTreeMap;

use super::programs::Output;
use crate::backup::{DatabaseDump, TocEntry};
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::postgres::ServerMessage;
use crate::postgres::sqlstate::{ArchiveSays, Meaning, meaning, object_of};
use crate::text::{one_line, without_values};

/// Distinct findings kept for one database.
const LIMIT: usize = 40;

/// Undefined table, column, function, object, schema, key: what a failed statement leaves behind
/// for those that build on it.
const CONSEQUENCES: [&str; 8] =
    ["42P01", "42703", "42883", "42704", "3D000", "3F000", "42830", "42P10"];

/// What the backup says about the objects that errors name.
pub(super) struct Background<'a> {
    pub(super) is_cluster: bool,
    /// The role that initdb has made, where the statements may make it again.
    pub(super) bootstrap: Option<&'a str>,
    pub(super) entries: &'a [TocEntry],
}

impl Background<'_> {
    fn says(&self, kind: &str, name: Option<&str>) -> ArchiveSays {
        let bare = name.map(|name| name.rsplit('.').next().unwrap_or(name));
        if kind == "role" && name.is_some() && name == self.bootstrap {
            return ArchiveSays::BootstrapRole;
        }
        let upper = kind.to_ascii_uppercase();
        if self.entries.iter().any(|entry| entry.kind == upper && bare == Some(entry.tag.as_str()))
        {
            ArchiveSays::InTheDump
        } else if self.is_cluster {
            ArchiveSays::Cluster
        } else {
            ArchiveSays::Single
        }
    }
}

/// The findings that the server's messages make, folded: the root first, what follows counted.
pub(super) fn of_messages(
    messages: &[ServerMessage],
    background: &Background<'_>,
    entries_of_errors: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for message in messages {
        let (kind, name) = object_of(&message.message);
        let says = background.says(&kind, name.as_deref());
        let code = match meaning(&message.sqlstate, &kind, says) {
            Meaning::Benign => continue,
            Meaning::Finding(code) => code,
        };
        let text = without_values(&message.sqlstate, &message.message);
        let object = entries_of_errors
            .get(&message.message)
            .cloned()
            .or_else(|| message.context.clone())
            .or_else(|| {
                let is_name = !message.sqlstate.starts_with("22") || kind == "tablespace";
                name.filter(|_| is_name).map(|name| format!("{kind} {name}"))
            });
        let mut finding = Finding::new(code, text).with_sqlstate(message.sqlstate.clone());
        finding.object = object.map(|object| one_line(&object, 200));
        finding.count = message.count;
        fold(&mut findings, finding);
    }
    findings
}

/// Adds a finding, or counts it where an earlier one already says it.
pub(super) fn fold(findings: &mut Vec<Finding>, finding: Finding) {
    let same = findings.iter_mut().find(|earlier| {
        earlier.code == finding.code
            && earlier.message == finding.message
            && earlier.sqlstate == finding.sqlstate
    });
    if let Some(earlier) = same {
        earlier.count += finding.count;
        return;
    }
    let follows = finding.code == FindingCode::RestoreFailed
        && finding.sqlstate.as_deref().is_some_and(|state| CONSEQUENCES.contains(&state));
    let is_full = findings.len() >= LIMIT;
    let root = findings
        .iter_mut()
        .find(|earlier| !matches!(earlier.class, FindingClass::Notice | FindingClass::Cancelled));
    match root {
        Some(root) if follows => root.count += finding.count,
        Some(root) if is_full => root.count += finding.count,
        _ => findings.push(finding),
    }
}

/// Which entry of the table of contents each error message of `pg_restore` came from.
///
/// `pg_restore: from TOC entry 215; 1259 16385 TABLE orders alice` precedes the error it is about.
pub(super) fn entries_of_errors(stderr: &str) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in stderr.lines() {
        if let Some((_, entry)) = line.split_once("from TOC entry ") {
            // `215; 1259 16385 TABLE orders alice`: two numbers say nothing to a reader.
            current = entry
                .split_once("; ")
                .map(|(_, rest)| rest.split_whitespace().skip(2).collect::<Vec<_>>().join(" "));
        } else if let Some((_, message)) = line.split_once("ERROR:  ")
            && let Some(entry) = &current
        {
            entries.entry(message.trim().to_owned()).or_insert_with(|| entry.clone());
        }
    }
    entries
}

/// What a program said that never reached the server, and an end that nothing else explains.
pub(super) fn of_program(
    program: &str,
    output: &Output,
    dump: &DatabaseDump,
    logged: u64,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let member = format!("member {}", dump.member);
    for line in output.stderr.lines() {
        let Some((_, complaint)) = line.split_once("error: ") else { continue };
        let from_server = complaint.contains("ERROR:") || complaint.starts_with("COPY failed");
        if from_server || complaint.starts_with("could not execute query") {
            continue;
        }
        if logged > 0 && complaint.contains("connection to server") {
            continue;
        }
        let code = if complaint.contains("unsupported version") {
            FindingCode::ServerTooOld
        } else if complaint.contains("No space left on device") {
            FindingCode::DiskFull
        } else if complaint.contains("server closed the connection")
            || complaint.contains("connection to server")
            || complaint.contains("no connection to the server")
            || complaint.contains("a worker process died")
        {
            FindingCode::ServerEnded
        } else if complaint.contains("end of file") || complaint.contains("could not find block") {
            FindingCode::DumpTruncated
        } else if complaint.contains("could not uncompress") || complaint.contains("corrupt") {
            FindingCode::DumpDamaged
        } else {
            FindingCode::RestoreFailed
        };
        let finding = Finding::new(code, format!("{program}: {}", one_line(complaint, 300)));
        fold(&mut findings, finding.on(member.clone()));
    }
    if output.says_disk_full() && findings.is_empty() {
        findings.push(
            Finding::new(FindingCode::DiskFull, "no space left for the restore").on(member.clone()),
        );
    }
    let unlogged = server_errors(&output.stderr).saturating_sub(logged);
    if unlogged > 0 {
        findings.push(
            Finding::new(
                FindingCode::RestoreFailed,
                format!(
                    "{program} reported {} of the server that its log does not hold",
                    crate::text::counted(usize::try_from(unlogged).unwrap_or(usize::MAX), "error")
                ),
            )
            .on(member.clone())
            .because("the dump turns the server's log down for its own session"),
        );
    }
    if findings.is_empty() && logged == 0 && output.status != 0 {
        let last = output.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("");
        findings.push(
            Finding::new(
                FindingCode::RestoreFailed,
                format!(
                    "{program} ended with status {} and the server's log does not say why",
                    output.status
                ),
            )
            .on(member)
            .because(one_line(last, 300)),
        );
    }
    findings
}

/// Errors of the server that a program has passed on. A session can turn the log down, but not this:
/// `client_min_messages` goes no higher than `error`.
pub(super) fn server_errors(stderr: &str) -> u64 {
    let is_error = |line: &&str| {
        [": ERROR:  ", ": FATAL:  ", ": PANIC:  "].iter().any(|mark| line.contains(mark))
    };
    stderr.lines().filter(is_error).count() as u64
}

/// How many errors the server's messages stand for.
pub(super) fn logged_errors(messages: &[ServerMessage]) -> u64 {
    messages.iter().map(|message| message.count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sqlstate: &str, text: &str, count: u64) -> ServerMessage {
        ServerMessage {
            database: "shop".into(),
            severity: "ERROR".into(),
            sqlstate: sqlstate.into(),
            message: text.into(),
            context: None,
            count,
        }
    }

    const CLUSTER: Background<'static> =
        Background { is_cluster: true, bootstrap: Some("postgres"), entries: &[] };

    #[test]
    fn three_hundred_errors_after_one_missing_extension_are_one_finding() {
        let messages = [
            message("0A000", "extension \"postgis\" is not available", 1),
            message("42704", "type \"public.geometry\" does not exist", 100),
            message("42P01", "relation \"public.places\" does not exist", 199),
        ];
        let findings = of_messages(&messages, &CLUSTER, &BTreeMap::new());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].code, FindingCode::ExtensionMissing);
        assert_eq!(findings[0].count, 300);
    }

    #[test]
    fn the_bootstrap_role_may_exist_and_no_other() {
        let exists = |role: &str| message("42710", &format!("role \"{role}\" already exists"), 1);
        assert!(of_messages(&[exists("postgres")], &CLUSTER, &BTreeMap::new()).is_empty());
        let other = of_messages(&[exists("app")], &CLUSTER, &BTreeMap::new());
        assert_eq!(other[0].code, FindingCode::RestoreFailed);
    }

    #[test]
    fn an_error_is_traced_to_its_entry() {
        let stderr = "pg_restore: while PROCESSING TOC:\n\
            pg_restore: from TOC entry 215; 1259 16385 TABLE orders alice\n\
            pg_restore: error: could not execute query: ERROR:  role \"alice\" does not exist\n\
            Command was: ALTER TABLE public.orders OWNER TO alice;\n";
        let entries = entries_of_errors(stderr);
        assert_eq!(entries["role \"alice\" does not exist"], "TABLE orders alice");
    }
}
