//! What a plain dump holds, and whether it is whole.

use std::collections::BTreeSet;
use std::io::Read;

use memchr::memrchr;

use crate::backup::encoding::decode;
use crate::backup::toc::TocEntry;

use super::copy::CopyTarget;
use super::forbidden::forbidden;
use super::input::as_u64;
use super::lexer::{Lexer, Piece};
use super::meta::Purpose;
use super::plain_entries::Entries;
use super::plain_header::{self, Header};
use super::statement::{StatementKind, classify, insert_head, roles_named};
use super::whole::{Unclear, Unfinished};

/// Names kept of each kind; hostile dumps could name more.
const NAMES: usize = 100_000;
/// Meta-commands kept.
const METAS: usize = 1_000;

/// The program that wrote a plain dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PlainFlavour {
    /// `pg_dump`
    PgDump,
    /// `pg_dumpall`
    PgDumpAll,
    /// dbbackup's own writer, which shares `pg_dump`'s last lines.
    DbbackupNative,
    /// `mysqldump` or `mariadb-dump`: nothing for PostgreSQL.
    Mysql,
    /// Not told.
    #[default]
    Unknown,
}

/// A `\connect` of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    /// Its line.
    pub line: u64,
    /// The database.
    pub database: String,
    /// The index in [`PlainDump::entries`] where the database's entries begin.
    pub first_entry: usize,
}

/// What [`inspect`] finds in a plain dump.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PlainDump {
    /// Who wrote it.
    pub flavour: PlainFlavour,
    /// The server it was taken from, as `15.18 (Debian …)`.
    pub server_version: Option<String>,
    /// The `pg_dump` that took it.
    pub pg_dump_version: Option<String>,
    /// The first `client_encoding` set.
    pub client_encoding: Option<String>,
    /// What it holds.
    pub entries: Vec<TocEntry>,
    /// Entries beyond those kept.
    pub entries_dropped: u64,
    /// The roles it refers to.
    pub roles_named: BTreeSet<String>,
    /// The roles it makes.
    pub roles_created: BTreeSet<String>,
    /// The tablespaces it makes.
    pub tablespaces_created: BTreeSet<String>,
    /// The databases it makes.
    pub databases_created: BTreeSet<String>,
    /// The extensions it makes.
    pub extensions_created: BTreeSet<String>,
    /// Meta-commands that are no part of a dump, with their lines; the first thousand.
    pub meta_commands: Vec<(u64, String)>,
    /// All of them.
    pub meta_command_count: u64,
    /// The first statement that reaches past its database: its line and its kind.
    pub first_forbidden: Option<(u64, &'static str)>,
    /// How many there are.
    pub forbidden_count: u64,
    /// Changes of the database.
    pub connects: Vec<Connect>,
    /// Whether it ends as its writer ends a whole dump.
    pub trailer: bool,
    /// What it breaks off in.
    pub unfinished: Option<Unfinished>,
    /// Statements read to their end.
    pub statements: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The first thing that a `psql` without restricted mode must not see.
    pub first_unclear: Option<Unclear>,
    /// Where the first NUL byte lies; dumps hold none.
    pub nul_at: Option<u64>,
    /// The first `COPY` row whose fields are not as many as the columns: table and line.
    pub copy_shape: Option<(String, u64)>,
    /// The first rows that hold the comment above another table's rows: table and line. The `\.`
    /// between the two is lost, and the server would take the one for the other.
    pub swallowed: Option<(String, u64)>,
    /// Why it could not be read to its end.
    pub io_error: Option<String>,
}

/// Reads a plain dump to its end. Never fails: what goes wrong is part of what is found.
pub(crate) fn inspect(reader: &mut dyn Read) -> PlainDump {
    let mut lexer = Lexer::new(reader);
    let mut gather = Gather::default();
    loop {
        gather.wary = lexer.unclear().is_some();
        match lexer.next() {
            Ok(Some(piece)) => gather.piece(piece),
            Ok(None) => break,
            Err(error) => {
                gather.dump.io_error = Some(error.to_string());
                break;
            }
        }
    }
    if let Some((text, line)) = lexer.open_statement() {
        gather.forbid(text, true, line);
    }
    let mut dump = gather.dump;
    (dump.entries, dump.entries_dropped) = gather.entries.finish();
    dump.unfinished = lexer.unfinished();
    dump.statements = lexer.statements();
    dump.bytes = lexer.bytes();
    dump.first_unclear = lexer.unclear().cloned();
    dump.nul_at = lexer.nul_at();
    dump.trailer &= dump.unfinished.is_none() && dump.io_error.is_none();
    dump
}

#[derive(Debug, Default)]
struct Gather {
    dump: PlainDump,
    entries: Entries,
    encoding: Option<String>,
    shape: Option<Shape>,
    swallow: Swallow,
    /// The table whose rows are being read.
    copied: String,
    /// How the last `INSERT` began. Dumps hold millions of them, table by table.
    insert_head: Vec<u8>,
    /// Something was read that may split statements otherwise than seen here.
    wary: bool,
}

impl Gather {
    fn encoding(&self) -> &str {
        self.encoding.as_deref().unwrap_or("UTF8")
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Sql(_) => {}
            Piece::Comment(text) => self.comment(text),
            Piece::StatementEnd { text, length, complete, line, .. } => {
                self.dump.trailer = false;
                if self.wary || may_be_forbidden(text) {
                    self.forbid(text, complete, line);
                }
                self.statement(text, length);
            }
            Piece::CopyStart(target) => {
                self.insert_head.clear();
                self.dump.trailer = false;
                self.entries.copy(target);
                self.shape = Shape::of(target);
                self.swallow = Swallow::default();
                self.copied = target.display();
            }
            Piece::CopyRows { bytes, line, line_ends } => {
                if self.dump.swallowed.is_none()
                    && let Some(at) = self.swallow.look(bytes, line)
                {
                    self.dump.swallowed = Some((self.copied.clone(), at));
                }
                self.entries.rows(as_u64(bytes.len()));
                if self.dump.copy_shape.is_none()
                    && let Some(shape) = &mut self.shape
                    && let Some(line) = shape.rows(bytes, line, line_ends)
                {
                    self.dump.copy_shape = Some((shape.table.clone(), line));
                }
            }
            Piece::CopyEnd { rows, .. } => {
                self.entries.rows_end(rows);
                self.shape = None;
            }
            Piece::MetaCommand { text, purpose, line, .. } => self.meta(text, purpose, line),
        }
    }

    fn comment(&mut self, text: &[u8]) {
        let dump = &mut self.dump;
        match plain_header::read(&decode(text, self.encoding.as_deref().unwrap_or("UTF8"))) {
            Header::Empty => return,
            Header::Complete(cluster) => {
                dump.trailer = match dump.flavour {
                    PlainFlavour::PgDump | PlainFlavour::DbbackupNative => !cluster,
                    PlainFlavour::PgDumpAll => cluster,
                    PlainFlavour::Mysql => false,
                    PlainFlavour::Unknown => true,
                };
                return;
            }
            Header::Flavour(flavour) if dump.flavour == PlainFlavour::Unknown => {
                dump.flavour = flavour;
            }
            Header::ServerVersion(version) => {
                dump.server_version.get_or_insert(version);
            }
            Header::DumpVersion(version) => {
                dump.pg_dump_version.get_or_insert(version);
            }
            Header::Entry(entry) => {
                self.insert_head.clear();
                self.entries.comment(*entry);
            }
            Header::Flavour(_) | Header::Other => {}
        }
        self.dump.trailer = false;
    }

    fn forbid(&mut self, text: &[u8], complete: bool, line: u64) {
        // No tool writes a COPY of this size: its columns are at most 1600.
        let copy = (!complete
            && text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"copy")))
        .then_some("COPY (…)");
        if let Some(kind) = forbidden(text).or(copy) {
            self.dump.first_forbidden.get_or_insert((line, kind));
            self.dump.forbidden_count += 1;
        }
    }

    fn statement(&mut self, text: &[u8], length: u64) {
        if !self.insert_head.is_empty() && text.starts_with(&self.insert_head) {
            self.entries.insert_again(length);
            return;
        }
        let word = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = text.get(..word).unwrap_or_default();
        let is_any =
            |words: &[&str]| words.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
        if !is_any(&[
            "insert", "create", "set", "alter", "drop", "grant", "revoke", "comment", "security",
        ]) {
            return;
        }
        let kind = classify(text, self.encoding());
        if !is_any(&["insert"]) {
            for role in roles_named(text, self.encoding()) {
                add(&mut self.dump.roles_named, role);
            }
        }
        let dump = &mut self.dump;
        match kind {
            StatementKind::CreateRole { name } => add(&mut dump.roles_created, name),
            StatementKind::CreateTablespace { name } => add(&mut dump.tablespaces_created, name),
            StatementKind::CreateDatabase { name } => add(&mut dump.databases_created, name),
            StatementKind::CreateExtension { name } => add(&mut dump.extensions_created, name),
            StatementKind::CreateTable { schema, name } => self.entries.table(schema, name),
            StatementKind::Insert { schema, table } => {
                self.entries.insert(schema.as_deref(), &table, length);
                self.insert_head.clear();
                self.insert_head.extend_from_slice(insert_head(text).unwrap_or_default());
            }
            StatementKind::Set { name, value } if name == "client_encoding" => {
                dump.client_encoding.get_or_insert_with(|| value.clone());
                self.encoding = Some(value);
                self.insert_head.clear();
            }
            _ => {}
        }
    }

    fn meta(&mut self, text: &[u8], purpose: Purpose, line: u64) {
        match purpose {
            Purpose::Restrict | Purpose::Encoding => return,
            Purpose::Connect(database) => {
                self.encoding = None;
                self.insert_head.clear();
                self.entries.new_database();
                if self.dump.connects.len() < NAMES {
                    self.dump.connects.push(Connect {
                        line,
                        database,
                        first_entry: self.entries.len(),
                    });
                }
            }
            Purpose::Other => {
                self.dump.meta_command_count += 1;
                if self.dump.meta_commands.len() < METAS {
                    let shown = text.get(..text.len().min(200)).unwrap_or_default();
                    let shown = decode(shown, self.encoding());
                    self.dump.meta_commands.push((line, shown));
                }
            }
        }
        self.dump.trailer = false;
    }
}

/// Whether a look at a statement's tokens is worth its time. `CREATE`: what psql takes for the body
/// of a function may be statements to the server.
fn may_be_forbidden(text: &[u8]) -> bool {
    let begins =
        |word: &[u8]| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    begins(b"copy")
        || begins(b"alter")
        || begins(b"create")
        || !text.first().is_some_and(u8::is_ascii_alphabetic)
}

fn add(names: &mut BTreeSet<String>, name: String) {
    if names.len() < NAMES {
        names.insert(name);
    }
}

/// Counts the fields of the rows of one `COPY`.
///
/// Tabs and line ends are first counted over many rows at once, which is cheap; only where the
/// sums do not fit are the rows looked at one by one. Two rows whose errors make up for each other
/// pass, if they are read at once; the server still finds them.
#[derive(Debug)]
struct Shape {
    table: String,
    tabs: u64,
    /// Tabs of a row that the last bytes ended in.
    carried: u64,
}

impl Shape {
    fn of(target: &CopyTarget) -> Option<Self> {
        let tabs = as_u64(target.columns.len()).checked_sub(1)?;
        target.plain.then(|| Self { table: target.display(), tabs, carried: 0 })
    }

    /// The line of the first row that does not fit, where `bytes` begin in `line`.
    fn rows(&mut self, bytes: &[u8], line: u64, line_ends: u64) -> Option<u64> {
        let tabs = |bytes: &[u8]| as_u64(memchr::memchr_iter(b'\t', bytes).count());
        let whole = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let (rows, rest) = bytes.split_at(whole);
        let mut found = None;
        if !rows.is_empty() {
            if self.carried + tabs(rows) != line_ends * self.tabs {
                let mut carried = self.carried;
                let at = rows.split(|byte| *byte == b'\n').position(|row| {
                    let count = std::mem::take(&mut carried) + tabs(row);
                    count != self.tabs
                });
                found = at.map(|at| line + as_u64(at));
            }
            self.carried = 0;
        }
        self.carried += tabs(rest);
        found
    }
}

/// Looks for `pg_dump`'s own comments among rows. A row cannot begin like that by chance: it would be
/// the first column of a table that holds dumps.
#[derive(Debug, Default)]
struct Swallow {
    /// The last bytes of what was read before.
    carried: Vec<u8>,
}

impl Swallow {
    const MARKS: [&[u8]; 2] = [b"\n-- Data for Name: ", b"\n-- Name: "];

    /// The line of the first comment, where `bytes` begin in `line`.
    fn look(&mut self, bytes: &[u8], line: u64) -> Option<u64> {
        let keep = Self::MARKS[0].len() - 1;
        let seam = self.carried.len();
        let mut head = std::mem::take(&mut self.carried);
        head.extend_from_slice(&bytes[..bytes.len().min(keep)]);
        let find = |text: &[u8]| {
            Self::MARKS.iter().filter_map(|mark| memchr::memmem::find(text, mark)).min()
        };
        let lines = |bytes: &[u8]| as_u64(memchr::memchr_iter(b'\n', bytes).count());
        let found = match find(&head) {
            // The line end is behind us and has been counted, as have those after it.
            Some(at) if at < seam => Some(line.saturating_sub(lines(&head[at + 1..seam]))),
            Some(at) => Some(line + lines(&bytes[..at - seam]) + 1),
            None => find(bytes).map(|at| line + lines(&bytes[..at]) + 1),
        };
        let tail = if bytes.len() >= keep { bytes } else { &head[..] };
        self.carried = tail[tail.len().saturating_sub(keep)..].to_vec();
        found
    }
}
