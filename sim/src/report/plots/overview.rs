//! `overview.png`: the run at a glance, for someone who sees it for the first time.

use super::axis::span_name;
use super::canvas::{Rect, TextStyle};
use super::clock::Knowledge;
use super::page::{LEFT, Page, RIGHT, has_own_legend};
use super::panel::Panel;
use super::series::bands;
use super::theme::{Colour, LABEL_SIZE, OUTAGE, WEATHER};
use super::{audio, buffer, clock, display, drift, subject};
use crate::record::{Incident, Occurrence, RunTrace};
use crate::report::ReportError;

/// Top of the strips, below the heading and the strips' own caption.
const STRIPS_TOP: f64 = 126.0;
/// As [`STRIPS_TOP`], if the legend of the receivers is in between.
const STRIPS_TOP_OF_MANY: f64 = 142.0;
/// Height of a strip.
const STRIP_HEIGHT: f64 = 34.0;
/// Height of a panel with its caption.
const PANEL_HEIGHT: f64 = 240.0;
/// Room above a panel for its caption.
const CAPTION_ROOM: f64 = 56.0;
/// Height of the time axis at the bottom.
const AXIS_HEIGHT: f64 = 84.0;
/// Height of a row of labels.
const ROW: f64 = 30.0;
/// Maximum number of rows of labels; further events get a line only.
const MOST_ROWS: usize = 7;
/// Width of the lines.
const LINE_WIDTH: f64 = 2.0;
/// Widest label.
const LABEL_WIDTH: f64 = 460.0;
/// Distance between a line and its label, and between labels.
const GAP: f64 = 7.0;
/// A band narrower than this needs no line at its end.
const NARROW: f64 = 6.0;

/// A panel of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    ClockError,
    ClockClaim,
    HostRate,
    SenderError,
    LegLosses,
    LegSkew,
    ReceiverSkew,
    RatioError,
    Ratio,
    Depth,
    Display,
    Faults,
}

/// The panels: first the subjects of the scenario, then how the receivers played.
fn contents(trace: &RunTrace) -> Vec<Content> {
    let (about, plays) = (trace.subjects, trace.target_depth_ms.is_some());
    let (knowledge, is_truth_known) = (clock::knowledge(trace), drift::is_truth_known(trace));
    let all = [
        (Content::ClockError, about.clock && knowledge == Knowledge::Error),
        (Content::ClockClaim, about.clock && knowledge == Knowledge::Claim),
        (Content::HostRate, !plays),
        (Content::SenderError, about.sender && plays),
        (Content::LegLosses, about.legs && plays),
        (Content::LegSkew, about.legs && plays),
        (Content::ReceiverSkew, about.skew && plays),
        (Content::RatioError, plays && is_truth_known),
        (Content::Ratio, plays && !is_truth_known),
        (Content::Depth, plays),
        (Content::Display, plays && display::is_there(trace)),
        (Content::Faults, plays),
    ];
    all.into_iter().filter_map(|(content, is_shown)| is_shown.then_some(content)).collect()
}

fn draw_content(page: &mut Page<'_>, content: Content, top: f64, bottom: f64) -> Panel {
    match content {
        Content::ClockError => clock::estimate(page, top, bottom),
        Content::ClockClaim => clock::claimed(page, top, bottom),
        Content::HostRate => clock::host_rate(page, top, bottom),
        Content::SenderError => subject::sender_error(page, top, bottom),
        Content::LegLosses => subject::leg_losses(page, top, bottom),
        Content::LegSkew => subject::leg_skew(page, top, bottom),
        Content::ReceiverSkew => subject::receiver_skew(page, top, bottom),
        Content::RatioError => drift::error(page, top, bottom),
        Content::Ratio => drift::ratio(page, top, bottom),
        Content::Depth => buffer::depth(page, top, bottom, false),
        Content::Display => display::draw(page, top, bottom),
        Content::Faults => audio::faults(page, top, bottom, false),
    }
}

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    // The labels are measured first, because the height of the page depends on them.
    let marks = marks(&Page::new(trace, "", "", 1)?);
    let lane = ROW * marks.iter().filter_map(|mark| mark.spot).map(|(row, _)| row + 1).max().unwrap_or(0) as f64;
    let top = if has_own_legend(trace) { STRIPS_TOP_OF_MANY } else { STRIPS_TOP };
    let strips_end = top + lane + clock::strip_height(trace, STRIP_HEIGHT);
    let contents = contents(trace);
    let height = strips_end + PANEL_HEIGHT * contents.len() as f64 + AXIS_HEIGHT;
    let mut page = Page::new(trace, &trace.title, &trace.scenario, height as usize)?;
    let strips = clock::strips(&mut page, top, strips_end, lane);
    let mut panels = Vec::new();
    for (place, content) in contents.into_iter().enumerate() {
        let begin = strips_end + PANEL_HEIGHT * place as f64;
        panels.push(draw_content(&mut page, content, begin + CAPTION_ROOM, begin + PANEL_HEIGHT));
    }
    if let Some(last) = panels.last() {
        page.time_axis(last);
    }
    for mark in &marks {
        for panel in &panels {
            lines(&mut page, panel, (panel.area.top, panel.area.top), mark);
        }
        let from = mark.spot.map_or(strips.area.top + lane, |(row, _)| strips.area.top + ROW * row as f64 + 4.0);
        // No line ends in the lane, where it would cross its own label.
        lines(&mut page, &strips, (from, strips.area.top + lane), mark);
        if let Some((row, left)) = mark.spot {
            let y = strips.area.top + ROW * (row as f64 + 0.5) + 1.0;
            page.canvas.text(&mark.text, (left, y), TextStyle::new(LABEL_SIZE, mark.colour));
        }
    }
    Ok(page)
}

/// A fault that is marked by lines through all panels where it first begins and where it ends.
struct Mark {
    x: f64,
    ends: Vec<f64>,
    text: String,
    colour: Colour,
    spot: Option<(usize, f64)>,
}

/// The faults of the run in order of time, with the positions of their labels.
fn marks(page: &Page<'_>) -> Vec<Mark> {
    let trace = page.trace;
    let axis = Panel::time(LEFT, RIGHT, page.duration_s());
    let mark = |incident: &Incident| {
        let first = incident.times.first()?;
        let bands = bands(&incident.times, |time_s| axis.x(time_s));
        let ends = bands.into_iter().filter(|(left, right)| right - left >= NARROW && *right < RIGHT - 1.0);
        Some(Mark {
            x: axis.x(first.from_s),
            ends: ends.map(|(_, right)| right).collect(),
            text: page.canvas.fit(&label(incident, page.duration_s()), LABEL_SIZE, LABEL_WIDTH),
            colour: if incident.silences_master { OUTAGE } else { WEATHER },
            spot: None,
        })
    };
    let mut marks: Vec<Mark> = trace.incidents.iter().filter_map(mark).collect();
    let sizes: Vec<_> = marks.iter().map(|mark| (mark.x, page.canvas.text_width(&mark.text, LABEL_SIZE))).collect();
    for (mark, spot) in marks.iter_mut().zip(place(&sizes, RIGHT)) {
        mark.spot = spot;
    }
    marks
}

/// Text of a label: what happened, for how long, and how often.
fn label(incident: &Incident, duration_s: f64) -> String {
    let mut text = incident.text.clone();
    match incident.times[..] {
        [Occurrence { to_s: Some(to_s), .. }, ..] if to_s >= duration_s => text += " to the end",
        [Occurrence { from_s, to_s: Some(to_s) }, ..] => text += &format!(" for {}", span_name(to_s - from_s)),
        _ => {}
    }
    if let [first, second, ..] = incident.times[..] {
        text += &format!(", every {}", span_name(second.from_s - first.from_s));
    }
    text
}

/// Row and left edge for each label; `labels` are (line, width) from left to right. A label stands
/// at the right of its line, or at the left where it would leave the picture. Lines run downwards,
/// so a label may take a row only if its line does not cross labels in the rows below, and no line
/// crosses the label. A label without such a row is omitted.
fn place(labels: &[(f64, f64)], right: f64) -> Vec<Option<(usize, f64)>> {
    let mut ends = [f64::NEG_INFINITY; MOST_ROWS];
    // Lines, and the rows in which they begin.
    let mut lines: Vec<(f64, usize)> = Vec::new();
    let mut spots = Vec::new();
    for &(x, width) in labels {
        let spot = (0..MOST_ROWS).find_map(|row| {
            let through = || lines.iter().filter(|(_, from)| *from <= row).map(|(line, _)| *line);
            let left = if x + GAP + width <= right { x + GAP } else { left_of(x, width, through()) };
            let text = left - LINE_WIDTH..left + width + LINE_WIDTH;
            let is_free =
                ends[row..].iter().all(|end| *end + GAP <= left.min(x)) && !through().any(|line| text.contains(&line));
            is_free.then_some((row, left))
        });
        if let Some((row, left)) = spot {
            ends[row] = x.max(left + width);
            lines.push((x, row));
        }
        spots.push(spot);
    }
    spots
}

/// Left edge of a label at the left of its line: nearer to it where another line would just touch
/// the text.
fn left_of(x: f64, width: f64, lines: impl Iterator<Item = f64>) -> f64 {
    let usual = x - GAP - width;
    let nearest = lines.filter(|line| *line < x).fold(f64::NEG_INFINITY, f64::max);
    let near = usual.max(nearest + LINE_WIDTH + 1.0);
    if near + width < x { near } else { usual }
}

/// Draws a line where the fault begins, from the first height down, and a lighter one where it
/// ends, from the second.
fn lines(page: &mut Page<'_>, panel: &Panel, (begin_top, end_top): (f64, f64), mark: &Mark) {
    let ends = mark.ends.iter().map(|end| (end - 1.0, end_top, 0.28));
    for (x, top, strength) in [(mark.x, begin_top, 0.55)].into_iter().chain(ends) {
        let left = x.round();
        page.canvas
            .fill(Rect { left, right: left + LINE_WIDTH, top, bottom: panel.area.bottom }, mark.colour.fade(strength));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_take_lower_rows_when_they_would_overlap() {
        let labels = [(100.0, 200.0), (150.0, 100.0), (320.0, 50.0), (900.0, 300.0), (905.0, 300.0)];
        assert_eq!(
            place(&labels, 1000.0),
            [
                Some((0, 107.0)),
                Some((1, 157.0)),
                Some((0, 327.0)),
                Some((0, 593.0)),
                // Its label would have to cross its neighbour's, at the left of the line.
                Some((1, 598.0)),
            ]
        );
    }

    fn incident(times: &[(f64, Option<f64>)]) -> Incident {
        let times = times.iter().map(|&(from_s, to_s)| Occurrence { from_s, to_s }).collect();
        Incident { text: "leg A lost".into(), silences_master: false, times }
    }

    #[test]
    fn a_label_tells_length_and_repetition() {
        let told = |times: &[(f64, Option<f64>)]| label(&incident(times), 900.0);
        assert_eq!(told(&[(5.0, None)]), "leg A lost");
        assert_eq!(told(&[(600.0, Some(700.0))]), "leg A lost for 100 s");
        assert_eq!(told(&[(600.0, Some(900.0))]), "leg A lost to the end");
        assert_eq!(told(&[(5.0, Some(5.015)), (10.0, Some(10.015))]), "leg A lost for 15 ms, every 5 s");
    }

    /// A line where each fault begins and, where that can be told apart, where it ends.
    #[test]
    fn a_fault_has_a_beginning_and_an_end() {
        let incidents =
            vec![incident(&[(100.0, Some(200.0))]), incident(&[(300.0, None)]), incident(&[(400.0, Some(400.01))])];
        let trace = RunTrace { incidents, duration_s: 1420.0, ..RunTrace::default() };
        let page = Page::new(&trace, "", "", 400).unwrap();
        let lines: Vec<_> = marks(&page).into_iter().map(|mark| (mark.x, mark.ends)).collect();
        assert_eq!(lines, [(240.0, vec![340.0]), (440.0, vec![]), (540.0, vec![])]);
    }

    #[test]
    fn panels_are_of_what_the_scenario_is_about() {
        use crate::record::{Recording, Subjects, TraceRow};
        use Content::*;
        let trace = |subjects, target_depth_ms, row| {
            let recordings = vec![Recording { rows: vec![row], ..Recording::default() }];
            RunTrace { subjects, target_depth_ms, recordings, ..RunTrace::default() }
        };
        let known = TraceRow { clock_error_us: Some(1.0), ..TraceRow::default() };
        let shown = |subjects, depth| contents(&trace(subjects, depth, known.clone()));
        let none = Subjects::default();
        assert_eq!(shown(none, Some(20.0)), [RatioError, Depth, Faults]);
        let about = Subjects { clock: true, sender: true, ..none };
        assert_eq!(shown(about, Some(20.0)), [ClockError, SenderError, RatioError, Depth, Faults]);
        let about = Subjects { legs: true, skew: true, ..none };
        assert_eq!(shown(about, Some(20.0)), [LegLosses, LegSkew, ReceiverSkew, RatioError, Depth, Faults]);
        assert_eq!(shown(Subjects { clock: true, ..none }, None), [ClockError, HostRate]);
        let field = TraceRow { clock_sigma_us: Some(1.0), ratio_truth_ppm: f64::NAN, ..TraceRow::default() };
        let about = Subjects { clock: true, ..none };
        assert_eq!(contents(&trace(about, Some(20.0), field)), [ClockClaim, Ratio, Depth, Faults]);
    }

    #[test]
    fn no_line_runs_through_a_label() {
        // The second label, at the left of its line, would touch the first line: it moves nearer to
        // its own.
        assert_eq!(place(&[(790.0, 150.0), (900.0, 105.0)], 1000.0), [Some((0, 797.0)), Some((1, 793.0))]);
        // It cannot, and would have to be crossed.
        assert_eq!(place(&[(840.0, 150.0), (900.0, 105.0)], 1000.0), [Some((0, 847.0)), None]);
    }

    #[test]
    fn a_crowd_keeps_its_lines_and_loses_labels() {
        let crowd = [(10.0, 300.0); 9];
        assert_eq!(place(&crowd, 1000.0).into_iter().flatten().count(), MOST_ROWS);
    }
}
