//! What a restored database holds, entry by entry, against the dump that it was restored from.
//!
//! Both sides are tables of contents: the backup's, and one that `pg_dump` has made of the restored
//! database. What such a dump of a schema does not tell, the values of sequences and the like, is compared
//! elsewhere.

mod entry;
mod key;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::backup::TocEntry;
use entry::Pair;
pub(crate) use key::is_written_quoted;
use key::{Fate, Key, fate, key_of, shown};

/// An object of the catalog: kind, schema, tag.
pub(crate) type InCatalog = BTreeSet<(String, String, String)>;

/// Whether the definitions of both sides are texts of the same writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// By `pg_dump` of one major version, for servers of that version.
    Alike,
    /// By different major versions, or by nobody knows whom.
    Otherwise,
}

/// Both sides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    /// The backup's table of contents.
    pub(crate) dump: &'a [TocEntry],
    /// That of the restored database.
    pub(crate) again: &'a [TocEntry],
    /// What is in the catalog, for kinds that can be looked up there.
    pub(crate) catalog: &'a InCatalog,
    /// The kinds that can be looked up.
    pub(crate) looked_up: &'a [&'a str],
    /// Whether definitions can be compared as a whole.
    pub(crate) written: Written,
    /// Whether every kind has the tags that the server's `pg_dump` gives it.
    pub(crate) has_known_tags: bool,
}

/// What differs, by kind of difference; every list names objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// In the dump, and not in the database.
    pub(crate) missing: Vec<String>,
    /// Of another owner.
    pub(crate) owners: Vec<String>,
    /// With other privileges.
    pub(crate) privileges: Vec<String>,
    /// Defined otherwise.
    pub(crate) definitions: Vec<String>,
    /// In the database, and not in the dump.
    pub(crate) unexpected: Vec<String>,
    /// Entries that are in the database as the dump has them.
    pub(crate) restored: u64,
    /// Entries of which at least one of these lists speaks.
    pub(crate) failed: Vec<String>,
    /// Entries that are not compared here, by the reason.
    pub(crate) excluded: BTreeMap<String, u64>,
    /// Definitions that could be compared by name, owner and parts alone.
    pub(crate) in_part: u64,
}

/// Compares entry by entry.
pub(crate) fn differences(sides: &Sides<'_>) -> Differences {
    let mut found = Differences::default();
    let mut again: HashMap<Key, Vec<&TocEntry>> = HashMap::new();
    for entry in sides.again.iter().filter(|entry| fate(entry) == Fate::Object) {
        again.entry(key_of(entry)).or_default().push(entry);
    }
    let mut dumped: HashMap<Key, Vec<&TocEntry>> = HashMap::new();
    let mut keys = Vec::new();
    for entry in sides.dump {
        match fate(entry) {
            Fate::Object => {
                let key = key_of(entry);
                let same = dumped.entry(key.clone()).or_default();
                if same.is_empty() {
                    keys.push(key);
                }
                same.push(entry);
            }
            Fate::Excluded(why) => {
                *found.excluded.entry(format!("{}: {why}", entry.kind)).or_insert(0) += 1;
            }
            Fate::Elsewhere => {}
        }
    }
    for key in keys {
        let wanted = dumped.get(&key).map(Vec::as_slice).unwrap_or_default();
        let mut there = again.remove(&key).unwrap_or_default();
        for entry in paired(wanted, &mut there, sides.written) {
            match entry {
                Paired::With(entry, other) => {
                    Pair { entry, other, written: sides.written }.compare(&mut found);
                }
                Paired::Alone(entry) => missing(sides, entry, &mut found),
            }
        }
        again.insert(key, there);
    }
    extras(sides, &again, &mut found);
    found
}

enum Paired<'a> {
    With(&'a TocEntry, &'a TocEntry),
    Alone(&'a TocEntry),
}

/// Entries of one name with those that they became: operators, and classes of operators, may share one.
fn paired<'a>(
    wanted: &[&'a TocEntry],
    there: &mut Vec<&'a TocEntry>,
    written: Written,
) -> Vec<Paired<'a>> {
    let mut pairs = Vec::new();
    let mut left = Vec::new();
    for entry in wanted {
        let is_same = |other: &&TocEntry| Pair { entry, other, written }.is_same();
        match there.iter().position(is_same) {
            Some(at) => pairs.push(Paired::With(entry, there.swap_remove(at))),
            None => left.push(*entry),
        }
    }
    for entry in left {
        pairs.push(match there.pop() {
            Some(other) => Paired::With(entry, other),
            None => Paired::Alone(entry),
        });
    }
    pairs
}

/// An entry that the restored database's dump does not have.
fn missing(sides: &Sides<'_>, entry: &TocEntry, found: &mut Differences) {
    let key = key_of(entry);
    if sides.looked_up.contains(&key.kind.as_str()) {
        let name = (key.kind.clone(), key.schema.clone(), key.tag.clone());
        if sides.catalog.contains(&name) {
            // What pg_dump leaves out: the schema public, an object of an extension.
            found.restored += 1;
            found.in_part += 1;
            return;
        }
    } else if key.may_go_without(sides) {
        let why = format!("{}: PostgreSQL may have it by itself", entry.kind);
        *found.excluded.entry(why).or_insert(0) += 1;
        return;
    } else if !sides.has_known_tags || entry.kind == "SHELL TYPE" {
        let why = format!("{}: an old pg_dump names it otherwise", entry.kind);
        *found.excluded.entry(why).or_insert(0) += 1;
        return;
    }
    found.missing.push(shown(entry));
    found.failed.push(shown(entry));
}

/// What the database has and the dump has not.
fn extras(sides: &Sides<'_>, again: &HashMap<Key, Vec<&TocEntry>>, found: &mut Differences) {
    // Without statements of pg_dump's there is no telling what should be there.
    if !sides.dump.iter().any(|entry| fate(entry) == Fate::Object && !entry.definition.is_empty()) {
        return;
    }
    let is_privilege = |entry: &TocEntry| matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL");
    let has_privileges = sides
        .dump
        .iter()
        .any(|entry| is_privilege(entry) && fate(entry) == Fate::Object && entry.owner.is_some());
    let mut extra: Vec<&TocEntry> = again
        .iter()
        .filter(|(key, _)| !key.comes_by_itself(sides))
        .flat_map(|(_, entries)| entries.iter().copied())
        .collect();
    extra.sort_by_key(|entry| shown(entry));
    for entry in extra {
        if !is_privilege(entry) {
            found.unexpected.push(shown(entry));
        } else if has_privileges {
            found.privileges.push(format!("{} (granted, and not in the dump)", shown(entry)));
        }
    }
}
