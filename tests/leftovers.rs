//! What a sweep lists, removes and spares: beside neighbours in and outside of containers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use support::background::{Running, start, start_command, whole_backup};
use support::{Bench, ENGINES, docker, image};

const SOCKET: &str = "/var/run/docker.sock:/var/run/docker.sock";
/// The programs inside have this libc or a newer one.
const MAJOR: u32 = 17;
const READY: &str = "globals run";

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

fn sweep(bench: &Bench, args: &[&str]) -> String {
    let output = bench.command().arg("sweep").args(args).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// The line of a sweep's output about one thing.
fn line<'a>(output: &'a str, what: &str) -> &'a str {
    output.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {output}"))
}

/// What the ledger of a bench names: a container, or a folder.
fn sandbox(bench: &Bench) -> String {
    let mut entries = fs::read_dir(bench.path("state/ledger")).unwrap();
    let entry = fs::read(entries.next().unwrap().unwrap().path()).unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    let resource = &entry["resource"];
    let name = resource["container"]["name"].as_str().or(resource["local"]["folder"].as_str());
    name.unwrap().to_owned()
}

fn exists(sandbox: &str) -> bool {
    Path::new(sandbox).exists() || docker(&["inspect", sandbox]).status.success()
}

/// The program in a container that has the daemon's socket; the container goes with this.
struct Inside {
    name: String,
}

impl Inside {
    /// Starts it, with a bench's folder to read from.
    fn start(bench: &Bench, args: &[&str]) -> Self {
        let name =
            format!("leftovers-test-{}-{}", std::process::id(), bench.folder.path().display());
        let name: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let program = format!("{}:/usr/local/bin/pgdrill:ro", env!("CARGO_BIN_EXE_pgdrill"));
        let files = format!("{}:/files:ro", bench.folder.path().display());
        let images = format!("PGDRILL_IMAGE={}", image(0).replace(":0", ":{major}"));
        let mut command = vec!["run", "-d", "--network", "none", "--name", &name, "--user", "root"];
        command.extend(["-v", SOCKET, "-v", &program, "-v", &files, "-e", &images]);
        command.extend(["-e", "PGDRILL_HOME=/tmp/state", "--entrypoint", "pgdrill"]);
        let image = image(MAJOR);
        command.push(&image);
        command.extend(args);
        let started = docker(&command);
        assert!(started.status.success(), "{}", text(&started));
        Self { name }
    }

    /// Exit code and all output.
    fn wait(&self) -> (String, String) {
        let code = docker(&["wait", &self.name]);
        let output = docker(&["logs", &self.name]);
        (String::from_utf8(code.stdout).unwrap().trim().to_owned(), text(&output))
    }

    fn until(&self, words: &str) {
        let started = Instant::now();
        while !text(&docker(&["logs", &self.name])).contains(words) {
            assert!(started.elapsed() < Duration::from_secs(120), "{}", self.wait().1);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        docker(&["rm", "-f", "-v", &self.name]);
    }
}

/// The sandbox of a scenario of this name.
fn container_of(scenario: &str) -> String {
    let filter = format!("label=pgdrill.scenario={scenario}");
    let found = docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
    let found = String::from_utf8(found.stdout).unwrap();
    found.lines().next().expect("the run has a container").to_owned()
}

#[test]
fn a_sweep_in_a_container_spares_what_the_machine_runs() {
    let (living, killed, bench) = (Bench::new(), Bench::new(), Bench::new());
    let mut neighbour: Running = start(&living, "docker", READY);
    let mut run = start(&killed, "docker", READY);
    let (lives, left) = (sandbox(&living), sandbox(&killed));
    run.kill();
    let (code, said) = Inside::start(&bench, &["sweep"]).wait();
    assert_eq!(code, "0", "{said}");
    for name in [&lives, &left] {
        let line = line(&said, name);
        assert!(line.contains("cannot be seen from here; expires in 23h 5"), "{line}");
        assert!(exists(name));
    }
    // From outside the one is seen, and that the other is gone.
    let said = sweep(&killed, &[]);
    assert!(line(&said, &lives).contains("stays: belongs to a run that goes on"), "{said}");
    assert!(line(&said, &left).starts_with("✓ removed container"), "{said}");
    assert!(exists(&lives) && !exists(&left));
    assert_eq!(neighbour.wait(), Some(0));
    killed.assert_nothing_left();
    living.assert_nothing_left();
}

#[test]
fn a_sweep_of_the_machine_spares_what_a_container_runs_until_that_is_gone() {
    let bench = Bench::new();
    whole_backup(&bench);
    let name = format!("inside-{}", std::process::id());
    let args =
        ["verify", "/files/c.tar.gz", "--restore-test", "--engine", "docker", "--name", &name];
    {
        let inside = Inside::start(&bench, &args);
        inside.until(READY);
        let container = container_of(&name);
        let said = sweep(&bench, &[]);
        let line = line(&said, &container);
        assert!(line.contains("stays: belongs to a run that goes on (process 1)"), "{said}");
        // Nor does a sweep in a third place, which sees neither.
        let (_, said) = Inside::start(&Bench::new(), &["sweep"]).wait();
        assert!(said.contains(&format!("container {container} stays: ")), "{said}");
        let (code, said) = inside.wait();
        assert_eq!(code, "0", "{said}");
    }
    let inside = Inside::start(&bench, &args);
    inside.until(READY);
    let container = container_of(&name);
    drop(inside);
    assert!(exists(&container));
    let said = sweep(&bench, &[]);
    let line = line(&said, &container);
    assert!(line.starts_with("✓ removed") && line.contains("process 1, is gone"), "{said}");
    assert!(!exists(&container));
}

#[test]
fn a_look_creates_nothing() {
    let bench = Bench::new();
    let look = || bench.command().args(["sweep", "--dry-run"]).output().unwrap();
    assert!(look().status.success(), "{}", text(&look()));
    assert!(!bench.path("state").exists());
    bench.write("state/ledger", b"a file");
    let output = look();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("failed to read"), "{}", text(&output));
}

#[test]
fn a_look_and_the_next_run_tell_of_leftovers_and_remove_nothing() {
    for engine in ENGINES {
        let bench = Bench::new();
        start(&bench, engine, READY).kill();
        let left = sandbox(&bench);
        let said = sweep(&bench, &["--dry-run"]);
        let found = line(&said, &left);
        assert!(found.starts_with("  would remove ") && found.contains("made "), "{said}");
        assert!(exists(&left), "{said}");
        let backup = bench.path("c.tar.gz");
        let verify = |args: &[&str]| {
            let mut command = bench.command();
            let output = command.arg("verify").arg(&backup).args(args).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
            String::from_utf8(output.stderr).unwrap()
        };
        let said = verify(&["--restore-test", "--engine", "local"]);
        assert!(said.contains("warning: ") && said.contains("`pgdrill sweep` removes"), "{said}");
        assert!(exists(&left));
        // It makes nothing, and so says nothing of what others have made.
        assert!(!verify(&[]).contains("warning"));
        sweep(&bench, &[]);
        assert!(!exists(&left));
        bench.assert_nothing_left();
    }
}

#[test]
fn a_sandbox_whose_ledger_is_lost_is_found_by_its_marker() {
    let (killed, living) = (Bench::new(), Bench::new());
    start(&killed, "local", READY).kill();
    let left = sandbox(&killed);
    fs::remove_dir_all(killed.path("state")).unwrap();
    // In the same folder: one of another ledger whose run goes on, and one that is nobody's.
    let mut command = living.command();
    let backup = whole_backup(&living);
    command.env("TMPDIR", killed.temp()).arg("verify").arg(backup);
    let mut neighbour = start_command(
        {
            command.args(["--restore-test", "--engine", "local"]);
            command
        },
        READY,
    );
    let lives = sandbox(&living);
    let foreign = killed.temp().join("pgdrill-notes");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("letter"), "dear").unwrap();
    let said = sweep(&killed, &[]);
    assert!(line(&said, &left).starts_with("✓ removed folder"), "{said}");
    assert!(line(&said, &lives).contains("stays: belongs to a run that goes on"), "{said}");
    assert!(!said.contains("pgdrill-notes"), "{said}");
    assert!(!exists(&left) && exists(&lives) && foreign.join("letter").exists());
    assert_eq!(neighbour.wait(), Some(0));
    assert!(!exists(&lives));
}
