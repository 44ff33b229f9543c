//! Programs started in the running container.

use futures_util::StreamExt as _;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use tokio::sync::mpsc;

use super::DockerSandbox;
use crate::ephemeral::EphemeralError;
use crate::ephemeral::sandbox::{Exec, ExecCommand, ExecOutput};

impl DockerSandbox {
    pub(super) async fn run(&self, command: ExecCommand) -> Result<Exec, EphemeralError> {
        let program = command.argv.first().cloned().unwrap_or_default();
        let failed = |error: testcontainers::bollard::errors::Error| EphemeralError::Exec {
            program: program.clone(),
            cause: error.to_string(),
        };
        let client = self.daemon.client.clone();
        let created = client
            .create_exec(
                &self.name,
                CreateExecOptions {
                    attach_stdin: Some(command.stdin),
                    attach_stdout: Some(true),
                    attach_stderr: Some(true),
                    env: Some(
                        command.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
                    ),
                    cmd: Some(command.argv),
                    ..CreateExecOptions::default()
                },
            )
            .await
            .map_err(failed)?;
        let options =
            StartExecOptions { detach: false, tty: false, output_capacity: Some(256 * 1024) };
        let started = client.start_exec(&created.id, Some(options)).await.map_err(failed)?;
        let StartExecResults::Attached { mut output, input } = started else {
            return Err(EphemeralError::Exec { program, cause: "it was detached".to_owned() });
        };
        let (sender, receiver) = mpsc::channel(64);
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut broken = None;
            while let Some(piece) = output.next().await {
                let piece = match piece {
                    Ok(LogOutput::StdErr { message }) => ExecOutput::Stderr(message),
                    Ok(
                        LogOutput::StdOut { message }
                        | LogOutput::StdIn { message }
                        | LogOutput::Console { message },
                    ) => ExecOutput::Stdout(message),
                    Err(error) => {
                        broken = Some(error.to_string());
                        break;
                    }
                };
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            let _ = ended.send(broken);
        });
        let id = created.id;
        Ok(Exec {
            stdin: command.stdin.then(|| Box::new(InputStream(input)) as _),
            output: receiver,
            exit: Box::pin(async move {
                let broken = has_ended.await.ok().flatten();
                exit_status(&client, &id, &program, broken).await
            }),
        })
    }
}

/// A daemon may need a moment after the end of the streams until it knows the exit status.
async fn exit_status(
    client: &testcontainers::bollard::Docker,
    id: &str,
    program: &str,
    broken: Option<String>,
) -> Result<i64, EphemeralError> {
    let failed = |cause: String| EphemeralError::Exec { program: program.to_owned(), cause };
    for _ in 0..100 {
        let state = client.inspect_exec(id).await.map_err(|error| failed(error.to_string()))?;
        if state.running == Some(false)
            && let Some(code) = state.exit_code
        {
            return match broken {
                Some(cause) => Err(failed(cause)),
                None => Ok(code),
            };
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err(failed(broken.unwrap_or_else(|| "its output ended while it runs".to_owned())))
}

/// bollard's input as a type that can be boxed without a pin.
struct InputStream(std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>);

impl tokio::io::AsyncWrite for InputStream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.0.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        self.0.as_mut().poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        self.0.as_mut().poll_shutdown(context)
    }
}
