//! `baseline` checks: the file is read with the scenario, so that a torn one is told at once.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use camino::Utf8Path;

use super::{backup_path, value};
use crate::baseline::{Baseline, NoBaseline};
use crate::scenario::BaselineCheck;
use crate::scenario::filled::Filled;
use crate::scenario::kind::Placed;
use crate::scenario::language::RawBaseline;
use crate::scenario::problem::Problems;
use crate::text::one_line;

/// A baseline takes 11 kB for each table: this is one of 50,000.
const LIMIT_BYTES: u64 = 512 * 1024 * 1024;

pub(super) fn baseline_check(
    file: &Utf8Path,
    raw: &RawBaseline,
    problems: &mut Problems<'_>,
) -> Option<BaselineCheck> {
    let named = raw.file.as_ref()?;
    let path = backup_path(file, named.value.expose());
    let baseline = match read(&path) {
        Ok(baseline) => Arc::new(baseline),
        Err(NoBaseline { cause, step }) => {
            let message = format!("`{path}` is no baseline: {cause}");
            problems.add(named.span, message, Some(step.to_owned()));
            return None;
        }
    };
    let globs = |given: Option<&Placed<Vec<Placed<Filled<String>>>>>| -> Vec<String> {
        let all = || vec!["*".to_owned()];
        let given =
            given.map(|list| list.value.iter().map(|glob| glob.value.expose().clone()).collect());
        given.unwrap_or_else(all)
    };
    let databases = globs(raw.databases.as_ref());
    let is_asked = |name: &str| {
        databases.iter().any(|glob| glob::Pattern::new(glob).is_ok_and(|glob| glob.matches(name)))
    };
    if !baseline.databases.iter().any(|database| is_asked(&database.name)) {
        let has: Vec<String> =
            baseline.databases.iter().map(|database| one_line(&database.name, 60)).collect();
        let help = format!("it holds {}", has.join(", "));
        let span = raw.databases.as_ref().map_or(named.span, |databases| databases.span);
        let message = "the baseline holds none of these databases".to_owned();
        problems.add(span, message, Some(help));
        return None;
    }
    Some(BaselineCheck {
        file: path,
        baseline,
        within: value(raw.within.as_ref()).unwrap_or(0.0),
        databases,
        tables: globs(raw.tables.as_ref()),
    })
}

fn read(path: &Utf8Path) -> Result<Baseline, NoBaseline> {
    let unreadable = |error: std::io::Error| NoBaseline {
        cause: error.to_string(),
        step: "take it with pgdrill fingerprint --dsn URL --output FILE, or name it: a relative path is \
            looked up beside the scenario first",
    };
    // A pipe or a device would be waited for.
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if found.is_dir() {
        return Err(NoBaseline { cause: "it is a folder".to_owned(), step: "name the file in it" });
    }
    if !found.is_file() {
        let step = "name a file: a pipe or a device has no end";
        return Err(NoBaseline { cause: "it is no file".to_owned(), step });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|opened| opened.take(LIMIT_BYTES).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Baseline::parse(&bytes)
}
