//! What no key says alone: contradictions, and the whole as a [`Scenario`].

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use glob::Pattern;

use super::choice::{
    BackupChoice, EngineChoice, ExpectedVerdict, ImageChoice, KeyChoice, Limits, PostgresChoice,
    ReportChoice, RestoreChoice, SandboxChoice,
};
use super::filled::Filled;
use super::kind::Placed;
use super::language::{
    RawBackup, RawCheck, RawComparisons, RawDecrypt, RawPostgres, RawReport, RawRestore,
    RawSandbox, RawScenario, RawVerdict,
};
use super::problem::Problems;
use super::span::{Span, line_column, line_of};
use super::{Check, CheckKind, Comparison, Scenario};
use crate::outcome::SourcePlace;

/// The scenario that the keys make; `None` where a required one is missing, which was told before.
pub(super) fn validate(
    file: &Utf8Path,
    raw: &RawScenario,
    problems: &mut Problems<'_>,
) -> Option<Scenario> {
    let backup =
        raw.backup.as_ref().and_then(|backup| backup_choice(file, &backup.value, problems));
    let restore = raw
        .restore
        .as_ref()
        .map_or_else(RestoreChoice::default, |restore| restore_choice(&restore.value, problems));
    let sandbox = raw
        .sandbox
        .as_ref()
        .map(|sandbox| sandbox_choice(&sandbox.value, problems))
        .unwrap_or_default();
    let postgres = raw
        .postgres
        .as_ref()
        .map(|postgres| postgres_choice(&postgres.value, sandbox.engine, problems))
        .unwrap_or_default();
    let checks = checks(file, raw, &restore, problems);
    let expect = match raw.expect.as_ref().and_then(|expect| expect.value.verdict.as_ref()) {
        Some(verdict) => expected(&verdict.value, &restore, problems)?,
        None => ExpectedVerdict::default(),
    };
    Some(Scenario {
        name: value(raw.name.as_ref())?,
        description: value(raw.description.as_ref()),
        file: Some(file.to_path_buf()),
        backup: backup?,
        postgres,
        sandbox,
        restore: Some(restore),
        expect,
        checks,
        report: raw.report.as_ref().map(|it| report_choice(&it.value)).unwrap_or_default(),
    })
}

fn value<T: Clone>(given: Option<&Placed<Filled<T>>>) -> Option<T> {
    given.map(|placed| placed.value.expose().clone())
}

fn backup_choice(
    file: &Utf8Path,
    raw: &RawBackup,
    problems: &mut Problems<'_>,
) -> Option<BackupChoice> {
    if let (Some(pick), Some(sha256)) = (&raw.pick, &raw.sha256) {
        let message = "`sha256` names one file, and `pick` takes another every time";
        let help = "leave one of them out; checksums that lie beside a backup are compared anyway";
        let later = pick.key.max(sha256.key);
        problems.add(later, message.to_owned(), Some(help.to_owned()));
    }
    Some(BackupChoice {
        path: backup_path(file, raw.path.as_ref()?.value.expose()),
        pick: value(raw.pick.as_ref()),
        sha256: value(raw.sha256.as_ref()),
        decrypt: raw.decrypt.as_ref().and_then(|decrypt| key_choice(file, &decrypt.value)),
    })
}

fn key_choice(file: &Utf8Path, raw: &RawDecrypt) -> Option<KeyChoice> {
    let in_file = value(raw.key_file.as_ref()).map(|path| {
        let beside = file.parent().map(|folder| folder.join(&path));
        KeyChoice::File(beside.filter(|beside| beside.exists()).unwrap_or(path))
    });
    in_file.or_else(|| value(raw.key_env.as_ref()).map(KeyChoice::Variable))
}

/// A scenario and its backup often lie side by side and are run from elsewhere.
fn backup_path(file: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    let beside = file.parent().map(|folder| folder.join(path));
    let is_there = |beside: &Utf8PathBuf| {
        let matches = || glob::glob(beside.as_str()).is_ok_and(|mut paths| paths.next().is_some());
        beside.exists() || matches()
    };
    beside
        .filter(|beside| path.is_relative() && is_there(beside))
        .unwrap_or_else(|| path.to_owned())
}

fn postgres_choice(
    raw: &RawPostgres,
    engine: Option<EngineChoice>,
    problems: &mut Problems<'_>,
) -> PostgresChoice {
    // The local engine looks at no image.
    if let (Some(version), Some(image)) = (&raw.version, &raw.image)
        && let (Some(major), ImageChoice::Map(images)) = (version.value.expose(), &image.value)
        && !images.contains_key(major)
        && !problems.any_in(image.span)
        && engine != Some(EngineChoice::Local)
    {
        let shown = version.value.shown(|_| major.to_string());
        let named: Vec<String> = images.keys().map(u32::to_string).collect();
        let help = format!("it names images for {}: add another, or a version", named.join(", "));
        let message = format!("`image` names no image for PostgreSQL {shown}");
        problems.add(version.span, message, Some(help));
    }
    PostgresChoice {
        major: value(raw.version.as_ref()).flatten(),
        image: raw.image.as_ref().map(|image| image.value.clone()),
    }
}

fn sandbox_choice(raw: &RawSandbox, problems: &mut Problems<'_>) -> SandboxChoice {
    let limits = Limits {
        memory: value(raw.memory.as_ref()),
        cpus: value(raw.cpus.as_ref()),
        pids: value(raw.pids.as_ref()),
        shm: value(raw.shm.as_ref()),
        disk: value(raw.disk.as_ref()),
    };
    let engine = value(raw.engine.as_ref());
    if engine == Some(EngineChoice::Local) {
        let places = [
            ("sandbox.memory", raw.memory.as_ref().map(|memory| memory.key)),
            ("sandbox.cpus", raw.cpus.as_ref().map(|cpus| cpus.key)),
            ("sandbox.disk", raw.disk.as_ref().map(|disk| disk.key)),
        ];
        let refused = limits.of_containers();
        for (key, place) in places.into_iter().filter(|(key, _)| refused.contains(key)) {
            let message = format!("the local engine cannot hold the limit `{key}`");
            let help = "leave it out, or take `engine: docker`: only a container can hold it";
            problems.add(place.unwrap_or_default(), message, Some(help.to_owned()));
        }
    }
    SandboxChoice {
        engine,
        isolation: value(raw.isolation.as_ref()),
        pull: value(raw.pull.as_ref()),
        limits,
    }
}

fn restore_choice(raw: &RawRestore, problems: &mut Problems<'_>) -> RestoreChoice {
    let globs = |globs: &Vec<Placed<Filled<String>>>| -> Vec<String> {
        globs.iter().map(|glob| glob.value.expose().clone()).collect()
    };
    if let Some(only) =
        raw.only.as_ref().filter(|only| only.value.is_empty() && !problems.any_in(only.span))
    {
        let help = "name at least one database, or leave the key out for all of them";
        problems.add(
            only.key,
            "`only` without a database restores nothing".to_owned(),
            Some(help.to_owned()),
        );
    }
    for glob in raw.exclude.iter().flat_map(|exclude| &exclude.value) {
        if glob.value.expose().bytes().all(|byte| byte == b'*') {
            let message = "this leaves every database out: nothing would be restored";
            let help = "`only` says what to restore";
            problems.add(glob.span, message.to_owned(), Some(help.to_owned()));
        }
    }
    let default = RestoreChoice::default();
    RestoreChoice {
        only: raw.only.as_ref().map_or(default.only, |only| globs(&only.value)),
        exclude: raw.exclude.as_ref().map_or(default.exclude, |exclude| globs(&exclude.value)),
        on_error: value(raw.on_error.as_ref()).unwrap_or_default(),
        time_limit: value(raw.time_limit.as_ref()),
    }
}

/// Which key leaves a database out, if one does.
fn leaves_out(restore: &RestoreChoice, database: &str) -> Option<&'static str> {
    let any = |globs: &[String]| {
        globs.iter().any(|glob| Pattern::new(glob).is_ok_and(|glob| glob.matches(database)))
    };
    if any(&restore.exclude) {
        Some("exclude")
    } else if any(&restore.only) || restore.only.is_empty() {
        None
    } else {
        Some("only")
    }
}

fn refuse_left_out(
    restore: &RestoreChoice,
    database: &Placed<Filled<String>>,
    problems: &mut Problems<'_>,
) {
    let name = database.value.expose();
    if let Some(key) = leaves_out(restore, name) {
        let message = format!("`restore.{key}` leaves the database `{name}` out");
        let help = "restore it too, or ask another".to_owned();
        problems.add(database.span, message, Some(help));
    }
}

fn expected(
    raw: &RawVerdict,
    restore: &RestoreChoice,
    problems: &mut Problems<'_>,
) -> Option<ExpectedVerdict> {
    match raw {
        RawVerdict::Restorable => Some(ExpectedVerdict::Restorable),
        RawVerdict::NotRestorable { finding, database } => {
            if let Some(database) = database {
                refuse_left_out(restore, database, problems);
            }
            Some(ExpectedVerdict::NotRestorable {
                finding: value(finding.as_ref())?,
                database: value(database.as_ref()),
            })
        }
    }
}

fn report_choice(raw: &RawReport) -> ReportChoice {
    ReportChoice { junit: value(raw.junit.as_ref()), json: value(raw.json.as_ref()) }
}

fn checks(
    file: &Utf8Path,
    raw: &RawScenario,
    restore: &RestoreChoice,
    problems: &mut Problems<'_>,
) -> Vec<Check> {
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    let mut checks = Vec::new();
    for check in raw.checks.iter().flat_map(|checks| &checks.value) {
        if let Some(name) = &check.value.name {
            match names.get(name.value.expose()) {
                Some(first) => {
                    let (line, _) = line_column(problems.text(), first.start);
                    let message = format!("a second check is named `{}`", name.value.expose());
                    let help = format!(
                        "the first is in line {line}: reports tell checks apart by their names"
                    );
                    problems.add(name.span, message, Some(help));
                }
                None => {
                    names.insert(name.value.expose().clone(), name.span);
                }
            }
        }
        if let Some(database) = &check.value.database {
            refuse_left_out(restore, database, problems);
        }
        checks.extend(one_check(file, &check.value, problems));
    }
    checks
}

fn one_check(file: &Utf8Path, raw: &RawCheck, problems: &mut Problems<'_>) -> Option<Check> {
    let name = raw.name.as_ref();
    let (kind, span) = match &raw.comparisons {
        None => (CheckKind::NoRows, name?.span),
        Some(comparisons) => {
            let (comparison, span) = comparison(comparisons, problems)?;
            (CheckKind::Query(comparison), span)
        }
    };
    Some(Check {
        name: value(raw.name.as_ref())?,
        database: value(raw.database.as_ref())?,
        sql: raw.sql.as_ref()?.value.clone(),
        kind,
        place: Some(place(file, problems.text(), span)),
    })
}

/// The one comparison, from its key to the end of its value.
fn comparison(raw: &RawComparisons, problems: &mut Problems<'_>) -> Option<(Comparison, Span)> {
    fn one<T: Clone>(
        given: Option<&Placed<Filled<T>>>,
        make: fn(Filled<T>) -> Comparison,
    ) -> Option<(Comparison, Span)> {
        let given = given?;
        Some((make(given.value.clone()), Span::new(given.key.start, given.span.end)))
    }
    one(raw.equals.as_ref(), Comparison::Equals)
        .or_else(|| one(raw.at_least.as_ref(), Comparison::AtLeast))
        .or_else(|| one(raw.at_most.as_ref(), Comparison::AtMost))
        .or_else(|| one(raw.newer_than.as_ref(), Comparison::NewerThan))
        .or_else(|| one(raw.matches.as_ref(), Comparison::Matches))
        .or_else(|| between(raw.between.as_ref()?, problems))
}

fn between(
    bounds: &Placed<Vec<Placed<Filled<String>>>>,
    problems: &mut Problems<'_>,
) -> Option<(Comparison, Span)> {
    if problems.any_in(bounds.span) {
        return None;
    }
    let [low, high] = bounds.value.as_slice() else {
        let help = "two numbers: between: [1, 10]".to_owned();
        problems.add(bounds.span, "`between` takes two numbers".to_owned(), Some(help));
        return None;
    };
    let number = |bound: &Placed<Filled<String>>| bound.value.expose().parse::<f64>().ok();
    if number(low)? > number(high)? {
        let help = "the smaller number comes first".to_owned();
        problems.add(bounds.span, "no number lies between these".to_owned(), Some(help));
    }
    let comparison = Comparison::Between(low.value.clone(), high.value.clone());
    Some((comparison, Span::new(bounds.key.start, bounds.span.end)))
}

fn place(file: &Utf8Path, text: &str, span: Span) -> SourcePlace {
    let shown = span.first_line(text);
    let (line, column) = line_column(text, shown.start);
    SourcePlace {
        file: file.to_string(),
        line,
        column,
        length: shown.of(text).chars().count(),
        text: line_of(text, shown.start).to_owned(),
    }
}
