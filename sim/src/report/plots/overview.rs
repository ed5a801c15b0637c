//! `overview.png`: the run at a glance, for someone who sees it for the first time.

use super::canvas::{Rect, TextStyle};
use super::page::{LEFT, Page, RIGHT};
use super::panel::Panel;
use super::theme::{Colour, LABEL_SIZE, OUTAGE, WEATHER};
use super::{audio, buffer, clock, display, drift};
use crate::record::RunTrace;
use crate::report::ReportError;

const HEIGHT: f64 = 1100.0;
/// Room below the panels, for the time axis.
const FOOT: f64 = 84.0;
/// What the panel of a receiver's own display adds.
const DISPLAY_HEIGHT: f64 = 230.0;
/// Height of a row of labels.
const ROW: f64 = 30.0;
/// Rows of labels before the rest of the events get a line only.
const MOST_ROWS: usize = 4;
/// Widest label.
const LABEL_WIDTH: f64 = 460.0;
/// Distance between a line and its label, and between labels.
const GAP: f64 = 7.0;

pub(super) fn draw(trace: &RunTrace) -> Result<Page<'_>, ReportError> {
    let has_display = display::is_there(trace);
    let height = HEIGHT + if has_display { DISPLAY_HEIGHT } else { 0.0 };
    let mut page = Page::new(trace, &trace.title, &trace.scenario, height as usize)?;
    let marks = marks(&page);
    let lane = ROW * marks.iter().filter_map(|mark| mark.spot).map(|(row, _)| row + 1).max().unwrap_or(0) as f64;
    let top = 126.0;
    let strips_end = top + lane + clock::strip_height(trace, 34.0);
    let strips = clock::strips(&mut page, top, strips_end, lane);
    // The panels below share what is left, with room for a caption each.
    let count = if has_display { 4.0 } else { 3.0 };
    let each = (height - FOOT - strips_end) / count;
    let bounds = |place: f64| (strips_end + each * place + 56.0, strips_end + each * (place + 1.0));
    let (error, depth) = (bounds(0.0), bounds(1.0));
    let mut panels = vec![drift::error(&mut page, error.0, error.1), buffer::depth(&mut page, depth.0, depth.1, false)];
    if has_display {
        let (top, bottom) = bounds(2.0);
        panels.push(display::draw(&mut page, top, bottom));
    }
    let (top, bottom) = bounds(count - 1.0);
    let crackles = audio::crackles(&mut page, top, bottom, false);
    panels.push(crackles);
    page.time_axis(&crackles);
    for mark in &marks {
        for panel in &panels {
            line(&mut page, panel, panel.area.top, mark);
        }
        let from = mark.spot.map_or(strips.area.top + lane, |(row, _)| strips.area.top + ROW * row as f64 + 4.0);
        line(&mut page, &strips, from, mark);
        if let Some((row, left)) = mark.spot {
            let y = strips.area.top + ROW * (row as f64 + 0.5) + 1.0;
            page.canvas.text(&mark.text, (left, y), TextStyle::new(LABEL_SIZE, mark.colour));
        }
    }
    Ok(page)
}

/// An event to be marked by a line through all panels.
struct Mark {
    x: f64,
    text: String,
    colour: Colour,
    spot: Option<(usize, f64)>,
}

/// The outages and the weather, in order of time, with places for their labels. An event at the start of an outage is the outage.
fn marks(page: &Page<'_>) -> Vec<Mark> {
    let trace = page.trace;
    let starts_outage = |time: f64| trace.outages.iter().any(|outage| (outage.from_s - time).abs() < 1.0);
    let weather = trace.weather.iter().filter(|event| !starts_outage(event.time_s));
    let mut events: Vec<(f64, String, Colour)> =
        weather.map(|event| (event.time_s, event.text.clone(), WEATHER)).collect();
    events.extend(trace.outages.iter().map(|outage| {
        let text = format!("grandmaster lost for {}", audio::span_name(outage.to_s - outage.from_s));
        (outage.from_s, text, OUTAGE)
    }));
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let axis = Panel::time(LEFT, RIGHT, page.duration_s());
    let mut marks: Vec<Mark> = events
        .into_iter()
        .map(|(time_s, text, colour)| Mark {
            x: axis.x(time_s),
            text: page.canvas.fit(&text, LABEL_SIZE, LABEL_WIDTH),
            colour,
            spot: None,
        })
        .collect();
    let sizes: Vec<_> = marks.iter().map(|mark| (mark.x, page.canvas.text_width(&mark.text, LABEL_SIZE))).collect();
    for (mark, spot) in marks.iter_mut().zip(place(&sizes, RIGHT)) {
        mark.spot = spot;
    }
    marks
}

/// Row and left edge for each label; `labels` are (line, width) from left to right. A label stands at the right of its line, or at the
/// left where it would leave the picture. Lines run down, so a label may only take a row when its line finds all rows
/// below free; a label that finds no such row is left out.
fn place(labels: &[(f64, f64)], right: f64) -> Vec<Option<(usize, f64)>> {
    let mut ends = [f64::NEG_INFINITY; MOST_ROWS];
    labels
        .iter()
        .map(|&(x, width)| {
            let left = if x + GAP + width <= right { x + GAP } else { x - GAP - width };
            let free = |row: &usize| ends[*row..].iter().all(|end| *end + GAP <= left.min(x));
            let row = (0..MOST_ROWS).find(free)?;
            ends[row] = x.max(left + width);
            Some((row, left))
        })
        .collect()
}

fn line(page: &mut Page<'_>, panel: &Panel, top: f64, mark: &Mark) {
    let left = mark.x.round();
    page.canvas.fill(Rect { left, right: left + 2.0, top, bottom: panel.area.bottom }, mark.colour.fade(0.55));
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

    #[test]
    fn a_crowd_keeps_its_lines_and_loses_labels() {
        let crowd = [(10.0, 300.0); 6];
        assert_eq!(place(&crowd, 1000.0).into_iter().flatten().count(), MOST_ROWS);
    }
}
