//! The JSON report: [`RunReport`] as it is.

use crate::outcome::RunReport;

/// The report as indented JSON with a line feed at its end.
///
/// # Errors
///
/// When a number has no form in JSON, which none of the report's has.
pub fn to_json(report: &RunReport) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    Ok(json)
}
