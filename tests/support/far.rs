//! Daemons elsewhere: ports and encrypted ports that lead to this machine's daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::Bench;

const SOCKET: &str = "/var/run/docker.sock";

/// A port that leads to the daemon and remembers what was asked. It lives with the test.
pub struct FarDaemon {
    pub port: u16,
    asked: Arc<Mutex<Vec<u8>>>,
}

impl FarDaemon {
    pub fn start() -> Self {
        Self::listen(None)
    }

    /// An encrypted port that wants a certificate of its own authority, from a folder of
    /// [`certificates`].
    pub fn start_encrypted(folder: &Path) -> Self {
        let certificate = |name: &str| CertificateDer::from_pem_file(folder.join(name)).unwrap();
        let mut authority = RootCertStore::empty();
        authority.add(certificate("ca.pem")).unwrap();
        let clients = WebPkiClientVerifier::builder(Arc::new(authority)).build().unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server-key.pem")).unwrap();
        let config = ServerConfig::builder()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate("server.pem")], key)
            .unwrap();
        Self::listen(Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn listen(encryption: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((client, _)) = listener.accept().await {
                    let (encryption, heard) = (encryption.clone(), heard.clone());
                    tokio::spawn(async move {
                        match encryption {
                            None => lead(client, heard).await,
                            Some(encryption) => {
                                // Who has no certificate gets no further.
                                if let Ok(client) = encryption.accept(client).await {
                                    lead(client, heard).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        Self { port, asked }
    }

    pub fn address(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// The client library that creates containers, and the one that runs programs in them, both
    /// came this way.
    pub fn assert_used(&self) {
        let asked = String::from_utf8_lossy(&self.asked.lock().unwrap()).into_owned();
        for request in ["/containers/create", "/start HTTP", "/exec HTTP"] {
            assert!(asked.contains(request), "nobody asked for {request}");
        }
        assert!(asked.contains("tc-rust/"), "testcontainers did not come this way");
    }

    pub fn was_used(&self) -> bool {
        !self.asked.lock().unwrap().is_empty()
    }
}

/// Each direction ends by itself: a program's output comes back after its input has ended.
async fn lead(client: impl AsyncRead + AsyncWrite, heard: Arc<Mutex<Vec<u8>>>) {
    let (mut from_daemon, mut to_daemon) = UnixStream::connect(SOCKET).await.unwrap().into_split();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let up = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            heard.lock().unwrap().extend_from_slice(&buffer[..count]);
            if to_daemon.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
        let _ = to_daemon.shutdown().await;
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_daemon, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

/// A folder with an authority (`ca.pem`), its server's and its client's certificate and keys.
pub fn certificates() -> tempfile::TempDir {
    let certificates = tempfile::tempdir().unwrap();
    let folder = certificates.path();
    let openssl = |line: &str| {
        let output = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(folder)
            .output()
            .expect("openssl is needed by this test: ci/test");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("req -x509 {key} -subj /CN=authority -keyout ca-key.pem -out ca.pem"));
    for (name, key_file, extension) in [
        ("server", "server-key.pem", "subjectAltName=IP:127.0.0.1"),
        ("cert", "key.pem", "extendedKeyUsage=clientAuth"),
    ] {
        openssl(&format!(
            "req -x509 {key} -subj /CN={name} -CA ca.pem -CAkey ca-key.pem -addext {extension} \
             -addext basicConstraints=critical,CA:FALSE -keyout {key_file} -out {name}.pem"
        ));
    }
    certificates
}

/// A context as `docker context create` stores it; the folder is a `DOCKER_CONFIG`.
pub fn context(bench: &Bench, name: &str, host: &str, certificates: Option<&Path>) -> PathBuf {
    use sha2::{Digest as _, Sha256};
    let id =
        Sha256::digest(name).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let meta = format!(
        r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
    );
    bench.write(&format!("docker/contexts/meta/{id}/meta.json"), meta.as_bytes());
    if let Some(folder) = certificates {
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            let bytes = fs::read(folder.join(file)).unwrap();
            bench.write(&format!("docker/contexts/tls/{id}/docker/{file}"), &bytes);
        }
    }
    bench.path("docker")
}
