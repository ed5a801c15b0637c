//! `clock.png`: what each receiver believes of PTP time and of its host's rate, beside the truth.

use super::axis::{Scale, number, robust_range};
use super::canvas::{Anchor, TextStyle};
use super::drift::{calm_decade, finish, outage_entry};
use super::page::{Entry, LEFT, Mark, Page, receivers};
use super::panel::Panel;
use super::theme::{self, INK, LABEL_SIZE};
use crate::record::{ClockState, RunTrace, TraceRow};
use crate::report::ReportError;

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    let mut page = Page::new(trace, "PTP clock", &trace.title, 1000)?;
    let top = 130.0;
    let strips_end = top + strip_height(trace, 36.0);
    strips(&mut page, top, strips_end, 0.0);
    let middle = strips_end + (916.0 - strips_end) * 0.56;
    estimate(&mut page, strips_end + 66.0, middle);
    let lower = host_rate(&mut page, middle + 66.0, 916.0);
    page.time_axis(&lower);
    Ok(page)
}

/// Height of the lock strips of all receivers.
pub(super) fn strip_height(trace: &RunTrace, each: f64) -> f64 {
    each * trace.recordings.len().max(1) as f64 + 6.0
}

/// One bar of lock states for each receiver, named at its left in the receiver's colour, below a lane for labels.
pub(super) fn strips(page: &mut Page<'_>, top: f64, bottom: f64, lane: f64) -> Panel {
    let trace = page.trace;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let seen = |state: &ClockState| rows().any(|row| row.clock_state == *state);
    let mut legend: Vec<_> = theme::STATES
        .into_iter()
        .filter(seen)
        .map(|state| Entry::new(Mark::Box, theme::state(state), theme::state_name(state)))
        .collect();
    if lane <= 0.0 {
        legend.extend(outage_entry(trace));
    }
    let panel = page.strip_panel(top, bottom, "State of the PTP clock", &legend);
    let height = (bottom - top - lane - 6.0) / trace.recordings.len().max(1) as f64;
    for (index, recording) in trace.recordings.iter().enumerate() {
        let upper = top + lane + 6.0 + height * index as f64;
        panel.strip(&mut page.canvas, &recording.rows, upper, upper + height - 5.0);
        let name = page.canvas.fit(&recording.receiver, LABEL_SIZE, LEFT - 24.0);
        let style = TextStyle::new(LABEL_SIZE, theme::receiver(index)).anchored(Anchor::End).bold();
        page.canvas.text(&name, (LEFT - 12.0, upper + (height - 5.0) / 2.0), style);
    }
    finish(page, &panel);
    panel
}

fn estimate(page: &mut Page<'_>, top: f64, bottom: f64) {
    let trace = page.trace;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let linear = calm_decade(trace, |row| row.clock_error_us);
    let (_, high) = robust_range(rows().filter_map(|row| row.clock_error_us).map(f64::abs), 0.0);
    let scale = Scale::SymLog { linear, limit: (1.2 * high).max(10.0 * linear) };
    let mut legend = receivers(trace);
    if rows().any(|row| row.clock_sigma_us.is_some()) {
        legend.push(Entry::new(Mark::Box, theme::receiver(0).fade(0.25), "claimed ±3σ around 0"));
    }
    let caption = format!("Error of the PTP estimate (µs; logarithmic beyond ±{})", number(linear, decimals(linear)));
    let panel = page.panel(top, bottom, scale, &caption, &legend);
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        for run in panel.columns(&recording.rows, |row| row.clock_sigma_us) {
            let claim: Vec<_> = run.iter().map(|column| (column.x, -3.0 * column.high, 3.0 * column.high)).collect();
            panel.band(&mut page.canvas, &claim, theme::receiver(index).fade(0.2));
        }
    }
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let runs = panel.columns(&recording.rows, |row| row.clock_error_us);
        panel.series(&mut page.canvas, &runs, index);
    }
    finish(page, &panel);
}

fn host_rate(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let of = |row: &TraceRow| row.host_rate_ppm.into_iter().chain([row.host_rate_truth_ppm]);
    let (low, high) = robust_range(rows().flat_map(of), 2.0);
    let legend = [Entry::new(Mark::Dashes, INK, "truth")];
    let panel =
        page.panel(top, bottom, Scale::Linear { low, high }, "Estimated rate of the host's clock (ppm)", &legend);
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let runs = panel.columns(&recording.rows, |row| row.host_rate_ppm);
        panel.series(&mut page.canvas, &runs, index);
    }
    for recording in &trace.recordings {
        panel.truth(&mut page.canvas, &panel.columns(&recording.rows, |row| Some(row.host_rate_truth_ppm)));
    }
    finish(page, &panel);
    panel
}

fn decimals(value: f64) -> usize {
    usize::from(value < 1.0)
}
