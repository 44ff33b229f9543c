//! What the image, or the local installation, lacks for a backup: named before any data goes in.

mod collations;

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Cluster, random_role};
use super::programs::run;
use crate::backup::{BackupInventory, DatabaseDump, DumpFormat};
use crate::ephemeral::{EphemeralError, ExecCommand, SandboxIdentity};
use crate::finding::{Finding, FindingCode};
use crate::plan::LocaleWish;
use crate::plan::images::{self, Place};
use crate::postgres::{ServerError, SessionError};
use crate::text::{one_line, quote_identifier, without_values};

/// Says of each program whether it runs: its path, what it answers, its exit status.
const ASK_PROGRAMS: &str = r#"
for program; do
	answer=$("$program" --version 2>&1) && continue
	printf '%s\t%s\n' "$program" "$(printf '%s' "$answer" | tr '\n\t' '  ')"
done
"#;

/// Judges whether the server has the programs, extensions and locales that the `selected` dumps
/// need. A finding without a database speaks of all of them.
///
/// Nothing of the backup is loaded for it. What it tries in the server (databases from template0) is
/// gone afterwards, and so are the errors that this has left in the log.
pub(super) async fn judge(
    cluster: &mut Cluster,
    inventory: &BackupInventory,
    selected: &[usize],
) -> Result<Vec<Finding>, EphemeralError> {
    let dumps: Vec<&DatabaseDump> =
        selected.iter().filter_map(|&index| inventory.databases.get(index)).collect();
    let identity = cluster.sandbox().identity();
    let mut findings = programs(cluster, inventory, &dumps, &identity).await?;
    findings.extend(extensions(cluster, &dumps, place(&identity)).await?);
    findings.extend(locales(cluster, &dumps, place(&identity)).await?);
    findings.extend(collations::judge(cluster, &dumps, &identity).await?);
    if let Err(error) = cluster.log.errors(&cluster.admin).await {
        return Err(cluster.why_lost(&error).await);
    }
    Ok(findings)
}

fn place(identity: &SandboxIdentity) -> Place<'_> {
    identity.image.as_deref().map_or(Place::Machine, Place::Image)
}

/// In words, as the subject of a sentence.
fn subject(place: Place<'_>) -> String {
    match place {
        Place::Image(image) => format!("the image `{image}`"),
        Place::Machine => "this machine's PostgreSQL".to_owned(),
    }
}

async fn programs(
    cluster: &Cluster,
    inventory: &BackupInventory,
    dumps: &[&DatabaseDump],
    identity: &SandboxIdentity,
) -> Result<Vec<Finding>, EphemeralError> {
    let needed_by = |program: &str| -> Vec<&str> {
        let needs = |dump: &&DatabaseDump| match program {
            // Globals come before every database.
            "psql" => dump.format == DumpFormat::Plain || inventory.globals.is_some(),
            // What was restored is dumped again, to be compared.
            "pg_dump" => true,
            _ => dump.format.is_archive(),
        };
        dumps.iter().copied().filter(needs).map(|dump| dump.name.as_str()).collect()
    };
    let needed: Vec<&str> = ["psql", "pg_restore", "pg_dump"]
        .into_iter()
        .filter(|name| !needed_by(name).is_empty())
        .collect();
    let mut argv =
        vec!["sh".to_owned(), "-c".to_owned(), ASK_PROGRAMS.to_owned(), "ask".to_owned()];
    argv.extend(needed.iter().map(|name| cluster.program(name)));
    let command = cluster.with_environment(ExecCommand::new(argv));
    let answer = run(cluster.sandbox(), command).await?.stdout;
    let mut findings = Vec::new();
    for name in needed {
        let path = cluster.program(name);
        let Some((_, words)) = answer
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .find(|(program, _)| *program == path)
        else {
            continue;
        };
        let finding = Finding::new(
            FindingCode::ToolMissing,
            format!("{} has no working {name}", subject(place(identity))),
        )
        .on(path)
        .because(one_line(words, 300));
        let needing = needed_by(name);
        if needing.len() == dumps.len() {
            findings.push(finding);
        } else {
            findings.extend(needing.iter().map(|database| finding.clone().in_database(*database)));
        }
    }
    Ok(findings)
}

async fn extensions(
    cluster: &Cluster,
    dumps: &[&DatabaseDump],
    place: Place<'_>,
) -> Result<Vec<Finding>, EphemeralError> {
    if dumps.iter().all(|dump| dump.extensions().is_empty()) {
        return Ok(Vec::new());
    }
    let rows =
        match cluster.admin.query("select name::text from pg_available_extensions", &[]).await {
            Ok(rows) => rows,
            Err(error) => return Err(cluster.why_lost(&error).await),
        };
    let available: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut findings = Vec::new();
    for dump in dumps {
        for extension in dump.extensions() {
            if available.contains(extension) {
                continue;
            }
            let message = format!("{} has no extension `{extension}`", subject(place));
            let finding = Finding::new(FindingCode::ExtensionMissing, message)
                .in_database(dump.name.clone())
                .on(format!("EXTENSION {extension}"))
                .because("the server's pg_available_extensions does not list it");
            findings.push(match images::extension_step(extension, cluster.major(), place) {
                Some(step) => finding.first_try(step),
                None => finding,
            });
        }
    }
    Ok(findings)
}

/// What a dump says of its database's encoding and locale.
fn locale_of(dump: &DatabaseDump) -> Option<LocaleWish> {
    let entry = dump.entries.iter().find(|entry| entry.kind == "DATABASE")?;
    LocaleWish::of(&entry.definition)
}

/// A database is made with each distinct combination of encoding and locale, and dropped again:
/// only the server itself knows what it accepts.
async fn locales(
    cluster: &Cluster,
    dumps: &[&DatabaseDump],
    place: Place<'_>,
) -> Result<Vec<Finding>, EphemeralError> {
    let mut wishes: BTreeMap<LocaleWish, Vec<&str>> = BTreeMap::new();
    for dump in dumps {
        if let Some(wish) = locale_of(dump) {
            wishes.entry(wish).or_default().push(&dump.name);
        }
    }
    let mut findings = Vec::new();
    for (wish, databases) in wishes {
        let refused = match missing(cluster, &wish).await {
            Ok(Some(refused)) => refused,
            Ok(None) => continue,
            Err(error) => return Err(cluster.why_lost(&error).await),
        };
        let message = format!("{} has no locale `{}`", subject(place), wish.describe());
        let mut finding = Finding::new(FindingCode::LocaleMissing, message)
            .on("DATABASE")
            .because(without_values(&refused.sqlstate, &refused.message))
            .with_sqlstate(refused.sqlstate);
        for name in wish.libc_names().iter().rev() {
            if let Some(step) = images::locale_step(name, place) {
                finding = finding.first_try(step);
            }
        }
        findings.extend(databases.into_iter().map(|name| finding.clone().in_database(name)));
    }
    Ok(findings)
}

/// What the server says against this encoding and locale; `None` where it has them, and where its
/// complaint is another: the restore will meet that one, and say so.
async fn missing(
    cluster: &Cluster,
    wish: &LocaleWish,
) -> Result<Option<ServerError>, SessionError> {
    let own = "select pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text \
        from pg_database where datname = 'template0'";
    let rows = cluster.admin.query(own, &[]).await?;
    if rows.iter().any(|row| wish.is_libc(row.get(0), row.get(1), row.get(2))) {
        return Ok(None);
    }
    let probe = quote_identifier(&random_role());
    let create = format!("create database {probe} template template0 {}", wish.clauses());
    match cluster.admin.execute(&create).await {
        Ok(()) => {
            cluster.admin.execute(&format!("drop database {probe}")).await?;
            Ok(None)
        }
        Err(SessionError::Server(refused)) => {
            Ok(collations::is_lacking(&refused).then_some(refused))
        }
        Err(error) => Err(error),
    }
}
