//! `audio.png`: when each receiver had crackles, and the waveform at its worst moment.

use super::axis::{Scale, span_name};
use super::canvas::{Anchor, Rect, TextStyle};
use super::drift::{finish, incident_entries};
use super::page::{CAPTION_HEIGHT, Entry, LEFT, Mark, Page, RIGHT};
use super::panel::Panel;
use super::series::{bin_width_s, bins, excerpt_window};
use super::theme::{self, Colour, LABEL_SIZE, QUIET_INK, REFERENCE};
use crate::record::{AudioExcerpt, Recording, RunTrace, TraceRow};
use crate::report::ReportError;

/// Height of an excerpt with its caption and axis if there are many.
const LEAST_HEIGHT: f64 = 180.0;

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    if trace.recordings.iter().all(|recording| recording.excerpt.is_none()) {
        let mut page = Page::new(trace, "Audio", &trace.title, 480)?;
        let panel = faults(&mut page, 130.0, 390.0, true);
        page.time_axis(&panel);
        return Ok(page);
    }
    let receivers = trace.recordings.len().max(1) as f64;
    let (top, height) = (464.0, (480.0 / receivers).max(LEAST_HEIGHT));
    let bottom = top + height * receivers;
    let mut page = Page::new(trace, "Audio", &trace.title, (bottom + 56.0) as usize)?;
    let upper = faults(&mut page, 130.0, 390.0, true);
    page.time_axis(&upper);
    excerpts(&mut page, top, height);
    Ok(page)
}

/// What a listener heard or, if the audio was not judged, the audio that the receivers report as
/// concealed.
pub(super) fn faults(page: &mut Page<'_>, top: f64, bottom: f64, with_incidents: bool) -> Panel {
    let trace = page.trace;
    let span = (bin_width_s(page.duration_s()), page.duration_s());
    let (caption, least) = if trace.listened { ("Audible faults", 4.0) } else { ("Audio made up (ms)", 1.0) };
    let bars = |(index, recording): (usize, &Recording)| {
        let (values, told) = if trace.listened { heard(recording, span) } else { made_up(recording, span) };
        let colour = theme::receiver(index);
        Bars { values, colour, entry: Entry::new(Mark::Box, colour, format!("{}: {told}", recording.receiver)) }
    };
    let bars: Vec<Bars> = trace.recordings.iter().enumerate().map(bars).collect();
    let shades = if with_incidents { incident_entries(trace) } else { Vec::new() };
    let panel = span_panel(page, (top, bottom), (caption, span.0, least), &bars, shades);
    shade_what_was_not_heard(page, &panel, span.0);
    panel
}

/// Audible faults per bin, and a text with their number and the share of the programme that was
/// heard.
fn heard(recording: &Recording, (width_s, duration_s): (f64, f64)) -> (Vec<f64>, String) {
    let values = bins(&recording.rows, width_s, duration_s, |row| f64::from(row.glitches.unwrap_or(0)));
    let total = values.iter().sum::<f64>();
    let sum = |of: fn(&TraceRow) -> Option<f64>| recording.rows.iter().filter_map(of).sum::<f64>();
    let (right, other) = (sum(|row| row.heard_ms), sum(|row| row.silent_ms) + sum(|row| row.wrong_ms));
    let share = 100.0 * right / (right + other).max(f64::MIN_POSITIVE);
    // Rounded down, so that 100 % means that all of it was heard.
    (values, format!("{total}, heard {:.1} %", libm::floor(share * 10.0) / 10.0))
}

/// Bins are shaded in which more than this share of the due programme was not heard.
const SHADED_SHARE: f64 = 0.1;

fn shade_what_was_not_heard(page: &mut Page<'_>, panel: &Panel, width_s: f64) {
    let (trace, duration_s) = (page.trace, page.duration_s());
    for (index, recording) in trace.recordings.iter().enumerate() {
        let sum = |of: fn(&TraceRow) -> Option<f64>| {
            bins(&recording.rows, width_s, duration_s, move |row| of(row).unwrap_or(0.0))
        };
        let (right, silent, wrong) = (sum(|row| row.heard_ms), sum(|row| row.silent_ms), sum(|row| row.wrong_ms));
        for (bin, right) in right.iter().enumerate() {
            let other = silent[bin] + wrong[bin];
            if other > SHADED_SHARE * (right + other) {
                let (left, right) = (panel.x(bin as f64 * width_s), panel.x((bin + 1) as f64 * width_s));
                let shade = Rect { left, right: right.min(panel.area.right), ..panel.area };
                page.canvas.fill(shade, theme::receiver(index).fade(0.3));
            }
        }
    }
}

/// Concealed audio per bin, in ms, and a text with its total. Rows may lack this value.
fn made_up(recording: &Recording, (width_s, duration_s): (f64, f64)) -> (Vec<f64>, String) {
    let concealed = |ms: f64| if ms.is_finite() { ms } else { 0.0 };
    let values = bins(&recording.rows, width_s, duration_s, |row| concealed(row.concealed_ms));
    let underruns: u64 = recording.rows.iter().map(|row| u64::from(row.underruns)).sum();
    let total = values.iter().sum::<f64>();
    (values, format!("{total:.1} ms, {underruns} underruns"))
}

/// Values per bin of time, to be drawn as bars.
pub(super) struct Bars {
    pub(super) values: Vec<f64>,
    pub(super) colour: Colour,
    pub(super) entry: Entry,
}

/// Draws bars side by side for each bin, on a scale that reaches at least `least`, with further
/// entries of the legend.
pub(super) fn span_panel(
    page: &mut Page<'_>,
    (top, bottom): (f64, f64),
    (what, width_s, least): (&str, f64, f64),
    all: &[Bars],
    shades: Vec<Entry>,
) -> Panel {
    let legend: Vec<Entry> = all.iter().map(|bars| bars.entry.clone()).chain(shades).collect();
    let most = all.iter().flat_map(|bars| &bars.values).copied().fold(least, f64::max);
    let scale = Scale::Linear { low: 0.0, high: most * 1.08 };
    let caption = format!("{what} per {}", span_name(width_s));
    let panel = page.panel(top, bottom, scale, &caption, &legend);
    for (index, bars) in all.iter().enumerate() {
        draw_bars(page, &panel, width_s, bars, (index, all.len()));
    }
    finish(page, &panel, !super::is_empty(page.trace));
    if !super::is_empty(page.trace) && all.iter().flat_map(|bars| &bars.values).all(|value| *value <= 0.0) {
        page.note(&panel, "none");
    }
    panel
}

fn draw_bars(page: &mut Page<'_>, panel: &Panel, width_s: f64, bars: &Bars, (index, of): (usize, usize)) {
    for (bin, value) in bars.values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let (from, to) = (panel.x(bin as f64 * width_s), panel.x((bin + 1) as f64 * width_s));
        let width = (to - from - 1.0) / of as f64;
        let left = (from + width * index as f64).round();
        let right = (from + width * (index + 1) as f64).round().max(left + 2.0);
        let bar = Rect { left, right, top: panel.y(*value), bottom: panel.area.bottom };
        page.canvas.fill(bar, bars.colour);
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
    // The window has one or two samples per pixel, so all of them are drawn. The line of the
    // reference is wide, so that it is visible behind a good copy.
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
}
