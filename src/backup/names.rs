//! What a file's or an archive member's name says: its database, its format.

use super::codec::Codec;

/// Extensions of dumps in archives.
const DUMPS: [&str; 3] = [".dump", ".sql", ".tar"];
/// Those that single files have besides.
const FILES: [&str; 4] = [".custom", ".backup", ".bak", ".pgdump"];
/// Compressions of the whole, behind those.
const CODECS: [(&str, Codec); 5] = [
    (".gz", Codec::Gzip),
    (".zst", Codec::Zstd),
    (".zstd", Codec::Zstd),
    (".lz4", Codec::Lz4),
    ("", Codec::None),
];

/// The database whose dump has this name in an archive: dbbackup writes the raw name and an
/// extension. Only the extension goes: a database may be called `x.sql`.
pub(crate) fn database_of_member(name: &str) -> Option<String> {
    let file = name.rsplit('/').next().unwrap_or(name);
    stem(file, &DUMPS).map(str::to_owned)
}

/// Whether a file is called much like globals: compressed, in capitals, in another folder.
pub(crate) fn resembles_globals(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("globals"))
}

/// The database that a single file's name speaks of: without prefix, timestamp and extension.
pub(crate) fn database_of_file(name: &str) -> String {
    let stem = stem(name, &DUMPS).or_else(|| stem(name, &FILES)).unwrap_or(name);
    let stem = without_timestamp(stem);
    ["db_", "pg_"]
        .into_iter()
        .find_map(|prefix| stem.strip_prefix(prefix))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(stem)
        .to_owned()
}

/// A name without one of these extensions and the compression behind it.
fn stem<'a>(name: &'a str, extensions: &[&str]) -> Option<&'a str> {
    let (name, _) = without_codec(name);
    let stem = extensions.iter().find_map(|extension| name.strip_suffix(extension))?;
    Some(stem).filter(|stem| !stem.is_empty())
}

fn without_codec(name: &str) -> (&str, Codec) {
    let found = CODECS.iter().find_map(|(end, codec)| Some((name.strip_suffix(end)?, *codec)));
    found.unwrap_or((name, Codec::None))
}

/// A format as far as a name can say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Custom,
    Plain,
    Tar,
}

/// What a name's extensions say: how the whole is compressed, and what is in it. `None` where they
/// say nothing; `.backup` and `.bak` say nothing of what they are.
pub(crate) fn said_by(name: &str) -> Option<(Codec, Option<Said>)> {
    let name = name.to_ascii_lowercase();
    let (rest, codec) = without_codec(&name);
    let said = match rest.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
        Some((_, "tgz")) => return Some((Codec::Gzip, Some(Said::Tar))),
        Some((_, "dump" | "custom" | "pgdump")) => Some(Said::Custom),
        Some((_, "sql")) => Some(Said::Plain),
        Some((_, "tar")) => Some(Said::Tar),
        _ => None,
    };
    (said.is_some() || codec != Codec::None).then_some((codec, said))
}

/// Why a name lies about what was found; `None` where it does not, or says nothing.
pub(crate) fn difference(name: &str, codec: Codec, found: Said) -> Option<String> {
    let (said_codec, said) = said_by(name)?;
    if said_codec == codec && said.is_none_or(|said| said == found) {
        return None;
    }
    let is = in_words(codec, Some(found));
    Some(format!("`{name}` is {is}, its name says {}", in_words(said_codec, said)))
}

fn in_words(codec: Codec, said: Option<Said>) -> String {
    let format = match said {
        Some(Said::Custom) => "a custom-format dump",
        Some(Said::Plain) => "SQL",
        Some(Said::Tar) => "a tar archive",
        None => "a file",
    };
    match codec {
        Codec::None => format.to_owned(),
        codec => format!("{format} compressed with {codec}"),
    }
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
        for end in [".sql.zst", ".sql.zstd", ".sql.lz4", ".dump.gz", ".dump.zst", ".dump.lz4"] {
            assert_eq!(name(&format!("dumps/a.b{end}")).as_deref(), Some("a.b"), "{end}");
        }
        assert_eq!(name("dumps/-x.dump").as_deref(), Some("-x"));
        for none in ["dumps/README", "dumps/.dump", "dumps/.sql.gz", "dumps/x.backup", "x.gz"] {
            assert_eq!(name(none), None, "{none}");
        }
    }

    #[test]
    fn a_single_file_is_named_after_its_database() {
        assert_eq!(database_of_file("db_foo_bar_20260130_021011.dump"), "foo_bar");
        assert_eq!(database_of_file("pg_foo_20260130_021011.sql.gz"), "foo");
        assert_eq!(database_of_file("shop.dump"), "shop");
        assert_eq!(database_of_file("orders_123456.sql"), "orders_123456");
        for end in ["custom", "backup", "bak", "pgdump", "dump", "sql", "sql.zstd", "backup.lz4"] {
            assert_eq!(database_of_file(&format!("shop_20260130_021011.{end}")), "shop", "{end}");
        }
    }

    #[test]
    fn a_name_that_lies_is_told_by_what_was_found() {
        let lie = |name: &str, codec, found| difference(name, codec, found);
        assert_eq!(lie("a.sql.gz", Codec::Gzip, Said::Plain), None);
        assert_eq!(lie("A.TGZ", Codec::Gzip, Said::Tar), None);
        assert_eq!(lie("a.backup", Codec::None, Said::Custom), None);
        assert_eq!(lie("a.backup.gz", Codec::Gzip, Said::Plain), None);
        assert_eq!(lie("nightly", Codec::Zstd, Said::Tar), None);
        let text = "`c.tar.zst` is a tar archive compressed with gzip, its name says a tar archive compressed with zstd";
        assert_eq!(lie("c.tar.zst", Codec::Gzip, Said::Tar).as_deref(), Some(text));
        let text = "`a.dump` is SQL, its name says a custom-format dump";
        assert_eq!(lie("a.dump", Codec::None, Said::Plain).as_deref(), Some(text));
        assert!(lie("a.backup.gz", Codec::None, Said::Plain).is_some());
    }
}
