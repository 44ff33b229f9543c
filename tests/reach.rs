//! Daemons that are not simply there, images that are not the usual ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::far::{FarDaemon, certificates, context};
use support::podman::Podman;
use support::{Bench, LOCAL_MAJOR, Layout, Ran, docker, fixture, gzip, image, members, tar};

/// A cluster archive of a few databases: two formats, so that dumps go in by both ways.
fn small_archive(bench: &Bench, major: u32) -> PathBuf {
    let few: Vec<_> = members(&fixture(major).folder, Layout::V4)
        .into_iter()
        .filter(|(name, _)| {
            ["globals.sql", "UPPER.sql", "latin.dump"].iter().any(|few| name.ends_with(few))
        })
        .collect();
    assert_eq!(few.len(), 3);
    bench.write("cluster_20260130_021011.tar.gz", &gzip(&tar(&few)))
}

fn verify(bench: &Bench, variables: &[(&str, &str)], options: &[&str]) -> Ran {
    let backup = small_archive(bench, LOCAL_MAJOR);
    let mut args = vec!["verify", backup.to_str().unwrap(), "--restore-test", "--engine=docker"];
    args.extend(options);
    bench.run_with(&args, variables)
}

fn assert_restored(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!(ran.verdict(), "restorable");
    assert_eq!(ran.outcomes().len(), 2);
}

/// The first finding as one text: message, cause, steps.
fn complaint(ran: &Ran, code: &str) -> String {
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert_eq!(ran.verdict(), "inconclusive");
    let finding = &ran.scenario()["findings"][0];
    assert_eq!(finding["code"], code, "{finding}");
    finding.to_string()
}

// ---- daemons ----------------------------------------------------------------

#[test]
fn a_daemon_behind_a_port() {
    let (bench, daemon) = (Bench::new(), FarDaemon::start());
    // Without a scheme: the client library takes it only after pgdrill has put it into its words.
    assert_restored(&verify(
        &bench,
        &[("DOCKER_HOST", &format!("127.0.0.1:{}", daemon.port))],
        &[],
    ));
    daemon.assert_used();
}

#[test]
fn a_daemon_behind_tls_gets_dumps_and_their_end() {
    let (bench, folder) = (Bench::new(), certificates());
    let daemon = FarDaemon::start_encrypted(folder.path());
    let variables = [
        ("DOCKER_HOST", &*daemon.address()),
        ("DOCKER_TLS_VERIFY", "yes"),
        ("DOCKER_CERT_PATH", folder.path().to_str().unwrap()),
    ];
    assert_restored(&verify(&bench, &variables, &[]));
    daemon.assert_used();
}

#[test]
fn a_daemon_that_a_context_names_with_its_certificates() {
    let (bench, folder) = (Bench::new(), certificates());
    let daemon = FarDaemon::start_encrypted(folder.path());
    let config = context(&bench, "prod", &daemon.address(), Some(folder.path()));
    bench.write("docker/config.json", br#"{"currentContext":"unknown"}"#);
    let variables = [("DOCKER_CONFIG", config.to_str().unwrap()), ("DOCKER_CONTEXT", "prod")];
    assert_restored(&verify(&bench, &variables, &[]));
    daemon.assert_used();
}

#[test]
fn a_daemon_that_the_current_context_names() {
    let (bench, daemon) = (Bench::new(), FarDaemon::start());
    let config = context(&bench, "plain", &daemon.address(), None);
    bench.write("docker/config.json", br#"{"auths":{},"currentContext":"plain"}"#);
    assert_restored(&verify(&bench, &[("DOCKER_CONFIG", config.to_str().unwrap())], &[]));
    daemon.assert_used();
}

#[test]
fn a_host_wins_over_a_context() {
    let (bench, daemon) = (Bench::new(), FarDaemon::start());
    let variables = [("DOCKER_CONTEXT", "unknown"), ("DOCKER_HOST", &*daemon.address())];
    let ran = verify(&bench, &variables, &["--pull=never", "--image=pgdrill-nowhere:15"]);
    complaint(&ran, "image_unavailable");
    assert!(daemon.was_used());
}

#[test]
fn another_authoritys_certificate_is_refused() {
    let (bench, folder, other) = (Bench::new(), certificates(), certificates());
    let daemon = FarDaemon::start_encrypted(folder.path());
    let variables = [
        ("DOCKER_HOST", &*daemon.address()),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", other.path().to_str().unwrap()),
    ];
    let complaint = complaint(&verify(&bench, &variables, &[]), "engine_unavailable");
    assert!(complaint.contains("invalid peer certificate"), "{complaint}");
    assert!(complaint.contains("the address is from: DOCKER_HOST"), "{complaint}");
    assert!(!daemon.was_used());
}

#[test]
fn addresses_that_cannot_be_followed_say_what_to_do() {
    let bench = Bench::new();
    let config = context(&bench, "far", "ssh://me@far", None);
    let config = config.to_str().unwrap();
    let complain = |context: &str| {
        let ran = verify(&bench, &[("DOCKER_CONFIG", config), ("DOCKER_CONTEXT", context)], &[]);
        complaint(&ran, "engine_unavailable")
    };
    let ssh = complain("far");
    assert!(ssh.contains("`ssh://me@far`, which context `far` (DOCKER_CONTEXT) names"), "{ssh}");
    assert!(ssh.contains("Forward its socket: ssh -nNT -L "), "{ssh}");
    let unknown = complain("nowhere");
    assert!(unknown.contains("no Docker context `nowhere`"), "{unknown}");
    assert!(unknown.contains("meta.json"), "{unknown}");
}

#[test]
fn from_inside_a_container_that_has_the_socket() {
    let bench = Bench::new();
    let backup = small_archive(&bench, LOCAL_MAJOR);
    let name = format!("reach-inside-{}", std::process::id());
    let ok = |args: &[&str]| {
        let output = docker(args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {text}");
        text
    };
    // Only the socket is shared: files go in and out by copies, as the daemon sees other folders.
    let image = image(17);
    let socket = "/var/run/docker.sock:/var/run/docker.sock";
    let template = image.replace("17", "{major}");
    #[rustfmt::skip]
    ok(&[
        "create", "--name", &name, "--network", "none", "--volume", socket, "--user", "root",
        "--tmpfs", "/var/lib/postgresql/data", "--env", "PGDRILL_HOME=/tmp/state", &image,
        "/tmp/pgdrill", "verify", "/tmp/b.tar.gz", "--restore-test", "--engine", "docker",
        "--image", &template, "--json", "/tmp/r.json",
    ]);
    let run = || {
        ok(&["cp", env!("CARGO_BIN_EXE_pgdrill"), &format!("{name}:/tmp/pgdrill")]);
        ok(&["cp", backup.to_str().unwrap(), &format!("{name}:/tmp/b.tar.gz")]);
        let printed = ok(&["start", "--attach", &name]);
        assert!(printed.contains("✓ Backup is RESTORABLE: 2 of 2 databases"), "{printed}");
        let report = bench.path("inside.json");
        ok(&["cp", &format!("{name}:/tmp/r.json"), report.to_str().unwrap()]);
        let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        let cleanup = &report["scenarios"][0]["cleanup"];
        assert_eq!(cleanup["complete"], true, "{cleanup}");
    };
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    docker(&["rm", "--force", "--volumes", &name]);
    if let Err(panic) = ran {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn podmans_socket() {
    let image = image(LOCAL_MAJOR);
    let podman = Podman::start(&image);
    // An image that was built here, and not pulled, has podman's own name.
    let image = format!("localhost/{image}");
    let address = podman.address();
    let ran = verify(&Bench::new(), &[("DOCKER_HOST", &address)], &["--image", &image]);
    assert_restored(&ran);
    let isolation = &ran.scenario()["engine"]["isolation"];
    assert_eq!(isolation["network_isolated"], true, "{isolation}");
    assert_eq!(podman.containers(), "");
}

// ---- images -----------------------------------------------------------------

/// An image of ci/variant-images.
fn variant(tag: &str) -> String {
    let image = format!("pgdrill-postgres:{tag}");
    let found = docker(&["image", "inspect", &image]);
    assert!(found.status.success(), "{image} is needed by this test: ci/variant-images");
    image
}

#[test]
fn an_image_with_nothing_but_busybox() {
    let image = variant("15-busybox");
    assert!(!docker(&["run", "--rm", "--network=none", &image, "bash"]).status.success());
    let bench = Bench::new();
    let backup = small_archive(&bench, LOCAL_MAJOR);
    let yaml = format!(
        "version: 1\nname: busybox\nbackup:\n  path: {:?}\nchecks:\n  - query: {{name: one, database: latin, sql: 'select 1', equals: 1}}\n",
        backup.to_str().unwrap()
    );
    let file = bench.write("busybox.yaml", yaml.as_bytes());
    let ran = bench.run(&["run", file.to_str().unwrap(), "--engine=docker", "--image", &image]);
    assert_restored(&ran);
    assert_eq!(ran.scenario()["checks"][0]["outcome"], "passed");
    assert!(ran.scenario()["disk"]["free_bytes"].as_u64().unwrap_or(1) > 0);
}

#[test]
fn busyboxs_nc_hands_on_the_end_of_both_directions() {
    let in_it = |script: &str| {
        let image = variant("15-busybox");
        let started = Instant::now();
        let script = format!("ip link set lo up 2>/dev/null; {script}");
        let output = docker(&["run", "--rm", "--network=none", &image, "sh", "-c", &script]);
        assert!(started.elapsed() < Duration::from_secs(25), "{script} did not end");
        String::from_utf8(output.stdout).unwrap()
    };
    // The end of input reaches the server, whose answer after it still comes back.
    let answered = in_it(
        "nc -l -p 5432 -e sh -c 'cat >/dev/null; echo after the end' & sleep 1; \
         echo asked | nc 127.0.0.1 5432",
    );
    assert_eq!(answered, "after the end\n");
    // The server's end ends the program, although its input goes on.
    let left = in_it(
        "nc -l -p 5432 -e echo bye & sleep 1; mkfifo /tmp/f; sleep 60 >/tmp/f & \
         nc 127.0.0.1 5432 </tmp/f; echo ended",
    );
    assert_eq!(left, "bye\nended\n");
}

#[test]
fn an_image_with_neither_bash_nor_nc_is_refused_at_once() {
    let (bench, image) = (Bench::new(), variant("15-bare"));
    let ran = verify(&bench, &[], &["--image", &image]);
    let complaint = complaint(&ran, "cluster_not_started");
    assert!(complaint.contains("in image `pgdrill-postgres:15-bare`"), "{complaint}");
    assert!(complaint.contains("neither bash nor nc"), "{complaint}");
    let phases = ran.scenario()["phases"].to_string();
    let seconds = ran.scenario()["phases"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|phase| phase["seconds"].as_f64())
        .sum::<f64>();
    assert!(seconds < 30.0, "{phases}");
}

#[test]
fn an_image_without_the_servers_programs_in_its_path() {
    assert_restored(&verify(&Bench::new(), &[], &["--image", &variant("15-nopath")]));
}

#[test]
fn of_two_servers_in_an_image_the_nearest_that_is_new_enough_runs() {
    let image = variant("17-15");
    for (of_backup, of_server) in [(13, "15."), (15, "15."), (17, "17.")] {
        let bench = Bench::new();
        let backup = small_archive(&bench, of_backup);
        let backup = backup.to_str().unwrap();
        let args = ["verify", backup, "--restore-test", "--engine=docker", "--image", &image];
        let ran = bench.run(&args);
        assert_restored(&ran);
        let engine = &ran.scenario()["engine"];
        let version = engine["server_version"].as_str().unwrap();
        assert!(version.starts_with(of_server), "PostgreSQL {of_backup} on {version}");
    }
}

// ---- pulls ------------------------------------------------------------------

/// A registry that nobody listens on.
const NO_REGISTRY: &str = "127.0.0.1:1/pgdrill-nowhere";

#[test]
fn an_image_that_is_not_there_is_not_pulled_against_the_policy() {
    let image = format!("{NO_REGISTRY}:15");
    let ran = verify(&Bench::new(), &[], &["--pull=never", "--image", &image]);
    let complaint = complaint(&ran, "image_unavailable");
    assert!(
        complaint.contains(&format!("image `{image}` is not on the Docker daemon")),
        "{complaint}"
    );
    assert!(complaint.contains("the pull policy `never`"), "{complaint}");
    assert!(complaint.contains("--pull missing (PGDRILL_PULL, or `sandbox.pull`"), "{complaint}");
}

#[test]
fn an_image_that_cannot_be_pulled_says_why() {
    let image = format!("{NO_REGISTRY}:15");
    let complaint =
        complaint(&verify(&Bench::new(), &[], &["--image", &image]), "image_unavailable");
    assert!(complaint.contains(&format!("image `{image}` could not be pulled")), "{complaint}");
    assert!(complaint.contains("the Docker daemon does not have it"), "{complaint}");
    assert!(complaint.contains("connection refused"), "{complaint}");
}

#[test]
fn always_does_not_take_the_old_image_when_the_registry_is_gone() {
    let image = format!("{NO_REGISTRY}-old:15-{}", std::process::id());
    assert!(docker(&["tag", &support::image(15), &image]).status.success());
    let always = verify(&Bench::new(), &[], &["--pull=always", "--image", &image]);
    let missing = verify(&Bench::new(), &[], &["--pull=missing", "--image", &image]);
    let never = verify(&Bench::new(), &[], &["--pull=never", "--image", &image]);
    docker(&["image", "rm", "--no-prune", &image]);
    let complaint = complaint(&always, "image_unavailable");
    assert!(complaint.contains("`always` does not take the one that"), "{complaint}");
    assert!(complaint.contains("Go without the registry: --pull missing"), "{complaint}");
    assert_restored(&missing);
    assert_restored(&never);
    let id = docker(&["image", "inspect", "--format={{.Id}}", &support::image(15)]);
    let id = String::from_utf8(id.stdout).unwrap();
    assert_eq!(
        never.scenario()["engine"]["image_digest"],
        id.trim(),
        "{}",
        never.scenario()["engine"]
    );
}
