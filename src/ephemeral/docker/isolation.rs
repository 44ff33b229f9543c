//! How isolated the container is: what the daemon says it has set up, and what the kernel says
//! about the container's first process.

use testcontainers::bollard::models::{ContainerInspectResponse, HostConfig};

use super::DockerSandbox;
use crate::ephemeral::EphemeralError;
use crate::ephemeral::sandbox::{ExecCommand, ExecOutput, Isolation};

/// Prints what the kernel says about process 1, with nothing but the shell's own means.
const LOOK: &str = r#"
while read -r line; do
	case $line in Uid:* | CapPrm:* | CapEff:* | CapBnd:* | CapAmb:* | NoNewPrivs:* | Seccomp:*)
		echo "$line" ;;
	esac
done </proc/1/status
while read -r interface destination rest; do
	if [ "$interface" != Iface ]; then echo "Route: $interface $destination"; fi
done </proc/1/net/route
while read -r name rest; do
	case $name in *:*) echo "Interface: ${name%%:*}" ;; esac
done </proc/1/net/dev
"#;

/// What was observed, and whether it isolates.
struct Observation {
    facts: Vec<String>,
    missing: Vec<String>,
}

impl Observation {
    fn new() -> Self {
        Self { facts: Vec::new(), missing: Vec::new() }
    }

    fn note(&mut self, isolates: bool, fact: String) {
        if !isolates {
            self.missing.push(fact.clone());
        }
        self.facts.push(fact);
    }
}

impl DockerSandbox {
    /// Looks at the running container.
    pub(super) async fn observe(&self) -> Result<Isolation, EphemeralError> {
        let container = self.daemon.container(&self.name).await?.unwrap_or_default();
        let mut seen = Observation::new();
        let network_isolated = self.configured(&container, &mut seen);
        let mut exec = self.run(ExecCommand::new(["sh", "-c", LOOK])).await?;
        let mut text = String::new();
        while let Some(piece) = exec.output.recv().await {
            if let ExecOutput::Stdout(bytes) = piece {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        let has_routes = of_first_process(&text, &mut seen);
        Ok(Isolation {
            boundary: "container".to_owned(),
            network_isolated: network_isolated && !has_routes,
            facts: seen.facts,
            missing: seen.missing,
        })
    }

    /// What the daemon says; whether there is no network.
    fn configured(&self, container: &ContainerInspectResponse, seen: &mut Observation) -> bool {
        let none = HostConfig::default();
        let host = container.host_config.as_ref().unwrap_or(&none);
        let network = host.network_mode.as_deref().unwrap_or("unknown");
        seen.note(network == "none", format!("network={network}"));
        let ports = host.port_bindings.as_ref().map_or(0, std::collections::HashMap::len);
        seen.note(ports == 0, format!("published_ports={ports}"));
        let mounts = container.mounts.as_ref().map_or(0, Vec::len);
        seen.note(mounts == 0, format!("mounts={mounts}"));
        let devices = host.devices.as_ref().map_or(0, Vec::len);
        seen.note(devices == 0, format!("devices={devices}"));
        let privileged = host.privileged.unwrap_or(true);
        seen.note(!privileged, format!("privileged={privileged}"));
        let shared: Vec<String> = [
            ("pid", host.pid_mode.as_deref()),
            ("ipc", host.ipc_mode.as_deref()),
            ("uts", host.uts_mode.as_deref()),
        ]
        .into_iter()
        .filter(|(_, mode)| {
            mode.is_some_and(|mode| mode == "host" || mode.starts_with("container:"))
        })
        .map(|(name, _)| name.to_owned())
        .collect();
        let shown = if shared.is_empty() { "none".to_owned() } else { shared.join(",") };
        seen.note(shared.is_empty(), format!("shared_namespaces={shown}"));
        let dropped = host.cap_drop.clone().unwrap_or_default().join(",");
        seen.facts.push(format!("cap_drop={dropped}"));
        let options = host.security_opt.clone().unwrap_or_default();
        let confined = !options.iter().any(|option| option.contains("unconfined"));
        seen.note(confined, format!("security_opt={}", options.join(",")));
        // A daemon without the control group ignores a limit, and says so here.
        let pids = host.pids_limit.unwrap_or_default();
        seen.note(pids == self.bounds.pids, format!("pids_limit={pids}"));
        let memory = host.memory.unwrap_or_default();
        let as_asked = self.bounds.memory.is_none_or(|bound| bound == memory);
        seen.note(as_asked, format!("memory_bytes={memory}"));
        network == "none"
    }
}

/// What [`LOOK`] has printed; whether anything can be routed anywhere.
fn of_first_process(text: &str, seen: &mut Observation) -> bool {
    let field = |name: &str| -> Option<&str> {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    };
    let uids: Vec<&str> = field("Uid").unwrap_or("unknown").split_whitespace().collect();
    let is_root = uids.contains(&"0") || uids == ["unknown"];
    seen.note(!is_root, format!("uid={}", uids.first().copied().unwrap_or("unknown")));
    let sets = ["CapEff", "CapPrm", "CapAmb", "CapBnd"].map(|set| field(set).unwrap_or("unknown"));
    let powerless = sets.iter().all(|set| set.chars().all(|digit| digit == '0'));
    let shown = if powerless { "none".to_owned() } else { sets.join("/") };
    seen.note(powerless, format!("capabilities={shown}"));
    let no_new = field("NoNewPrivs") == Some("1");
    seen.note(no_new, format!("no_new_privileges={}", if no_new { "yes" } else { "no" }));
    let seccomp = match field("Seccomp") {
        Some("2") => "filter",
        Some("0") => "none",
        _ => "unknown",
    };
    seen.facts.push(format!("seccomp={seccomp}"));
    let all = |name: &str| -> Vec<&str> {
        text.lines().filter_map(|line| Some(line.strip_prefix(name)?.trim())).collect()
    };
    // Some kernels put dead ends of tunnels into every network namespace: routes tell, they do not.
    let routes = all("Route:");
    seen.note(routes.is_empty(), format!("routes={}", routes.len()));
    seen.facts.push(format!("interfaces={}", all("Interface:").join(",")));
    !routes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Observation, of_first_process};

    const GOOD: &str = "Uid:\t999\t999\t999\t999\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
        CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nInterface: lo\n";

    fn missing(text: &str) -> Vec<String> {
        let mut seen = Observation::new();
        of_first_process(text, &mut seen);
        seen.missing
    }

    #[test]
    fn what_the_kernel_does_not_say_counts_as_missing() {
        assert_eq!(missing(GOOD), Vec::<String>::new());
        assert_eq!(
            missing(""),
            ["uid=unknown", "capabilities=unknown/unknown/unknown/unknown", "no_new_privileges=no"]
        );
    }

    #[test]
    fn each_hole_is_named() {
        assert_eq!(missing(&GOOD.replace("Uid:\t999\t999", "Uid:\t999\t0")), ["uid=999"]);
        assert_eq!(
            missing(&GOOD.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0")),
            ["no_new_privileges=no"]
        );
        assert_eq!(missing(&format!("{GOOD}Route: eth0 00000000\n")), ["routes=1"]);
        let capable = GOOD.replace("CapBnd:\t0000000000000000", "CapBnd:\t00000000a80425fb");
        assert_eq!(missing(&capable).len(), 1);
    }
}
