//! The command lines that put programs into the sandbox. All of them are util-linux's: what they do
//! between `fork` and `exec` cannot be written in safe Rust.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::account::Account;
use super::binaries::visible_folders;
use crate::ephemeral::{EphemeralError, ExecCommand, Held, HeldLimit, LimitKey};
use crate::scenario::Limits;

/// Builds the root and starts the server; see there.
const ENTER: &str = include_str!("enter.sh");
/// Becomes the server's account; see there.
const DROP: &str = include_str!("drop.sh");
/// Tries whether the others can work; see there.
const PROBE: &str = include_str!("probe.sh");

/// The work folder as seen inside.
pub(super) const INSIDE: &str = "/pgdrill";

/// What the command lines of one sandbox have in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) folder: PathBuf,
    /// The work folder as the programs inside see it.
    pub(super) work_dir: String,
    pub(super) bindir: PathBuf,
    pub(super) account: Account,
    pub(super) token: String,
    pub(super) namespaced: bool,
    pub(super) bounds: Bounds,
}

/// What the kernel lets the sandbox use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Processes and threads of the server's account.
    pub(super) pids: u64,
    /// Bytes in `/dev/shm`.
    pub(super) shm: u64,
}

impl Bounds {
    /// The limits asked for, else the defaults, which are the container's.
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            pids: limits.pids.unwrap_or(1024),
            shm: limits.shm.map_or(1024 * 1024 * 1024, |bytes| bytes.0),
        }
    }

    /// What the kernel holds of it: without namespaces, nothing.
    pub(super) fn held(&self, namespaced: bool) -> Vec<HeldLimit> {
        if !namespaced {
            return Vec::new();
        }
        let enforced = |key, value| HeldLimit { key, value, held: Held::Enforced };
        vec![enforced(LimitKey::Pids, self.pids), enforced(LimitKey::Shm, self.shm)]
    }
}

/// The limits that a sandbox of this machine would hold.
pub(crate) fn limits_of(limits: &Limits, namespaced: bool) -> Vec<HeldLimit> {
    Bounds::of(limits).held(namespaced)
}

/// The open namespaces of a sandbox. Held open, because a process number may be given to another
/// process, and entering that one's namespaces could mean the machine's own.
#[derive(Debug)]
pub(super) struct Namespaces {
    files: Vec<(&'static str, File)>,
}

impl Namespaces {
    /// Opens the namespaces of process 1, `first` as seen from here.
    pub(super) fn open(first: u32, with_user: bool) -> std::io::Result<Self> {
        let kinds = [
            ("user", "user"),
            ("mnt", "mount"),
            ("net", "net"),
            ("ipc", "ipc"),
            ("uts", "uts"),
            ("pid", "pid"),
        ];
        let files = kinds
            .into_iter()
            .filter(|(kind, _)| with_user || *kind != "user")
            .map(|(kind, option)| Ok((option, File::open(format!("/proc/{first}/ns/{kind}"))?)))
            .collect::<std::io::Result<_>>()?;
        Ok(Self { files })
    }

    fn options(&self) -> impl Iterator<Item = String> {
        let own = std::process::id();
        self.files
            .iter()
            .map(move |(option, file)| format!("--{option}=/proc/{own}/fd/{}", file.as_raw_fd()))
    }
}

impl Plan {
    /// The first program, `server.sh` in the work folder, and all that goes before it.
    pub(super) fn first(&self, arguments: &[String]) -> Result<Command, EphemeralError> {
        let mut command = self.detached()?;
        if self.namespaced {
            self.unshared(&mut command)?;
            command
                .args(["sh", "-c", "eval \"$PGDRILL_ENTER\"", "pgdrill-enter"])
                .args(visible_folders(&self.bindir))
                .arg("--")
                .env("PGDRILL_ENTER", ENTER)
                .env("PGDRILL_SHM", self.bounds.shm.to_string())
                .env("PGDRILL_FOLDER", &self.folder);
        } else {
            self.unprivileged(&mut command, true)?;
            command.arg("sh").arg(self.folder.join("work/server.sh")).env("PGDRILL_LOOPBACK", "up");
        }
        command.arg(&self.work_dir).args(arguments);
        Ok(command)
    }

    /// A program in the running sandbox; `namespaces` are its, where it has some.
    pub(super) fn exec(
        &self,
        program: &ExecCommand,
        namespaces: Option<&Namespaces>,
    ) -> Result<Command, EphemeralError> {
        let mut command = self.detached()?;
        match namespaces {
            Some(namespaces) => {
                command.arg(find_program("nsenter")?).args(namespaces.options());
                if !self.account.foreign {
                    command.arg("--preserve-credentials");
                }
                command
                    .args(["--", "sh", "-c", "eval \"$PGDRILL_DROP\"", "pgdrill-drop"])
                    .arg(&self.work_dir);
            }
            None => self.unprivileged(&mut command, false)?,
        }
        command.args(&program.argv).envs(program.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// A try of the namespaces, see [`PROBE`].
    pub(super) fn probe(account: Account) -> Result<Command, EphemeralError> {
        let plan = Self {
            folder: PathBuf::from("/"),
            work_dir: "/".to_owned(),
            bindir: PathBuf::from("/bin"),
            account,
            token: "probe".to_owned(),
            namespaced: true,
            bounds: Bounds::of(&Limits::default()),
        };
        let mut command = plan.detached()?;
        plan.unshared(&mut command)?;
        command.args(["sh", "-c", PROBE]);
        Ok(command)
    }

    /// A program in a session of its own, so that neither Ctrl-C nor a hang-up reaches it and it
    /// has no terminal to type into; and in an environment that has nothing of ours.
    fn detached(&self) -> Result<Command, EphemeralError> {
        let mut command = closing(&inherited());
        command.arg(find_program("setsid")?);
        let mut path = OsString::from(&self.bindir);
        path.push(":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .arg("--wait")
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            // As in the container images: the machine's time zone must not change a verdict.
            .env("TZ", "UTC")
            .env("HOME", if self.namespaced { "/tmp" } else { self.work_dir.as_str() })
            .env("PGDRILL_SANDBOX", &self.token);
        if self.namespaced {
            command
                .current_dir("/")
                .env("PGDRILL_DROP", DROP)
                .env("PGDRILL_PIDS", self.bounds.pids.to_string())
                .env("PGDRILL_UID", self.account.uid.to_string())
                .env("PGDRILL_GID", self.account.gid.to_string())
                .env("PGDRILL_SWITCH", if self.account.foreign { "yes" } else { "no" });
        } else {
            command.current_dir(&self.work_dir);
        }
        Ok(command)
    }

    /// New namespaces for what follows; it ends when the thread that starts it does.
    fn unshared(&self, command: &mut Command) -> Result<(), EphemeralError> {
        command
            .arg(find_program("setpriv")?)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(find_program("unshare")?);
        if !self.account.foreign {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]);
        command.arg("--");
        Ok(())
    }

    /// The server's account without any namespaces.
    fn unprivileged(&self, command: &mut Command, first: bool) -> Result<(), EphemeralError> {
        command.arg(find_program("setpriv")?).args([
            "--no-new-privs",
            "--inh-caps=-all",
            "--ambient-caps=-all",
        ]);
        if self.account.foreign {
            command.arg(format!("--reuid={}", self.account.uid));
            command.arg(format!("--regid={}", self.account.gid));
            command.args(["--clear-groups", "--bounding-set=-all"]);
        }
        if first {
            command.args(["--pdeathsig", "KILL"]);
        }
        command.arg("--");
        Ok(())
    }
}

/// Runs what follows without these descriptors.
fn closing(descriptors: &[u32]) -> Command {
    // Many a `sh` only knows descriptors of one digit.
    let bash = Path::new("/bin/bash");
    let many = descriptors.iter().any(|number| *number > 9) && bash.is_file();
    let mut command = Command::new(if many { bash } else { Path::new("/bin/sh") });
    let close: Vec<String> = descriptors.iter().map(|number| format!("exec {number}>&-")).collect();
    let script = format!("set -e\n{}\nexec \"$@\"", close.join("\n"));
    command.arg("-c").arg(script).arg("pgdrill");
    command
}

/// The descriptors that whoever started us has left open and that would go on to every program we
/// start: one of a folder is a way out of any root. Rust's own are closed by the kernel.
fn inherited() -> Vec<u32> {
    /// As `/proc/PID/fdinfo` shows it, in octal (proc(5)).
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let Ok(entries) = fs::read_dir("/proc/self/fdinfo") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .filter(|number: &u32| {
            // One that is gone was the folder just listed.
            fs::read_to_string(format!("/proc/self/fdinfo/{number}")).is_ok_and(|text| {
                let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
                let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
                flags.is_none_or(|flags| flags & CLOSE_ON_EXEC == 0)
            })
        })
        .collect()
}

/// The absolute path of one of util-linux's programs.
fn find_program(name: &str) -> Result<PathBuf, EphemeralError> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/bin:/bin").to_owned());
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|program| Path::is_file(program))
        .ok_or_else(|| EphemeralError::Exec {
            program: name.to_owned(),
            cause: format!("there is no `{name}` (of util-linux) in the PATH"),
        })
}
