//! The scenario of the user's report, as numbers that a person reviews when they change.
//!
//! A table of every metric, and the course of the run, quantised and every 30 s, so that only a change that matters is seen. Accept one with
//! `INSTA_UPDATE=always cargo test -p sim --test golden`, and say in the commit why it is right.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use sim::record::{Recording, TraceRow};
use sim::run::{Session, run};
use sim::scenario::{Loaded, Metric};
use sim::world::Control;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;

const EVERY_S: u64 = 30;

/// One run for all snapshots.
static SESSION: LazyLock<Session> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/unlock_recover.toml");
    let loaded = Loaded::read(&path, &["record.audio=\"none\"".to_owned()]).unwrap();
    run(&loaded, None, &Control::default()).unwrap()
});

/// Steps in which a receiver's course is told; coarser for one that is restless.
struct Steps {
    ratio_ppm: f64,
    depth_ms: f64,
}

#[test]
fn metrics() {
    let table: BTreeMap<&str, BTreeMap<Metric, Option<f64>>> = SESSION
        .summary
        .receivers
        .iter()
        .map(|receiver| {
            let metrics = receiver.metrics.iter().map(|(metric, value)| (*metric, value.map(three_digits)));
            (receiver.name.as_str(), metrics.collect())
        })
        .collect();
    insta::assert_json_snapshot!(table);
}

#[test]
fn course_of_the_engine() {
    insta::assert_snapshot!(course("engine", &Steps { ratio_ppm: 0.1, depth_ms: 0.05 }));
}

#[test]
fn course_of_the_prototype() {
    insta::assert_snapshot!(course("prototype", &Steps { ratio_ppm: 20.0, depth_ms: 5.0 }));
}

fn course(receiver: &str, steps: &Steps) -> String {
    let recording = SESSION.trace.recordings.iter().find(|recording| recording.receiver == receiver).unwrap();
    let mut text = "time_s clock      ratio_error_ppm depth_ms underruns late\n".to_owned();
    for rows in every(recording) {
        let last = rows.last().unwrap();
        let (error, depth) = (last.ratio_ppm - last.ratio_truth_ppm, last.depth_ms);
        let sum = |of: fn(&TraceRow) -> u32| rows.iter().map(of).sum::<u32>();
        writeln!(
            text,
            "{:>6} {:<10} {:>15} {:>8} {:>9} {:>4}",
            second(last),
            format!("{:?}", last.clock_state),
            quantised(error, steps.ratio_ppm),
            quantised(depth, steps.depth_ms),
            sum(|row| row.underruns),
            sum(|row| row.packets_late),
        )
        .unwrap();
    }
    text
}

fn every(recording: &Recording) -> impl Iterator<Item = &[TraceRow]> {
    let course = |row: &TraceRow| second(row).div_ceil(EVERY_S);
    recording.rows.chunk_by(move |a, b| course(a) == course(b))
}

fn second(row: &TraceRow) -> u64 {
    row.time_s.round() as u64
}

fn quantised(value: f64, step: f64) -> String {
    let decimals = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
    // Without the sign of a negative zero.
    format!("{:.decimals$}", (value / step).round() * step + 0.0)
}

/// Three significant digits.
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap()
}
