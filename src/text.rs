//! Numbers and names as people read them, and texts with nothing secret in them.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    /// Decimal units with one decimal place, as disks are sold: `15.2 GB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] =
            [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        for (size, unit) in UNITS {
            if self.0 >= size {
                let tenths = u128::from(self.0) * 10 / u128::from(size);
                return write!(f, "{}.{} {unit}", tenths / 10, tenths % 10);
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// A duration as `0.4s`, `12.3s`, `4m 05s`, `2h 03m`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{}.{}s", seconds, duration.subsec_millis() / 100)
    } else if seconds < 3600 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60)
    }
}

/// `count` with a noun: `1 database`, `3 databases`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else if let Some(stem) = noun.strip_suffix('y').filter(|stem| !stem.ends_with('e')) {
        format!("{count} {stem}ies")
    } else {
        format!("{count} {noun}s")
    }
}

/// Quotes an SQL identifier, always.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes an SQL string literal; backslashes need no escape with `standard_conforming_strings`.
pub fn quote_literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A value in a libpq connection string (`libpq-connect.html`, keyword/value form).
pub fn quote_conninfo(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// One line without control characters, cut to `limit` characters: fit for a terminal and a report.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        line.push(if character.is_control() { ' ' } else { character });
    }
    line
}

/// Words before a quoted name of an object.
const ANNOUNCED: [&str; 12] = [
    "column",
    "relation",
    "table",
    "type",
    "constraint",
    "function",
    "domain",
    "encoding",
    "COPY",
    "parameter",
    "index",
    "locale",
];

/// A server message without the row values that some classes of errors carry.
///
/// Class 22 (data exception) quotes values: what stands in double quotes is kept only behind a word
/// that announces an object. `P0001` is whatever a function of the database says: kept out. Class
/// 23 messages name constraints and tables only; their values are in DETAIL, which never gets here.
pub fn without_values(sqlstate: &str, message: &str) -> String {
    if sqlstate == "P0001" {
        return "an error raised by a function of the database".to_owned();
    }
    if !sqlstate.starts_with("22") {
        return one_line(message, 500);
    }
    let mut kept = String::new();
    let mut rest = message;
    while let Some(start) = rest.find('"') {
        let (before, quoted) = rest.split_at(start);
        kept.push_str(before);
        let Some(length) = quoted[1..].find('"') else {
            kept.push_str("\"…");
            rest = "";
            break;
        };
        let announced =
            before.split_whitespace().next_back().is_some_and(|w| ANNOUNCED.contains(&w));
        kept.push_str(if announced { &quoted[..length + 2] } else { "\"…\"" });
        rest = &quoted[length + 2..];
    }
    kept.push_str(rest);
    one_line(&kept, 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_short() {
        assert_eq!(ByteCount(999).to_string(), "999 B");
        assert_eq!(ByteCount(15_249_000_000).to_string(), "15.2 GB");
        assert_eq!(duration(Duration::from_millis(450)), "0.4s");
        assert_eq!(duration(Duration::from_secs(245)), "4m 05s");
        assert_eq!(duration(Duration::from_secs(7_400)), "2h 03m");
        assert_eq!(counted(1, "database"), "1 database");
        assert_eq!(counted(2, "entry"), "2 entries");
    }

    #[test]
    fn odd_names_survive_quoting() {
        assert_eq!(quote_identifier("a\"b; DROP"), "\"a\"\"b; DROP\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\'b"), "E'a\\\\''b'");
        assert_eq!(quote_conninfo("a'b\\c"), "'a\\'b\\\\c'");
    }

    #[test]
    fn row_values_do_not_leave_the_server() {
        assert_eq!(
            without_values("22P02", "invalid input syntax for type integer: \"4111-1111\""),
            "invalid input syntax for type integer: \"…\""
        );
        assert_eq!(
            without_values("22P04", "missing data for column \"id\""),
            "missing data for column \"id\""
        );
        assert!(!without_values("P0001", "card 4111").contains("4111"));
        assert_eq!(
            without_values("42704", "role \"app\" does not exist"),
            "role \"app\" does not exist"
        );
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(one_line("a\u{1b}[31mb\nc", 100), "a [31mb c");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }
}
