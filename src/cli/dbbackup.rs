//! The name `dbbackup`: a link to pgdrill earlier in PATH.
//!
//! Takes `verify … --restore-test`, and hands every other command line to the real dbbackup later
//! in PATH, so that nobody's backups stop.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::console::complain;
use crate::outcome::ExitCode;

const NAME: &str = "dbbackup";

/// Replaces this process by the real dbbackup where that is what was meant. `Some` only when that
/// could not be done; `None` when the command line is ours.
pub(super) fn hand_over(args: &[OsString]) -> Option<ExitCode> {
    let called_as = Path::new(args.first()?).file_name()?;
    if called_as != OsStr::new(NAME) || is_restore_test(&args[1..]) {
        return None;
    }
    let Some(real) = real_dbbackup() else {
        complain(&format!(
            "error: `{NAME}` is a link to pgdrill, which takes `{NAME} verify BACKUP --restore-test`; \
             for everything else there is no real {NAME} later in PATH"
        ));
        return Some(ExitCode::Usage);
    };
    let error = Command::new(&real).args(&args[1..]).exec();
    complain(&format!("error: cannot run {}: {error}", real.display()));
    Some(ExitCode::Errored)
}

fn is_restore_test(args: &[OsString]) -> bool {
    let is_test = |arg: &OsString| {
        arg == "--restore-test"
            || arg.to_str().is_some_and(|arg| arg.starts_with("--restore-test="))
    };
    args.first().is_some_and(|command| command == "verify") && args.iter().any(is_test)
}

/// The first `dbbackup` in PATH that is not this program.
fn real_dbbackup() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?.canonicalize().ok()?;
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(NAME)).find(|candidate| {
        let is_program = candidate
            .metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        is_program && candidate.canonicalize().is_ok_and(|real| real != own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_restore_test_is_ours() {
        let is_ours =
            |line: &str| is_restore_test(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(is_ours("verify x.tar.gz --restore-test"));
        assert!(is_ours("verify --restore-test=full x.tar.gz"));
        assert!(!is_ours("verify x.tar.gz"));
        assert!(!is_ours("backup cluster --restore-test"));
        assert!(!is_ours("verify-backup --restore-test"));
    }
}
