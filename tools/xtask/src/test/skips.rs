//! Tests and steps that did not run: they are listed with their reasons and counted. In CI they are
//! an error unless they are on the repository's list.

use super::runner::Ended;
use crate::error::Error;
use crate::files::read;
use std::collections::BTreeMap;
use std::path::Path;

/// List of the tests and steps that may be skipped in CI, with reasons.
const ALLOWED: &str = "tools/xtask/allowed-skips.toml";

/// A test or a step that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Skip {
    name: String,
    reason: String,
}

/// The counts of a run of steps.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Absent until the tests have run.
    tests: Option<Tests>,
    skips: Vec<Skip>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tests {
    passed: usize,
    failed: usize,
    /// Number of tests that were ignored or excluded by a filter.
    left_out: usize,
}

impl Count {
    /// Records that a step or a part of it did not run.
    pub(super) fn skip_step(&mut self, step: &str, reason: impl Into<String>) {
        let skip = Skip { name: format!("step {step}"), reason: reason.into() };
        super::note(&format!("skipped, {}", skip.reason));
        self.skips.push(skip);
    }

    /// Records the results of the tests.
    pub(super) fn add_tests(&mut self, ended: &Ended) {
        let tally = &ended.tally;
        self.tests = Some(Tests { passed: tally.passed, failed: tally.failed, left_out: tally.left_out });
        let skip = |record: &skips::Record| Skip { name: record.name(), reason: record.reason.clone() };
        self.skips.extend(ended.skipped.iter().map(skip));
    }

    /// Whether the tests have run.
    pub(super) fn has_tests(&self) -> bool {
        self.tests.is_some()
    }

    /// The closing line: tests that passed, tests that failed, and tests and steps that did not
    /// run. Absent if neither tests have run nor a step was skipped.
    pub(super) fn closing_line(&self) -> Option<String> {
        if self.tests.is_none() && self.skips.is_empty() {
            return None;
        }
        let Tests { passed, failed, left_out } = self.tests.unwrap_or_default();
        Some(format!("{passed} passed, {failed} failed, {} skipped", self.skips.len() + left_out))
    }

    /// Tests and steps that did not run, one per line.
    pub(super) fn list(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.skips.iter().map(|Skip { name, reason }| format!("skipped: {name}: {reason}")).collect();
        lines.sort();
        if let Some(Tests { left_out: count @ 1.., .. }) = self.tests {
            lines.push(format!("skipped: {count} tests that are ignored or left out by a filter"));
        }
        lines
    }

    /// Checks the rules of CI: only tests and steps on the list may be skipped, and no test may be
    /// ignored unless a filter was given.
    ///
    /// # Errors
    /// If something is not on the list, whose name the error contains, or if the list cannot be
    /// read.
    pub(super) fn check(&self, is_filtered: bool) -> Result<(), Error> {
        self.check_against(&allowed(&read(Path::new(ALLOWED))?)?, is_filtered)
    }

    fn check_against(&self, allowed: &BTreeMap<String, String>, is_filtered: bool) -> Result<(), Error> {
        let mut refused: Vec<&str> = self.skips.iter().map(|skip| skip.name.as_str()).collect();
        refused.retain(|name| !allowed.contains_key(*name));
        refused.sort_unstable();
        let ignored = self.tests.map_or(0, |tests| if is_filtered { 0 } else { tests.left_out });
        if refused.is_empty() && ignored == 0 {
            return Ok(());
        }
        let mut names = refused.join(", ");
        if ignored > 0 {
            names = format!("{names}{}{ignored} ignored", if names.is_empty() { "" } else { ", " });
        }
        Err(Error::Skipped { count: refused.len() + ignored, names })
    }
}

/// Reads the list: names with their reasons.
fn allowed(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let fail = |reason: String| Error::Form { path: ALLOWED.into(), reason };
    let list: BTreeMap<String, String> = toml::from_str(text).map_err(|error| fail(error.to_string()))?;
    match list.iter().find(|(_, reason)| reason.trim().is_empty()) {
        Some((name, _)) => Err(fail(format!("\"{name}\" has no reason"))),
        None => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(names: &[&str], left_out: usize) -> Count {
        let skip = |name: &&str| Skip { name: (*name).to_owned(), reason: "no peer".to_owned() };
        Count { tests: Some(Tests { passed: 7, failed: 1, left_out }), skips: names.iter().map(skip).collect() }
    }

    #[test]
    fn the_closing_line_counts_tests_and_steps() {
        assert_eq!(Count::default().closing_line(), None);
        let mut count = count(&["net::one"], 2);
        assert_eq!(count.closing_line().unwrap(), "7 passed, 1 failed, 3 skipped");
        count.skip_step("deny", "cargo-deny is missing");
        assert_eq!(count.closing_line().unwrap(), "7 passed, 1 failed, 4 skipped");
        assert_eq!(
            count.list(),
            [
                "skipped: net::one: no peer",
                "skipped: step deny: cargo-deny is missing",
                "skipped: 2 tests that are ignored or left out by a filter"
            ]
        );
    }

    #[test]
    fn ci_refuses_what_is_not_on_the_list() {
        let allowed = allowed("\"net::one\" = \"the registry may be down\"").unwrap();
        assert!(count(&["net::one"], 0).check_against(&allowed, false).is_ok());
        let refused = count(&["net::two", "net::one", "step macos"], 0).check_against(&allowed, false).unwrap_err();
        assert!(refused.to_string().ends_with("allowed-skips.toml: net::two, step macos"), "{refused}");
        let ignored = count(&[], 2).check_against(&allowed, false).unwrap_err();
        assert!(ignored.to_string().starts_with("2 skipped in CI") && ignored.to_string().ends_with(": 2 ignored"));
        assert!(count(&[], 2).check_against(&allowed, true).is_ok(), "a filter was asked for");
    }

    #[test]
    fn every_allowed_skip_has_a_reason() {
        assert!(allowed(include_str!("../../allowed-skips.toml")).is_ok());
        let without = allowed("\"net::one\" = \"\"").unwrap_err();
        assert!(without.to_string().ends_with("\"net::one\" has no reason"), "{without}");
        assert!(allowed("net::one").is_err());
    }
}
