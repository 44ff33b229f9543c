//! A writer of archives, sound ones and others.

use std::io::Write;

use flate2::write::ZlibEncoder;

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) kind: &'static str,
    pub(super) tag: &'static str,
    pub(super) definition: &'static str,
    pub(super) copy: &'static str,
    pub(super) section: i64,
    pub(super) had_dumper: i64,
    pub(super) state: u8,
    pub(super) with_oids: Option<&'static str>,
    pub(super) oid: Option<&'static str>,
    pub(super) dependency: &'static str,
}

pub(super) fn schema_entry(
    id: i64,
    kind: &'static str,
    tag: &'static str,
    definition: &'static str,
) -> Entry {
    Entry {
        id,
        kind,
        tag,
        definition,
        copy: "",
        section: 2,
        had_dumper: 0,
        state: 3,
        with_oids: Some("false"),
        oid: Some("1259"),
        dependency: "7",
    }
}

pub(super) fn data_entry(id: i64, tag: &'static str) -> Entry {
    Entry {
        copy: "COPY public.t (a) FROM stdin;\n",
        section: 3,
        had_dumper: 1,
        state: 2,
        ..schema_entry(id, "TABLE DATA", tag, "")
    }
}

/// A block: its type, its dump id, and its streams with the OID before each (none: no OIDs).
#[derive(Clone)]
pub(super) struct Block {
    pub(super) kind: u8,
    pub(super) id: i64,
    pub(super) streams: Vec<(Option<i64>, Vec<u8>)>,
}

pub(super) fn rows_block(id: i64, rows: &str) -> Block {
    Block { kind: 1, id, streams: vec![(None, format!("{rows}\\.\n\n\n").into_bytes())] }
}

#[derive(Clone)]
pub(super) struct Archive {
    pub(super) version: (u8, u8),
    pub(super) int_size: u8,
    pub(super) offset_size: u8,
    pub(super) format: u8,
    pub(super) compression: i64,
    pub(super) count: Option<i64>,
    pub(super) entries: Vec<Entry>,
    pub(super) blocks: Vec<Block>,
    /// Streams are in `blocks` as they are to lie in the archive.
    pub(super) raw: bool,
}

impl Archive {
    /// Two tables, `a` with two rows and `b` with one.
    pub(super) fn new(version: u8) -> Self {
        Self {
            version: (1, version),
            int_size: 4,
            offset_size: 8,
            format: 1,
            compression: if version >= 15 { 1 } else { -1 },
            count: None,
            entries: vec![
                schema_entry(1, "ENCODING", "ENCODING", "SET client_encoding = 'WIN1251';\n"),
                data_entry(2, "a"),
                data_entry(3, "b"),
            ],
            blocks: vec![rows_block(2, "1\n2\n"), rows_block(3, "3\n")],
            raw: false,
        }
    }

    /// Two large objects, 10 and 3000000000, listed as the version does it.
    pub(super) fn with_blobs(version: u8) -> Self {
        let mut archive = Self::new(version);
        if version >= 16 {
            archive.entries.push(schema_entry(
                4,
                "BLOB METADATA",
                "10..3000000000",
                "10\n3000000000",
            ));
        } else {
            archive.entries.push(schema_entry(4, "BLOB", "10", "SELECT lo_create(10);"));
            archive.entries.push(schema_entry(
                5,
                "BLOB",
                "3000000000",
                "SELECT lo_create(3000000000);",
            ));
        }
        archive.entries.push(Entry { kind: "BLOBS", copy: "", ..data_entry(6, "BLOBS") });
        let streams =
            vec![(Some(10), b"ten".to_vec()), (Some(3_000_000_000 - (1 << 32)), Vec::new())];
        archive.blocks.push(Block { kind: 3, id: 6, streams });
        archive
    }

    pub(super) fn entry(mut self, index: usize, change: impl Fn(&mut Entry)) -> Self {
        change(&mut self.entries[index]);
        self
    }

    pub(super) fn block(mut self, index: usize, change: impl Fn(&mut Block)) -> Self {
        change(&mut self.blocks[index]);
        self
    }

    pub(super) fn with(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn int(&self, value: i64, out: &mut Vec<u8>) {
        out.push(u8::from(value < 0));
        out.extend(&value.unsigned_abs().to_le_bytes()[..usize::from(self.int_size)]);
    }

    pub(super) fn text(&self, text: Option<&[u8]>, out: &mut Vec<u8>) {
        self.int(text.map_or(-1, |text| i64::try_from(text.len()).unwrap()), out);
        out.extend(text.unwrap_or_default());
    }

    pub(super) fn head(&self, offsets: &[(i64, u64)]) -> Vec<u8> {
        let mut out = b"PGDMP".to_vec();
        out.extend([
            self.version.0,
            self.version.1,
            0,
            self.int_size,
            self.offset_size,
            self.format,
        ]);
        if self.version.1 >= 15 {
            out.extend(&self.compression.to_le_bytes()[..1]);
        } else {
            self.int(self.compression, &mut out);
        }
        for field in [5, 4, 3, 2, 0, 99, 0] {
            self.int(field, &mut out);
        }
        for text in [&b"\xcf\xf0"[..], b"9.6.24", b"12.1"] {
            self.text(Some(text), &mut out);
        }
        self.int(self.count.unwrap_or(i64::try_from(self.entries.len()).unwrap()), &mut out);
        for entry in &self.entries {
            self.int(entry.id, &mut out);
            self.int(entry.had_dumper, &mut out);
            self.text(Some(b"1259"), &mut out);
            self.text(entry.oid.map(str::as_bytes), &mut out);
            self.text(Some(entry.tag.as_bytes()), &mut out);
            self.text(Some(entry.kind.as_bytes()), &mut out);
            self.int(entry.section, &mut out);
            for text in [
                Some(entry.definition),
                Some("DROP it"),
                Some(entry.copy),
                Some("public"),
                Some("fast"),
            ] {
                self.text(text.map(str::as_bytes), &mut out);
            }
            if self.version.1 >= 14 {
                self.text(Some(b"heap"), &mut out);
            }
            if self.version.1 >= 16 {
                self.int(i64::from(b'r'), &mut out);
            }
            self.text(Some(b"\xcf\xf0"), &mut out);
            self.text(entry.with_oids.map(str::as_bytes), &mut out);
            self.text(Some(entry.dependency.as_bytes()), &mut out);
            self.text(None, &mut out);
            out.push(entry.state);
            let offset =
                offsets.iter().find(|(id, _)| *id == entry.id).map_or(0, |(_, offset)| *offset);
            out.extend(&offset.to_le_bytes()[..usize::from(self.offset_size)]);
        }
        out
    }

    /// The archive's bytes; the offsets are those of each entry's last block.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let start = self.head(&[]).len();
        let (mut data, mut offsets) = (Vec::new(), Vec::new());
        for block in &self.blocks {
            offsets.push((block.id, u64::try_from(start + data.len()).unwrap()));
            data.push(block.kind);
            self.int(block.id, &mut data);
            for (oid, stream) in &block.streams {
                if let Some(oid) = oid {
                    self.int(*oid, &mut data);
                }
                let stored =
                    if self.raw || self.compression == 0 { stream.clone() } else { zlib(stream) };
                // In two chunks, as far as there is enough for two.
                for chunk in stored.chunks(stored.len().div_ceil(2).max(1)) {
                    self.text(Some(chunk), &mut data);
                }
                self.int(0, &mut data);
            }
            if block.kind == 3 {
                self.int(0, &mut data);
            }
        }
        [self.head(&offsets), data].concat()
    }
}

pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
