//! What the targets share: where the input lies as a file, and what is done with a backup.

use std::fs;
use std::io::Write as _;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use pgdrill::backup::{self, Codec, Opener};
use pgdrill::console::{Style, describe_inventory};
use pgdrill::plan::{self, InventoryReport};
use pgdrill::scenario::Scenario;

/// A folder of this process, in memory where the system has a place for that.
///
/// With `PGDRILL_FUZZ_FOLDER` it is that one: what the readers got stays there to be looked at.
pub fn folder() -> &'static Utf8Path {
    static FOLDER: OnceLock<Utf8PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::var("PGDRILL_FUZZ_FOLDER").map_or_else(
            |_| {
                let memory = Utf8PathBuf::from("/dev/shm");
                let base = if memory.is_dir() {
                    memory
                } else {
                    let base = Utf8PathBuf::from_path_buf(std::env::temp_dir());
                    base.expect("a temporary folder in UTF-8")
                };
                base.join(format!("pgdrill-fuzz-{}", std::process::id()))
            },
            Utf8PathBuf::from,
        );
        fs::create_dir_all(&folder).expect("a folder for the input");
        folder
    })
}

/// A file with these bytes.
pub fn file(name: &str, bytes: &[u8]) -> Utf8PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("the input as a file");
    path
}

/// Reads a backup and does with it what `pgdrill inspect` and `pgdrill plan` do.
#[allow(dead_code, reason = "not every target has a backup")]
pub fn read(path: &Utf8Path, opener: &Opener) {
    let inventory = backup::inspect_with(path, opener, &mut |_, _| {});
    let report = InventoryReport::new(&inventory);
    let json = serde_json::to_string(&report).expect("the inventory as JSON");
    let again: InventoryReport = serde_json::from_str(&json).expect("the inventory from JSON");
    assert!(report == again, "the inventory is another one after it was kept");
    assert!(!describe_inventory(&report, Style::plain()).is_empty());
    let scenario = Scenario::of_backup("fuzz".to_owned(), path.to_owned(), true);
    plan::build(&scenario, &inventory);
    backup::fuzzing::read_again(&inventory);
}

/// Compresses: no mutation of compressed bytes gets past a checksum.
#[allow(dead_code, reason = "not every target has something to compress")]
pub fn compressed(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let text = "memory takes it";
    match codec {
        Codec::None => bytes.to_vec(),
        Codec::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).expect(text);
            gzip.finish().expect(text)
        }
        Codec::Zstd => zstd::bulk::compress(bytes, 1).expect(text),
        Codec::Lz4 => {
            let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
            lz4.write_all(bytes).expect(text);
            lz4.finish().expect(text)
        }
    }
}
