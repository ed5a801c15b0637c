//! The table: one line for each row.

use super::clock::Measured;
use super::judge::{Client, Times, faults, microseconds};
use super::rows::{Bar, Row};
use crate::error::Error;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// What is above it. `LOCKED` and `HOLDOVER` are the largest errors in these states from the begin of the attack on; `right after` is the time from its end until a clock
/// is locked and right.
pub(super) const HEAD: &str = "\
attack                         ours: lines in each state while it lasts   LOCKED   HOLDOVER  right after | ptp4l: worst  right after  verdict";

/// A row and what was measured.
pub(super) struct Line {
    pub(super) row: &'static Row,
    measured: super::Result<Measured>,
}

impl Line {
    pub(super) fn new(row: &'static Row, measured: super::Result<Measured>) -> Self {
        Self { row, measured }
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.measured.as_ref().is_ok_and(|measured| self.faults(measured).is_empty())
    }

    /// Why it failed, by any of our clients; each reason once.
    fn faults(&self, measured: &Measured) -> Vec<String> {
        let all = measured.ours.iter().flat_map(|client| faults(client, measured.times, self.row.meets, self.row.bar));
        let mut faults: Vec<String> = all.collect();
        faults.sort();
        faults.dedup();
        faults
    }

    fn verdict(&self, measured: &Measured) -> String {
        let faults = self.faults(measured);
        match (&faults[..], self.row.bar) {
            ([], Bar::Right) => "ok".to_owned(),
            ([], Bar::Recovery) => "ok (only recovery is judged)".to_owned(),
            _ => format!("FAILED: {}", faults.join("; ")),
        }
    }

    fn json(&self) -> Value {
        let head = json!({ "attack": self.row.name, "help": self.row.help });
        let rest = match &self.measured {
            Err(reason) => json!({ "error": reason }),
            Ok(measured) => json!({
                "begin_s": measured.times.begin_s,
                "end_s": measured.times.end_s,
                "ours": measured.ours.iter().map(|client| figures(client, measured.times)).collect::<Vec<_>>(),
                "ptp4l": figures(&measured.ptp4l, measured.times),
                "attacker": measured.attacker,
                "faults": self.faults(measured),
            }),
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

fn figures(client: &Client, times: Times) -> Value {
    json!({
        "states": client.states(times),
        "locked_after_start_s": client.lock_s(),
        "worst_locked_us": client.worst_locked_us(times),
        "worst_held_us": client.worst_held_us(times),
        "recovery_s": client.recovery_s(times),
    })
}

/// The worst of all clients; none if one of them has none.
fn worst(clients: &[Client], of: impl Fn(&Client) -> Option<f64>) -> Option<f64> {
    clients.iter().map(of).reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten()
}

fn error(us: Option<f64>) -> String {
    us.map_or_else(|| "-".to_owned(), microseconds)
}

fn after(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "not".to_owned(), |seconds| format!("{seconds:.1} s"))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<30} ", self.row.name)?;
        let measured = match &self.measured {
            Ok(measured) => measured,
            Err(reason) => return write!(f, "NOT MEASURED: {reason}"),
        };
        let (ours, times) = (&measured.ours[..], measured.times);
        let of_any = |of: fn(&Client, Times) -> Option<f64>| {
            ours.iter().filter_map(|client| of(client, times)).reduce(f64::max)
        };
        let mut states = std::collections::BTreeMap::new();
        for (state, count) in ours.iter().flat_map(|client| client.states(times)) {
            *states.entry(state).or_insert(0) += count;
        }
        let states: Vec<String> = states.iter().map(|(state, count)| format!("{state} {count}")).collect();
        write!(
            f,
            "{:<41} {:>9} {:>10} {:>12} | {:>12} {:>12}  {}",
            states.join(", "),
            error(of_any(Client::worst_locked_us)),
            error(of_any(Client::worst_held_us)),
            after(worst(ours, |client| client.recovery_s(times))),
            error(measured.ptp4l.worst_locked_us(times)),
            after(measured.ptp4l.recovery_s(times)),
            self.verdict(measured)
        )
    }
}

/// Writes the figures to a file.
pub(super) fn write(path: &Path, lines: &[Line]) -> Result<(), Error> {
    let rows: Vec<String> = lines.iter().map(|line| line.json().to_string()).collect();
    let text = format!("[\n{}\n]\n", rows.join(",\n"));
    std::fs::write(path, text).map_err(|source| Error::File { path: path.to_path_buf(), source })
}
