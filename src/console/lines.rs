//! A run as lines of text.

use std::io::IsTerminal as _;

use tokio::sync::mpsc::UnboundedReceiver;

use super::place::show_place;
use super::progress::{ProgressChoice, ProgressView};
use crate::event::{Preflight, RunEvent};
use crate::finding::{Finding, FindingClass};
use crate::outcome::{CheckOutcome, DatabaseOutcome, Judgement, ScenarioResult, Verdict};
use crate::progress::ProgressModel;
use crate::text::{ByteCount, counted, duration, one_line};

/// Colour or not. Colour never carries a meaning alone.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// Coloured on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    pub fn detect(no_color: bool) -> Self {
        Self { coloured: std::io::stdout().is_terminal() && !no_color }
    }

    /// Never coloured.
    pub fn plain() -> Self {
        Self { coloured: false }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn doubtful(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn mark(self, passed: bool) -> String {
        if passed { self.good("✓") } else { self.bad("✗") }
    }
}

/// Shows events as they come, each by `say`, until the run has ended.
pub async fn show(
    mut events: UnboundedReceiver<RunEvent>,
    style: Style,
    choice: ProgressChoice,
    say: fn(&str),
) {
    let mut progress = ProgressView::new(choice);
    let mut model = ProgressModel::default();
    let mut weights = Vec::new();
    while let Some(event) = events.recv().await {
        if matches!(event, RunEvent::RunEnded) {
            break;
        }
        if let RunEvent::Weighed { weights: announced } = &event {
            weights.clone_from(announced);
            model = ProgressModel::new(&weights);
        }
        model.apply(&event);
        if let Some(text) = line_of(&event, &model, style) {
            progress.suspend(|| say(&text));
        }
        progress.update(&event, &model);
    }
}

fn line_of(event: &RunEvent, model: &ProgressModel, style: Style) -> Option<String> {
    Some(match event {
        RunEvent::ScenarioStarted { name, backup } => {
            format!("{} {}", style.bold(&one_line(name, 200)), one_line(backup, 300))
        }
        RunEvent::PreflightChecked { item, passed, detail } => {
            let name = match item {
                Preflight::ArchiveIntegrity => "archive integrity",
                Preflight::DumpValidity => "dump validity",
                Preflight::DiskSpace => "disk space",
                Preflight::Tools => "tools or image",
            };
            format!("  {} {name:<18} {}", style.mark(*passed), one_line(detail, 200))
        }
        RunEvent::ClusterStarting { engine, reason, .. } => {
            format!("  · {:<18} {engine}: {}", "engine", one_line(reason, 300))
        }
        RunEvent::ClusterStarted { took, .. } => {
            format!("  {} {:<18} in {}", style.mark(true), "server ready", duration(*took))
        }
        RunEvent::GlobalsRestored { took } => {
            format!("  {} {:<18} in {}", style.mark(true), "globals run", duration(*took))
        }
        RunEvent::DatabaseFinished { name, outcome, took, bytes, restored_bytes } => {
            let size = match restored_bytes {
                Some(restored) => format!("{} → {}", ByteCount(*bytes), ByteCount(*restored)),
                None => ByteCount(*bytes).to_string(),
            };
            let mark = match outcome {
                DatabaseOutcome::Restored | DatabaseOutcome::ExpectedFailure => style.mark(true),
                DatabaseOutcome::Failed | DatabaseOutcome::UnexpectedSuccess => style.mark(false),
                DatabaseOutcome::Errored
                | DatabaseOutcome::Cancelled
                | DatabaseOutcome::Skipped => style.doubtful("!"),
            };
            format!(
                "  {mark} {:<18} {}, {size}, {}, {}",
                one_line(name, 60),
                outcome.as_str(),
                duration(*took),
                model.describe()
            )
        }
        RunEvent::CheckFinished { name, outcome, detail, place } => {
            let mark = match outcome {
                CheckOutcome::Passed => style.mark(true),
                CheckOutcome::Failed => style.mark(false),
                CheckOutcome::Errored | CheckOutcome::Skipped => style.doubtful("!"),
            };
            let told = format!("  {mark} check {}: {}", one_line(name, 60), one_line(detail, 300));
            match (outcome, place) {
                (CheckOutcome::Failed | CheckOutcome::Errored, Some(place)) => {
                    format!("{told}\n{}", show_place(place))
                }
                _ => told,
            }
        }
        RunEvent::ObjectiveJudged { name, outcome, detail } => {
            let mark = match outcome {
                CheckOutcome::Passed => style.mark(true),
                CheckOutcome::Failed => style.mark(false),
                CheckOutcome::Errored | CheckOutcome::Skipped => style.doubtful("!"),
            };
            format!("  {mark} {:<18} {}", format!("objective {name}"), one_line(detail, 600))
        }
        RunEvent::Found(finding) => describe_finding(finding, style),
        RunEvent::CleanedUp { leftovers, took } if leftovers.is_empty() => {
            format!("  {} {:<18} in {}", style.mark(true), "nothing left", duration(*took))
        }
        RunEvent::CleanedUp { leftovers, .. } => {
            format!(
                "  {} left behind: {}",
                style.mark(false),
                one_line(&leftovers.join(", "), 1000)
            )
        }
        RunEvent::ScenarioFinished {
            judgement,
            scope,
            expected,
            took,
            restored,
            not_tested,
            ..
        } => {
            let scope = scope.as_deref();
            let verdict = verdict_line(*judgement, scope, expected.is_some(), *restored, style);
            let mut text = format!("\n{verdict} ({})", duration(*took));
            if let Some(expected) = expected {
                let came = what_came(*judgement);
                text.push_str(&format!("\n  Expected: {}, {came}", one_line(expected, 200)));
            }
            if !not_tested.is_empty() {
                text.push_str("\n  Not tested:");
                for line in not_tested {
                    text.push_str(&format!("\n    - {}", one_line(line, 300)));
                }
            }
            text
        }
        RunEvent::BackupReading { .. }
        | RunEvent::Weighed { .. }
        | RunEvent::RunEnded
        | RunEvent::DatabaseStarted { .. }
        | RunEvent::DatabaseFed { .. } => return None,
    })
}

/// What became of an expected `not_restorable`.
fn what_came(judgement: Judgement) -> &'static str {
    match (judgement.verdict, judgement.result) {
        (Verdict::NotRestorable, ScenarioResult::Failed) => "but it is so for another reason",
        // Passed, or errored by what came after: the clean-up.
        (Verdict::NotRestorable, _) => "and so it is",
        (Verdict::Restorable | Verdict::ExpectedPartial, _) => "and it is not",
        (Verdict::NotRun, ScenarioResult::Failed) => "and no fault was found",
        (Verdict::Inconclusive | Verdict::NotRun, _) => "and that is not known",
    }
}

fn verdict_line(
    judgement: Judgement,
    scope: Option<&str>,
    fault_expected: bool,
    (restored, total): (usize, usize),
    style: Style,
) -> String {
    let databases = match scope {
        // Not all of a backup has been seen to be so.
        Some(scope) => format!("{scope}, {restored} restored"),
        None => format!("{restored} of {}", counted(total, "database")),
    };
    match (judgement.verdict, judgement.result) {
        (Verdict::Restorable, ScenarioResult::Passed) => {
            style.good(&format!("✓ Backup is RESTORABLE: {databases}"))
        }
        (Verdict::Restorable, _) if fault_expected => {
            style.bad(&format!("✓ Backup is RESTORABLE: {databases}"))
        }
        (Verdict::Restorable, ScenarioResult::Failed) => style.bad(&format!(
            "✓ Backup is RESTORABLE: {databases}, but a recovery objective was missed"
        )),
        (Verdict::Restorable, _) => {
            style.doubtful(&format!("✓ Backup is RESTORABLE: {databases}, but the run did not end well"))
        }
        (Verdict::ExpectedPartial, _) => {
            style.doubtful(&format!("RESTORABLE, WITH EXPECTED FAILURES: {databases}"))
        }
        (Verdict::NotRestorable, result) => {
            let but = if restored == total && total > 0 { " restored, but see above" } else { "" };
            let line = format!("✗ Backup is NOT RESTORABLE: {databases}{but}");
            // The words speak of the backup, the colour of the result.
            match result {
                ScenarioResult::Passed => style.good(&line),
                _ => style.bad(&line),
            }
        }
        (Verdict::Inconclusive, _) => {
            style.doubtful(&format!("INCONCLUSIVE: nothing can be said about this backup, {databases}"))
        }
        (Verdict::NotRun, ScenarioResult::Passed) => style.good(&format!(
            "✓ Every byte could be read: {} of data; NOT RUN: no restore was tried (--restore-test)",
            counted(total, "database")
        )),
        (Verdict::NotRun, _) => style.doubtful("NOT RUN"),
    }
}

pub(super) fn describe_finding(finding: &Finding, style: Style) -> String {
    let mark = match finding.class {
        FindingClass::Backup => style.bad("[FAIL]"),
        FindingClass::Environment | FindingClass::Scenario | FindingClass::Internal => {
            style.doubtful("[ERROR]")
        }
        FindingClass::Cancelled => style.doubtful("[CANCELLED]"),
        FindingClass::Notice => "[NOTE]".to_owned(),
    };
    let mut text =
        format!("  {mark} {} ({})", one_line(&finding.message, 400), finding.code.as_str());
    let mut line = |label: &str, value: &str| {
        text.push_str(&format!("\n         {label}: {}", one_line(value, 400)));
    };
    if let Some(database) = &finding.database {
        line("Database", database);
    }
    if let Some(object) = &finding.object {
        line("Object", object);
    }
    if let Some(cause) = &finding.cause {
        line("Cause", cause);
    }
    if finding.count > 1 {
        line(
            "Count",
            &format!("{} errors in all: this one, and what follows from it", finding.count),
        );
    }
    if !finding.remedy.is_empty() {
        text.push_str("\n         How to fix:");
    }
    for (index, step) in finding.remedy.iter().enumerate() {
        text.push_str(&format!("\n           {}. {}", index + 1, one_line(step, 600)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(verdict: Verdict, result: ScenarioResult, expected: Option<&str>) -> String {
        let event = RunEvent::ScenarioFinished {
            name: "nightly".into(),
            judgement: Judgement { verdict, result },
            scope: None,
            expected: expected.map(ToOwned::to_owned),
            took: std::time::Duration::from_secs(2),
            restored: (1, 1),
            not_tested: vec!["nothing else".into()],
        };
        line_of(&event, &ProgressModel::default(), Style::plain()).unwrap()
    }

    #[test]
    fn the_end_says_what_was_expected_and_whether_it_came() {
        use ScenarioResult::{Errored, Failed, Passed, Skipped};
        let cases = [
            (Verdict::NotRestorable, Passed, "and so it is"),
            (Verdict::NotRestorable, Errored, "and so it is"),
            (Verdict::NotRestorable, Failed, "but it is so for another reason"),
            (Verdict::Restorable, Failed, "and it is not"),
            (Verdict::Inconclusive, Errored, "and that is not known"),
            (Verdict::NotRun, Failed, "and no fault was found"),
            (Verdict::NotRun, Skipped, "and that is not known"),
        ];
        for (verdict, result, came) in cases {
            let text = end(verdict, result, Some("not_restorable: archive_truncated"));
            let line = format!("\n  Expected: not_restorable: archive_truncated, {came}\n");
            assert!(text.contains(&line), "{verdict:?} {result:?}:\n{text}");
            assert!(!text.contains("did not end well"), "{verdict:?} {result:?}:\n{text}");
        }
    }

    #[test]
    fn a_plain_expectation_is_not_mentioned() {
        let text = end(Verdict::Restorable, ScenarioResult::Passed, None);
        assert!(!text.contains("Expected"), "{text}");
        let text = end(Verdict::Restorable, ScenarioResult::Errored, None);
        assert!(text.contains("but the run did not end well"), "{text}");
    }
}
