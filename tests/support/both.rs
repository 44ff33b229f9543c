//! One case on both engines.

use super::{Bench, ENGINES, Ran};

/// Runs a case on both engines and compares what they say.
pub fn on_both(case: impl Fn(&Bench, &str) -> Ran) -> Ran {
    let [docker, local] = ENGINES.map(|engine| {
        let bench = Bench::new();
        let ran = case(&bench, engine);
        if let Some(kind) = ran.scenario()["engine"]["kind"].as_str() {
            assert_eq!(kind, engine, "{}", ran.text());
            assert_eq!(ran.scenario()["engine"]["isolation"]["network_isolated"], true);
        }
        ran
    });
    assert_eq!(docker.code, local.code, "docker: {}\nlocal: {}", docker.text(), local.text());
    assert_eq!(docker.verdict(), local.verdict());
    assert_eq!(docker.outcomes(), local.outcomes(), "{}\n{}", docker.text(), local.text());
    assert_eq!(docker.findings(), local.findings(), "{}\n{}", docker.text(), local.text());
    let checks = |ran: &Ran| {
        let checks = ran.scenario()["checks"].as_array().cloned().unwrap_or_default();
        checks
            .iter()
            .map(|check| format!("{} {} {}", check["name"], check["outcome"], check["observed"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(checks(&docker), checks(&local));
    assert_eq!(docker.junit_shape(), local.junit_shape());
    docker
}
