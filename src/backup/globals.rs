//! Roles and tablespaces of a cluster: the output of `pg_dumpall --globals-only`.

use std::collections::{BTreeMap, BTreeSet};

use super::inventory::Globals;
use super::member::{self, MemberPlace};
use super::sql::{PlainDump, PlainFlavour};
use crate::finding::{Finding, FindingCode};

/// What a `globals.sql` holds and what is wrong with it.
pub(super) fn globals(place: &MemberPlace<'_>, sql: Vec<u8>, dump: &PlainDump) -> Globals {
    let mut findings = Vec::new();
    member::plain_damage(place, dump, &mut findings);
    for finding in &mut findings {
        finding.database = None;
    }
    if dump.flavour == PlainFlavour::Unknown && findings.is_empty() && dump.roles_created.is_empty()
    {
        findings.push(
            Finding::new(
                FindingCode::DumpDamaged,
                format!("`{}` is no output of pg_dumpall", place.name),
            )
            .on(format!("member {}", place.name)),
        );
    }
    let mut not_tested = vec![
        "globals have no checksum, a changed role or setting that still loads is not seen"
            .to_owned(),
    ];
    not_tested.extend(member::behind(&dump.behind));
    Globals {
        member: place.name.to_owned(),
        bootstrap_role: bootstrap_role(dump, &sql),
        roles: dump.roles_created.clone(),
        tablespaces: dump.tablespaces_created.clone(),
        unclear_for_old_psql: dump.first_unclear.as_ref().map(|unclear| unclear.line),
        sql,
        findings,
        not_tested,
    }
}

/// The role that the source's initdb made. Globals do not say which it is: `postgres` almost
/// always; else the superuser that others were granted by. From PostgreSQL 16 on only the bootstrap
/// superuser may be named in `GRANTED BY` without having been granted the role itself.
fn bootstrap_role(dump: &PlainDump, sql: &[u8]) -> Option<String> {
    if dump.roles_created.contains("postgres") {
        return Some("postgres".to_owned());
    }
    let text = String::from_utf8_lossy(sql);
    // Once through the text, not once for each role: there may be very many of both.
    let behind = |words: &'static str| {
        text.match_indices(words).filter_map(|(at, _)| name(text.get(at + words.len()..)?))
    };
    let superusers: BTreeSet<String> = behind("ALTER ROLE ")
        .filter_map(|(name, rest)| rest.starts_with(" WITH SUPERUSER").then_some(name))
        .collect();
    let mut grants: BTreeMap<String, u64> = BTreeMap::new();
    for (grantor, _) in behind("GRANTED BY ") {
        *grants.entry(grantor).or_default() += 1;
    }
    dump.roles_created
        .iter()
        .filter(|name| !name.starts_with("pg_") && superusers.contains(*name))
        // Whoever granted the most did so as the one who may grant everything.
        .max_by_key(|name| grants.get(*name).copied().unwrap_or(0))
        .cloned()
}

/// The name that a text begins with, quoted or not, and what comes behind it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (name, _) = text.split_once([' ', ';', '\n'])?;
        return Some((name.to_owned(), &text[name.len()..]));
    };
    let mut end = quoted.find('"')?;
    while quoted[end + 1..].starts_with('"') {
        end += 2 + quoted[end + 2..].find('"')?;
    }
    Some((quoted[..end].replace("\"\"", "\""), &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::sql;

    fn bootstrap(text: &str) -> Option<String> {
        bootstrap_role(&sql::inspect(&mut text.as_bytes()), text.as_bytes())
    }

    #[test]
    fn the_bootstrap_role_is_the_superuser_who_granted_the_most() {
        let roles = "CREATE ROLE \"A b\";\nALTER ROLE \"A b\" WITH SUPERUSER INHERIT;\n\
            CREATE ROLE app;\nALTER ROLE app WITH SUPERUSER INHERIT;\n\
            CREATE ROLE app2;\nALTER ROLE app2 WITH NOSUPERUSER INHERIT;\n\
            CREATE ROLE z;\nALTER ROLE z WITH NOSUPERUSER INHERIT;\n";
        let granted = |by: &str| format!("GRANT z TO app GRANTED BY {by};\n");
        let of = |by: &[&str]| {
            let grants: Vec<String> = by.iter().map(|by| granted(by)).collect();
            bootstrap(&format!("{roles}{}", grants.concat()))
        };
        assert_eq!(of(&["app"]).as_deref(), Some("app"));
        assert_eq!(of(&["\"A b\""]).as_deref(), Some("A b"));
        // A name is no other name's beginning.
        assert_eq!(of(&["app2", "app2", "\"A b\""]).as_deref(), Some("A b"));
        let quoted = "CREATE ROLE \"a\"\"b\";\nALTER ROLE \"a\"\"b\" WITH SUPERUSER;\n";
        assert_eq!(bootstrap(quoted).as_deref(), Some("a\"b"));
        assert_eq!(bootstrap("CREATE ROLE a;\nALTER ROLE a WITH NOSUPERUSER;\n"), None);
        assert_eq!(bootstrap("CREATE ROLE a;\nALTER ROLE \"a"), None);
    }

    #[test]
    fn very_many_roles_come_to_an_end() {
        let role = |n| format!("CREATE ROLE r{n};\nALTER ROLE r{n} WITH NOSUPERUSER INHERIT;\n");
        // Once through the text for each of them would take days.
        let roles = (0..50_000).map(role).collect::<Vec<_>>().concat();
        let dump = sql::inspect(&mut roles.as_bytes());
        assert_eq!(bootstrap_role(&dump, roles.as_bytes()), None);
    }
}
