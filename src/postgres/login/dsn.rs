//! Connection strings of libpq, as URL or as keys and values, with the variables and files that libpq
//! looks at besides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::password::{self, Password};
use crate::text::quote_conninfo;

/// Looks a variable of the environment up.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How long a server may take to answer, where `connect_timeout` does not say.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Where servers put their sockets: Debian's place and PostgreSQL's own.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
/// What libpq knows and nothing here depends on.
const WITHOUT_MEANING: [&str; 5] =
    ["gssencmode", "client_encoding", "fallback_application_name", "sslcompression", "sslsni"];

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl TlsMode {
    const ALL: [Self; 5] =
        [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Where to log in, and how.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) config: Config,
    pub(super) tls: TlsMode,
    /// `sslrootcert`: a file, or `system`.
    pub(super) root: Option<String>,
    /// `sslcert` and `sslkey`.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    pub(super) password: Password,
    pub(super) database: String,
}

impl Target {
    /// Reads a connection string. The message of an error holds nothing of its values.
    pub(crate) fn parse(dsn: &str, variables: Variables<'_>) -> Result<Self, String> {
        let (mut own, rest) = if dsn.starts_with("postgres://") || dsn.starts_with("postgresql://")
        {
            split_url(dsn)?
        } else {
            split_pairs(dsn)?
        };
        let mut take = |name: &str, variable: &str| {
            let given = own.iter().position(|(key, _)| key == name).map(|at| own.remove(at).1);
            given.or_else(|| variables(variable)).filter(|value| !value.is_empty())
        };
        let mode = take("sslmode", "PGSSLMODE");
        let root = take("sslrootcert", "PGSSLROOTCERT");
        let certificate = take("sslcert", "PGSSLCERT");
        let key = take("sslkey", "PGSSLKEY");
        let passfile = take("passfile", "PGPASSFILE");
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            cause.unwrap_or_else(|| error.to_string())
        })?;
        let tls = match mode {
            None => TlsMode::Prefer,
            Some(mode) => {
                let known = TlsMode::ALL.into_iter().find(|known| known.as_str() == mode);
                known.ok_or_else(|| {
                    "`sslmode` is disable, prefer, require, verify-ca or verify-full".to_owned()
                })?
            }
        };
        complete(&mut config, variables)?;
        let hosts = config.get_hosts();
        let is_local = hosts.iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(match tls {
            _ if is_local => SslMode::Disable,
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        let client = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            _ => return Err("`sslcert` and `sslkey` go together".to_owned()),
        };
        let database = config.get_dbname().unwrap_or_default().to_owned();
        let root = root.or_else(|| {
            let file = Path::new(&variables("HOME")?).join(".postgresql/root.crt");
            file.is_file().then(|| file.to_string_lossy().into_owned())
        });
        let password = password::find(&config, passfile, variables);
        Ok(Self { config, tls, root, client, password, database })
    }

    /// The database that it names.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// The first host, as people write it.
    pub(crate) fn host(&self) -> String {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => String::new(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub(super) fn is_local(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Disable && self.host().starts_with('/')
    }
}

/// What libpq takes from the environment where the string does not say it.
fn complete(config: &mut Config, variables: Variables<'_>) -> Result<(), String> {
    let variable = |name: &str| variables(name).filter(|value| !value.is_empty());
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        if let Some(host) = variable("PGHOST") {
            config.host(host);
        } else {
            let has_socket = |folder: &&str| {
                let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
                let mut names = names.map(|entry| entry.file_name());
                names.any(|name| name.to_string_lossy().starts_with(".s.PGSQL."))
            };
            let folder = SOCKET_FOLDERS.into_iter().find(has_socket);
            config.host(folder.unwrap_or("localhost"));
        }
    }
    if config.get_ports().is_empty()
        && let Some(port) = variable("PGPORT")
    {
        config.port(port.parse().map_err(|_| "PGPORT is no port".to_owned())?);
    }
    if config.get_user().is_none() {
        let user = variable("PGUSER").or_else(|| variable("USER")).or_else(|| variable("LOGNAME"));
        let user = user.or_else(own_account);
        config.user(user.ok_or("it names no user, and neither does PGUSER")?);
    }
    if config.get_dbname().is_none() {
        let user = config.get_user().unwrap_or_default().to_owned();
        config.dbname(variable("PGDATABASE").unwrap_or(user));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_LIMIT);
    }
    config.application_name("pgdrill");
    Ok(())
}

/// The account that this program runs as (`passwd(5)`).
fn own_account() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// Keys that are ours to read.
type Own = Vec<(String, String)>;

fn is_own(key: &str) -> bool {
    matches!(key, "sslmode" | "sslrootcert" | "sslcert" | "sslkey" | "passfile")
}

fn split_url(dsn: &str) -> Result<(Own, String), String> {
    let Some((base, query)) = dsn.split_once('?') else {
        return Ok((Own::new(), dsn.to_owned()));
    };
    let (mut own, mut rest) = (Own::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("an option of the URL has no `=`")?;
        if is_own(key) {
            own.push((key.to_owned(), unescaped(value)?));
        } else if !WITHOUT_MEANING.contains(&key) {
            rest.push(pair);
        }
    }
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    Ok((own, format!("{base}{query}")))
}

/// `%2F` and its like.
fn unescaped(text: &str) -> Result<String, String> {
    let wrong = || "an option of the URL is no text".to_owned();
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().ok_or_else(wrong)?, rest.next().ok_or_else(wrong)?];
        let digits = std::str::from_utf8(&digits).map_err(|_| wrong())?.to_owned();
        bytes.push(u8::from_str_radix(&digits, 16).map_err(|_| wrong())?);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn split_pairs(dsn: &str) -> Result<(Own, String), String> {
    let (mut own, mut rest) = (Own::new(), String::new());
    let mut text = dsn.trim_start();
    while !text.is_empty() {
        let (key, behind) = text.split_once('=').ok_or("a key without `=` and a value")?;
        let key = key.trim();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err("a key without `=` and a value".to_owned());
        }
        let (value, behind) = value(behind.trim_start())?;
        if is_own(key) {
            own.push((key.to_owned(), value));
        } else if !WITHOUT_MEANING.contains(&key) {
            rest.push_str(&format!("{key}={} ", quote_conninfo(&value)));
        }
        text = behind.trim_start();
    }
    Ok((own, rest))
}

/// One value, and what stands behind it.
fn value(text: &str) -> Result<(String, &str), String> {
    let (is_quoted, from) = match text.strip_prefix('\'') {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = from.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if is_quoted => return Ok((value, &from[at + 1..])),
            character if !is_quoted && character.is_whitespace() => {
                return Ok((value, &from[at..]));
            }
            character => value.push(character),
        }
    }
    if is_quoted { Err("a quoted value has no end".to_owned()) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(dsn: &str) -> Result<Target, String> {
        Target::parse(dsn, &|name| (name == "PGUSER").then(|| "somebody".to_owned()))
    }

    #[test]
    fn both_forms_say_the_same() {
        for dsn in [
            "postgresql://app:s%27x@db.example:6432/shop?sslmode=verify-full&sslrootcert=%2Fca.pem",
            "host=db.example port=6432 user=app password='s\\'x' dbname = shop sslmode=verify-full \
             sslrootcert='/ca.pem' gssencmode=disable",
        ] {
            let target = parse(dsn).unwrap();
            assert_eq!(target.host(), "db.example", "{dsn}");
            assert_eq!((target.port(), target.user(), target.database()), (6432, "app", "shop"));
            assert_eq!(target.tls, TlsMode::VerifyFull);
            assert_eq!(target.root.as_deref(), Some("/ca.pem"));
            assert_eq!(target.config.get_password(), Some(b"s'x".as_slice()));
        }
    }

    #[test]
    fn what_is_left_out_comes_from_elsewhere() {
        let target = parse("host=/tmp").unwrap();
        assert_eq!(
            (target.user(), target.database(), target.port()),
            ("somebody", "somebody", 5432)
        );
        assert!(target.is_local());
        assert_eq!(target.tls, TlsMode::Prefer);
    }

    #[test]
    fn what_is_wrong_is_said_without_values() {
        for (dsn, said) in [
            ("hunter2", "a key without `=`"),
            ("host=a password='hunter2", "no end"),
            ("host=a sslmode=hunter2", "`sslmode` is disable"),
            ("host=a sslcert=/hunter2", "go together"),
            ("host=a port=hunter2", "port"),
            ("host=a colour=hunter2", "colour"),
            ("postgres://a/b?sslmode=%zzhunter2", "no text"),
        ] {
            let error = parse(dsn).err().unwrap();
            assert!(error.contains(said), "{dsn}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
