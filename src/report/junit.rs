//! JUnit XML for Jenkins and GitLab, through junit-report.
//!
//! A suite for the scenario itself (reading, globals, clean-up) and one for each database (restore,
//! its checks). Names are stable and unique: consumers keep history by them. A failure is the
//! backup's fault, an error the surroundings'; the class of a finding decides, as everywhere. What a
//! scenario expects of a bad backup is neither where it came: its cases pass and tell it.

use std::io;

use junit_report::{
    Duration, OffsetDateTime, Report, TestCase, TestCaseBuilder, TestSuite, TestSuiteBuilder,
};

mod objectives;

use super::sanitize::{xml_line, xml_text};
use crate::finding::{Finding, FindingClass, FindingCode};
use crate::outcome::{
    CheckOutcome, CheckReport, DatabaseOutcome, DatabaseReport, ExpectedVerdict, RunReport,
    ScenarioReport, ScenarioResult, Verdict,
};

/// The report as JUnit XML.
///
/// # Errors
///
/// What junit-report says when it cannot write; into memory it always can.
pub fn to_junit(report: &RunReport) -> io::Result<Vec<u8>> {
    let started = report
        .run
        .started_at
        .parse::<jiff::Timestamp>()
        .ok()
        .and_then(|at| OffsetDateTime::from_unix_timestamp(at.as_second()).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut document = Report::new();
    for scenario in &report.scenarios {
        for suite in suites(scenario, started) {
            document.add_testsuite(suite);
        }
    }
    if report.scenarios.is_empty() {
        let case = TestCase::error("run", Duration::ZERO, "nothing_ran", "no scenario ran");
        document.add_testsuite(
            TestSuiteBuilder::new("pgdrill").set_timestamp(started).add_testcase(case).build(),
        );
    }
    let mut xml = Vec::new();
    document.write_xml(&mut xml).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(xml)
}

/// What becomes of a case.
enum Fate {
    Passed(String),
    Failed { kind: String, message: String, body: String },
    Errored { kind: String, message: String, body: String },
    Skipped(String),
}

fn case(class: &str, name: &str, seconds: f64, fate: &Fate) -> TestCase {
    let (name, class) = (xml_line(name), xml_line(class));
    let took = Duration::seconds_f64((seconds.max(0.0) * 1_000.0).round() / 1_000.0);
    let mut builder = match fate {
        Fate::Passed(_) => TestCaseBuilder::success(&name, took),
        Fate::Failed { kind, message, .. } => {
            TestCaseBuilder::failure(&name, took, &xml_line(kind), &xml_line(message))
        }
        Fate::Errored { kind, message, .. } => {
            TestCaseBuilder::error(&name, took, &xml_line(kind), &xml_line(message))
        }
        Fate::Skipped(cause) => {
            TestCaseBuilder::skipped_with_cause(&name, "skipped", &xml_line(cause))
        }
    };
    builder.set_classname(&class);
    match fate {
        Fate::Passed(text) if !text.is_empty() => {
            builder.set_system_out(&xml_text(text));
        }
        Fate::Failed { body, .. } | Fate::Errored { body, .. } => {
            // GitLab shows the element's text, not its attribute.
            builder.set_trace(&xml_text(body));
        }
        Fate::Passed(_) | Fate::Skipped(_) => {}
    }
    builder.build()
}

/// The finding that decides, and all of them as text.
fn fate_of(findings: &[&Finding], passed: String) -> Fate {
    let worst = |class: FindingClass| findings.iter().find(|finding| finding.class == class);
    let body = findings.iter().map(|finding| describe(finding)).collect::<Vec<_>>().join("\n\n");
    if let Some(finding) = worst(FindingClass::Backup) {
        return Fate::Failed {
            kind: finding.code.as_str().to_owned(),
            message: finding.message.clone(),
            body,
        };
    }
    let others = [
        FindingClass::Internal,
        FindingClass::Cancelled,
        FindingClass::Environment,
        FindingClass::Scenario,
    ];
    match others.into_iter().find_map(worst) {
        Some(finding) => Fate::Errored {
            kind: finding.code.as_str().to_owned(),
            message: finding.message.clone(),
            body,
        },
        None if body.is_empty() => Fate::Passed(passed),
        None => Fate::Passed(format!("{passed}\n{body}")),
    }
}

fn describe(finding: &Finding) -> String {
    let mut text = format!("[{}] {}", finding.code.as_str(), finding.message);
    let mut line = |label: &str, value: &str| text.push_str(&format!("\n  {label}: {value}"));
    if let Some(database) = &finding.database {
        line("Database", database);
    }
    if let Some(object) = &finding.object {
        line("Object", object);
    }
    if let Some(sqlstate) = &finding.sqlstate {
        line("SQLSTATE", sqlstate);
    }
    if let Some(cause) = &finding.cause {
        line("Cause", cause);
    }
    if finding.count > 1 {
        line("Count", &finding.count.to_string());
    }
    if !finding.remedy.is_empty() {
        text.push_str("\n  How to fix:");
    }
    for (index, step) in finding.remedy.iter().enumerate() {
        text.push_str(&format!("\n    {}. {step}", index + 1));
    }
    text
}

/// Whether the scenario is there to see a bad backup.
fn expects_fault(scenario: &ScenarioReport) -> bool {
    scenario.expected != ExpectedVerdict::default().to_string()
}

/// Whether the fault that the scenario expects was found. The clean-up may have gone wrong after.
fn fault_came(scenario: &ScenarioReport) -> bool {
    expects_fault(scenario)
        && scenario.verdict == Verdict::NotRestorable
        && scenario.result != ScenarioResult::Failed
}

/// What becomes of a case once it is known what the scenario expects.
fn weighed(scenario: &ScenarioReport, fate: Fate) -> Fate {
    if !fault_came(scenario) {
        return fate;
    }
    let passes = scenario.result == ScenarioResult::Passed;
    match fate {
        Fate::Failed { message, body, .. } => accepted(scenario, message, body),
        // An error is what keeps a scenario that did not pass from it.
        Fate::Errored { message, body, .. } if passes => accepted(scenario, message, body),
        fate => fate,
    }
}

fn accepted(scenario: &ScenarioReport, message: String, body: String) -> Fate {
    let found = if body.is_empty() { message } else { body };
    Fate::Passed(format!("expected: {}\n{found}", scenario.expected))
}

/// The case that says in words why a scenario whose backup had to be bad failed.
fn unmet(scenario: &ScenarioReport) -> Fate {
    let observed = match scenario.verdict {
        Verdict::Restorable | Verdict::ExpectedPartial => "the backup is restorable",
        Verdict::NotRestorable => "the backup is not restorable for another reason",
        Verdict::NotRun => "no fault was found, and no restore was tried",
        Verdict::Inconclusive => "nothing is known about the backup",
    };
    let message = format!("expected {}, {observed}", scenario.expected);
    Fate::Failed { kind: "expectation_unmet".to_owned(), body: message.clone(), message }
}

fn suites(scenario: &ScenarioReport, started: OffsetDateTime) -> Vec<TestSuite> {
    let mut suite = TestSuiteBuilder::new(&xml_line(&scenario.name));
    suite.set_timestamp(started);
    for case in own_cases(scenario) {
        suite.add_testcase(case);
    }
    let mut suites = vec![suite.build()];
    for database in &scenario.databases {
        suites.push(database_suite(scenario, database, started));
    }
    suites
}

/// Which case a finding without a database belongs to.
fn is_about_cleanup(finding: &Finding) -> bool {
    matches!(finding.code, FindingCode::CleanupIncomplete)
}

fn is_about_run(finding: &Finding) -> bool {
    matches!(
        finding.class,
        FindingClass::Environment | FindingClass::Cancelled | FindingClass::Internal
    ) && !is_about_cleanup(finding)
        && !is_about_reading(finding)
}

fn is_about_reading(finding: &Finding) -> bool {
    matches!(
        finding.code,
        FindingCode::BackupNotFound
            | FindingCode::BackupUnreadable
            | FindingCode::BackupChanging
            | FindingCode::BackupUndecided
            | FindingCode::NoBackupInFolder
            | FindingCode::FormatNotSupported
            | FindingCode::Encrypted
    )
}

fn own_cases(scenario: &ScenarioReport) -> Vec<TestCase> {
    let class = scenario.name.as_str();
    let seconds = |name: &str| -> f64 {
        scenario.phases.iter().filter(|phase| phase.name == name).map(|p| p.duration_seconds).sum()
    };
    let of = |belongs: &dyn Fn(&Finding) -> bool| -> Vec<&Finding> {
        scenario.findings.iter().filter(|finding| belongs(finding)).collect()
    };
    let is_about_globals = |finding: &Finding| {
        matches!(finding.code, FindingCode::GlobalsFailed | FindingCode::SettingUnknown)
    };
    let reading = of(&|finding| {
        !is_about_cleanup(finding)
            && !is_about_run(finding)
            && !is_about_globals(finding)
            && finding.code != FindingCode::CheckWarned
    });
    let read = format!("{} bytes read from {}", scenario.backup.bytes_read, scenario.backup.path);
    let own = |name: &str, phase: &str, findings: &[&Finding], passed: String| {
        case(class, name, seconds(phase), &weighed(scenario, fate_of(findings, passed)))
    };
    let mut cases = vec![own("read", "read", &reading, read)];
    let is_ready = scenario.engine.as_ref().is_some_and(|engine| engine.server_version.is_some());
    if is_ready || scenario.phases.iter().any(|phase| phase.name == "globals") {
        let globals = of(&is_about_globals);
        cases.push(own("globals", "globals", &globals, String::new()));
    }
    let run = of(&is_about_run);
    let verdict = format!(
        "verdict: {}{}\nexpected: {}\nnot tested:\n- {}",
        scenario.verdict.as_str(),
        scenario.scope.as_ref().map_or_else(String::new, |scope| format!(" ({scope})")),
        scenario.expected,
        scenario.not_tested.join("\n- ")
    );
    cases.push(own("run", "start", &run, verdict));
    let cleanup = of(&is_about_cleanup);
    cases.push(own("cleanup", "cleanup", &cleanup, String::new()));
    let objectives = objectives::fates(scenario).into_iter();
    cases.extend(objectives.map(|(name, seconds, fate)| case(class, &name, seconds, &fate)));
    // A check of the cluster, or on a database that the backup does not hold, has no other suite.
    for check in &scenario.checks {
        if !scenario.databases.iter().any(|one| Some(&one.name) == check.database.as_ref()) {
            cases.push(check_case(scenario, class, check));
        }
    }
    cases.extend(verdict_fate(scenario, &cases).map(|fate| case(class, "verdict", 0.0, &fate)));
    cases
}

/// The result must be visible somewhere: a report that shows only green cases is green.
fn verdict_fate(scenario: &ScenarioReport, cases: &[TestCase]) -> Option<Fate> {
    let shown = cases.iter().any(|case| case.is_failure() || case.is_error());
    let red_elsewhere =
        scenario.databases.iter().any(|database| {
            matches!(database.outcome, DatabaseOutcome::Failed | DatabaseOutcome::Errored)
        }) || scenario.checks.iter().any(|check| check.outcome != CheckOutcome::Passed);
    match scenario.result {
        ScenarioResult::Passed => None,
        ScenarioResult::Failed if expects_fault(scenario) => Some(unmet(scenario)),
        _ if shown || (red_elsewhere && !fault_came(scenario)) => None,
        ScenarioResult::Failed => Some(Fate::Failed {
            kind: scenario.verdict.as_str().to_owned(),
            message: "the backup is not restorable".to_owned(),
            body: String::new(),
        }),
        ScenarioResult::Errored | ScenarioResult::Skipped => Some(Fate::Errored {
            kind: scenario.verdict.as_str().to_owned(),
            message: "nothing is known about the backup".to_owned(),
            body: String::new(),
        }),
    }
}

fn database_suite(
    scenario: &ScenarioReport,
    database: &DatabaseReport,
    started: OffsetDateTime,
) -> TestSuite {
    let class = format!("{} / {}", scenario.name, database.name);
    let mut suite = TestSuiteBuilder::new(&xml_line(&class));
    suite.set_timestamp(started);
    let findings: Vec<&Finding> = database.findings.iter().collect();
    let passed = format!(
        "{} entries of the table of contents and {} tables with rows compared",
        database.entries_compared, database.tables_compared
    );
    let fate = match database.outcome {
        DatabaseOutcome::Skipped => Fate::Skipped("not restored".to_owned()),
        DatabaseOutcome::Cancelled => Fate::Skipped("the run was cancelled".to_owned()),
        DatabaseOutcome::Restored
        | DatabaseOutcome::Failed
        | DatabaseOutcome::Errored
        | DatabaseOutcome::ExpectedFailure
        | DatabaseOutcome::UnexpectedSuccess => match fate_of(&findings, passed) {
            // Without a finding of its own: lost with the archive.
            Fate::Passed(_) if database.outcome == DatabaseOutcome::Failed => Fate::Failed {
                kind: "archive_damaged".to_owned(),
                message: "lost with the archive".to_owned(),
                body: String::new(),
            },
            // What the surroundings may have caused is no failure of the backup.
            Fate::Failed { kind, message, body }
                if database.outcome == DatabaseOutcome::Errored =>
            {
                let of_surroundings =
                    database.findings.iter().find(|f| f.class == FindingClass::Environment);
                match of_surroundings {
                    Some(finding) => Fate::Errored {
                        kind: finding.code.as_str().to_owned(),
                        message: finding.message.clone(),
                        body,
                    },
                    None => Fate::Errored { kind, message, body },
                }
            }
            fate => fate,
        },
    };
    let fate = weighed(scenario, fate);
    suite.add_testcase(case(&class, "restore", database.duration_seconds, &fate));
    let own = |check: &&CheckReport| check.database.as_ref() == Some(&database.name);
    for check in scenario.checks.iter().filter(own) {
        suite.add_testcase(check_case(scenario, &class, check));
    }
    suite.build()
}

fn check_case(scenario: &ScenarioReport, class: &str, check: &CheckReport) -> TestCase {
    let message = format!("expected {}, observed {}", check.expected, check.observed);
    let line = check.line.map(|line| format!("line {line} of the scenario")).unwrap_or_default();
    let body = format!("{message}\n{line}");
    let name = format!("check: {}", check.name);
    let fate = match check.outcome {
        CheckOutcome::Passed => Fate::Passed(with_warning(scenario, check, message)),
        CheckOutcome::Failed => Fate::Failed { kind: "check_failed".to_owned(), message, body },
        CheckOutcome::Errored => Fate::Errored { kind: "check_errored".to_owned(), message, body },
        CheckOutcome::Skipped => Fate::Skipped(message),
    };
    case(class, &name, check.duration_seconds, &weighed(scenario, fate))
}

/// A check that holds may have warned.
fn with_warning(scenario: &ScenarioReport, check: &CheckReport, message: String) -> String {
    let is_its = |finding: &&Finding| {
        finding.code == FindingCode::CheckWarned
            && finding.object.as_ref() == Some(&check.name)
            && finding.database == check.database
    };
    match scenario.findings.iter().find(is_its) {
        Some(warning) => format!("{message}\n{}", describe(warning)),
        None => message,
    }
}

#[cfg(test)]
mod tests;
