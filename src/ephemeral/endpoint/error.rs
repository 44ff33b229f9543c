//! Why nobody can say where the Docker daemon is, and what to do about it.

use std::path::PathBuf;

/// A setting of the docker command that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The file that may name a context is unreadable.
    #[error("the Docker configuration `{}` cannot be read", file.display())]
    ConfigBroken {
        /// `config.json`.
        file: PathBuf,
        /// The system's or the parser's words.
        cause: String,
    },
    /// There is no context of that name.
    #[error("there is no Docker context `{name}`, which {named_by} names")]
    ContextUnknown {
        /// The name.
        name: String,
        /// The variable or file that names it.
        named_by: String,
        /// Where it would be.
        file: PathBuf,
    },
    /// A context's file is unreadable.
    #[error("the Docker context `{name}` cannot be read from `{}`", file.display())]
    ContextBroken {
        /// The context's name.
        name: String,
        /// `meta.json`.
        file: PathBuf,
        /// The system's or the parser's words.
        cause: String,
    },
    /// An address that is no socket and no TCP port.
    #[error("pgdrill cannot reach a Docker daemon at `{host}`, which {origin} names")]
    SchemeUnsupported {
        /// The address.
        host: String,
        /// The variable or context that names it.
        origin: String,
    },
    /// A file that an encrypted connection needs cannot be read.
    #[error("the certificate file `{}` for the Docker daemon cannot be read", file.display())]
    CertificateUnreadable {
        /// The file.
        file: PathBuf,
        /// The variable or context that names the daemon.
        origin: String,
        /// The system's words.
        cause: String,
    },
    /// TLS without looking who answers.
    #[error("{origin} asks for TLS without verification of the Docker daemon")]
    Unverified {
        /// The variable or context.
        origin: String,
    },
    /// The client library would talk to another daemon.
    #[error("the Docker daemon that {origin} names is not in pgdrill's own environment")]
    NotSettled {
        /// The variable or context that names the daemon.
        origin: String,
        /// What should be in the environment.
        variables: String,
    },
}

impl EndpointError {
    /// What lies behind the message.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::ConfigBroken { cause, .. } | Self::ContextBroken { cause, .. } => {
                Some(cause.clone())
            }
            Self::CertificateUnreadable { cause, origin, .. } => {
                Some(format!("{cause}; the daemon is named by {origin}"))
            }
            Self::ContextUnknown { file, .. } => Some(format!("no file `{}`", file.display())),
            Self::SchemeUnsupported { .. } => {
                Some("it takes `unix://` and `tcp://` addresses".to_owned())
            }
            Self::Unverified { .. } => {
                Some("whoever answered would get the dumps, roles and passwords included".into())
            }
            Self::NotSettled { .. } => Some("pgdrill could not start itself again".to_owned()),
        }
    }

    /// What to do next.
    pub fn next_step(&self) -> String {
        match self {
            Self::ConfigBroken { file, .. } => format!(
                "Correct `{}`, or name the daemon with DOCKER_HOST or DOCKER_CONTEXT.",
                file.display()
            ),
            Self::ContextUnknown { named_by, .. } => format!(
                "Look at `docker context ls`, and correct {named_by}; DOCKER_HOST=unix:///… goes without a context.",
            ),
            Self::ContextBroken { name, .. } => {
                format!("Make the context again: docker context rm {name}; docker context create …")
            }
            Self::SchemeUnsupported { host, .. } => match host.strip_prefix("ssh://") {
                Some(login) => forward(login),
                None => "Name a socket or a port of the daemon, e.g. DOCKER_HOST=unix:///var/run/docker.sock.".to_owned(),
            },
            Self::CertificateUnreadable { file, .. } => format!(
                "Put ca.pem, cert.pem and key.pem into `{}`, readable for this account.",
                file.parent().unwrap_or(file).display()
            ),
            Self::Unverified { .. } => "Set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to a folder with ca.pem, cert.pem and key.pem.".to_owned(),
            Self::NotSettled { variables, .. } => format!("Set {variables}, and run again."),
        }
    }
}

/// How to have a far daemon's socket here.
fn forward(login: &str) -> String {
    let login = login.split('/').next().unwrap_or(login);
    let (login, port) = match login.rsplit_once(':') {
        Some((login, port)) => (login, format!(" -p {port}")),
        None => (login, String::new()),
    };
    format!(
        "Forward its socket: ssh -nNT{port} -L /tmp/docker.sock:/var/run/docker.sock {login} & then run with DOCKER_HOST=unix:///tmp/docker.sock."
    )
}
