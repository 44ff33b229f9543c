//! One function for each section: which keys it has, of which kind, and what they mean.

use super::checks::CHECK;
use super::objectives::objectives;
use super::raw::{
    RawBackup, RawDecrypt, RawExpect, RawPostgres, RawReport, RawRestore, RawSandbox, RawScenario,
};
use super::scope::Scope;
use super::verdict::Verdict;
use crate::scenario::choice::{EngineChoice, IsolationDemand, OnError, Pick, PullPolicy};
use crate::scenario::keys::{Keys, Section};
use crate::scenario::kind::ListOf;
use crate::scenario::values::{
    Image, age, cores, glob, glob_path, language_version, major, name, one_of, path, sha256, size,
    text, variable, whole,
};
use crate::text::ByteCount;

pub(super) fn scenario(keys: &mut Keys<'_, '_>) -> RawScenario {
    keys.required("version", language_version(), "1", "the language's version");
    RawScenario {
        name: keys.required("name", name(), "weekly-prod", "unique; the suite's name in JUnit"),
        description: keys.optional(
            "description",
            text("a text"),
            "none",
            "Weekly audit of the production cluster",
            "what the scenario is for, in your words",
        ),
        backup: keys.required("backup", Section(backup), "", "the thing under test"),
        postgres: keys.optional(
            "postgres",
            Section(postgres),
            "{}",
            "",
            "the server's version and image",
        ),
        sandbox: keys.optional(
            "sandbox",
            Section(sandbox),
            "{}",
            "",
            "where the throwaway server runs, and within which bounds",
        ),
        restore: keys.optional("restore", Section(restore), "{}", "", "what is restored"),
        expect: keys.optional("expect", Section(expect), "{}", "", "what must come of it"),
        checks: keys.optional("checks", ListOf(CHECK), "[]", "", "what must be true afterwards"),
        objectives: keys.optional(
            "objectives",
            Section(objectives),
            "{}",
            "",
            "how long recovery may take, and how old the newest data may be",
        ),
        report: keys.optional(
            "report",
            Section(report),
            "{}",
            "",
            "where this scenario's own reports go",
        ),
    }
}

fn backup(keys: &mut Keys<'_, '_>) -> RawBackup {
    RawBackup {
        path: keys.required(
            "path",
            glob_path(),
            "/var/backups/cluster_*.tar.gz",
            "a cluster archive, a folder, or a `.dump` or `.sql` file, compressed (gzip, zstd, lz4) or not; a relative path is tried beside the scenario file first, then in the working directory",
        ),
        pick: keys.optional(
            "pick",
            one_of(&[("newest", Pick::Newest)]),
            "none: exactly one match",
            "newest",
            "which of several matches: `newest` by the time in its name or inside, never by file times",
        ),
        sha256: keys.optional("sha256", sha256().keeping_secrets(), "none", SHA256, "the checksum that the file must have"),
        decrypt: keys.optional("decrypt", Section(decrypt), "none", "", "the key of an encrypted backup"),
    }
}

fn decrypt(keys: &mut Keys<'_, '_>) -> RawDecrypt {
    let section = RawDecrypt {
        key_file: keys.optional(
            "key_file",
            path(),
            "none",
            "/run/keys/backup",
            "a file with the key: 32 bytes, or those in base64; a relative path as with `path`",
        ),
        key_env: keys.optional(
            "key_env",
            variable(),
            "none",
            "DBBACKUP_ENCRYPTION_KEY",
            "the name of the environment variable with the key in base64",
        ),
    };
    keys.exactly_one(&["key_file", "key_env"], "does not say where the key is", "");
    section
}

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn postgres(keys: &mut Keys<'_, '_>) -> RawPostgres {
    RawPostgres {
        version: keys.optional(
            "version",
            major().keeping_secrets(),
            "auto",
            "17",
            "the server's major version; `auto` takes the backup's",
        ),
        image: keys.optional(
            "image",
            Image,
            "postgres:{major}",
            "{15: 'registry.example/pg:15', 17: 'registry.example/pg:17'}",
            "the Docker image; `{major}` is filled in",
        ),
    }
}

fn sandbox(keys: &mut Keys<'_, '_>) -> RawSandbox {
    RawSandbox {
        engine: keys.optional(
            "engine",
            one_of(&[("auto", EngineChoice::Auto), ("docker", EngineChoice::Docker), ("local", EngineChoice::Local)]).keeping_secrets(),
            "auto",
            "docker",
            "where the throwaway server runs; `auto` takes Docker where a daemon answers and has or can pull the image, else local programs; where `image` names one, these only without a daemon",
        ),
        isolation: keys.optional(
            "isolation",
            one_of(&[("full", IsolationDemand::Full), ("trusted", IsolationDemand::Trusted)]).keeping_secrets(),
            "full",
            "trusted",
            "how isolated the server must be, as observed, before a dump goes in; `trusted` takes what can be had",
        ),
        pull: keys.optional(
            "pull",
            one_of(&[("never", PullPolicy::Never), ("missing", PullPolicy::Missing), ("always", PullPolicy::Always)]).keeping_secrets(),
            "missing",
            "never",
            "when the image is pulled",
        ),
        memory: keys.optional(
            "memory",
            size(ByteCount(128 << 20), "128MiB", "initdb and an idle server need about 100 MiB").keeping_secrets(),
            "by the machine",
            "4GiB",
            "memory of all processes together",
        ),
        cpus: keys.optional("cpus", cores().keeping_secrets(), "by the machine", "1.5", "processor cores, in fractions"),
        pids: keys.optional(
            "pids",
            whole(64, "a server, its background processes and parallel workers need about 50").keeping_secrets(),
            "by the machine",
            "512",
            "processes and threads",
        ),
        shm: keys.optional(
            "shm",
            size(ByteCount(64 << 20), "64MiB", "parallel queries share memory there, and fail with less").keeping_secrets(),
            "by the machine",
            "256MiB",
            "shared memory, in `/dev/shm`",
        ),
        disk: keys.optional(
            "disk",
            size(ByteCount(256 << 20), "256MiB", "an empty cluster and its write-ahead log take up about 100 MB").keeping_secrets(),
            "by the machine",
            "40GiB",
            "disk space, of staged dumps and restored databases together",
        ),
    }
}

fn restore(keys: &mut Keys<'_, '_>) -> RawRestore {
    RawRestore {
        scope: keys.optional(
            "scope",
            Scope,
            "full",
            "{sample: {databases: 3}}",
            "all databases that `only` and `exclude` leave, or `sample: {…}`: some of them, and the verdict says so",
        ),
        only: keys.optional(
            "only",
            ListOf(glob()),
            "['*']",
            "[shop, 'app_*']",
            "databases to restore",
        ),
        exclude: keys.optional(
            "exclude",
            ListOf(glob()),
            "[]",
            "['scratch_*']",
            "databases to leave out; wins over `only`",
        ),
        on_error: keys.optional(
            "on_error",
            one_of(&[("continue", OnError::Continue), ("stop", OnError::Stop)]).keeping_secrets(),
            "continue",
            "stop",
            "what to do after a database that could not be restored",
        ),
        time_limit: keys.optional(
            "time_limit",
            age().keeping_secrets(),
            "none",
            "2h",
            "how long everything from the start of the server to the last check may take",
        ),
    }
}

fn expect(keys: &mut Keys<'_, '_>) -> RawExpect {
    RawExpect {
        verdict: keys.required(
            "verdict",
            Verdict,
            "restorable",
            "what must come of the scenario for it to pass; without `expect`: `restorable`",
        ),
    }
}

fn report(keys: &mut Keys<'_, '_>) -> RawReport {
    RawReport {
        junit: keys.optional(
            "junit",
            path(),
            "none",
            "reports/weekly.xml",
            "where to write this scenario's JUnit",
        ),
        json: keys.optional(
            "json",
            path(),
            "none",
            "reports/weekly.json",
            "where to write this scenario's JSON",
        ),
    }
}
