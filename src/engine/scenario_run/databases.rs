//! The third part of a run: globals, then each database, restored, compared and judged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::ScenarioRun;
use crate::backup::{self, BackupInventory, DumpChunk, Globals};
use crate::engine::cluster::Cluster;
use crate::engine::restore::{Dumps, Restore, Stop};
use crate::engine::roles::{self, Roles};
use crate::engine::{compare, globals, restore};
use crate::ephemeral::{EphemeralError, Pressure};
use crate::event::RunEvent;
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::outcome::{DatabaseOutcome, DatabaseProgress, judge_database};
use crate::plan::RestorePlan;
use crate::postgres::SessionError;
use crate::scenario::OnError;
use crate::text::counted;

impl ScenarioRun<'_> {
    pub(super) async fn restore_all(
        &mut self,
        cluster: &mut Cluster,
        inventory: &Arc<BackupInventory>,
        plan: &RestorePlan,
        bootstrap: &str,
    ) -> Result<(), EphemeralError> {
        self.enter_phase("globals");
        let started = Instant::now();
        let events = self.events.clone();
        let mut restore = Restore {
            cluster,
            events: &events,
            is_cluster: inventory.format.is_cluster(),
            bootstrap,
            jobs: self.options.jobs,
        };
        let mut are_roles_restored = false;
        if let Some(globals) = &inventory.globals {
            match globals::restore(&mut restore, globals).await {
                Ok(findings) => {
                    are_roles_restored =
                        findings.iter().all(|found| found.class == FindingClass::Notice);
                    for finding in findings {
                        self.find(finding);
                    }
                }
                Err(Stop::Ephemeral(error)) => return Err(error),
                Err(Stop::Reading(error)) => self.changed(&error),
            }
        }
        globals::placeholders(&mut restore, plan).await?;
        if inventory.format.is_cluster() {
            self.baseline = Some(restore.cluster.baseline().await?);
        }
        self.events.send(RunEvent::GlobalsRestored { took: started.elapsed() });
        self.enter_phase("databases");
        let wanted: BTreeSet<usize> = self.plan_positions.iter().copied().collect();
        let (sender, mut dumps) = mpsc::channel(8);
        let (source, selection) = (Arc::clone(inventory), wanted.clone());
        let reading =
            tokio::task::spawn_blocking(move || backup::stream(&source, &selection, &sender));
        let restored = self.databases(&mut restore, inventory, &mut dumps, wanted.len()).await;
        drop(dumps);
        if let Ok(bytes) = reading.await {
            self.report.backup.bytes_read += bytes;
        }
        if backup::has_changed(inventory) {
            self.changed(&std::io::Error::other("its size or time of change is another"));
        }
        if let Some(globals) = inventory.globals.as_ref().filter(|_| restored.is_ok()) {
            self.roles = Roles::NotRestored;
            if are_roles_restored {
                self.compare_roles(restore.cluster, globals, bootstrap).await?;
            }
        }
        restored
    }

    /// What dumps and globals have made of the cluster's roles together.
    async fn compare_roles(
        &mut self,
        cluster: &Cluster,
        globals: &Globals,
        bootstrap: &str,
    ) -> Result<(), EphemeralError> {
        let compared = match roles::compare(cluster, globals, bootstrap).await {
            Ok(compared) => compared,
            // Said already: a dump that takes our rights away.
            Err(SessionError::Server(_))
                if self.report.all_findings().any(|it| it.code == FindingCode::ServerAltered) =>
            {
                return Ok(());
            }
            Err(error) => return Err(cluster.why_lost(&error).await),
        };
        compared.findings().into_iter().for_each(|finding| self.find(finding));
        self.report.not_tested.extend(compared.not_tested.iter().cloned());
        self.report.not_tested.extend(compared.left_open());
        self.roles = Roles::Compared(compared);
        Ok(())
    }

    fn changed(&mut self, error: &std::io::Error) {
        self.find(
            Finding::new(FindingCode::BackupChanging, "the backup changed while it was read")
                .on(self.scenario.backup.path.to_string())
                .because(error.to_string()),
        );
    }

    async fn databases(
        &mut self,
        restore: &mut Restore<'_>,
        inventory: &BackupInventory,
        dumps: &mut Dumps,
        total: usize,
    ) -> Result<(), EphemeralError> {
        let mut done = 0;
        while let Some(chunk) = dumps.recv().await {
            let index = match chunk {
                Ok(DumpChunk::Start(index)) => index,
                Ok(DumpChunk::File { .. } | DumpChunk::Bytes(_) | DumpChunk::End) => continue,
                Err(error) => {
                    self.changed(&error);
                    return Ok(());
                }
            };
            done += 1;
            let dump = &inventory.databases[index];
            let started = Instant::now();
            self.in_flight = Some((index, started));
            let before = self.pressure().await;
            self.events.send(RunEvent::DatabaseStarted {
                name: dump.name.clone(),
                position: done,
                total,
                bytes: dump.archive_bytes,
            });
            let mut findings = match restore.database(dump, dumps).await {
                Ok(findings) => findings,
                Err(Stop::Reading(error)) => {
                    self.changed(&error);
                    return Ok(());
                }
                Err(Stop::Ephemeral(error)) => {
                    let lost = self.lost(restore.cluster, &error, before, &dump.name).await;
                    self.database_done(index, started, None, lost);
                    // Where only this database's session is lost, the others go on.
                    if !restore.cluster.answers().await {
                        return Err(error);
                    }
                    if self.stops_at(index) {
                        break;
                    }
                    continue;
                }
            };
            let compared = self.look(restore, dump, &mut findings).await;
            let mut strain = self.strain(before).await;
            strain.extend(self.refusal(restore.cluster).await);
            findings.extend(strain.into_iter().map(|found| found.in_database(dump.name.clone())));
            match compared {
                Ok(facts) => {
                    if facts.is_some() {
                        findings.extend(self.seal(restore.cluster, &dump.name).await);
                    }
                    self.database_done(index, started, facts, findings);
                }
                Err(error) => {
                    findings.push(self.surroundings(&error).in_database(&dump.name));
                    self.database_done(index, started, None, findings);
                    if !restore.cluster.answers().await {
                        return Err(error);
                    }
                }
            }
            if self.stops_at(index) {
                break;
            }
        }
        Ok(())
    }

    /// What is said of a database whose restore lost its session.
    async fn lost(
        &mut self,
        cluster: &Cluster,
        error: &EphemeralError,
        before: Option<Pressure>,
        database: &str,
    ) -> Vec<Finding> {
        // A server that is gone has nothing to say about what was changed on it.
        let mut lost = self.alterations(cluster, database).await.unwrap_or_default();
        for finding in self.strain(before).await.into_iter().chain([self.surroundings(error)]) {
            if !lost.iter().any(|earlier| earlier.code == finding.code) {
                lost.push(finding.in_database(database));
            }
        }
        lost
    }

    /// Whether the scenario wants the others left out because this one could not be restored.
    fn stops_at(&self, index: usize) -> bool {
        let on_error = self.scenario.restore.as_ref().map(|restore| restore.on_error);
        let outcome = self.report.databases[index].outcome;
        on_error == Some(OnError::Stop) && outcome != DatabaseOutcome::Restored
    }

    /// What the dump has changed beyond its own database.
    async fn alterations(
        &mut self,
        cluster: &Cluster,
        database: &str,
    ) -> Result<Vec<Finding>, EphemeralError> {
        let found = cluster.alterations(&self.restored, self.baseline.as_ref()).await?;
        if !found.is_empty() && self.baseline.is_some() && cluster.answers().await {
            // Those that come after it have not done it.
            self.baseline = Some(cluster.baseline().await?);
        }
        Ok(altered(&found).map(|finding| finding.in_database(database)).into_iter().collect())
    }

    /// Closes a database that was restored and compared to everybody, until it is asked.
    async fn seal(&mut self, cluster: &Cluster, database: &str) -> Option<Finding> {
        match cluster.seal(database).await {
            Ok(Some(sealed)) => {
                self.restored.push(sealed);
                None
            }
            Ok(None) => {
                let what = ["sessions to this database, which do not end".to_owned()];
                altered(&what).map(|finding| finding.in_database(database))
            }
            Err(error) => Some(self.surroundings(&error).in_database(database)),
        }
    }

    /// Looks a last time whether the databases are as they were when they had been compared, and
    /// opens them.
    pub(in crate::engine) async fn open_databases(
        &mut self,
        cluster: &Cluster,
    ) -> Result<(), EphemeralError> {
        let found = altered(&cluster.alterations(&self.restored, self.baseline.as_ref()).await?);
        let is_altered = found.is_some();
        if let Some(finding) = found {
            let is_said = self.report.all_findings().any(|earlier| earlier.code == finding.code);
            if !is_said {
                self.find(finding);
            }
        }
        for sealed in &self.restored {
            // One that is gone cannot be opened, and has been named.
            match cluster.unseal(sealed).await {
                Err(error) if !is_altered => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Compares, analyzes and measures what was restored, and looks whether it kept to itself.
    async fn look(
        &mut self,
        restore: &Restore<'_>,
        dump: &backup::DatabaseDump,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<(compare::Comparison, u64)>, EphemeralError> {
        let is_there = !findings.iter().any(|finding| {
            matches!(
                finding.code,
                FindingCode::DatabaseNotCreated
                    | FindingCode::LocaleMissing
                    | FindingCode::PsqlTooOld
            )
        });
        findings.extend(self.alterations(restore.cluster, &dump.name).await?);
        if !is_there {
            return Ok(None);
        }
        let session = restore.cluster.session(&dump.name).await?;
        let mode = self.scenario.content_of(&dump.name);
        let mut comparison = compare::compare(restore.cluster, &session, dump, mode).await?;
        let mut found = std::mem::take(&mut comparison.findings);
        // What a failed statement leaves behind is no finding of its own.
        if findings.iter().all(|finding| finding.class == FindingClass::Notice) {
            match compare::properties::compare(&restore.cluster.admin, dump).await {
                Ok(properties) => {
                    found.extend(properties.finding);
                    self.report.not_tested.extend(properties.not_tested);
                }
                Err(error) => return Err(restore.cluster.why_lost(&error).await),
            }
        }
        found.extend(restore::analyze(&session).await);
        for finding in &mut found {
            finding.database = Some(dump.name.clone());
        }
        findings.extend(found);
        self.report.not_tested.append(&mut comparison.not_tested);
        if comparison.tables_unknown > 0 {
            self.report.not_tested.push(format!(
                "{}: rows of {} (INSERTs, foreign tables, tables that are not there: not counted)",
                dump.name,
                counted(comparison.tables_unknown, "table")
            ));
        }
        match crate::postgres::catalog::database_bytes(&session).await {
            Ok(bytes) => Ok(Some((comparison, bytes))),
            Err(error) => Err(restore.cluster.why_lost(&error).await),
        }
    }

    pub(super) fn database_done(
        &mut self,
        index: usize,
        started: Instant,
        facts: Option<(compare::Comparison, u64)>,
        findings: Vec<Finding>,
    ) {
        self.in_flight = None;
        for finding in &findings {
            self.events.send(RunEvent::Found(finding.clone()));
        }
        let report = &mut self.report.databases[index];
        report.findings.extend(findings);
        let progress = match facts {
            Some((comparison, bytes)) => {
                report.restored_bytes = Some(bytes);
                report.entries_compared = comparison.account.looked_at();
                report.entries = comparison.account;
                report.tables_compared = comparison.tables;
                report.checked_seconds = comparison.took.as_secs_f64();
                report.content = Some(comparison.content);
                DatabaseProgress::Compared
            }
            None => DatabaseProgress::NotTried,
        };
        report.outcome = judge_database(progress, &report.findings);
        report.duration_seconds = started.elapsed().as_secs_f64();
        self.events.send(RunEvent::DatabaseFinished {
            name: report.name.clone(),
            outcome: report.outcome,
            took: started.elapsed(),
            bytes: report.archive_bytes,
            restored_bytes: report.restored_bytes,
        });
    }
}

fn altered(what: &[String]) -> Option<Finding> {
    let finding = Finding::new(
        FindingCode::ServerAltered,
        "a dump changed what is not its own on the server it was restored into",
    );
    (!what.is_empty()).then(|| finding.on(what.join("; ")))
}
