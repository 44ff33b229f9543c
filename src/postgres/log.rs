//! The server's own log: the one complete list of what went wrong, with SQLSTATEs.
//!
//! Format: `csvlog`, PostgreSQL's manual, "Using CSV-Format Log Output" (`runtime-config-logging`).
//! Read through the server with `pg_read_binary_file`, so that it works wherever the server is.

use std::collections::BTreeMap;

use super::session::{Session, SessionError};

/// Read at once.
const CHUNK_BYTES: i64 = 4 * 1024 * 1024;
/// Read for one database; a million errors say no more than the first ten thousand.
const LIMIT_BYTES: i64 = 64 * 1024 * 1024;

/// What shells say (dash, bash, busybox), and what the C library makes of EAGAIN.
const FORKS: &str = "select position('annot fork'::bytea in words) > 0 \
    or position('an''t fork'::bytea in words) > 0 \
    or position('Resource temporarily unavailable'::bytea in words) > 0 \
    from pg_read_binary_file($1, 0, $2, true) words";

/// Errors with the same code and text, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerMessage {
    pub(crate) database: String,
    pub(crate) severity: String,
    pub(crate) sqlstate: String,
    pub(crate) message: String,
    /// The first line of CONTEXT without row values: `COPY orders, line 3`.
    pub(crate) context: Option<String>,
    pub(crate) count: u64,
}

/// Reads what the log has grown by.
pub(crate) struct LogReader {
    path: String,
    offset: i64,
    rest: Vec<u8>,
}

impl LogReader {
    /// A reader of the file at `path`, from its beginning.
    pub(crate) fn new(path: String) -> Self {
        Self { path, offset: 0, rest: Vec::new() }
    }

    /// Everything of severity ERROR and above since the last call, folded, in order of appearance.
    ///
    /// The log collector is another process and may lag behind; a message of our own marks the
    /// point up to which it has to be read.
    pub(crate) async fn errors(
        &mut self,
        session: &Session,
    ) -> Result<Vec<ServerMessage>, SessionError> {
        let marker = format!("pgdrill-marker-{}", crate::random::hex(8));
        session.execute(&format!("DO $$ BEGIN RAISE LOG '{marker}'; END $$")).await?;
        let mut folded = Folded::default();
        let mut read = 0;
        for attempt in 0..200_u32 {
            loop {
                let rows = session
                    .query(
                        "select pg_read_binary_file($1, $2, $3, true)",
                        &[&self.path, &self.offset, &CHUNK_BYTES],
                    )
                    .await?;
                let chunk: Option<Vec<u8>> = rows.first().and_then(|row| row.get(0));
                let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) else { break };
                let length = i64::try_from(chunk.len()).unwrap_or(CHUNK_BYTES);
                self.offset += length;
                read += length;
                self.rest.extend_from_slice(&chunk);
                if self.take_records(&mut folded, &marker) {
                    return Ok(folded.messages);
                }
                if read > LIMIT_BYTES {
                    self.skip_to_end(session).await?;
                    return Ok(folded.messages);
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(5 + u64::from(attempt))).await;
        }
        Err(SessionError::Lost(format!("the server's log `{}` stopped growing", self.path)))
    }

    /// Whether a program that the server has started, or the server itself, complained that no
    /// process can be made. Their words do not go through the server's log but beside it.
    pub(crate) async fn complains_of_forks(&self, session: &Session) -> Result<bool, SessionError> {
        let beside = self.path.replace(".csv", ".log");
        let rows = session.query(FORKS, &[&beside, &CHUNK_BYTES]).await?;
        Ok(rows.first().and_then(|row| row.get(0)).unwrap_or(false))
    }

    async fn skip_to_end(&mut self, session: &Session) -> Result<(), SessionError> {
        let rows = session.query("select (pg_stat_file($1)).size", &[&self.path]).await?;
        self.offset = rows.first().map_or(self.offset, |row| row.get(0));
        self.rest.clear();
        Ok(())
    }

    /// Parses whole records; true once the marker has been seen.
    fn take_records(&mut self, folded: &mut Folded, marker: &str) -> bool {
        let end = whole_records(&self.rest);
        let records: Vec<u8> = self.rest.drain(..end).collect();
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*records);
        let mut seen = false;
        for record in reader.byte_records().map_while(Result::ok) {
            let field = |index: usize| {
                String::from_utf8_lossy(record.get(index).unwrap_or_default()).into_owned()
            };
            if field(13) == marker {
                seen = true;
            }
            let severity = field(11);
            if matches!(severity.as_str(), "ERROR" | "FATAL" | "PANIC") {
                folded.add(ServerMessage {
                    database: field(2),
                    severity,
                    sqlstate: field(12),
                    message: field(13),
                    context: copy_context(&field(18)),
                    count: 1,
                });
            }
        }
        seen
    }
}

/// Keeps the first of equal messages and counts the rest.
#[derive(Default)]
struct Folded {
    messages: Vec<ServerMessage>,
    places: BTreeMap<(String, String, String), usize>,
}

impl Folded {
    /// Distinct messages kept; a message that carries a value differs every time.
    const LIMIT: usize = 2_000;

    fn add(&mut self, message: ServerMessage) {
        let key = (message.database.clone(), message.sqlstate.clone(), message.message.clone());
        if let Some(&place) = self.places.get(&key) {
            self.messages[place].count += 1;
        } else if self.messages.len() < Self::LIMIT {
            self.places.insert(key, self.messages.len());
            self.messages.push(message);
        } else if let Some(last) = self.messages.last_mut() {
            last.count += 1;
        }
    }
}

/// `COPY orders, line 3, column id: "x"` without what follows the line number: that is row data.
fn copy_context(context: &str) -> Option<String> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let (table, rest) = line.split_once(", line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{table}, line {digits}"))
}

/// Where the last whole record ends: at a line feed outside quotes.
fn whole_records(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut end = 0;
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => end = position + 1,
            _ => {}
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_outside_quotes_only() {
        assert_eq!(whole_records(b"a,\"b\nc\",d\ne,\"f"), 10);
        assert_eq!(whole_records(b"\"a\"\"\n\"\"b\"\n"), 10);
        assert_eq!(whole_records(b"abc"), 0);
    }

    #[test]
    fn errors_are_folded_and_counted() {
        let line = |message: &str| {
            format!(
                "t,u,shop,1,,s,1,,t,v,0,ERROR,42704,\"{message}\",,,,,\"COPY a, line 3, column id: \"\"secret\"\"\",,,,app,client\n"
            )
        };
        let mut reader = LogReader::new(String::new());
        let marker = "t,u,m,1,,s,1,,t,v,0,LOG,00000,mark,,,,,,,,,app,client\n";
        reader.rest = format!("{0}{0}{1}{marker}", line("role missing"), line("other")).into();
        let mut folded = Folded::default();
        assert!(reader.take_records(&mut folded, "mark"));
        assert_eq!(folded.messages.len(), 2);
        assert_eq!(folded.messages[0].count, 2);
        assert_eq!(folded.messages[0].context.as_deref(), Some("COPY a, line 3"));
    }
}
