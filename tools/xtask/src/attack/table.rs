//! The table: one line for each row, in three parts with different columns.

use super::rows::{Bar, Row, Target};
use crate::error::Error;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// The results of a row, whatever was attacked.
pub(super) trait Outcome {
    /// Why the row fails; empty if it passes.
    fn faults(&self) -> Vec<String>;
    /// The cells between the row's name and its verdict.
    fn columns(&self) -> String;
    /// All figures.
    fn json(&self) -> Value;
}

/// Heading of each part. `LOCKED` and `HOLDOVER` are the largest errors in these states since the
/// beginning of the attack; `right after` is the time from the end of the attack until a clock is
/// locked and right, or until only the stream is heard. If the target starts during the attack, it
/// is the time from that start.
pub(super) fn head(target: Target) -> &'static str {
    match target {
        Target::Clock => {
            "\
attack on the clock            ours: lines in each state while it lasts     LOCKED   HOLDOVER  right after | ptp4l: worst  right after  verdict"
        }
        Target::Stream => {
            "\
attack on the stream           heard: play / record     attacker heard         longest gap       right after                                        verdict"
        }
        Target::Announcement => {
            "\
attack on the announcement     heard: play              attacker heard         longest gap       right after                              discover  verdict"
        }
    }
}

/// A row and its results.
pub(super) struct Line {
    pub(super) row: &'static Row,
    measured: super::Result<Box<dyn Outcome + Send>>,
}

impl Line {
    pub(super) fn new(row: &'static Row, measured: super::Result<Box<dyn Outcome + Send>>) -> Self {
        Self { row, measured }
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.measured.as_ref().is_ok_and(|measured| measured.faults().is_empty())
    }

    fn json(&self) -> Value {
        let head = json!({ "attack": self.row.name, "help": self.row.help });
        let rest = match &self.measured {
            Err(reason) => json!({ "error": reason }),
            Ok(measured) => merged(json!({ "faults": measured.faults() }), measured.json()),
        };
        merged(head, rest)
    }
}

fn merged(mut head: Value, rest: Value) -> Value {
    if let (Value::Object(head), Value::Object(rest)) = (&mut head, rest) {
        head.extend(rest);
    }
    head
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<30} ", self.row.name)?;
        let measured = match &self.measured {
            Ok(measured) => measured,
            Err(reason) => return write!(f, "NOT MEASURED: {reason}"),
        };
        let verdict = match (&measured.faults()[..], self.row.bar) {
            ([], Bar::Right) => "ok".to_owned(),
            ([], Bar::Recovery) => "ok (only recovery is judged)".to_owned(),
            (faults, _) => format!("FAILED: {}", faults.join("; ")),
        };
        write!(f, "{}  {verdict}", measured.columns())
    }
}

/// The time after which something happens, as text; `not` if it never does.
pub(super) fn ascending(after_s: Option<f64>) -> String {
    after_s.map_or_else(|| "not".to_owned(), |after_s| format!("{after_s:.1} s"))
}

/// A length of time.
pub(super) fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(short) if short < 1.0 => format!("{:.0} ms", short * 1e3),
        Some(long) => format!("{long:.1} s"),
    }
}

/// A share.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Writes the figures to a file.
pub(super) fn write(path: &Path, lines: &[Line]) -> Result<(), Error> {
    let rows: Vec<String> = lines.iter().map(|line| line.json().to_string()).collect();
    let text = format!("[\n{}\n]\n", rows.join(",\n"));
    std::fs::write(path, text).map_err(|source| Error::File { path: path.to_path_buf(), source })
}
