//! A value over time in many runs: its median, and the band that has 95 % of them.

use super::statistics::{quantile, sorted};
use crate::record::{RunTrace, TraceRow};
use std::collections::BTreeMap;

/// Most moments of a plot; of the rows between, the value of the largest size is kept.
const MOST_MOMENTS: usize = 600;

type Value = fn(&TraceRow) -> Option<f64>;

/// What is plotted: title, and value.
const PLOTS: [(&str, Value); 4] = [
    ("Error of the playback ratio (ppm)", |row| Some(row.ratio_ppm - row.ratio_truth_ppm)),
    ("Buffer depth (ms)", |row| Some(row.depth_ms)),
    ("Latency, as heard (ms)", |row| row.latency_ms),
    ("Error of the estimate of PTP time (us)", |row| row.clock_error_us),
];

/// What is kept of a run's trace: the values of each plot of each receiver.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    times: Vec<f64>,
    series: BTreeMap<(String, usize), Vec<Option<f64>>>,
}

impl Traces {
    /// Of a run; `receivers` says by which name each is compared.
    #[must_use]
    pub fn of(trace: &RunTrace) -> Self {
        let mut traces = Self::default();
        for recording in &trace.recordings {
            let rows = &recording.rows;
            let each = rows.len().div_ceil(MOST_MOMENTS).max(1);
            let ends = rows.chunks(each).filter_map(|rows| rows.last());
            traces.times = ends.map(|row| row.time_s).collect();
            for (plot, (_, value)) in PLOTS.iter().enumerate() {
                let values: Vec<Option<f64>> = rows.chunks(each).map(|rows| largest(rows, *value)).collect();
                if values.iter().flatten().any(|value| value.abs() > 0.0) {
                    traces.series.insert((recording.receiver.clone(), plot), values);
                }
            }
        }
        traces
    }
}

fn largest(rows: &[TraceRow], value: Value) -> Option<f64> {
    let values = rows.iter().filter_map(value).filter(|value| value.is_finite());
    values.max_by(|a, b| a.abs().total_cmp(&b.abs()))
}

/// A side's band of a plot: the median, the lower and the upper end at each moment.
pub(crate) type Band = [Vec<Option<f64>>; 3];

/// A plot of both sides.
#[derive(Debug)]
pub(crate) struct Overlay {
    pub(crate) title: String,
    pub(crate) times: Vec<f64>,
    pub(crate) sides: [Band; 2],
}

/// The plots of two sides with many runs each; `pairs` are the names of receivers on both.
pub(super) fn overlays(sides: [&[Traces]; 2], pairs: &[[String; 2]]) -> Vec<Overlay> {
    let mut overlays = Vec::new();
    for names in pairs {
        for (plot, (title, _)) in PLOTS.iter().enumerate() {
            let [a, b] = [0, 1].map(|side| band(sides[side], &(names[side].clone(), plot)));
            let times =
                sides.iter().flat_map(|side| side.iter()).map(|traces| &traces.times).max_by_key(|times| times.len());
            if a[0].is_empty() && b[0].is_empty() {
                continue;
            }
            let times = times.cloned().unwrap_or_default();
            overlays.push(Overlay { title: format!("{}: {title}", names[0]), times, sides: [a, b] });
        }
    }
    overlays
}

fn band(runs: &[Traces], key: &(String, usize)) -> Band {
    let series: Vec<&Vec<Option<f64>>> = runs.iter().filter_map(|run| run.series.get(key)).collect();
    let moments = series.iter().map(|values| values.len()).max().unwrap_or(0);
    let at = |moment: usize| {
        let values = sorted(series.iter().filter_map(|values| values.get(moment).copied().flatten()));
        [0.5, 0.025, 0.975].map(|share| (!values.is_empty()).then(|| quantile(&values, share)))
    };
    let all: Vec<[Option<f64>; 3]> = (0..moments).map(at).collect();
    [0, 1, 2].map(|part| all.iter().map(|one| one[part]).collect())
}
