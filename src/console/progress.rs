//! Progress on standard error: a bar on a terminal, a line now and then on a pipe.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::out::complain;
use crate::event::RunEvent;
use crate::progress::ProgressModel;
use crate::text::{ByteCount, one_line};

/// A pipe gets at most one line in this time.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressChoice {
    /// A bar on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// A line at most every ten seconds.
    Plain,
    /// Nothing.
    None,
}

pub(super) enum ProgressView {
    Bar(ProgressBar),
    Plain { last: Instant },
    None,
}

impl ProgressView {
    pub(super) fn new(choice: ProgressChoice) -> Self {
        match choice {
            ProgressChoice::None => Self::None,
            ProgressChoice::Bar => Self::bar(),
            ProgressChoice::Auto if std::io::stderr().is_terminal() => Self::bar(),
            ProgressChoice::Plain | ProgressChoice::Auto => Self::Plain { last: Instant::now() },
        }
    }

    fn bar() -> Self {
        let bar = ProgressBar::new(1000);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    /// Runs `print` while nothing else is on the terminal.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        match self {
            Self::Bar(bar) => bar.suspend(print),
            Self::Plain { .. } | Self::None => print(),
        }
    }

    pub(super) fn update(&mut self, event: &RunEvent, model: &ProgressModel) {
        let text = match event {
            RunEvent::BackupReading { done, total } => {
                format!("Reading the backup: {} of {}", ByteCount(*done), ByteCount(*total))
            }
            RunEvent::DatabaseStarted { name, bytes, .. } => {
                format!(
                    "Databases {} · Restoring: {name} ({})",
                    model.describe(),
                    ByteCount(*bytes)
                )
            }
            RunEvent::DatabaseFed { name, bytes } => {
                format!(
                    "Databases {} · Restoring: {name} ({} fed)",
                    model.describe(),
                    ByteCount(*bytes)
                )
            }
            RunEvent::DatabaseFinished { .. } => format!("Databases {}", model.describe()),
            RunEvent::ClusterStarting { engine, source, .. } => {
                format!("Starting PostgreSQL ({engine}: {source})")
            }
            RunEvent::ScenarioFinished { .. } => {
                self.clear();
                return;
            }
            RunEvent::ScenarioStarted { .. }
            | RunEvent::PreflightChecked { .. }
            | RunEvent::Weighed { .. }
            | RunEvent::RunEnded
            | RunEvent::ClusterStarted { .. }
            | RunEvent::GlobalsRestored { .. }
            | RunEvent::CheckFinished { .. }
            | RunEvent::ObjectiveJudged { .. }
            | RunEvent::Found(_)
            | RunEvent::CleanedUp { .. } => return,
        };
        match self {
            Self::Bar(bar) => {
                bar.set_position(model.permille());
                bar.set_message(one_line(&text, 300));
            }
            Self::Plain { last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    complain(&text);
                }
            }
            Self::None => {}
        }
    }

    fn clear(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
            *self = Self::bar();
        }
    }
}
