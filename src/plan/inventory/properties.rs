//! What a dump's hidden entries say of the database itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::backup::{DatabaseDump, statements};
use crate::plan::locale::{LocaleWish, after_name};

/// Owner, encoding, locale and settings of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseProperties {
    /// Its owner.
    pub owner: Option<String>,
    /// Its tablespace, where it is not the default.
    pub tablespace: Option<String>,
    /// Encoding and locale, by the options of `CREATE DATABASE` in lower case.
    pub options: BTreeMap<String, String>,
    /// The names of its settings, also of those of roles in it; values may be secrets.
    pub settings: BTreeSet<String>,
}

impl DatabaseProperties {
    /// `None` where the dump has no entries of its database, as plain dumps without `--create`.
    pub(super) fn of(dump: &DatabaseDump) -> Option<Self> {
        let own = dump.entries.iter().find(|entry| entry.kind == "DATABASE")?;
        let wish = LocaleWish::of(&own.definition);
        let options = wish.iter().flat_map(LocaleWish::options);
        let more = dump.entries.iter().filter(|entry| entry.kind == "DATABASE PROPERTIES");
        let all = more.flat_map(|entry| statements(&entry.definition));
        Some(Self {
            owner: own.owner.clone(),
            tablespace: own.tablespace.clone(),
            options: options.map(|(key, value)| (key.to_ascii_lowercase(), value)).collect(),
            settings: all.filter_map(|statement| setting(&statement)).collect(),
        })
    }
}

/// The setting's name of `ALTER DATABASE d SET name TO …`, `ALTER ROLE r IN DATABASE d SET …`.
pub(super) fn setting(statement: &str) -> Option<String> {
    let rest = statement.trim_start();
    let rest = match rest.strip_prefix("ALTER ROLE ") {
        Some(rest) => after_name(rest)?.trim_start().strip_prefix("IN DATABASE ")?,
        None => rest.strip_prefix("ALTER DATABASE ")?,
    };
    let rest = after_name(rest)?.trim_start().strip_prefix("SET ")?;
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split(|c: char| c.is_whitespace() || c == '=').next()?,
    };
    // `SET TABLESPACE` moves the database, and is no setting.
    (!name.eq_ignore_ascii_case("tablespace")).then(|| name.to_owned())
}
