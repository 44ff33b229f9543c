//! The dump of a restored database's schema, which is compared with the backup's.

use super::custom;
use super::meter::Meter;
use super::sql;
use super::toc::TocEntry;
use crate::backup::{DumpFormat, PostgresVersion};

/// A dump of a schema that was made just now.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) entries: Vec<TocEntry>,
    pub(crate) server_version: Option<PostgresVersion>,
    pub(crate) pg_dump_version: Option<PostgresVersion>,
}

/// Reads one in the custom format, or a plain one.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(crate) fn read_again(bytes: &[u8], format: DumpFormat) -> Result<Again, String> {
    let mut reader = bytes;
    match format {
        DumpFormat::Plain => {
            let plain = sql::inspect(&mut reader);
            if !plain.trailer || plain.entries_dropped > 0 {
                return Err("it does not end as pg_dump ends a dump".to_owned());
            }
            Ok(Again {
                entries: plain.entries,
                server_version: plain.server_version.map(PostgresVersion),
                pg_dump_version: plain.pg_dump_version.map(PostgresVersion),
            })
        }
        DumpFormat::Custom | DumpFormat::Directory | DumpFormat::Tar => {
            let read = custom::read(&mut reader, &Meter::default());
            if let Some(damage) = read.damage.first() {
                return Err(damage.detail.clone());
            }
            let header = read.header.as_ref();
            let version = |text: fn(&custom::CustomHeader) -> &String| {
                header.map(|header| PostgresVersion(text(header).clone()))
            };
            Ok(Again {
                server_version: version(|header| &header.server_version),
                pg_dump_version: version(|header| &header.pg_dump_version),
                entries: read.entries,
            })
        }
    }
}
