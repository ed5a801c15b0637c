//! How stable the clocks of a run are: ADEV, TDEV and MTIE against the interval of observation.
//!
//! Time errors are read at the ends of the trace intervals. The trace is gone through once, and
//! memory does not grow with its length.

mod estimator;
#[cfg(test)]
mod tests;

use super::measured::Span;
use super::measurement::Measurement;
use crate::record::{ClockDeviation, ClockStability, ClockState, Recording, TraceRow, TruePhases};
use crate::scenario::{Metric, ObservedClock, StabilityLimit, StabilityWish};
use estimator::{Deviations, Estimator};
use std::f64::consts::TAU;

/// The stability of all clocks of a receiver over a whole run. Clocks that are perfect, or of which
/// nothing is known, are left out.
pub(crate) fn of_recording(recording: &Recording) -> Vec<ClockStability> {
    let Some(interval_s) = recording.rows.first().map(|row| row.time_s) else { return Vec::new() };
    let curve = |clock| {
        let octaves = octaves(recording.rows.len());
        let points = deviations(time_errors(recording, clock, |_| true), octaves, interval_s);
        let is_told = points.iter().any(|point| point.mtie_ns.is_some_and(|mtie_ns| mtie_ns > 0.0));
        is_told.then_some(ClockStability { clock, points })
    };
    ObservedClock::ALL.into_iter().filter_map(curve).collect()
}

/// Numbers of intervals that are powers of two, up to half of all.
fn octaves(rows: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1usize), |intervals| intervals.checked_mul(2)).take_while(move |most| 2 * most <= rows)
}

/// The deviations of a series for some numbers of intervals.
fn deviations(
    errors_ns: impl Iterator<Item = Option<f64>>,
    intervals: impl Iterator<Item = usize>,
    interval_s: f64,
) -> Vec<ClockDeviation> {
    let mut estimators: Vec<Estimator> = intervals.map(Estimator::new).collect();
    let mut known = 0usize;
    for error_ns in errors_ns {
        known += usize::from(error_ns.is_some());
        estimators.iter_mut().for_each(|estimator| estimator.push(error_ns));
    }
    let point = |estimator: Estimator| {
        let intervals = estimator.intervals;
        let tau_s = intervals as f64 * interval_s;
        let enough = |taus: f64| known as f64 >= taus * intervals as f64;
        let Deviations { adev_tau, tdev, mtie } = estimator.finish();
        ClockDeviation {
            tau_s,
            adev_ppb: adev_tau.filter(|_| enough(Metric::TdevNs.least_taus())).map(|adev_tau| adev_tau / tau_s),
            tdev_ns: tdev.filter(|_| enough(Metric::TdevNs.least_taus())),
            mtie_ns: mtie.filter(|_| enough(Metric::MtieNs.least_taus())),
        }
    };
    let all = estimators.into_iter().map(point);
    all.filter(|point| point.adev_ppb.or(point.tdev_ns).or(point.mtie_ns).is_some()).collect()
}

/// The time errors of a clock, ns, of the rows that are wanted; `None` where it has none.
fn time_errors(
    recording: &Recording,
    clock: ObservedClock,
    wanted: impl Fn(&TraceRow) -> bool,
) -> impl Iterator<Item = Option<f64>> {
    let mut host_ns = 0.0;
    let mut before_s = 0.0;
    let phases = recording.phases.iter().map(Some).chain(std::iter::repeat(None));
    recording.rows.iter().zip(phases).filter_map(move |(row, phases)| {
        host_ns += row.host_rate_truth_ppm * 1e3 * (row.time_s - before_s);
        before_s = row.time_s;
        let error_ns = if clock == ObservedClock::Host { Some(host_ns) } else { time_error(clock, row, phases) };
        wanted(row).then(|| error_ns.filter(|error_ns| error_ns.is_finite()))
    })
}

fn time_error(clock: ObservedClock, row: &TraceRow, phases: Option<&TruePhases>) -> Option<f64> {
    match clock {
        ObservedClock::Estimate => {
            let claims = matches!(row.clock_state, ClockState::Locked | ClockState::Holdover);
            row.clock_error_us.filter(|_| claims).map(|error_us| error_us * 1e3)
        }
        // What is played later is behind.
        ObservedClock::Played => row.latency_ms.map(|latency_ms| -latency_ms * 1e6),
        ObservedClock::Sender => row.sender_error_us.map(|error_us| error_us * 1e3),
        ObservedClock::Card => phases?.card_ns,
        ObservedClock::Grandmaster => phases.map(|phases| phases.grandmaster_ns),
        ObservedClock::Host => None,
    }
}

/// A first-order low-pass filter, which begins at the first value after each gap.
fn low_passed(
    errors_ns: impl Iterator<Item = Option<f64>>,
    bandwidth_hz: Option<f64>,
    interval_s: f64,
) -> impl Iterator<Item = Option<f64>> {
    let share = bandwidth_hz.map_or(1.0, |bandwidth_hz| 1.0 - libm::exp(-TAU * bandwidth_hz * interval_s));
    let mut state = None;
    errors_ns.map(move |error_ns| {
        state = error_ns.map(|error_ns| state.map_or(error_ns, |state: f64| state + share * (error_ns - state)));
        state
    })
}

/// Measures what an expectation is about, with what there is to say of it.
pub(super) fn measure(recording: &Recording, wish: &StabilityWish, span: Span) -> (Measurement, Option<String>) {
    let nothing = |reason: String| (Measurement::Nothing(reason), None);
    let interval_s = recording.rows.first().map_or(0.0, |row| row.time_s);
    let within = |row: &TraceRow| row.time_s - interval_s >= span.from_s - 1e-9 && row.time_s <= span.to_s + 1e-9;
    let errors = || time_errors(recording, wish.clock, within);
    let (all, gaps) = errors().fold((0usize, 0usize), |(all, gaps), one| (all + 1, gaps + usize::from(one.is_none())));
    if all == 0 {
        return nothing("no interval of the trace lies within the span".to_owned());
    }
    if gaps > 0 {
        return nothing(format!("this clock had no time at the ends of {gaps} of {all} intervals of the trace"));
    }
    match &wish.limit {
        StabilityLimit::Tau(tau_s) => {
            let intervals = libm::round(tau_s / interval_s) as usize;
            let points = deviations(errors(), std::iter::once(intervals), interval_s);
            let value = points.first().and_then(|point| value_of(wish.metric, point));
            let few =
                || format!("{tau_s} s is too long: less than {} times that was observed", wish.metric.least_taus());
            value.map_or_else(|| nothing(few()), |value| (Measurement::Exact(value), None))
        }
        StabilityLimit::Mask(limits) => {
            let filtered = low_passed(errors(), limits.low_pass_hz, interval_s);
            let points = deviations(filtered, octaves(all), interval_s);
            let shares: Vec<(f64, f64)> = points
                .iter()
                .filter_map(|point| Some((point.tau_s, value_of(wish.metric, point)? / limits.at(point.tau_s)?)))
                .collect();
            let worst = shares.iter().max_by(|one, two| one.1.total_cmp(&two.1));
            let (Some(&(worst_s, share)), Some(first), Some(last)) = (worst, shares.first(), shares.last()) else {
                return nothing("the mask has no limit for any tau that was observed".to_owned());
            };
            let parts = format!("most at tau = {worst_s} s, of {} to {} s", first.0, last.0);
            (Measurement::Exact(share), Some(parts))
        }
    }
}

fn value_of(metric: Metric, point: &ClockDeviation) -> Option<f64> {
    match metric {
        Metric::AdevPpb => point.adev_ppb,
        Metric::TdevNs => point.tdev_ns,
        Metric::MtieNs => point.mtie_ns,
        _ => None,
    }
}
