//! Sizes and numbers that no dump has, and files that are encrypted one by one.

use super::*;

#[test]
fn a_size_that_no_file_has_is_not_added_up() {
    let mut bytes = fs::read(fixture("15.tar")).unwrap();
    let mut headers = (0..bytes.len()).step_by(512);
    let at = headers.find(|at| bytes[*at..].starts_with(b"3353.dat\0")).unwrap();
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(&bytes[at..at + 512]);
    header.set_size(i64::MAX.unsigned_abs());
    header.set_cksum();
    bytes[at..at + 512].copy_from_slice(header.as_bytes());
    let inventory = of_file("x.tar", &bytes);
    assert_eq!(inventory.databases[0].data_bytes, u64::MAX);
    let codes: BTreeSet<_> = findings(&inventory).iter().map(|found| found.code).collect();
    assert_eq!(codes, BTreeSet::from([FindingCode::DumpTruncated]));
}

#[test]
fn encrypted_files_of_a_folder_are_sent_in_the_clear() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(temp.path()).unwrap().join("kasse");
    let key = Utf8Path::from_path(temp.path()).unwrap().join("key");
    fs::write(&key, KEY).unwrap();
    fs::create_dir(&folder).unwrap();
    let mut clear = files("17-dir");
    // Encrypted, a file without bytes is a nonce, which nothing tells from any other twelve bytes.
    clear.retain(|_, bytes| !bytes.is_empty());
    for (name, bytes) in &clear {
        fs::write(folder.join(name), encrypted(bytes, 100)).unwrap();
    }
    let opener = Opener::load(Some(&KeyOrigin::File(key)));
    let inventory = inspect_with(&folder, &opener, &mut |_, _| {});
    assert!(findings(&inventory).is_empty(), "{:?}", findings(&inventory));
    assert_eq!(sent(&inventory)[&0], clear);
}

#[test]
fn what_is_kept_of_the_files_of_all_dumps_is_bounded() {
    let meter = Meter::default();
    meter.keep_file(1_199_990).unwrap();
    let mut kept = 0;
    let mut reading = DirectoryReading::new(&meter);
    for oid in 1..100 {
        let mut other = DirectoryReading::new(&meter);
        let of = if oid % 2 == 0 { &mut reading } else { &mut other };
        if of.file(&format!("blob_{oid}.dat"), 0, &mut std::io::empty()).is_err() {
            break;
        }
        kept += 1;
    }
    assert_eq!(kept, 10);
    assert!(matches!(meter.halt(), Some(Halt::Unsupported(_))));
    // Names in a list take room, too.
    let meter = Meter::default();
    meter.keep_file(1_199_990).unwrap();
    let list: Vec<String> = (1..200).map(|oid| format!("{oid} blob_{oid}.dat\n")).collect();
    let mut reading = DirectoryReading::new(&meter);
    assert!(reading.file("blobs.toc", 0, &mut list.concat().as_bytes()).is_err());
}
