//! Roles and tablespaces of a cluster: the output of `pg_dumpall --globals-only`.

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
    Globals {
        member: place.name.to_owned(),
        bootstrap_role: bootstrap_role(dump, &sql),
        roles: dump.roles_created.clone(),
        tablespaces: dump.tablespaces_created.clone(),
        unclear_for_old_psql: dump.first_unclear.as_ref().map(|unclear| unclear.line),
        sql,
        findings,
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
    let made_superuser = |name: &&String| {
        [(*name).clone(), crate::text::quote_identifier(name)]
            .iter()
            .any(|written| text.contains(&format!("ALTER ROLE {written} WITH SUPERUSER")))
    };
    dump.roles_created
        .iter()
        .filter(|name| !name.starts_with("pg_"))
        .filter(made_superuser)
        // Whoever granted the most did so as the one who may grant everything.
        .max_by_key(|name| text.matches(&format!("GRANTED BY {name}")).count())
        .cloned()
}
