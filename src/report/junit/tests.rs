use super::*;
use crate::outcome::{EntryAccount, RunFacts};

const FAULT: &str = "not_restorable: archive_truncated";

fn scenario(verdict: Verdict, result: ScenarioResult) -> ScenarioReport {
    ScenarioReport { verdict, result, expected: FAULT.into(), ..ScenarioReport::untried("nightly") }
}

/// A scenario whose archive is cut, with a database lost in it and a check that failed.
fn cut(result: ScenarioResult) -> ScenarioReport {
    let mut cut = scenario(Verdict::NotRestorable, result);
    cut.findings.push(Finding::new(FindingCode::ArchiveTruncated, "the archive ends early"));
    cut.databases.push(database(DatabaseOutcome::Failed));
    cut.checks.push(CheckReport {
        kind: "query".into(),
        name: "orders".into(),
        database: Some("shop".into()),
        outcome: CheckOutcome::Failed,
        expected: "> 0".into(),
        observed: "0".into(),
        duration_seconds: 0.1,
        line: Some(7),
        column: None,
    });
    cut
}

fn database(outcome: DatabaseOutcome) -> DatabaseReport {
    DatabaseReport {
        name: "shop".into(),
        outcome,
        archive_bytes: 10,
        restored_bytes: None,
        duration_seconds: 0.5,
        checked_seconds: 0.0,
        entries_compared: 1,
        entries: EntryAccount::default(),
        tables_compared: 1,
        content: None,
        findings: Vec::new(),
    }
}

fn xml(scenario: ScenarioReport) -> String {
    let report = RunReport {
        schema: crate::outcome::REPORT_SCHEMA,
        run: RunFacts {
            id: "1".into(),
            started_at: "2026-01-01T00:00:00Z".into(),
            finished_at: "2026-01-01T00:00:01Z".into(),
            tool_version: "0".into(),
            trigger: "test".into(),
        },
        scenarios: vec![scenario],
    };
    String::from_utf8(to_junit(&report).unwrap()).unwrap()
}

/// How many failures and errors there are.
fn red(xml: &str) -> (usize, usize) {
    (xml.matches("<failure").count(), xml.matches("<error").count())
}

#[test]
fn an_expected_fault_is_green_and_told_where_it_was_found() {
    let xml = xml(cut(ScenarioResult::Passed));
    assert_eq!(red(&xml), (0, 0), "{xml}");
    let of = |name: &str| {
        let start = xml.find(&format!("name=\"{name}\"")).unwrap();
        xml[start..].split("</testcase>").next().unwrap()
    };
    for (name, found) in [
        ("read", "[archive_truncated] the archive ends early"),
        ("restore", "lost with the archive"),
        ("check: orders", "observed 0"),
    ] {
        let case = of(name);
        for part in ["<system-out>", &format!("expected: {FAULT}"), found] {
            assert!(case.contains(part), "{name} lacks {part}:\n{xml}");
        }
    }
}

#[test]
fn a_fault_that_did_not_come_is_one_failure_with_its_reason() {
    let mut good = scenario(Verdict::Restorable, ScenarioResult::Failed);
    good.databases.push(database(DatabaseOutcome::Restored));
    let xml = xml(good);
    assert_eq!(red(&xml), (1, 0), "{xml}");
    let message = format!("expected {FAULT}, the backup is restorable");
    for part in ["type=\"expectation_unmet\"", &message] {
        assert!(xml.contains(part), "{part} is missing in\n{xml}");
    }
}

#[test]
fn another_fault_than_the_expected_stays_and_the_reason_joins_it() {
    let mut other = cut(ScenarioResult::Failed);
    other.expected = "not_restorable: dump_truncated in shop".into();
    let xml = xml(other);
    assert_eq!(red(&xml), (4, 0), "{xml}");
    let message = "expected not_restorable: dump_truncated in shop, the backup is not restorable \
                   for another reason";
    assert!(xml.contains(message), "{xml}");
}

#[test]
fn after_an_expected_fault_only_the_clean_up_is_an_error() {
    let mut left = cut(ScenarioResult::Errored);
    left.findings.push(Finding::new(FindingCode::CleanupIncomplete, "something is left"));
    let xml = xml(left);
    assert_eq!(red(&xml), (0, 1), "{xml}");
    assert!(xml.contains("type=\"cleanup_incomplete\""), "{xml}");
}

#[test]
fn a_plain_expectation_changes_nothing() {
    let mut plain = cut(ScenarioResult::Failed);
    plain.expected = "restorable".into();
    let xml = xml(plain);
    assert_eq!(red(&xml), (3, 0), "{xml}");
    assert!(!xml.contains("expectation_unmet"), "{xml}");
}
