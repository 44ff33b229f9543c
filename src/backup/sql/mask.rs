//! Client encodings whose characters may hold bytes that look like ASCII.
//!
//! In SJIS, BIG5, GBK, UHC, GB18030, JOHAB and `SHIFT_JIS_2004` a character's later bytes can be a
//! `\` or (GB18030) a digit. `psql` hides them from its scanner by overwriting them with 0xFF
//! (`psqlscan_prepare_buffer` in `src/fe_utils/psqlscan.l`), line by line; so does this.

/// The client encodings that need hiding (`PG_ENCODING_BE_LAST` in `src/include/mb/pg_wchar.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Any byte with the high bit begins a character of two bytes.
    TwoBytes,
    /// As above, but 0xA1–0xDF are half-width katakana of one byte.
    ShiftJis,
    /// Two bytes, or four where the second one is a digit.
    Gb18030,
    /// As EUC: 0x8F begins a character of three bytes.
    Johab,
}

/// Hides the later bytes of multibyte characters; remembers where in a character it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    family: Family,
    left: u8,
    gb_second: bool,
}

impl Mask {
    /// The mask for PostgreSQL's encoding `name`; `None` where `psql` needs none.
    ///
    /// Names are matched as `pg_char_to_encoding` does: letters and digits only, any case.
    pub(super) fn for_encoding(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let family = match plain.as_str() {
            "sjis" | "mskanji" | "shiftjis" | "win932" | "windows932" | "shiftjis2004" => {
                Family::ShiftJis
            }
            "big5" | "win950" | "windows950" | "gbk" | "win936" | "windows936" | "uhc"
            | "win949" | "windows949" => Family::TwoBytes,
            "gb18030" => Family::Gb18030,
            "johab" => Family::Johab,
            _ => return None,
        };
        Some(Self { family, left: 0, gb_second: false })
    }

    /// Overwrites what must be hidden in `bytes`, which follow what was hidden before.
    pub(super) fn hide(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                // A line ends its last character: psql cuts the lines before it hides anything.
                self.left = 0;
                self.gb_second = false;
            } else if self.gb_second {
                self.gb_second = false;
                self.left = if byte.is_ascii_digit() { 2 } else { 0 };
                *byte = 0xff;
            } else if self.left > 0 {
                self.left -= 1;
                *byte = 0xff;
            } else if *byte >= 0x80 {
                match self.family {
                    Family::TwoBytes => self.left = 1,
                    Family::ShiftJis => self.left = u8::from(!(0xa1..=0xdf).contains(byte)),
                    Family::Gb18030 => self.gb_second = true,
                    Family::Johab => self.left = if *byte == 0x8f { 2 } else { 1 },
                }
            }
        }
    }
}
