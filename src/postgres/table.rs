//! Rows of a statement, compared as they come.

use std::time::Duration;

use super::check_session::{Answer, bare, read_only};
use super::session::{Session, SessionError};
use crate::check::{RowMatcher, judge_columns};
use crate::scenario::ExpectedRows;

/// How values are written, whatever the database sets.
const FORM: &str = "set local timezone to 'UTC'; set local intervalstyle to 'postgres'; \
    set local bytea_output to 'hex'; set local extra_float_digits to 1";

/// Compares the rows of a statement with a file's.
///
/// The server cuts each value behind the longest that is expected in its column, and stops one row
/// behind the expected number: what comes here is never much more than the file.
pub(crate) async fn ask_table(
    session: &Session,
    sql: &str,
    expected: &ExpectedRows,
    limit: Duration,
) -> Result<Answer, SessionError> {
    let comparing = async {
        session.execute(FORM).await?;
        let columns = session.columns(bare(sql)).await?;
        if let Some(judged) = judge_columns(expected, &columns) {
            return Ok(Answer::Judged(judged));
        }
        let mut matcher = RowMatcher::new(expected);
        session
            .each_row(&wrapped(sql, expected), |row| {
                let values: Vec<Option<&str>> = (0..row.len()).map(|at| row.get(at)).collect();
                matcher.take(&values)
            })
            .await?;
        Ok(Answer::Judged(matcher.judged()))
    };
    read_only(session, limit, comparing).await
}

/// Each value as its type's own text; `format` alone would make an empty text of NULL.
fn wrapped(sql: &str, expected: &ExpectedRows) -> String {
    let value = |(column, longest): (usize, usize)| {
        format!(
            "case when pg_catalog.num_nulls(q.c{column}) operator(pg_catalog.=) 0 then \
             pg_catalog.left(pg_catalog.format('%s', q.c{column}), {}) end",
            longest + 1
        )
    };
    let values: Vec<String> = expected.longest().into_iter().enumerate().map(value).collect();
    let names: Vec<String> = (0..values.len()).map(|column| format!("c{column}")).collect();
    format!(
        "select {} from (\n{}\n) as q ({}) limit {}",
        values.join(", "),
        bare(sql),
        names.join(", "),
        expected.rows.len() + 1
    )
}
