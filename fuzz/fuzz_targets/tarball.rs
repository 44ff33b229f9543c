//! Tar archives from input that need not be quite one.

use pgdrill::backup::Codec;

use crate::common::compressed;

const BLOCK: usize = 512;

/// One member as it stands there: its header, and what it holds as far as there is that much.
struct Raw<'a> {
    header: [u8; BLOCK],
    bytes: &'a [u8],
    is_whole: bool,
}

/// Members until something is no header at all, and what comes behind them.
fn members(mut data: &[u8]) -> (Vec<Raw<'_>>, &[u8]) {
    let mut found = Vec::new();
    while let Some((header, rest)) = data.split_first_chunk::<BLOCK>() {
        let digits = header[124..136].iter().take_while(|byte| (b'0'..=b'7').contains(byte));
        let size = digits.fold(0_usize, |sum, digit| sum * 8 + usize::from(digit - b'0'));
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let (bytes, behind) = rest.split_at(size.min(rest.len()));
        found.push(Raw { header: *header, bytes, is_whole: size <= rest.len() });
        data = behind.get(padding(size)..).unwrap_or_default();
    }
    (found, data)
}

fn padding(size: usize) -> usize {
    size.next_multiple_of(BLOCK) - size
}

impl Raw<'_> {
    fn name(&self) -> &[u8] {
        self.header[..100].split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// What it holds, compressed if its name says so.
    fn content(&self) -> Vec<u8> {
        let codecs: [(&[u8], Codec); 3] =
            [(b".gz", Codec::Gzip), (b".zst", Codec::Zstd), (b".lz4", Codec::Lz4)];
        let codec = codecs.iter().find(|(end, _)| self.name().ends_with(end));
        compressed(codec.map_or(Codec::None, |(_, codec)| *codec), self.bytes)
    }
}

/// The archive with right checksums, and members compressed whose names say so.
pub fn mended(data: &[u8]) -> Vec<u8> {
    let (members, rest) = members(data);
    let mut mended = Vec::with_capacity(data.len());
    for mut member in members {
        let content = member.content();
        if member.is_whole && content != member.bytes {
            member.header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        }
        member.header[148..156].fill(b' ');
        let sum: u32 = member.header.iter().map(|byte| u32::from(*byte)).sum();
        member.header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        mended.extend_from_slice(&member.header);
        mended.extend_from_slice(&content);
        if member.is_whole {
            mended.resize(mended.len() + padding(content.len()), 0);
        }
    }
    mended.extend_from_slice(rest);
    mended
}

/// The regular files in it, with names that lead nowhere else.
pub fn files(data: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (members, _) = members(data);
    let files = members.iter().filter(|member| matches!(member.header[156], 0 | b'0'));
    let named = files.map(|member| {
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let parts = name.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
        (parts.collect::<Vec<_>>().join("/"), member.content())
    });
    named.filter(|(name, _)| !name.is_empty()).collect()
}
