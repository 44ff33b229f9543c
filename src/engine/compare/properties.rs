//! A database itself (owner, settings, limits, grants, comment) against its own entries.

use super::listed;
use crate::backup::DatabaseDump;
use crate::backup::sql::cluster::ClusterObjects;
use crate::check::cluster::of_database;
use crate::finding::{Finding, FindingCode};
use crate::postgres::{Session, SessionError, cluster_objects};
use crate::text::{counted, quote_identifier};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    pub(crate) finding: Option<Finding>,
    /// Why nothing is known.
    pub(crate) not_tested: Option<String>,
}

/// Compares them where the dump carries any: one in plain SQL does not.
pub(crate) async fn compare(
    admin: &Session,
    dump: &DatabaseDump,
) -> Result<Properties, SessionError> {
    let own = dump.entries.iter().find(|entry| entry.kind == "DATABASE");
    let Some(own) = own.filter(|_| dump.format.is_archive()) else {
        return Ok(Properties::default());
    };
    let tags =
        [format!("DATABASE {}", dump.name), format!("DATABASE {}", quote_identifier(&dump.name))];
    let mut said = ClusterObjects::default();
    for entry in &dump.entries {
        let is_own = entry.kind == "DATABASE PROPERTIES"
            || tags.contains(&entry.tag) && matches!(entry.kind.as_str(), "ACL" | "COMMENT");
        if is_own {
            said.read(entry.definition.as_bytes(), "UTF8");
        }
    }
    if !said.not_understood.is_empty() {
        let statements = said.not_understood.values().sum::<u64>();
        let statements = counted(usize::try_from(statements).unwrap_or(usize::MAX), "statement");
        let open = format!(
            "{}: {statements} of its own entries not understood, so its settings and \
            grants are not compared",
            dump.name
        );
        return Ok(Properties { not_tested: Some(open), ..Properties::default() });
    }
    let Some(found) = cluster_objects::database(admin, &dump.name).await? else {
        return Ok(Properties::default());
    };
    let expected = said.databases.remove(&dump.name).unwrap_or_default();
    let what = of_database(&expected, own.owner.as_deref(), &found);
    let finding = (!what.is_empty()).then(|| {
        let count = counted(what.len(), "difference");
        let message = format!("the database is not as its own entries say, {count}");
        listed(FindingCode::DatabaseDiffers, &message, &what)
    });
    Ok(Properties { finding, ..Properties::default() })
}
