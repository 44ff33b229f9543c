//! Which PostgreSQL server programs of this machine are used, and which of its folders they need.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ephemeral::EphemeralError;

/// What a folder must hold to be of use.
const PROGRAMS: [&str; 5] = ["initdb", "postgres", "pg_restore", "psql", "pg_dump"];

/// Where packages put server programs; `*` stands for any one name that fits.
const PLACES: [&str; 11] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/lib64/postgresql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql*/bin",
    "/usr/local/postgresql*/bin",
    "/opt/postgresql/*/bin",
    "/opt/pgsql*/bin",
    "/opt/pgsql/*/bin",
    "/opt/PostgreSQL/*/bin",
];

/// A set of PostgreSQL programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    /// Their folder, without symbolic links.
    pub(crate) bindir: PathBuf,
    pub(crate) major: u32,
    /// `15.18`, `19beta1`.
    pub(crate) version: String,
}

/// Finds programs of major version `wanted_major`, else of the nearest newer one: an older server
/// may not understand the dump, and its failure would say nothing about the backup.
///
/// `explicit` is the folder that the user named; then no other is looked at.
pub(crate) fn find_binaries(
    explicit: Option<&Path>,
    wanted_major: u32,
) -> Result<Binaries, EphemeralError> {
    let folders = match explicit {
        Some(folder) => vec![folder.to_owned()],
        None => candidates(),
    };
    let mut usable: Vec<Binaries> = Vec::new();
    let mut remarks: Vec<String> = Vec::new();
    for folder in folders {
        match inspect(&folder) {
            Ok(binaries) if usable.iter().any(|known| known.bindir == binaries.bindir) => {}
            Ok(binaries) => usable.push(binaries),
            // A folder of client programs only, such as /usr/bin, is not worth a word unless asked.
            Err(remark) if explicit.is_some() || remark.starts_with('`') => remarks.push(remark),
            Err(_) => {}
        }
    }
    choose(&usable, wanted_major).cloned().ok_or_else(|| {
        let mut found: Vec<String> = usable
            .iter()
            .map(|known| format!("{} in {}", known.version, known.bindir.display()))
            .collect();
        found.append(&mut remarks);
        EphemeralError::NoBinaries {
            wanted: format!("{wanted_major} or newer"),
            found: if found.is_empty() { "none".to_owned() } else { found.join(", ") },
        }
    })
}

/// The nearest major that is not older, its newest minor version first.
fn choose(usable: &[Binaries], wanted_major: u32) -> Option<&Binaries> {
    let minor = |known: &Binaries| -> u32 {
        known.version.split_once('.').and_then(|(_, minor)| minor.parse().ok()).unwrap_or(0)
    };
    usable
        .iter()
        .filter(|known| known.major >= wanted_major)
        .min_by_key(|known| (known.major, u32::MAX - minor(known)))
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    folders.extend(output_of(Path::new("pg_config"), "--bindir", false).map(PathBuf::from));
    folders.extend(PLACES.iter().flat_map(|pattern| expand(pattern)));
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path).filter(|folder| folder.is_absolute()));
    }
    folders
}

/// The existing paths that fit a pattern with at most one `*`.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (folder, prefix) = before.rsplit_once('/').unwrap_or((".", before));
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()))
        .map(|entry| {
            let mut path = entry.path().into_os_string();
            path.push(after);
            PathBuf::from(path)
        })
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found
}

/// The programs in `folder`, else why it is of no use.
fn inspect(folder: &Path) -> Result<Binaries, String> {
    let shown = folder.display();
    let missing: Vec<&str> =
        PROGRAMS.into_iter().filter(|name| !folder.join(name).is_file()).collect();
    if !missing.is_empty() {
        return Err(format!("{shown} without {}", missing.join(", ")));
    }
    let bindir = folder.canonicalize().map_err(|error| format!("{shown}: {error}"))?;
    let answer = output_of(&bindir.join("postgres"), "--version", true)
        .ok_or_else(|| format!("`{shown}/postgres --version` fails"))?;
    let (major, version) = parse_version(&answer)
        .ok_or_else(|| format!("`{shown}/postgres --version` answers `{answer}`"))?;
    Ok(Binaries { bindir, major, version })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15, `15.18`.
fn parse_version(answer: &str) -> Option<(u32, String)> {
    let version = answer.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((digits.parse().ok()?, version.to_owned()))
}

/// What a program prints; in the clean environment of the sandbox if it is one that runs there.
fn output_of(program: &Path, argument: &str, clean: bool) -> Option<String> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null());
    if clean {
        command.env_clear();
    }
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The folders, beyond /usr and /lib, that must be visible inside for these programs to work.
pub(super) fn visible_folders(bindir: &Path) -> Vec<PathBuf> {
    let mut folders: BTreeSet<PathBuf> =
        // Where libraries and the text search dictionaries of Debian's packages point to.
        [PathBuf::from("/etc/alternatives"), PathBuf::from("/var/cache/postgresql/dicts")].into();
    if !is_standard(bindir) {
        folders.insert(bindir.to_owned());
        let pg_config = bindir.join("pg_config");
        for option in ["--libdir", "--pkglibdir", "--sharedir"] {
            folders.extend(output_of(&pg_config, option, true).map(PathBuf::from));
        }
        if let Some(prefix) = bindir.parent() {
            folders.extend(["lib", "lib64", "share"].map(|name| prefix.join(name)));
        }
        for program in PROGRAMS {
            folders.extend(library_folders(&bindir.join(program)));
        }
    }
    let folders: Vec<PathBuf> = folders
        .into_iter()
        .filter(|folder| folder.is_dir() && !is_standard(folder))
        // Never a whole top-level folder such as /home or /root.
        .filter(|folder| folder.is_absolute() && folder.components().count() > 2)
        .collect();
    // A folder below another comes with it.
    folders
        .iter()
        .filter(|folder| !folders.iter().any(|other| other != *folder && folder.starts_with(other)))
        .cloned()
        .collect()
}

/// Whether a path is below what every sandbox shows.
fn is_standard(path: &Path) -> bool {
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
        .iter()
        .any(|root| path.starts_with(root))
}

/// The folders of the libraries that `ldd` names.
fn library_folders(program: &Path) -> Vec<PathBuf> {
    let Ok(output) = Command::new("ldd").arg(program).env_clear().stdin(Stdio::null()).output()
    else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once("=> ")?.1.rsplit_once(" (").map(|(path, _)| path))
        .map(OsStr::new)
        .filter_map(|path| Path::new(path).parent().map(Path::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Binaries, choose, expand, find_binaries, parse_version};
    use crate::ephemeral::EphemeralError;
    use std::path::{Path, PathBuf};

    fn set(major: u32, version: &str) -> Binaries {
        Binaries { bindir: PathBuf::from("/x"), major, version: version.into() }
    }

    #[test]
    fn the_exact_major_wins_then_the_nearest_newer_and_never_an_older_one() {
        let all = [set(13, "13.4"), set(15, "15.9"), set(15, "15.18"), set(17, "17.1")];
        assert_eq!(choose(&all, 15), Some(&all[2]));
        assert_eq!(choose(&all, 14), Some(&all[2]));
        assert_eq!(choose(&all, 16), Some(&all[3]));
        assert_eq!(choose(&all, 18), None);
    }

    #[test]
    fn versions_of_packages_and_previews_are_understood() {
        let packaged = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(parse_version(packaged), Some((15, "15.18".into())));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1"), Some((19, "19beta1".into())));
        assert_eq!(parse_version("postgres (EnterpriseDB) x"), None);
    }

    #[test]
    fn a_named_folder_without_the_programs_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_binaries(Some(folder.path()), 15).unwrap_err();
        let EphemeralError::NoBinaries { wanted, found } = error else { panic!("{error:?}") };
        assert_eq!(wanted, "15 or newer");
        assert!(found.ends_with("without initdb, postgres, pg_restore, psql, pg_dump"), "{found}");
    }

    #[test]
    fn patterns_expand_to_what_exists() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["pgsql-15/bin", "pgsql-16/bin", "pgsql-17", "other/bin"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let found = expand(&format!("{}/pgsql-*/bin", folder.path().display()));
        let names = ["pgsql-15/bin", "pgsql-16/bin"].map(|name| folder.path().join(name));
        assert_eq!(found, names);
        assert_eq!(expand("/nonexistent/x-*/y"), Vec::<PathBuf>::new());
        assert_eq!(expand("/a"), [Path::new("/a")]);
    }
}
