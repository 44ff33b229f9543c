//! pgdrill: restore tests for PostgreSQL backups.
//!
//! The data flows one way:
//!
//! ```text
//! weekly.yaml ─load→ Scenario ────────────┐
//! archive ──inspect→ BackupInventory ─────┴─build→ RestorePlan ─engine→ RunEvent* ─→ console
//!                                                                   └→ RunReport ─→ JUnit, JSON
//! ```
//!
//! Modules have numbers, and may import lower numbers only (`tests/architecture.rs`):
//!
//! | level | modules |
//! | --- | --- |
//! | 0 | [`outcome`], [`finding`], [`event`], [`progress`], [`text`], [`baseline`]: plain types everybody may use |
//! | 1 | [`scenario`]: the YAML language · [`backup`]: reads artefacts, starts nothing |
//! | 2 | [`plan`]: scenario × backup → plan · [`check`]: how checks judge |
//! | 3 | [`ephemeral`]: throwaway servers · `postgres`: sessions, catalog, SQLSTATE |
//! | 4 | [`engine`]: restores, compares, checks |
//! | 5 | [`report`]: what stays |
//! | 6 | [`console`]: what a person sees |
//! | 7 | [`cli`]: commands, signals, exit codes |

pub mod backup;
pub mod baseline;
pub mod check;
pub mod cli;
pub mod console;
pub mod engine;
pub mod ephemeral;
pub mod event;
pub mod finding;
pub mod outcome;
pub mod plan;
pub mod postgres;
pub mod progress;
mod random;
mod remedy;
pub mod report;
pub mod scenario;
pub mod text;
