//! What is open about a backup of which nothing was restored.

use crate::backup::{BackupInventory, Encryption};
use crate::finding::FindingCode;
use crate::text::ByteCount;

/// What was not tested where nothing was restored: the restore, and whatever was not even read.
/// `hint` is how to have it restored.
pub(crate) fn without_restore(inventory: &BackupInventory, hint: &str) -> String {
    let found = |code| inventory.findings.iter().any(|finding| finding.code == code);
    let (read, all) = (inventory.bytes_read, inventory.bytes);
    let what = if read == 0 && !found(FindingCode::BackupEmpty) {
        "the backup: not one byte of it was read".to_owned()
    } else if inventory.encryption == Encryption::Closed {
        "the backup: it is encrypted and was not opened to its end".to_owned()
    } else if read < all || found(FindingCode::BackupUnreadable) {
        let (read, all) = (ByteCount(read), ByteCount(all.max(read)));
        format!("the restore, and what was not read: {read} of {all} were")
    } else {
        "the restore: every byte was read".to_owned()
    };
    format!("{what}, none was restored ({hint})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;

    #[test]
    fn only_what_was_read_is_said_to_be() {
        let mut backup = BackupInventory::unread("b.dump".into());
        let said = |backup: &BackupInventory| without_restore(backup, "x");
        assert_eq!(said(&backup), "the backup: not one byte of it was read, none was restored (x)");
        backup.findings.push(Finding::new(FindingCode::BackupEmpty, "b.dump is empty"));
        assert_eq!(said(&backup), "the restore: every byte was read, none was restored (x)");
        backup.findings.clear();
        (backup.bytes, backup.bytes_read) = (3000, 3000);
        assert_eq!(said(&backup), "the restore: every byte was read, none was restored (x)");
        backup.bytes_read = 1000;
        let some =
            "the restore, and what was not read: 1.0 kB of 3.0 kB were, none was restored (x)";
        assert_eq!(said(&backup), some);
        backup.encryption = Encryption::Closed;
        assert!(said(&backup).contains("encrypted and was not opened"), "{}", said(&backup));
        backup.bytes_read = 0;
        assert!(said(&backup).contains("not one byte"), "{}", said(&backup));
    }
}
