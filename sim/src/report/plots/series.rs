//! Converts rows of a trace to drawable data: decimated runs, spans of lock states, bins of counts.

use crate::record::{AudioExcerpt, ClockState, Occurrence, RunTrace, TraceRow};

/// All values of a series that fall into one pixel column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) x: f64,
    pub(super) low: f64,
    pub(super) mean: f64,
    pub(super) high: f64,
}

/// Runs of columns without gaps: `None` and values that are not finite end a run. So the cost of a
/// picture depends on its width and not on the number of rows, and the extremes in each pixel are
/// kept.
pub(super) fn decimate(points: impl Iterator<Item = (f64, Option<f64>)>) -> Vec<Vec<Column>> {
    let mut runs = Vec::new();
    let mut run = Vec::new();
    let mut bucket = Bucket::default();
    for (x, value) in points {
        match value.filter(|value| value.is_finite() && x.is_finite()) {
            Some(value) => {
                if bucket.count > 0 && bucket.pixel != x.floor() as i64 {
                    run.extend(bucket.take());
                }
                bucket.add(x, value);
            }
            None => {
                run.extend(bucket.take());
                runs.push(std::mem::take(&mut run));
            }
        }
    }
    run.extend(bucket.take());
    runs.push(run);
    runs.retain(|run| !run.is_empty());
    runs
}

#[derive(Default)]
struct Bucket {
    pixel: i64,
    count: u32,
    sum_x: f64,
    sum: f64,
    low: f64,
    high: f64,
}

impl Bucket {
    fn add(&mut self, x: f64, value: f64) {
        if self.count == 0 {
            *self = Self { pixel: x.floor() as i64, low: value, high: value, ..Self::default() };
        }
        self.count += 1;
        self.sum_x += x;
        self.sum += value;
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    fn take(&mut self) -> Option<Column> {
        let Self { count, sum_x, sum, low, high, .. } = std::mem::take(self);
        let n = f64::from(count);
        (count > 0).then(|| Column { x: sum_x / n, low, mean: sum / n, high })
    }
}

/// A time during which the lock state did not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StateSpan {
    pub(super) from_s: f64,
    pub(super) to_s: f64,
    pub(super) state: ClockState,
}

/// Consecutive rows of equal state, merged. A row stands for the interval that ends with it.
pub(super) fn state_spans(rows: &[TraceRow]) -> Vec<StateSpan> {
    let interval = rows.windows(2).map(|pair| pair[1].time_s - pair[0].time_s).next();
    let Some(first) = rows.first() else { return Vec::new() };
    let mut from_s = first.time_s - interval.unwrap_or(first.time_s);
    let mut spans: Vec<StateSpan> = Vec::new();
    for row in rows {
        match spans.last_mut() {
            Some(span) if span.state == row.clock_state => span.to_s = row.time_s,
            _ => spans.push(StateSpan { from_s, to_s: row.time_s, state: row.clock_state }),
        }
        from_s = row.time_s;
    }
    spans
}

/// Bands of pixels from left to right, one for each occurrence that lasts. They are wide enough to
/// be visible, and those that would touch are merged, so that no pixel is painted twice.
pub(super) fn bands(times: &[Occurrence], x: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    const LEAST_WIDTH: f64 = 2.0;
    let mut bands: Vec<(f64, f64)> = Vec::new();
    for (from_s, to_s) in times.iter().filter_map(|time| Some((time.from_s, time.to_s?))) {
        let left = x(from_s).round();
        let right = x(to_s).round().max(left + LEAST_WIDTH);
        match bands.last_mut() {
            Some(last) if left <= last.1 => last.1 = last.1.max(right),
            _ => bands.push((left, right)),
        }
    }
    bands
}

/// Sums of a value over bins of equal width from the start of the run. A row that ends on a bin's
/// edge belongs to the bin that it ends.
pub(super) fn bins(rows: &[TraceRow], width_s: f64, duration_s: f64, value: impl Fn(&TraceRow) -> f64) -> Vec<f64> {
    let bins = (duration_s / width_s - 1e-9).ceil().max(1.0) as usize;
    let mut sums = vec![0.0; bins];
    for row in rows {
        let index = ((row.time_s / width_s - 1e-6).floor().max(0.0) as usize).min(bins - 1);
        sums[index] += value(row);
    }
    sums
}

/// Bins of a run beyond which bars become thinner than a few pixels.
const MOST_BINS: f64 = 180.0;
/// Round widths, s.
const BIN_STEPS_S: [f64; 8] = [10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 86400.0];

/// Width of the bins for a run: 10 s, or more when the bars would become thinner than a few pixels.
pub(super) fn bin_width_s(duration_s: f64) -> f64 {
    BIN_STEPS_S.into_iter().find(|step| duration_s / step <= MOST_BINS).unwrap_or(duration_s / MOST_BINS)
}

/// The smallest suitable width of bins: at least the trace interval, and wide enough for two bars.
pub(super) fn fine_bin_width_s(trace: &RunTrace, duration_s: f64) -> f64 {
    let intervals = trace.recordings.iter().filter_map(|recording| recording.rows.first()).map(|row| row.time_s);
    let least = intervals.fold(duration_s / MOST_BINS, f64::max);
    let steps = [1.0, 2.0, 5.0].into_iter().chain(BIN_STEPS_S);
    steps.into_iter().find(|step| *step >= least).unwrap_or(least)
}

/// The part of an excerpt that is shown: its middle, around the moment for which it was cut. The
/// difference from the reference does not show that moment, because a receiver that has drifted
/// away differs everywhere. Start and end are indices.
pub(super) fn excerpt_window(excerpt: &AudioExcerpt) -> (usize, usize) {
    const WINDOW_MS: usize = 40;
    let length = excerpt.played.len().max(excerpt.reference.len());
    let per_ms = (excerpt.sample_rate_hz as usize / 1000).max(1);
    let window = (WINDOW_MS * per_ms).min(length);
    let start = (length - window) / 2;
    (start, start + window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recording;

    fn row(time_s: f64, clock_state: ClockState, crackles: u32) -> TraceRow {
        TraceRow {
            time_s,
            clock_state,
            clock_error_us: None,
            clock_sigma_us: None,
            host_rate_ppm: None,
            host_rate_truth_ppm: 0.0,
            ratio_ppm: 0.0,
            ratio_truth_ppm: 0.0,
            depth_ms: 50.0,
            fill_min_ms: 50.0,
            fill_max_ms: 50.0,
            underruns: 0,
            crackles: Some(crackles),
            packets_late: 0,
            packets_lost: 0,
            ..TraceRow::default()
        }
    }

    #[test]
    fn decimation_keeps_extremes_and_splits_at_gaps() {
        let values = [Some(1.0), Some(-4.0), Some(6.0), None, Some(2.0), Some(f64::NAN), Some(3.0)];
        let points = [0.1, 0.5, 1.2, 1.4, 1.6, 2.0, 9.0].into_iter().zip(values);
        let runs: Vec<Vec<_>> = decimate(points)
            .into_iter()
            .map(|run| run.into_iter().map(|c| (c.x, c.low, c.mean, c.high)).collect())
            .collect();
        assert_eq!(
            runs,
            [
                vec![(0.3, -4.0, -1.5, 1.0), (1.2, 6.0, 6.0, 6.0)],
                vec![(1.6, 2.0, 2.0, 2.0)],
                vec![(9.0, 3.0, 3.0, 3.0)],
            ]
        );
    }

    #[test]
    fn a_day_becomes_one_column_per_pixel() {
        let day = (0..86_400_u32).map(|second| (f64::from(second) / 60.0, Some(f64::from(second % 60))));
        let runs = decimate(day);
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].len(), 1440);
        assert!(runs[0].iter().all(|column| column.low < 0.5 && column.high > 58.5));
    }

    #[test]
    fn states_merge_into_spans() {
        use ClockState::{Acquiring, Locked};
        let rows = [(1.0, Acquiring), (2.0, Locked), (3.0, Locked), (4.0, Acquiring)];
        let rows: Vec<_> = rows.into_iter().map(|(time_s, state)| row(time_s, state, 0)).collect();
        let spans: Vec<_> = state_spans(&rows).into_iter().map(|s| (s.from_s, s.to_s, s.state)).collect();
        assert_eq!(spans, [(0.0, 1.0, Acquiring), (1.0, 3.0, Locked), (3.0, 4.0, Acquiring)]);
        assert_eq!(state_spans(&[]), []);
    }

    #[test]
    fn counts_fall_into_the_bin_that_their_row_ends() {
        let rows: Vec<_> = [1.0, 10.0, 11.0, 25.0, 99.0].map(|time_s| row(time_s, ClockState::Locked, 1)).into();
        assert_eq!(bins(&rows, 10.0, 30.0, |row| f64::from(row.crackles.unwrap_or(0))), [2.0, 1.0, 2.0]);
        assert_eq!(bins(&[], 10.0, 0.0, |row| f64::from(row.crackles.unwrap_or(0))), [0.0]);
    }

    #[test]
    fn times_that_touch_are_one_band() {
        let times = [(1.0, Some(3.0)), (3.0, Some(3.1)), (8.0, Some(8.1)), (20.0, None)];
        let times = times.map(|(from_s, to_s)| Occurrence { from_s, to_s });
        assert_eq!(bands(&times, |time_s| 10.0 * time_s), [(10.0, 32.0), (80.0, 82.0)]);
    }

    #[test]
    fn bins_widen_with_the_run() {
        assert_eq!([0.0, 900.0, 3600.0, 86_400.0].map(|run| bin_width_s(run) as u32), [10, 10, 30, 600]);
    }

    #[test]
    fn fine_bins_are_no_narrower_than_the_rows() {
        let width = |interval_s, duration_s| {
            let rows = vec![row(interval_s, ClockState::Locked, 0)];
            let recordings = vec![Recording { rows, ..Recording::default() }];
            fine_bin_width_s(&RunTrace { recordings, ..RunTrace::default() }, duration_s) as u32
        };
        assert_eq!([width(0.25, 80.0), width(1.0, 200.0), width(1.0, 900.0), width(10.0, 80.0)], [1, 2, 5, 10]);
        assert_eq!(fine_bin_width_s(&RunTrace::default(), 86_400.0) as u32, 600);
    }

    #[test]
    fn the_window_shows_the_middle() {
        let reference = vec![0.5; 14_400];
        let played = reference.clone();
        let mut excerpt = AudioExcerpt { start_s: 0.0, sample_rate_hz: 48_000, played, reference };
        assert_eq!(excerpt_window(&excerpt), (6_240, 8_160));
        (excerpt.played, excerpt.reference) = (Vec::new(), Vec::new());
        assert_eq!(excerpt_window(&excerpt), (0, 0));
    }
}
