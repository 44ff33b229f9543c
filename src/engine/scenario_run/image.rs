//! Between the second and the third part of a run: what the image lacks is known before any data
//! goes in.

use std::time::Instant;

use super::{Ended, ScenarioRun};
use crate::backup::BackupInventory;
use crate::engine::cluster::Cluster;
use crate::engine::preflight;
use crate::event::Preflight;
use crate::finding::Finding;

impl ScenarioRun<'_> {
    /// Databases that the server lacks something for are errored and not loaded; the others go on.
    pub(super) async fn judge_image(
        &mut self,
        cluster: &mut Cluster,
        inventory: &BackupInventory,
    ) -> Result<(), Ended> {
        let found = match preflight::judge(cluster, inventory, &self.plan_positions).await {
            Ok(found) => found,
            Err(error) => {
                self.ephemeral(&error);
                return Err(Ended);
            }
        };
        self.preflight(Preflight::Tools, found.is_empty(), what_it_has(&found));
        let (of_databases, of_all): (Vec<Finding>, Vec<Finding>) =
            found.into_iter().partition(|finding| finding.database.is_some());
        let stops_all = !of_all.is_empty();
        for finding in of_all {
            self.find(finding);
        }
        for index in std::mem::take(&mut self.plan_positions) {
            let name = Some(inventory.databases[index].name.as_str());
            let own: Vec<Finding> = of_databases
                .iter()
                .filter(|finding| finding.database.as_deref() == name)
                .cloned()
                .collect();
            if own.is_empty() {
                self.plan_positions.push(index);
            } else {
                self.database_done(index, Instant::now(), None, own);
            }
        }
        if stops_all || self.plan_positions.is_empty() { Err(Ended) } else { Ok(()) }
    }
}

/// One line that names everything at once.
fn what_it_has(found: &[Finding]) -> String {
    if found.is_empty() {
        return "has every program, extension and locale that the dumps need".to_owned();
    }
    let lacks: Vec<String> = found
        .iter()
        .map(|finding| match &finding.database {
            Some(database) => format!("{}: {}", database, finding.message),
            None => finding.message.clone(),
        })
        .collect();
    lacks.join("; ")
}
