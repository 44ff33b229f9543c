//! What a server held at the time of its backup (`docs/baseline.md`): counts, fingerprints and
//! sketches of keys, no rows.

mod sketch;

use serde::{Deserialize, Serialize};

pub use sketch::{Difference, Salt, Sketch};

/// The name and version of the format.
pub const SCHEMA: &str = "pgdrill.baseline/v1";

/// A baseline file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`SCHEMA`].
    pub schema: String,
    /// pgdrill's version.
    pub tool_version: String,
    /// When it was taken.
    pub taken_at: jiff::Timestamp,
    /// The server's version, in its own words.
    pub server_version: String,
    /// The definition of the fingerprints.
    pub algorithm: String,
    /// What keys are hashed with.
    pub salt: Salt,
    /// The databases.
    pub databases: Vec<DatabaseBaseline>,
}

/// One database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseBaseline {
    /// Its name.
    pub name: String,
    /// The encoding in which its rows were read: its own.
    pub encoding: String,
    /// The snapshot that was taken from another session, where one was.
    pub snapshot: Option<String>,
    /// Its tables.
    pub tables: Vec<TableBaseline>,
    /// Its sequences.
    pub sequences: Vec<SequenceBaseline>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableBaseline {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether the rows are those of its partitions.
    pub is_partitioned: bool,
    /// How many rows it has.
    pub rows: u64,
    /// Its columns in their order, without generated ones.
    pub columns: Vec<String>,
    /// The fingerprint of its rows, where there is one.
    pub fingerprint: Option<FingerprintBaseline>,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// What tells which keys differ; none without a primary key.
    pub sketch: Option<Sketch>,
}

/// A fingerprint (`docs/fingerprint.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintBaseline {
    /// 32 hexadecimal digits.
    pub sum: String,
    /// Columns of which it says nothing.
    pub columns_left_out: Vec<String>,
}

/// One sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceBaseline {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it gave last, or will give first.
    pub last_value: i64,
    /// Whether it has given that.
    pub is_called: bool,
    /// What it adds each time.
    pub increment: i64,
}

/// Why a file is no baseline: what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoBaseline {
    /// What is wrong with it.
    pub cause: String,
    /// What to do.
    pub step: &'static str,
}

const TAKE_ANEW: &str = "take it anew: pgdrill fingerprint --dsn URL --output FILE";

impl Baseline {
    /// Reads a baseline file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoBaseline> {
        let wrong = |cause: &str| NoBaseline { cause: cause.to_owned(), step: TAKE_ANEW };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(wrong("the file is empty"));
        }
        let tree: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
            if error.is_eof() {
                wrong("the file is cut: it ends too early")
            } else {
                wrong("the file is no JSON")
            }
        })?;
        match tree.get("schema").and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => {
                let step = "it was written by another version of pgdrill, or is another file: take it anew \
                    with this one";
                return Err(NoBaseline {
                    cause: format!(
                        "its schema is `{}`, not `{SCHEMA}`",
                        crate::text::one_line(other, 60)
                    ),
                    step,
                });
            }
            None => return Err(wrong("it has no `schema`: it is another kind of file")),
        }
        let baseline: Self = serde_json::from_value(tree)
            .map_err(|_| wrong("it lacks what a baseline holds, or holds what none does"))?;
        if baseline.databases.iter().all(|database| database.tables.is_empty()) {
            return Err(wrong("it holds no table: it compares nothing"));
        }
        Ok(baseline)
    }

    /// The file's text.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let table = TableBaseline {
            schema: "public".to_owned(),
            name: "t".to_owned(),
            is_partitioned: false,
            rows: 3,
            columns: vec!["id".to_owned()],
            fingerprint: None,
            key: vec!["id".to_owned()],
            sketch: Some(Sketch::new()),
        };
        Baseline {
            schema: SCHEMA.to_owned(),
            tool_version: "0.1.0".to_owned(),
            taken_at: jiff::Timestamp::UNIX_EPOCH,
            server_version: "15.1".to_owned(),
            algorithm: "pgdrill-fp1".to_owned(),
            salt: Salt::random(),
            databases: vec![DatabaseBaseline {
                name: "shop".to_owned(),
                encoding: "UTF8".to_owned(),
                snapshot: None,
                tables: vec![table],
                sequences: Vec::new(),
            }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let baseline = baseline();
        let text = baseline.to_json().unwrap();
        assert_eq!(Baseline::parse(text.as_bytes()), Ok(baseline));
    }

    #[test]
    fn what_is_no_baseline_says_why() {
        let cause = |bytes: &[u8]| Baseline::parse(bytes).unwrap_err().cause;
        let text = baseline().to_json().unwrap();
        assert_eq!(cause(b" \n"), "the file is empty");
        assert_eq!(cause(&text.as_bytes()[..200]), "the file is cut: it ends too early");
        assert_eq!(cause(b"--"), "the file is no JSON");
        assert!(cause(b"{}").contains("no `schema`"));
        assert!(cause(text.replace("/v1", "/v9").as_bytes()).contains("`pgdrill.baseline/v9`"));
        assert!(cause(text.replace("\"rows\"", "\"sor\"").as_bytes()).contains("lacks"));
        let mut nothing = baseline();
        nothing.databases[0].tables.clear();
        assert!(cause(nothing.to_json().unwrap().as_bytes()).contains("no table"));
        // Every cut is told.
        for end in 1..text.trim_end().len() {
            assert!(Baseline::parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
    }
}
