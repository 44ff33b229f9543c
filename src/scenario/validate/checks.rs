//! Checks: what no key of one says alone.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::{refuse_left_out, value};
use crate::outcome::SourcePlace;
use crate::scenario::choice::RestoreChoice;
use crate::scenario::filled::Filled;
use crate::scenario::kind::Placed;
use crate::scenario::language::{
    RawCheck, RawCheckKind, RawComparisons, RawQuestion, RawRows, RawSample, RawScenario,
};
use crate::scenario::problem::Problems;
use crate::scenario::span::{Span, line_column, line_of};
use crate::scenario::{Check, CheckKind, Comparison, Question, RowsCheck, SampleCheck, SampleRows};

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
        match &check.value.kind {
            RawCheckKind::Query(question, _) | RawCheckKind::NoRows(question) => {
                if let Some(database) = &question.database {
                    refuse_left_out(restore, database, problems);
                }
            }
            RawCheckKind::Rows(rows) => refuse_no_database(rows.databases.as_ref(), problems),
            RawCheckKind::Sample(sample) => {
                refuse_no_database(sample.databases.as_ref(), problems);
            }
        }
        checks.extend(one_check(file, &check.value, problems));
    }
    checks
}

fn one_check(file: &Utf8Path, raw: &RawCheck, problems: &mut Problems<'_>) -> Option<Check> {
    let (kind, span) = match &raw.kind {
        RawCheckKind::NoRows(asked) => {
            (question(asked).map(CheckKind::NoRows), raw.name.as_ref()?.span)
        }
        RawCheckKind::Rows(asked) => (Some(CheckKind::Rows(rows(asked))), raw.name.as_ref()?.span),
        RawCheckKind::Sample(asked) => {
            (Some(CheckKind::Sample(sample(asked))), raw.name.as_ref()?.span)
        }
        RawCheckKind::Query(asked, comparisons) => {
            let (comparison, span) = comparison(comparisons, problems)?;
            (question(asked).map(|question| CheckKind::Query(question, comparison)), span)
        }
    };
    Some(Check {
        name: value(raw.name.as_ref())?,
        kind: kind?,
        place: Some(place(file, problems.text(), span)),
    })
}

fn question(raw: &RawQuestion) -> Option<Question> {
    Some(Question { database: value(raw.database.as_ref())?, sql: raw.sql.as_ref()?.value.clone() })
}

fn rows(raw: &RawRows) -> RowsCheck {
    RowsCheck {
        databases: globs(raw.databases.as_ref()),
        content: value(raw.content.as_ref()).unwrap_or_default(),
    }
}

fn sample(raw: &RawSample) -> SampleCheck {
    SampleCheck {
        databases: globs(raw.databases.as_ref()),
        tables: value(raw.tables.as_ref()).unwrap_or(20),
        rows: value(raw.rows.as_ref()).unwrap_or(SampleRows::Share(0.01)),
        seed: value(raw.seed.as_ref()).unwrap_or(1),
    }
}

/// Globs of databases; all of them where none are given.
fn globs(given: Option<&Placed<Vec<Placed<Filled<String>>>>>) -> Vec<String> {
    given.map_or_else(
        || vec!["*".to_owned()],
        |globs| globs.value.iter().map(|glob| glob.value.expose().clone()).collect(),
    )
}

fn refuse_no_database(
    globs: Option<&Placed<Vec<Placed<Filled<String>>>>>,
    problems: &mut Problems<'_>,
) {
    if let Some(globs) = globs.filter(|globs| globs.value.is_empty())
        && !problems.any_in(globs.span)
    {
        let help = "name at least one database, or leave the key out for all of them";
        let message = "`databases` without a database looks at nothing";
        problems.add(globs.key, message.to_owned(), Some(help.to_owned()));
    }
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
