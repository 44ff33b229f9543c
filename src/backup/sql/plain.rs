//! What a plain dump holds, and whether it is whole.

use std::collections::BTreeSet;
use std::io::Read;

use crate::backup::encoding::decode;
use crate::backup::toc::TocEntry;

use super::forbidden::{forbidden, may_be};
use super::input::{as_u64, newlines};
use super::lexer::{Lexer, Piece};
use super::meta::Purpose;
use super::plain_entries::{self, Entries};
use super::plain_frame::{self as frame, Behind};
use super::plain_header::{self, Header, PlainFlavour};
use super::plain_rows::{RowDamage, Rows};
use super::statement::{CollationsNeeded, StatementKind, classify, insert_head, roles_named};
use super::whole::{Unclear, Unfinished};

/// Names kept of each kind; hostile dumps could name more.
const NAMES: usize = 100_000;
/// Meta-commands kept.
const METAS: usize = 1_000;

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
    /// The collations it needs.
    pub collations: CollationsNeeded,
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
    /// What is wrong with rows, in their order.
    pub row_damage: Vec<RowDamage>,
    /// The first rows that hold the comment above another table's rows: table and line. The `\.`
    /// between the two is lost, and the server would take the one for the other.
    pub swallowed: Option<(String, u64)>,
    /// Why it could not be read to its end.
    pub io_error: Option<String>,
    /// What shows that its beginning is lost.
    pub head_lost: Option<&'static str>,
    /// The first line of a text that runs into the dump's own first statement.
    pub text_before: Option<String>,
    /// What shows that it is no SQL at all.
    pub no_sql: Option<&'static str>,
    /// The first statement that is no text in the dump's encoding: its line and the byte.
    pub bad_text: Option<(u64, u64)>,
    /// What stands behind its last line.
    pub behind: Behind,
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
    gather.finish(&lexer)
}

/// Gathers what the pieces of a dump say.
#[derive(Default)]
pub(super) struct Gather {
    pub(super) dump: PlainDump,
    entries: Entries,
    encoding: Option<String>,
    rows: Rows,
    /// How the last `INSERT` began. Dumps hold millions of them, table by table.
    insert_head: Vec<u8>,
    /// How the first statement begins.
    first: Option<Vec<u8>>,
    /// `\restrict` without `\unrestrict` yet.
    is_restricted: bool,
    /// Something was read that may split statements otherwise than seen here.
    pub(super) wary: bool,
}

impl Gather {
    /// What was found, where the dump ends at the place that `lexer` has come to.
    pub(super) fn finish<R: Read>(mut self, lexer: &Lexer<R>) -> PlainDump {
        if let Some((text, line)) = lexer.open_statement() {
            self.forbid(text, true, line);
        }
        if self.first.is_none() {
            self.first = lexer.open_statement().map(|(text, _)| frame::begin_of(text));
        }
        let mut dump = self.dump;
        if dump.flavour == PlainFlavour::Unknown {
            dump.no_sql = self.first.as_deref().and_then(frame::no_sql);
        }
        (dump.entries, dump.entries_dropped) = self.entries.finish();
        if dump.behind.dumps > 0 {
            dump.behind.twice = plain_entries::twice(&dump.entries);
        }
        dump.row_damage = self.rows.damage;
        dump.swallowed = self.rows.swallowed;
        dump.unfinished = lexer.unfinished();
        dump.statements = lexer.statements();
        dump.bytes = lexer.bytes();
        dump.first_unclear = lexer.unclear().cloned();
        dump.nul_at = lexer.nul_at();
        dump.trailer &= dump.unfinished.is_none() && dump.io_error.is_none();
        dump
    }

    fn encoding(&self) -> &str {
        self.encoding.as_deref().unwrap_or("UTF8")
    }

    pub(super) fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Sql(_) => {}
            Piece::Comment(text) => self.comment(text),
            Piece::StatementEnd { text, length, complete, line, offset } => {
                if self.first.is_none() {
                    self.first = Some(frame::begin_of(text));
                    self.text_before(text);
                }
                self.behind(line);
                self.check_text(text, complete, line, offset);
                if self.wary || may_be(text) {
                    self.forbid(text, complete, line);
                }
                let encoding = self.encoding.as_deref().unwrap_or("UTF8");
                self.entries.statement(text, complete, encoding);
                self.statement(text, length);
            }
            Piece::CopyStart(target) => {
                self.insert_head.clear();
                self.entries.copy(target);
                self.rows.begin(target, self.dump.flavour, self.encoding.as_deref());
                // The fingerprint is of text in the dump's encoding, and that is its first.
                if self.encoding != self.dump.client_encoding {
                    self.rows.leave_fingerprint();
                }
            }
            Piece::CopyRows { bytes, line, offset } => {
                self.rows.feed(bytes, line, offset);
                self.entries.rows(as_u64(bytes.len()));
            }
            Piece::CopyEnd { .. } => self.entries.rows_end(self.rows.end()),
            Piece::MetaCommand { text, purpose, line, .. } => self.meta(text, purpose, line),
        }
    }

    fn comment(&mut self, text: &[u8]) {
        let dump = &mut self.dump;
        match plain_header::read(&decode(text, self.encoding.as_deref().unwrap_or("UTF8"))) {
            Header::Complete(cluster) => {
                self.entries.end();
                if dump.flavour == PlainFlavour::Unknown {
                    dump.head_lost.get_or_insert("its last line is there, and its first is not");
                } else if dump.trailer {
                    dump.behind.stray.get_or_insert("another dump's last line".to_owned());
                }
                dump.trailer = match dump.flavour {
                    PlainFlavour::PgDump | PlainFlavour::DbbackupNative => !cluster,
                    PlainFlavour::PgDumpAll => cluster,
                    PlainFlavour::Mysql => false,
                    PlainFlavour::Unknown => true,
                };
            }
            Header::Flavour(flavour) if dump.flavour == PlainFlavour::Unknown => {
                dump.flavour = flavour;
            }
            Header::Flavour(_) if dump.trailer => {
                dump.behind.dumps += 1;
                dump.trailer = false;
            }
            Header::ServerVersion(version) => {
                dump.server_version.get_or_insert(version);
            }
            Header::DumpVersion(version) => {
                dump.pg_dump_version.get_or_insert(version);
            }
            Header::Entry(entry) => {
                if dump.trailer {
                    dump.behind.stray.get_or_insert_with(|| {
                        let schema = entry.schema.as_ref().map(|schema| format!("{schema}."));
                        format!("{} {}{}", entry.kind, schema.unwrap_or_default(), entry.tag)
                    });
                }
                self.insert_head.clear();
                self.entries.comment(*entry);
            }
            Header::Flavour(_) | Header::Empty | Header::Other => {}
        }
    }

    /// Something to run: what stands behind the last line is somebody else's.
    fn behind(&mut self, line: u64) {
        if self.dump.trailer {
            let behind = &mut self.dump.behind;
            if behind.statements == 0 {
                behind.line = line;
            }
            behind.statements += 1;
        }
    }

    /// Whether a dump's first lines are a part of its first statement: text without an end of its own
    /// stands before them.
    fn text_before(&mut self, first: &[u8]) {
        if self.dump.flavour != PlainFlavour::Unknown {
            return;
        }
        if let Some((flavour, line)) = frame::within(first) {
            self.dump.flavour = flavour;
            self.dump.text_before = Some(line);
        }
    }

    /// The server refuses bytes that are no text, wherever in a statement they stand. Comments it does
    /// not see.
    fn check_text(&mut self, text: &[u8], complete: bool, line: u64, offset: u64) {
        let is_utf8 = self.encoding.as_deref().is_some_and(|name| {
            name.eq_ignore_ascii_case("UTF8") || name.eq_ignore_ascii_case("UTF-8")
        });
        if !is_utf8 || self.dump.bad_text.is_some() {
            return;
        }
        if let Some(at) = frame::no_utf8(text, complete) {
            let before = text.get(..at).unwrap_or_default();
            self.dump.bad_text = Some((line + newlines(before), offset + as_u64(at)));
        }
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
        if is_any(&["select"]) {
            self.entries.select(text);
            return;
        }
        if !is_any(&[
            "insert", "create", "set", "alter", "drop", "grant", "revoke", "comment", "security",
        ]) {
            return;
        }
        let kind = classify(text, self.encoding());
        if is_any(&["create"]) {
            self.rows.declare(text, self.encoding.as_deref().unwrap_or("UTF8"));
        }
        if is_any(&["create", "alter"]) {
            self.dump.collations.add(text, self.encoding.as_deref().unwrap_or("UTF8"));
        }
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
            Purpose::Restrict => {
                let is_end = text.starts_with(b"\\unrestrict");
                if is_end && !self.is_restricted {
                    let lost = r"`\unrestrict` is there, and no `\restrict` before it";
                    self.dump.head_lost.get_or_insert(lost);
                }
                self.is_restricted = !is_end;
            }
            Purpose::Encoding => {}
            Purpose::Connect(database) => {
                self.behind(line);
                self.encoding = None;
                self.insert_head.clear();
                self.entries.new_database();
                self.rows.forget();
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
    }
}

fn add(names: &mut BTreeSet<String>, name: String) {
    if names.len() < NAMES {
        names.insert(name);
    }
}
