//! The encoding and locale that a database brings, as its own `CREATE DATABASE` says.

/// The options that an image may lack something for; whatever else the statement says is not asked.
const OPTIONS: [&str; 8] = [
    "ENCODING",
    "LOCALE_PROVIDER",
    "LOCALE",
    "LC_COLLATE",
    "LC_CTYPE",
    "ICU_LOCALE",
    "ICU_RULES",
    "BUILTIN_LOCALE",
];

/// Encoding, locale and their provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocaleWish {
    /// Option and value, the value as it is written: `'C.UTF-8'`, `libc`.
    options: Vec<(&'static str, String)>,
}

impl LocaleWish {
    /// Reads the definition of a DATABASE entry; `None` where it is no such statement, or says
    /// nothing of encoding and locale.
    pub fn of(definition: &str) -> Option<Self> {
        let rest = definition.trim_start().strip_prefix("CREATE DATABASE ")?;
        let rest = after_name(rest)?.trim_start();
        let mut rest = rest.strip_prefix("WITH ").unwrap_or(rest);
        let mut options = Vec::new();
        while let Some((key, value)) = rest.split_once('=') {
            let (value, left) = split_value(value.trim_start())?;
            let key = key.trim();
            if let Some(known) = OPTIONS.iter().find(|known| known.eq_ignore_ascii_case(key)) {
                options.push((*known, value.to_owned()));
            }
            rest = left;
        }
        (!options.is_empty()).then_some(Self { options })
    }

    /// The options as `CREATE DATABASE` takes them. They are nothing but words and literals,
    /// whatever else the statement of the dump held.
    pub fn clauses(&self) -> String {
        let clauses: Vec<String> =
            self.options.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        clauses.join(" ")
    }

    /// Each option and its value, without quotes.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.options.iter().map(|(key, value)| (*key, unquoted(value)))
    }

    /// The encoding, where it is named.
    pub fn encoding(&self) -> Option<String> {
        self.options.iter().find(|(key, _)| *key == "ENCODING").map(|(_, value)| unquoted(value))
    }

    /// Whether a database that libc sorts, with this encoding and these categories, has it all.
    pub fn is_libc(&self, encoding: &str, collate: &str, ctype: &str) -> bool {
        self.options.iter().all(|(key, value)| {
            let value = unquoted(value);
            match *key {
                "ENCODING" => value.eq_ignore_ascii_case(encoding),
                "LOCALE_PROVIDER" => value.eq_ignore_ascii_case("libc"),
                "LOCALE" => value == collate && value == ctype,
                "LC_COLLATE" => value == collate,
                "LC_CTYPE" => value == ctype,
                _ => false,
            }
        })
    }

    /// For people: `de_DE.UTF-8`, `icu de-AT`, `C.UTF-8 (LATIN1)`.
    pub fn describe(&self) -> String {
        let get = |wanted: &str| {
            self.options.iter().find(|(key, _)| *key == wanted).map(|(_, value)| unquoted(value))
        };
        let own = get("ICU_LOCALE").or_else(|| get("BUILTIN_LOCALE"));
        let provider = get("LOCALE_PROVIDER").filter(|provider| provider != "libc");
        let libc = || get("LOCALE").or_else(|| get("LC_CTYPE")).or_else(|| get("LC_COLLATE"));
        let name = match (provider, own) {
            (Some(provider), Some(own)) => Some(format!("{provider} {own}")),
            (Some(provider), None) => {
                Some(libc().map_or(provider.clone(), |name| format!("{provider} {name}")))
            }
            (None, own) => own.or_else(libc),
        };
        let encoding = get("ENCODING").filter(|encoding| !encoding.eq_ignore_ascii_case("UTF8"));
        match (name, encoding) {
            (Some(name), Some(encoding)) => format!("{name} ({encoding})"),
            (Some(name), None) => name,
            (None, encoding) => encoding.unwrap_or_else(|| "UTF8".to_owned()),
        }
    }

    /// The libc locales that it needs, once each.
    pub fn libc_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .options
            .iter()
            .filter(|(key, _)| matches!(*key, "LOCALE" | "LC_COLLATE" | "LC_CTYPE"))
            .map(|(_, value)| unquoted(value))
            .collect();
        names.dedup();
        names
    }
}

/// What follows the name of the database.
pub(super) fn after_name(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        return text.find(char::is_whitespace).map(|end| &text[end..]);
    };
    end_of_quoted(quoted, '"').map(|end| &quoted[end..])
}

/// A value and what follows it: a literal, a quoted name, or a word.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let prefix = usize::from(text.starts_with("E'"));
    let quote = text[prefix..].chars().next()?;
    let end = if matches!(quote, '\'' | '"') {
        prefix + 1 + end_of_quoted(&text[prefix + 1..], quote)?
    } else {
        text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len())
    };
    // A backslash could hide the literal's end from this reading.
    (!text[..end].contains('\\')).then(|| text.split_at(end))
}

/// Behind the closing quote; a doubled one stands for itself.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::LocaleWish;

    const OF_15: &str = "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8' TABLESPACE = fast CONNECTION LIMIT = 5;\n";

    fn clauses(definition: &str) -> Option<String> {
        LocaleWish::of(definition).map(|wish| wish.clauses())
    }

    #[test]
    fn only_encoding_and_locale_are_asked_for() {
        let wanted = "ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8'";
        assert_eq!(clauses(OF_15).as_deref(), Some(wanted));
        let odd = OF_15.replace(" app ", " \"a\"\"b = 'x'; DROP\" ").replace("fast", "\"a=b\"");
        assert_eq!(clauses(&odd).as_deref(), Some(wanted));
        assert_eq!(clauses("CREATE DATABASE app;"), None);
        assert_eq!(clauses("CREATE DATABASE app WITH CONNECTION LIMIT = 5;"), None);
        assert_eq!(clauses("DROP DATABASE app"), None);
    }

    #[test]
    fn nothing_else_gets_into_the_probe() {
        let hostile = "CREATE DATABASE a WITH ENCODING = 'UTF8'; DROP TABLE x; LOCALE = 'C';";
        assert_eq!(clauses(hostile).as_deref(), Some("ENCODING = 'UTF8'"));
        assert_eq!(clauses("CREATE DATABASE a WITH LOCALE = E'a\\'; drop database b; --'"), None);
        assert_eq!(clauses("CREATE DATABASE a WITH LOCALE = 'never ends"), None);
    }

    #[test]
    fn what_template0_has_need_not_be_tried() {
        let wish = LocaleWish::of(OF_15).unwrap();
        assert!(wish.is_libc("UTF8", "C.UTF-8", "C.UTF-8"));
        assert!(!wish.is_libc("UTF8", "C.UTF-8", "C"));
        let icu =
            OF_15.replace("libc", "icu").replace("TABLESPACE", "ICU_LOCALE = 'de' TABLESPACE");
        assert!(!LocaleWish::of(&icu).unwrap().is_libc("UTF8", "C.UTF-8", "C.UTF-8"));
    }

    #[test]
    fn people_read_the_locale_alone() {
        let shown = |options: &str| {
            LocaleWish::of(&format!("CREATE DATABASE a WITH {options};")).unwrap().describe()
        };
        assert_eq!(
            shown("ENCODING = 'UTF8' LC_COLLATE = 'de_DE.utf8' LC_CTYPE = 'de_DE.utf8'"),
            "de_DE.utf8"
        );
        assert_eq!(shown("ENCODING = 'LATIN1' LOCALE = 'C'"), "C (LATIN1)");
        assert_eq!(shown("LOCALE_PROVIDER = icu LOCALE = 'C' ICU_LOCALE = 'de-AT'"), "icu de-AT");
        assert_eq!(
            shown("LOCALE_PROVIDER = builtin BUILTIN_LOCALE = 'C.UTF-8'"),
            "builtin C.UTF-8"
        );
    }
}
