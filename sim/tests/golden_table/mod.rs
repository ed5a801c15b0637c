//! Every metric of every scenario, as a table in the repository that a person reviews when it
//! changes. Runs are deterministic, so equality is right; values have four digits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use sim::record::ClockDeviation;
use sim::run::{ReceiverSummary, Summary};
use sim::scenario::ObservedClock;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// The command that accepts what moved.
pub(crate) const ACCEPT: &str = "INSTA_UPDATE=always cargo nextest run -p sim --test scenarios what_is_expected_holds";
/// The interval of observation of which the stability of clocks is in the table, s.
const TAU_S: f64 = 16.0;
/// Rows that moved of which each is shown; of more, the first ones are, and the number of all.
const SHOWN: usize = 200;

/// Values by scenario and receiver, then by metric.
pub(crate) type Table = BTreeMap<String, BTreeMap<String, String>>;

/// What the table has of a run.
pub(crate) fn rows(summary: &Summary) -> Table {
    let name = |receiver: &ReceiverSummary| format!("{} {}", summary.scenario, receiver.name);
    summary.receivers.iter().map(|receiver| (name(receiver), values(receiver))).collect()
}

fn values(receiver: &ReceiverSummary) -> BTreeMap<String, String> {
    let finite = receiver.metrics.iter().filter_map(|(metric, value)| Some((metric.to_string(), digits((*value)?))));
    let infinite = receiver.infinite.iter().map(|metric| (metric.to_string(), "never".to_owned()));
    finite.chain(infinite).chain(stability(receiver)).collect()
}

fn stability(receiver: &ReceiverSummary) -> Vec<(String, String)> {
    let heard_of = [ObservedClock::Estimate, ObservedClock::Played];
    let curves = receiver.stability.iter().filter(|curve| heard_of.contains(&curve.clock));
    let points = curves.flat_map(|curve| curve.points.iter().map(|point| (curve.clock, point)));
    let rows = |(clock, point): (ObservedClock, &ClockDeviation)| {
        let named = [("adev_ppb", point.adev_ppb), ("tdev_ns", point.tdev_ns), ("mtie_ns", point.mtie_ns)];
        named.map(|(metric, value)| Some((format!("{metric} of {clock} at {TAU_S} s"), digits(value?))))
    };
    points.filter(|(_, point)| point.tau_s.total_cmp(&TAU_S).is_eq()).flat_map(rows).flatten().collect()
}

/// Four significant digits.
fn digits(value: f64) -> String {
    // Adding zero removes the sign of a negative zero.
    (format!("{value:.3e}").parse::<f64>().unwrap() + 0.0).to_string()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/library.txt")
}

/// What moved against the table in the repository, a line each: old and new. With the variable of
/// the environment that [`ACCEPT`] sets, the table is written anew instead.
pub(crate) fn moved(found: &Table) -> Vec<String> {
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        std::fs::write(path(), text(found)).unwrap();
        return Vec::new();
    }
    difference(&read(&std::fs::read_to_string(path()).unwrap_or_default()), found)
}

fn difference(kept: &Table, found: &Table) -> Vec<String> {
    let empty = BTreeMap::new();
    let names: BTreeSet<&String> = kept.keys().chain(found.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        let (old, new) = (kept.get(name).unwrap_or(&empty), found.get(name).unwrap_or(&empty));
        let metrics: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for metric in metrics.into_iter().filter(|metric| old.get(*metric) != new.get(*metric)) {
            let told = |of: &BTreeMap<String, String>| of.get(metric).cloned().unwrap_or_else(|| "nothing".to_owned());
            lines.push(format!("{name}: {metric}: {} -> {}", told(old), told(new)));
        }
    }
    if lines.len() > SHOWN {
        let all = lines.len();
        lines.truncate(SHOWN);
        lines.push(format!("and {} more rows of {all}", all - SHOWN));
    }
    lines
}

fn text(table: &Table) -> String {
    let mut text = format!("Every metric of every scenario, with four digits. Accept what moved with\n{ACCEPT}\n");
    for (name, values) in table {
        writeln!(text, "\n[{name}]").unwrap();
        values.iter().for_each(|(metric, value)| writeln!(text, "{metric} = {value}").unwrap());
    }
    text
}

fn read(text: &str) -> Table {
    let mut table = Table::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name = head.to_owned();
        } else if let Some((metric, value)) = line.split_once(" = ") {
            table.entry(name.clone()).or_default().insert(metric.to_owned(), value.to_owned());
        }
    }
    table
}

#[test]
fn the_table_tells_old_and_new_by_row() {
    let table = |rows: &[(&str, &str, &str)]| {
        let mut table = Table::new();
        for (name, metric, value) in rows {
            table.entry((*name).to_owned()).or_default().insert((*metric).to_owned(), (*value).to_owned());
        }
        table
    };
    let old =
        table(&[("a engine", "glitches", "0"), ("a engine", "latency_ms", "21.02"), ("b engine", "glitches", "0")]);
    let new =
        table(&[("a engine", "glitches", "2"), ("a engine", "latency_ms", "21.02"), ("c engine", "glitches", "0")]);
    assert_eq!(read(&text(&old)), old);
    assert!(difference(&old, &old).is_empty());
    let right = ["a engine: glitches: 0 -> 2", "b engine: glitches: 0 -> nothing", "c engine: glitches: nothing -> 0"];
    assert_eq!(difference(&old, &new), right);
    assert_eq!(digits(-0.0), "0");
    assert_eq!(digits(1234.56), "1235");
}
