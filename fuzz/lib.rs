//! The readers and what shows their results, without whatever starts servers: a third of the crates
//! to build. The files are those of the program; only this list is another.
#![allow(
    dead_code,
    unused_imports,
    unfulfilled_lint_expectations,
    reason = "the rest of the program uses it"
)]

#[path = "../src/backup/mod.rs"]
pub mod backup;
#[path = "../src/baseline/mod.rs"]
pub mod baseline;
#[path = "../src/console/mod.rs"]
pub mod console;
#[path = "../src/event.rs"]
pub mod event;
#[path = "../src/finding.rs"]
pub mod finding;
#[path = "../src/outcome/mod.rs"]
pub mod outcome;
#[path = "../src/plan/mod.rs"]
pub mod plan;
#[path = "../src/progress.rs"]
pub mod progress;
#[path = "../src/random.rs"]
mod random;
#[path = "../src/remedy.rs"]
mod remedy;
#[path = "../src/scenario/mod.rs"]
pub mod scenario;
#[path = "../src/text.rs"]
pub mod text;
