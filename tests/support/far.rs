//! Daemons elsewhere: ports and encrypted ports that lead to this machine's daemon.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Bench;

const SOCKET: &str = "/var/run/docker.sock";

/// A port that leads to the daemon and remembers what was asked.
pub struct FarDaemon {
    pub port: u16,
    asked: Arc<Mutex<Vec<u8>>>,
}

impl FarDaemon {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                lead(client.unwrap(), &heard);
            }
        });
        Self { port, asked }
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

fn lead(client: TcpStream, heard: &Arc<Mutex<Vec<u8>>>) {
    let daemon = UnixStream::connect(SOCKET).unwrap();
    let (mut from_client, mut to_daemon) =
        (client.try_clone().unwrap(), daemon.try_clone().unwrap());
    let heard = heard.clone();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut buffer) {
            heard.lock().unwrap().extend_from_slice(&buffer[..count]);
            if to_daemon.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The end of a program's input, and only that: its output still has to come back.
        let _ = to_daemon.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let (mut from_daemon, mut to_client) = (daemon, client);
        let _ = std::io::copy(&mut from_daemon, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
}

/// An encrypted port in front of a far daemon; it wants a certificate of its own authority.
pub struct Encrypted {
    pub port: u16,
    socat: Child,
}

impl Encrypted {
    /// `folder` is one of [`certificates`].
    pub fn start(daemon: &FarDaemon, folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = |name: &str| folder.join(name).display().to_string();
        let listen = format!(
            "OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,verify=1,cert={},key={},cafile={}",
            file("server.pem"),
            file("server-key.pem"),
            file("ca.pem")
        );
        // One direction may end long before the other.
        let socat = Command::new("socat")
            .args(["-t", "600", &listen, &format!("TCP:127.0.0.1:{}", daemon.port)])
            .stderr(Stdio::null())
            .spawn()
            .expect("socat is needed by this test: ci/test");
        let encrypted = Self { port, socat };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return encrypted;
            }
            thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("socat does not listen");
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = self.socat.kill();
        let _ = self.socat.wait();
    }
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
    let id: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
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
