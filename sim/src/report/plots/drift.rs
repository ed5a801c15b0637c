//! `drift.png`: the playback ratio of each receiver, the right ratio, and the difference.

use super::axis::{Scale, decade_above, robust_range};
use super::page::{Entry, Mark, Page, receivers};
use super::panel::Panel;
use super::theme::{self, GOAL, INK};
use crate::record::{RunTrace, TraceRow};
use crate::report::ReportError;

/// Largest error of the playback ratio that the engine promises.
const PROMISE_PPM: f64 = 1.0;

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    let mut page = Page::new(trace, "Playback rate", &trace.title, 1000)?;
    let lower = if is_truth_known(trace) {
        ratio(&mut page, 130.0, 500.0);
        error(&mut page, 566.0, 916.0)
    } else {
        ratio(&mut page, 130.0, 916.0)
    };
    page.time_axis(&lower);
    Ok(page)
}

/// Whether the right ratios are known, which they are not on a real network.
pub(super) fn is_truth_known(trace: &RunTrace) -> bool {
    let mut rows = trace.recordings.iter().flat_map(|recording| &recording.rows).peekable();
    rows.peek().is_none() || rows.any(|row| row.ratio_truth_ppm.is_finite())
}

pub(super) fn ratio(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let values = rows().flat_map(|row| [row.ratio_ppm, row.ratio_truth_ppm]);
    let (low, high) = robust_range(values, 4.0);
    let is_known = is_truth_known(trace);
    let mut legend = receivers(trace);
    legend.extend(is_known.then(|| Entry::new(Mark::Dashes, INK, "truth")));
    legend.extend(incident_entries(trace));
    let unknown = if is_known { "" } else { "; the right one is unknown" };
    let caption = format!("Playback ratio, deviation from 1 (ppm{unknown})");
    let panel = page.panel(top, bottom, Scale::Linear { low, high }, &caption, &legend);
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let runs = panel.columns(&recording.rows, |row| Some(row.ratio_ppm));
        panel.series(&mut page.canvas, &runs, index);
    }
    // The right ratio depends on the receiver's card; equal lines lie on top of each other.
    for recording in &trace.recordings {
        panel.truth(&mut page.canvas, &panel.columns(&recording.rows, |row| Some(row.ratio_truth_ppm)));
    }
    finish(page, &panel, rows().any(|row| row.ratio_ppm.is_finite()));
    panel
}

/// The ratio's error on a scale that shows the promised band and a wobble a hundred times larger.
pub(super) fn error(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let off = |row: &TraceRow| row.ratio_ppm - row.ratio_truth_ppm;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let (_, high) = robust_range(rows().map(|row| off(row).abs()), 0.0);
    let scale = Scale::SymLog { linear: PROMISE_PPM, limit: (1.2 * high).max(10.0) };
    let mut legend = receivers(trace);
    legend.push(Entry::new(Mark::Box, GOAL.fade(0.25), "goal: within ±1 ppm"));
    let caption = "Error of the playback ratio (ppm; logarithmic beyond ±1)";
    let panel = page.panel(top, bottom, scale, caption, &legend);
    panel.goal(&mut page.canvas, -PROMISE_PPM, PROMISE_PPM, GOAL.fade(0.16));
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let runs = panel.columns(&recording.rows, |row| Some(off(row)));
        panel.series(&mut page.canvas, &runs, index);
    }
    finish(page, &panel, rows().any(|row| off(row).is_finite()));
    panel
}

/// The legend's entries for the shading.
pub(super) fn incident_entries(trace: &RunTrace) -> Vec<Entry> {
    let lasting = |silences_master: bool| {
        let of_kind = trace.incidents.iter().find(|incident| {
            incident.silences_master == silences_master && incident.times.iter().any(|time| time.to_s.is_some())
        });
        let name = if silences_master { "grandmaster lost" } else { "fault" };
        of_kind.map(|incident| Entry::new(Mark::Box, theme::incident(incident).fade(0.25), name))
    };
    [true, false].into_iter().filter_map(lasting).collect()
}

/// Frame, and a note where there is no data.
pub(super) fn finish(page: &mut Page<'_>, panel: &Panel, has_data: bool) {
    page.frame(panel);
    if !has_data {
        page.note(panel, "no data");
    }
}

/// Smallest power of ten that exceeds most values of the calmest series: the linear part of a
/// symmetric-log scale.
pub(super) fn calm_decade(series: impl Iterator<Item = Vec<f64>>) -> f64 {
    let typical = series.filter_map(|values| {
        let mut sizes: Vec<f64> = values.into_iter().map(f64::abs).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.get(sizes.len() * 4 / 5).copied().filter(|size| size.is_finite())
    });
    let calmest = typical.fold(f64::INFINITY, f64::min);
    if calmest.is_finite() { decade_above(calmest.max(0.1)) } else { 1.0 }
}
