//! Rows that a query must return, from a CSV file beside the scenario.
//!
//! The form is that of `COPY … (FORMAT csv, HEADER)`: a header, and a value that is empty without
//! quotes is NULL. An own reader, as it must tell `""` from nothing and know each
//! row's line.

use std::fs::File;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

/// What the file may hold.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// A row: NULL is `None`.
pub type ExpectedRow = Vec<Option<String>>;

/// The rows of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct ExpectedRows {
    /// The path as the scenario has it.
    pub path: Utf8PathBuf,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Each with its line.
    pub rows: Vec<(u64, ExpectedRow)>,
}

impl std::fmt::Debug for ExpectedRows {
    /// Rows are shown nowhere.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} rows)", self.path, self.rows.len())
    }
}

impl ExpectedRows {
    /// Reads a file, which lies relative to `folder`.
    pub(super) fn read(folder: &Utf8Path, path: &Utf8Path) -> Result<Self, String> {
        let file = folder.join(path);
        // A pipe or a device would be waited for.
        let found = file.metadata().map_err(|error| error.to_string())?;
        if !found.is_file() {
            return Err("it is no regular file".to_owned());
        }
        let mut bytes = Vec::new();
        File::open(&file)
            .and_then(|opened| opened.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > LIMIT_BYTES {
            return Err("it is larger than 16 MiB: compare a hash or a count instead".to_owned());
        }
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut rows = parse(text.strip_prefix('\u{feff}').unwrap_or(&text))?.into_iter();
        let (_, header) = rows.next().ok_or("it is empty: its first line names the columns")?;
        let columns: Option<Vec<String>> = header.into_iter().collect();
        let columns = columns.ok_or("a column in its first line has no name")?;
        let rows: Vec<(u64, ExpectedRow)> = rows.collect();
        if rows.is_empty() {
            return Err(
                "it holds no row behind its header: that is what `no_rows` is for".to_owned()
            );
        }
        if let Some((line, row)) = rows.iter().find(|(_, row)| row.len() != columns.len()) {
            let (has, needs) = (row.len(), columns.len());
            return Err(format!("line {line} has {has} values, and the header {needs} columns"));
        }
        Ok(Self { path: path.to_owned(), columns, rows })
    }

    /// The characters of the longest value of each column.
    pub fn longest(&self) -> Vec<usize> {
        let mut longest = vec![0; self.columns.len()];
        for (_, row) in &self.rows {
            for (most, value) in longest.iter_mut().zip(row) {
                let length = value.as_ref().map_or(0, |value| value.chars().count());
                *most = length.max(*most);
            }
        }
        longest
    }
}

/// Every record, with the line that it begins in.
fn parse(text: &str) -> Result<Vec<(u64, ExpectedRow)>, String> {
    let mut records = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let begins = line;
        let mut record = Vec::new();
        loop {
            let (value, after, lines) =
                value(rest).map_err(|what| format!("line {begins}: {what}"))?;
            line += lines;
            record.push(value);
            let Some(next) = after.strip_prefix(',') else {
                rest = after;
                break;
            };
            rest = next;
        }
        if let Some(next) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
            line += 1;
            rest = next;
        }
        records.push((begins, record));
    }
    Ok(records)
}

/// A value, what follows, and how many lines end in it.
fn value(text: &str) -> Result<(Option<String>, &str, u64), &'static str> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let end = if text[..end].ends_with('\r') && text[end..].starts_with('\n') {
            end - 1
        } else {
            end
        };
        let plain = &text[..end];
        if plain.contains('"') {
            return Err("a quote stands inside of a value without quotes");
        }
        return Ok(((!plain.is_empty()).then(|| plain.to_owned()), &text[end..], 0));
    };
    let mut value = String::new();
    loop {
        let (inside, after) = rest.split_once('"').ok_or("a quote is never closed")?;
        value.push_str(inside);
        let Some(next) = after.strip_prefix('"') else {
            rest = after;
            break;
        };
        value.push('"');
        rest = next;
    }
    let is_end = rest.is_empty() || rest.starts_with([',', '\n']) || rest.starts_with("\r\n");
    let lines = value.matches('\n').count() as u64;
    if is_end { Ok((Some(value), rest, lines)) } else { Err("something follows a closing quote") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<const N: usize>(values: [Option<&str>; N]) -> ExpectedRow {
        values.map(|value| value.map(str::to_owned)).to_vec()
    }

    #[test]
    fn null_is_not_an_empty_text() {
        let read = parse("a,b\r\n,\"\"\n\"x\n\"\"y\"\"\",é\n").unwrap();
        assert_eq!(read[0], (1, row([Some("a"), Some("b")])));
        assert_eq!(read[1], (2, row([None, Some("")])));
        assert_eq!(read[2], (3, row([Some("x\n\"y\""), Some("é")])));
        assert_eq!(parse("a\n\"1\n2\"\n3").unwrap()[2].0, 4);
        assert_eq!(parse("a\n\nb").unwrap()[1], (2, row([None])));
    }

    #[test]
    fn what_is_no_csv_is_told_by_its_line() {
        for text in ["a\n\"x", "a\nx\"y\"", "a\n\"x\"y"] {
            assert!(parse(text).unwrap_err().starts_with("line 2: "), "{text}");
        }
    }
}
