//! `pgdrill verify`.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::objectives::ObjectiveArgs;
use super::run::run_scenarios;
use super::settings::{ContentArgs, KeyArgs, RunArgs};
use crate::outcome::ExitCode;
use crate::scenario::{DatabaseSample, Scenario, name_of_backup};

/// How much to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RestoreTest {
    /// Everything.
    Full,
    /// Three databases, which the backup itself chooses; the verdict says so.
    Sample,
}

/// Options of `pgdrill verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyCommand {
    /// The backup: a cluster archive (tar, folder), a database's dump in any format, or a script of the whole cluster, compressed or not.
    #[arg(value_name = "BACKUP")]
    backup: Utf8PathBuf,

    /// Restore it into a throwaway server; without this every byte is read and none restored.
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "full")]
    restore_test: Option<RestoreTest>,

    /// Name in reports [default: the backup's name without its timestamp].
    #[arg(long, env = "PGDRILL_NAME", value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    objectives: ObjectiveArgs,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    content: ContentArgs,

    #[command(flatten)]
    args: RunArgs,
}

pub(super) fn run(command: &VerifyCommand) -> ExitCode {
    let name = command.name.clone().unwrap_or_else(|| name_of_backup(&command.backup));
    let is_restored = command.restore_test.is_some();
    let mut scenario = Scenario::of_backup(name, command.backup.clone(), is_restored);
    if let (Some(RestoreTest::Sample), Some(restore)) =
        (command.restore_test, &mut scenario.restore)
    {
        restore.sample = Some(DatabaseSample { databases: DatabaseSample::DATABASES, seed: None });
    }
    let mut scenarios = [scenario];
    command.key.apply(&mut scenarios);
    command.content.apply(&mut scenarios);
    command.objectives.apply(&mut scenarios);
    run_scenarios(&scenarios, &command.args)
}
