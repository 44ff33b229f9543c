//! SIGKILL at random moments of a run, then a sweep: nothing stays, and a neighbour's runs go on.
//!
//! `PGDRILL_KILLS` says how many for each engine, `PGDRILL_KILL_SEED` which moments.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::{Bench, LOCAL_MAJOR, Layout, docker, fixture, gzip, members, tar};

/// How many for each engine where nobody asks for more.
const KILLS: u64 = 4;
const SEED: u64 = 20_260_130;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// A cluster of one small database: a run of a few seconds.
fn small_backup(bench: &Bench) -> PathBuf {
    let mut members = members(&fixture(LOCAL_MAJOR).folder, Layout::V4);
    members.retain(|(name, _)| name == "globals.sql" || name == "dumps/app.dump");
    bench.write("small.tar.gz", &gzip(&tar(&members)))
}

fn verify(bench: &Bench, backup: &Path, engine: &str) -> Command {
    let mut command = bench.command();
    command.args(["verify", backup.to_str().unwrap(), "--restore-test", "--engine", engine]);
    command.arg("--json").arg(bench.path("reports/r.json"));
    command.arg("--junit").arg(bench.path("reports/j.xml"));
    command.stdout(File::create(bench.path("out")).unwrap()).stderr(Stdio::null());
    command
}

/// Where a run was when it ended, by the last thing it said, and by its sandbox while that starts.
fn stage(bench: &Bench, owner: u32) -> &'static str {
    let out = fs::read_to_string(bench.path("out")).unwrap_or_default();
    let stages = [
        ("RESTORABLE", "6 reports"),
        ("restored,", "5 checks, removal"),
        ("globals run", "4 restore"),
        ("server ready", "3 globals"),
    ];
    if let Some((_, stage)) = stages.iter().find(|(words, _)| out.contains(words)) {
        return stage;
    }
    let state = containers(owner).pop().unwrap_or_default();
    if state == "running" || bench.path("tmp").read_dir().is_ok_and(|found| found.count() > 0) {
        "2 server starts"
    } else if !state.is_empty() || !names(bench.path("state/ledger")).is_empty() {
        "1 sandbox created"
    } else {
        "0 backup read"
    }
}

/// What there is of one killed run, counted from outside.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Left {
    containers: usize,
    folders: usize,
    processes: usize,
    mounts: usize,
    entries: usize,
    drafts: usize,
}

impl Left {
    fn add(&mut self, other: Self) {
        self.containers += other.containers;
        self.folders += other.folders;
        self.processes += other.processes;
        self.mounts += other.mounts;
        self.entries += other.entries;
        self.drafts += other.drafts;
    }
}

fn names(folder: PathBuf) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The states of the containers that say to belong to the process `owner`.
fn containers(owner: u32) -> Vec<String> {
    let format = "{{.Label \"pgdrill.owner\"}} {{.State}}";
    let filter = "label=pgdrill.tool=pgdrill";
    let listed = docker(&["ps", "-a", "--filter", filter, "--format", format]);
    assert!(listed.status.success());
    let owner = owner.to_string();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut listed = listed.lines().filter_map(|line| line.split_once(' '));
    let ours = listed.by_ref().filter(|(label, _)| label.split('/').nth(2) == Some(&owner));
    ours.map(|(_, state)| state.to_owned()).collect()
}

/// Processes of this bench's sandboxes: by the folder mounted into them, and by their environment.
fn processes(bench: &Bench, token: Option<&str>) -> usize {
    let temp = bench.temp().to_str().unwrap().replace(' ', "\\040");
    let own = fs::read_to_string("/proc/self/mountinfo").unwrap();
    names(PathBuf::from("/proc"))
        .into_iter()
        .filter(|pid| pid.parse::<u32>().is_ok())
        .filter(|pid| {
            let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let text = |name: &str| String::from_utf8_lossy(&read(name)).into_owned();
            let mounts = text("mountinfo");
            // One that has ended has no environment and no mounts any more.
            mounts != own && mounts.contains(&temp)
                || token.is_some_and(|token| text("environ").contains(token))
        })
        .count()
}

/// Numbers from 0 to 1, evenly (SplitMix64): the same ones for the same seed.
fn next_part(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
}

struct Killed {
    bench: Bench,
    owner: u32,
    /// In the environment of the sandbox's processes.
    token: Option<String>,
}

impl Killed {
    fn left(&self) -> Left {
        let ledger = names(self.bench.path("state/ledger"));
        let temp = self.bench.temp();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let escaped = temp.to_str().unwrap().replace(' ', "\\040");
        let reports = names(self.bench.path("reports"));
        Left {
            containers: containers(self.owner).len(),
            folders: names(temp).len(),
            processes: processes(&self.bench, self.token.as_deref()),
            mounts: mounts.lines().filter(|line| line.contains(&escaped)).count(),
            entries: ledger.len(),
            drafts: reports.iter().filter(|name| name.starts_with('.')).count(),
        }
    }
}

/// Starts a run and ends it after `moment`, only the process itself. `None`: it was faster.
fn kill(engine: &str, moment: Duration) -> (Killed, bool) {
    let bench = Bench::new();
    let backup = small_backup(&bench);
    let mut child: Child = verify(&bench, &backup, engine).spawn().unwrap();
    std::thread::sleep(moment);
    let finished = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    let marker = names(bench.temp()).into_iter().find_map(|name| {
        let text = fs::read(bench.temp().join(name).join("pgdrill-sandbox.json")).ok()?;
        let marker: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Some(marker["token"].as_str().unwrap().to_owned())
    });
    (Killed { bench, owner: child.id(), token: marker }, finished)
}

fn volumes() -> Vec<String> {
    let listed = docker(&["volume", "ls", "-q"]).stdout;
    String::from_utf8(listed).unwrap().lines().map(str::to_owned).collect()
}

fn sweep(killed: &Killed) {
    let swept = killed.bench.command().arg("sweep").output().unwrap();
    let text = String::from_utf8_lossy(&swept.stdout);
    assert!(swept.status.success(), "{text}");
}

/// Runs one after the other until told to stop; how many there were. Each must end well. How long
/// the last one took in milliseconds is how long the next to be killed would take.
fn neighbour(engine: &str, stop: &AtomicBool, millis: &AtomicU64) -> u32 {
    let mut runs = 0;
    while !stop.load(Ordering::Relaxed) {
        let bench = Bench::new();
        let backup = small_backup(&bench);
        let started = Instant::now();
        let status = verify(&bench, &backup, engine).status().unwrap();
        assert_eq!(status.code(), Some(0), "the neighbour's run {runs} ({engine})");
        millis.store(u64::try_from(started.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
        bench.assert_nothing_left();
        runs += 1;
    }
    runs
}

/// Lets the neighbour come to its end, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn kills_leave_nothing(engine: &'static str) {
    let (count, seed) = (number("PGDRILL_KILLS", KILLS), number("PGDRILL_KILL_SEED", SEED));
    fixture(LOCAL_MAJOR);
    let before_all = volumes();
    let (stop, millis) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut before, mut after, mut finished) = (Left::default(), Left::default(), 0);
    let mut stages: BTreeMap<&str, u32> = BTreeMap::new();
    let mut owners = Vec::new();
    let mut wrong = Vec::new();
    let runs = std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| neighbour(engine, &stop, &millis));
        let stopping = Stop(&stop);
        while millis.load(Ordering::Relaxed) == 0 && !neighbour.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut random = seed;
        println!("{engine}: {count} kills, PGDRILL_KILL_SEED={seed}");
        for _ in 0..count {
            let part = next_part(&mut random) * 1.1;
            let whole = Duration::from_millis(millis.load(Ordering::Relaxed));
            let (killed, was_faster) = kill(engine, whole.mul_f64(part));

            finished += u32::from(was_faster);
            let stage = stage(&killed.bench, killed.owner);
            *stages.entry(stage).or_default() += 1;
            before.add(killed.left());
            sweep(&killed);
            let left = killed.left();
            after.add(left);
            if left != Left::default() {
                wrong.push(format!("at {part:.3}, {stage}: {left:?}"));
            }
            owners.push(killed.owner);
        }
        drop(stopping);
        neighbour.join().expect("the neighbour's runs go on")
    });
    println!("{engine}: {count} kills, {finished} came too late, at {stages:?}");
    println!("{engine}: before the sweeps {before:?}");
    println!("{engine}: after the sweeps {after:?}");
    println!("{engine}: {runs} runs of the neighbour, all with exit code 0");
    assert_eq!(wrong, Vec::<String>::new());
    // A daemon may have been busy with a container of a client that was gone.
    let late: usize = owners.iter().map(|owner| containers(*owner).len()).sum();
    assert_eq!(late, 0, "containers came after the sweep");
    let new = || volumes().into_iter().filter(|name| !before_all.contains(name)).count();
    let started = Instant::now();
    // Others may be at work on the same daemon.
    while new() > 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "{} volumes more", new());
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn random_kills_leave_nothing_on_docker() {
    kills_leave_nothing("docker");
}

#[test]
fn random_kills_leave_nothing_on_the_local_engine() {
    kills_leave_nothing("local");
}
