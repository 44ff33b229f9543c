//! Signals at several moments, and kill -9 followed by a sweep: nothing stays, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use support::background::{self, Running};
use support::{Bench, ENGINES, docker};

/// When the signal comes.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// While the sandbox is being made.
    Starting,
    /// Once the server is there.
    Ready,
    /// Once a database has been restored.
    Restoring,
}

impl Moment {
    fn line(self) -> &'static str {
        match self {
            Self::Starting => "dump validity",
            Self::Ready => "globals run",
            Self::Restoring => "restored,",
        }
    }
}

fn start(bench: &Bench, engine: &str, moment: Moment) -> Running {
    background::start(bench, engine, moment.line())
}

/// Containers of the run that the state folder of this bench knows.
fn ledger(bench: &Bench) -> Vec<String> {
    fs::read_dir(bench.path("state/ledger"))
        .map(|entries| {
            entries
                .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
                .collect()
        })
        .unwrap_or_default()
}

fn container_of(entry: &str) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_str(entry).ok()?;
    Some(entry["resource"]["container"]["name"].as_str()?.to_owned())
}

fn exists(container: &str) -> bool {
    docker(&["inspect", container]).status.success()
}

/// Processes of a PostgreSQL server below a folder of this bench.
fn servers(bench: &Bench) -> usize {
    let temp = bench.temp();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            // Inside their namespaces the folder has another name: its mount tells.
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            let own = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            mounts != own && mounts.contains(&escaped(&temp))
        })
        .count()
}

/// As mountinfo writes a path: spaces are octal.
fn escaped(path: &Path) -> String {
    path.to_str().unwrap().replace(' ', "\\040")
}

fn interrupt(moment: Moment) {
    for engine in ENGINES {
        let bench = Bench::new();
        let mut run = start(&bench, engine, moment);
        let containers: Vec<String> =
            ledger(&bench).iter().filter_map(|e| container_of(e)).collect();
        run.signal("INT");
        assert_eq!(run.wait(), Some(130), "{engine} {moment:?}");
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(bench.path("r.json")).unwrap()).unwrap();
        assert_eq!(json["scenarios"][0]["verdict"], "not_run", "{engine} {moment:?}");
        assert_eq!(json["scenarios"][0]["result"], "skipped");
        let junit = fs::read_to_string(bench.path("j.xml")).unwrap();
        let document = roxmltree::Document::parse(&junit).unwrap();
        assert!(document.descendants().any(|node| node.has_tag_name("error")), "{junit}");
        assert!(containers.iter().all(|name| !exists(name)), "{containers:?}");
        bench.assert_nothing_left();
        assert_eq!(servers(&bench), 0);
    }
}

#[test]
fn an_interrupt_while_the_server_is_being_made_leaves_nothing() {
    interrupt(Moment::Starting);
}

#[test]
fn an_interrupt_once_the_server_is_ready_leaves_nothing() {
    interrupt(Moment::Ready);
}

#[test]
fn an_interrupt_while_databases_are_restored_leaves_nothing() {
    interrupt(Moment::Restoring);
}

#[test]
fn sigterm_is_told_apart() {
    let bench = Bench::new();
    let mut run = start(&bench, "local", Moment::Restoring);
    run.signal("TERM");
    assert_eq!(run.wait(), Some(143));
    bench.assert_nothing_left();
}

#[test]
fn a_sweep_removes_what_a_killed_run_has_left_and_spares_a_living_one() {
    for engine in ENGINES {
        let (killed, living) = (Bench::new(), Bench::new());
        let volumes = docker(&["volume", "ls", "-q"]).stdout;
        let mut neighbour = start(&living, engine, Moment::Ready);
        let mut run = start(&killed, engine, Moment::Ready);
        run.kill();
        let left = ledger(&killed);
        assert_eq!(left.len(), 1, "{left:?}");
        if engine == "docker" {
            let name = container_of(&left[0]).unwrap();
            assert!(exists(&name));
            assert_container_is_isolated(&name);
        } else {
            // The kernel ends what runs in the namespaces with us.
            let started = Instant::now();
            while servers(&killed) > 0 {
                assert!(started.elapsed() < Duration::from_secs(10), "processes outlive the run");
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(servers(&living) > 0);
        }
        let swept = killed.command().arg("sweep").output().unwrap();
        let text = String::from_utf8_lossy(&swept.stdout).into_owned();
        assert!(swept.status.success(), "{text}");
        assert!(text.contains("✓ removed"), "{text}");
        killed.assert_nothing_left();
        if let Some(name) = container_of(&left[0]) {
            assert!(!exists(&name));
            let after = docker(&["volume", "ls", "-q"]).stdout;
            assert_eq!(String::from_utf8_lossy(&after), String::from_utf8_lossy(&volumes));
        }
        assert_eq!(neighbour.wait(), Some(0), "the neighbour of the swept run goes on ({engine})");
        living.assert_nothing_left();
    }
}

/// As observed from outside: no network, no ports, no mounts from the host, no rights.
fn assert_container_is_isolated(name: &str) {
    let output = docker(&["inspect", name]);
    let inspected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let container = &inspected[0];
    let host = &container["HostConfig"];
    assert_eq!(host["NetworkMode"], "none");
    assert_eq!(host["PublishAllPorts"], false);
    assert!(host["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty));
    assert!(host["Binds"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
    assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges:true"]));
    assert!(host["Memory"].as_i64().unwrap() > 0);
    assert_eq!(host["PidsLimit"], 1024);
    assert_eq!(host["ShmSize"], 1_073_741_824);
    assert_eq!(container["Config"]["User"], "postgres");
    assert_eq!(container["Config"]["Labels"]["pgdrill.tool"], "pgdrill");
    let mounts = container["Mounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["Type"] == "tmpfs"), "{mounts:?}");
}
