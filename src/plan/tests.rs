//! Plans of small real dumps.

use camino::{Utf8Path, Utf8PathBuf};

use super::{EngineOutlook, ScenarioPlan, build};
use crate::backup::{BackupInventory, inspect};
use crate::finding::{Finding, FindingCode};
use crate::outcome::{ExpectedVerdict, Verdict};
use crate::scenario::Scenario;

const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.4\n\n\
    CREATE EXTENSION citext;\nCREATE TABLE public.a (x text);\nALTER TABLE public.a OWNER TO alice;\n\n\
    COPY public.a (x) FROM stdin;\none\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

fn scenario(dump: &str) -> (tempfile::TempDir, Scenario, BackupInventory) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().join("shop.sql");
    std::fs::write(&path, dump).unwrap();
    let inventory = inspect(&path, &mut |_, _| {});
    (folder, Scenario::of_backup("shop".to_owned(), path, true), inventory)
}

fn engine() -> EngineOutlook {
    EngineOutlook {
        kind: "docker".to_owned(),
        reason: "asked for".to_owned(),
        image: Some("postgres:15".to_owned()),
        image_digest: None,
        would_pull: true,
        programs: None,
        server_version: None,
        major: 15,
        limits: Vec::new(),
    }
}

fn plan(scenario: &Scenario, inventory: &BackupInventory) -> ScenarioPlan {
    let plan = build(scenario, inventory);
    let engine = if plan.starts { Some(Ok(engine())) } else { None };
    ScenarioPlan::new(scenario, (inventory, inventory.into()), plan, engine)
}

#[test]
fn a_sound_backup_has_every_step_and_an_estimate_that_adds_up() {
    let (_folder, scenario, inventory) = scenario(DUMP);
    let built = build(&scenario, &inventory);
    assert_eq!((built.major, built.starts, built.sound.as_slice()), (15, true, &[0][..]));
    let plan = plan(&scenario, &inventory);
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["read", "start", "globals", "databases", "answer", "cleanup"]);
    // Read 1, start 10, globals 3, read again 1 and one small database 2 + 1 + 1, clean-up 5.
    assert_eq!(plan.estimate.seconds, 24);
    assert!(plan.estimate.space_bytes > 208_000_000, "{}", plan.estimate.space_bytes);
    assert!(plan.estimate.assumptions.iter().any(|text| text.contains("pull")));
    assert!(plan.steps[1].what.starts_with("pull postgres:15"), "{}", plan.steps[1].what);
    assert_eq!(plan.databases[0].extensions, ["citext"]);
    assert_eq!(plan.placeholder_roles, ["alice"]);
    assert!(plan.starts && plan.decided.is_none());
}

#[test]
fn a_broken_backup_is_decided_without_a_server() {
    let cut = DUMP.split("--\n-- PostgreSQL database dump complete").next().unwrap();
    let (_folder, mut scenario, inventory) = scenario(cut);
    let bad = plan(&scenario, &inventory);
    let decided = bad.decided.unwrap();
    assert_eq!((decided.verdict, decided.exit_code), (Verdict::NotRestorable, 1));
    assert!(!bad.starts && !bad.databases[0].restores && bad.engine.is_none());
    assert_eq!((bad.steps.len(), bad.estimate.space_bytes), (1, 0));
    // What is expected is no failure of the run.
    scenario.expect =
        ExpectedVerdict::NotRestorable { finding: FindingCode::DumpTruncated, database: None };
    assert_eq!(plan(&scenario, &inventory).decided.unwrap().exit_code, 0);
}

#[test]
fn without_an_engine_or_a_database_nothing_starts() {
    let (_folder, mut scenario, inventory) = scenario(DUMP);
    let finding = Finding::new(FindingCode::EngineUnavailable, "none");
    let built = build(&scenario, &inventory);
    let none =
        ScenarioPlan::new(&scenario, (&inventory, (&inventory).into()), built, Some(Err(finding)));
    assert_eq!(none.decided.unwrap().exit_code, 2);
    if let Some(restore) = &mut scenario.restore {
        restore.exclude = vec!["*".to_owned()];
    }
    let excluded = plan(&scenario, &inventory);
    assert!(!excluded.starts && excluded.excluded == ["shop"]);
    assert_eq!(excluded.findings[0].code, FindingCode::NoDatabaseSelected);
    scenario.backup.path = Utf8PathBuf::from("/nowhere/x.sql");
    let inventory = inspect(&scenario.backup.path, &mut |_, _| {});
    assert_eq!(plan(&scenario, &inventory).decided.unwrap().verdict, Verdict::Inconclusive);
}
