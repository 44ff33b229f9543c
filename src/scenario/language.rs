//! The language itself: every key of version 1, once.

mod checks;
mod objectives;
mod raw;
mod scope;
mod sections;
mod verdict;

use std::sync::OnceLock;

use super::keys::Section;
use super::kind::Kind as _;
use super::shape::{KeyShape, Shape};
use super::suggest::{either, nearest};

pub(super) use raw::{
    RawBackup, RawBaseline, RawCheck, RawCheckKind, RawComparisons, RawDecrypt, RawNewest,
    RawPgTap, RawPostgres, RawQuestion, RawReport, RawRestore, RawRows, RawRpo, RawSample,
    RawSandbox, RawScenario, RawScope, RawThresholds, RawVerdict,
};

/// Reads a scenario, or describes one.
pub(super) const SCENARIO: Section<RawScenario> = Section(sections::scenario);

/// The whole language, described once.
pub(super) fn shape() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| SCENARIO.shape())
}

/// Where a key that was found elsewhere belongs, slips included.
pub(super) fn home_of(name: &str) -> Option<String> {
    let mut homes: Vec<(String, &'static str)> = Vec::new();
    shape().walk("", &mut |path, key: &KeyShape| {
        let home = path.strip_suffix(key.name).unwrap_or_default().trim_end_matches('.');
        homes.push((home.to_owned(), key.name));
    });
    let meant = nearest(name, homes.iter().map(|(_, known)| *known))?;
    homes.retain(|(_, known)| *known == meant);
    let place = match homes.first()?.0.as_str() {
        "" => "at the top level".to_owned(),
        _ => format!("under {}", either(homes.iter().map(|(home, _)| home.as_str()))),
    };
    Some(if name == meant {
        format!("`{name}` belongs {place}")
    } else {
        format!("did you mean `{meant}`? It belongs {place}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_where_it_belongs() {
        let home = |name: &str| home_of(name).unwrap_or_default();
        assert_eq!(home("memory"), "`memory` belongs under `sandbox`");
        assert_eq!(home("checks"), "`checks` belongs at the top level");
        assert_eq!(home("at_least"), "`at_least` belongs under `checks[].query`");
        assert_eq!(home("imgae"), "did you mean `image`? It belongs under `postgres`");
        assert_eq!(home("cadence"), "");
    }
}
