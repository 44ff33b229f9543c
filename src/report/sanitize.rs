//! Text that any XML parser accepts.
//!
//! junit-report copies what it is given: escape sequences, NUL and `]]>` in CDATA would make the
//! file unreadable for every consumer. Everything that goes into it passes here first.

/// No escape sequences, only characters of XML 1.0's `Char`, no end of a CDATA section.
pub(super) fn xml_text(text: &str) -> String {
    strip_ansi_escapes::strip_str(text)
        .chars()
        .map(|character| if is_xml_char(character) { character } else { '\u{fffd}' })
        .collect::<String>()
        .replace("]]>", "]] >")
}

/// <https://www.w3.org/TR/xml/#NT-Char>
fn is_xml_char(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// The same on one line: for names and attributes.
pub(super) fn xml_line(text: &str) -> String {
    xml_text(text).replace(['\n', '\r', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_harmless() {
        assert_eq!(xml_text("a\u{1b}[31mb\u{1b}[0m"), "ab");
        assert_eq!(xml_text("a\u{0}b\u{1}"), "ab");
        assert!(!xml_text("x]]>y").contains("]]>"));
        assert_eq!(xml_line("a\nb"), "a b");
    }
}
