//! The language as a table for people.

use super::language;
use super::shape::Shape;

/// Every key with type, default, example and meaning, as a Markdown table: part of
/// `docs/scenario.md`.
pub fn reference() -> String {
    let mut table =
        "| key | type | default | example | meaning |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    language::shape().walk("", &mut |path, key| {
        if matches!(key.shape, Shape::Section { .. }) {
            return;
        }
        let default = match key.default {
            None => "required".to_owned(),
            Some("") => String::new(),
            Some(words) if is_value(words) => code(words),
            Some(words) => words.to_owned(),
        };
        let cells =
            [code(path), key.shape.words(), default, code(key.example), key.meaning.to_owned()];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    });
    table
}

/// Defaults are values or words about them.
fn is_value(default: &str) -> bool {
    !default.starts_with("none") && !default.contains(' ') && default != "any"
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}
