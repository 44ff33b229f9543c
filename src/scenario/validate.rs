//! What no key says alone: contradictions, and the whole as a [`Scenario`].

mod baseline;
mod checks;
mod objectives;

use camino::{Utf8Path, Utf8PathBuf};

use super::Scenario;
use super::choice::{
    BackupChoice, DatabaseSample, EngineChoice, ExpectedVerdict, ImageChoice, KeyChoice, Limits,
    PostgresChoice, ReportChoice, RestoreChoice, SandboxChoice,
};
use super::filled::Filled;
use super::kind::Placed;
use super::language::{
    RawBackup, RawDecrypt, RawPostgres, RawReport, RawRestore, RawSandbox, RawScenario, RawScope,
    RawVerdict,
};
use super::problem::Problems;

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
    let checks = checks::checks(file, raw, &restore, problems);
    let expect = match raw.expect.as_ref().and_then(|expect| expect.value.verdict.as_ref()) {
        Some(verdict) => expected(&verdict.value, &restore, problems)?,
        None => ExpectedVerdict::default(),
    };
    let objectives = objectives::objectives(raw, &restore, &expect, problems)?;
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
        objectives,
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
        content: default.content,
        sample: raw.scope.as_ref().and_then(|scope| match &scope.value {
            RawScope::Full => None,
            RawScope::Sample { databases, seed } => Some(DatabaseSample {
                databases: value(databases.as_ref()).unwrap_or(DatabaseSample::DATABASES),
                seed: value(seed.as_ref()),
            }),
        }),
    }
}

fn refuse_left_out(
    restore: &RestoreChoice,
    database: &Placed<Filled<String>>,
    problems: &mut Problems<'_>,
) {
    let name = database.value.expose();
    if let Some(key) = restore.leaves_out(name) {
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
