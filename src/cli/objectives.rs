//! Recovery objectives on the command line.

use std::time::Duration;

use clap::Args;

use crate::outcome::ExpectedVerdict;
use crate::scenario::{RpoChoice, Scenario, duration_of};

/// What recovery must keep to.
#[derive(Debug, Clone, Args)]
pub(super) struct ObjectiveArgs {
    /// How long recovery may take, from the first byte read to the first query answered: 30m, 2h.
    #[arg(long, env = "PGDRILL_RTO", value_name = "DURATION", value_parser = duration_of)]
    rto: Option<Duration>,

    /// How old the backup may be, by the time inside it, never by file times: 26h, 7d.
    #[arg(long, env = "PGDRILL_RPO", value_name = "DURATION", value_parser = duration_of)]
    rpo: Option<Duration>,
}

impl ObjectiveArgs {
    /// What the command line says wins over what scenarios say; one that is there to see a bad
    /// backup has nothing to keep to.
    pub(super) fn apply(&self, scenarios: &mut [Scenario]) {
        let good = scenarios.iter_mut().filter(|one| one.expect == ExpectedVerdict::Restorable);
        for objectives in good.map(|scenario| &mut scenario.objectives) {
            objectives.rto = self.rto.or(objectives.rto);
            if let Some(target) = self.rpo {
                match &mut objectives.rpo {
                    // What says how old the data is stays.
                    Some(rpo) => rpo.target = target,
                    None => objectives.rpo = Some(RpoChoice::from(target)),
                }
            }
        }
    }
}
