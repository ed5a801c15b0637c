//! How long each step took when it last ran, for `cargo xtask test --list --times`.
//!
//! They are kept in cargo's target folder, a step a line, `clippy 123.4`, in seconds. A step that
//! failed keeps the time of its last success.

use super::step::Step;
use crate::error::Error;
use crate::files::{make_folder, read, write};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The times of the steps that have run here.
pub(super) struct Times {
    path: PathBuf,
    seconds: BTreeMap<String, f64>,
}

impl Times {
    /// Those of a target folder; none if nothing has run there.
    ///
    /// # Errors
    /// If the file cannot be read, or has another form.
    pub(super) fn find(target: &Path) -> Result<Self, Error> {
        let path = target.join("xtask-times");
        let text = if path.is_file() { read(&path)? } else { String::new() };
        let pair = |line: &str| {
            let (name, seconds) = line.split_once(' ')?;
            Some((name.to_owned(), seconds.parse::<f64>().ok()?))
        };
        let form =
            |line: &str| Error::Form { path: path.clone(), reason: format!("`{line}` is no step and its seconds") };
        let seconds = text.lines().map(|line| pair(line).ok_or_else(|| form(line))).collect::<Result<_, _>>()?;
        Ok(Self { path, seconds })
    }

    /// Keeps the time of a step.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn note(&mut self, step: Step, seconds: f64) -> Result<(), Error> {
        self.seconds.insert(step.name(), seconds);
        let mut text = String::new();
        for (name, seconds) in &self.seconds {
            let _ = writeln!(text, "{name} {seconds:.1}");
        }
        self.path.parent().map_or(Ok(()), make_folder)?;
        write(&self.path, &text)
    }

    /// A line for each of these steps, and one for their sum.
    pub(super) fn table(&self, steps: &[Step]) -> Vec<String> {
        let of = |step: &Step| self.seconds.get(&step.name()).copied();
        let row = |name: String, seconds: Option<f64>| {
            let seconds = seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.1} s"));
            format!("{name:<9} {seconds:>9}")
        };
        let all: f64 = steps.iter().filter_map(of).sum();
        let rows = steps.iter().map(|step| row(step.name(), of(step)));
        rows.chain([row("all".to_owned(), Some(all))]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_and_the_latest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let mut times = Times::find(&target).unwrap();
        times.note(Step::Fmt, 9.0).unwrap();
        times.note(Step::Clippy, 61.25).unwrap();
        times.note(Step::Fmt, 0.84).unwrap();
        let table = Times::find(&target).unwrap().table(&[Step::Fmt, Step::Clippy, Step::Test]);
        assert_eq!(table, ["fmt           0.8 s", "clippy       61.2 s", "test          never", "all          62.0 s"]);
    }

    #[test]
    fn a_file_of_another_form_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("xtask-times"), "fmt soon\n").unwrap();
        let error = Times::find(folder.path()).err().unwrap().to_string();
        assert!(error.ends_with("xtask-times: `fmt soon` is no step and its seconds"), "{error}");
    }
}
