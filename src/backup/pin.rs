//! The hash that a scenario pins its backup to.

use super::changing;
use super::decrypt::Encryption;
use super::inventory::BackupInventory;
use crate::finding::{Finding, FindingCode};

/// Compares a backup that was read with the SHA-256 (in hexadecimal) that its scenario demands; what
/// its sidecar says does not matter. Says nothing where the file could not be read to its end, or
/// changed: other findings do.
pub(crate) fn compare(inventory: &BackupInventory, expected: &str) -> Option<Finding> {
    let path = &inventory.path;
    if path.is_dir() {
        let message = format!("`{path}` is a folder: only a file has a SHA-256 to compare");
        return Some(
            Finding::new(FindingCode::ScenarioInvalid, message)
                .first_try("Remove `backup.sha256`, or name an archive."),
        );
    }
    let actual = inventory.sha256.as_ref()?;
    let is_whole = inventory.bytes_read == inventory.bytes;
    let within = match &inventory.encryption {
        Encryption::Opened { sha256, .. } => Some(sha256),
        Encryption::None | Encryption::Closed => None,
    };
    // dbbackup's own sidecars name the hash of what it encrypted: it pins the same bytes.
    let fits =
        [Some(actual), within].iter().flatten().any(|hash| hash.eq_ignore_ascii_case(expected));
    if !is_whole || changing::is_said(&inventory.findings) || fits {
        return None;
    }
    let message = format!("`{path}` is not the file that the scenario pins");
    let cause = format!("SHA-256 is {actual}, `backup.sha256` says {expected}");
    Some(
        Finding::new(FindingCode::ChecksumMismatch, message)
            .because(cause)
            .first_try("Correct `backup.sha256` if the scenario is meant for this backup."),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use camino::Utf8PathBuf;

    use super::compare;
    use crate::backup::inspect;
    use crate::finding::FindingCode;

    #[test]
    fn a_pin_is_compared_whatever_the_sidecar_says() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(temp.path().to_path_buf()).unwrap();
        let path = folder.join("a.sql");
        fs::write(&path, "abc").unwrap();
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let code =
            |pin: &str| compare(&inspect(&path, &mut |_, _| {}), pin).map(|finding| finding.code);
        let other = "0".repeat(64);
        for sidecar in [None, Some(hash), Some(&other)] {
            if let Some(sidecar) = sidecar {
                fs::write(folder.join("a.sql.sha256"), sidecar).unwrap();
            }
            assert_eq!(code(hash), None);
            assert_eq!(code(&hash.to_uppercase()), None);
            assert_eq!(code(&other), Some(FindingCode::ChecksumMismatch));
        }
        let of_folder = compare(&inspect(&folder, &mut |_, _| {}), hash).unwrap();
        assert_eq!(of_folder.code, FindingCode::ScenarioInvalid);
        let absent = inspect(&folder.join("gone"), &mut |_, _| {});
        assert_eq!(compare(&absent, hash), None);
    }
}
