//! Recovery objectives: a case for each.

use super::Fate;
use crate::outcome::{CheckOutcome, ObjectiveReport, ScenarioReport};

/// Name, seconds and fate of each.
pub(super) fn fates(scenario: &ScenarioReport) -> Vec<(String, f64, Fate)> {
    let one = |(name, objective): (&str, &ObjectiveReport)| {
        let (message, body) = (objective.detail.clone(), objective.detail.clone());
        let fate = match objective.outcome {
            CheckOutcome::Passed => Fate::Passed(body),
            CheckOutcome::Failed => {
                Fate::Failed { kind: "objective_missed".to_owned(), message, body }
            }
            CheckOutcome::Errored => {
                Fate::Errored { kind: "objective_not_measured".to_owned(), message, body }
            }
            CheckOutcome::Skipped => Fate::Skipped(message),
        };
        let seconds = objective.measured_seconds.filter(|_| name == "rto").unwrap_or_default();
        (format!("objective: {name}"), seconds, fate)
    };
    scenario.objectives.set().map(one).collect()
}
