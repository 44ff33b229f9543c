//! What a run would use: the request for an engine, and what would come of it.

use super::limits::{Bounds, limit_facts};
use super::scenario_run::RunOptions;
use crate::ephemeral::{self, EngineRequest, EphemeralError};
use crate::plan::EngineOutlook;
use crate::scenario::{ImageChoice, IsolationDemand, Scenario};

/// What a scenario asks for; options win over it.
pub(super) fn request(scenario: &Scenario, options: &RunOptions, major: u32) -> EngineRequest {
    let sandbox = &scenario.sandbox;
    EngineRequest {
        choice: options.engine.or(sandbox.engine).unwrap_or_default(),
        image: options
            .image
            .clone()
            .map(ImageChoice::Template)
            .or_else(|| scenario.postgres.image.clone()),
        pull: options.pull.or(sandbox.pull).unwrap_or_default(),
        major,
        pg_bindir: options.pg_bindir.clone(),
        trust_dump: options.trust_dump || sandbox.isolation == Some(IsolationDemand::Trusted),
        limits: sandbox.limits,
    }
}

/// The engine that a run would choose for a server of this major version. Starts and pulls nothing.
///
/// # Errors
///
/// When no engine that scenario and options allow could run.
pub async fn look(
    scenario: &Scenario,
    options: &RunOptions,
    major: u32,
) -> Result<EngineOutlook, EphemeralError> {
    let looked = ephemeral::look(&request(scenario, options, major)).await?;
    let is_image = looked.kind == ephemeral::EngineKind::Docker;
    let bounds = Bounds::new(looked.limits, scenario.sandbox.limits.disk, None);
    Ok(EngineOutlook {
        kind: looked.kind.as_str().to_owned(),
        reason: looked.reason,
        image: is_image.then(|| looked.source.clone()),
        image_digest: looked.image_digest,
        would_pull: looked.would_pull,
        programs: (!is_image).then_some(looked.source),
        server_version: looked.version,
        major,
        limits: bounds.all().iter().map(limit_facts).collect(),
    })
}
