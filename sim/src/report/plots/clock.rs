//! `clock.png`: each receiver's estimates of PTP time and of its host's rate, compared with the
//! true values.

use super::axis::{Scale, robust_range};
use super::canvas::{Anchor, TextStyle};
use super::drift::{calm_decade, finish, incident_entries};
use super::page::{Entry, LEFT, Mark, Page, receivers};
use super::panel::Panel;
use super::subject::{beyond, claim};
use super::theme::{self, INK, LABEL_SIZE};
use crate::record::{ClockState, Recording, RunTrace, TraceRow};
use crate::report::ReportError;

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    let mut page = Page::new(trace, "PTP clock", &trace.title, 1000)?;
    let top = 130.0;
    let strips_end = top + strip_height(trace, 36.0);
    strips(&mut page, top, strips_end, 0.0);
    let middle = strips_end + (916.0 - strips_end) * 0.56;
    let upper = (strips_end + 66.0, middle);
    let is_shown = match knowledge(trace) {
        Knowledge::Error => Some(estimate(&mut page, upper.0, upper.1)),
        Knowledge::Claim => Some(claimed(&mut page, upper.0, upper.1)),
        Knowledge::Nothing => None,
    };
    let rate_top = if is_shown.is_some() { middle } else { strips_end };
    let lower = host_rate(&mut page, rate_top + 66.0, 916.0);
    page.time_axis(&lower);
    Ok(page)
}

/// Available information on the quality of the estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// Their error.
    Error,
    /// The stated uncertainty: on a real network, the true error is unknown.
    Claim,
    /// Nothing.
    Nothing,
}

pub(super) fn knowledge(trace: &RunTrace) -> Knowledge {
    let any = |known: fn(&TraceRow) -> bool| trace.recordings.iter().flat_map(|recording| &recording.rows).any(known);
    if any(|row| row.clock_error_us.is_some()) {
        Knowledge::Error
    } else if any(|row| row.clock_sigma_us.is_some()) {
        Knowledge::Claim
    } else {
        Knowledge::Nothing
    }
}

/// Height of the lock strips of all receivers.
pub(super) fn strip_height(trace: &RunTrace, each: f64) -> f64 {
    each * trace.recordings.len().max(1) as f64 + 6.0
}

/// One bar of lock states for each receiver, below a lane for labels. The receiver's name is at its
/// left, in its colour.
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
        legend.extend(incident_entries(trace));
    }
    let changed = trace.recordings.iter().any(|recording| recording.grandmasters.len() > 1);
    legend.extend(changed.then(|| Entry::new(Mark::Bar, INK, "another grandmaster")));
    let panel = page.strip_panel((top, bottom), lane, "State of the PTP clock", &legend);
    let height = (bottom - top - lane - 6.0) / trace.recordings.len().max(1) as f64;
    for (index, recording) in trace.recordings.iter().enumerate() {
        let upper = top + lane + 6.0 + height * index as f64;
        panel.strip(&mut page.canvas, recording, upper, upper + height - 5.0);
        let name = page.canvas.fit(&recording.receiver, LABEL_SIZE, LEFT - 24.0);
        let style = TextStyle::new(LABEL_SIZE, theme::receiver(index)).anchored(Anchor::End).bold();
        page.canvas.text(&name, (LEFT - 12.0, upper + (height - 5.0) / 2.0), style);
    }
    finish(page, &panel, rows().next().is_some());
    panel
}

/// Error of the estimate of PTP time, with its stated uncertainty.
pub(super) fn estimate(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let errors = |recording: &Recording| recording.rows.iter().filter_map(|row| row.clock_error_us).collect();
    let linear = calm_decade(trace.recordings.iter().map(errors));
    let (_, high) = robust_range(rows().filter_map(|row| row.clock_error_us).map(f64::abs), 0.0);
    let scale = Scale::SymLog { linear, limit: (1.2 * high).max(10.0 * linear) };
    let mut legend = receivers(trace);
    if rows().any(|row| row.clock_sigma_us.is_some()) {
        legend.push(Entry::new(Mark::Box, theme::receiver(0).fade(0.25), "claimed ±3σ around 0"));
    }
    let panel = page.panel(top, bottom, scale, &beyond("Error of the PTP estimate (µs", linear), &legend);
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        claim(page, &panel, &recording.rows, theme::receiver(index), |row| row.clock_sigma_us);
    }
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let runs = panel.columns(&recording.rows, |row| row.clock_error_us);
        panel.series(&mut page.canvas, &runs, index);
    }
    finish(page, &panel, rows().any(|row| row.clock_error_us.is_some()));
    panel
}

/// The stated uncertainty of an estimate whose error is unknown.
pub(super) fn claimed(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let claim_us = |row: &TraceRow| row.clock_sigma_us.map(|sigma| 3.0 * sigma);
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let (_, high) = robust_range(rows().filter_map(claim_us).chain([0.0]), 1.0);
    let caption = "Claimed 3σ of the PTP estimate (µs; its error is unknown)";
    let panel = page.panel(top, bottom, Scale::Linear { low: 0.0, high }, caption, &receivers(trace));
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        panel.series(&mut page.canvas, &panel.columns(&recording.rows, claim_us), index);
    }
    finish(page, &panel, rows().any(|row| row.clock_sigma_us.is_some()));
    panel
}

/// The estimated rate of the host's clock, compared with the true one.
pub(super) fn host_rate(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let of = |row: &TraceRow| row.host_rate_ppm.into_iter().chain([row.host_rate_truth_ppm]);
    let (low, high) = robust_range(rows().flat_map(of), 2.0);
    let is_known = rows().any(|row| row.host_rate_truth_ppm.is_finite());
    let mut legend = receivers(trace);
    legend.extend(is_known.then(|| Entry::new(Mark::Dashes, INK, "truth")));
    let unknown = if is_known { "" } else { "; the truth is unknown" };
    let caption = format!("Estimated rate of the host's clock (ppm{unknown})");
    let panel = page.panel(top, bottom, Scale::Linear { low, high }, &caption, &legend);
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let runs = panel.columns(&recording.rows, |row| row.host_rate_ppm);
        panel.series(&mut page.canvas, &runs, index);
    }
    for recording in &trace.recordings {
        panel.truth(&mut page.canvas, &panel.columns(&recording.rows, |row| Some(row.host_rate_truth_ppm)));
    }
    finish(page, &panel, rows().flat_map(of).any(f64::is_finite));
    panel
}
