//! `docs/decisions.md` is read, and the code is run against every row of its tables.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;

use pgdrill::finding::{Finding, FindingClass, FindingCode};
use pgdrill::outcome::{
    CheckOutcome, DatabaseOutcome, DatabaseProgress, Evidence, ExitCode, ExpectedVerdict,
    Judgement, ScenarioResult, Verdict, judge, judge_database,
};
use pgdrill::postgres::sqlstate::{ArchiveSays, Meaning, meaning};

/// What a scenario has: findings, databases, checks.
type Case = (&'static [FindingCode], &'static [DatabaseOutcome], &'static [CheckOutcome]);

/// The rows of the table whose header begins with these cells.
fn table(header: &[&str]) -> Vec<Vec<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/decisions.md");
    let text = fs::read_to_string(path).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = text.lines();
    let found = lines.find(|line| {
        line.starts_with('|')
            && cells(line).starts_with(&header.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    });
    assert!(found.is_some(), "no table {header:?}");
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn code(name: &str) -> FindingCode {
    *FindingCode::ALL
        .iter()
        .find(|code| code.as_str() == name)
        .unwrap_or_else(|| panic!("no finding is called `{name}`"))
}

fn class_name(class: FindingClass) -> &'static str {
    match class {
        FindingClass::Backup => "backup",
        FindingClass::Environment => "environment",
        FindingClass::Scenario => "scenario",
        FindingClass::Cancelled => "cancelled",
        FindingClass::Internal => "internal",
        FindingClass::Notice => "notice",
    }
}

#[test]
fn every_finding_has_a_row_and_every_row_is_followed() {
    let rows = table(&["code", "class", "proven"]);
    let documented: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).collect();
    let known: BTreeSet<String> =
        FindingCode::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(documented, known);
    for row in rows {
        let code = code(&row[0]);
        assert_eq!(class_name(code.class()), row[1], "{}", row[0]);
        assert_eq!(if code.is_proven() { "yes" } else { "no" }, row[2], "{}", row[0]);
        let finding = Finding::new(code, "x");
        assert!(
            finding.class == FindingClass::Notice || !finding.remedy.is_empty(),
            "{} does not say what to do next",
            row[0]
        );
    }
}

#[test]
fn the_class_of_a_finding_decides_outcome_verdict_result_and_exit_code() {
    for row in table(&["class", "means", "database outcome"]) {
        let sample = FindingCode::ALL
            .iter()
            .find(|code| class_name(code.class()) == row[0])
            .unwrap_or_else(|| panic!("no finding is of class {}", row[0]));
        let findings = [Finding::new(*sample, "x")];
        let outcome = judge_database(DatabaseProgress::Compared, &findings);
        assert_eq!(outcome.as_str(), row[2], "{}", row[0]);
        let judged = judge(&Evidence {
            restore_asked: true,
            findings: &findings,
            databases: &[DatabaseOutcome::Restored],
            checks: &[],
        });
        assert_eq!(judged.verdict.as_str(), row[3], "{}", row[0]);
        assert_eq!(judged.result.as_str(), row[4], "{}", row[0]);
        let exit = ExitCode::of_scenario(judged.result, &findings);
        assert_eq!(exit.as_u8().to_string(), row[5], "{}", row[0]);
    }
}

#[test]
fn the_servers_errors_mean_what_the_table_says() {
    let rows = table(&["SQLSTATE", "object", "archive", "code"]);
    assert!(rows.len() > 20);
    for row in rows {
        let sqlstate = match row[0].as_str() {
            "*" => "42601".to_owned(),
            state => state.replace("xxx", "ZZZ"),
        };
        let object = if row[1] == "*" { "relation" } else { row[1].as_str() };
        let all = [ArchiveSays::InTheDump, ArchiveSays::Cluster, ArchiveSays::Single];
        let says: &[ArchiveSays] = match row[2].as_str() {
            "bootstrap role" => &[ArchiveSays::BootstrapRole],
            "in the dump" => &[ArchiveSays::InTheDump],
            "cluster" => &[ArchiveSays::Cluster],
            "single" => &[ArchiveSays::Single],
            // A row with `*` below one that says `in the dump` is for the others.
            "*" if object == "collation" || object.starts_with("text search") => &all[1..],
            "*" => &all,
            other => panic!("`{other}` is nothing an archive says"),
        };
        for &says in says {
            let expected = match row[3].as_str() {
                "benign" => Meaning::Benign,
                name => Meaning::Finding(code(name)),
            };
            assert_eq!(meaning(&sqlstate, object, says), expected, "{row:?}");
        }
    }
}

#[test]
fn databases_are_judged_as_the_table_says() {
    let (proven, open, environment) =
        (FindingCode::DumpTruncated, FindingCode::RestoreFailed, FindingCode::DiskFull);
    let rows = table(&["database has", "outcome"]);
    let cases: [(&[FindingCode], DatabaseProgress); 5] = [
        (&[environment, proven], DatabaseProgress::Compared),
        (&[open, environment], DatabaseProgress::Compared),
        (&[open], DatabaseProgress::Compared),
        (&[], DatabaseProgress::Compared),
        (&[], DatabaseProgress::NotTried),
    ];
    assert_eq!(rows.len(), cases.len());
    for (row, (codes, progress)) in rows.iter().zip(cases) {
        let findings: Vec<Finding> = codes.iter().map(|&code| Finding::new(code, "x")).collect();
        assert_eq!(judge_database(progress, &findings).as_str(), row[1], "{}", row[0]);
    }
}

#[test]
fn scenarios_are_judged_as_the_table_says() {
    use DatabaseOutcome::{Errored, Failed, Restored, Skipped};
    let rows = table(&["the scenario has", "verdict", "result"]);
    // Each case also holds what the rows below it are about: the first row that fits decides.
    let cases: [Case; 8] = [
        (&[FindingCode::Internal, FindingCode::Cancelled], &[Failed], &[CheckOutcome::Failed]),
        (&[FindingCode::Cancelled, FindingCode::DumpTruncated], &[Failed], &[CheckOutcome::Failed]),
        (&[FindingCode::DiskFull], &[Failed, Errored], &[CheckOutcome::Failed]),
        (&[], &[Errored, Restored], &[CheckOutcome::Failed]),
        (&[], &[Restored], &[CheckOutcome::Errored, CheckOutcome::Failed]),
        (&[], &[Restored], &[CheckOutcome::Errored, CheckOutcome::Passed]),
        (&[], &[Skipped], &[CheckOutcome::Passed]),
        (&[], &[Restored, Skipped], &[CheckOutcome::Passed]),
    ];
    assert_eq!(rows.len(), cases.len());
    for (row, (codes, databases, checks)) in rows.iter().zip(cases) {
        let findings: Vec<Finding> = codes.iter().map(|&code| Finding::new(code, "x")).collect();
        let judged =
            judge(&Evidence { restore_asked: true, findings: &findings, databases, checks });
        assert_eq!(judged.verdict.as_str(), row[1], "{}", row[0]);
        assert_eq!(judged.result.as_str(), row[2], "{}", row[0]);
    }
}

#[test]
fn an_expected_verdict_gives_the_documented_result() {
    let rows = table(&["expected", "verdict", "the expected finding"]);
    assert_eq!(rows.len(), 6);
    let verdicts = [
        (Verdict::NotRestorable, ScenarioResult::Failed),
        (Verdict::Restorable, ScenarioResult::Passed),
        (Verdict::Inconclusive, ScenarioResult::Errored),
        (Verdict::NotRun, ScenarioResult::Skipped),
    ];
    let expected = FindingCode::DumpTruncated;
    let finding = || Finding::new(expected, "x").in_database("shop");
    for row in rows {
        for (verdict, result) in verdicts {
            if row[1] != "*" && row[1] != verdict.as_str() {
                continue;
            }
            let judgement = Judgement { verdict, result };
            if row[0] == "restorable" {
                let same = ExpectedVerdict::Restorable.result(judgement, [&finding()]);
                assert_eq!((same, row[3].as_str()), (result, "as above"), "{row:?}");
                continue;
            }
            let anywhere = ExpectedVerdict::NotRestorable { finding: expected, database: None };
            let in_shop = ExpectedVerdict::NotRestorable {
                finding: expected,
                database: Some("shop".to_owned()),
            };
            let others = [
                Finding::new(FindingCode::DumpEmpty, "x").in_database("shop"),
                finding().in_database("other"),
            ];
            if row[2] != "not found" {
                for wanted in [&anywhere, &in_shop] {
                    let found = wanted.result(judgement, [&others[0], &finding()]);
                    assert_eq!(found.as_str(), row[3], "{row:?}");
                }
            }
            if row[2] != "found" {
                assert_eq!(anywhere.result(judgement, [&others[0]]).as_str(), row[3], "{row:?}");
                assert_eq!(in_shop.result(judgement, &others).as_str(), row[3], "{row:?}");
            }
        }
    }
}

#[test]
fn objectives_change_the_result_as_documented() {
    let results = [
        ScenarioResult::Passed,
        ScenarioResult::Failed,
        ScenarioResult::Errored,
        ScenarioResult::Skipped,
    ];
    let rows = table(&["objective", "result so far", "result"]);
    assert_eq!(rows.len(), 5);
    let outcomes = |word: &str| match word {
        "met" => vec![CheckOutcome::Passed],
        "missed" => vec![CheckOutcome::Failed],
        "not measured" => vec![CheckOutcome::Errored, CheckOutcome::Skipped],
        other => panic!("`{other}` becomes of no objective"),
    };
    for word in ["met", "missed", "not measured"] {
        for before in results {
            let row = rows
                .iter()
                .find(|row| row[0] == word && (row[1] == "*" || row[1] == before.as_str()));
            // A result that no row names stays as it is.
            let documented = row.map_or("as above", |row| row[2].as_str());
            let documented = if documented == "as above" { before.as_str() } else { documented };
            for outcome in outcomes(word) {
                assert_eq!(before.with_objectives([outcome]).as_str(), documented, "{word}");
                let worst = before.with_objectives([CheckOutcome::Passed, outcome]);
                assert_eq!(worst.as_str(), documented, "{word} {before:?}");
            }
        }
    }
    let both = [CheckOutcome::Errored, CheckOutcome::Failed];
    assert_eq!(ScenarioResult::Passed.with_objectives(both), ScenarioResult::Failed);
}

#[test]
fn several_scenarios_give_the_documented_exit_code() {
    let codes = [
        ExitCode::Internal,
        ExitCode::Interrupted,
        ExitCode::Failed,
        ExitCode::Errored,
        ExitCode::Success,
    ];
    for (index, stronger) in codes.iter().enumerate() {
        for weaker in &codes[index..] {
            assert_eq!(stronger.worse(*weaker), *stronger);
            assert_eq!(weaker.worse(*stronger), *stronger);
        }
    }
    assert_eq!(ScenarioResult::Passed.as_str(), "passed");
}
