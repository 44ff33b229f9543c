//! What a glob matches, with names that are no UTF-8 among it.
//!
//! The crate `glob` matches texts alone, and its own walk panics at a name that is none.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use glob::{MatchOptions, Pattern, PatternError};

pub(super) const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What a glob has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What matches.
    pub(super) paths: Vec<Utf8PathBuf>,
    /// What matches as it is shown, and has a name that is no UTF-8.
    pub(super) odd: Vec<PathBuf>,
    /// Why a folder could not be looked into, the first that could not.
    pub(super) unreadable: Option<String>,
}

/// One name of a glob.
#[derive(Debug, Clone)]
enum Part {
    /// Itself: its folder need not be listed.
    Name(String),
    /// A name with `*`, `?` or `[`.
    Like(Pattern),
    /// `**`
    Folders,
}

/// Looks into every folder that `pattern` names; those that it does not name stay unread.
pub(super) fn walk(pattern: &str) -> Result<Found, PatternError> {
    // As a whole first: `[a/b]` is one, and none when it is cut at the slash.
    Pattern::new(pattern)?;
    let mut parts = Vec::new();
    for name in pattern.split('/').filter(|name| !name.is_empty() && *name != ".") {
        parts.push(match name {
            "**" => Part::Folders,
            name if !is_glob(name) || is_escaped(name) => Part::Name(unescaped(name)),
            name => Part::Like(Pattern::new(name)?),
        });
    }
    // `**/**` is `**`.
    parts.dedup_by(|one, next| matches!((one, next), (Part::Folders, Part::Folders)));
    let mut walk = Walk { found: Found::default(), only_folders: pattern.ends_with('/') };
    let start = if pattern.starts_with('/') { Path::new("/") } else { Path::new("") };
    walk.enter(start, &parts, &mut Vec::new());
    Ok(walk.found)
}

struct Walk {
    found: Found,
    only_folders: bool,
}

impl Walk {
    /// `above` are the folders that `**` has gone through, as device and inode.
    fn enter(&mut self, at: &Path, parts: &[Part], above: &mut Vec<(u64, u64)>) {
        match parts {
            [] => self.take(at),
            [Part::Name(name), rest @ ..] => {
                let path = at.join(name);
                if fs::symlink_metadata(&path).is_ok() {
                    self.enter(&path, rest, &mut Vec::new());
                }
            }
            [Part::Like(pattern), rest @ ..] => {
                for (shown, path) in self.names(at) {
                    if pattern.matches_with(&shown, OPTIONS) {
                        self.enter(&path, rest, &mut Vec::new());
                    }
                }
            }
            [Part::Folders, rest @ ..] => {
                let Ok(metadata) = fs::metadata(or_here(at)) else { return };
                let id = (metadata.dev(), metadata.ino());
                // A link may lead back to where it lies.
                if !metadata.is_dir() || above.contains(&id) {
                    return;
                }
                if !rest.is_empty() {
                    self.enter(at, rest, &mut Vec::new());
                }
                above.push(id);
                for (shown, path) in self.names(at) {
                    if !shown.starts_with('.') && path.is_dir() {
                        if rest.is_empty() {
                            self.take(&path);
                        }
                        self.enter(&path, parts, above);
                    }
                }
                above.pop();
            }
        }
    }

    /// What lies in a folder, sorted, each with its name as it is shown.
    fn names(&mut self, folder: &Path) -> Vec<(String, PathBuf)> {
        if !or_here(folder).is_dir() {
            return Vec::new();
        }
        let listed = fs::read_dir(or_here(folder)).and_then(|entries| {
            let named = |entry: fs::DirEntry| {
                let name = entry.file_name();
                (name.to_string_lossy().into_owned(), folder.join(name))
            };
            entries.map(|entry| entry.map(named)).collect::<io::Result<Vec<_>>>()
        });
        match listed {
            Ok(mut names) => {
                names.sort();
                names
            }
            Err(error) => {
                let folder = or_here(folder).display();
                let cause = format!("the folder `{folder}` cannot be listed: {error}");
                self.found.unreadable.get_or_insert(cause);
                Vec::new()
            }
        }
    }

    fn take(&mut self, path: &Path) {
        if self.only_folders && !or_here(path).is_dir() {
            return;
        }
        match Utf8Path::from_path(path) {
            Some(path) => self.found.paths.push(or_here_utf8(path)),
            None => self.found.odd.push(path.to_owned()),
        }
    }
}

/// A path that is empty is the working directory.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn or_here_utf8(path: &Utf8Path) -> Utf8PathBuf {
    if path.as_str().is_empty() { Utf8PathBuf::from(".") } else { path.to_owned() }
}

pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The folder that a glob begins with, up to its first component that is none.
pub(super) fn literal_part(pattern: &str) -> Utf8PathBuf {
    let parts: Vec<&str> = pattern.split('/').collect();
    let literal = parts.iter().take_while(|part| !is_glob(part) || is_escaped(part)).count();
    let folder: Vec<String> = parts[..literal].iter().map(|part| unescaped(part)).collect();
    match folder.join("/") {
        folder if folder.is_empty() && pattern.starts_with('/') => Utf8PathBuf::from("/"),
        folder => Utf8PathBuf::from(folder),
    }
}

/// Whether a component's only special characters are those that [`Pattern::escape`] writes.
fn is_escaped(part: &str) -> bool {
    Pattern::escape(&unescaped(part)) == part
}

fn unescaped(part: &str) -> String {
    ["*", "?", "[", "]"]
        .iter()
        .fold(part.to_owned(), |text, special| text.replace(&format!("[{special}]"), special))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let at = Utf8PathBuf::from_path_buf(temp.path().to_path_buf()).unwrap();
        for file in files {
            let path = at.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        (temp, at)
    }

    /// What a glob finds in a folder, without the folder.
    fn found(at: &Utf8Path, glob: &str) -> Vec<String> {
        let mut found = walk(&format!("{}/{glob}", Pattern::escape(at.as_str()))).unwrap().paths;
        found.sort();
        found.iter().map(|path| path.strip_prefix(at).unwrap().to_string()).collect()
    }

    #[test]
    fn a_glob_finds_what_the_crate_does() {
        let (_temp, at) =
            folder(&["a/b/x.1", "a/b/y.1", "a/x.1", "x.1", ".h/x.1", "a/.x.1", "a/c[1]/x.2"]);
        for (glob, paths) in [
            ("x.1", &["x.1"][..]),
            ("?.1", &["x.1"]),
            ("*/x.1", &["a/x.1"]),
            ("a/*/[x-y].1", &["a/b/x.1", "a/b/y.1"]),
            ("**/x.*", &["a/b/x.1", "a/c[1]/x.2", "a/x.1", "x.1"]),
            ("a/**", &["a/b", "a/c[1]"]),
            ("*", &["a", "x.1"]),
            ("*/", &["a"]),
            ("a/c[[]1[]]/*", &["a/c[1]/x.2"]),
            ("./a/./x*", &["a/x.1"]),
            ("a/b/../x*", &["a/b/../x.1"]),
            ("x.1/*", &[]),
            ("none/*", &[]),
        ] {
            assert_eq!(found(&at, glob), paths, "{glob}");
            let whole = format!("{at}/{glob}");
            let theirs = glob::glob_with(&whole, OPTIONS).unwrap().filter_map(Result::ok);
            let mut theirs: Vec<_> = theirs
                .map(|path| path.strip_prefix(&at).unwrap().to_str().unwrap().to_owned())
                .collect();
            theirs.sort();
            if !whole.contains("/.") {
                assert_eq!(theirs, paths, "{glob}: the crate's own walk");
            }
        }
        // The crate's walk leaves these out, although the dot is there.
        assert_eq!(found(&at, "a/.x*"), ["a/.x.1"]);
        assert_eq!(found(&at, ".[h]/*"), [".h/x.1"]);
    }

    #[test]
    fn a_link_that_leads_back_ends_the_walk() {
        let (_temp, at) = folder(&["a/b/x.1"]);
        symlink(&at, at.join("a/b/up")).unwrap();
        symlink(at.join("a"), at.join("side")).unwrap();
        let paths = found(&at, "**/x.1");
        assert!(paths.contains(&"a/b/x.1".to_owned()), "{paths:?}");
        assert!(paths.len() < 10, "{paths:?}");
    }

    #[test]
    fn names_that_are_no_text_are_told_apart() {
        let (_temp, at) = folder(&["a.dump"]);
        let odd = at.as_std_path().join(std::ffi::OsStr::from_bytes(b"m\xfcller"));
        fs::create_dir(&odd).unwrap();
        fs::write(odd.join("b.dump"), "").unwrap();
        let walked = |glob: &str| walk(&format!("{at}/{glob}")).unwrap();
        assert_eq!(walked("*.dump").odd, [] as [PathBuf; 0]);
        assert_eq!(walked("m?ller").odd, std::slice::from_ref(&odd));
        assert_eq!(walked("*/*.dump").odd, [odd.join("b.dump")]);
        assert_eq!(walked("**/*.dump").odd, [odd.join("b.dump")]);
        assert_eq!(walked("**/*.dump").paths, [at.join("a.dump")]);
    }
}
