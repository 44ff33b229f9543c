//! Problems of a scenario, printed against its text.

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use crate::scenario::{ScenarioError, ScenarioProblem};

#[derive(Debug)]
struct Problem<'a> {
    problem: &'a ScenarioProblem,
    source: &'a NamedSource<String>,
}

impl std::fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Problem<'_> {}

impl Diagnostic for Problem<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = LabeledSpan::new(None, self.problem.offset, self.problem.length);
        Some(Box::new(std::iter::once(span)))
    }
}

/// The error as text, every problem with its place underlined.
pub fn show_scenario_error(error: &ScenarioError) -> String {
    match error {
        ScenarioError::Unreadable { .. } => format!("error: {error}\n"),
        ScenarioError::Wrong { file, text, problems } => {
            let source = NamedSource::new(file.as_str(), text.clone());
            let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
                .with_width(100);
            let mut shown = String::new();
            for problem in problems {
                let rendered =
                    handler.render_report(&mut shown, &Problem { problem, source: &source });
                if rendered.is_err() {
                    shown.push_str(&format!(
                        "{file}:{}:{}: {}\n",
                        problem.line, problem.column, problem.message
                    ));
                }
            }
            shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_at_its_place() {
        let text = "version: 1\nname: x\nsandbox: {engine: podman}\n".to_owned();
        let error = ScenarioError::Wrong {
            file: "s.yaml".into(),
            problems: vec![ScenarioProblem {
                message: "unknown engine `podman`".into(),
                help: Some("one of: auto, docker, local".into()),
                line: 3,
                column: 19,
                offset: 37,
                length: 6,
            }],
            text,
        };
        let shown = show_scenario_error(&error);
        for part in ["unknown engine `podman`", "s.yaml:3:19", "──────", "one of: auto"]
        {
            assert!(shown.contains(part), "{part} is missing in\n{shown}");
        }
    }
}
