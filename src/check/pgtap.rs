//! The output of pgTAP tests, in the Test Anything Protocol, and what it says.

use super::Judged;
use crate::outcome::CheckOutcome;
use crate::text::{counted, one_line};

/// Failing tests that are named of each file; more are counted.
const LIMIT_NAMES: usize = 10;
/// Files that are named; more are counted.
const LIMIT_FILES: usize = 10;

/// What one file has printed so far. Of its lines only counts, numbers and descriptions of failing tests are
/// kept: diagnostics hold values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tap {
    plans: usize,
    planned: u64,
    run: u64,
    /// Held, and neither to do nor left out.
    held: u64,
    todo: u64,
    skipped: u64,
    failed: u64,
    /// Number and description of the first that failed.
    failing: Vec<(u64, String)>,
    misnumbered: bool,
    bailed_out: bool,
}

impl Tap {
    /// Takes a value, which may be several lines.
    pub(crate) fn take(&mut self, value: &str) {
        for line in value.lines() {
            self.line(line);
        }
    }

    /// What is indented belongs to a subtest, whose own line sums it up.
    fn line(&mut self, line: &str) {
        if let Some(rest) = after_word(line, "not ok") {
            self.test(rest, false);
        } else if let Some(rest) = after_word(line, "ok") {
            self.test(rest, true);
        } else if line.starts_with("Bail out!") {
            self.bailed_out = true;
        } else if let Some(count) = line.strip_prefix("1..") {
            let digits = count.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            if let Ok(planned) = digits.parse() {
                self.plans += 1;
                self.planned = planned;
            }
        }
    }

    fn test(&mut self, rest: &str, is_ok: bool) {
        self.run += 1;
        let rest = rest.trim_start();
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(length);
        self.misnumbered |= !number.is_empty() && number.parse() != Ok(self.run);
        let (description, directive) = directive(rest);
        match directive {
            Some(Directive::Skip) if is_ok => self.skipped += 1,
            Some(Directive::Todo) => self.todo += 1,
            Some(Directive::Skip) | None if !is_ok => {
                self.failed += 1;
                if self.failing.len() < LIMIT_NAMES {
                    let description = description.trim().trim_start_matches("- ").trim();
                    self.failing.push((self.run, description.replace("\\#", "#")));
                }
            }
            Some(Directive::Skip) | None => self.held += 1,
        }
    }

    /// What does not hold, where all of the file has run.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.run == 0 {
            faults.push("no test has run".to_owned());
        } else if self.plans == 0 {
            faults.push("no plan: it lacks `plan()`, or `finish()` behind `no_plan()`".to_owned());
        } else if self.planned != self.run {
            let planned = counted(usize::try_from(self.planned).unwrap_or(usize::MAX), "test");
            faults.push(format!("{planned} planned, {} run", self.run));
        } else if self.held + self.failed == 0 {
            faults.push("every test is to do or left out".to_owned());
        }
        if self.plans > 1 {
            faults.push("more than one plan".to_owned());
        }
        if self.misnumbered {
            faults.push("tests are not numbered one after another: a result was lost".to_owned());
        }
        faults
    }
}

/// What follows a word that begins a line.
fn after_word<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

enum Directive {
    Todo,
    Skip,
}

/// The description and the directive behind its last `#`; pgTAP writes `\#` for one of a description.
fn directive(rest: &str) -> (&str, Option<Directive>) {
    let Some(at) = rest.rfind('#').filter(|at| !rest[..*at].ends_with('\\')) else {
        return (rest, None);
    };
    let word = rest[at + 1..].split_whitespace().next().unwrap_or_default();
    let is = |name: &str| word.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(name));
    if is("todo") {
        (&rest[..at], Some(Directive::Todo))
    } else if is("skip") {
        (&rest[..at], Some(Directive::Skip))
    } else {
        (rest, None)
    }
}

/// What came of one file.
pub(crate) struct FileSaid<'f> {
    pub(crate) path: &'f str,
    pub(crate) tap: Tap,
    /// What ended it before its end.
    pub(crate) stopped: Option<Judged>,
    /// Whether a description is written in the file: else it may be made of rows.
    pub(crate) is_written: &'f dyn Fn(&str) -> bool,
}

/// Judges all files of one database.
pub(crate) fn judge_files(files: &[FileSaid<'_>]) -> Judged {
    let mut faults = Vec::new();
    let (mut failed, mut errored) = (false, false);
    for file in files {
        let mut said = Vec::new();
        if file.tap.failed > 0 {
            said.push(failing(file));
        }
        if file.tap.bailed_out {
            said.push("it has bailed out".to_owned());
        }
        match &file.stopped {
            Some(stopped) if stopped.outcome == CheckOutcome::Errored => {
                failed |= !said.is_empty();
                errored = true;
                said.push(stopped.observed.clone());
            }
            Some(stopped) => {
                failed = true;
                said.push(stopped.observed.clone());
            }
            None => {
                said.extend(file.tap.faults());
                failed |= !said.is_empty();
            }
        }
        if !said.is_empty() {
            faults.push(format!("{}: {}", file.path, said.join(", ")));
        }
    }
    let sum = |of: fn(&Tap) -> u64| files.iter().map(|file| of(&file.tap)).sum::<u64>();
    let tests = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "test");
    let mut total = format!("{} in {}", tests(sum(|tap| tap.run)), counted(files.len(), "file"));
    for (count, what) in [(sum(|tap| tap.todo), "to do"), (sum(|tap| tap.skipped), "left out")] {
        if count > 0 {
            total.push_str(&format!(", {count} {what}"));
        }
    }
    if faults.is_empty() && !files.is_empty() {
        return Judged::passed(format!("{total}, none failed"));
    }
    let more = faults.len().saturating_sub(LIMIT_FILES);
    faults.truncate(LIMIT_FILES);
    if more > 0 {
        faults.push(format!("{} more", counted(more, "file")));
    }
    let said = one_line(&format!("{total}; {}", faults.join("; ")), 2000);
    if failed || !errored { Judged::failed(said) } else { Judged::errored(said) }
}

/// The numbers of the tests that failed, with their descriptions where they are the author's own.
fn failing(file: &FileSaid<'_>) -> String {
    let name = |(number, description): &(u64, String)| {
        if !description.is_empty() && (file.is_written)(description) {
            format!("{number} ({})", one_line(description, 100))
        } else {
            number.to_string()
        }
    };
    let mut names: Vec<String> = file.tap.failing.iter().map(name).collect();
    let more = usize::try_from(file.tap.failed).unwrap_or(usize::MAX) - file.tap.failing.len();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    format!("failed: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(text: &str) -> Tap {
        let mut tap = Tap::default();
        tap.take(text);
        tap
    }

    fn judged(text: &str) -> (CheckOutcome, String) {
        let is_written = |text: &str| text == "mine" || text == "a # b";
        let file =
            FileSaid { path: "a.sql", tap: tap(text), stopped: None, is_written: &is_written };
        let judged = judge_files(&[file]);
        (judged.outcome, judged.observed)
    }

    #[test]
    fn all_that_holds_passes() {
        let text =
            "1..4\nok 1 - a\nok 2\nnot ok 3 - b # TODO later\n# Failed (TODO)\nok 4 # SKIP no";
        let said = "4 tests in 1 file, 1 to do, 1 left out, none failed";
        assert_eq!(judged(text), (CheckOutcome::Passed, said.to_owned()));
        assert_eq!(judged("ok 1\nok 2\n1..2").0, CheckOutcome::Passed);
        assert_eq!(judged("1..1\n    not ok 1 - inner\nok 1 - outer").0, CheckOutcome::Passed);
    }

    #[test]
    fn whatever_does_not_hold_fails() {
        for (text, says) in [
            ("", "no test has run"),
            ("1..0 # SKIP", "no test has run"),
            ("ok 1", "no plan"),
            ("1..2\nok 1", "2 tests planned, 1 run"),
            ("1..1\nok 1\nok 2", "1 test planned, 2 run"),
            ("1..1\nok 1\n1..1", "more than one plan"),
            ("1..2\nok 1\nok 3", "not numbered one after another"),
            ("1..1\nnot ok 1 - mine\n# have: 4711", "failed: 1 (mine)"),
            ("1..1\nnot ok 1 - secret 4711", "failed: 1"),
            ("1..1\nnot ok 1 - a \\# b", "failed: 1 (a # b)"),
            ("1..1\nnot ok 1 - x \\# TODO y", "failed: 1"),
            ("1..1\nnot ok 1 # SKIP", "failed: 1"),
            ("1..1\nnot ok", "failed: 1"),
            ("1..2\nok 1 # SKIP a\nnot ok 2 # TODO b", "every test is to do or left out"),
            ("1..1\nok 1\nBail out! 4711", "it has bailed out"),
            ("okay\nnot okay", "no test has run"),
        ] {
            let (outcome, observed) = judged(text);
            assert_eq!(outcome, CheckOutcome::Failed, "{text}: {observed}");
            assert!(observed.contains(says) && !observed.contains("4711"), "{text}: {observed}");
        }
    }

    #[test]
    fn a_failure_counts_more_than_an_error() {
        let never = |_: &str| false;
        let said = |text: &str, stopped: Option<Judged>| FileSaid {
            path: "a.sql",
            tap: tap(text),
            stopped,
            is_written: &never,
        };
        let late = || Some(Judged::errored("too late"));
        let outcome = |files: &[FileSaid<'_>]| judge_files(files).outcome;
        assert_eq!(outcome(&[said("1..1\nok 1", late())]), CheckOutcome::Errored);
        assert_eq!(outcome(&[said("1..2\nnot ok 1", late())]), CheckOutcome::Failed);
        assert_eq!(outcome(&[said("", late()), said("", None)]), CheckOutcome::Failed);
        let gone = Some(Judged::failed("no table"));
        assert_eq!(outcome(&[said("1..1\nok 1", gone)]), CheckOutcome::Failed);
        assert_eq!(outcome(&[]), CheckOutcome::Failed);
    }
}
