//! The data of a page's plots: series over one axis of time, small enough for a file.

use crate::record::{ClockState, Recording, RunTrace, TraceRow};
use serde::Serialize;

/// Most intervals of time of a plot, each of which has its smallest and its largest value: about
/// one for each pixel.
const MOST_INTERVALS: usize = 1200;
/// Decimals of a number in scientific notation: more than a plot shows.
const DECIMALS: usize = 4;
/// A plot is logarithmic beyond a calm receiver's values if others are so many times larger.
const LOGARITHMIC_FROM: f64 = 30.0;

/// Names of the states, by their numbers in a series.
pub(super) const STATES: [&str; 5] = ["locked", "holdover", "acquiring", "listening", "unlocked"];

/// One plot.
#[derive(Serialize)]
pub(super) struct Plot {
    title: &'static str,
    unit: &'static str,
    kind: &'static str,
    /// Beyond which value the axis is logarithmic.
    #[serde(skip_serializing_if = "Option::is_none")]
    asinh: Option<f64>,
    series: Vec<Series>,
}

/// One line of a plot.
#[derive(Serialize)]
pub(super) struct Series {
    label: String,
    receiver: Option<usize>,
    style: &'static str,
    values: Vec<Option<f64>>,
}

/// What can be plotted of a row.
type Value = fn(&TraceRow) -> Option<f64>;

/// A plot of one value of each receiver.
struct Wanted {
    title: &'static str,
    unit: &'static str,
    /// Errors are compared over many powers of ten.
    is_error: bool,
    /// Whether it needs playback.
    plays: bool,
    value: Value,
    /// What belongs to it: its name, its style, and its value.
    beside: &'static [(&'static str, &'static str, Value)],
}

const PLOTS: [Wanted; 9] = [
    Wanted {
        title: "Error of the playback ratio",
        unit: "ppm",
        is_error: true,
        plays: true,
        value: |row| Some(row.ratio_ppm - row.ratio_truth_ppm),
        beside: &[],
    },
    Wanted {
        title: "Buffer depth",
        unit: "ms",
        is_error: false,
        plays: true,
        value: |row| Some(row.depth_ms),
        beside: &[],
    },
    Wanted {
        title: "Latency, as heard",
        unit: "ms",
        is_error: false,
        plays: true,
        value: |row| row.latency_ms,
        beside: &[],
    },
    Wanted {
        title: "Wrong or silent in each interval of the trace",
        unit: "ms",
        is_error: false,
        plays: true,
        value: |row| Some(row.silent_ms? + row.wrong_ms?),
        beside: &[],
    },
    Wanted {
        title: "Packets missed in each interval of the trace",
        unit: "",
        is_error: false,
        plays: true,
        value: |row| Some(f64::from(row.packets_missed)),
        beside: &[],
    },
    Wanted {
        title: "Leg B after leg A, as estimated",
        unit: "ms",
        is_error: false,
        plays: true,
        value: |row| row.leg_b_skew_ms,
        beside: &[],
    },
    Wanted {
        title: "Error of the estimate of PTP time",
        unit: "us",
        is_error: true,
        plays: false,
        value: |row| row.clock_error_us,
        beside: &[
            ("claimed +3 sigma", "claim", |row| Some(3.0 * row.clock_sigma_us?)),
            ("claimed -3 sigma", "claim", |row| Some(-3.0 * row.clock_sigma_us?)),
        ],
    },
    Wanted {
        title: "Rate of the host's clock, as estimated",
        unit: "ppm",
        is_error: false,
        plays: false,
        value: |row| row.host_rate_ppm,
        beside: &[],
    },
    Wanted {
        title: "Error of the sender's clock",
        unit: "us",
        is_error: true,
        plays: false,
        value: |row| row.sender_error_us,
        beside: &[],
    },
];

/// The times of all series, and the plots.
pub(super) fn plots(trace: &RunTrace) -> (Vec<Option<f64>>, Vec<Plot>) {
    let rows = trace.recordings.iter().map(|recording| &recording.rows).max_by_key(|rows| rows.len());
    let times: Vec<f64> = rows.into_iter().flatten().map(|row| row.time_s).collect();
    let buckets = Buckets::new(times.len());
    let mut plots = vec![states(trace, &buckets)];
    for wanted in PLOTS.iter().filter(|wanted| !wanted.plays || trace.target_depth_ms.is_some()) {
        plots.extend(plot(trace, wanted, &buckets));
    }
    (buckets.times(&times), plots)
}

fn states(trace: &RunTrace, buckets: &Buckets) -> Plot {
    let series = |(index, recording): (usize, &Recording)| {
        let value = |row: &TraceRow| Some(number_of(row.clock_state));
        series(recording, index, recording.receiver.clone(), "state", buckets, value)
    };
    let series = trace.recordings.iter().enumerate().map(series).collect();
    Plot { title: "State of the PTP clock", unit: "", kind: "states", asinh: None, series }
}

fn number_of(state: ClockState) -> f64 {
    match state {
        ClockState::Locked => 0.0,
        ClockState::Holdover => 1.0,
        ClockState::Acquiring => 2.0,
        ClockState::Listening => 3.0,
        ClockState::Unlocked => 4.0,
    }
}

/// A plot, if there is anything to see.
fn plot(trace: &RunTrace, wanted: &Wanted, buckets: &Buckets) -> Option<Plot> {
    let mut all = Vec::new();
    for (index, recording) in trace.recordings.iter().enumerate() {
        let has_some = |value: Value| recording.rows.iter().filter_map(value).any(|value| value.abs() > 0.0);
        if !has_some(wanted.value) {
            continue;
        }
        all.push(series(recording, index, recording.receiver.clone(), "line", buckets, wanted.value));
        for &(name, style, value) in wanted.beside.iter().filter(|(_, _, value)| has_some(*value)) {
            all.push(series(recording, index, format!("{}, {name}", recording.receiver), style, buckets, value));
        }
    }
    let target = trace.target_depth_ms.filter(|_| wanted.title == "Buffer depth");
    if let (Some(depth_ms), Some(first)) = (target, all.first()) {
        let values = first.values.iter().map(|_| Some(depth_ms)).collect();
        all.push(Series { label: "asked for".to_owned(), receiver: None, style: "dash", values });
    }
    let asinh = wanted.is_error.then(|| linear_up_to(&all)).flatten();
    let (title, unit) = (wanted.title, wanted.unit);
    (!all.is_empty()).then_some(Plot { title, unit, kind: "line", asinh, series: all })
}

fn series(
    recording: &Recording,
    receiver: usize,
    label: String,
    style: &'static str,
    buckets: &Buckets,
    value: impl Fn(&TraceRow) -> Option<f64>,
) -> Series {
    let values: Vec<Option<f64>> =
        recording.rows.iter().map(|row| value(row).filter(|value| value.is_finite())).collect();
    Series { label, receiver: Some(receiver), style, values: buckets.reduce(&values) }
}

/// Up to which value an axis is linear: a power of ten about the median of the calmest line; none
/// if a linear axis shows all lines.
fn linear_up_to(all: &[Series]) -> Option<f64> {
    let sizes = |series: &Series| {
        let mut sizes: Vec<f64> = series.values.iter().flatten().map(|value| value.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        sizes
    };
    let lines = all.iter().filter(|series| series.style == "line");
    let medians = lines.map(|series| sizes(series).get(series.values.iter().flatten().count() / 2).copied());
    let calm = medians.flatten().filter(|median| *median > 0.0).min_by(f64::total_cmp)?;
    let largest = all.iter().filter_map(|series| sizes(series).last().copied()).max_by(f64::total_cmp)?;
    let linear = libm::pow(10.0, libm::round(libm::log10(calm)));
    (largest > LOGARITHMIC_FROM * linear).then(|| rounded(linear))
}

/// How rows are reduced: each interval to its smallest and its largest value, in their order.
struct Buckets {
    rows: usize,
    /// Rows of an interval; 1 if all are kept.
    each: usize,
}

impl Buckets {
    fn new(rows: usize) -> Self {
        let each = if rows <= 2 * MOST_INTERVALS { 1 } else { rows.div_ceil(MOST_INTERVALS) };
        Self { rows, each }
    }

    /// Two times for each interval, a quarter of it from its ends.
    fn times(&self, times: &[f64]) -> Vec<Option<f64>> {
        if self.each == 1 {
            return times.iter().map(|&time| Some(rounded_time(time))).collect();
        }
        let pair = |times: &[f64]| {
            let (first, last) = (times.first().copied()?, times.last().copied()?);
            let quarter = (last - first) / 4.0;
            Some([first + quarter, last - quarter].map(|time| Some(rounded_time(time))))
        };
        times.chunks(self.each).filter_map(pair).flatten().collect()
    }

    fn reduce(&self, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let value = |row: usize| values.get(row).copied().flatten();
        if self.each == 1 {
            return (0..self.rows).map(|row| value(row).map(rounded)).collect();
        }
        let pair = |start: usize| {
            let rows = start..(start + self.each).min(self.rows);
            let known = || rows.clone().filter_map(|row| Some((row, value(row)?)));
            let least = known().min_by(|a, b| a.1.total_cmp(&b.1));
            let most = known().max_by(|a, b| a.1.total_cmp(&b.1));
            match (least, most) {
                (Some(least), Some(most)) if least.0 <= most.0 => [Some(rounded(least.1)), Some(rounded(most.1))],
                (Some(least), Some(most)) => [Some(rounded(most.1)), Some(rounded(least.1))],
                _ => [None, None],
            }
        };
        (0..self.rows).step_by(self.each).flat_map(pair).collect()
    }
}

/// A number with as many digits as a plot shows, which are the same on any machine.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.DECIMALS$e}").parse().unwrap_or(value)
}

/// A time to a tenth of a millisecond.
pub(super) fn rounded_time(time_s: f64) -> f64 {
    (time_s * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_series_is_kept_and_a_long_one_keeps_its_extremes() {
        let buckets = Buckets::new(3);
        assert_eq!(buckets.reduce(&[Some(1.0), None, Some(3.0)]), [Some(1.0), None, Some(3.0)]);
        let rows = 86_400;
        let mut values: Vec<Option<f64>> = (0..rows).map(|row| Some(f64::from(row % 7))).collect();
        (values[50_000], values[60_001]) = (Some(1e6), Some(-1e6));
        let buckets = Buckets::new(values.len());
        let (times, reduced) = (buckets.times(&(0..rows).map(f64::from).collect::<Vec<_>>()), buckets.reduce(&values));
        assert_eq!(times.len(), reduced.len());
        assert!(reduced.len() <= 2 * MOST_INTERVALS, "{}", reduced.len());
        let at = |value: f64| times[reduced.iter().position(|other| *other == Some(value)).unwrap()].unwrap();
        assert!((at(1e6) - 50_000.0).abs() < 72.0 && (at(-1e6) - 60_001.0).abs() < 72.0);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn an_axis_is_logarithmic_where_a_restless_line_hides_a_calm_one() {
        let series = |value: f64| Series {
            label: String::new(),
            receiver: Some(0),
            style: "line",
            values: vec![Some(value), Some(-value), Some(value)],
        };
        assert_eq!(linear_up_to(&[series(0.012), series(250.0)]), Some(0.01));
        assert_eq!(linear_up_to(&[series(1.0), series(2.0)]), None);
        assert_eq!(linear_up_to(&[]), None);
    }
}
