//! Large objects: whether they are there, whose they are, and who may read them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, listed};
use crate::backup::{DatabaseDump, TocEntry, canonical};
use crate::finding::FindingCode;
use crate::postgres::values::{self, LargeObject};
use crate::postgres::{Session, SessionError};
use crate::text::counted;

type Privileges = BTreeSet<(String, String, bool)>;

/// What the dump says of large objects.
#[derive(Debug, Default)]
struct Wanted {
    owners: BTreeMap<u32, Option<String>>,
    privileges: BTreeMap<u32, Privileges>,
    comments: BTreeSet<u32>,
    /// Whether it holds privileges at all.
    has_privileges: bool,
    /// Entries for several objects, each of which says the same of all.
    entries: u64,
}

/// Compares every large object that the dump has an entry for, and enters what it looked at.
pub(super) async fn compare(
    session: &Session,
    dump: &DatabaseDump,
    comparison: &mut Comparison,
) -> Result<(), SessionError> {
    let wanted = wanted(&dump.entries);
    if wanted.owners.is_empty() && wanted.comments.is_empty() {
        return Ok(());
    }
    let found = values::large_objects(session).await?;
    let (mut missing, mut owners, mut privileges) = (Vec::new(), Vec::new(), Vec::new());
    let none = Privileges::new();
    for (oid, owner) in &wanted.owners {
        let name = format!("BLOB {oid}");
        let Some(object) = found.get(oid) else {
            missing.push(name);
            continue;
        };
        if let Some(owner) = owner.as_ref().filter(|owner| **owner != object.owner) {
            owners.push(format!("{name} ({} instead of {owner})", object.owner));
        }
        let should = wanted.privileges.get(oid).unwrap_or(&none);
        if wanted.has_privileges && owner.is_some() && *should != object.privileges {
            privileges.push(name);
        }
    }
    let is_bare =
        |oid: &&u32| found.get(oid).is_some_and(|object: &LargeObject| !object.has_comment);
    missing.extend(
        wanted.comments.iter().filter(is_bare).map(|oid| format!("COMMENT LARGE OBJECT {oid}")),
    );
    let failed: BTreeSet<&String> = missing.iter().chain(&owners).chain(&privileges).collect();
    let total = wanted.owners.len() as u64 + wanted.entries;
    comparison.account.restored += total.saturating_sub(failed.len() as u64);
    comparison.account.failed(failed.into_iter().cloned());
    for (code, names, what) in [
        (FindingCode::ObjectMissing, missing, "of the table of contents not in the catalog"),
        (FindingCode::OwnerDiffers, owners, "with another owner than in the dump"),
        (FindingCode::AclDiffers, privileges, "with other privileges than in the dump"),
    ] {
        if !names.is_empty() {
            let message = format!("{} {what}", counted(names.len(), "large object"));
            comparison.findings.push(listed(code, &message, &names));
        }
    }
    Ok(())
}

fn wanted(entries: &[TocEntry]) -> Wanted {
    let mut wanted = Wanted::default();
    let mut groups: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for entry in entries {
        let oids: Vec<u32> = match entry.kind.as_str() {
            "BLOB" => entry.tag.parse().into_iter().collect(),
            // Since PostgreSQL 17 one entry stands for many large objects, an OID a line.
            "BLOB METADATA" => {
                entry.definition.lines().filter_map(|oid| oid.parse().ok()).collect()
            }
            _ => continue,
        };
        wanted.owners.extend(oids.iter().map(|oid| (*oid, entry.owner.clone())));
        groups.insert(entry.dump_id, oids);
    }
    for entry in entries {
        let of_one = entry.tag.strip_prefix("LARGE OBJECT ").and_then(|oid| oid.parse().ok());
        let is_of_large_objects = entry.tag.starts_with("LARGE OBJECT");
        wanted.has_privileges |= entry.kind == "ACL" && entry.owner.is_some();
        match (entry.kind.as_str(), of_one) {
            ("COMMENT", Some(oid)) => {
                wanted.entries += 1;
                wanted.comments.insert(oid);
            }
            ("ACL", _) if is_of_large_objects => {
                wanted.entries += 1;
                let group = entry.dependencies.iter().find_map(|id| groups.get(id));
                for (oid, privileges) in granted(entry) {
                    let all = group.filter(|_| of_one.is_none()).cloned().unwrap_or(vec![oid]);
                    for oid in all {
                        wanted.privileges.entry(oid).or_default().extend(privileges.clone());
                    }
                }
            }
            _ => {}
        }
    }
    wanted
}

/// What the statements of an entry grant on each large object, to others than the owner.
fn granted(entry: &TocEntry) -> Vec<(u32, Privileges)> {
    let mut found = Vec::new();
    for statement in canonical(entry) {
        let Some(grant) = statement.strip_prefix("grant ") else { continue };
        let Some((privileges, rest)) = grant.split_once(" on large object ") else { continue };
        let Some((oid, rest)) = rest.split_once(" to ") else { continue };
        let Ok(oid) = oid.parse() else { continue };
        let rest = rest.trim_end();
        let (grantee, is_grantable) = match rest.strip_suffix(" with grant option") {
            Some(grantee) => (grantee, true),
            None => (rest, false),
        };
        let grantee = grantee.trim_matches('"');
        if entry.owner.as_deref() == Some(grantee) {
            continue;
        }
        let privileges = if privileges == "all" { "select , update" } else { privileges };
        let each = privileges
            .split(" , ")
            .map(|privilege| (grantee.to_owned(), privilege.to_ascii_uppercase(), is_grantable));
        found.push((oid, each.collect()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::wanted;
    use crate::backup::TocEntry;

    fn entry(kind: &str, tag: &str, definition: &str, id: i64, needs: &[i64]) -> TocEntry {
        TocEntry {
            kind: kind.to_owned(),
            tag: tag.to_owned(),
            owner: Some("o".to_owned()),
            definition: definition.to_owned(),
            dump_id: id,
            dependencies: needs.to_vec(),
            ..TocEntry::default()
        }
    }

    #[test]
    fn privileges_are_those_of_each_object_of_an_entry() {
        let wanted = wanted(&[
            entry("BLOB METADATA", "7..9", "7\n9\n", 1, &[]),
            entry("BLOB", "12", "SELECT pg_catalog.lo_create('12');", 2, &[]),
            entry(
                "ACL",
                "LARGE OBJECTS 7..9",
                "GRANT SELECT ON LARGE OBJECT 7 TO \"A b\" WITH GRANT OPTION;\n",
                3,
                &[1],
            ),
            entry(
                "ACL",
                "LARGE OBJECT 12",
                "REVOKE ALL ON LARGE OBJECT 12 FROM o;\nGRANT SELECT ON LARGE OBJECT 12 TO o;\nGRANT ALL ON LARGE OBJECT 12 TO PUBLIC;\n",
                4,
                &[2],
            ),
        ]);
        let read = [("A b".to_owned(), "SELECT".to_owned(), true)];
        assert_eq!(wanted.privileges[&7], read.clone().into());
        assert_eq!(wanted.privileges[&9], read.into());
        let all = ["SELECT", "UPDATE"].map(|one| ("public".to_owned(), one.to_owned(), false));
        assert_eq!(wanted.privileges[&12], all.into());
        assert_eq!(wanted.owners.len(), 3);
    }
}
