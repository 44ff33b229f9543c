//! A line of a scenario, with what is meant underlined.

use crate::outcome::SourcePlace;
use crate::text::one_line;

/// Characters of a line that are shown; flow mappings can be long.
const WIDTH: usize = 90;
/// Of these, how many stand before what is meant.
const BEFORE: usize = 30;

/// File, line and column, then the line itself, indented below what it belongs to.
pub(super) fn show_place(place: &SourcePlace) -> String {
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let start = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
    let length: usize = place.text.chars().count();
    let cut = if length <= WIDTH { 0 } else { start.saturating_sub(BEFORE) };
    let shown: String = place.text.chars().skip(cut).take(WIDTH).map(visible).collect();
    let shown = shown.trim_end();
    let lead = if cut > 0 { "…" } else { "" };
    let rest = if length > cut + WIDTH { "…" } else { "" };
    let until = shown.chars().count();
    let marks = place.length.clamp(1, until.saturating_sub(start - cut).max(1));
    format!(
        "    {margin}--> {}:{}:{}\n    {margin} |\n    {number} | {lead}{shown}{rest}\n    {margin} | {}{}",
        one_line(&place.file, 200),
        place.line,
        place.column,
        " ".repeat(start - cut + lead.chars().count()),
        "^".repeat(marks),
    )
}

fn visible(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, meant: &str) -> SourcePlace {
        let column = text.split(meant).next().unwrap_or_default().chars().count() + 1;
        SourcePlace {
            file: "weekly.yaml".into(),
            line: 14,
            column: column as u64,
            length: meant.chars().count(),
            text: text.into(),
        }
    }

    #[test]
    fn what_is_meant_is_underlined() {
        assert_eq!(
            show_place(&place("      at_least: 1000", "at_least: 1000")),
            "      --> weekly.yaml:14:7\n       |\n    14 |       at_least: 1000\n       |       ^^^^^^^^^^^^^^"
        );
    }

    #[test]
    fn of_a_long_line_the_part_that_matters_is_shown() {
        let text = format!(
            "  - query: {{sql: select {}, at_least: 5}} # {}",
            "é".repeat(200),
            "x".repeat(200)
        );
        let shown = show_place(&place(&text, "at_least: 5"));
        let lines: Vec<&str> = shown.lines().collect();
        let from = |line: &str, what: char| line.chars().position(|c| c == what);
        let start = lines[2].split("at_least").next().unwrap().chars().count();
        assert_eq!(from(lines[3], '^'), Some(start), "{shown}");
        assert!(lines.iter().all(|line| line.chars().count() < 110), "{shown}");
        assert!(lines[2].contains("| …éé") && lines[2].ends_with("x…"), "{shown}");
    }
}
