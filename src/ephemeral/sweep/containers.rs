//! The containers that a daemon tells of.

use jiff::Timestamp;

use super::{Fate, Mode, Proof, Sweep, fate_of, judge, proof_of};
use crate::ephemeral::EphemeralError;
use crate::ephemeral::daemon::{Daemon, LABEL_EXPIRES, LABEL_OWNER, OurContainer};
use crate::ephemeral::ledger::Owner;

impl Sweep {
    /// Goes through the containers by their labels.
    pub(super) async fn containers(&mut self) -> Result<Daemon, EphemeralError> {
        let daemon = Daemon::reach().await?;
        let entered = self.entered();
        for container in daemon.our_containers().await? {
            // What stands in our own ledger was not made on another machine.
            let known = entered.contains(&container.name);
            let proof = if known { Proof::Full } else { proof_of(&daemon) };
            self.container(&daemon, &container, proof).await;
        }
        Ok(daemon)
    }

    async fn container(&mut self, daemon: &Daemon, container: &OurContainer, proof: Proof) {
        let label = |name: &str| container.labels.get(name).map(String::as_str);
        let owner = label(LABEL_OWNER).and_then(Owner::from_label);
        let expires_at = label(LABEL_EXPIRES)
            .and_then(|text| text.parse().ok())
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        let judgement = judge(owner.as_ref(), expires_at, self.now, proof);
        let name = &container.name;
        self.seen.insert(name.clone(), false);
        let fate = if !judgement.goes {
            Fate::Stays
        } else if self.mode == Mode::Remove {
            fate_of(daemon.remove(name).await)
        } else if matches!(daemon.container(name).await, Ok(None)) {
            // Its run has ended between our looking at the one and at the other.
            return;
        } else {
            Fate::WouldGo
        };
        if fate == Fate::Removed {
            self.seen.insert(name.clone(), true);
        }
        self.note(&format!("container {name}"), fate, judgement.why, container.created_at);
    }
}
