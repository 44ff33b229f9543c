//! Inside of quotes and comments.

use memchr::{memchr, memchr2};

use super::{Continuation, Scanner, State, Stop, Text};

impl Scanner {
    pub(super) fn line_comment(&mut self, text: &[u8], at: usize) -> (usize, Option<Stop>) {
        match memchr2(b'\n', b'\r', text.get(at..).unwrap_or_default()) {
            None => (text.len(), Some(Stop::More)),
            Some(len) => {
                self.state = State::Initial;
                let top = std::mem::take(&mut self.top_comment);
                (at + len, top.then_some(Stop::Comment))
            }
        }
    }

    pub(super) fn block_comment(
        &mut self,
        text: &[u8],
        mut at: usize,
        last: bool,
        mut depth: u32,
    ) -> (usize, Option<Stop>) {
        while let Some(found) = memchr2(b'*', b'/', text.get(at..).unwrap_or_default()) {
            at += found;
            let pair = (text.get(at).copied(), text.get(at + 1).copied());
            match pair {
                (_, None) if !last => {
                    self.state = State::BlockComment { depth };
                    return (at, Some(Stop::More));
                }
                (Some(b'/'), Some(b'*')) => {
                    depth = depth.saturating_add(1);
                    at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    at += 2;
                    if depth == 0 {
                        self.state = State::Initial;
                        return (at, None);
                    }
                    depth -= 1;
                }
                _ => at += 1,
            }
        }
        self.state = State::BlockComment { depth };
        (text.len(), None)
    }

    pub(super) fn string(
        &mut self,
        text: &[u8],
        mut at: usize,
        last: bool,
        kind: Text,
    ) -> (usize, Option<Stop>) {
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let found = match kind {
                Text::Escaped => memchr2(b'\'', b'\\', rest),
                Text::Plain | Text::Bits => memchr(b'\'', rest),
            };
            let Some(found) = found else {
                return (text.len(), None);
            };
            at += found;
            let next = text.get(at + 1).copied();
            if next.is_none() && !last {
                return (at, Some(Stop::More));
            }
            if text.get(at) == Some(&b'\\') || (next == Some(b'\'') && kind != Text::Bits) {
                at = (at + 2).min(text.len());
                continue;
            }
            self.state = State::Initial;
            self.continuation = Some(Continuation { text: kind, broken: false, fresh: true });
            return (at + 1, None);
        }
    }

    pub(super) fn quoted_identifier(
        &mut self,
        text: &[u8],
        mut at: usize,
        last: bool,
    ) -> (usize, Option<Stop>) {
        loop {
            let Some(found) = memchr(b'"', text.get(at..).unwrap_or_default()) else {
                return (text.len(), None);
            };
            at += found;
            match text.get(at + 1) {
                None if !last => return (at, Some(Stop::More)),
                Some(b'"') => at += 2,
                _ => {
                    self.state = State::Initial;
                    return (at + 1, None);
                }
            }
        }
    }

    pub(super) fn dollar_text(
        &mut self,
        text: &[u8],
        mut at: usize,
        last: bool,
    ) -> (usize, Option<Stop>) {
        let State::Dollar { tag } = &self.state else {
            return (at, None);
        };
        while let Some(found) = memchr(b'$', text.get(at..).unwrap_or_default()) {
            at += found;
            let rest = text.get(at..).unwrap_or_default();
            if rest.starts_with(tag) {
                at += tag.len();
                self.state = State::Initial;
                return (at, None);
            }
            if rest.len() < tag.len() && !last {
                return (at, Some(Stop::More));
            }
            at += 1;
        }
        (text.len(), None)
    }
}
