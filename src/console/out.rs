//! Lines for people: results on standard output, words about it on standard error.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use crate::finding::Finding;

/// Why something that was to stand on standard output does not, the first time.
static LOST: OnceLock<String> = OnceLock::new();

/// A line on standard output. What could not be written is told by [`lost_output`].
pub fn say(text: &str) {
    put(format!("{text}\n").as_bytes());
}

/// Bytes on standard output, likewise.
pub fn put(bytes: &[u8]) {
    keep(io::stdout().write_all(bytes));
}

/// Why standard output did not take everything. A reader that has gone away (`| head`) has read
/// enough, and is no reason.
pub fn lost_output() -> Option<&'static str> {
    keep(io::stdout().flush());
    LOST.get().map(String::as_str)
}

/// Takes note of how a write to standard output went.
pub fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error.to_string());
    }
}

/// A line on standard error, with nothing in it that a terminal obeys. Who does not listen there
/// changes nothing about a run.
pub fn complain(text: &str) {
    complain_at_length(&text.replace('\n', " "));
}

/// Several lines on standard error, likewise.
pub fn complain_at_length(text: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// An error and its cause, in one line.
pub fn complain_of(finding: &Finding) {
    let cause = finding.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    complain(&format!("error: {}{cause}", finding.message));
}

fn harmless(text: &str) -> String {
    let is_obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().map(|c| if is_obeyed(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_in_a_complaint() {
        assert_eq!(harmless("a\u{1b}[31mb\r\u{9b}c\n\td"), "a [31mb  c\n\td");
    }
}
