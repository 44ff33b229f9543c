//! The streams in data blocks: chunks, mostly compressed (`compress_gzip.c` and its like).

use flate2::{Decompress, FlushDecompress, Status};

use super::DamageKind;
use super::rows::Rows;
use super::source::{Source, Stop};
use crate::backup::toc::EntryData;

const OUTPUT: usize = 64 * 1024;

/// Feeds one stream's chunks to `content`; gives the sum of their sizes.
pub(super) fn chunks(source: &mut Source, content: &mut Content) -> Result<u64, Stop> {
    let mut stored_bytes = 0;
    loop {
        let offset = source.offset();
        let length = source.int()?;
        let Ok(mut left) = u64::try_from(length) else {
            return Err(Stop::corrupt(offset, format!("a chunk of {length} bytes")));
        };
        if left == 0 {
            return Ok(stored_bytes);
        }
        stored_bytes += left;
        while left > 0 {
            let part = source.peek(left)?;
            let count = part.len();
            if count == 0 {
                return Err(source.early_end());
            }
            content.feed(part);
            source.consume(count);
            left -= count as u64;
        }
    }
}

pub(super) type Findings = Vec<(DamageKind, String)>;

/// What is done with a stream's bytes.
pub(super) enum Content<'a> {
    Plain { rows: Option<Rows> },
    Deflated(&'a mut Inflater),
    Unread,
}

impl Content<'_> {
    fn feed(&mut self, part: &[u8]) {
        match self {
            Self::Plain { rows: Some(rows) } => rows.feed(part),
            Self::Plain { rows: None } | Self::Unread => {}
            Self::Deflated(inflater) => inflater.feed(part),
        }
    }

    pub(super) fn finish(self, stored_bytes: u64) -> (EntryData, Findings) {
        let (bytes, rows) = match self {
            Self::Plain { rows } => (Some(stored_bytes), rows),
            Self::Unread => (None, None),
            Self::Deflated(inflater) => match inflater.finish() {
                Ok((bytes, rows)) => (Some(bytes), rows),
                Err(fault) => {
                    let data = EntryData { stored_bytes, bytes: None, rows: None };
                    return (data, vec![(DamageKind::Corrupt, fault)]);
                }
            },
        };
        match rows.map(|rows| rows.finish()).transpose() {
            Ok(rows) => (EntryData { stored_bytes, bytes, rows }, Vec::new()),
            Err((kind, detail)) => {
                let data = EntryData { stored_bytes, bytes, rows: None };
                (data, vec![(kind, detail.to_owned())])
            }
        }
    }
}

/// Inflates zlib streams, one after the other.
pub(super) struct Inflater {
    zlib: Decompress,
    output: Box<[u8]>,
    rows: Option<Rows>,
    ended: bool,
    fault: Option<String>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            zlib: Decompress::new(true),
            output: vec![0; OUTPUT].into_boxed_slice(),
            rows: None,
            ended: false,
            fault: None,
        }
    }

    pub(super) fn begin(&mut self, rows: Option<Rows>) {
        self.zlib.reset(true);
        self.rows = rows;
        self.ended = false;
        self.fault = None;
    }

    fn feed(&mut self, mut input: &[u8]) {
        while self.fault.is_none() {
            if self.ended {
                if !input.is_empty() {
                    self.fault = Some("bytes follow the end of its zlib stream".to_owned());
                }
                return;
            }
            let (old_in, old_out) = (self.zlib.total_in(), self.zlib.total_out());
            let status = self.zlib.decompress(input, &mut self.output, FlushDecompress::None);
            let used = usize::try_from(self.zlib.total_in() - old_in).unwrap_or(input.len());
            let made = usize::try_from(self.zlib.total_out() - old_out).unwrap_or_default();
            if let (Some(rows), Some(output)) = (&mut self.rows, self.output.get(..made)) {
                rows.feed(output);
            }
            input = input.get(used..).unwrap_or_default();
            match status {
                Ok(Status::StreamEnd) => self.ended = true,
                Ok(_) if input.is_empty() && made < self.output.len() => return,
                Ok(_) if used > 0 || made > 0 => {}
                Ok(_) => self.fault = Some("its zlib stream does not go on".to_owned()),
                Err(error) => self.fault = Some(format!("its zlib stream is broken: {error}")),
            }
        }
    }

    /// The inflated size and the rows, or what is wrong.
    fn finish(&mut self) -> Result<(u64, Option<Rows>), String> {
        match self.fault.take() {
            Some(fault) => Err(fault),
            None if !self.ended => Err("its zlib stream ends too early".to_owned()),
            None => Ok((self.zlib.total_out(), self.rows.take())),
        }
    }
}
