//! The first part of a run: the backup is read, and what will be done is planned.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Ended, ScenarioRun};
use crate::backup::{BackupInventory, DatabaseDump};
use crate::engine;
use crate::event::{Preflight, RunEvent};
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::outcome::{
    DatabaseOutcome, DatabaseProgress, DatabaseReport, EntryAccount, judge_database,
};
use crate::plan::{self, RestorePlan};
use crate::text::{ByteCount, counted};

impl ScenarioRun<'_> {
    pub(super) async fn read_backup(&mut self) -> Result<Arc<BackupInventory>, Ended> {
        let (events, scenario) = (self.events.clone(), self.scenario.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut last = Instant::now();
            engine::read_backup(&scenario, &mut |done, total| {
                if last.elapsed() > Duration::from_millis(200) {
                    last = Instant::now();
                    events.send(RunEvent::BackupReading { done, total });
                }
            })
        });
        let (inventory, facts) = match read.await {
            Ok(Ok(read)) => read,
            Ok(Err(finding)) => {
                self.find(*finding);
                return Err(Ended);
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let inventory = Arc::new(inventory);
        self.report.backup = facts;
        self.inventory = Some(Arc::clone(&inventory));
        self.take_inventory(&inventory);
        Ok(inventory)
    }

    /// Findings of the reading go where they belong; databases that are missing get a row too.
    fn take_inventory(&mut self, inventory: &BackupInventory) {
        let own = inventory.findings.iter();
        let globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
        for finding in own.chain(globals).cloned() {
            self.find(finding);
        }
        let lost: BTreeSet<String> = self
            .report
            .findings
            .iter()
            .filter(|finding| {
                finding.class == FindingClass::Backup || finding.class == FindingClass::Environment
            })
            .filter_map(|finding| finding.database.clone())
            .filter(|name| !inventory.databases.iter().any(|dump| dump.name == *name))
            .collect();
        for dump in &inventory.databases {
            for finding in &dump.findings {
                self.events.send(RunEvent::Found(finding.clone()));
            }
        }
        let bad_dumps = inventory.databases.iter().filter(|dump| !is_sound(&dump.findings)).count();
        let backup_is_bad = !is_sound(&inventory.findings);
        if inventory.bytes > 0 {
            let path_is_fine = inventory.outer_is_sound && !backup_is_bad;
            let mut detail =
                format!("{} read, {}", ByteCount(inventory.bytes_read), inventory.format);
            if let Some(picked) = &self.report.backup.picked {
                detail.push_str(&format!(", {picked}"));
            }
            self.preflight(Preflight::ArchiveIntegrity, path_is_fine, detail);
            let total = inventory.databases.len();
            let mut detail = if bad_dumps == 0 {
                format!("{} sound", counted(total, "dump"))
            } else {
                format!("{bad_dumps} of {} bad", counted(total, "dump"))
            };
            if total > 0 {
                detail.push_str(&format!(": {}", what_was_read(inventory)));
            }
            self.preflight(Preflight::DumpValidity, bad_dumps == 0 && total > 0, detail);
        }
        for dump in &inventory.databases {
            self.report.databases.push(DatabaseReport {
                name: dump.name.clone(),
                outcome: judge_database(DatabaseProgress::NotTried, &dump.findings),
                archive_bytes: dump.archive_bytes,
                restored_bytes: None,
                duration_seconds: 0.0,
                checked_seconds: 0.0,
                entries_compared: 0,
                entries: EntryAccount::default(),
                tables_compared: 0,
                content: None,
                findings: dump.findings.clone(),
            });
        }
        for name in lost {
            let (own, rest): (Vec<Finding>, Vec<Finding>) =
                std::mem::take(&mut self.report.findings)
                    .into_iter()
                    .partition(|finding| finding.database.as_deref() == Some(name.as_str()));
            // A broken archive is the scenario's finding as well: more than this database is lost.
            self.report.findings = rest;
            let of_archive = |finding: &&Finding| {
                matches!(finding.code, FindingCode::ArchiveTruncated | FindingCode::ArchiveDamaged)
            };
            self.report.findings.extend(own.iter().filter(of_archive).cloned());
            let findings: Vec<Finding> = own.into_iter().filter(|f| !of_archive(&f)).collect();
            let outcome = if findings.is_empty() {
                DatabaseOutcome::Failed
            } else {
                judge_database(DatabaseProgress::NotTried, &findings)
            };
            self.report.databases.push(DatabaseReport {
                outcome,
                name,
                archive_bytes: 0,
                restored_bytes: None,
                duration_seconds: 0.0,
                checked_seconds: 0.0,
                entries_compared: 0,
                entries: EntryAccount::default(),
                tables_compared: 0,
                content: None,
                findings,
            });
        }
    }

    /// What a restore would find out, of a backup that is only read.
    pub(super) fn take_unmade(&mut self, inventory: &BackupInventory) {
        for finding in plan::unmade(inventory) {
            self.events.send(RunEvent::Found(finding.clone()));
            let mut databases = self.report.databases.iter_mut();
            if let Some(database) =
                databases.find(|one| Some(&one.name) == finding.database.as_ref())
            {
                database.findings.push(finding);
                database.outcome = judge_database(DatabaseProgress::NotTried, &database.findings);
            }
        }
    }

    pub(super) fn plan(&mut self, inventory: &BackupInventory) -> Result<RestorePlan, Ended> {
        let plan = plan::build(self.scenario, inventory);
        // What is left out decides nothing, whatever reading has found about it.
        for &index in &plan.excluded {
            self.report.databases[index].outcome = DatabaseOutcome::Skipped;
        }
        self.report.scope = plan.scope();
        self.report.not_tested.extend(plan.not_tested.iter().cloned());
        for finding in plan.findings.clone() {
            self.find(finding);
        }
        if !plan.starts {
            return Err(Ended);
        }
        let weights =
            plan.sound.iter().map(|&index| inventory.databases[index].archive_bytes).collect();
        self.events.send(RunEvent::Weighed { weights });
        self.plan_positions.clone_from(&plan.sound);
        Ok(plan)
    }
}

/// Entries, rows and bytes of all dumps.
fn what_was_read(inventory: &BackupInventory) -> String {
    let dumps = &inventory.databases;
    let entries = dumps.iter().map(|dump| dump.entries.len()).sum();
    let bytes = dumps.iter().fold(0_u64, |sum, dump| sum.saturating_add(dump.data_bytes));
    let rows = match dumps.iter().map(DatabaseDump::rows).sum::<Option<u64>>() {
        Some(rows) => counted(usize::try_from(rows).unwrap_or(usize::MAX), "row"),
        None => "rows that cannot all be counted".to_owned(),
    };
    let entries = match entries {
        1 => "1 entry".to_owned(),
        entries => format!("{entries} entries"),
    };
    format!("{entries}, {rows}, {} of data", ByteCount(bytes))
}

fn is_sound(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.class == FindingClass::Notice)
}
