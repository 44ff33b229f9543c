//! Problems of a scenario, printed against its text.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use crate::scenario::{ScenarioError, ScenarioProblem};
use crate::text::counted;

/// Characters of a line that are shown on either side of a problem: a line may be a megabyte.
const AROUND: usize = 90;

/// The lines around a problem, long ones cut, with nothing in them that a terminal obeys.
#[derive(Debug)]
struct Window {
    file: String,
    text: String,
    /// Lines of the file before the window.
    lines_before: usize,
    /// Characters before the problem in its line of the file.
    column: usize,
    /// Where the problem stands in the window.
    span: SourceSpan,
}

impl Window {
    fn around(file: &str, text: &str, problem: &ScenarioProblem) -> Self {
        let line_start = text[..problem.offset].rfind('\n').map_or(0, |end| end + 1);
        let before = text[..line_start].strip_suffix('\n').map(|before| {
            let start = before.rfind('\n').map_or(0, |end| end + 1);
            before[start..].trim_end_matches('\r')
        });
        let mut following = text[line_start..].split('\n');
        let line = following.next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        // A problem may stand on the carriage return that is no part of the shown line.
        let at = (problem.offset - line_start).min(line.len());
        let from = back(line, at);
        let mut shown = String::new();
        if let Some(before) = before {
            shown.push_str(&harmless(&before[..ahead(before, 0)]));
            shown.push('\n');
        }
        let start = shown.len() + at - from;
        let end = ahead(line, (at + problem.length).min(line.len()));
        shown.push_str(&harmless(&line[from..end]));
        if let Some(after) = following.next() {
            shown.push('\n');
            shown.push_str(harmless(&after[..ahead(after, 0)]).trim_end());
        }
        let length = problem.length.min(shown.len().saturating_sub(start));
        let line = usize::try_from(problem.line).unwrap_or(1);
        Self {
            file: file.to_owned(),
            text: shown,
            lines_before: line.saturating_sub(1 + usize::from(before.is_some())),
            column: usize::try_from(problem.column).unwrap_or(1).saturating_sub(1),
            span: (start, length).into(),
        }
    }
}

/// A place of the line at most [`AROUND`] characters before another.
fn back(line: &str, from: usize) -> usize {
    line[..from].char_indices().rev().nth(AROUND).map_or(0, |(at, _)| at)
}

/// A place of the line at most [`AROUND`] characters behind another.
fn ahead(line: &str, from: usize) -> usize {
    line[from..].char_indices().nth(AROUND).map_or(line.len(), |(at, _)| from + at)
}

/// The same number of bytes, and no control characters.
fn harmless(text: &str) -> String {
    let replace = |character: char| match character {
        '\t' => '\t',
        control if control.is_control() && control.len_utf8() == 1 => ' ',
        control if control.is_control() => '\u{a0}',
        other => other,
    };
    text.chars().map(replace).collect()
}

impl SourceCode for Window {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        // Asked for the place alone, to name it: miette counts bytes, and not what was cut.
        let column = if before == 0 && after == 0 { self.column } else { inner.column() };
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            inner.data(),
            *inner.span(),
            inner.line() + self.lines_before,
            column,
            inner.line_count(),
        )))
    }
}

#[derive(Debug)]
struct Problem<'a> {
    problem: &'a ScenarioProblem,
    window: Window,
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Problem<'_> {}

impl Diagnostic for Problem<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.window.text.is_empty()).then_some(&self.window as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = LabeledSpan::new_with_span(None, self.window.span);
        Some(Box::new(std::iter::once(span)))
    }
}

/// The error as text: every problem with its place underlined, then how many there are.
pub fn show_scenario_error(error: &ScenarioError) -> String {
    let (file, text, problems) = match error {
        ScenarioError::Unreadable { .. } => return format!("error: {error}\n"),
        ScenarioError::Wrong { file, text, problems } => (file, text, problems),
    };
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    let mut shown = String::new();
    for problem in problems {
        let window = Window::around(file.as_str(), text, problem);
        if handler.render_report(&mut shown, &Problem { problem, window }).is_err() {
            let ScenarioProblem { line, column, message, .. } = problem;
            shown.push_str(&format!("{file}:{line}:{column}: {message}\n"));
        }
    }
    shown.push_str(&format!("{} in {file}\n", counted(problems.len(), "problem")));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, what: &str) -> String {
        let offset = text.find(what).unwrap();
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let problem = ScenarioProblem {
            message: "unknown engine `podman`".into(),
            help: Some("one of: auto, docker, local".into()),
            line: before.matches('\n').count() as u64 + 1,
            column: before[line_start..].chars().count() as u64 + 1,
            offset,
            length: what.len(),
        };
        show_scenario_error(&ScenarioError::Wrong {
            file: "s.yaml".into(),
            text: text.to_owned(),
            problems: vec![problem],
        })
    }

    #[test]
    fn a_problem_is_shown_at_its_place() {
        let shown = error("version: 1\nname: x\nsandbox: {engine: podman}\n", "podman");
        for part in [
            "unknown engine `podman`",
            "s.yaml:3:19",
            "──────",
            "one of: auto",
            "1 problem in s.yaml",
        ] {
            assert!(shown.contains(part), "{part} is missing in\n{shown}");
        }
    }

    #[test]
    fn a_problem_on_the_end_of_a_line_is_shown_there() {
        for text in ["%o\r", "%o\r\n", "version: 1\r\n%o\r\nname: x\r\n"] {
            let shown = error(text, "\r");
            assert!(shown.contains("unknown engine `podman`"), "{shown}");
        }
        assert!(error("%o\r\n", "\n").contains("s.yaml:1:4"));
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_left_out() {
        let text = format!(
            "\u{1b}[31m{}\n{}\u{1b}\u{9b}podman {}\n{}",
            "a".repeat(500),
            "é".repeat(500),
            "b".repeat(500),
            "c".repeat(500)
        );
        let shown = error(&text, "podman");
        assert!(shown.lines().all(|line| line.chars().count() < 220), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown}");
        assert!(shown.contains("s.yaml:2:503"), "{shown}");
        let underlined = shown.lines().find(|line| line.contains("──────")).unwrap();
        let line = shown.lines().find(|line| line.contains("podman b")).unwrap();
        let at = |line: &str, what: &str| line.split(what).next().unwrap().chars().count();
        assert_eq!(at(line, "podman"), at(underlined, "─"), "{shown}");
    }
}
