//! `audio.png`: when each receiver crackled, and what its worst moment looked like.

use super::axis::Scale;
use super::canvas::{Anchor, Rect, TextStyle};
use super::drift::{finish, outage_entry};
use super::page::{CAPTION_HEIGHT, Entry, LEFT, Mark, Page, RIGHT};
use super::panel::Panel;
use super::series::{bin_width_s, bins, excerpt_window};
use super::theme::{self, Colour, LABEL_SIZE, QUIET_INK, REFERENCE};
use crate::record::{AudioExcerpt, Recording, RunTrace};
use crate::report::ReportError;

/// Height of an excerpt with its caption and axis where there are many.
const LEAST_HEIGHT: f64 = 180.0;

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    let receivers = trace.recordings.len().max(1) as f64;
    let (top, height) = (464.0, (480.0 / receivers).max(LEAST_HEIGHT));
    let bottom = top + height * receivers;
    let mut page = Page::new(trace, "Audio", &trace.title, (bottom + 56.0) as usize)?;
    let upper = crackles(&mut page, 130.0, 390.0, true);
    page.time_axis(&upper);
    excerpts(&mut page, top, height);
    Ok(page)
}

/// Audible faults per bin as bars side by side, the totals in the legend.
pub(super) fn crackles(page: &mut Page<'_>, top: f64, bottom: f64, with_outage: bool) -> Panel {
    let trace = page.trace;
    let width_s = bin_width_s(page.duration_s());
    let counts: Vec<Vec<u64>> = trace
        .recordings
        .iter()
        .map(|recording| bins(&recording.rows, width_s, page.duration_s(), |row| row.glitches.unwrap_or(0)))
        .collect();
    let mut legend: Vec<Entry> = trace.recordings.iter().zip(&counts).enumerate().map(total_entry).collect();
    legend.extend(with_outage.then(|| outage_entry(trace)).flatten());
    let most = counts.iter().flatten().copied().max().unwrap_or(0).max(4);
    let scale = Scale::Linear { low: 0.0, high: most as f64 * 1.08 };
    let caption = format!("Audible faults per {}", span_name(width_s));
    let panel = page.panel(top, bottom, scale, &caption, &legend);
    for (index, counts) in counts.iter().enumerate() {
        bars(page, &panel, width_s, counts, index);
    }
    finish(page, &panel);
    panel
}

fn total_entry((index, (recording, counts)): (usize, (&Recording, &Vec<u64>))) -> Entry {
    let total: u64 = counts.iter().sum();
    Entry::new(Mark::Box, theme::receiver(index), format!("{}: {total}", recording.receiver))
}

/// A length of time in its natural unit.
pub(super) fn span_name(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

fn bars(page: &mut Page<'_>, panel: &Panel, width_s: f64, counts: &[u64], index: usize) {
    let receivers = page.trace.recordings.len() as f64;
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (from, to) = (panel.x(bin as f64 * width_s), panel.x((bin + 1) as f64 * width_s));
        let width = (to - from - 1.0) / receivers;
        let left = (from + width * index as f64).round();
        let right = (from + width * (index + 1) as f64).round().max(left + 2.0);
        let bar = Rect { left, right, top: panel.y(*count as f64), bottom: panel.area.bottom };
        page.canvas.fill(bar, theme::receiver(index));
    }
}

fn excerpts(page: &mut Page<'_>, top: f64, height: f64) {
    let trace = page.trace;
    let all = trace.recordings.iter().filter_map(|recording| recording.excerpt.as_ref());
    let samples = all.flat_map(|excerpt| excerpt.played.iter().chain(&excerpt.reference));
    let peak = samples.filter(|sample| sample.is_finite()).fold(0.05_f32, |peak, sample| peak.max(sample.abs()));
    let scale = Scale::Linear { low: -1.1 * f64::from(peak), high: 1.1 * f64::from(peak) };
    for (index, recording) in trace.recordings.iter().enumerate() {
        let upper = top + height * index as f64;
        let area = Rect { left: LEFT, top: upper + CAPTION_HEIGHT, right: RIGHT, bottom: upper + height - 40.0 };
        let colour = theme::receiver(index);
        match &recording.excerpt {
            Some(excerpt) => waves(page, area, scale, colour, (&recording.receiver, excerpt)),
            None => {
                let panel = page.free_panel(area, (0.0, 1.0), scale, &recording.receiver, &[]);
                page.frame(&panel);
                page.note(&panel, "no audio was recorded");
            }
        }
    }
    let style = TextStyle::new(LABEL_SIZE, QUIET_INK).anchored(Anchor::Middle);
    let last = top + height * trace.recordings.len().max(1) as f64;
    page.canvas.text("time within the excerpt (ms)", ((LEFT + RIGHT) / 2.0, last + 18.0), style);
}

fn waves(page: &mut Page<'_>, area: Rect, scale: Scale, colour: Colour, (name, excerpt): (&str, &AudioExcerpt)) {
    let (first, end) = excerpt_window(excerpt);
    let ms = |index: usize| index as f64 * 1000.0 / f64::from(excerpt.sample_rate_hz.max(1));
    let (from, to) = (ms(first), ms(end).max(ms(first) + 1.0));
    let clock = clock_time(excerpt.start_s);
    let caption = format!("Waveform of {name} (full scale = 1), excerpt from {clock}");
    let legend = [Entry::new(Mark::Line, REFERENCE, "reference"), Entry::new(Mark::Line, colour, "played")];
    let panel = page.free_panel(area, (from, to), scale, &caption, &legend);
    let ticks = Scale::Linear { low: from, high: to }.ticks(10);
    page.grid(&panel, &ticks);
    // The window holds a sample or two per pixel: few enough to draw them all. The reference is wide, to show behind a good copy.
    for (samples, width, colour) in [(&excerpt.reference, 6.0, REFERENCE), (&excerpt.played, 2.6, colour)] {
        let window = samples.iter().enumerate().take(end).skip(first).filter(|(_, sample)| sample.is_finite());
        let points: Vec<_> = window.map(|(index, sample)| (panel.x(ms(index)), panel.y(f64::from(*sample)))).collect();
        page.canvas.polyline(&points, width, colour);
    }
    page.frame(&panel);
    page.bottom_axis(&panel, &ticks, "");
}

/// Minutes, seconds and milliseconds since the start of the run.
fn clock_time(seconds: f64) -> String {
    let ms = (seconds * 1000.0).round().max(0.0) as u64;
    format!("{}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_to_the_millisecond() {
        assert_eq!([0.0, 61.5, 612.3456].map(clock_time), ["0:00.000", "1:01.500", "10:12.346"]);
    }

    #[test]
    fn spans_have_their_natural_unit() {
        assert_eq!([10.0, 60.0, 600.0, 3600.0].map(span_name), ["10 s", "1 min", "10 min", "1 h"]);
    }
}
