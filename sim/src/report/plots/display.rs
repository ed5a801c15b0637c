//! What the receivers themselves display, compared with the truth.

use super::axis::Scale;
use super::canvas::TextStyle;
use super::drift::finish;
use super::page::{Entry, Mark, Page};
use super::panel::Panel;
use super::theme::{self, Colour, INK, LABEL_SIZE};
use crate::record::{ClockState, Recording, RunTrace};

/// The scale begins at a multiple of this below the smallest value.
const STEP_PERCENT: f64 = 10.0;
/// Height of a line of text, and its distance from the panel's edges.
const LINE: f64 = 30.0;
const MARGIN: f64 = 16.0;

/// Whether any receiver has a display.
pub(super) fn is_there(trace: &RunTrace) -> bool {
    shown(trace).next().is_some()
}

/// Receivers with a display, and their indices in the scenario.
fn shown(trace: &RunTrace) -> impl Iterator<Item = (usize, &Recording)> {
    let has_display = |recording: &Recording| recording.rows.iter().any(|row| row.displayed_audio_percent.is_some());
    trace.recordings.iter().enumerate().filter(move |(_, recording)| has_display(recording))
}

/// The displayed share of audio; the other displayed values and the truth as text.
pub(super) fn draw(page: &mut Page<'_>, top: f64, bottom: f64) -> Panel {
    let trace = page.trace;
    let values = shown(trace).flat_map(|(_, recording)| &recording.rows).filter_map(|row| row.displayed_audio_percent);
    let least = values.fold(100.0, f64::min);
    // The same height is left free below, for the text.
    let low = ((2.0 * least - 100.0) / STEP_PERCENT).floor() * STEP_PERCENT;
    let scale = Scale::Linear { low: low.clamp(0.0, 100.0 - STEP_PERCENT), high: 101.0 };
    let entry =
        |(index, recording): (usize, &Recording)| Entry::new(Mark::Line, theme::receiver(index), &recording.receiver);
    let legend: Vec<Entry> = shown(trace).map(entry).collect();
    let panel = page.panel(top, bottom, scale, "What its own display shows: Audio (%)", &legend);
    for (index, recording) in shown(trace) {
        let runs = panel.columns(&recording.rows, |row| row.displayed_audio_percent);
        panel.series(&mut page.canvas, &runs, index);
    }
    finish(page, &panel, true);
    let lines: Vec<(String, Colour)> = shown(trace)
        .flat_map(|(index, recording)| [(displayed(recording), theme::receiver(index)), (truth(recording), INK)])
        .collect();
    for (line, (text, colour)) in lines.iter().enumerate() {
        let y = panel.area.bottom - MARGIN - LINE * (lines.len() - 1 - line) as f64;
        let text = page.canvas.fit(text, LABEL_SIZE, panel.area.right - panel.area.left - 2.0 * MARGIN);
        page.canvas.text(&text, (panel.area.left + MARGIN, y), TextStyle::new(LABEL_SIZE, *colour).bold());
    }
    panel
}

/// The display's lines at the end of the run.
fn displayed(recording: &Recording) -> String {
    let Some(last) = recording.rows.last() else { return String::new() };
    let flag = if last.clock_state == ClockState::Locked { "LOCKED" } else { "UNLOCKED" };
    let slave_to = recording.events.iter().rfind(|event| event.text.starts_with("Slave to: "));
    let slave_to = slave_to.map_or_else(String::new, |event| format!("{}  ", event.text));
    let audio = last.displayed_audio_percent.unwrap_or(0.0);
    let under = last.displayed_underruns.unwrap_or(0);
    format!("displayed at the end: {slave_to}[{flag}]  Audio: {audio:.1}%  Under: {under}")
}

/// The true values that the display does not show.
fn truth(recording: &Recording) -> String {
    let sum =
        |of: fn(&crate::record::TraceRow) -> u32| recording.rows.iter().map(|row| u64::from(of(row))).sum::<u64>();
    let (underruns, crackles) = (sum(|row| row.underruns), sum(|row| row.crackles.unwrap_or(0)));
    let drift = recording.rows.last().map_or(0.0, |row| row.host_rate_truth_ppm);
    format!("truth: host {drift:+.0} ppm;  {underruns} callbacks in which silence was put in;  {crackles} crackles")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{TraceEvent, TraceRow};

    fn recording() -> Recording {
        let row = TraceRow {
            clock_state: ClockState::Unlocked,
            displayed_audio_percent: Some(91.04),
            displayed_underruns: Some(0),
            host_rate_truth_ppm: 30.1,
            underruns: 20,
            crackles: Some(3),
            ..TraceRow::default()
        };
        let event = |text: &str| TraceEvent { time_s: 1.0, text: text.to_owned() };
        let events = vec![event("Slave to: PTP/01:1"), event("Slave to: PTP/02:2"), event("[UNLOCKED]")];
        Recording { rows: vec![row.clone(), row], events, ..Recording::default() }
    }

    #[test]
    fn the_words_are_those_of_the_display_and_the_counts_those_of_the_trace() {
        let recording = recording();
        assert_eq!(
            displayed(&recording),
            "displayed at the end: Slave to: PTP/02:2  [UNLOCKED]  Audio: 91.0%  Under: 0"
        );
        assert_eq!(truth(&recording), "truth: host +30 ppm;  40 callbacks in which silence was put in;  6 crackles");
    }

    #[test]
    fn a_receiver_without_display_is_left_out() {
        let plain = Recording { rows: vec![TraceRow::default()], ..Recording::default() };
        let mut trace = RunTrace { recordings: vec![plain], ..RunTrace::default() };
        assert!(!is_there(&trace));
        trace.recordings.push(recording());
        assert_eq!(shown(&trace).map(|(index, _)| index).collect::<Vec<_>>(), [1]);
    }
}
