//! Recovery objectives: what is measured on the way, and judged at the end.

use super::ScenarioRun;
use crate::check::{NewestData, judge_rpo, judge_rto};
use crate::engine::checks::{self, Checked};
use crate::engine::cluster::Cluster;
use crate::ephemeral::EphemeralError;
use crate::event::RunEvent;
use crate::finding::FindingClass;
use crate::outcome::{CheckOutcome, DatabaseOutcome, Objectives};

/// The first question: something that every database can answer, and that must be looked up.
const FIRST: &str = "select count(*) from pg_catalog.pg_class";

impl ScenarioRun<'_> {
    /// Asks the restored cluster for the first time: the recovery time ends with the answer.
    pub(super) async fn first_answer(&mut self, cluster: &Cluster) -> Result<(), EphemeralError> {
        let databases = &self.report.databases;
        let restored = databases.iter().find(|one| one.outcome == DatabaseOutcome::Restored);
        let Some(restored) = restored else { return Ok(()) };
        let session = cluster.session(&restored.name).await?;
        match session.query(FIRST, &[]).await {
            Ok(_) => Ok(()),
            Err(error) => Err(cluster.why_lost(&error).await),
        }
    }

    /// The recovery is at its end, with the phase that has just begun.
    pub(super) fn recovered(&mut self) {
        let restore = self.scenario.restore.as_ref();
        let mut taken = self.report.databases.iter().filter(|database| {
            restore.is_none_or(|restore| restore.leaves_out(&database.name).is_none())
        });
        let is_whole = taken.all(|database| database.outcome == DatabaseOutcome::Restored)
            && self.report.restored() > 0
            && self.report.findings.iter().all(|found| found.class == FindingClass::Notice);
        self.recovery_time = is_whole.then(|| self.phase.1 - self.started);
    }

    /// Asks for the time of the newest data, where the scenario says how.
    pub(super) async fn ask_newest(&mut self, cluster: &Cluster) -> Result<(), EphemeralError> {
        let rpo = self.scenario.objectives.rpo.as_ref();
        let Some(question) = rpo.and_then(|rpo| rpo.query.as_ref()) else { return Ok(()) };
        let checked = Checked {
            cluster,
            databases: &self.report.databases,
            restore: self.scenario.restore.as_ref(),
            now: self.now,
            roles: &self.roles,
        };
        self.newest = checks::newest(&checked, question).await?;
        Ok(())
    }

    /// Judges what the scenario promises.
    pub(super) fn judge_objectives(&mut self) -> Vec<CheckOutcome> {
        let choice = &self.scenario.objectives;
        let restore_asked = self.scenario.restore.is_some();
        let rto = choice.rto.map(|target| judge_rto(target, self.recovery_time, restore_asked));
        let rpo = choice.rpo.as_ref().map(|rpo| {
            let newest = match (&rpo.query, &self.inventory) {
                (Some(_), _) if restore_asked => self.newest.clone(),
                (Some(_), _) => {
                    let why = "nothing was restored that could be asked, add --restore-test";
                    NewestData::NotAsked(why.to_owned())
                }
                (None, Some(_)) => NewestData::Made(self.report.backup.created_at.clone()),
                (None, None) => NewestData::NotReached,
            };
            judge_rpo(rpo.target, &newest, rpo.zone.as_ref(), self.now)
        });
        self.report.objectives = Objectives { rto, rpo };
        let mut outcomes = Vec::new();
        for (name, objective) in self.report.objectives.set() {
            let (outcome, detail) = (objective.outcome, objective.detail.clone());
            self.events.send(RunEvent::ObjectiveJudged { name, outcome, detail });
            outcomes.push(outcome);
        }
        outcomes
    }
}
