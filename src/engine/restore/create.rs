//! Makes a database as its dump's own entries say.

use std::collections::BTreeMap;

use super::{Restore, Stop};
use crate::backup::DatabaseDump;
use crate::engine::diagnosis::{self, Background};
use crate::ephemeral::EphemeralError;
use crate::finding::{Finding, FindingCode};
use crate::postgres::SessionError;
use crate::text::{quote_identifier, quote_literal};

/// The one database of the backup's that a new server cannot be without at its start.
const TEMPLATE: &str = "template1";

impl Restore<'_> {
    /// Drops what `initdb`, or the image, has put in the place of the backup's own `template1`.
    pub(super) async fn make_room(&mut self, database: &str) -> Result<(), EphemeralError> {
        if database != TEMPLATE {
            return Ok(());
        }
        for statement in ["alter database template1 is_template false", "drop database template1"] {
            match self.cluster.admin.execute(statement).await {
                // What keeps it there keeps the backup's own from being made, and says why then.
                Ok(()) | Err(SessionError::Server(_)) => {}
                Err(error) => return Err(self.cluster.why_lost(&error).await),
            }
        }
        // What the server has said to this is not the backup's doing.
        self.new_messages().await.map(drop)
    }

    /// Whether the server has a database of this name.
    pub(super) async fn is_there(&self, database: &str) -> Result<bool, EphemeralError> {
        let asked = "select 1 from pg_catalog.pg_database where datname = $1";
        match self.cluster.admin.query(asked, &[&database]).await {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(error) => Err(self.cluster.why_lost(&error).await),
        }
    }

    /// Makes the database as its own entries say; from template0 where the dump has none.
    ///
    /// Whether it is there, and what was found; what only its properties lack does not stop the
    /// restore of its data.
    pub(super) async fn create(
        &mut self,
        dump: &DatabaseDump,
    ) -> Result<(bool, Vec<Finding>), Stop> {
        let entry = dump.entries.iter().find(|entry| entry.kind == "DATABASE");
        let statement = match entry {
            Some(entry) if dump.format.is_archive() => entry.definition.clone(),
            _ => create_statement(dump),
        };
        let mut findings = Vec::new();
        if let Some(finding) = self.run(&statement, "DATABASE", dump).await? {
            findings.push(finding);
            return Ok((false, findings));
        }
        let Some(entry) = entry.filter(|_| dump.format.is_archive()) else {
            return Ok((true, findings));
        };
        let mut statements = Vec::new();
        if let Some(owner) = &entry.owner {
            statements.push((
                format!(
                    "alter database {} owner to {}",
                    quote_identifier(&dump.name),
                    quote_identifier(owner)
                ),
                "DATABASE".to_owned(),
            ));
        }
        let own_tag = format!("DATABASE {}", dump.name);
        let quoted_tag = format!("DATABASE {}", quote_identifier(&dump.name));
        for entry in &dump.entries {
            let is_own = entry.kind == "DATABASE PROPERTIES"
                || (entry.tag == own_tag || entry.tag == quoted_tag)
                    && matches!(entry.kind.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
            if is_own {
                statements.extend(
                    crate::backup::statements(&entry.definition)
                        .into_iter()
                        .map(|statement| (statement, format!("{} of DATABASE", entry.kind))),
                );
            }
        }
        for (statement, object) in statements {
            findings.extend(self.run(&statement, &object, dump).await?);
        }
        Ok((true, findings))
    }

    /// Runs one statement that makes a database; `Some` when the server refused it.
    async fn run(
        &mut self,
        statement: &str,
        object: &str,
        dump: &DatabaseDump,
    ) -> Result<Option<Finding>, Stop> {
        let refused = match self.cluster.admin.execute(statement).await {
            Ok(()) => return Ok(None),
            Err(SessionError::Server(refused)) => refused,
            Err(error) => return Err(self.cluster.why_lost(&error).await.into()),
        };
        let message = crate::postgres::ServerMessage {
            database: dump.name.clone(),
            severity: "ERROR".to_owned(),
            sqlstate: refused.sqlstate,
            message: refused.message,
            context: None,
            count: 1,
        };
        let background =
            Background { is_cluster: self.is_cluster, bootstrap: None, entries: &dump.entries };
        let found = diagnosis::of_messages(&[message], &background, &BTreeMap::new());
        Ok(found.into_iter().next().map(|mut finding| {
            if finding.code == FindingCode::RestoreFailed {
                let code = FindingCode::DatabaseNotCreated;
                let sqlstate = finding.sqlstate.take();
                finding = Finding::new(code, finding.message);
                finding.sqlstate = sqlstate;
            }
            finding.on(object.to_owned()).in_database(dump.name.clone())
        }))
    }
}

/// `create database` for a plain dump, which carries no properties of its database: its text's
/// encoding is the database's own unless somebody asked `pg_dump` for another.
fn create_statement(dump: &DatabaseDump) -> String {
    let name = quote_identifier(&dump.name);
    let encoding = dump.encoding.as_deref().unwrap_or("UTF8");
    if encoding.eq_ignore_ascii_case("UTF8") || encoding.eq_ignore_ascii_case("UNICODE") {
        format!("create database {name} template template0")
    } else {
        // C goes with every encoding.
        format!(
            "create database {name} template template0 encoding {} lc_collate 'C' lc_ctype 'C'",
            quote_literal(encoding)
        )
    }
}
