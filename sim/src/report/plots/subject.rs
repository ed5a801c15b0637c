//! Panels for subjects of a scenario in addition to playback: the two networks, the skew between
//! receivers, the sender.

use super::audio::{Bars, span_panel};
use super::axis::{Scale, number, robust_range};
use super::drift::{calm_decade, finish};
use super::page::{Entry, Mark, Page, receivers};
use super::panel::Panel;
use super::series::{bins, decimate, fine_bin_width_s};
use super::theme::{self, Colour, SENDER};
use crate::record::{Recording, RunTrace, TraceRow};

/// Leg B's bars are lighter than leg A's.
const SECOND_LEG: f32 = 0.45;

/// Packets that were missing on each leg, whether they arrived on the other one or not.
pub(super) fn leg_losses(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let duration_s = page.duration_s();
    let width_s = fine_bin_width_s(trace, duration_s);
    let losses: [fn(&TraceRow) -> f64; 2] = [|row| f64::from(row.leg_a_lost), |row| f64::from(row.leg_b_lost)];
    let mut bars = Vec::new();
    for (index, recording) in trace.recordings.iter().enumerate() {
        for (leg, lost) in losses.into_iter().enumerate() {
            let values = bins(&recording.rows, width_s, duration_s, lost);
            let (name, colour) = (leg_name(trace, recording, leg), theme::receiver(index));
            let colour = if leg == 0 { colour } else { colour.fade(SECOND_LEG) };
            let entry = Entry::new(Mark::Box, colour, format!("{name}: {}", values.iter().sum::<f64>()));
            bars.push(Bars { values, colour, entry });
        }
    }
    span_panel(page, (top, bottom), ("Packets found missing", width_s, 4.0), &bars, Vec::new())
}

fn leg_name(trace: &RunTrace, recording: &Recording, leg: usize) -> String {
    let leg = ["leg A", "leg B"][leg];
    if trace.recordings.len() > 1 { format!("{}, {leg}", recording.receiver) } else { leg.to_owned() }
}

/// How much later packets arrive on leg B, as estimated by each receiver.
pub(super) fn leg_skew(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let (low, high) = robust_range(rows().filter_map(|row| row.leg_b_skew_ms), 2.0);
    let caption = "Leg B after leg A, as estimated (ms)";
    let panel = page.panel(top, bottom, Scale::Linear { low, high }, caption, &receivers(trace));
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        panel.series(&mut page.canvas, &panel.columns(&recording.rows, |row| row.leg_b_skew_ms), index);
    }
    finish(page, &panel, rows().any(|row| row.leg_b_skew_ms.is_some()));
    panel
}

/// How much later a receiver plays a frame than the first receiver, row by row.
fn skews<'a>(recording: &'a Recording, first: &'a Recording) -> impl Iterator<Item = (f64, Option<f64>)> + 'a {
    let skew = |row: &TraceRow, other: &TraceRow| Some((row.latency_ms? - other.latency_ms?) * 1e3);
    recording.rows.iter().zip(&first.rows).map(move |(row, other)| (row.time_s, skew(row, other)))
}

/// Skew between the first receiver and each of the others.
pub(super) fn receiver_skew(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let Some((first, others)) = trace.recordings.split_first() else {
        let panel = page.panel(top, bottom, Scale::Linear { low: -1.0, high: 1.0 }, "Skew between receivers (µs)", &[]);
        finish(page, &panel, false);
        return panel;
    };
    let values = |recording| skews(recording, first).filter_map(|(_, skew)| skew).collect::<Vec<f64>>();
    let linear = calm_decade(others.iter().map(values));
    let (_, high) = robust_range(others.iter().flat_map(values).map(f64::abs), 0.0);
    let scale = Scale::SymLog { linear, limit: (1.2 * high).max(10.0 * linear) };
    let legend: Vec<Entry> = others
        .iter()
        .enumerate()
        .map(|(index, other)| {
            Entry::new(Mark::Line, theme::receiver(index + 1), format!("{} after {}", other.receiver, first.receiver))
        })
        .collect();
    let caption = beyond("Skew between receivers (µs", linear);
    let panel = page.panel(top, bottom, scale, &caption, &legend);
    for (index, other) in others.iter().enumerate().rev() {
        let runs = decimate(skews(other, first).map(|(time_s, skew)| (panel.x(time_s), skew)));
        panel.series(&mut page.canvas, &runs, index + 1);
    }
    finish(page, &panel, others.iter().any(|other| !values(other).is_empty()));
    panel
}

/// Error of the sender's timeline, with its stated uncertainty. The sender is the same for all
/// receivers.
pub(super) fn sender_error(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let rows = trace.recordings.first().map_or(&[][..], |recording| &recording.rows);
    let errors = || rows.iter().filter_map(|row| row.sender_error_us);
    let linear = calm_decade([errors().collect()].into_iter());
    let (_, high) = robust_range(errors().map(f64::abs), 0.0);
    let scale = Scale::SymLog { linear, limit: (1.2 * high).max(10.0 * linear) };
    let legend =
        [Entry::new(Mark::Line, SENDER, "sender"), Entry::new(Mark::Box, SENDER.fade(0.25), "claimed ±3σ around 0")];
    let panel = page.panel(top, bottom, scale, &beyond("Error of the sender's clock (µs", linear), &legend);
    claim(page, &panel, rows, SENDER, |row| row.sender_sigma_us);
    let runs = panel.columns(rows, |row| row.sender_error_us);
    panel.series_in(&mut page.canvas, &runs, SENDER, theme::stroke(0));
    finish(page, &panel, errors().next().is_some());
    panel
}

/// The band of three stated standard deviations around 0.
pub(super) fn claim(
    page: &mut Page<'_>,
    panel: &Panel,
    rows: &[TraceRow],
    colour: Colour,
    sigma: impl Fn(&TraceRow) -> Option<f64>,
) {
    for run in panel.columns(rows, sigma) {
        let band: Vec<_> = run.iter().map(|column| (column.x, -3.0 * column.high, 3.0 * column.high)).collect();
        panel.band(&mut page.canvas, &band, colour.fade(0.2));
    }
}

/// A caption that says from which value the scale is logarithmic.
pub(super) fn beyond(caption: &str, linear: f64) -> String {
    format!("{caption}; logarithmic beyond ±{})", number(linear, usize::from(linear < 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_is_between_rows_of_the_same_time_and_nothing_where_one_is_silent() {
        let recording = |latencies: [Option<f64>; 3]| {
            let row = |(index, latency_ms)| TraceRow { time_s: f64::from(index), latency_ms, ..TraceRow::default() };
            Recording { rows: (0..).zip(latencies).map(row).collect(), ..Recording::default() }
        };
        let (first, other) = (recording([None, Some(30.0), Some(30.0)]), recording([Some(1.0), Some(30.5), None]));
        assert_eq!(skews(&other, &first).collect::<Vec<_>>(), [(0.0, None), (1.0, Some(500.0)), (2.0, None)]);
    }
}
