//! A plan as text.

use super::lines::{Style, describe_finding};
use crate::outcome::LimitFacts;
use crate::plan::{EngineOutlook, PlanReport, ScenarioPlan};
use crate::text::{ByteCount, duration, one_line};

/// What several runs would do, for people.
pub fn describe_plan(report: &PlanReport, style: Style) -> String {
    let plans: Vec<String> =
        report.scenarios.iter().map(|plan| describe_scenario(plan, style)).collect();
    plans.join("\n")
}

fn describe_scenario(plan: &ScenarioPlan, style: Style) -> String {
    let mut text = style.bold(&one_line(&plan.name, 200));
    if let Some(file) = &plan.file {
        text.push_str(&format!(" {}", one_line(file, 300)));
    }
    text.push('\n');
    for (label, value) in facts(plan) {
        text.push_str(&format!("  {label:<18} {}\n", one_line(&value, 300)));
    }
    text.push_str(&databases(plan));
    text.push_str("\n  Steps\n");
    for (index, step) in plan.steps.iter().enumerate() {
        text.push_str(&format!(
            "    {}. {:<10} {} ({})\n",
            index + 1,
            step.name,
            one_line(&step.what, 200),
            about(step.estimated_seconds)
        ));
    }
    text.push_str(&checks(plan));
    text.push_str(&estimate(plan));
    for finding in plan.all_findings() {
        text.push_str(&describe_finding(finding, style));
        text.push('\n');
    }
    for warning in &plan.warnings {
        text.push_str(&format!("  warning: {}\n", one_line(warning, 300)));
    }
    if !plan.not_tested.is_empty() {
        text.push_str("  Will not be tested\n");
        for line in &plan.not_tested {
            text.push_str(&format!("    - {}\n", one_line(line, 300)));
        }
    }
    text.push_str(&format!("\n{}\n", outlook(plan)));
    text
}

fn facts(plan: &ScenarioPlan) -> Vec<(&'static str, String)> {
    let backup = &plan.backup;
    let mut facts = vec![(
        "backup",
        format!("{}: {}, {}", backup.path, backup.format, ByteCount(backup.bytes)),
    )];
    if let Some(picked) = &backup.picked {
        facts.push(("picked", picked.clone()));
    }
    if let Some(version) = &backup.server_version {
        facts.push(("made by", format!("PostgreSQL {version}")));
    }
    if let Some(made) = &backup.created_at {
        facts.push(("made at", made.clone()));
    }
    if plan.expected != "restorable" {
        facts.push(("expected", plan.expected.clone()));
    }
    if let Some(engine) = &plan.engine {
        facts.extend(of_engine(engine));
        facts.push(("sandboxes", format!("{}, removed at the end", plan.sandboxes)));
    }
    if let Some(seconds) = plan.estimate.time_limit_seconds {
        facts.push(("time limit", about(seconds)));
    }
    if !plan.excluded.is_empty() {
        facts.push(("left out", plan.excluded.join(", ")));
    }
    for (what, names) in
        [("roles", &plan.placeholder_roles), ("tablespaces", &plan.placeholder_tablespaces)]
    {
        if !names.is_empty() {
            facts.push(("made up", format!("{what} {}", names.join(", "))));
        }
    }
    facts
}

fn of_engine(engine: &EngineOutlook) -> Vec<(&'static str, String)> {
    let mut facts = vec![("engine", format!("{}: {}", engine.kind, engine.reason))];
    if let Some(image) = &engine.image {
        let there = match (&engine.image_digest, engine.would_pull) {
            (Some(digest), false) => format!("on the daemon ({digest})"),
            (Some(_), true) => "on the daemon, would be pulled again".to_owned(),
            (None, _) => "not on the daemon, would be pulled".to_owned(),
        };
        facts.push(("image", format!("{image}, {there}")));
    }
    if let Some(programs) = &engine.programs {
        let version = engine.server_version.clone().unwrap_or_default();
        facts.push(("programs", format!("{programs}, PostgreSQL {version}")));
    }
    facts.push(("server", format!("PostgreSQL {} or newer", engine.major)));
    if !engine.limits.is_empty() {
        let limits: Vec<String> = engine.limits.iter().map(limit).collect();
        facts.push(("limits", limits.join(", ")));
    }
    facts
}

fn limit(limit: &LimitFacts) -> String {
    let name = limit.key.strip_prefix("sandbox.").unwrap_or(limit.key);
    let value = match limit.unit {
        "bytes" => ByteCount(limit.value).to_string(),
        "millicores" => format!("{}.{:03}", limit.value / 1000, limit.value % 1000),
        _ => limit.value.to_string(),
    };
    format!("{name} {value} ({})", limit.held)
}

fn databases(plan: &ScenarioPlan) -> String {
    if plan.databases.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n  {:<24} {:<8} {:>10} {:>10} {:>8} {:>10}  {}\n",
        "Database", "Format", "Archive", "Data", "Entries", "Estimate", "Extensions"
    );
    for database in &plan.databases {
        let time = if database.restores { about(database.estimated_seconds) } else { "bad".into() };
        let line = format!(
            "  {:<24} {:<8} {:>10} {:>10} {:>8} {time:>10}  {}",
            one_line(&database.name, 24),
            database.format,
            ByteCount(database.archive_bytes).to_string(),
            ByteCount(database.data_bytes).to_string(),
            database.entries,
            one_line(&database.extensions.join(", "), 200),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn checks(plan: &ScenarioPlan) -> String {
    if plan.checks.is_empty() {
        return String::new();
    }
    let mut text = "\n  Checks\n".to_owned();
    for check in &plan.checks {
        text.push_str(&format!(
            "    {:<8} {}{}: {}\n",
            check.kind,
            one_line(&check.name, 60),
            check
                .database
                .as_ref()
                .map_or_else(String::new, |name| { format!(" in {}", one_line(name, 60)) }),
            one_line(&check.expected, 100)
        ));
    }
    text
}

fn estimate(plan: &ScenarioPlan) -> String {
    let estimate = &plan.estimate;
    let mut text = format!("\n  Estimate: {}", about(estimate.seconds));
    if plan.starts {
        text.push_str(&format!(", {} of disk", ByteCount(estimate.space_bytes)));
    }
    text.push_str(", on the safe side\n");
    for sentence in &estimate.assumptions {
        text.push_str(&format!("    - {sentence}\n"));
    }
    text
}

fn outlook(plan: &ScenarioPlan) -> String {
    let start =
        if plan.starts { "A run would start a server" } else { "A run would start no server" };
    match plan.decided {
        None => format!("{start}; nothing was started, nothing was pulled."),
        Some(prospect) => format!(
            "{start}; by what is known already it would end with `{}`, exit {}.",
            prospect.verdict.as_str(),
            prospect.exit_code
        ),
    }
}

/// Seconds that were guessed: no tenths.
fn about(seconds: u64) -> String {
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        duration(std::time::Duration::from_secs(seconds))
    }
}
