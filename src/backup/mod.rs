//! Reads backups: knows their formats, checks their bytes, starts nothing and writes nothing.
//!
//! [`inspect`] reads a backup once from its first byte to its last and says what is inside and what
//! is damaged; `stream` reads it again and hands out the dumps one after another. Nothing is ever
//! unpacked on this machine.

mod changing;
mod choose;
mod custom;
mod encoding;
mod globals;
mod inspect;
mod intake;
mod inventory;
mod member;
mod names;
mod pin;
mod reach;
mod sidecar;
pub(crate) mod sql;
mod statements;
mod stream;
mod toc;

pub(crate) use changing::{looks_cut, take_back_if_changed};
pub use choose::{Chosen, Several, choose};
pub(crate) use choose::{companions, folders_of_glob, may_mean};
pub use inspect::inspect;
pub use inventory::{
    BackupFormat, BackupInventory, DatabaseDump, DumpFormat, Globals, PostgresVersion,
};
pub(crate) use pin::compare as compare_pin;
pub use sidecar::Sidecar;
pub(crate) use statements::statements;
pub(crate) use stream::{DumpChunk, has_changed, stream};
pub use toc::{EntryData, TocEntry};
