//! `pgdrill validate`.

use camino::Utf8PathBuf;
use clap::Args;

use super::run::{scenario_files, twins};
use super::settings;
use crate::console::{complain, complain_at_length, say, show_scenario_error};
use crate::outcome::ExitCode;
use crate::scenario;
use crate::text::one_line;

/// Options of `pgdrill validate`.
#[derive(Debug, Args)]
pub(super) struct ValidateCommand {
    /// Scenario files, or folders with them.
    #[arg(value_name = "SCENARIO|DIR", default_value = "scenarios")]
    scenarios: Vec<Utf8PathBuf>,
}

pub(super) fn run(command: &ValidateCommand) -> ExitCode {
    let files = match scenario_files(&command.scenarios) {
        Ok(files) => files,
        Err(message) => {
            complain(&format!("error: {message}"));
            return ExitCode::Usage;
        }
    };
    let mut good = Vec::new();
    for file in &files {
        match scenario::load(file, &settings::variable) {
            Ok(scenario) => {
                say(&format!(
                    "✓ {}: {}",
                    one_line(file.as_str(), 300),
                    one_line(&scenario.name, 200)
                ));
                good.push(scenario);
            }
            Err(error) => complain_at_length(show_scenario_error(&error).trim_end()),
        }
    }
    let twins = twins(&good);
    if let Some((_, message)) = &twins {
        complain(&format!("error: {message}"));
    }
    if good.len() == files.len() && twins.is_none() { ExitCode::Success } else { ExitCode::Usage }
}
