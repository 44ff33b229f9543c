//! Recovery objectives: what no key of them says alone.

use super::{refuse_left_out, value};
use crate::scenario::choice::{ExpectedVerdict, RestoreChoice};
use crate::scenario::language::{RawNewest, RawRpo, RawScenario};
use crate::scenario::problem::Problems;
use crate::scenario::{Databases, ObjectiveChoice, Question, RpoChoice};

pub(super) fn objectives(
    raw: &RawScenario,
    restore: &RestoreChoice,
    expect: &ExpectedVerdict,
    problems: &mut Problems<'_>,
) -> Option<ObjectiveChoice> {
    let Some(objectives) = &raw.objectives else { return Some(ObjectiveChoice::default()) };
    if *expect != ExpectedVerdict::Restorable {
        let message = "a scenario that expects a bad backup has no recovery to measure";
        let help = "leave `objectives` out, or expect the backup to be restorable";
        problems.add(objectives.key, message.to_owned(), Some(help.to_owned()));
    }
    let rpo = match &objectives.value.rpo {
        Some(rpo) => Some(rpo_choice(&rpo.value, restore, problems)?),
        None => None,
    };
    Some(ObjectiveChoice { rto: value(objectives.value.rto.as_ref()), rpo })
}

fn rpo_choice(
    raw: &RawRpo,
    restore: &RestoreChoice,
    problems: &mut Problems<'_>,
) -> Option<RpoChoice> {
    let query = match &raw.query {
        Some(query) => Some(newest(&query.value, restore, problems)?),
        None => None,
    };
    Some(RpoChoice { target: value(raw.target.as_ref())?, zone: value(raw.zone.as_ref()), query })
}

fn newest(
    raw: &RawNewest,
    restore: &RestoreChoice,
    problems: &mut Problems<'_>,
) -> Option<Question> {
    if let Some(database) = &raw.database {
        refuse_left_out(restore, database, problems);
    }
    Some(Question {
        databases: Databases::One(value(raw.database.as_ref())?),
        sql: raw.sql.as_ref()?.value.clone(),
        time_limit: None,
    })
}
