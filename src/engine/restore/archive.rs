//! Stages dumps that are `pg_restore`'s to read, and restores them.

use super::{Dumps, Progress, Restore, Stop, unexpected_end};
use crate::backup::{DatabaseDump, DumpChunk, DumpFormat};
use crate::engine::programs::{Feeding, Output};
use crate::ephemeral::ExecCommand;

/// Stages a dump and restores it in one program: what runs for one exec runs for both, and the
/// staged file is gone whatever happens.
const STAGE_FILE: &str = r#"
stage=$1
shift
umask 077
if ! cat >"$stage"; then
	rm -f "$stage"
	exit 97
fi
"$@" "$stage"
status=$?
rm -f "$stage"
exit "$status"
"#;

/// The same for a folder. Each file comes as a line `BLOCKS REST NAME` and then its bytes: so many
/// blocks of 64 KiB and so many bytes; the line `. . .` ends them. Of all images' programs only dd is
/// certain to take no byte more than it should from a pipe. Names are ours: digits, letters, `_`, `.`.
const STAGE_FOLDER: &str = r#"
stage=$1
shift
umask 077
fail() {
	rm -rf "$stage"
	exit 97
}
rm -rf "$stage"
mkdir "$stage" || fail
while :; do
	read -r blocks rest name || fail
	[ "$name" = . ] && break
	: >"$stage/$name" || fail
	if [ "$blocks" -gt 0 ]; then
		dd bs=65536 count="$blocks" iflag=fullblock 2>"$stage.said" >>"$stage/$name" ||
			{ cat "$stage.said" >&2; fail; }
	fi
	if [ "$rest" -gt 0 ]; then
		dd bs="$rest" count=1 iflag=fullblock 2>"$stage.said" >>"$stage/$name" ||
			{ cat "$stage.said" >&2; fail; }
	fi
done
rm -f "$stage.said"
"$@" "$stage"
status=$?
rm -rf "$stage"
exit "$status"
"#;

/// The size of a block of [`STAGE_FOLDER`].
const BLOCK_BYTES: u64 = 65536;

impl Restore<'_> {
    /// Restores a dump that is one file.
    pub(super) async fn archive_file(
        &mut self,
        dump: &DatabaseDump,
        dumps: &mut Dumps,
    ) -> Result<Output, Stop> {
        let mut feeding = self.pg_restore(STAGE_FILE, dump).await?;
        let mut progress = Progress::new(self.events, &dump.name);
        loop {
            match dumps.recv().await {
                Some(Ok(DumpChunk::Bytes(bytes))) => {
                    feeding.write(&bytes).await;
                    progress.add(bytes.len());
                }
                Some(Ok(DumpChunk::End)) => break,
                Some(Ok(DumpChunk::Start(_) | DumpChunk::File { .. })) | None => {
                    return Err(unexpected_end());
                }
                Some(Err(error)) => return Err(Stop::Reading(error)),
            }
        }
        staged(feeding).await
    }

    /// Restores a dump that is a folder, whose files come in any order.
    pub(super) async fn archive_folder(
        &mut self,
        dump: &DatabaseDump,
        dumps: &mut Dumps,
    ) -> Result<Output, Stop> {
        let mut feeding = self.pg_restore(STAGE_FOLDER, dump).await?;
        let mut progress = Progress::new(self.events, &dump.name);
        // Bytes of the file that is being sent that have not come yet.
        let mut left = 0_u64;
        loop {
            match dumps.recv().await {
                Some(Ok(DumpChunk::File { name, bytes })) if left == 0 => {
                    let (blocks, rest) = (bytes / BLOCK_BYTES, bytes % BLOCK_BYTES);
                    feeding.write(format!("{blocks} {rest} {name}\n").as_bytes()).await;
                    left = bytes;
                }
                Some(Ok(DumpChunk::Bytes(bytes))) if bytes.len() as u64 <= left => {
                    left -= bytes.len() as u64;
                    feeding.write(&bytes).await;
                    progress.add(bytes.len());
                }
                Some(Ok(DumpChunk::End)) if left == 0 => break,
                Some(Ok(_)) | None => return Err(unexpected_end()),
                Some(Err(error)) => return Err(Stop::Reading(error)),
            }
        }
        feeding.write(b". . .\n").await;
        staged(feeding).await
    }

    async fn pg_restore(&self, script: &str, dump: &DatabaseDump) -> Result<Feeding, Stop> {
        let mut argv = vec![
            "sh".to_owned(),
            "-c".to_owned(),
            script.to_owned(),
            "restore".to_owned(),
            self.cluster.stage_path(&format!("{}.dump", dump.position)),
            self.cluster.program("pg_restore"),
            format!("--format={}", dump.format.as_str()),
            format!("--dbname={}", self.cluster.conninfo(&dump.name)),
            "--no-password".to_owned(),
        ];
        // A tar archive is read from its beginning to its end: pg_restore refuses jobs for it.
        if self.jobs > 1 && dump.format != DumpFormat::Tar {
            argv.push(format!("--jobs={}", self.jobs));
        }
        let command = self.cluster.with_environment(ExecCommand::new(argv));
        Ok(Feeding::start(self.cluster.sandbox(), command).await?)
    }
}

async fn staged(feeding: Feeding) -> Result<Output, Stop> {
    let (mut output, was_deaf) = feeding.finish().await?;
    if output.status == 97 || was_deaf {
        output.stderr.push_str("\nrestore: error: the dump could not be staged\n");
        if output.status == 0 {
            output.status = 97;
        }
    }
    Ok(output)
}
