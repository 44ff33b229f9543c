//! The language itself: every key of version 1, once.

mod checks;
mod raw;
mod sections;
mod verdict;

use std::sync::OnceLock;

use super::keys::Section;
use super::kind::Kind as _;
use super::shape::{KeyShape, Shape};
use super::suggest::either;

pub(super) use raw::{
    RawBackup, RawCheck, RawComparisons, RawPostgres, RawReport, RawRestore, RawSandbox,
    RawScenario, RawVerdict,
};

/// Reads a scenario, or describes one.
pub(super) const SCENARIO: Section<RawScenario> = Section(sections::scenario);

/// The whole language, described once.
pub(super) fn shape() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| SCENARIO.shape())
}

/// Where a key that was found elsewhere belongs: under which key, or at the top.
pub(super) fn homes_of(name: &str) -> Option<String> {
    let mut homes: Vec<String> = Vec::new();
    shape().walk("", &mut |path, key: &KeyShape| {
        if key.name == name {
            let home = path.strip_suffix(name).unwrap_or_default().trim_end_matches('.');
            homes.push(home.trim_end_matches("[]").to_owned());
        }
    });
    match homes.first()?.as_str() {
        "" => Some("at the top level".to_owned()),
        _ => Some(format!("under {}", either(homes.iter().map(String::as_str)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_where_it_belongs() {
        assert_eq!(homes_of("memory").as_deref(), Some("under `sandbox`"));
        assert_eq!(homes_of("checks").as_deref(), Some("at the top level"));
        assert_eq!(homes_of("at_least").as_deref(), Some("under `checks[].query`"));
        assert_eq!(homes_of("cadence"), None);
    }
}
