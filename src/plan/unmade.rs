//! Roles and tablespaces that dumps cannot do without and that the backup's globals do not create.

use std::collections::BTreeMap;

use crate::backup::{BackupInventory, DatabaseDump, Globals, TocEntry};
use crate::finding::{Finding, FindingCode};
use crate::text::counted;

/// Kinds of which a restore sets the owner (`_getObjectDescription` in `pg_backup_archiver.c`). What
/// else has an owner in its entry (rows, indexes, comments) gets it with its table, which may be an
/// extension's and not in the dump.
const OWNED: [&str; 26] = [
    "AGGREGATE",
    "BLOB",
    "BLOB METADATA",
    "COLLATION",
    "CONVERSION",
    "DATABASE",
    "DOMAIN",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PROCEDURE",
    "PUBLICATION",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TYPE",
    "VIEW",
];
/// Kinds that take room in a tablespace.
const PLACED: [&str; 4] = ["CONSTRAINT", "INDEX", "MATERIALIZED VIEW", "TABLE"];

/// What a restore of this backup would stumble over: each role and tablespace that a dump's objects
/// have and that nothing makes, in the order of the dumps. Nothing for a single dump, which carries
/// neither.
///
/// A restore finds this out by itself; it is for those that start no server.
pub fn unmade(inventory: &BackupInventory) -> Vec<Finding> {
    let Some(globals) = inventory.globals.as_ref().filter(|_| inventory.format.is_cluster()) else {
        return Vec::new();
    };
    inventory.databases.iter().flat_map(|dump| of_dump(dump, globals)).collect()
}

fn of_dump(dump: &DatabaseDump, globals: &Globals) -> Vec<Finding> {
    // `pg_…` roles and tablespaces are the server's own.
    let is_made = |name: &str| {
        name.starts_with("pg_")
            || globals.roles.contains(name)
            || globals.bootstrap_role.as_deref() == Some(name)
    };
    let owners = users(dump, &OWNED, |entry| entry.owner.as_deref());
    let roles = owners.into_iter().filter(|(name, _)| !is_made(name)).map(|(name, objects)| {
        let message = format!(
            "{} of database `{}` {} to the role `{name}`, which the globals do not create",
            counted(objects.count, "object"),
            dump.name,
            if objects.count == 1 { "belongs" } else { "belong" },
        );
        (FindingCode::RoleMissing, message, objects)
    });
    let is_made = |name: &str| name.starts_with("pg_") || globals.tablespaces.contains(name);
    let placed = users(dump, &PLACED, |entry| entry.tablespace.as_deref());
    let tablespaces = placed.into_iter().filter(|(name, _)| !is_made(name)).map(|(name, objects)| {
        let message = format!(
            "{} of database `{}` {} in the tablespace `{name}`, which the globals do not create",
            counted(objects.count, "object"),
            dump.name,
            if objects.count == 1 { "lies" } else { "lie" },
        );
        (FindingCode::TablespaceMissing, message, objects)
    });
    roles
        .chain(tablespaces)
        .map(|(code, message, objects)| {
            Finding::new(code, message).in_database(dump.name.clone()).on(objects.first)
        })
        .collect()
}

/// Objects that something is true of.
struct Users {
    count: usize,
    /// The first of them, like `TABLE public.orders`.
    first: String,
}

fn users<'d>(
    dump: &'d DatabaseDump,
    kinds: &[&str],
    named: impl Fn(&'d TocEntry) -> Option<&'d str>,
) -> BTreeMap<&'d str, Users> {
    let mut found: BTreeMap<&str, Users> = BTreeMap::new();
    for entry in dump.entries.iter().filter(|entry| kinds.contains(&entry.kind.as_str())) {
        let Some(name) = named(entry).filter(|name| !name.is_empty()) else { continue };
        let place = entry.schema.as_ref().map_or_else(String::new, |schema| format!("{schema}."));
        let first = || format!("{} {place}{}", entry.kind, entry.tag);
        found.entry(name).or_insert_with(|| Users { count: 0, first: first() }).count += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::unmade;
    use crate::backup::inspect;
    use crate::finding::Finding;

    /// What is found of a cluster folder with these globals and a dump made by PostgreSQL 15.
    fn found(globals: &str) -> Vec<Finding> {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        std::fs::create_dir(root.join("dumps")).unwrap();
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/custom/15.dump");
        std::fs::copy(fixture, root.join("dumps/kasse.dump")).unwrap();
        let head = "--\n-- PostgreSQL database cluster dump\n--\n\n";
        let tail = "--\n-- PostgreSQL database cluster dump complete\n--\n\n";
        std::fs::write(root.join("globals.sql"), format!("{head}{globals}{tail}")).unwrap();
        unmade(&inspect(&root, &mut |_, _| {}))
    }

    #[test]
    fn a_role_that_owns_and_that_nothing_makes_is_missing() {
        let roles = "CREATE ROLE alice;\nCREATE ROLE postgres;\n\
            ALTER ROLE postgres WITH SUPERUSER INHERIT;\n";
        assert_eq!(found(roles), []);
        let without = found(&roles.replace("CREATE ROLE alice;\n", ""));
        let [missing] = &without[..] else { panic!("{without:?}") };
        assert_eq!(missing.database.as_deref(), Some("kasse"));
        assert!(missing.message.contains("to the role `alice`"), "{}", missing.message);
        assert!(missing.object.as_ref().unwrap().contains(' '), "{missing:?}");
    }
}
