//! The scenario of the user's report, as numbers that a person reviews when they change.
//!
//! A table of every metric, and the course of the run, quantised and every 15 s, so that only a
//! change that matters is seen. Accept one with `INSTA_UPDATE=always cargo test -p sim --test
//! golden`, and say in the commit why it is right.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use sim::record::{Recording, TraceRow};
use sim::run::{ReceiverSummary, Session, run};
use sim::scenario::{Loaded, Metric};
use sim::world::Control;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const EVERY_S: u64 = 15;

/// Steps in which a receiver's course is told; coarser for one that is restless.
struct Steps {
    ratio_ppm: f64,
    depth_ms: f64,
}

#[test]
fn the_report_s_scenario_goes_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/unlock_recover.toml");
    let loaded = Loaded::read(&path, &["record.audio=\"heard\"".to_owned()]).unwrap();
    let session = run(&loaded, None, &Control::default()).unwrap();
    insta::assert_json_snapshot!("metrics", metrics(&session));
    let steps = Steps { ratio_ppm: 0.1, depth_ms: 0.05 };
    insta::assert_snapshot!("course_of_the_engine", course(&session, "engine", &steps));
    let steps = Steps { ratio_ppm: 20.0, depth_ms: 5.0 };
    insta::assert_snapshot!("course_of_the_prototype", course(&session, "prototype", &steps));
}

fn metrics(session: &Session) -> BTreeMap<&str, BTreeMap<Metric, Option<f64>>> {
    let of_receiver = |receiver: &ReceiverSummary| {
        receiver.metrics.iter().map(|(metric, value)| (*metric, value.map(three_digits))).collect()
    };
    session.summary.receivers.iter().map(|receiver| (receiver.name.as_str(), of_receiver(receiver))).collect()
}

fn course(session: &Session, receiver: &str, steps: &Steps) -> String {
    let recording = session.trace.recordings.iter().find(|recording| recording.receiver == receiver).unwrap();
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
