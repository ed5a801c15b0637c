//! The data of the plots of stability: deviations against the interval of observation.

use super::data::rounded;
use crate::record::{ClockDeviation, ClockStability, RunTrace};
use crate::scenario::{Metric, ObservedClock};
use serde::Serialize;
use std::collections::BTreeMap;

/// One plot: a metric of a clock, on logarithmic scales.
#[derive(Serialize)]
pub(super) struct Plot {
    title: String,
    unit: &'static str,
    /// Intervals of observation, s.
    tau_s: Vec<f64>,
    series: Vec<Series>,
}

/// One line; a mask is no receiver's.
#[derive(Serialize)]
struct Series {
    label: String,
    receiver: Option<usize>,
    values: Vec<Option<f64>>,
}

type Value = fn(&ClockDeviation) -> Option<f64>;

const METRICS: [(Metric, &str, &str, Value); 3] = [
    (Metric::AdevPpb, "ADEV", "ppb", |point| point.adev_ppb),
    (Metric::TdevNs, "TDEV", "ns", |point| point.tdev_ns),
    (Metric::MtieNs, "MTIE", "ns", |point| point.mtie_ns),
];

/// The plots of all clocks that deviate.
pub(super) fn plots(trace: &RunTrace) -> Vec<Plot> {
    let all = ObservedClock::ALL.into_iter();
    all.flat_map(|clock| METRICS.iter().filter_map(move |metric| plot(trace, clock, metric))).collect()
}

fn plot(
    trace: &RunTrace,
    clock: ObservedClock,
    &(metric, name, unit, value): &(Metric, &str, &'static str, Value),
) -> Option<Plot> {
    let curves: Vec<(usize, &ClockStability)> = trace
        .recordings
        .iter()
        .enumerate()
        .flat_map(|(index, recording)| recording.stability.iter().map(move |curve| (index, curve)))
        .filter(|(_, curve)| curve.clock == clock)
        .collect();
    // A logarithmic scale has no zero.
    let shown = |point: &ClockDeviation| value(point).filter(|value| *value > 0.0);
    let points = curves.iter().flat_map(|(_, curve)| &curve.points).filter(|point| shown(point).is_some());
    let mut tau_s: Vec<f64> = points.map(|point| point.tau_s).collect();
    tau_s.sort_by(f64::total_cmp);
    tau_s.dedup();
    if tau_s.is_empty() {
        return None;
    }
    let line = |(index, curve): &(usize, &ClockStability)| {
        let known: BTreeMap<u64, f64> =
            curve.points.iter().filter_map(|point| Some((point.tau_s.to_bits(), shown(point)?))).collect();
        let values = tau_s.iter().map(|tau_s| known.get(&tau_s.to_bits()).copied().map(rounded)).collect();
        Series { label: trace.recordings[*index].receiver.clone(), receiver: Some(*index), values }
    };
    let masks = trace.masks.iter().filter(|mask| mask.clock == clock && mask.limits.metric == metric);
    let masks = masks.map(|mask| Series {
        label: format!("mask {}", mask.mask),
        receiver: None,
        values: tau_s.iter().map(|tau_s| mask.limits.at(*tau_s).map(rounded)).collect(),
    });
    let series = curves.iter().map(line).chain(masks).collect();
    Some(Plot { title: format!("{name} of clock {clock}"), unit, tau_s, series })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Recording, ShownMask};
    use crate::scenario::Mask;

    #[test]
    fn a_clock_is_drawn_beside_its_mask_and_zeros_are_left_out() {
        let point = |tau_s: f64, mtie_ns: f64| ClockDeviation {
            tau_s,
            adev_ppb: Some(0.0),
            tdev_ns: None,
            mtie_ns: Some(mtie_ns),
        };
        let stability = vec![ClockStability {
            clock: ObservedClock::Estimate,
            points: vec![point(1.0, 0.0), point(2.0, 50.0), point(4.0, 60.0)],
        }];
        let mask = Mask::G82711Class4;
        let masks = vec![ShownMask { clock: ObservedClock::Estimate, mask, limits: mask.read().unwrap() }];
        let recordings = vec![Recording { receiver: "engine".into(), stability, ..Recording::default() }];
        let plots = plots(&RunTrace { recordings, masks, ..RunTrace::default() });
        let [plot] = &plots[..] else { panic!("{} plots", plots.len()) };
        assert_eq!((plot.title.as_str(), &plot.tau_s), ("MTIE of clock estimate", &vec![2.0, 4.0]));
        assert_eq!(plot.series[0].values, [Some(50.0), Some(60.0)]);
        assert_eq!(plot.series[1].values, [Some(250.0), Some(281.4)]);
    }
}
