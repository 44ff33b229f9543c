//! The program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(pgdrill::cli::run(std::env::args_os().collect()).as_u8())
}
