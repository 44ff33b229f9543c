//! Which database a file or an archive member is named after.

/// The database whose dump has this name in an archive: dbbackup writes the raw name and an
/// extension. Only the extension goes: a database may be called `x.sql`.
pub(crate) fn database_of_member(name: &str) -> Option<String> {
    let file = name.rsplit('/').next().unwrap_or(name);
    [".dump", ".sql.gz", ".dump.gz", ".sql"]
        .into_iter()
        .filter_map(|extension| file.strip_suffix(extension))
        .min_by_key(|stem| stem.len())
        .filter(|stem| !stem.is_empty())
        .map(str::to_owned)
}

/// The database that a single file's name speaks of: without prefix, timestamp and extension.
pub(crate) fn database_of_file(name: &str) -> String {
    let stem = database_of_member(name).unwrap_or_else(|| name.to_owned());
    let stem = without_timestamp(&stem);
    ["db_", "pg_"]
        .into_iter()
        .find_map(|prefix| stem.strip_prefix(prefix))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(stem)
        .to_owned()
}

/// A name without a trailing `_YYYYMMDD_HHMMSS`.
pub(crate) fn without_timestamp(stem: &str) -> &str {
    let is_time = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some((rest, time)) = stem.rsplit_once('_')
        && is_time(time, 6)
        && let Some((rest, date)) = rest.rsplit_once('_')
        && is_time(date, 8)
        && !rest.is_empty()
    {
        rest
    } else {
        stem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_extension_leaves_a_database_name() {
        let name = |member: &str| database_of_member(member);
        assert_eq!(name("dumps/app.dump").as_deref(), Some("app"));
        assert_eq!(name("dumps/my.sql.db.dump").as_deref(), Some("my.sql.db"));
        assert_eq!(name("dumps/x.sql.sql.gz").as_deref(), Some("x.sql"));
        assert_eq!(name("dumps/x.sql.dump").as_deref(), Some("x.sql"));
        assert_eq!(name("dumps/-x.dump").as_deref(), Some("-x"));
        assert_eq!(name("dumps/README"), None);
        assert_eq!(name("dumps/.dump"), None);
    }

    #[test]
    fn a_single_file_is_named_after_its_database() {
        assert_eq!(database_of_file("db_foo_bar_20260130_021011.dump"), "foo_bar");
        assert_eq!(database_of_file("pg_foo_20260130_021011.sql.gz"), "foo");
        assert_eq!(database_of_file("shop.dump"), "shop");
        assert_eq!(database_of_file("orders_123456.sql"), "orders_123456");
    }
}
