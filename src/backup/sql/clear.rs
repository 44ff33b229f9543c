//! Whether a dump is harmless to a `psql` that has no restricted mode.
//!
//! The lexer knows where `psql` sees a meta-command as long as `psql` and the lexer agree on two
//! settings and on which `COPY` succeeds. A hostile dump can break that: a failed `COPY` spills
//! its rows into `psql`'s SQL scanner, and a function that runs during the restore can set
//! `standard_conforming_strings` or `client_encoding` without any of these words in the dump. So
//! clearing does not rely on where strings begin and end: it looks at every backslash of the
//! dump, wherever it stands, and asks what `psql` would do if it saw a command there. The same
//! holds for psql's variables that a dump can fill (`:LAST_ERROR_MESSAGE`, `:DBNAME`), whose
//! values psql scans again.

use memchr::memmem::Finder;
use memchr::{memchr, memchr3};

use super::input::{as_u64, newlines};
use super::whole::Unclear;

/// Enough of a command's name to know it; longer ones are no commands of psql.
const NAME: usize = 24;
/// More than a variable's name or a multibyte character needs.
const TAIL: usize = 32;

/// What a name does when `psql` takes it for a command (`exec_command` in
/// `src/bin/psql/command.c`, 13 to 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// `invalid command`: the rest of the line is thrown away unread (`HandleSlashCmds`).
    None,
    /// Prints or formats something; runs a program only if an argument holds a backtick.
    Mild,
    /// Runs programs, reads or writes files, skips statements or ends psql.
    Harmful,
}

fn effect(name: &[u8]) -> Effect {
    match name {
        // `\d…` reads its argument before it looks at the other letters.
        [b'd', ..]
        | b"a"
        | b"C"
        | b"f"
        | b"H"
        | b"h"
        | b"help"
        | b"html"
        | b"l"
        | b"l+"
        | b"lx"
        | b"lx+"
        | b"l+x"
        | b"list"
        | b"list+"
        | b"listx"
        | b"listx+"
        | b"list+x"
        | b"p"
        | b"print"
        | b"r"
        | b"reset"
        | b"t"
        | b"T"
        | b"x"
        | b"z"
        | b"zS"
        | b"zx"
        | b"zSx"
        | b"zxS"
        | b"sf"
        | b"sf+"
        | b"sv"
        | b"sv+"
        | b"errverbose"
        | b"conninfo"
        | b"copyright"
        | b"?"
        | b"timing" => Effect::Mild,
        [b'!', ..]
        | [b'l', b'o', b'_', ..]
        | b"bind"
        | b"bind_named"
        | b"c"
        | b"close"
        | b"close_prepared"
        | b"connect"
        | b"cd"
        | b"crosstabview"
        | b"e"
        | b"edit"
        | b"ef"
        | b"ev"
        | b"echo"
        | b"qecho"
        | b"warn"
        | b"elif"
        | b"else"
        | b"endif"
        | b"encoding"
        | b"endpipeline"
        | b"flush"
        | b"flushrequest"
        | b"g"
        | b"gx"
        | b"gdesc"
        | b"getenv"
        | b"getresults"
        | b"gexec"
        | b"gset"
        | b"i"
        | b"include"
        | b"ir"
        | b"include_relative"
        | b"if"
        | b"o"
        | b"out"
        | b"parse"
        | b"password"
        | b"prompt"
        | b"pset"
        | b"q"
        | b"quit"
        | b"restrict"
        | b"unrestrict"
        | b"s"
        | b"sendpipeline"
        | b"set"
        | b"setenv"
        | b"startpipeline"
        | b"sync"
        | b"syncpipeline"
        | b"unset"
        | b"w"
        | b"write"
        | b"watch" => Effect::Harmful,
        _ if name.eq_ignore_ascii_case(b"copy") => Effect::Harmful,
        _ => Effect::None,
    }
}

/// Whether a meta-command, with its backslash, is one that `psql` has.
pub(crate) fn is_command(text: &[u8]) -> bool {
    let rest = text.get(1..).unwrap_or_default();
    let length = rest.iter().position(|byte| ends_name(*byte)).unwrap_or(rest.len());
    effect(rest.get(..length).unwrap_or_default()) != Effect::None
}

/// Where in a backslash sequence the scan stands.
#[derive(Debug, Clone, Copy)]
enum At {
    Text,
    /// Within a run of backslashes.
    Run {
        odd: bool,
        after_multibyte: bool,
    },
    /// Within the name behind an unpaired backslash.
    Name {
        len: usize,
    },
}

/// The scan over all bytes of a dump.
#[derive(Debug)]
pub(super) struct Clear {
    first: Option<Unclear>,
    /// Where `first` lies: what is found first need not stand first.
    first_at: u64,
    nul_at: Option<u64>,
    at: At,
    name: [u8; NAME],
    mild: Option<String>,
    tail: Vec<u8>,
    variables: [Finder<'static>; 2],
}

impl Clear {
    pub(super) fn new() -> Self {
        Self {
            first: None,
            first_at: u64::MAX,
            nul_at: None,
            at: At::Text,
            name: [0; NAME],
            mild: None,
            tail: Vec::with_capacity(2 * TAIL),
            variables: [Finder::new(":LAST_ERROR_MESSAGE"), Finder::new(":DBNAME")],
        }
    }

    pub(super) fn first(&self) -> Option<&Unclear> {
        self.first.as_ref()
    }

    pub(super) fn nul_at(&self) -> Option<u64> {
        self.nul_at
    }

    /// Notes something that only the lexer could see.
    pub(super) fn note(&mut self, line: u64, offset: u64, what: &str) {
        if offset < self.first_at {
            self.first_at = offset;
            self.first = Some(Unclear { line, what: what.to_owned() });
        }
    }

    /// Looks for NUL bytes alone: for text that is not passed on.
    pub(super) fn nul(&mut self, bytes: &[u8], line: u64, offset: u64) {
        if self.nul_at.is_none()
            && let Some(found) = memchr(0, bytes)
        {
            self.nul_at = Some(offset + as_u64(found));
            Place { bytes, line, offset }.note(self, found, "a NUL byte");
        }
    }

    /// Looks at the next `bytes`, which begin in `line`; `rows` says that they are `COPY` data.
    pub(super) fn feed(&mut self, bytes: &[u8], line: u64, offset: u64, rows: bool) {
        self.nul(bytes, line, offset);
        if self.first_at < offset || bytes.is_empty() {
            return;
        }
        let place = Place { bytes, line, offset };
        self.find_variables(place);
        self.scan(place, rows);
        let keep = bytes.len().saturating_sub(TAIL);
        self.tail.extend_from_slice(bytes.get(keep..).unwrap_or_default());
        let drop = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..drop);
    }

    fn find_variables(&mut self, place: Place<'_>) {
        let mut seam = std::mem::take(&mut self.tail);
        let old = seam.len();
        let begin = place.bytes.len().min(TAIL);
        seam.extend_from_slice(place.bytes.get(..begin).unwrap_or_default());
        for at in 0..self.variables.len() {
            let Some(finder) = self.variables.get(at) else { break };
            let name = finder.needle().to_vec();
            // Found places are where the names end, so that none lies before these bytes.
            let found = match finder.find(&seam).map(|at| (at + name.len()).saturating_sub(old)) {
                Some(end) => Some(end),
                None => finder.find(place.bytes).map(|at| at + name.len()),
            };
            if let Some(end) = found {
                place.note(self, end, &String::from_utf8_lossy(&name));
            }
        }
        seam.truncate(old);
        self.tail = seam;
    }

    fn scan(&mut self, place: Place<'_>, rows: bool) {
        let bytes = place.bytes;
        let mut i = 0;
        while let Some(&byte) = bytes.get(i) {
            match self.at {
                At::Text => {
                    let rest = bytes.get(i..).unwrap_or_default();
                    let found = if self.mild.is_some() {
                        memchr3(b'\\', b'\n', b'`', rest)
                    } else {
                        memchr(b'\\', rest)
                    };
                    let Some(found) = found else { return };
                    i += found;
                    match bytes.get(i) {
                        Some(b'\n') => self.mild = None,
                        Some(b'`') => {
                            let name = self.mild.take().unwrap_or_default();
                            place.note(self, i, &format!("{name} … `"));
                            return;
                        }
                        _ => {
                            let after_multibyte = self.multibyte_before(bytes, i);
                            if let Some((name, end)) = whole_name(bytes, i, after_multibyte) {
                                i = end;
                                if self.judge(name, place, end, rows) {
                                    return;
                                }
                                continue;
                            }
                            self.at = At::Run { odd: true, after_multibyte };
                        }
                    }
                    i += 1;
                }
                At::Run { odd, after_multibyte } if byte == b'\\' => {
                    self.at = At::Run { odd: !odd, after_multibyte };
                    i += 1;
                }
                At::Run { odd, after_multibyte } => {
                    // Pairs are data in every state of psql's scanner, unless a changed client
                    // encoding makes a multibyte character swallow the first backslash.
                    self.at = if odd || after_multibyte { At::Name { len: 0 } } else { At::Text };
                }
                At::Name { len } => {
                    if let (false, Some(slot)) = (ends_name(byte), self.name.get_mut(len)) {
                        *slot = byte;
                        self.at = At::Name { len: len + 1 };
                        i += 1;
                    } else {
                        self.at = At::Text;
                        let (name, len) = (self.name, len.min(NAME));
                        let name = name.get(..len).unwrap_or_default();
                        if self.judge(name, place, i, rows) {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Judges the name that ends before `end`; says whether it is harmful.
    fn judge(&mut self, name: &[u8], place: Place<'_>, end: usize, rows: bool) -> bool {
        let shown = || format!("\\{}", String::from_utf8_lossy(name));
        // No command of psql begins with a byte of a multibyte character. COPY writes no other escapes (`CopyAttributeOutText` in `src/backend/commands/copyto.c`).
        let foreign = rows
            && name.first().is_some_and(|first| {
                !matches!(first, b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'x' | b'0'..=b'7' | b'N' | b'.' | 0x80..)
            });
        match effect(name) {
            Effect::None if !foreign => false,
            Effect::Mild if !foreign => {
                self.mild = Some(shown());
                false
            }
            _ => {
                place.note(self, end, &shown());
                true
            }
        }
    }

    /// Ends the dump: a name may stand at its very end.
    pub(super) fn finish(&mut self, line: u64, offset: u64) {
        if let At::Name { len } = self.at
            && effect(self.name.get(..len).unwrap_or_default()) == Effect::Harmful
        {
            self.note(line, offset, "a command at the end");
        }
        self.at = At::Text;
    }

    fn multibyte_before(&self, bytes: &[u8], i: usize) -> bool {
        let here = bytes.get(i.saturating_sub(3)..i).unwrap_or_default();
        let missing = 3 - here.len();
        let before = self.tail.get(self.tail.len().saturating_sub(missing)..);
        let before = before.unwrap_or_default();
        here.iter().chain(before).any(|byte| *byte >= 0x80)
    }
}

/// Bytes and where they lie.
#[derive(Clone, Copy)]
struct Place<'a> {
    bytes: &'a [u8],
    line: u64,
    offset: u64,
}

impl Place<'_> {
    fn note(self, clear: &mut Clear, at: usize, what: &str) {
        let before = self.bytes.get(..at).unwrap_or_default();
        clear.note(self.line + newlines(before), self.offset + as_u64(at), what);
    }
}

/// Whether `psql` ends a command's name before `byte` (`xslashcmd` in `psqlscanslash.l`).
fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b'\\')
}

/// The name behind the backslashes at `bytes[at]` and where it ends; empty behind pairs of them.
///
/// `None` where `bytes` do not hold all of it.
fn whole_name(bytes: &[u8], at: usize, after_multibyte: bool) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let run = rest.iter().position(|byte| *byte != b'\\')?;
    if run % 2 == 0 && !after_multibyte {
        return Some((&[], at + run));
    }
    let rest = rest.get(run..run + NAME)?;
    let len = rest.iter().position(|byte| ends_name(*byte)).unwrap_or(NAME);
    Some((rest.get(..len)?, at + run + len))
}

/// Whether a statement speaks of a setting that decides how `psql` reads what follows.
pub(super) fn mentions_setting(text: &[u8]) -> Option<&'static str> {
    memchr::memchr_iter(b'_', text).find_map(|at| {
        let around = |name: &'static str, before: usize| {
            let from = at.checked_sub(before)?;
            let found = text.get(from..from + name.len())?;
            found.eq_ignore_ascii_case(name.as_bytes()).then_some(name)
        };
        around("standard_conforming_strings", 8).or_else(|| around("client_encoding", 6))
    })
}
