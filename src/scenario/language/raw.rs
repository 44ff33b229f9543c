//! What was read, before it is known whether the whole makes sense.

use std::time::Duration;

use camino::Utf8PathBuf;
use jiff::tz::TimeZone;

use crate::finding::FindingCode;
use crate::scenario::check::SampleRows;
use crate::scenario::choice::{
    ContentMode, EngineChoice, ImageChoice, IsolationDemand, OnError, Pick, PullPolicy,
};
use crate::scenario::condition::Condition;
use crate::scenario::filled::Filled;
use crate::scenario::kind::Placed;
use crate::text::ByteCount;

/// A key's value where it was given, and was one.
pub(in crate::scenario) type Given<T> = Option<Placed<T>>;

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawScenario {
    pub(in crate::scenario) name: Given<Filled<String>>,
    pub(in crate::scenario) description: Given<Filled<String>>,
    pub(in crate::scenario) backup: Given<RawBackup>,
    pub(in crate::scenario) postgres: Given<RawPostgres>,
    pub(in crate::scenario) sandbox: Given<RawSandbox>,
    pub(in crate::scenario) restore: Given<RawRestore>,
    pub(in crate::scenario) expect: Given<RawExpect>,
    pub(in crate::scenario) checks: Given<Vec<Placed<RawCheck>>>,
    pub(in crate::scenario) objectives: Given<RawObjectives>,
    pub(in crate::scenario) report: Given<RawReport>,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawBackup {
    pub(in crate::scenario) path: Given<Filled<Utf8PathBuf>>,
    pub(in crate::scenario) pick: Given<Filled<Pick>>,
    pub(in crate::scenario) sha256: Given<Filled<String>>,
    pub(in crate::scenario) decrypt: Given<RawDecrypt>,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawDecrypt {
    pub(in crate::scenario) key_file: Given<Filled<Utf8PathBuf>>,
    pub(in crate::scenario) key_env: Given<Filled<String>>,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawPostgres {
    pub(in crate::scenario) version: Given<Filled<Option<u32>>>,
    pub(in crate::scenario) image: Given<ImageChoice>,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawSandbox {
    pub(in crate::scenario) engine: Given<Filled<EngineChoice>>,
    pub(in crate::scenario) isolation: Given<Filled<IsolationDemand>>,
    pub(in crate::scenario) pull: Given<Filled<PullPolicy>>,
    pub(in crate::scenario) memory: Given<Filled<ByteCount>>,
    pub(in crate::scenario) cpus: Given<Filled<f64>>,
    pub(in crate::scenario) pids: Given<Filled<u64>>,
    pub(in crate::scenario) shm: Given<Filled<ByteCount>>,
    pub(in crate::scenario) disk: Given<Filled<ByteCount>>,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawRestore {
    pub(in crate::scenario) scope: Given<RawScope>,
    pub(in crate::scenario) only: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) exclude: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) on_error: Given<Filled<OnError>>,
    pub(in crate::scenario) time_limit: Given<Filled<Duration>>,
}

#[derive(Debug)]
pub(in crate::scenario) enum RawScope {
    Full,
    Sample { databases: Given<Filled<u64>>, seed: Given<Filled<u64>> },
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawExpect {
    pub(in crate::scenario) verdict: Given<RawVerdict>,
}

#[derive(Debug)]
pub(in crate::scenario) enum RawVerdict {
    Restorable,
    NotRestorable { finding: Given<Filled<FindingCode>>, database: Given<Filled<String>> },
}

#[derive(Debug)]
pub(in crate::scenario) struct RawCheck {
    pub(in crate::scenario) name: Given<Filled<String>>,
    pub(in crate::scenario) kind: RawCheckKind,
}

#[derive(Debug)]
pub(in crate::scenario) enum RawCheckKind {
    Query(RawQuestion, Box<RawComparisons>),
    NoRows(RawQuestion, RawThresholds),
    Rows(RawRows),
    Structure(Given<Vec<Placed<Filled<String>>>>),
    Roles,
    Sample(RawSample),
    Baseline(RawBaseline),
    Sequences(RawSequences),
    PgTap(RawPgTap),
}

#[derive(Debug)]
pub(in crate::scenario) struct RawSample {
    pub(in crate::scenario) databases: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) tables: Given<Filled<u64>>,
    pub(in crate::scenario) rows: Given<Filled<SampleRows>>,
    pub(in crate::scenario) seed: Given<Filled<u64>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawRows {
    pub(in crate::scenario) databases: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) content: Given<Filled<ContentMode>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawSequences {
    pub(in crate::scenario) databases: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) schemas: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) time_limit: Given<Filled<Duration>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawPgTap {
    pub(in crate::scenario) database: Given<Filled<String>>,
    pub(in crate::scenario) each_database: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) files: Given<Vec<Placed<Filled<Utf8PathBuf>>>>,
    pub(in crate::scenario) time_limit: Given<Filled<Duration>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawBaseline {
    pub(in crate::scenario) file: Given<Filled<Utf8PathBuf>>,
    pub(in crate::scenario) within: Given<Filled<f64>>,
    pub(in crate::scenario) databases: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) tables: Given<Vec<Placed<Filled<String>>>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawQuestion {
    pub(in crate::scenario) database: Given<Filled<String>>,
    pub(in crate::scenario) each_database: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) sql: Given<Filled<String>>,
    pub(in crate::scenario) time_limit: Given<Filled<Duration>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawComparisons {
    pub(in crate::scenario) equals: Given<Filled<String>>,
    pub(in crate::scenario) at_least: Given<Filled<String>>,
    pub(in crate::scenario) at_most: Given<Filled<String>>,
    pub(in crate::scenario) between: Given<Vec<Placed<Filled<String>>>>,
    pub(in crate::scenario) newer_than: Given<Filled<Duration>>,
    pub(in crate::scenario) matches: Given<Filled<String>>,
    pub(in crate::scenario) thresholds: RawThresholds,
    pub(in crate::scenario) equals_file: Given<Filled<Utf8PathBuf>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawThresholds {
    pub(in crate::scenario) warn_if: Given<Filled<Condition>>,
    pub(in crate::scenario) error_if: Given<Filled<Condition>>,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawObjectives {
    pub(in crate::scenario) rto: Given<Filled<Duration>>,
    pub(in crate::scenario) rpo: Given<RawRpo>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawRpo {
    pub(in crate::scenario) target: Given<Filled<Duration>>,
    pub(in crate::scenario) zone: Given<Filled<TimeZone>>,
    pub(in crate::scenario) query: Given<RawNewest>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawNewest {
    pub(in crate::scenario) database: Given<Filled<String>>,
    pub(in crate::scenario) sql: Given<Filled<String>>,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawReport {
    pub(in crate::scenario) junit: Given<Filled<Utf8PathBuf>>,
    pub(in crate::scenario) json: Given<Filled<Utf8PathBuf>>,
}
