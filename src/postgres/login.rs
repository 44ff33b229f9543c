//! Logging in to a server that is not ours, as libpq does it.

mod dsn;
mod password;
mod tls;

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use super::session::Session;
pub(crate) use dsn::Target;
use tls::Tls;

/// Beyond `connect_timeout`, which is about the connection alone.
const LOGIN_LIMIT: Duration = Duration::from_secs(20);

/// A login that failed, as a person needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginFailure {
    /// The host, or the folder of the socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// `sslmode`, or that a socket needs none.
    pub tls: &'static str,
    /// What went wrong, in the server's words where it has said anything.
    pub cause: String,
    /// What to do, one step each.
    pub steps: Vec<String>,
}

impl fmt::Display for LoginFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cannot log in to the source server\n")?;
        writeln!(f, "  host      {}", self.host)?;
        writeln!(f, "  port      {}", self.port)?;
        writeln!(f, "  user      {}", self.user)?;
        writeln!(f, "  database  {}", self.database)?;
        writeln!(f, "  TLS       {}", self.tls)?;
        writeln!(f, "  cause     {}\n", self.cause)?;
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "  {number}. {step}")?;
        }
        Ok(())
    }
}

impl Target {
    /// Logs in to a database.
    pub(crate) async fn log_in(&self, database: &str) -> Result<Session, LoginFailure> {
        let failed = |(cause, steps): (String, Vec<String>)| LoginFailure {
            host: self.host(),
            port: self.port(),
            user: self.user().to_owned(),
            database: database.to_owned(),
            tls: if self.is_local() { "none: a socket of this machine" } else { self.tls.as_str() },
            cause: crate::text::one_line(&cause, 300),
            steps,
        };
        let tls = Tls::of(self).map_err(|cause| failed((cause, tls_steps())))?;
        let mut config = self.config.clone();
        config.dbname(database);
        if let Some(password) = &self.password.value {
            config.password(password);
        }
        match tokio::time::timeout(LOGIN_LIMIT, config.connect(tls)).await {
            Ok(Ok((client, connection))) => Ok(Session::of(client, connection)),
            Ok(Err(error)) => Err(failed(self.explain(&error, database))),
            Err(_) => Err(failed(self.too_late())),
        }
    }

    fn too_late(&self) -> (String, Vec<String>) {
        let steps = vec![
            format!(
                "Check that a firewall lets connections to {}:{} through.",
                self.host(),
                self.port()
            ),
            "Check that the address is the server's, and not that of a network which it has left."
                .to_owned(),
            "Give it longer with connect_timeout=60 in the connection string.".to_owned(),
        ];
        ("the server did not answer in time".to_owned(), steps)
    }

    /// The cause of a failed login and what to do about it.
    fn explain(&self, error: &tokio_postgres::Error, database: &str) -> (String, Vec<String>) {
        let (host, port, user) = (self.host(), self.port(), self.user());
        if let Some(said) = error.as_db_error() {
            let state = said.code().code();
            let cause = format!("{} (SQLSTATE {state})", said.message());
            return (cause, self.server_steps(state, said.message(), database));
        }
        let mut sources = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            sources.push(cause);
            source = cause.source();
        }
        let cause = sources.last().map_or_else(|| error.to_string(), ToString::to_string);
        let kind = sources.iter().find_map(|cause| cause.downcast_ref::<io::Error>());
        let steps = match kind.map(io::Error::kind) {
            // The library's word for it tells nobody anything.
            _ if cause.contains("CaUsedAsEndEntity") => {
                let cause =
                    "the server's certificate signs itself, and is not the one in `sslrootcert`";
                return (cause.to_owned(), tls_steps());
            }
            _ if error.to_string().contains("TLS") => return (cause, tls_steps()),
            _ if cause.contains("password missing") => {
                return (
                    "the server asks for a password, and there is none".to_owned(),
                    self.password_steps(database),
                );
            }
            Some(io::ErrorKind::ConnectionRefused) => vec![
                format!(
                    "Check that the server runs and listens on port {port}: `listen_addresses` and `port` in its postgresql.conf."
                ),
                format!("Try it from this machine: pg_isready -h {host} -p {port}"),
            ],
            Some(io::ErrorKind::TimedOut) => return self.too_late(),
            Some(io::ErrorKind::NotFound) => vec![
                format!(
                    "Check that the server runs on this machine and has its socket in {host}: `unix_socket_directories` in its postgresql.conf."
                ),
                "Name a host for a connection over the network: host=… in the connection string."
                    .to_owned(),
            ],
            _ if cause.contains("lookup address") => vec![format!(
                "Check the spelling of the host `{host}`, and that this machine can resolve it: getent hosts {host}"
            )],
            _ => vec![
                format!("Try it with psql: psql -h {host} -p {port} -U {user} -d {database}"),
                "Look at the server's log at this time.".to_owned(),
            ],
        };
        (cause, steps)
    }

    fn server_steps(&self, state: &str, message: &str, database: &str) -> Vec<String> {
        let (host, port, user) = (self.host(), self.port(), self.user());
        let psql = format!("Try it with psql: psql -h {host} -p {port} -U {user} -d {database}");
        match state {
            "28P01" => self.password_steps(database),
            "28000" if message.contains("no encryption") || message.contains("SSL off") => vec![
                "Ask for TLS with sslmode=require in the connection string: the server takes none without."
                    .to_owned(),
                format!("Or add a `host` line for database {database}, user {user} and this machine's address to pg_hba.conf on the server, and reload it: select pg_reload_conf()"),
            ],
            "28000" if message.starts_with("role ") => vec![
                format!("Make the role {user}, or let it in: alter role … login. `\\du` in psql lists those that there are."),
            ],
            "28000" => vec![
                format!("Add a line for database {database}, user {user} and this machine's address to pg_hba.conf on the server, and reload it: select pg_reload_conf()"),
            ],
            "3D000" => vec![
                format!("Check the spelling of the database: psql -h {host} -p {port} -U {user} -l"),
            ],
            "42501" => vec![
                format!("Let the role in: grant connect on database {} to {}", crate::text::quote_identifier(database), crate::text::quote_identifier(user)),
            ],
            "53300" => vec![
                "Wait until connections are free, or raise `max_connections` on the server.".to_owned(),
                "Ask for fewer at once: --jobs 1.".to_owned(),
            ],
            "57P03" => vec!["Wait until the server has started, and run again.".to_owned()],
            _ => vec![psql, "Look at the server's log at this time.".to_owned()],
        }
    }

    fn password_steps(&self, database: &str) -> Vec<String> {
        let (host, port, user) = (self.host(), self.port(), self.user());
        let of_file = format!("{host}:{port}:{database}:{user}:PASSWORD");
        let origin = &self.password.origin;
        vec![
            match self.password.value {
                Some(_) => format!("Check the password, which came from {origin}."),
                None => format!("Give a password: {origin}, and PGPASSWORD is not set."),
            },
            format!(
                "Put the line `{of_file}` into ~/.pgpass (chmod 600), or set PGPASSWORD; a password on a command line is seen by everybody on the machine."
            ),
            format!("Try it with psql: psql -h {host} -p {port} -U {user} -d {database}"),
        ]
    }
}

fn tls_steps() -> Vec<String> {
    vec![
        "Check that the server has TLS switched on (`ssl = on`), or ask for less: sslmode=prefer.".to_owned(),
        "With verify-ca and verify-full name the authority's certificate: sslrootcert=FILE, or sslrootcert=system for those of this machine.".to_owned(),
        "With verify-full the host in the connection string must be a name in the server's certificate.".to_owned(),
    ]
}
