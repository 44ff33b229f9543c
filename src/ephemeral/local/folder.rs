//! The private folder on the machine: made for one sandbox, the only place it can write to, and
//! deleted with everything a hostile program may have left in it.

use std::ffi::CString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use super::account::{Account, random};
use crate::ephemeral::EphemeralError;
use crate::ephemeral::ledger::Owner;

/// Every private folder's name begins with it.
const PREFIX: &str = "pgdrill-";
/// The file that tells such a folder from one that only has the name.
const MARKER: &str = "pgdrill-sandbox.json";
/// The longest path of a Unix socket (`sun_path` without the final zero, unix(7)).
const LONGEST_SOCKET: usize = 107;
/// How many names of a folder are held in memory at a time.
const BATCH: usize = 4096;

/// What a sweep must know about a sandbox whose owner is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// In the environment of every process.
    pub(super) token: String,
    /// Whether they are in namespaces.
    pub(super) namespaced: bool,
    /// The account and group of the processes, where they can only be found as that account.
    pub(super) account: Option<(u32, u32)>,
    /// Whose it is, and when it expires: for a sweep that does not know the ledger it stands in.
    #[serde(default)]
    pub(super) owner: Option<(Owner, Timestamp)>,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EphemeralError {
    let path = path.display().to_string();
    move |source| EphemeralError::Folder { action, path, source }
}

/// Chooses a folder's path, so that it can be noted before it exists.
pub(super) fn choose(temp_dir: Option<&Path>) -> Result<PathBuf, EphemeralError> {
    let parent = temp_dir.map_or_else(std::env::temp_dir, Path::to_owned);
    let parent = parent.canonicalize().map_err(failed("use the temporary folder", &parent))?;
    let name = random::<5>()?.map(|byte| format!("{byte:02x}")).concat();
    Ok(parent.join(format!("{PREFIX}{name}")))
}

/// The work folder as seen without namespaces, where the server has to use its real path.
pub(super) fn real_work_dir(folder: &Path) -> Result<String, EphemeralError> {
    let work = folder.join("work");
    let refuse = |reason: String| {
        failed("use the temporary folder", folder)(io::Error::new(
            io::ErrorKind::InvalidInput,
            reason,
        ))
    };
    let text = work.to_str().ok_or_else(|| refuse("its path is not UTF-8".to_owned()))?;
    // It stands in the server's settings, in a list.
    if text.contains([',', '"', '\'', '\\', '\n']) {
        return Err(refuse("its path has a comma, a quotation mark or a backslash".to_owned()));
    }
    let length = text.len() + "/sock/.s.PGSQL.5432".len();
    if length > LONGEST_SOCKET {
        return Err(refuse(format!(
            "the path of the server's socket would have {length} bytes, the system allows {LONGEST_SOCKET}"
        )));
    }
    Ok(text.to_owned())
}

/// Creates the folder; one that is there already is somebody else's.
pub(super) fn create(folder: &Path) -> Result<(), EphemeralError> {
    DirBuilder::new().mode(0o700).create(folder).map_err(failed("create", folder))
}

/// Puts the marker, the work folder and the server's script into it.
pub(super) fn furnish(
    folder: &Path,
    marker: &Marker,
    account: &Account,
    script: &str,
) -> Result<(), EphemeralError> {
    let path = folder.join(MARKER);
    let text = serde_json::to_vec(marker).map_err(|error| failed("write", &path)(error.into()))?;
    fs::write(&path, text).map_err(failed("write", &path))?;
    if account.foreign && !marker.namespaced {
        // Inside namespaces the work folder is mounted elsewhere, here it has to be reached.
        fs::set_permissions(folder, Permissions::from_mode(0o711))
            .map_err(failed("open up", folder))?;
    }
    let (work, root) = (folder.join("work"), folder.join("root"));
    for path in [&work, &root] {
        DirBuilder::new().mode(0o700).create(path).map_err(failed("create", path))?;
    }
    let path = work.join("server.sh");
    fs::write(&path, script).map_err(failed("write", &path))?;
    if account.foreign {
        for path in [&path, &work] {
            chown(path, Some(account.uid), Some(account.gid)).map_err(failed("hand over", path))?;
        }
    }
    Ok(())
}

/// Connects to the server's socket.
///
/// What is below the work folder is in the hands of the dump, which could put a link to the socket
/// of the machine's own server there. So no symbolic link is followed, and it is the very socket
/// looked at that is connected to, by way of its descriptor. That also spares us the length limit.
pub(super) async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = rustix::fs::openat(CWD, folder, step | OFlags::DIRECTORY, Mode::empty())?;
    let work = rustix::fs::openat(&top, "work", step | OFlags::DIRECTORY, Mode::empty())?;
    let sock = rustix::fs::openat(&work, "sock", step | OFlags::DIRECTORY, Mode::empty())?;
    let socket = rustix::fs::openat(&sock, ".s.PGSQL.5432", step, Mode::empty())?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&socket)?.st_mode);
    if kind != FileType::Socket {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the server's socket is not a socket",
        ));
    }
    UnixStream::connect(magic_path(&socket)).await
}

fn magic_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The marker of a folder left behind; `Ok(None)` if there is no folder or it is still empty, an
/// error if it is not one of ours and must not be touched.
pub(super) fn recognise(folder: &Path) -> Result<Option<Marker>, String> {
    let named_so = folder
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    if !named_so || !folder.is_absolute() {
        return Err("its name is not one that pgdrill gives".to_owned());
    }
    let metadata = match fs::symlink_metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err("it is not a folder of this account".to_owned());
    }
    match fs::read(folder.join(MARKER)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).or_else(|_| {
            // The run ended while it wrote the marker: before anything else was in the folder.
            let alone = fs::read_dir(folder).is_ok_and(|entries| entries.count() == 1);
            alone.then_some(None).ok_or_else(|| "its marker is damaged".to_owned())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
            if empty { Ok(None) } else { Err("it has no marker of pgdrill".to_owned()) }
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Deletes the folder and all in it. One that is gone is fine.
///
/// Never follows a link, needs no permission on what is inside but being its owner, and neither
/// recursion nor a descriptor for each level: a hostile tree may be deep.
pub(super) fn delete(folder: &Path) -> io::Result<()> {
    let top = match open_folder(CWD, folder) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let prefix =
        random::<8>().map_err(io::Error::other)?.map(|byte| format!("{byte:02x}")).concat();
    let mut moved = 0_u64;
    loop {
        let mut names = batch(&top)?;
        // The marker goes last, so that a sweep can finish what is interrupted here.
        names.retain(|name| name.as_bytes() != MARKER.as_bytes());
        if names.is_empty() {
            break;
        }
        for name in names {
            if unlink(&top, &name)? {
                continue;
            }
            let inner = open_folder(top.as_fd(), name.as_c_str())?;
            loop {
                let children = batch(&inner)?;
                if children.is_empty() {
                    break;
                }
                for child in children {
                    if !unlink(&inner, &child)? {
                        // Folders move up instead of being descended into.
                        open_folder(inner.as_fd(), child.as_c_str())?;
                        moved += 1;
                        rustix::fs::renameat(&inner, &child, &top, format!("{prefix}-{moved}"))?;
                    }
                }
            }
            rustix::fs::unlinkat(&top, &name, AtFlags::REMOVEDIR)?;
        }
    }
    match rustix::fs::unlinkat(&top, MARKER, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => fs::remove_dir(folder),
        Err(error) => Err(error.into()),
    }
}

/// Opens a folder for reading after giving ourselves the permission to empty and move it.
fn open_folder<P: rustix::path::Arg>(parent: impl AsFd, name: P) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let path = magic_path(&handle);
    rustix::fs::chmod(&path, Mode::RWXU)?;
    rustix::fs::openat(
        CWD,
        &path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Some of the names in a folder; none only if it is empty.
fn batch(folder: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if ![c".", c".."].contains(&entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
        if names.len() == BATCH {
            break;
        }
    }
    Ok(names)
}

/// Deletes what is not a folder; false if it is one.
fn unlink(folder: &OwnedFd, name: &CString) -> rustix::io::Result<bool> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(error) => Err(error),
    }
}
