//! The arguments of the meta-commands that dumps carry by right.

/// What a meta-command in a dump is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `\restrict KEY` or `\unrestrict KEY`, written by `pg_dump` since August 2025
    /// (CVE-2025-8714). The caller sets its own key, so the dump's are dropped.
    Restrict,
    /// `\encoding SQL_ASCII`, which `pg_dumpall` writes before a `\connect` to an odd name so that
    /// psql passes the name on as it is.
    Encoding,
    /// `\connect DATABASE`, written by `pg_dumpall` and `pg_dump -C`.
    Connect(String),
    /// Anything else. No tool that dumps databases writes it.
    Other,
}

/// Reads a whole meta-command, from its backslash to the end of its line.
///
/// Only the exact forms of `pg_dump` count: `\restrict` with one key of letters and digits;
/// `\connect name`, `\connect "name"`, and `\connect -reuse-previous=on "dbname='name'"`
/// (`appendPsqlMetaConnect` in `src/fe_utils/string_utils.c`). What psql would do with more is not
/// worth knowing.
pub(super) fn purpose(text: &str) -> Purpose {
    let text = text.trim_end_matches([' ', '\t', '\r', '\u{c}']);
    let Some((name, rest)) = text.split_once([' ', '\t']) else {
        return Purpose::Other;
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    let database = match name {
        "\\restrict" | "\\unrestrict" => {
            let key = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
            return if key { Purpose::Restrict } else { Purpose::Other };
        }
        "\\encoding" if rest == "SQL_ASCII" => return Purpose::Encoding,
        "\\connect" => match rest.strip_prefix("-reuse-previous=on ") {
            Some(rest) => connection_string(rest),
            None => single_name(rest),
        },
        _ => None,
    };
    match database {
        Some(name) if !name.is_empty() => Purpose::Connect(name),
        _ => Purpose::Other,
    }
}

/// `name` or `"na""me"`, and nothing behind it.
fn single_name(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let name = unquote(quoted.strip_suffix('"')?, '"')?;
        // `recognized_connection_string` of libpq.
        let special = name.contains(['=', '\\']) || name.contains("://");
        return (!special).then_some(name);
    }
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || byte >= 0x80);
    plain.then(|| text.to_owned())
}

/// `"dbname='na\'me'"`: libpq's quoting within psql's.
fn connection_string(text: &str) -> Option<String> {
    let inner = unquote(text.strip_prefix('"')?.strip_suffix('"')?, '"')?;
    let value = inner.strip_prefix("dbname=")?;
    let Some(quoted) = value.strip_prefix('\'') else {
        let plain =
            value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        return plain.then(|| value.to_owned());
    };
    let mut name = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '\\' => name.push(characters.next()?),
            '\'' => break,
            other => name.push(other),
        }
    }
    characters.next().is_none().then_some(name)
}

/// Undoubles `quote`; `None` where a single one stands in the text.
fn unquote(text: &str, quote: char) -> Option<String> {
    let mut name = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == quote && characters.next() != Some(quote) {
            return None;
        }
        name.push(character);
    }
    Some(name)
}
