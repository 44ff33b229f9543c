//! Checks: what no key of one says alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::baseline::baseline_check;
use super::{refuse_left_out, value};
use crate::outcome::SourcePlace;
use crate::scenario::choice::RestoreChoice;
use crate::scenario::filled::Filled;
use crate::scenario::kind::Placed;
use crate::scenario::language::{
    RawCheck, RawCheckKind, RawComparisons, RawPgTap, RawQuestion, RawRows, RawSample, RawScenario,
    RawThresholds,
};
use crate::scenario::problem::Problems;
use crate::scenario::span::{Span, line_column, line_of};
use crate::scenario::{
    Check, CheckKind, Comparison, Condition, Databases, ExpectedRows, PgTapCheck, Question,
    RowsCheck, SampleCheck, SampleRows, SequenceCheck, TestFile, Thresholds,
};

pub(super) fn checks(
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
        let (one, several) = match &check.value.kind {
            RawCheckKind::Query(question, _) | RawCheckKind::NoRows(question, _) => {
                (question.database.as_ref(), question.each_database.as_ref())
            }
            RawCheckKind::Rows(rows) => (None, rows.databases.as_ref()),
            RawCheckKind::Structure(databases) => (None, databases.as_ref()),
            RawCheckKind::Roles | RawCheckKind::Baseline(_) => (None, None),
            RawCheckKind::Sample(sample) => (None, sample.databases.as_ref()),
            RawCheckKind::Sequences(sequences) => (None, sequences.databases.as_ref()),
            RawCheckKind::PgTap(tests) => (tests.database.as_ref(), tests.each_database.as_ref()),
        };
        if let Some(database) = one {
            refuse_left_out(restore, database, problems);
        }
        if let Some(globs) = several {
            targets(globs, restore, problems);
        }
        checks.extend(one_check(file, &check.value, problems));
    }
    checks
}

/// What is wrong with the databases of a check that looks at several.
fn targets(
    globs: &Placed<Vec<Placed<Filled<String>>>>,
    restore: &RestoreChoice,
    problems: &mut Problems<'_>,
) {
    if globs.value.is_empty() && !problems.any_in(globs.span) {
        let help = "name at least one: [shop], or ['*'] for all".to_owned();
        problems.add(globs.span, "a check of no database looks at nothing".to_owned(), Some(help));
    }
    // A glob is compared with the databases of the backup when there is one.
    for glob in globs.value.iter().filter(|glob| !glob.value.expose().contains(['*', '?', '['])) {
        refuse_left_out(restore, glob, problems);
    }
}

fn one_check(file: &Utf8Path, raw: &RawCheck, problems: &mut Problems<'_>) -> Option<Check> {
    let (kind, span) = match &raw.kind {
        RawCheckKind::NoRows(asked, raw_thresholds) => {
            let (limits, span) = thresholds(raw_thresholds, problems)
                .unwrap_or_else(|| (Thresholds::no_row(), raw.name.as_ref().map(|it| it.span)));
            (question(asked).map(|question| CheckKind::NoRows(question, limits)), span?)
        }
        RawCheckKind::Rows(asked) => (Some(CheckKind::Rows(rows(asked))), raw.name.as_ref()?.span),
        RawCheckKind::Sample(asked) => {
            (Some(CheckKind::Sample(sample(asked))), raw.name.as_ref()?.span)
        }
        RawCheckKind::Structure(databases) => {
            (Some(CheckKind::Structure(several(databases.as_ref()))), raw.name.as_ref()?.span)
        }
        RawCheckKind::Roles => (Some(CheckKind::Roles), raw.name.as_ref()?.span),
        RawCheckKind::Sequences(asked) => {
            let sequences = CheckKind::Sequences(SequenceCheck {
                databases: several(asked.databases.as_ref()),
                schemas: globs_or_all(asked.schemas.as_ref()),
                time_limit: value(asked.time_limit.as_ref()),
            });
            (Some(sequences), raw.name.as_ref()?.span)
        }
        RawCheckKind::PgTap(asked) => {
            let check = pgtap(file, asked, problems);
            (check.map(CheckKind::PgTap), raw.name.as_ref()?.span)
        }
        RawCheckKind::Baseline(asked) => {
            let check = baseline_check(file, asked, problems);
            let span = asked.within.as_ref().map_or(raw.name.as_ref()?.span, |within| {
                Span::new(within.key.start, within.span.end)
            });
            (check.map(|check| CheckKind::Baseline(Box::new(check))), span)
        }
        RawCheckKind::Query(asked, comparisons) => {
            let (comparison, span) = comparison(file, comparisons, problems)?;
            (question(asked).map(|question| CheckKind::Query(question, comparison)), span)
        }
    };
    Some(Check {
        name: value(raw.name.as_ref())?,
        kind: kind?,
        place: Some(place(file, problems.text(), span)),
    })
}

fn globs_or_all(globs: Option<&Placed<Vec<Placed<Filled<String>>>>>) -> Vec<String> {
    let texts = |globs: &Placed<Vec<Placed<Filled<String>>>>| {
        globs.value.iter().map(|glob| glob.value.expose().clone()).collect()
    };
    globs.map_or_else(|| vec!["*".to_owned()], texts)
}

/// The files are read: what is wrong with them is told before anything starts.
fn pgtap(file: &Utf8Path, raw: &RawPgTap, problems: &mut Problems<'_>) -> Option<PgTapCheck> {
    let folder = file.parent().unwrap_or(Utf8Path::new(""));
    let given = raw.files.as_ref()?;
    if given.value.is_empty() && !problems.any_in(given.span) {
        let help = "name at least one: [tests/*.sql]".to_owned();
        problems.add(given.span, "a check of no file tests nothing".to_owned(), Some(help));
    }
    let mut files: Vec<TestFile> = Vec::new();
    for path in &given.value {
        match TestFile::read(folder, path.value.expose()) {
            Ok(found) => {
                for one in found {
                    // Two globs may match the same file.
                    if !files.iter().any(|known| known.path == one.path) {
                        files.push(one);
                    }
                }
            }
            Err((message, help)) => problems.add(path.span, message, Some(help)),
        }
    }
    let databases = one_or_each(raw.database.as_ref(), raw.each_database.as_ref())?;
    Some(PgTapCheck { databases, files, time_limit: value(raw.time_limit.as_ref()) })
}

/// The databases of a check that names one, or several by globs.
fn one_or_each(
    one: Option<&Placed<Filled<String>>>,
    each: Option<&Placed<Vec<Placed<Filled<String>>>>>,
) -> Option<Databases> {
    let each = || Some(Databases::Each(globs_or_all(Some(each?))));
    value(one).map(Databases::One).or_else(each)
}

fn question(raw: &RawQuestion) -> Option<Question> {
    Some(Question {
        databases: one_or_each(raw.database.as_ref(), raw.each_database.as_ref())?,
        sql: raw.sql.as_ref()?.value.clone(),
        time_limit: value(raw.time_limit.as_ref()),
    })
}

/// The databases of a check that looks at several; every one where it does not say.
fn several(globs: Option<&Placed<Vec<Placed<Filled<String>>>>>) -> Databases {
    Databases::Each(globs_or_all(globs))
}

fn rows(raw: &RawRows) -> RowsCheck {
    RowsCheck {
        databases: several(raw.databases.as_ref()),
        content: value(raw.content.as_ref()).unwrap_or_default(),
    }
}

fn sample(raw: &RawSample) -> SampleCheck {
    SampleCheck {
        databases: several(raw.databases.as_ref()),
        tables: value(raw.tables.as_ref()).unwrap_or(20),
        rows: value(raw.rows.as_ref()).unwrap_or(SampleRows::Share(0.01)),
        seed: value(raw.seed.as_ref()).unwrap_or(1),
    }
}

/// The one comparison, from its key to the end of its value.
fn comparison(
    file: &Utf8Path,
    raw: &RawComparisons,
    problems: &mut Problems<'_>,
) -> Option<(Comparison, Span)> {
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
        .or_else(|| equals_file(file, raw.equals_file.as_ref()?, problems))
        .or_else(|| {
            let (limits, span) = thresholds(&raw.thresholds, problems)?;
            Some((Comparison::Thresholds(limits), span?))
        })
}

/// The rows of a file: what is wrong with it is told before anything starts.
fn equals_file(
    file: &Utf8Path,
    given: &Placed<Filled<Utf8PathBuf>>,
    problems: &mut Problems<'_>,
) -> Option<(Comparison, Span)> {
    let path = given.value.expose();
    let folder = file.parent().unwrap_or(Utf8Path::new(""));
    match ExpectedRows::read(folder, path) {
        Ok(rows) => {
            let span = Span::new(given.key.start, given.span.end);
            Some((Comparison::EqualsFile(Arc::new(rows)), span))
        }
        Err(cause) => {
            let help = "a CSV file with a header, as `\\copy … CSV HEADER` writes it, relative to the scenario's folder";
            let message = format!("cannot take `{path}`: {cause}");
            problems.add(given.span, message, Some(help.to_owned()));
            None
        }
    }
}

/// Both conditions, and the place of the one that fails the check; `None` where there is none.
fn thresholds(
    raw: &RawThresholds,
    problems: &mut Problems<'_>,
) -> Option<(Thresholds, Option<Span>)> {
    let (warn_if, error_if) = (raw.warn_if.as_ref(), raw.error_if.as_ref());
    let deciding = error_if.or(warn_if)?;
    if let (Some(warn), Some(error)) = (warn_if, error_if)
        && warn.value.expose().is_within(error.value.expose())
    {
        let message = "this warning never comes: `error_if` holds wherever it does";
        let help = "the warning comes first: warn_if: '> 10', error_if: '> 100'";
        problems.add(warn.span, message.to_owned(), Some(help.to_owned()));
    }
    let span = Span::new(deciding.key.start, deciding.span.end);
    let value = |condition: &Placed<Filled<Condition>>| condition.value.clone();
    let thresholds = Thresholds { warn_if: warn_if.map(value), error_if: error_if.map(value) };
    Some((thresholds, Some(span)))
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
