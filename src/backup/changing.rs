//! A backup that is still being written says nothing about itself yet.

use super::inventory::BackupInventory;
use super::stream::has_changed;
use crate::finding::{Finding, FindingClass, FindingCode};

/// Takes back what was found in a backup that has become another since it was first looked at:
/// where it seemed to end, it goes on by now. Says whether it has.
pub(crate) fn take_back_if_changed(inventory: &mut BackupInventory) -> bool {
    let is_there = !inventory.identity.is_empty();
    if !is_there || !has_changed(inventory) {
        return false;
    }
    let of_globals = inventory.globals.iter_mut().map(|globals| &mut globals.findings);
    let of_dumps = inventory.databases.iter_mut().map(|dump| &mut dump.findings);
    for findings in of_globals.chain(of_dumps).chain([&mut inventory.findings]) {
        findings.retain(|finding| finding.class != FindingClass::Backup);
    }
    inventory.outer_is_sound = false;
    if !is_said(&inventory.findings) {
        inventory.findings.push(
            Finding::new(FindingCode::BackupChanging, "the backup changed while it was read")
                .on(inventory.path.to_string())
                .because("its size or time of change is another"),
        );
    }
    true
}

/// Whether it looks as if its writer had not come to its end: worth a second look later.
pub(crate) fn looks_cut(inventory: &BackupInventory) -> bool {
    let of_globals = inventory.globals.iter().flat_map(|globals| &globals.findings);
    let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
    of_globals.chain(of_dumps).chain(&inventory.findings).any(|finding| {
        matches!(
            finding.code,
            FindingCode::ArchiveTruncated
                | FindingCode::DumpTruncated
                | FindingCode::BackupEmpty
                | FindingCode::DumpEmpty
        )
    })
}

pub(super) fn is_said(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.code == FindingCode::BackupChanging)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write as _;

    use camino::Utf8PathBuf;

    use crate::backup::{BackupInventory, compare_pin, inspect, looks_cut, take_back_if_changed};
    use crate::finding::FindingCode;

    const DUMP: &[u8] = include_bytes!("../../tests/fixtures/custom/15.dump");

    fn archive() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["dumps/a.dump", "dumps/b.dump"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(DUMP.len() as u64);
            tar.append_data(&mut header, name, DUMP).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn codes(inventory: &BackupInventory) -> Vec<FindingCode> {
        let of_dumps = inventory.databases.iter().flat_map(|dump| &dump.findings);
        inventory.findings.iter().chain(of_dumps).map(|finding| finding.code).collect()
    }

    #[test]
    fn a_backup_that_grows_while_it_is_read_is_not_judged() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("c.tar")).unwrap();
        let whole = archive();
        let half = whole.len() / 2;
        fs::write(&path, &whole[..half]).unwrap();
        let still = inspect(&path, &mut |_, _| {});
        assert!(codes(&still).contains(&FindingCode::ArchiveTruncated), "{:?}", codes(&still));
        let mut writer = File::options().append(true).open(&path).unwrap();
        let growing = inspect(&path, &mut |_, _| writer.write_all(b"\0").unwrap());
        // The other: the dump in the member `a` is not of a database `a`.
        assert_eq!(codes(&growing), [FindingCode::BackupChanging, FindingCode::NameDiffers]);
        assert!(!growing.outer_is_sound);
        assert_eq!(compare_pin(&growing, "00").map(|finding| finding.code), None);
    }

    #[test]
    fn a_backup_that_seemed_cut_gets_a_second_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("a.dump")).unwrap();
        fs::write(&path, &DUMP[..DUMP.len() / 2]).unwrap();
        let mut inventory = inspect(&path, &mut |_, _| {});
        assert!(looks_cut(&inventory) && !take_back_if_changed(&mut inventory));
        assert!(codes(&inventory).contains(&FindingCode::DumpTruncated));
        fs::write(&path, DUMP).unwrap();
        assert!(take_back_if_changed(&mut inventory));
        assert_eq!(codes(&inventory), [FindingCode::BackupChanging]);
        assert!(!looks_cut(&inspect(&path, &mut |_, _| {})));
        let mut absent = inspect(&path.with_extension("gone"), &mut |_, _| {});
        assert!(!take_back_if_changed(&mut absent));
    }
}
