//! The program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    ExitCode::from(pgdrill::cli::run(&args).as_u8())
}
