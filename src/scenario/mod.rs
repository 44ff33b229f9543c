//! The scenario language, version 1: what to test, how, and what must be true.
//!
//! `node` reads YAML into a tree that keeps every place, `language` says once which keys there are,
//! `validate` turns what was read into a [`Scenario`]. A key is here when its feature works.

mod check;
mod choice;
mod condition;
mod expected_rows;
mod fill;
mod filled;
mod image;
mod keys;
mod kind;
mod language;
mod load;
mod node;
mod objectives;
mod problem;
mod reference;
mod schema;
mod shape;
mod span;
mod suggest;
mod test_files;
mod validate;
mod values;

use camino::Utf8PathBuf;

pub use check::{
    BaselineCheck, CHECK_LIMIT, Check, CheckKind, Comparison, Databases, PgTapCheck, Question,
    RowsCheck, SampleCheck, SampleRows, SequenceCheck,
};
pub use choice::{
    BackupChoice, ContentMode, DatabaseSample, EngineChoice, ExpectedVerdict, ImageChoice,
    IsolationDemand, KeyChoice, Limits, OnError, Pick, PostgresChoice, PullPolicy, ReportChoice,
    RestoreChoice, SandboxChoice,
};
pub use condition::{Condition, Thresholds};
pub use expected_rows::{ExpectedRow, ExpectedRows};
pub use fill::Environment;
pub use filled::Filled;
pub use image::image_fault;
pub(crate) use image::image_for;
pub use load::load;
pub use objectives::{ObjectiveChoice, RpoChoice};
pub use problem::{ScenarioError, ScenarioProblem};
pub use reference::reference;
pub use schema::schema;
pub use test_files::{TestFile, TestStatement};
pub use values::duration_of;

/// What to test.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Unique; becomes the JUnit suite.
    pub name: String,
    /// What it is for, in the user's words.
    pub description: Option<String>,
    /// The file it was read from.
    pub file: Option<Utf8PathBuf>,
    /// The thing under test.
    pub backup: BackupChoice,
    /// The server's version and image.
    pub postgres: PostgresChoice,
    /// Where the server runs.
    pub sandbox: SandboxChoice,
    /// What is restored; `None`: nothing, a static verification only reads.
    pub restore: Option<RestoreChoice>,
    /// What must come of it.
    pub expect: ExpectedVerdict,
    /// What must be true afterwards.
    pub checks: Vec<Check>,
    /// How long recovery may take, and how old the newest data may be.
    pub objectives: ObjectiveChoice,
    /// Where this scenario's own reports go.
    pub report: ReportChoice,
}

impl Scenario {
    /// A scenario without a file: everything in the backup, no checks.
    pub fn of_backup(name: String, backup: Utf8PathBuf, restore: bool) -> Self {
        Self {
            name,
            description: None,
            file: None,
            backup: BackupChoice { path: backup, pick: None, sha256: None, decrypt: None },
            postgres: PostgresChoice::default(),
            sandbox: SandboxChoice::default(),
            restore: restore.then(RestoreChoice::default),
            expect: ExpectedVerdict::default(),
            checks: Vec::new(),
            objectives: ObjectiveChoice::default(),
            report: ReportChoice::default(),
        }
    }

    /// Of how many of a database's tables values are compared: the most that a check asks for.
    pub fn content_of(&self, database: &str) -> ContentMode {
        let asked = self.checks.iter().filter_map(|check| match &check.kind {
            CheckKind::Rows(rows) if rows.databases.holds(database) => Some(rows.content),
            _ => None,
        });
        let default = || self.restore.as_ref().map(|restore| restore.content).unwrap_or_default();
        asked.max().unwrap_or_else(default)
    }

    /// Values are compared so in every database, whatever the scenario says.
    pub fn set_content(&mut self, mode: ContentMode) {
        if let Some(restore) = &mut self.restore {
            restore.content = mode;
        }
        for check in &mut self.checks {
            if let CheckKind::Rows(rows) = &mut check.kind {
                rows.content = mode;
            }
        }
    }
}

/// The name of a scenario that nobody named: the backup's name without extension and timestamp, so
/// that tomorrow's backup has the same.
pub fn name_of_backup(path: &camino::Utf8Path) -> String {
    let file = path.file_name().unwrap_or("backup");
    let without = |name: &str, extensions: &[&str]| -> usize {
        let end = extensions.iter().find(|extension| name.ends_with(**extension));
        name.len() - end.map_or(0, |end| end.len())
    };
    let stem = &file[..without(file, &[".gz", ".zst", ".zstd", ".lz4"])];
    let formats = [".tar", ".tgz", ".dump", ".sql", ".custom", ".backup", ".bak", ".pgdump"];
    let stem = &stem[..without(stem, &formats)];
    let is_stamp = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let is_glob = text.contains(['*', '?', '[']);
        is_glob || digits >= 4 && text.bytes().all(|byte| byte.is_ascii_digit())
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
        assert_eq!(name("app_20260130.backup.lz4"), "app");
        assert_eq!(name("pg_cluster_20260131_021011.tar.zstd"), "pg_cluster");
        assert_eq!(name("/b/cluster_*.tar.gz"), "cluster");
    }
}
