//! Collations that dumps make from locales of the server, and those that they expect in it.

use std::collections::{BTreeMap, BTreeSet};

use super::{locale_of, place, subject};
use crate::backup::{CollationOptions, DatabaseDump};
use crate::engine::cluster::{Cluster, random_role};
use crate::ephemeral::{EphemeralError, SandboxIdentity};
use crate::finding::{Finding, FindingCode};
use crate::plan::images;
use crate::postgres::sqlstate::{ArchiveSays, Meaning, meaning, object_of};
use crate::postgres::{ServerError, Session, SessionError};
use crate::text::{quote_identifier, quote_literal, without_values};

/// Makes each collation of the dumps once and takes it back: only the server itself knows which
/// locales it accepts. A locale of libc fits only databases of its own encoding, so they are made in
/// one of the encoding that the dump's database will have.
pub(super) async fn judge(
    cluster: &Cluster,
    dumps: &[&DatabaseDump],
    identity: &SandboxIdentity,
) -> Result<Vec<Finding>, EphemeralError> {
    let mut by_encoding: BTreeMap<String, Vec<&DatabaseDump>> = BTreeMap::new();
    for dump in dumps {
        if !dump.collations.made.is_empty() || !dump.collations.named.is_empty() {
            by_encoding.entry(encoding_of(dump)).or_default().push(dump);
        }
    }
    let mut findings = Vec::new();
    for (encoding, dumps) in by_encoding {
        match in_encoding(cluster, &encoding, &dumps, identity).await {
            Ok(found) => findings.extend(found),
            // The server knows no such encoding: said of the database's own locale, or by the restore.
            Err(Stop::Session(SessionError::Server(_))) => {}
            Err(Stop::Session(error)) => return Err(cluster.why_lost(&error).await),
            Err(Stop::Ephemeral(error)) => return Err(error),
        }
    }
    Ok(findings)
}

enum Stop {
    Session(SessionError),
    Ephemeral(EphemeralError),
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

/// The encoding of a dump's database: as it says itself, else that of its text.
fn encoding_of(dump: &DatabaseDump) -> String {
    let own = locale_of(dump).and_then(|wish| wish.encoding());
    let encoding = own.or_else(|| dump.encoding.clone());
    encoding.map_or_else(|| "UTF8".to_owned(), |encoding| encoding.to_ascii_uppercase())
}

async fn in_encoding(
    cluster: &Cluster,
    encoding: &str,
    dumps: &[&DatabaseDump],
    identity: &SandboxIdentity,
) -> Result<Vec<Finding>, Stop> {
    let literal = quote_literal(encoding);
    let known = "select collname::text from pg_collation \
        where collnamespace = 'pg_catalog'::regnamespace \
        and collencoding in (-1, pg_char_to_encoding($1::text::name))";
    let rows = cluster.admin.query(known, &[&encoding]).await?;
    let known: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let made: BTreeSet<&CollationOptions> =
        dumps.iter().flat_map(|dump| dump.collations.made.keys()).collect();
    let mut refused = BTreeMap::new();
    if !made.is_empty() {
        let same = format!(
            "select 1 from pg_database where datname = current_database() \
            and encoding = pg_char_to_encoding({literal})"
        );
        if cluster.admin.query(&same, &[]).await?.is_empty() {
            let name = random_role();
            let probe = quote_identifier(&name);
            // C goes with every encoding.
            let create = format!(
                "create database {probe} template template0 encoding {literal} \
                lc_collate 'C' lc_ctype 'C'"
            );
            cluster.admin.execute(&create).await?;
            let session = cluster.session(&name).await.map_err(Stop::Ephemeral)?;
            let answer = try_all(&session, &made).await;
            drop(session);
            // Waits some seconds for the session's process to end.
            cluster.admin.execute(&format!("drop database {probe}")).await?;
            refused = answer?;
        } else {
            refused = try_all(&cluster.admin, &made).await?;
        }
    }
    let mut findings = Vec::new();
    for dump in dumps {
        for (options, name) in &dump.collations.made {
            let Some(refused) = refused.get(options) else { continue };
            let mut finding = lacking(&format!("locale `{}`", options.describe()), identity)
                .on(format!("COLLATION {name}"))
                .because(without_values(&refused.sqlstate, &refused.message))
                .with_sqlstate(refused.sqlstate.clone());
            for locale in options.libc_names().iter().rev() {
                if let Some(step) = images::locale_step(locale, place(identity)) {
                    finding = finding.first_try(step);
                }
            }
            findings.push(finding.in_database(dump.name.clone()));
        }
        for name in dump.collations.named.difference(&known) {
            let finding = lacking(&format!("collation `{name}`"), identity)
                .on(format!("COLLATION pg_catalog.{name}"))
                .because(format!(
                    "the server's pg_collation does not list it for the encoding {encoding}"
                ));
            // initdb gives a locale's collation also its name without the encoding.
            let is_short = encoding == "UTF8" && !name.contains('.');
            let locale = if is_short { format!("{name}.utf8") } else { name.clone() };
            let finding = match images::locale_step(&locale, place(identity)) {
                Some(step) => finding.first_try(step),
                None => finding,
            };
            findings.push(finding.in_database(dump.name.clone()));
        }
    }
    Ok(findings)
}

fn lacking(what: &str, identity: &SandboxIdentity) -> Finding {
    let message = format!("{} has no {what}", subject(place(identity)));
    Finding::new(FindingCode::LocaleMissing, message)
}

/// Which of the collations the server cannot make here for want of a locale.
async fn try_all<'a>(
    session: &Session,
    made: &BTreeSet<&'a CollationOptions>,
) -> Result<BTreeMap<&'a CollationOptions, ServerError>, SessionError> {
    let mut refused = BTreeMap::new();
    for options in made {
        session.execute("begin").await?;
        let create = format!("create collation pg_temp.probe ({})", options.clauses());
        let tried = session.execute(&create).await;
        session.execute("rollback").await?;
        match tried {
            Ok(()) => {}
            Err(SessionError::Server(error)) => {
                if is_lacking(&error) {
                    refused.insert(*options, error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// Whether a complaint is about what the server lacks; any other is met again by the restore, which
/// says it of the backup.
pub(super) fn is_lacking(refused: &ServerError) -> bool {
    let (kind, _) = object_of(&refused.message);
    let says = meaning(&refused.sqlstate, &kind, ArchiveSays::Cluster);
    // 0A000: a server built without ICU.
    says == Meaning::Finding(FindingCode::LocaleMissing) || refused.sqlstate == "0A000"
}
