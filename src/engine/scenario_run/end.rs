//! The last part of a run: everything is removed, and what came of it is weighed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::ScenarioRun;
use crate::event::RunEvent;
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::outcome::{
    CheckOutcome, CheckReport, CleanupFacts, DatabaseOutcome, Evidence, Expectation,
    ExpectedVerdict, ScenarioReport, ScenarioResult, judge,
};

impl ScenarioRun<'_> {
    pub(super) async fn clean_up(&mut self) {
        self.end_watch().await;
        self.enter_phase("cleanup");
        let started = Instant::now();
        if let Some(starting) = self.starting.take()
            && let Ok(Ok((_, sandbox))) = starting.await
        {
            self.sandbox = Some(Arc::from(sandbox));
        }
        let Some(sandbox) = self.sandbox.take() else { return };
        let removal = sandbox.remove().await;
        self.report.cleanup = CleanupFacts {
            complete: removal.leftovers.is_empty(),
            leftovers: removal.leftovers.clone(),
        };
        self.events.send(RunEvent::CleanedUp {
            leftovers: removal.leftovers.clone(),
            took: started.elapsed(),
        });
        if !removal.leftovers.is_empty() {
            self.find(
                Finding::new(FindingCode::CleanupIncomplete, "the sandbox could not be removed")
                    .on(removal.leftovers.join(", ")),
            );
        }
    }

    /// Checks that were never asked, because the run ended before, stand in the report all the same.
    fn list_unasked_checks(&mut self) {
        if self.scenario.restore.is_none() || self.report.databases.is_empty() {
            return;
        }
        let asked: BTreeSet<String> =
            self.report.checks.iter().map(|check| check.name.clone()).collect();
        for check in self.scenario.checks.iter().filter(|check| !asked.contains(&check.name)) {
            self.report.checks.push(CheckReport {
                kind: check.kind.as_str().to_owned(),
                name: check.name.clone(),
                database: check.database().map(str::to_owned),
                outcome: CheckOutcome::Skipped,
                expected: check.expected(),
                observed: "not asked: the run ended before".to_owned(),
                duration_seconds: 0.0,
                line: check.place.as_ref().map(|place| place.line),
                column: check.place.as_ref().map(|place| place.column),
            });
        }
    }

    pub(super) fn finish(mut self) -> ScenarioReport {
        let cancelled = self.report.findings.iter().any(|f| f.code == FindingCode::Cancelled);
        let restore_asked = self.scenario.restore.is_some();
        let selected = self.plan_positions.clone();
        for (index, database) in self.report.databases.iter_mut().enumerate() {
            if cancelled
                && database.outcome == DatabaseOutcome::Skipped
                && selected.contains(&index)
            {
                database.outcome = DatabaseOutcome::Cancelled;
            }
        }
        // What a backup seemed to be that changed meanwhile is taken back.
        let is_changing =
            self.report.findings.iter().any(|f| f.code == FindingCode::BackupChanging);
        for database in &mut self.report.databases {
            if is_changing && database.outcome == DatabaseOutcome::Failed {
                database.outcome = DatabaseOutcome::Errored;
            }
        }
        self.list_unasked_checks();
        // Clean-up changes the result, never what is known about the backup.
        let about_backup: Vec<Finding> = self
            .report
            .findings
            .iter()
            .filter(|finding| finding.code != FindingCode::CleanupIncomplete)
            .filter(|finding| !(is_changing && finding.class == FindingClass::Backup))
            .cloned()
            .collect();
        let outcomes: Vec<DatabaseOutcome> =
            self.report.databases.iter().map(|database| database.outcome).collect();
        let checks: Vec<_> = self.report.checks.iter().map(|check| check.outcome).collect();
        let mut judgement = judge(&Evidence {
            restore_asked,
            findings: &about_backup,
            databases: &outcomes,
            checks: &checks,
        });
        if restore_asked
            && judgement.result == ScenarioResult::Errored
            && self.report.all_findings().all(|finding| finding.class == FindingClass::Notice)
            && checks.iter().all(|check| *check == CheckOutcome::Skipped)
        {
            let finding = Finding::new(FindingCode::NothingRestored, "no database was restored");
            self.find(finding);
        }
        judgement.result = self.scenario.expect.result(judgement, &self.report.deciding_findings());
        if !self.report.cleanup.complete && judgement.result == ScenarioResult::Passed {
            judgement.result = ScenarioResult::Errored;
        }
        judgement.result = judgement.result.with_objectives(self.judge_objectives());
        self.report.verdict = judgement.verdict;
        self.report.result = judgement.result;
        self.report.expectation = if judgement.result == ScenarioResult::Passed {
            Expectation::Met
        } else {
            Expectation::Unmet
        };
        // The clean-up's time is known with the phase behind it, which has none of its own.
        self.enter_phase("end");
        let untried: Vec<&str> = selected
            .iter()
            .filter_map(|&index| self.report.databases.get(index))
            .filter(|database| database.outcome == DatabaseOutcome::Skipped)
            .map(|database| database.name.as_str())
            .collect();
        if restore_asked && !untried.is_empty() {
            let untried = format!("databases whose turn never came: {}", untried.join(", "));
            self.report.not_tested.push(untried);
        }
        let mut seen = BTreeSet::new();
        self.report.not_tested.retain(|text| seen.insert(text.clone()));
        let restored = self.report.restored();
        self.events.send(RunEvent::ScenarioFinished {
            name: self.report.name.clone(),
            judgement,
            scope: self.report.scope.clone(),
            expected: (self.scenario.expect != ExpectedVerdict::Restorable)
                .then(|| self.report.expected.clone()),
            took: self.started.elapsed(),
            restored: (restored, self.report.databases.len()),
            not_tested: self.report.not_tested.clone(),
        });
        self.report
    }
}
