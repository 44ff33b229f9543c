//! Whether bytes are text in the encoding that they are said to be in.

/// What is known of an encoding's characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextEncoding(Kind);

/// The rules are those of `src/common/wchar.c`, which the server checks its input with: never more,
/// or sound data would be called broken. Any bytes but NUL are text in encodings of one byte for
/// each character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unchecked,
    /// `SQL_ASCII`: bytes that nobody converts.
    SqlAscii,
    Utf8,
    EucJp,
    /// `EUC_KR` and `EUC_CN`.
    EucKr,
    EucTw,
    /// A character's later bytes may look like ASCII.
    EmbedsAscii,
}

impl TextEncoding {
    /// Of rows whose encoding is not known.
    pub(crate) const UNCHECKED: Self = Self(Kind::Unchecked);

    /// Of rows that may be in any encoding: whether a byte is a `\` cannot be told.
    pub(crate) const ANY: Self = Self(Kind::EmbedsAscii);

    /// PostgreSQL's encoding `name`, written as `pg_char_to_encoding` takes it.
    pub(crate) fn named(name: &str) -> Self {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        Self(match plain.as_str() {
            "utf8" | "unicode" => Kind::Utf8,
            "sqlascii" => Kind::SqlAscii,
            "eucjp" | "eucjis2004" => Kind::EucJp,
            "euckr" | "euccn" => Kind::EucKr,
            "euctw" => Kind::EucTw,
            "sjis" | "mskanji" | "shiftjis" | "win932" | "windows932" | "shiftjis2004" | "big5"
            | "win950" | "windows950" | "gbk" | "win936" | "windows936" | "uhc" | "win949"
            | "windows949" | "gb18030" | "johab" => Kind::EmbedsAscii,
            _ => Kind::Unchecked,
        })
    }

    /// Whether a session in this encoding takes statements in UTF-8 as they are.
    pub(crate) fn takes_utf8(self) -> bool {
        matches!(self.0, Kind::Utf8 | Kind::SqlAscii)
    }

    /// Whether a `\` is always one, and never a part of a character.
    pub(super) fn keeps_backslashes(self) -> bool {
        self.0 != Kind::EmbedsAscii
    }

    pub(super) fn check(self) -> TextCheck {
        TextCheck { kind: self.0, pending: [0; 4], held: 0, back: 0 }
    }
}

/// Checks text that comes in pieces cut anywhere.
#[derive(Debug)]
pub(super) struct TextCheck {
    kind: Kind,
    /// The first bytes of a character whose others did not come by yet.
    pending: [u8; 4],
    held: usize,
    /// How far the character's first byte lies back.
    back: u64,
}

impl TextCheck {
    /// Whether ASCII alone would not be sound here, or nothing is looked for.
    pub(super) fn is_within_character(&self) -> bool {
        self.held > 0
    }

    /// Where in `piece` the first bytes end to be text, and how many bytes before that, in this piece
    /// or before it, their character began.
    pub(super) fn look(&mut self, piece: &[u8]) -> Option<(usize, u64)> {
        match self.kind {
            Kind::Unchecked | Kind::SqlAscii | Kind::EmbedsAscii => None,
            Kind::Utf8 => self.utf8(piece),
            Kind::EucJp | Kind::EucKr | Kind::EucTw => {
                let at = piece.iter().position(|byte| !self.euc(*byte))?;
                Some((at, self.back))
            }
        }
    }

    fn utf8(&mut self, piece: &[u8]) -> Option<(usize, u64)> {
        let mut start = 0;
        if self.held > 0 {
            let length = match self.pending[0] {
                0xf0.. => 4,
                0xe0.. => 3,
                _ => 2,
            };
            let take = (length - self.held).min(piece.len());
            let back = self.held as u64;
            self.pending[self.held..self.held + take].copy_from_slice(&piece[..take]);
            self.held += take;
            match str::from_utf8(&self.pending[..self.held]) {
                Err(error) if error.error_len().is_some() => return Some((0, back)),
                Err(_) => return None,
                Ok(_) => {}
            }
            self.held = 0;
            start = take;
        }
        let error = str::from_utf8(&piece[start..]).err()?;
        let at = start + error.valid_up_to();
        if error.error_len().is_some() {
            return Some((at, 0));
        }
        let rest = &piece[at..];
        self.pending[..rest.len()].copy_from_slice(rest);
        self.held = rest.len();
        None
    }

    /// Takes one byte; says whether it may stand there. `held` counts the bytes still to come.
    fn euc(&mut self, byte: u8) -> bool {
        const SS2: u8 = 0x8e;
        const SS3: u8 = 0x8f;
        let is_high = (0xa1..=0xfe).contains(&byte);
        if self.held > 0 {
            self.held -= 1;
            self.back += 1;
            return match (self.kind, self.pending[0]) {
                (Kind::EucJp, SS2) => (0xa1..=0xdf).contains(&byte),
                (Kind::EucTw, SS2) if self.held == 2 => (0xa1..=0xa7).contains(&byte),
                _ => is_high,
            };
        }
        if byte.is_ascii() {
            return true;
        }
        self.pending[0] = byte;
        self.back = 0;
        self.held = match (self.kind, byte) {
            (Kind::EucJp, SS3) => 2,
            (Kind::EucTw, SS2) => 3,
            _ => 1,
        };
        match (self.kind, byte) {
            (Kind::EucJp, SS2 | SS3) => true,
            (Kind::EucTw, _) => byte != SS3,
            _ => is_high,
        }
    }
}
