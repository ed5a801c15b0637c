//! One run of one law, in numbers.

use crate::record::{ClockState, TraceRow};

/// How long an error must stay small to count as locked or recovered.
const DWELL_S: f64 = 10.0;

/// The course of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course<'a> {
    pub(super) rows: &'a [TraceRow],
    pub(super) rows_per_second: usize,
    /// When statistics begin.
    pub(super) settled_s: f64,
    /// Start and end of the outage, if there is one.
    pub(super) outage: Option<(f64, f64)>,
}

/// What is kept of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct RunFigures {
    /// Errors of time at integer seconds, us.
    pub(super) errors_us: Vec<f64>,
    /// Sum and number of squared errors of frequency, ppb^2.
    pub(super) frequency_squares: (f64, u64),
    /// Number of integer seconds in which the error was within three sigma, and number of those for
    /// which a sigma was stated.
    pub(super) covered: (u64, u64),
    /// Times after which the error stays below 10 and 100 us; infinite if it never does.
    pub(super) lock_s: [f64; 2],
    /// Error at the end of the outage, us.
    pub(super) outage_end_us: Option<f64>,
    /// Time from the end of the outage until the error stays within the largest error before the
    /// outage; infinite if it never does.
    pub(super) recovery_s: Option<f64>,
    /// Transitions to Unlocked that no step explains.
    pub(super) false_unlocks: u64,
}

impl Course<'_> {
    pub(super) fn figures(&self, states: &[(f64, ClockState)], steps: usize) -> RunFigures {
        let mut figures = RunFigures {
            lock_s: [10.0, 100.0].map(|limit_us| self.settles_within(limit_us, 0.0)),
            outage_end_us: self.outage.and_then(|(_, to_s)| self.error_at(to_s)),
            recovery_s: self.outage.map(|outage| self.recovery(outage)),
            false_unlocks: (states.iter().filter(|state| state.1 == ClockState::Unlocked).count() as u64)
                .saturating_sub(steps as u64),
            ..RunFigures::default()
        };
        for row in self.seconds().filter(|row| row.time_s >= self.settled_s) {
            let Some(error_us) = row.clock_error_us else { continue };
            figures.errors_us.push(error_us);
            if let Some(rate_ppm) = row.host_rate_ppm {
                let error_ppb = (rate_ppm - row.host_rate_truth_ppm) * 1e3;
                figures.frequency_squares.0 += error_ppb * error_ppb;
                figures.frequency_squares.1 += 1;
            }
            if let Some(sigma_us) = row.clock_sigma_us {
                figures.covered.0 += u64::from(error_us.abs() <= 3.0 * sigma_us);
                figures.covered.1 += 1;
            }
        }
        figures
    }

    /// Rows at integer seconds.
    fn seconds(&self) -> impl Iterator<Item = &TraceRow> {
        self.rows.iter().skip(self.rows_per_second - 1).step_by(self.rows_per_second)
    }

    fn error_at(&self, time_s: f64) -> Option<f64> {
        let before = self.rows.iter().take_while(|row| row.time_s <= time_s + 1e-9);
        before.last().and_then(|row| row.clock_error_us)
    }

    /// Time from `from_s` on after which the error stays below a limit for the dwell time.
    fn settles_within(&self, limit_us: f64, from_s: f64) -> f64 {
        let wanted = (DWELL_S * self.rows_per_second as f64) as usize;
        let mut small = 0;
        for (i, row) in self.rows.iter().enumerate().filter(|(_, row)| row.time_s > from_s - 1e-9) {
            small = if row.clock_error_us.is_some_and(|error| error.abs() <= limit_us) { small + 1 } else { 0 };
            if small > wanted {
                return self.rows[i - wanted].time_s - from_s;
            }
        }
        f64::INFINITY
    }

    fn recovery(&self, (from_s, to_s): (f64, f64)) -> f64 {
        let before = self.rows.iter().filter(|row| row.time_s >= self.settled_s && row.time_s <= from_s);
        let largest_us =
            before.filter_map(|row| row.clock_error_us).fold(0.0, |largest, error| error.abs().max(largest));
        self.settles_within(largest_us, to_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(error_us: impl Fn(f64) -> Option<f64>) -> Vec<TraceRow> {
        let row = |i: u32| {
            let time_s = f64::from(i) / 10.0;
            TraceRow { time_s, clock_error_us: error_us(time_s), clock_sigma_us: Some(0.5), ..TraceRow::default() }
        };
        (1..=1000).map(row).collect()
    }

    fn course(rows: &[TraceRow]) -> Course<'_> {
        Course { rows, rows_per_second: 10, settled_s: 20.0, outage: Some((50.0, 60.0)) }
    }

    #[test]
    fn lock_outage_and_recovery_are_found() {
        // Nothing, then 50 us, then 1 us; 30 us at the end of the outage, 1 us again from 63 s on.
        let rows = rows(|t| match t {
            t if t < 2.0 => None,
            t if t < 5.0 => Some(-50.0),
            t if (50.0..63.0).contains(&t) => Some(3.0 * (t - 50.0)),
            _ => Some(1.0),
        });
        let figures = course(&rows).figures(&[(0.0, ClockState::Listening)], 0);
        assert!((figures.lock_s[0] - 5.0).abs() < 1e-9 && (figures.lock_s[1] - 2.0).abs() < 1e-9, "{figures:?}");
        assert!((figures.outage_end_us.unwrap() - 30.0).abs() < 1e-9, "{figures:?}");
        assert!((figures.recovery_s.unwrap() - 3.0).abs() < 1e-9, "{figures:?}");
        assert_eq!(figures.errors_us.len(), 81);
        // All but 51 to 62 s.
        assert_eq!(figures.covered, (69, 81));
    }

    #[test]
    fn unlocks_that_a_step_explains_do_not_count() {
        let rows = rows(|_| Some(1e4));
        let states = [(0.0, ClockState::Locked), (1.0, ClockState::Unlocked), (2.0, ClockState::Unlocked)];
        let figures = course(&rows).figures(&states, 1);
        assert_eq!(figures.false_unlocks, 1);
        assert!(figures.lock_s[1].is_infinite());
    }
}
