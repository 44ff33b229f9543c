//! How far a run is, weighted by the bytes of each database's dump in the archive.

use std::collections::HashMap;

use crate::event::RunEvent;

/// A pure fold over events: never falls, never passes the whole, holds no clock.
#[derive(Debug, Clone, Default)]
pub struct ProgressModel {
    total_bytes: u64,
    finished_bytes: u64,
    running: HashMap<String, (u64, u64)>,
    finished: usize,
    total: usize,
    highest_permille: u64,
}

impl ProgressModel {
    /// A model of databases whose dumps have `weights` bytes.
    pub fn new(weights: &[u64]) -> Self {
        Self {
            // A dump of a few hundred bytes still costs a database: nothing weighs nothing.
            total_bytes: weights.iter().map(|&weight| weight.max(1)).sum(),
            total: weights.len(),
            ..Self::default()
        }
    }

    /// Takes one event in.
    pub fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::DatabaseStarted { name, bytes, .. } => {
                self.running.insert(name.clone(), ((*bytes).max(1), 0));
            }
            RunEvent::DatabaseFed { name, bytes } => {
                if let Some((weight, fed)) = self.running.get_mut(name) {
                    *fed = (*bytes).min(*weight).max(*fed);
                }
            }
            RunEvent::DatabaseFinished { name, bytes, .. } => {
                self.running.remove(name);
                self.finished_bytes += (*bytes).max(1);
                self.finished += 1;
            }
            RunEvent::ScenarioStarted { .. }
            | RunEvent::BackupReading { .. }
            | RunEvent::PreflightChecked { .. }
            | RunEvent::Weighed { .. }
            | RunEvent::RunEnded
            | RunEvent::ClusterStarting { .. }
            | RunEvent::ClusterStarted { .. }
            | RunEvent::GlobalsRestored { .. }
            | RunEvent::CheckFinished { .. }
            | RunEvent::ObjectiveJudged { .. }
            | RunEvent::Found(_)
            | RunEvent::CleanedUp { .. }
            | RunEvent::ScenarioFinished { .. } => {}
        }
        self.highest_permille = self.highest_permille.max(self.observed_permille());
    }

    fn observed_permille(&self) -> u64 {
        if self.total_bytes == 0 {
            return 0;
        }
        // Half of a database's weight is its data on the way in, half is what the server does with
        // it afterwards (indexes, constraints): the end of the stream is not the end of the work.
        let running: u64 = self.running.values().map(|(_, fed)| fed / 2).sum();
        let done = (self.finished_bytes + running).min(self.total_bytes);
        let permille = u128::from(done) * 1000 / u128::from(self.total_bytes);
        u64::try_from(permille).unwrap_or(1000)
    }

    /// Thousandths of the whole.
    pub fn permille(&self) -> u64 {
        self.highest_permille
    }

    /// Databases done, and how many there are.
    pub fn databases(&self) -> (usize, usize) {
        (self.finished, self.total)
    }

    /// `(3/5) - 34.2% by size`.
    pub fn describe(&self) -> String {
        let permille = self.permille();
        format!("({}/{}) - {}.{}% by size", self.finished, self.total, permille / 10, permille % 10)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::DatabaseOutcome;

    fn started(name: &str, bytes: u64) -> RunEvent {
        RunEvent::DatabaseStarted { name: name.into(), position: 1, total: 2, bytes }
    }

    fn finished(name: &str, bytes: u64) -> RunEvent {
        RunEvent::DatabaseFinished {
            name: name.into(),
            outcome: DatabaseOutcome::Restored,
            took: Duration::ZERO,
            bytes,
            restored_bytes: None,
        }
    }

    #[test]
    fn a_large_database_counts_more_than_a_small_one() {
        let mut model = ProgressModel::new(&[900, 100]);
        model.apply(&started("big", 900));
        model.apply(&RunEvent::DatabaseFed { name: "big".into(), bytes: 900 });
        assert_eq!(model.permille(), 450);
        model.apply(&finished("big", 900));
        assert_eq!(model.permille(), 900);
        model.apply(&started("small", 100));
        model.apply(&finished("small", 100));
        assert_eq!(model.permille(), 1000);
        assert_eq!(model.describe(), "(2/2) - 100.0% by size");
    }

    proptest::proptest! {
        #[test]
        fn progress_never_falls_and_never_passes_the_whole(
            feeds in proptest::collection::vec((0usize..4, 0u64..10_000, 0u8..3), 0..60)
        ) {
            let weights = [10u64, 0, 5_000, 77];
            let mut model = ProgressModel::new(&weights);
            let mut last = 0;
            for (index, bytes, kind) in feeds {
                let name = index.to_string();
                model.apply(&match kind {
                    0 => started(&name, weights[index]),
                    1 => RunEvent::DatabaseFed { name, bytes },
                    _ => finished(&name, weights[index]),
                });
                proptest::prop_assert!(model.permille() >= last && model.permille() <= 1000);
                last = model.permille();
            }
        }
    }
}
