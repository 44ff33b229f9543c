//! The account that the server runs as: never root, never the one of the machine's own databases.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};

use super::binaries::expand;
use super::processes;
use crate::ephemeral::EphemeralError;

/// systemd's range for accounts that exist for a while only, which distributions keep free.
const TRANSIENT: std::ops::RangeInclusive<u32> = 61184..=65519;

/// Who the server is.
#[derive(Debug)]
pub(super) struct Account {
    /// Its number inside the sandbox.
    pub(super) uid: u32,
    /// Its group's number inside the sandbox.
    pub(super) gid: u32,
    /// Its number on the machine.
    pub(super) outside_uid: u32,
    /// Whether it is not ours, that is, whether we are root and have to become it.
    pub(super) foreign: bool,
    /// Held as long as the number is in use.
    _reservation: Option<Reservation>,
}

/// Keeps other runs from using the same number: a name that the kernel gives to one process at a
/// time and frees when that process ends, however it ends.
#[derive(Debug)]
struct Reservation {
    _socket: UnixDatagram,
}

impl Account {
    /// Decides for the account, see the module's documentation. Root becomes one that nobody has.
    /// Without namespaces, and so without a private `/etc/passwd`, that has to be `nobody`: initdb
    /// does not work for an account without a name.
    pub(super) fn choose(namespaced: bool) -> Result<Self, EphemeralError> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if uid.is_root() && !namespaced {
            return Self::nobody();
        }
        if uid.is_root() && maps_all_transient() {
            return Self::transient();
        }
        let uid = uid.as_raw();
        let name = name_of(uid);
        if name.as_deref() == Some("postgres") || owns_a_database(uid) {
            let account = name.unwrap_or_else(|| uid.to_string());
            return Err(EphemeralError::ForbiddenAccount { account });
        }
        // Root of a user namespace that holds little else is an ordinary account outside of it.
        let inside = |id: u32| if id == 0 { *TRANSIENT.start() } else { id };
        Ok(Self {
            uid: inside(uid),
            gid: inside(gid.as_raw()),
            outside_uid: uid,
            foreign: false,
            _reservation: None,
        })
    }

    fn nobody() -> Result<Self, EphemeralError> {
        let text = fs::read("/etc/passwd").unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let numbers = text.lines().find_map(|line| {
            let mut fields = line.strip_prefix("nobody:")?.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        match numbers {
            Some((uid, gid)) if uid != 0 && gid != 0 => {
                Ok(Self { uid, gid, outside_uid: uid, foreign: true, _reservation: None })
            }
            _ => Err(EphemeralError::ForbiddenAccount { account: "root".to_owned() }),
        }
    }

    fn transient() -> Result<Self, EphemeralError> {
        let busy: HashSet<u32> = processes::all().flat_map(processes::uids).collect();
        let size = TRANSIENT.end() - TRANSIENT.start() + 1;
        let first = u32::from_le_bytes(random()?) % size;
        (0..size)
            .map(|step| TRANSIENT.start() + (first + step) % size)
            .filter(|uid| !busy.contains(uid) && !is_known(*uid))
            .find_map(|uid| Some((uid, Reservation::take(uid)?)))
            .map(|(uid, reservation)| Self {
                uid,
                gid: uid,
                outside_uid: uid,
                foreign: true,
                _reservation: Some(reservation),
            })
            .ok_or_else(|| EphemeralError::ForbiddenAccount { account: "root".to_owned() })
    }
}

impl Reservation {
    /// `None` if another process has it.
    fn take(uid: u32) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("pgdrill-uid-{uid}")).ok()?;
        Some(Self { _socket: UnixDatagram::bind_addr(&name).ok()? })
    }
}

/// Bytes that nobody can foresee.
pub(super) fn random<const N: usize>() -> Result<[u8; N], EphemeralError> {
    let path = "/dev/urandom";
    let mut bytes = [0; N];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map(|()| bytes)
        .map_err(|source| EphemeralError::Folder { action: "read", path: path.to_owned(), source })
}

/// Whether our user namespace has the whole range; a container's may not.
fn maps_all_transient() -> bool {
    ["/proc/self/uid_map", "/proc/self/gid_map"].iter().all(|file| {
        fs::read_to_string(file).is_ok_and(|text| {
            text.lines().any(|line| {
                let mut numbers =
                    line.split_whitespace().map_while(|word| word.parse::<u64>().ok());
                match (numbers.next(), numbers.next(), numbers.next()) {
                    (Some(first), Some(_), Some(count)) => {
                        first <= u64::from(*TRANSIENT.start())
                            && first + count > u64::from(*TRANSIENT.end())
                    }
                    _ => false,
                }
            })
        })
    })
}

/// The account's name, from the file or from a directory service.
fn name_of(uid: u32) -> Option<String> {
    in_file("/etc/passwd", uid).or_else(|| {
        let text = getent("passwd", uid).ok().flatten()?;
        text.split(':').next().map(str::to_owned)
    })
}

/// Whether any account or group has the number.
fn is_known(id: u32) -> bool {
    in_file("/etc/passwd", id).is_some()
        || in_file("/etc/group", id).is_some()
        || fs::exists(format!("/run/systemd/dynamic-uid/{id}")).unwrap_or(true)
        || matches!(getent("passwd", id), Ok(Some(_)))
        || matches!(getent("group", id), Ok(Some(_)))
}

/// The name with number `id` in a file such as `/etc/passwd` (third field).
fn in_file(file: &str, id: u32) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(file).ok()?).into_owned();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

fn getent(database: &str, id: u32) -> io::Result<Option<String>> {
    let output = Command::new("getent")
        .arg(database)
        .arg(id.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success() && !text.is_empty()).then_some(text))
}

/// Whether the account owns one of the machine's own databases, whatever it is called.
fn owns_a_database(uid: u32) -> bool {
    let mut folders = vec!["/var/lib/pgsql/data".into(), "/var/lib/postgres/data".into()];
    folders.extend(expand("/var/lib/pgsql/*/data"));
    for version in expand("/var/lib/postgresql/*") {
        folders.extend(expand(&format!("{}/*", version.display())));
    }
    folders.iter().any(|folder| {
        fs::metadata(folder.join("PG_VERSION")).is_ok_and(|metadata| metadata.uid() == uid)
    })
}

#[cfg(test)]
mod tests {
    use super::{Account, Reservation, TRANSIENT, in_file, name_of};
    use crate::ephemeral::EphemeralError;

    #[test]
    fn a_number_is_given_out_once() {
        let first = Reservation::take(1).unwrap();
        assert!(Reservation::take(1).is_none());
        drop(first);
        assert!(Reservation::take(1).is_some());
    }

    #[test]
    fn names_come_from_the_third_field() {
        assert_eq!(in_file("/etc/passwd", 0).as_deref(), Some("root"));
        assert_eq!(name_of(0).as_deref(), Some("root"));
        assert_eq!(in_file("/etc/passwd", 4_000_000_000), None);
    }

    #[test]
    fn root_gets_different_transient_accounts_and_others_keep_theirs() {
        let own = rustix::process::geteuid().as_raw();
        match Account::choose(true) {
            Ok(first) if first.foreign => {
                let second = Account::choose(true).unwrap();
                assert_ne!(first.uid, second.uid);
                assert!(TRANSIENT.contains(&first.uid) && TRANSIENT.contains(&second.uid));
                assert_eq!(name_of(first.uid), None);
                let named = Account::choose(false).unwrap();
                assert_eq!(name_of(named.uid).as_deref(), Some("nobody"));
            }
            Ok(account) => assert_eq!(account.outside_uid, own),
            Err(EphemeralError::ForbiddenAccount { .. }) => assert_ne!(own, 0),
            Err(error) => panic!("{error:?}"),
        }
    }
}
