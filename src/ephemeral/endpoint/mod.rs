//! Where the Docker daemon is: the docker command's answer, from the same places.
//!
//! `DOCKER_HOST`, else the context that `DOCKER_CONTEXT` or `config.json` names, else the usual
//! sockets. The client library knows only `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and
//! `DOCKER_CERT_PATH`, and reads them from the process: [`settle`] puts the answer there.

mod error;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use error::EndpointError;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// What a client certificate consists of, by the names that docker gives its files.
const CERTIFICATE_FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];
/// The origin of a daemon at the usual place.
pub(super) const UNNAMED: &str = "nothing names another";
/// Says, after [`settle`], what named the daemon.
const ORIGIN_VARIABLE: &str = "PGDRILL_DOCKER_FROM";

/// A daemon's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `unix://` or `tcp://`.
    pub(super) host: String,
    /// The folder of the certificates, where the connection is to be encrypted.
    pub(super) certificates: Option<PathBuf>,
    /// What named it, for people.
    pub(super) origin: String,
}

/// The part of a `config.json` that names a context.
#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

/// The part of a context's `meta.json` that says where its daemon is.
#[derive(Deserialize)]
struct ContextFile {
    #[serde(rename = "Endpoints", default)]
    endpoints: HashMap<String, ContextEndpoint>,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

/// The process's environment, or a test's.
pub(super) struct Environment<'a>(pub(super) &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
    /// A variable; an empty one counts as none, as for the docker command.
    fn get(&self, name: &str) -> Option<OsString> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn config_folder(&self) -> PathBuf {
        self.get("DOCKER_CONFIG").map_or_else(
            || PathBuf::from(self.get("HOME").unwrap_or_else(|| "/".into())).join(".docker"),
            PathBuf::from,
        )
    }
}

/// The daemon of this process.
pub(super) fn of_this_process() -> Result<Endpoint, EndpointError> {
    let environment = Environment(&|name| std::env::var_os(name));
    let mut endpoint = resolve(&environment)?;
    if !is_settled(&endpoint, &environment) {
        return Err(EndpointError::NotSettled {
            origin: endpoint.origin.clone(),
            variables: show(&variables(&endpoint)),
        });
    }
    if let Some(origin) = environment.text(ORIGIN_VARIABLE) {
        endpoint.origin = origin;
    }
    Ok(endpoint)
}

/// Replaces this process once by itself, with the daemon's address in the environment, where the
/// client library would find another daemon than the docker command. The process id stays.
///
/// Call it before threads start. It returns where there is nothing to do, and where nothing can
/// be done: using the daemon then says why.
pub fn settle(args: &[OsString]) {
    let environment = Environment(&|name| std::env::var_os(name));
    // Never twice: the second process would start a third.
    if environment.get(ORIGIN_VARIABLE).is_some() {
        return;
    }
    let Ok(endpoint) = resolve(&environment) else { return };
    if is_settled(&endpoint, &environment) {
        return;
    }
    let (Ok(own), Some((name, rest))) = (std::env::current_exe(), args.split_first()) else {
        return;
    };
    let mut again = Command::new(own);
    again.arg0(name).args(rest).env(ORIGIN_VARIABLE, &endpoint.origin);
    for (variable, value) in variables(&endpoint) {
        match value {
            Some(value) => again.env(variable, value),
            None => again.env_remove(variable),
        };
    }
    let error = again.exec();
    tracing::warn!(%error, "pgdrill could not start itself again");
}

type Variables = [(&'static str, Option<OsString>); 3];

/// What the client library has to find in its environment.
fn variables(endpoint: &Endpoint) -> Variables {
    let folder = endpoint.certificates.as_ref();
    [
        ("DOCKER_HOST", Some(OsString::from(&endpoint.host))),
        ("DOCKER_TLS_VERIFY", folder.map(|_| OsString::from("1"))),
        ("DOCKER_CERT_PATH", folder.map(|folder| folder.clone().into_os_string())),
    ]
}

fn show(variables: &Variables) -> String {
    let set = variables.iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| format!("{name}={}", value.to_string_lossy()))
    });
    set.collect::<Vec<_>>().join(" ")
}

/// Whether the client library finds `endpoint` by itself.
fn is_settled(endpoint: &Endpoint, environment: &Environment<'_>) -> bool {
    let there = |name: &str| (environment.0)(name);
    let [(_, host), (_, verify), (_, folder)] = variables(endpoint);
    let is_default = endpoint.host == format!("unix://{DEFAULT_SOCKET}");
    let same_host = match there("DOCKER_HOST") {
        None => is_default,
        found => found == host,
    };
    // It takes nothing but `1` for yes, and has no use for certificates on a socket.
    let encrypts = endpoint.host.starts_with("tcp:")
        && there("DOCKER_TLS_VERIFY").is_some_and(|value| value == "1");
    same_host && encrypts == verify.is_some() && (!encrypts || there("DOCKER_CERT_PATH") == folder)
}

/// Finds the daemon as the docker command does: `DOCKER_HOST` wins over `DOCKER_CONTEXT`, and that
/// over the current context of `config.json`.
pub(super) fn resolve(environment: &Environment<'_>) -> Result<Endpoint, EndpointError> {
    if let Some(host) = environment.text("DOCKER_HOST") {
        return by_variables(environment, Some(&host), "DOCKER_HOST");
    }
    let (name, origin) = if let Some(name) = environment.text("DOCKER_CONTEXT") {
        (name, "DOCKER_CONTEXT".to_owned())
    } else {
        let file = environment.config_folder().join("config.json");
        (current_context(&file)?, format!("`currentContext` in {}", file.display()))
    };
    if name.is_empty() || name == "default" {
        return by_variables(environment, None, UNNAMED);
    }
    of_context(environment, &name, &origin)
}

/// Empty where the file names none or is not there.
fn current_context(file: &Path) -> Result<String, EndpointError> {
    let broken = |cause: String| EndpointError::ConfigBroken { file: file.to_owned(), cause };
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice::<ConfigFile>(&bytes)
            .map(|config| config.current_context)
            .map_err(|error| broken(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(broken(error.to_string())),
    }
}

fn by_variables(
    environment: &Environment<'_>,
    host: Option<&str>,
    origin: &str,
) -> Result<Endpoint, EndpointError> {
    let verify = environment.get("DOCKER_TLS_VERIFY").is_some();
    let host = match host {
        Some(host) => host.to_owned(),
        None if verify => "tcp://localhost".to_owned(),
        None => format!("unix://{}", usual_socket(environment).display()),
    };
    let wants_tls = verify || host.starts_with("https:");
    let host = normal(&host, wants_tls, origin)?;
    let is_socket = host.starts_with("unix:");
    // Encrypted, but with anybody: the client library has no such mode, and a dump is worth more.
    if !is_socket && !wants_tls && environment.get("DOCKER_TLS").is_some() {
        return Err(EndpointError::Unverified { origin: "DOCKER_TLS".to_owned() });
    }
    let folder = || {
        environment.get("DOCKER_CERT_PATH").map_or_else(|| environment.config_folder(), Into::into)
    };
    let certificates = (wants_tls && !is_socket).then(folder);
    complete(Endpoint { host, certificates, origin: origin.to_owned() })
}

fn of_context(
    environment: &Environment<'_>,
    name: &str,
    named_by: &str,
) -> Result<Endpoint, EndpointError> {
    let contexts = environment.config_folder().join("contexts");
    let id = Sha256::digest(name).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let file = contexts.join("meta").join(&id).join("meta.json");
    let broken = |cause: String| EndpointError::ContextBroken {
        name: name.to_owned(),
        file: file.clone(),
        cause,
    };
    let bytes = fs::read(&file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => EndpointError::ContextUnknown {
            name: name.to_owned(),
            named_by: named_by.to_owned(),
            file: file.clone(),
        },
        _ => broken(error.to_string()),
    })?;
    let mut context: ContextFile =
        serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    let endpoint = context
        .endpoints
        .remove("docker")
        .ok_or_else(|| broken("it has no endpoint `docker`".to_owned()))?;
    let origin = format!("context `{name}` ({named_by})");
    let folder = contexts.join("tls").join(&id).join("docker");
    let has_certificates = CERTIFICATE_FILES.iter().any(|file| folder.join(file).exists());
    let host = match endpoint.host.as_str() {
        "" => format!("unix://{}", usual_socket(environment).display()),
        host => normal(host, has_certificates, &origin)?,
    };
    let is_socket = host.starts_with("unix:");
    if endpoint.skip_tls_verify && !is_socket {
        return Err(EndpointError::Unverified { origin });
    }
    let certificates = (has_certificates && !is_socket).then_some(folder);
    complete(Endpoint { host, certificates, origin })
}

/// The address in the form that the client library takes: `unix://PATH` or `tcp://HOST:PORT`.
fn normal(host: &str, is_encrypted: bool, origin: &str) -> Result<String, EndpointError> {
    let (scheme, address) = host.split_once("://").unwrap_or(("tcp", host));
    match scheme {
        "unix" if address.is_empty() => Ok(format!("unix://{DEFAULT_SOCKET}")),
        "unix" => Ok(host.to_owned()),
        "tcp" | "http" | "https" => {
            let address = address.trim_end_matches('/');
            // The colons of an IPv6 address stand in brackets.
            let has_port = address.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
            let port = if is_encrypted { 2376 } else { 2375 };
            let name = if address.is_empty() { "localhost" } else { address };
            Ok(if has_port && !name.starts_with(':') {
                format!("tcp://{name}")
            } else if has_port {
                format!("tcp://localhost{name}")
            } else {
                format!("tcp://{name}:{port}")
            })
        }
        _ => Err(EndpointError::SchemeUnsupported {
            host: host.to_owned(),
            origin: origin.to_owned(),
        }),
    }
}

/// The first socket that is there: of the system's daemon, of a rootless one, of Docker Desktop.
fn usual_socket(environment: &Environment<'_>) -> PathBuf {
    let below = |variable: &str, path: &str| {
        environment.get(variable).map(|folder| PathBuf::from(folder).join(path))
    };
    [
        Some(PathBuf::from(DEFAULT_SOCKET)),
        below("XDG_RUNTIME_DIR", "docker.sock"),
        below("XDG_RUNTIME_DIR", ".docker/run/docker.sock"),
        below("HOME", ".docker/run/docker.sock"),
        below("HOME", ".docker/desktop/docker.sock"),
    ]
    .into_iter()
    .flatten()
    .find(|socket| socket.exists())
    .unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET))
}

/// Looks for the certificates: the client library would panic, or name no file.
fn complete(endpoint: Endpoint) -> Result<Endpoint, EndpointError> {
    for name in endpoint.certificates.iter().flat_map(|_| CERTIFICATE_FILES) {
        let file = endpoint.certificates.as_deref().unwrap_or(Path::new("")).join(name);
        if let Err(error) = fs::File::open(&file) {
            return Err(EndpointError::CertificateUnreadable {
                file,
                origin: endpoint.origin,
                cause: error.to_string(),
            });
        }
    }
    Ok(endpoint)
}
