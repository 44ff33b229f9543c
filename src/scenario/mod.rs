//! The scenario language, version 1: what to test, how, and what must be true.
//!
//! `raw` is the YAML as written, `load` turns it into a validated [`Scenario`] with its defaults
//! filled in and its lines kept. A key is here when its feature works.

mod check;
mod load;
mod problem;
mod raw;

use camino::Utf8PathBuf;

pub use check::{Check, CheckKind, Comparison};
pub use load::load;
pub use problem::{ScenarioError, ScenarioProblem};

/// What to test.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Unique; becomes the JUnit suite.
    pub name: String,
    /// The file it was read from.
    pub file: Option<Utf8PathBuf>,
    /// The backup.
    pub backup: Utf8PathBuf,
    /// The server's major version; from the backup where none is given.
    pub major: Option<u32>,
    /// The image's reference; `{major}` stands for the major version.
    pub image: Option<String>,
    /// `auto`, `docker` or `local`.
    pub engine: Option<String>,
    /// Databases to restore, as globs.
    pub only: Vec<String>,
    /// Databases not to restore, as globs; wins over `only`.
    pub exclude: Vec<String>,
    /// What must be true afterwards.
    pub checks: Vec<Check>,
    /// Where to write JUnit.
    pub junit: Option<Utf8PathBuf>,
    /// Where to write JSON.
    pub json: Option<Utf8PathBuf>,
    /// Whether to restore at all; a static verification only reads.
    pub restore: bool,
}

impl Scenario {
    /// A scenario without a file: everything in the backup, no checks.
    pub fn of_backup(name: String, backup: Utf8PathBuf, restore: bool) -> Self {
        Self {
            name,
            file: None,
            backup,
            major: None,
            image: None,
            engine: None,
            only: vec!["*".to_owned()],
            exclude: Vec::new(),
            checks: Vec::new(),
            junit: None,
            json: None,
            restore,
        }
    }
}

/// The name of a scenario that nobody named: the backup's name without extension and timestamp, so
/// that tomorrow's backup has the same.
pub fn name_of_backup(path: &camino::Utf8Path) -> String {
    let file = path.file_name().unwrap_or("backup");
    let stem =
        [".tar.gz", ".tar.zst", ".tgz", ".tar", ".sql.gz", ".dump.gz", ".dump", ".sql", ".gz"]
            .into_iter()
            .find_map(|extension| file.strip_suffix(extension))
            .unwrap_or(file);
    let is_stamp = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        digits >= 4 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts: Vec<&str> = stem.split('_').collect();
    let kept = parts.iter().rposition(|part| !is_stamp(part)).map_or(0, |last| last + 1);
    let name = parts[..kept].join("_");
    if name.is_empty() { stem.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    #[test]
    fn tomorrows_backup_has_the_same_name() {
        let name = |path: &str| super::name_of_backup(Utf8Path::new(path));
        assert_eq!(name("/b/cluster_20260130_021011.tar.gz"), "cluster");
        assert_eq!(name("pg_cluster_20260131_021011.tar"), "pg_cluster");
        assert_eq!(name("shop.dump"), "shop");
        assert_eq!(name("20260130.sql"), "20260130");
        assert_eq!(name("app_v2_20260130.sql.gz"), "app_v2");
    }
}
