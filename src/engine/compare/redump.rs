//! The dump of a restored database's schema, made by the server's own `pg_dump`.

use crate::backup::{self, Again, DatabaseDump, DumpFormat};
use crate::check::structure::is_written_quoted;
use crate::engine::cluster::Cluster;
use crate::engine::programs::{Output, collect_up_to};
use crate::ephemeral::{EphemeralError, ExecCommand};
use crate::finding::{Finding, FindingCode};
use crate::text::one_line;

/// A schema of more bytes is not compared: pgdrill keeps its own memory small.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Dumps the schema of a restored database as the backup's dump was made, and reads it.
///
/// Cancel safe: the program ends with the sandbox.
pub(super) async fn dump_again(
    cluster: &Cluster,
    dump: &DatabaseDump,
) -> Result<Result<Again, Finding>, EphemeralError> {
    let is_plain = dump.format == DumpFormat::Plain;
    let mut argv = vec![
        cluster.program("pg_dump"),
        "--schema-only".to_owned(),
        format!("--format={}", if is_plain { "plain" } else { "custom" }),
        "--compress=0".to_owned(),
        "--no-password".to_owned(),
        "--lock-wait-timeout=60s".to_owned(),
    ];
    if let Some(encoding) = dump.encoding.as_ref().filter(|name| !name.is_empty()) {
        argv.push(format!("--encoding={encoding}"));
    }
    if is_written_quoted(&dump.entries) {
        argv.push("--quote-all-identifiers".to_owned());
    }
    argv.push(format!("--dbname={}", cluster.conninfo(&dump.name)));
    let command = cluster.with_environment(ExecCommand::new(argv));
    let mut bytes = Vec::new();
    let exec = cluster.sandbox().exec(command).await?;
    let output = collect_up_to(exec, &mut bytes, MOST_BYTES).await?;
    if output.status != 0 {
        return Ok(Err(unread(&said(&output))));
    }
    if bytes.len() >= MOST_BYTES {
        return Ok(Err(unread("its schema takes more than 256 MiB")));
    }
    let format = dump.format;
    let read = tokio::task::spawn_blocking(move || backup::read_again(&bytes, format)).await;
    Ok(match read {
        Ok(Ok(again)) => Ok(again),
        Ok(Err(cause)) => Err(unread(&cause)),
        Err(error) => Err(unread(&error.to_string())),
    })
}

fn said(output: &Output) -> String {
    let words = one_line(&output.stderr, 300);
    format!("pg_dump ended with status {}: {words}", output.status)
}

fn unread(cause: &str) -> Finding {
    Finding::new(
        FindingCode::StructureUnread,
        "the restored database could not be dumped again, its structure was not compared",
    )
    .because(cause)
}
