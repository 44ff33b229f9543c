use std::collections::BTreeMap;

use super::*;

/// A home with a `.docker` folder, and an environment that knows nothing else.
struct Home {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, OsString>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let variables = BTreeMap::from([("HOME".to_owned(), folder.path().into())]);
        Self { folder, variables }
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(".docker").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A context as `docker context create` stores it: under the name's SHA-256.
    fn context(&self, id: &str, endpoint: &str) -> PathBuf {
        let text = format!(r#"{{"Name":"x","Metadata":{{}},"Endpoints":{{"docker":{endpoint}}}}}"#);
        self.write(&format!("contexts/meta/{id}/meta.json"), &text)
    }

    fn certificates(&self, folder: &str) -> PathBuf {
        for name in CERTIFICATE_FILES {
            self.write(&format!("{folder}/{name}"), "");
        }
        self.folder.path().join(".docker").join(folder)
    }

    fn try_resolve(&self) -> Result<Endpoint, EndpointError> {
        resolve(&Environment(&|name| self.variables.get(name).cloned()))
    }

    fn resolve(&self) -> Endpoint {
        self.try_resolve().unwrap()
    }

    /// The endpoint that is found after [`settle`]; must be the same one, and need no third start.
    fn settled(&self) -> Endpoint {
        let endpoint = self.resolve();
        let mut after = self.variables.clone();
        for (name, value) in variables(&endpoint) {
            match value {
                Some(value) => after.insert(name.to_owned(), value),
                None => after.remove(name),
            };
        }
        let after = |name: &str| after.get(name).cloned();
        assert!(is_settled(&endpoint, &Environment(&after)));
        let found = resolve(&Environment(&after)).unwrap();
        assert_eq!(
            (found.host, found.certificates),
            (endpoint.host.clone(), endpoint.certificates.clone())
        );
        endpoint
    }

    fn settled_host(&self) -> String {
        self.settled().host
    }

    fn is_settled(&self) -> bool {
        let environment = |name: &str| self.variables.get(name).cloned();
        is_settled(&self.resolve(), &Environment(&environment))
    }
}

/// `printf NAME | sha256sum`.
const PROD: &str = "6754af9632a2745e85c293e5aac0863370d9bd3330b9938c00cadfd215227d77";
const STAGING: &str = "e919a75364398a449f860aeadddc57fa0502145a4e63959ddb33c417a48dc0da";

#[test]
fn a_host_wins_over_a_context_and_that_over_the_current_one() {
    let mut home = Home::new();
    home.write("config.json", r#"{"auths":{},"currentContext":"prod"}"#);
    home.context(PROD, r#"{"Host":"tcp://one:1"}"#);
    home.context(STAGING, r#"{"Host":"tcp://two:2"}"#);
    let found = home.settled();
    assert_eq!(found.host, "tcp://one:1");
    assert!(found.origin.starts_with("context `prod` (`currentContext` in /"), "{}", found.origin);
    let found = home.set("DOCKER_CONTEXT", "staging").settled();
    assert_eq!(found.host, "tcp://two:2");
    assert_eq!(found.origin, "context `staging` (DOCKER_CONTEXT)");
    let found = home.set("DOCKER_HOST", "tcp://three:3").settled();
    assert_eq!((found.host.as_str(), found.origin.as_str()), ("tcp://three:3", "DOCKER_HOST"));
    home.set("DOCKER_HOST", "").set("DOCKER_CONTEXT", "");
    assert_eq!(home.resolve().host, "tcp://one:1", "empty is not set");
}

#[test]
fn the_built_in_context_has_the_usual_socket_whatever_else_there_is() {
    let mut home = Home::new();
    assert_eq!(home.settled().host, "unix:///var/run/docker.sock");
    assert!(home.is_settled(), "the client library finds it by itself");
    home.write("config.json", r#"{"currentContext":"prod"}"#);
    home.context(PROD, r#"{"Host":"tcp://one:1"}"#);
    assert_eq!(home.set("DOCKER_CONTEXT", "default").settled().host, "unix:///var/run/docker.sock");
}

#[test]
fn docker_config_names_another_folder() {
    let mut home = Home::new();
    home.context(PROD, r#"{"Host":"unix:///run/far.sock"}"#);
    let folder = home.folder.path().join(".docker");
    home.set("HOME", "/nowhere").set("DOCKER_CONFIG", folder).set("DOCKER_CONTEXT", "prod");
    assert_eq!(home.settled().host, "unix:///run/far.sock");
}

#[test]
fn addresses_get_the_form_that_the_client_library_takes() {
    let host = |host: &str| Home::new().set("DOCKER_HOST", host).settled_host();
    assert_eq!(host("unix:///run/user/1000/docker.sock"), "unix:///run/user/1000/docker.sock");
    assert_eq!(host("unix://"), "unix:///var/run/docker.sock");
    assert_eq!(host("tcp://10.0.0.7"), "tcp://10.0.0.7:2375");
    assert_eq!(host("tcp://10.0.0.7:99/"), "tcp://10.0.0.7:99");
    assert_eq!(host("far:2375"), "tcp://far:2375");
    assert_eq!(host(":2375"), "tcp://localhost:2375");
    assert_eq!(host("tcp://[::1]"), "tcp://[::1]:2375");
    assert_eq!(host("tcp://[::1]:7"), "tcp://[::1]:7");
    assert_eq!(host("http://far:1"), "tcp://far:1");
}

#[test]
fn certificates_come_from_the_variables_or_the_context() {
    let mut home = Home::new();
    let own = home.certificates(".");
    home.set("DOCKER_HOST", "tcp://far").set("DOCKER_TLS_VERIFY", "yes");
    let found = home.settled();
    assert_eq!(found.host, "tcp://far:2376");
    assert_eq!(found.certificates.unwrap().canonicalize().unwrap(), own.canonicalize().unwrap());
    assert!(!home.is_settled(), "the client library takes only `1` for yes");
    let other = home.certificates("other");
    home.set("DOCKER_TLS_VERIFY", "1").set("DOCKER_CERT_PATH", other.as_path());
    assert_eq!(home.settled().certificates, Some(other));
    assert!(!home.set("DOCKER_HOST", "far:2376").is_settled(), "it needs a scheme");
    assert!(home.set("DOCKER_HOST", "tcp://far:2376").is_settled());
    assert_eq!(home.set("DOCKER_HOST", "unix:///x").resolve().certificates, None);

    let mut home = Home::new();
    home.context(PROD, r#"{"Host":"tcp://far:2376","SkipTLSVerify":false}"#);
    home.set("DOCKER_CONTEXT", "prod").set("DOCKER_TLS_VERIFY", "1");
    assert_eq!(home.settled().certificates, None, "these variables do not belong to a context");
    let folder = home.certificates(&format!("contexts/tls/{PROD}/docker"));
    assert_eq!(home.settled().certificates, Some(folder));
    let mut home = Home::new();
    home.certificates(".");
    assert_eq!(home.set("DOCKER_TLS_VERIFY", "1").settled().host, "tcp://localhost:2376");
}

/// The message, its cause and its next step, with the home's path taken out.
fn complaint(home: &Home) -> String {
    let error = home.try_resolve().unwrap_err();
    let cause = error.cause().unwrap_or_default();
    let text = format!("{error} | {cause} | {}", error.next_step());
    text.replace(home.folder.path().to_str().unwrap(), "~")
}

#[test]
fn what_cannot_be_followed_names_its_file_and_the_next_step() {
    let mut home = Home::new();
    home.set("DOCKER_CONTEXT", "prod");
    let unknown = complaint(&home);
    assert!(unknown.contains("no Docker context `prod`, which DOCKER_CONTEXT names"), "{unknown}");
    assert!(unknown.contains(&format!("~/.docker/contexts/meta/{PROD}/meta.json")), "{unknown}");
    assert!(unknown.contains("`docker context ls`"), "{unknown}");

    home.context(PROD, r#"{"Host":"tcp"#);
    let broken = complaint(&home);
    assert!(broken.contains("meta.json` | EOF while parsing"), "{broken}");
    assert!(broken.contains("docker context rm prod"), "{broken}");
    home.write(&format!("contexts/meta/{PROD}/meta.json"), r#"{"Name":"prod","Endpoints":{}}"#);
    assert!(complaint(&home).contains("it has no endpoint `docker`"));

    home.context(PROD, r#"{"Host":"tcp://far:2376","SkipTLSVerify":true}"#);
    assert!(complaint(&home).contains("context `prod` (DOCKER_CONTEXT) asks for TLS without"));
    home.context(PROD, r#"{"Host":"tcp://far:2376"}"#);
    home.write(&format!("contexts/tls/{PROD}/docker/ca.pem"), "");
    let missing = complaint(&home);
    assert!(
        missing.contains("/docker/cert.pem` for the Docker daemon cannot be read"),
        "{missing}"
    );
    assert!(missing.contains("Put ca.pem, cert.pem and key.pem into `~/.docker/"), "{missing}");

    let mut home = Home::new();
    let config = home.write("config.json", "{");
    assert!(complaint(&home).contains("`~/.docker/config.json` cannot be read | EOF"));
    home.set("DOCKER_HOST", "tcp://far");
    assert_eq!(home.resolve().host, "tcp://far:2375", "nobody asks {config:?}");
    assert!(config.exists());
    home.set("DOCKER_TLS", "1");
    assert!(complaint(&home).contains("DOCKER_TLS asks for TLS without verification"));
}

#[test]
fn other_schemes_are_told_a_way_around() {
    let complain = |host: &str| complaint(Home::new().set("DOCKER_HOST", host));
    let ssh = complain("ssh://me@far:2222/run/docker.sock");
    assert!(ssh.contains("`ssh://me@far:2222/run/docker.sock`, which DOCKER_HOST names"), "{ssh}");
    assert!(
        ssh.contains("ssh -nNT -p 2222 -L /tmp/docker.sock:/var/run/docker.sock me@far &"),
        "{ssh}"
    );
    assert!(ssh.contains("DOCKER_HOST=unix:///tmp/docker.sock"), "{ssh}");
    assert!(complain("npipe:////./pipe/docker_engine").contains("Name a socket or a port"));
    assert!(complain("fd://").contains("`unix://` and `tcp://`"));
}
