//! podman's socket, with a storage of its own: nothing of the machine's podman is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A service of podman that ends with the test.
pub struct Podman {
    folder: tempfile::TempDir,
    service: Option<Child>,
}

impl Podman {
    /// With one image, taken from the Docker daemon.
    pub fn start(image: &str) -> Self {
        let mut podman = Self { folder: tempfile::tempdir().unwrap(), service: None };
        let mut settings = "[engine]\ncgroup_manager = \"cgroupfs\"\n".to_owned();
        // crun does not run beside both versions of cgroups.
        if Path::new("/sys/fs/cgroup/unified").exists() {
            settings.push_str("runtime = \"runc\"\n");
        }
        // podman's own default may be more than a container on this machine may have.
        settings.push_str(
            "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n",
        );
        fs::write(podman.path("containers.conf"), settings).unwrap();
        let mut save = Command::new("docker")
            .args(["save", image])
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker is needed by this test: ci/test");
        let load = podman.command(&["load"]).stdin(save.stdout.take().unwrap()).output();
        let load = load.expect("podman is needed by this test: ci/test");
        assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
        save.wait().unwrap();
        let service = podman.command(&["system", "service", "--time=0", &podman.address()]).spawn();
        podman.service = Some(service.unwrap());
        for _ in 0..200 {
            if podman.path("podman.sock").exists() {
                return podman;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("podman does not listen");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.path("podman.sock").display())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command
            .env("CONTAINERS_CONF", self.path("containers.conf"))
            .arg("--root")
            .arg(self.path("root"))
            .arg("--runroot")
            .arg(self.path("run"))
            .args(["--storage-driver", "vfs"])
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Names of the containers, running or not.
    pub fn containers(&self) -> String {
        let mut command = self.command(&["ps", "--all", "--format", "{{.Names}}"]);
        let output = command.stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Some(service) = &mut self.service {
            let _ = service.kill();
            let _ = service.wait();
        }
        // Its mounts, which a removal of the folder would meet.
        let _ = self.command(&["unmount", "--all", "--force"]).status();
        let _ = Command::new("umount").arg(self.path("root/vfs")).stderr(Stdio::null()).status();
    }
}
