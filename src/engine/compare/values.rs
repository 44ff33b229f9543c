//! What a dump holds and a dump of the schema does not: values of sequences, rows of materialized views,
//! and whether the server uses an index.

use std::collections::BTreeMap;

use super::{Comparison, flat_if, listed};
use crate::backup::{DatabaseDump, DumpFormat, TocEntry};
use crate::finding::FindingCode;
use crate::postgres::values::{self, Name, SequenceValue};
use crate::postgres::{Session, SessionError};
use crate::text::counted;

/// Compares sequences, materialized views and indexes, and enters what it looked at.
pub(super) async fn compare(
    session: &Session,
    dump: &DatabaseDump,
    comparison: &mut Comparison,
) -> Result<(), SessionError> {
    sequences(session, dump, comparison).await?;
    materialized_views(session, dump, comparison).await?;
    let invalid: Vec<String> = values::invalid_indexes(session)
        .await?
        .into_iter()
        .map(|(schema, name)| format!("INDEX {schema}.{name}"))
        .collect();
    if !invalid.is_empty() {
        let message =
            format!("{} that the server does not use", counted(invalid.len(), "index entry"));
        comparison.findings.push(listed(FindingCode::DefinitionDiffers, &message, &invalid));
        comparison.account.failed(invalid);
    }
    let idle: Vec<String> = values::idle_foreign_keys(session)
        .await?
        .into_iter()
        .map(|(schema, name)| format!("FK CONSTRAINT {schema}.{name}"))
        .collect();
    if !idle.is_empty() {
        let count = counted(idle.len(), "foreign key");
        let message = format!("{count} that the server does not look after");
        comparison.findings.push(listed(FindingCode::DefinitionDiffers, &message, &idle));
        comparison.account.failed(idle);
    }
    Ok(())
}

fn named<'a>(dump: &'a DatabaseDump, kind: &'a str) -> impl Iterator<Item = (Name, &'a TocEntry)> {
    dump.entries
        .iter()
        .filter(move |entry| entry.kind == kind)
        .map(|entry| ((entry.schema.clone().unwrap_or_default(), entry.tag.clone()), entry))
}

async fn sequences(
    session: &Session,
    dump: &DatabaseDump,
    comparison: &mut Comparison,
) -> Result<(), SessionError> {
    let wanted: BTreeMap<Name, &TocEntry> = named(dump, "SEQUENCE SET").collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let is_plain = dump.format == DumpFormat::Plain;
    let flat = |name: &Name| (flat_if(is_plain, &name.0), flat_if(is_plain, &name.1));
    let found: BTreeMap<Name, SequenceValue> =
        values::sequences(session, |name| wanted.contains_key(&flat(name)))
            .await?
            .into_iter()
            .map(|(name, value)| (flat(&name), value))
            .collect();
    let mut other = Vec::new();
    for ((schema, name), entry) in &wanted {
        let shown = format!("SEQUENCE SET {schema}.{name}");
        let Some(expected) = value_of(&entry.definition) else {
            comparison.account.excluded("SEQUENCE SET: its value could not be read".to_owned(), 1);
            continue;
        };
        match found.get(&(schema.clone(), name.clone())) {
            Some(value) if *value == expected => comparison.account.restored += 1,
            Some(_) => {
                other.push(format!("{schema}.{name}"));
                comparison.account.failed([shown]);
            }
            // That the sequence is missing is said of its own entry, where it has one.
            None => {
                if !named(dump, "SEQUENCE").any(|(own, _)| own == (schema.clone(), name.clone())) {
                    other.push(format!("{schema}.{name} (not there)"));
                }
                comparison.account.failed([shown]);
            }
        }
    }
    if !other.is_empty() {
        let message =
            format!("{} with another value than in the dump", counted(other.len(), "sequence"));
        comparison.findings.push(listed(FindingCode::SequenceDiffers, &message, &other));
    }
    Ok(())
}

/// `4000, true` of `SELECT pg_catalog.setval('shop.orders_id_seq', 4000, true);`
fn value_of(definition: &str) -> Option<SequenceValue> {
    let arguments = definition.trim_end().strip_suffix(");")?;
    let (rest, is_called) = arguments.rsplit_once(", ")?;
    let (_, value) = rest.rsplit_once(", ")?;
    let is_called = match is_called {
        "true" => true,
        "false" => false,
        _ => return None,
    };
    Some((value.parse().ok()?, is_called))
}

async fn materialized_views(
    session: &Session,
    dump: &DatabaseDump,
    comparison: &mut Comparison,
) -> Result<(), SessionError> {
    let wanted: BTreeMap<Name, &TocEntry> = named(dump, "MATERIALIZED VIEW DATA").collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let is_plain = dump.format == DumpFormat::Plain;
    let mut empty = Vec::new();
    let mut missing: BTreeMap<Name, &TocEntry> = wanted.clone();
    for ((schema, name), is_empty) in values::materialized_views(session).await? {
        let name = (flat_if(is_plain, &schema), flat_if(is_plain, &name));
        if missing.remove(&name).is_none() {
            continue;
        }
        if is_empty {
            empty.push(format!("{}.{}", name.0, name.1));
        } else {
            comparison.account.restored += 1;
        }
    }
    let failed = |name: &str| format!("MATERIALIZED VIEW DATA {name}");
    comparison.account.failed(empty.iter().map(|name| failed(name)));
    comparison
        .account
        .failed(missing.keys().map(|(schema, name)| failed(&format!("{schema}.{name}"))));
    if !empty.is_empty() {
        let message =
            format!("{} without the rows of its query", counted(empty.len(), "materialized view"));
        comparison.findings.push(listed(FindingCode::NotPopulated, &message, &empty));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::value_of;

    #[test]
    fn a_sequence_says_its_value_and_whether_it_was_given_out() {
        let of =
            |arguments: &str| value_of(&format!("SELECT pg_catalog.setval({arguments});\n\n\n"));
        assert_eq!(of("'shop.\"a, 1, true\"', 4000, true"), Some((4000, true)));
        assert_eq!(of("'s', -1, false"), Some((-1, false)));
        assert_eq!(of("'s', x, false"), None);
        assert_eq!(value_of(""), None);
    }
}
