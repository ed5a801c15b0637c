//! `stability.png`: ADEV, TDEV and MTIE of each clock against the interval of observation, on
//! logarithmic scales, with the masks of the scenario.

use super::axis::{Scale, Tick, span_name};
use super::canvas::{Anchor, Point, Rect, TextStyle};
use super::page::{Entry, LEFT, Mark, Page, RIGHT, receivers};
use super::panel::Panel;
use super::theme::{self, CAPTION_SIZE, INK, LABEL_SIZE};
use crate::record::{ClockDeviation, ClockStability, RunTrace, ShownMask};
use crate::report::ReportError;
use crate::scenario::{Metric, ObservedClock};

/// Height of the heading with the legend.
const TOP: f64 = 150.0;
/// Height of a panel, and of what is between two.
const HEIGHT: f64 = 250.0;
const BETWEEN: f64 = 78.0;
/// Room at the left of a panel for its labels.
const LABELS: f64 = 110.0;
/// Least number of decades of a panel.
const LEAST_DECADES: f64 = 2.0;

/// A metric, its caption, and its value.
type Column = (Metric, &'static str, fn(&ClockDeviation) -> Option<f64>);

const COLUMNS: [Column; 3] = [
    (Metric::AdevPpb, "ADEV (ppb)", |point| point.adev_ppb),
    (Metric::TdevNs, "TDEV (ns)", |point| point.tdev_ns),
    (Metric::MtieNs, "MTIE (ns)", |point| point.mtie_ns),
];

/// The picture; none if no clock has any deviation.
pub(super) fn draw(trace: &RunTrace) -> Result<Option<Page<'_>>, ReportError> {
    let clocks: Vec<ObservedClock> =
        ObservedClock::ALL.into_iter().filter(|clock| curves(trace, *clock).next().is_some()).collect();
    if clocks.is_empty() {
        return Ok(None);
    }
    let height = TOP + (HEIGHT + BETWEEN) * clocks.len() as f64 + 20.0;
    let mut page = Page::new(trace, "Stability of clocks", &trace.title, height as usize)?;
    let mut legend = receivers(trace);
    legend.extend((!trace.masks.is_empty()).then(|| Entry::new(Mark::Dashes, INK, "mask")));
    page.legend(TOP - 62.0, &legend, RIGHT - LEFT);
    let taus = taus(trace);
    for (row, clock) in clocks.into_iter().enumerate() {
        let top = TOP + (HEIGHT + BETWEEN) * row as f64;
        for (column, of) in COLUMNS.iter().enumerate() {
            panel(&mut page, clock, of, area(top, column), taus);
        }
    }
    Ok(Some(page))
}

/// The curves of a clock, each with its receiver.
fn curves(trace: &RunTrace, clock: ObservedClock) -> impl Iterator<Item = (usize, &ClockStability)> {
    let all = trace.recordings.iter().enumerate();
    let of_receiver = move |(index, recording)| {
        let recording: &crate::record::Recording = recording;
        recording.stability.iter().filter(move |curve| curve.clock == clock).map(move |curve| (index, curve))
    };
    all.flat_map(of_receiver)
}

fn area(top: f64, column: usize) -> Rect {
    let width = (RIGHT - LEFT - 2.0 * LABELS) / COLUMNS.len() as f64;
    let left = LEFT + (width + LABELS) * column as f64;
    Rect { left, top, right: left + width, bottom: top + HEIGHT }
}

/// Logarithms of the shortest and the longest tau.
fn taus(trace: &RunTrace) -> (f64, f64) {
    let points = trace.recordings.iter().flat_map(|recording| &recording.stability).flat_map(|curve| &curve.points);
    let logarithms = points.map(|point| libm::log10(point.tau_s));
    let (low, high) = logarithms.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
    if high > low { (low, high) } else { (low - 0.5, low + 0.5) }
}

fn panel(page: &mut Page<'_>, clock: ObservedClock, (metric, caption, value): &Column, area: Rect, taus: (f64, f64)) {
    let trace = page.trace;
    let series = |curve: &ClockStability| -> Vec<(f64, f64)> {
        let known = curve.points.iter().filter_map(|point| Some((point.tau_s, value(point)?)));
        known.filter(|(_, value)| *value > 0.0).collect()
    };
    let lines: Vec<(usize, Vec<(f64, f64)>)> =
        curves(trace, clock).map(|(index, curve)| (index, series(curve))).collect();
    let masks = trace.masks.iter().filter(|mask| mask.clock == clock && mask.limits.metric == *metric);
    let masks: Vec<Vec<(f64, f64)>> = masks.map(|mask| limits(mask, taus)).filter(|line| !line.is_empty()).collect();
    let values = lines.iter().map(|(_, line)| line).chain(&masks).flatten().map(|(_, value)| *value);
    let panel = Panel::new(area, taus, decades(values));
    let place = |(tau_s, value): &(f64, f64)| -> Point { (panel.x(libm::log10(*tau_s)), panel.y(*value)) };
    let ticks = tau_ticks(taus);
    page.grid(&panel, &ticks);
    let caption = format!("{clock}: {caption}");
    let style = TextStyle::new(CAPTION_SIZE, INK).bold();
    page.canvas.text(&caption, (area.left, area.top - 22.0), style);
    for mask in &masks {
        let points: Vec<Point> = mask.iter().map(place).collect();
        page.canvas.dashed(&points, 2.0, INK);
    }
    for (index, line) in lines.iter().rev() {
        let points: Vec<Point> = line.iter().map(place).collect();
        page.canvas.polyline(&points, theme::stroke(*index), theme::receiver(*index));
        points.iter().for_each(|point| page.canvas.line(*point, *point, 8.0, theme::receiver(*index)));
    }
    page.frame(&panel);
    for tick in &ticks {
        let style = TextStyle::new(LABEL_SIZE, INK).anchored(Anchor::Middle);
        page.canvas.text(&tick.label, (panel.x(tick.value), area.bottom + 22.0), style);
    }
    if lines.iter().all(|(_, line)| line.is_empty()) {
        page.note(&panel, "too short a run");
    }
}

/// The limits of a mask over the taus that are shown.
fn limits(mask: &ShownMask, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
    const STEPS: u32 = 200;
    let step = (high - low) / f64::from(STEPS);
    let taus = (0..=STEPS).map(|index| libm::pow(10.0, low + step * f64::from(index)));
    taus.filter_map(|tau_s| Some((tau_s, mask.limits.at(tau_s)?))).collect()
}

/// Whole decades that hold all values.
fn decades(values: impl Iterator<Item = f64>) -> Scale {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let (low, high) = if high > 0.0 { (low, high) } else { (1.0, 1.0) };
    let low = libm::floor(libm::log10(low));
    let high = libm::ceil(libm::log10(high)).max(low + LEAST_DECADES);
    Scale::Log { low: libm::pow(10.0, low), high: libm::pow(10.0, high) }
}

/// Powers of ten of seconds.
fn tau_ticks((low, high): (f64, f64)) -> Vec<Tick> {
    let powers = (libm::ceil(low - 1e-9) as i32)..=(libm::floor(high + 1e-9) as i32);
    powers.map(|power| Tick { value: f64::from(power), label: span_name(libm::pow(10.0, f64::from(power))) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_whole_decades() {
        let scale = decades([3.0, 250.0].into_iter());
        assert_eq!(scale, Scale::Log { low: 1.0, high: 1000.0 });
        assert!((scale.unit(10.0) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(decades([5.0].into_iter()), Scale::Log { low: 1.0, high: 100.0 });
        assert_eq!(decades(std::iter::empty()), Scale::Log { low: 1.0, high: 100.0 });
    }

    #[test]
    fn ticks_are_powers_of_ten_seconds() {
        let labels: Vec<String> = tau_ticks((-1.0, 2.7)).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["100 ms", "1 s", "10 s", "100 s"]);
    }
}
