//! What is said about encrypted backups.

use camino::Utf8Path;

use super::chunks::ChunkFault;
use super::framing::Framing;
use super::key::DecryptionKey;
use crate::finding::{Finding, FindingCode};
use crate::text::counted;

/// Why the file at `path` could not be decrypted to its end.
pub(super) fn fault(path: &Utf8Path, fault: &ChunkFault, key: Option<&DecryptionKey>) -> Finding {
    let mut cause = fault.to_string();
    let (code, message, chunk, offset) = match *fault {
        ChunkFault::Sealed { chunk: chunk @ 1, offset } => {
            cause.push_str(": it is another key, or that chunk is damaged");
            if let Some(doubt) = key.and_then(DecryptionKey::doubt) {
                cause.push_str(&format!("; {doubt}"));
            }
            let origin = key.map_or_else(|| "the key".to_owned(), |key| key.origin().to_string());
            let message = format!("{origin} does not open the backup `{path}`");
            (FindingCode::KeyWrong, message, chunk, offset)
        }
        ChunkFault::Cut { chunk, offset } => {
            let message = format!("the encrypted backup `{path}` ends too early");
            (FindingCode::ArchiveTruncated, message, chunk, offset)
        }
        ChunkFault::Sealed { chunk, offset } | ChunkFault::Length { chunk, offset, .. } => {
            let message = format!("the encrypted backup `{path}` is damaged");
            (FindingCode::ArchiveDamaged, message, chunk, offset)
        }
    };
    let object = format!("chunk {chunk} of the encryption, byte {offset}");
    Finding::new(code, message).on(object).because(cause)
}

pub(super) fn encrypted(path: &Utf8Path, framing: Framing, is_claimed: bool) -> Finding {
    match framing {
        Framing::Whole { chunks } if !is_claimed => {
            let message = format!("the backup `{path}` looks like an encrypted dbbackup archive");
            let chunks = counted(usize::try_from(chunks).unwrap_or(usize::MAX), "chunk");
            Finding::new(FindingCode::Encrypted, message).because(format!(
                "it is of no known format, and what would be the lengths of {chunks} leads exactly to \
                 its end"
            ))
        }
        _ => Finding::new(FindingCode::Encrypted, format!("the backup `{path}` is encrypted"))
            .because("its sidecar says so, and its first bytes belong to no known format"),
    }
}

pub(super) fn cut_unopened(path: &Utf8Path, chunks: u64) -> Finding {
    let message =
        format!("the backup `{path}` looks like an encrypted dbbackup archive and ends too early");
    let cause = format!(
        "the lengths of {chunks} chunks in it fit, the next leads past the end of the file"
    );
    Finding::new(FindingCode::ArchiveTruncated, message).because(cause)
}

pub(super) fn headless_unopened(path: &Utf8Path, chunks: u64) -> Finding {
    let message =
        format!("the backup `{path}` looks like an encrypted dbbackup archive and is damaged");
    let chunks = counted(usize::try_from(chunks).unwrap_or(usize::MAX), "chunk");
    let cause = format!(
        "its first chunk has a length that is none, and the lengths of the {chunks} behind it lead \
         exactly to its end"
    );
    Finding::new(FindingCode::ArchiveDamaged, message).because(cause)
}

pub(super) fn not_encrypted(path: &Utf8Path, unusable: Option<&Finding>) -> Finding {
    let message = format!(
        "a key was given and `{path}` is not encrypted as dbbackup does it: it is read as it is"
    );
    let finding = Finding::new(FindingCode::NotEncrypted, message);
    match unusable {
        Some(unusable) => {
            let why = unusable.cause.clone().unwrap_or_default();
            finding.because(format!("and the key could not be used: {}: {why}", unusable.message))
        }
        None => finding,
    }
}

/// Adds to findings of an end that came too early where the encrypted file ends: between two chunks,
/// or its decryption would have failed.
pub(crate) fn say_where_it_was_cut<'a>(findings: impl Iterator<Item = &'a mut Finding>) {
    for finding in findings {
        if matches!(
            finding.code,
            FindingCode::ArchiveTruncated
                | FindingCode::DumpTruncated
                | FindingCode::DumpEmpty
                | FindingCode::EndUnmarked
        ) {
            let cause = finding.cause.take().map_or_else(String::new, |cause| cause + "; ");
            finding.cause = Some(format!(
                "{cause}the encrypted file ends at the boundary between two chunks, where decryption \
                 alone notices nothing: its format has no end mark"
            ));
        }
    }
}
