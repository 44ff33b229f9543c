//! Places in a scenario's text.

/// Bytes from `start` up to `end`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// What stands there; nothing where the span is none of this text's.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// The part on its first line, without blanks at the end. A column of width 0 cannot be seen:
    /// an empty span keeps the character that it stands at.
    pub(super) fn first_line(self, text: &str) -> Self {
        let line = self.of(text).lines().next().unwrap_or_default().trim_end();
        let rest = text.get(self.start..).unwrap_or_default();
        let least = rest.chars().next().filter(|next| !next.is_whitespace());
        let length = if line.is_empty() { least.map_or(0, char::len_utf8) } else { line.len() };
        Self::new(self.start, self.start + length)
    }
}

/// Line and column, both from 1; the column counts characters.
pub(super) fn line_column(text: &str, offset: usize) -> (u64, u64) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (line as u64, column as u64)
}

/// The whole line that a place is in, without its end.
pub(super) fn line_of(text: &str, offset: usize) -> &str {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    text[start..].lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_lines() {
        let text = "a: é b\r\nc: d\n";
        let at = text.find('b').unwrap();
        assert_eq!(line_column(text, at), (1, 6));
        assert_eq!(line_of(text, at), "a: é b");
        assert_eq!(line_column(text, text.find('d').unwrap()), (2, 4));
        assert_eq!(line_of(text, text.find('d').unwrap()), "c: d");
        assert_eq!(line_column(text, text.len()), (3, 1));
    }

    #[test]
    fn a_span_ends_with_its_line() {
        let text = "sql: |\n  select 1\n";
        assert_eq!(Span::new(5, 15).first_line(text).of(text), "|");
        assert_eq!(Span::new(0, 0).first_line(text).of(text), "s");
        assert_eq!(Span::new(text.len(), text.len()).first_line(text).of(text), "");
    }
}
