//! `buffer.png`: how much audio each receiver buffers, compared with the requested depth.

use super::axis::{Scale, robust_range};
use super::drift::{finish, incident_entries};
use super::page::{Entry, Mark, Page, receivers};
use super::panel::Panel;
use super::theme::{self, GOAL, QUIET_INK};
use crate::record::{RunTrace, TraceRow};
use crate::report::ReportError;

/// Largest deviation of the mean depth from the requested depth, ms.
const TOLERANCE_MS: f64 = 0.5;

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    let mut page = Page::new(trace, "Buffer", &trace.title, 1000)?;
    depth(&mut page, 130.0, 596.0, true);
    let lower = zoom(&mut page, 662.0, 916.0);
    page.time_axis(&lower);
    Ok(page)
}

/// Depth of all receivers. If `with_fill`, the extremes of the fill are drawn as well.
pub(super) fn depth(page: &mut Page<'_>, top: f64, bottom: f64, with_fill: bool) -> Panel {
    let trace = page.trace;
    let scale = full_scale(trace, with_fill);
    let goal = format!("target {} ms ± {TOLERANCE_MS}", wanted_ms(trace));
    let mut legend = if with_fill { receivers(trace) } else { Vec::new() };
    legend.push(Entry::new(Mark::Box, GOAL.fade(0.6), goal));
    if with_fill {
        let total: u64 =
            trace.recordings.iter().flat_map(|recording| &recording.rows).map(|row| u64::from(row.underruns)).sum();
        legend.push(Entry::new(Mark::Triangle, QUIET_INK, format!("underruns: {total}")));
        legend.extend(incident_entries(trace));
    }
    let caption = if with_fill { "Depth, and range of the fill (ms)" } else { "Buffer depth (ms)" };
    let panel = page.panel(top, bottom, scale, caption, &legend);
    target(page, &panel);
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let colour = theme::receiver(index);
        if with_fill {
            let lows = panel.columns(&recording.rows, |row| Some(row.fill_min_ms));
            let highs = panel.columns(&recording.rows, |row| Some(row.fill_max_ms));
            for (low, high) in lows.iter().zip(&highs) {
                let fill: Vec<_> = low.iter().zip(high).map(|(low, high)| (low.x, low.low, high.high)).collect();
                panel.band(&mut page.canvas, &fill, colour.fade(0.17));
            }
        }
        let runs = panel.columns(&recording.rows, |row| Some(row.depth_ms));
        panel.series(&mut page.canvas, &runs, index);
    }
    finish(page, &panel, !super::is_empty(trace));
    if with_fill {
        underruns(page, &panel);
    }
    panel
}

/// The requested depth. There is no such picture for a run in which nothing was played.
fn wanted_ms(trace: &RunTrace) -> f64 {
    trace.target_depth_ms.unwrap_or(0.0)
}

fn full_scale(trace: &RunTrace, with_fill: bool) -> Scale {
    let rows = || trace.recordings.iter().flat_map(|recording| &recording.rows);
    let of = |row: &TraceRow| {
        if with_fill { [row.depth_ms, row.fill_min_ms, row.fill_max_ms] } else { [row.depth_ms; 3] }
    };
    let values = rows().flat_map(of).chain([0.0, wanted_ms(trace) * 1.1]);
    let (_, high) = robust_range(values, 2.0);
    let high = high.max(wanted_ms(trace) * 1.1);
    let starved = rows().any(|row| row.underruns > 0);
    // Room for the marks of underruns below the empty buffer.
    Scale::Linear { low: if with_fill && starved { -0.1 * high } else { 0.0 }, high }
}

/// The range around the tolerance, which appears as a straight line on the full scale.
fn zoom(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let scale = Scale::Linear { low: -2.0 * TOLERANCE_MS, high: 2.0 * TOLERANCE_MS };
    let caption = "Depth minus target, magnified (ms; triangles: outside)";
    let legend = [Entry::new(Mark::Box, GOAL.fade(0.25), "goal: within ±0.5 ms")];
    let panel = page.panel(top, bottom, scale, caption, &legend);
    panel.goal(&mut page.canvas, -TOLERANCE_MS, TOLERANCE_MS, GOAL.fade(0.16));
    for (index, recording) in trace.recordings.iter().enumerate().rev() {
        let inside = |depth: f64| (depth.abs() <= 4.0 * TOLERANCE_MS).then_some(depth);
        let all = panel.columns(&recording.rows, |row| Some(row.depth_ms - wanted_ms(trace)));
        let near = panel.columns(&recording.rows, |row| inside(row.depth_ms - wanted_ms(trace)));
        panel.series(&mut page.canvas, &near, index);
        panel.clip_marks(&mut page.canvas, &all, theme::receiver(index));
    }
    finish(page, &panel, !super::is_empty(trace));
    panel
}

fn target(page: &mut Page<'_>, panel: &Panel) {
    let target = wanted_ms(page.trace);
    panel.goal(&mut page.canvas, target - TOLERANCE_MS, target + TOLERANCE_MS, GOAL.fade(0.3));
    panel.level(&mut page.canvas, target, GOAL.fade(0.7));
}

/// Triangles along the bottom, one row for each receiver that had underruns, at most one every few
/// pixels.
fn underruns(page: &mut Page<'_>, panel: &Panel) {
    const APART: f64 = 9.0;
    let mut bottom = panel.area.bottom - 4.0;
    for (index, recording) in page.trace.recordings.iter().enumerate() {
        if recording.rows.iter().all(|row| row.underruns == 0) {
            continue;
        }
        let mut last = f64::NEG_INFINITY;
        for row in recording.rows.iter().filter(|row| row.underruns > 0) {
            let x = panel.x(row.time_s);
            if x >= last + APART {
                page.canvas.triangle((x, bottom - 13.0), 13.0, true, theme::receiver(index));
                last = x;
            }
        }
        bottom -= 18.0;
    }
}
