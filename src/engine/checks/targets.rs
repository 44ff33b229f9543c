//! Which databases a check looks at.

use std::time::Instant;

use super::{Answered, Checked};
use crate::outcome::{CheckOutcome, DatabaseOutcome, DatabaseReport};
use crate::scenario::Databases;

/// What a check says where it cannot ask.
pub(super) type Standing = (CheckOutcome, String);

/// A database that a check looks at.
pub(super) struct Target {
    /// Missing where no database fits.
    pub(super) database: Option<String>,
    pub(super) standing: Result<(), Standing>,
}

impl Checked<'_> {
    /// Every database that is meant, in the backup's order; what is meant and not there comes first.
    pub(super) fn targets(&self, databases: &Databases) -> Vec<Target> {
        if let Databases::One(name) = databases {
            return vec![Target { database: Some(name.clone()), standing: self.standing(name) }];
        }
        let taken = self.databases.iter().filter(|database| {
            self.restore.is_none_or(|restore| restore.leaves_out(&database.name).is_none())
        });
        let names = taken.clone().map(|database| database.name.as_str());
        let mut targets = Vec::new();
        let unmatched = databases.unmatched(names);
        if !unmatched.is_empty() {
            let globs: Vec<String> = unmatched.iter().map(|glob| format!("`{glob}`")).collect();
            let said = format!(
                "the backup holds no database that matches {}, or the scenario leaves it out",
                globs.join(" or ")
            );
            targets.push(Target { database: None, standing: Err((CheckOutcome::Failed, said)) });
        }
        targets.extend(taken.filter(|one| databases.holds(&one.name)).map(|one| Target {
            database: Some(one.name.clone()),
            standing: self.standing(&one.name),
        }));
        targets
    }

    /// What is known of every database that is meant, and one answer for what is not there.
    pub(super) fn each(
        &self,
        databases: &Databases,
        of_database: impl Fn(&DatabaseReport) -> Standing,
    ) -> Vec<Answered> {
        let of_target = |Target { database, standing }| {
            let started = Instant::now();
            let report = self.databases.iter().find(|one| Some(&one.name) == database.as_ref());
            let (outcome, observed) = match (report, standing) {
                (Some(report), _) => of_database(report),
                (None, Err(standing)) => standing,
                (None, Ok(())) => return None,
            };
            Some(Answered { database, outcome, observed, started })
        };
        self.targets(databases).into_iter().filter_map(of_target).collect()
    }

    /// Whether a database can be asked; else what a check on it says.
    pub(super) fn standing(&self, name: &str) -> Result<(), Standing> {
        let database = self.databases.iter().find(|database| database.name == name);
        match database.map(|database| database.outcome) {
            Some(DatabaseOutcome::Restored) => Ok(()),
            Some(_) => Err((CheckOutcome::Skipped, format!("database `{name}` was not restored"))),
            None => Err((
                CheckOutcome::Failed,
                format!("the backup holds no database `{name}`, or the scenario leaves it out"),
            )),
        }
    }
}
