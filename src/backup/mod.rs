//! Reads backups: knows their formats, checks their bytes, starts nothing and writes nothing.
//!
//! [`inspect`] reads a backup once from its first byte to its last and says what is inside and what
//! is damaged; `stream` reads it again and hands out the dumps one after another. Nothing is ever
//! unpacked on this machine.

mod changing;
mod choose;
mod codec;
mod custom;
mod decrypt;
mod directory;
mod dumpall;
mod encoding;
mod foreign;
#[cfg(fuzzing)]
pub mod fuzzing;
mod globals;
mod inspect;
mod intake;
mod inventory;
mod member;
mod meter;
mod names;
mod pgtar;
mod pin;
mod pipe;
mod reach;
mod redump;
mod rows;
mod sidecar;
pub(crate) mod sql;
mod statements;
mod stream;
mod tarball;
mod toc;

pub(crate) use changing::{looks_cut, take_back_if_changed};
pub use choose::{Chosen, Several, choose};
pub(crate) use choose::{companions, folders_of_glob, may_mean};
pub use codec::Codec;
pub use decrypt::{Encryption, KeyOrigin, Opener};
pub(crate) use inspect::unreachable_backup;
pub use inspect::{inspect, inspect_with};
pub use inventory::{
    BackupFormat, BackupInventory, BackupShape, DatabaseDump, DumpFormat, Globals, PostgresVersion,
};
pub(crate) use pin::compare as compare_pin;
pub(crate) use redump::{Again, read_again};
pub use rows::Fingerprint;
pub(crate) use rows::{Column, Form, RowReader, RowSummary, TextEncoding};
pub use sidecar::{Said, Sidecar, read as read_sidecar};
pub(crate) use sidecar::{failures_said, no_sidecar};
pub use sql::{CollationOptions, CollationsNeeded};
pub(crate) use sql::{CopyTarget, TableShape, canonical, table_shape};
pub(crate) use statements::statements;
pub(crate) use stream::{DumpChunk, has_changed, stream};
pub use toc::{EntryData, TocEntry};

/// The size of a buffer. The fuzz targets' inputs are small, and shall reach over its end.
const fn buffer_bytes(bytes: usize) -> usize {
    if cfg!(fuzzing) { 512 } else { bytes }
}

/// The files of a backup that is a folder, and the folders that they lie in.
///
/// # Errors
///
/// The system's.
pub(crate) fn files_of_folder(path: &camino::Utf8Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut files = vec![path.join("dumps").into_std_path_buf()];
    files.extend(intake::identity(path)?.into_iter().map(|(file, _, _)| file.into_std_path_buf()));
    Ok(files)
}
