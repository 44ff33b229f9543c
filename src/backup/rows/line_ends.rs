//! How rows end: all with a line feed, or all with a carriage return before it.

/// `COPY` takes the end of the first row for the end of all (`eol_type` in `copyfromparse.c`).
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    /// Whether rows end with a carriage return and a line feed; `None` before the first has ended.
    pub(super) crlf: Option<bool>,
    /// The last byte was a carriage return.
    carriage: bool,
}

impl LineEnds {
    /// Whether the last byte was a carriage return.
    pub(super) fn is_within(&self) -> bool {
        self.carriage
    }

    /// Whether a piece without a carriage return can be passed over, if `line_feed` says whether
    /// it holds a line feed.
    pub(super) fn skips(&mut self, line_feed: bool) -> bool {
        if self.carriage || self.crlf == Some(true) {
            return false;
        }
        if line_feed {
            self.crlf = Some(false);
        }
        true
    }

    /// Where in `piece` the first line end lies that is not like the others, or the first carriage
    /// return that ends no line; and how many bytes before that, in the piece before.
    pub(super) fn look(&mut self, piece: &[u8]) -> Option<(usize, u64)> {
        let mut found =
            (self.carriage && piece.first().is_some_and(|byte| *byte != b'\n')).then_some((0, 1));
        for at in memchr::memchr2_iter(b'\r', b'\n', piece) {
            let is_sound = if piece[at] == b'\r' {
                piece.get(at + 1).is_none_or(|next| *next == b'\n')
            } else {
                let after_return = match at.checked_sub(1) {
                    Some(before) => piece[before] == b'\r',
                    None => self.carriage,
                };
                *self.crlf.get_or_insert(after_return) == after_return
            };
            if !is_sound {
                found.get_or_insert((at, 0));
            }
        }
        // A piece without bytes, before an escape that was cut, changes nothing.
        if let Some(last) = piece.last() {
            self.carriage = *last == b'\r';
        }
        found
    }
}
