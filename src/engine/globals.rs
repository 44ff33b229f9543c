//! Roles and tablespaces: from the archive's globals, or made up for a single dump.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::diagnosis::{self, Background};
use super::restore::{PlainFeed, Restore, Rewrites, Stop};
use crate::backup::{DumpChunk, Globals};
use crate::ephemeral::EphemeralError;
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::plan::RestorePlan;
use crate::postgres::SessionError;
use crate::text::quote_identifier;

/// Runs the archive's globals. What fails is a finding of the cluster, not of a database.
pub(super) async fn restore(
    restore: &mut Restore<'_>,
    globals: &Globals,
) -> Result<Vec<Finding>, Stop> {
    if let Some(finding) = restore.psql_refusal(globals.unclear_for_old_psql) {
        return Ok(vec![finding]);
    }
    let (sender, mut dumps) = mpsc::channel::<io::Result<DumpChunk>>(2);
    let sql = Bytes::copy_from_slice(&globals.sql);
    tokio::spawn(async move {
        // A receiver that has gone away has stopped for a reason of its own.
        let _ = sender.send(Ok(DumpChunk::Bytes(sql))).await;
        let _ = sender.send(Ok(DumpChunk::End)).await;
    });
    let feed = PlainFeed {
        database: restore.cluster.maintenance.clone(),
        name: globals.member.clone(),
        rewrites: Rewrites::Globals,
    };
    allow_tablespaces(restore, true).await?;
    let output = restore.plain(&feed, &mut dumps).await?;
    allow_tablespaces(restore, false).await?;
    let messages = restore.new_messages().await?;
    let background =
        Background { is_cluster: true, bootstrap: Some(restore.bootstrap), entries: &[] };
    let mut findings = diagnosis::of_messages(&messages, &background, &BTreeMap::new());
    let logged = diagnosis::logged_errors(&messages);
    if diagnosis::server_errors(&output.stderr) > logged || output.status != 0 && logged == 0 {
        let message = format!(
            "psql ended with status {}, and the server's log does not say why",
            output.status
        );
        let last = output.stderr.lines().rfind(|line| !line.contains("ERROR:")).unwrap_or_default();
        findings.push(
            Finding::new(FindingCode::GlobalsFailed, message)
                .because(crate::text::one_line(last, 300)),
        );
    }
    Ok(findings.into_iter().map(|finding| of_globals(finding, &globals.member)).collect())
}

fn of_globals(mut finding: Finding, member: &str) -> Finding {
    if finding.class == FindingClass::Backup && !finding.code.is_proven() {
        let (sqlstate, object, count) = (finding.sqlstate, finding.object, finding.count);
        finding = Finding::new(FindingCode::GlobalsFailed, finding.message);
        (finding.sqlstate, finding.object, finding.count) = (sqlstate, object, count);
    }
    if finding.object.is_none() {
        finding.object = Some(format!("member {member}"));
    }
    finding
}

/// Tablespaces go inside the data folder (`LOCATION ''`): nothing can be chowned in a sandbox. The
/// setting is in PostgreSQL 15 and the minor releases of August 2022 before it; it stays on only
/// while it is needed.
async fn allow_tablespaces(restore: &Restore<'_>, on: bool) -> Result<(), EphemeralError> {
    let admin = &restore.cluster.admin;
    let statement = if on {
        "alter system set allow_in_place_tablespaces = on"
    } else {
        "alter system reset allow_in_place_tablespaces"
    };
    for statement in [statement, "select pg_reload_conf()"] {
        match admin.execute(statement).await {
            Ok(()) => {}
            // An older server: its CREATE TABLESPACE will fail, and say so.
            Err(SessionError::Server(_)) => return Ok(()),
            Err(error) => return Err(restore.cluster.why_lost(&error).await),
        }
    }
    if on {
        // Sessions started from now on see it once the postmaster has read it.
        for _ in 0..100 {
            let session = restore.cluster.session(&restore.cluster.maintenance).await?;
            let rows = session
                .query("select current_setting('allow_in_place_tablespaces', true)", &[])
                .await;
            let is_on = rows.is_ok_and(|rows| {
                rows.first().is_some_and(|row| row.get::<_, Option<&str>>(0) == Some("on"))
            });
            if is_on {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Makes the roles and tablespaces that a single dump names and does not carry.
pub(super) async fn placeholders(
    restore: &mut Restore<'_>,
    plan: &RestorePlan,
) -> Result<(), EphemeralError> {
    for role in &plan.placeholder_roles {
        if role == restore.bootstrap {
            continue;
        }
        // Only a superuser may own an event trigger, a foreign-data wrapper or a publication of
        // all tables; nothing in the dump tells which role was one. Nobody can log in as it.
        make(restore, format!("create role {} superuser nologin", quote_identifier(role))).await?;
    }
    if plan.placeholder_tablespaces.is_empty() {
        return Ok(());
    }
    allow_tablespaces(restore, true).await?;
    for tablespace in &plan.placeholder_tablespaces {
        let name = quote_identifier(tablespace);
        let statement =
            format!("set allow_in_place_tablespaces = on; create tablespace {name} location ''");
        for statement in statement.split("; ") {
            make(restore, statement.to_owned()).await?;
        }
    }
    allow_tablespaces(restore, false).await
}

/// A placeholder that the server refuses is no error here: the dump that needs it will say so.
async fn make(restore: &Restore<'_>, statement: String) -> Result<(), EphemeralError> {
    match restore.cluster.admin.execute(&statement).await {
        Ok(()) => Ok(()),
        Err(SessionError::Server(refused)) => {
            tracing::debug!(message = refused.message, "a placeholder was refused");
            Ok(())
        }
        Err(error) => Err(restore.cluster.why_lost(&error).await),
    }
}
