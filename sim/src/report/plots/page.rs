//! A page with a heading and panels below each other that share one time axis.

use std::path::Path;

use super::axis::{self, Scale, Tick};
use super::canvas::{Anchor, Canvas, Rect, TextStyle};
use super::panel::Panel;
use super::series::bands;
use super::theme::{
    self, CAPTION_SIZE, Colour, FRAME, GRID, HEADING_SIZE, INK, LABEL_SIZE, MINOR_GRID, PAPER, QUIET_INK,
};
use crate::record::RunTrace;
use crate::report::ReportError;

/// Width of all pictures in pixels.
pub(super) const WIDTH: usize = 1600;
/// Left edge of all panels: room for tick labels and receiver names.
pub(super) const LEFT: f64 = 140.0;
/// Right edge of all panels.
pub(super) const RIGHT: f64 = 1560.0;
/// Room that a panel needs above itself for its caption and legend.
pub(super) const CAPTION_HEIGHT: f64 = 46.0;

/// A caption that is wider than this is shortened if the legend needs the room.
const WIDEST_CAPTION: f64 = 520.0;

/// How an entry of a legend is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Line,
    Dashes,
    Box,
    Triangle,
    Bar,
}

/// One entry of a legend.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) mark: Mark,
    pub(super) colour: Colour,
    pub(super) text: String,
}

impl Entry {
    pub(super) fn new(mark: Mark, colour: Colour, text: impl Into<String>) -> Self {
        Self { mark, colour, text: text.into() }
    }
}

/// If there are more receivers than this, their legend is in a row below the heading, where there
/// is room for their names.
const MOST_IN_PANEL: usize = 3;

/// The receivers' part of a panel's legend, drawn as lines.
pub(super) fn receivers(trace: &RunTrace) -> Vec<Entry> {
    if has_own_legend(trace) { Vec::new() } else { all_receivers(trace) }
}

/// Whether the receivers have their legend in a row below the heading.
pub(super) fn has_own_legend(trace: &RunTrace) -> bool {
    trace.recordings.len() > MOST_IN_PANEL
}

fn all_receivers(trace: &RunTrace) -> Vec<Entry> {
    let names = trace.recordings.iter().enumerate();
    names.map(|(index, recording)| Entry::new(Mark::Line, theme::receiver(index), &recording.receiver)).collect()
}

/// A picture of one run.
pub(super) struct Page<'a> {
    pub(super) canvas: Canvas,
    pub(super) trace: &'a RunTrace,
    duration_s: f64,
}

impl<'a> Page<'a> {
    /// An empty page, with `heading` at the top left and the scenario at the top right.
    pub(super) fn new(trace: &'a RunTrace, heading: &str, aside: &str, height: usize) -> Result<Self, ReportError> {
        let mut canvas = Canvas::new(WIDTH, height)?;
        let style = TextStyle::new(HEADING_SIZE, INK).bold();
        let aside_size = CAPTION_SIZE;
        let aside = canvas.fit(aside, aside_size, 620.0);
        let room = RIGHT - 40.0 - canvas.text_width(&aside, aside_size) - 40.0;
        let heading = canvas.fit(heading, HEADING_SIZE, room);
        canvas.text(&heading, (40.0, 42.0), style);
        canvas.text(&aside, (RIGHT, 44.0), TextStyle::new(aside_size, QUIET_INK).anchored(Anchor::End));
        let mut page = Self { canvas, trace, duration_s: duration_s(trace) };
        if has_own_legend(trace) {
            page.legend(78.0, &all_receivers(trace), RIGHT - LEFT);
        }
        Ok(page)
    }

    /// Length of the time axis: that of the run, or the time of the last row if it is later; never
    /// zero.
    pub(super) fn duration_s(&self) -> f64 {
        self.duration_s
    }

    /// A panel between these heights on the run's time axis, with a caption above, a grid, and
    /// shaded faults.
    pub(super) fn panel(&mut self, top: f64, bottom: f64, scale: Scale, caption: &str, legend: &[Entry]) -> Panel {
        let panel = self.bare_panel(top, bottom, scale, caption, legend);
        let ticks = axis::time_ticks(self.duration_s, 16);
        self.grid(&panel, &ticks);
        self.incidents(&panel);
        panel
    }

    /// A panel without values, for strips below a lane for labels, which is not shaded.
    pub(super) fn strip_panel(
        &mut self,
        (top, bottom): (f64, f64),
        lane: f64,
        caption: &str,
        legend: &[Entry],
    ) -> Panel {
        let scale = Scale::Linear { low: 0.0, high: 1.0 };
        let panel = self.bare_panel(top, bottom, scale, caption, legend);
        self.incidents(&panel.below(lane));
        panel
    }

    /// A panel with a horizontal axis of its own.
    pub(super) fn free_panel(
        &mut self,
        area: Rect,
        across: (f64, f64),
        scale: Scale,
        caption: &str,
        legend: &[Entry],
    ) -> Panel {
        let caption_width = self.canvas.text_width(caption, CAPTION_SIZE).min(WIDEST_CAPTION) + 40.0;
        let legend_left = self.legend(area.top - CAPTION_HEIGHT / 2.0 + 2.0, legend, RIGHT - LEFT - caption_width);
        self.caption(area.top, caption, legend_left);
        Panel::new(area, across, scale)
    }

    fn bare_panel(&mut self, top: f64, bottom: f64, scale: Scale, caption: &str, legend: &[Entry]) -> Panel {
        let area = Rect { left: LEFT, top, right: RIGHT, bottom };
        self.free_panel(area, (0.0, self.duration_s), scale, caption, legend)
    }

    /// The caption of a panel that starts at `top`, shortened where it would reach `right`.
    fn caption(&mut self, top: f64, caption: &str, right: f64) {
        let caption = self.canvas.fit(caption, CAPTION_SIZE, right - LEFT - 30.0);
        self.canvas.text(&caption, (LEFT, top - CAPTION_HEIGHT / 2.0 + 2.0), TextStyle::new(CAPTION_SIZE, INK).bold());
    }

    /// Grid, value labels and tick marks of a panel.
    pub(super) fn grid(&mut self, panel: &Panel, across: &[Tick]) {
        let area = panel.area;
        for value in panel.scale.minor() {
            let y = panel.y(value).round();
            self.canvas.fill(Rect { top: y, bottom: y + 1.0, ..area }, MINOR_GRID);
        }
        for tick in across {
            let x = panel.x(tick.value).round();
            self.canvas.fill(Rect { left: x, right: x + 1.0, ..area }, GRID);
        }
        let count = ((area.bottom - area.top) / 40.0).floor().max(2.0) as usize;
        for tick in panel.scale.ticks(count) {
            let y = panel.y(tick.value).round();
            self.canvas.fill(Rect { top: y, bottom: y + 1.0, ..area }, GRID);
            let style = TextStyle::new(LABEL_SIZE, INK).anchored(Anchor::End);
            self.canvas.text(&tick.label, (area.left - 12.0, y), style);
        }
    }

    /// Draws the panel's frame, on top of everything that touches its edges.
    pub(super) fn frame(&mut self, panel: &Panel) {
        let Rect { left, top, right, bottom } = panel.area;
        self.canvas.fill(Rect { left, top: top - 1.0, right, bottom: top }, GRID);
        self.canvas.fill(Rect { left: right, top: top - 1.0, right: right + 1.0, bottom }, GRID);
        self.canvas.fill(Rect { left: left - 2.0, top, right: left, bottom: bottom + 2.0 }, FRAME);
        self.canvas.fill(Rect { left: left - 2.0, top: bottom, right, bottom: bottom + 2.0 }, FRAME);
    }

    /// Labels of the time axis below a panel, and its name.
    pub(super) fn time_axis(&mut self, panel: &Panel) {
        let ticks = axis::time_ticks(self.duration_s, 16);
        let name = format!("time since start ({})", axis::time_unit(self.duration_s));
        self.bottom_axis(panel, &ticks, &name);
    }

    /// Labels of any horizontal axis below a panel, and its name.
    pub(super) fn bottom_axis(&mut self, panel: &Panel, ticks: &[Tick], name: &str) {
        let bottom = panel.area.bottom;
        for tick in ticks {
            let x = panel.x(tick.value);
            self.canvas.fill(Rect { left: x - 1.0, top: bottom, right: x + 1.0, bottom: bottom + 8.0 }, FRAME);
            let style = TextStyle::new(LABEL_SIZE, INK).anchored(Anchor::Middle);
            self.canvas.text(&tick.label, (x, bottom + 24.0), style);
        }
        let style = TextStyle::new(LABEL_SIZE, QUIET_INK).anchored(Anchor::Middle);
        self.canvas.text(name, ((panel.area.left + panel.area.right) / 2.0, bottom + 54.0), style);
    }

    /// Shades the times of all faults that last and end.
    fn incidents(&mut self, panel: &Panel) {
        for incident in &self.trace.incidents {
            let colour = theme::incident(incident);
            for (left, right) in bands(&incident.times, |time_s| panel.x(time_s)) {
                self.canvas.fill(Rect { left, right, ..panel.area }, colour);
            }
        }
    }

    /// A row of entries that ends at the right edge; returns where it starts. If they do not fit
    /// into `room`, smaller letters are used, and if necessary the longest entries are shortened.
    pub(super) fn legend(&mut self, y: f64, entries: &[Entry], room: f64) -> f64 {
        const SWATCH: f64 = 34.0;
        const SMALL: f32 = 19.0;
        let around = SWATCH + 8.0 + 24.0;
        let widths = |size: f32| entries.iter().map(|entry| self.canvas.text_width(&entry.text, size)).collect();
        let room = room - around * entries.len() as f64;
        let natural: Vec<f64> = widths(LABEL_SIZE);
        let size = if natural.iter().sum::<f64>() <= room { LABEL_SIZE } else { SMALL };
        let most = fair_share(widths(size), room);
        let mut right = RIGHT;
        for entry in entries.iter().rev() {
            let text = self.canvas.fit(&entry.text, size, most + 0.01);
            right -= self.canvas.text_width(&text, size);
            self.canvas.text(&text, (right, y), TextStyle::new(size, INK));
            self.swatch(entry, right - SWATCH - 8.0, y, SWATCH);
            right -= around;
        }
        right + around - SWATCH - 8.0
    }

    fn swatch(&mut self, entry: &Entry, left: f64, y: f64, width: f64) {
        let right = left + width;
        match entry.mark {
            Mark::Line => self.canvas.line((left + 2.0, y), (right - 2.0, y), 5.0, entry.colour),
            Mark::Dashes => self.canvas.dashed(&[(left, y), (right, y)], 2.5, entry.colour),
            Mark::Bar => {
                let middle = ((left + right) / 2.0).round();
                let bar = Rect { left: middle - 2.0, top: y - 11.0, right: middle + 2.0, bottom: y + 11.0 };
                self.canvas.fill(bar, entry.colour);
            }
            Mark::Box => self.canvas.fill(Rect { left, top: y - 9.0, right, bottom: y + 9.0 }, entry.colour),
            Mark::Triangle => self.canvas.triangle((left + width - 10.0, y - 7.0), 14.0, true, entry.colour),
        }
    }

    /// Writes a note into a panel without data: in its middle, or where no fault begins or ends.
    pub(super) fn note(&mut self, panel: &Panel, text: &str) {
        let Rect { left, right, top, bottom } = panel.area;
        let half = self.canvas.text_width(text, CAPTION_SIZE) / 2.0 + 14.0;
        let times = || self.trace.incidents.iter().flat_map(|incident| &incident.times);
        let edges = || times().flat_map(|time| [Some(time.from_s), time.to_s]).flatten().map(|time_s| panel.x(time_s));
        let shares = (0..18).map(|step| 0.025 * f64::from(step)).flat_map(|off| [0.5 - off, 0.5 + off]);
        let mut across = shares.map(|share| left + share * (right - left));
        let is_clear = |middle: &f64| edges().all(|edge| (edge - middle).abs() > half);
        let at = (across.find(is_clear).unwrap_or((left + right) / 2.0), (top + bottom) / 2.0);
        let back = Rect { left: at.0 - half, top: at.1 - 18.0, right: at.0 + half, bottom: at.1 + 18.0 };
        self.canvas.fill(back, PAPER.fade(0.8));
        self.canvas.text(text, at, TextStyle::new(CAPTION_SIZE, QUIET_INK).anchored(Anchor::Middle));
    }

    pub(super) fn save(&self, dir: &Path, name: &str) -> Result<(), ReportError> {
        self.canvas.save(&dir.join(name))
    }
}

/// The width to which the widest entries must be cut so that all of them fit together.
fn fair_share(mut widths: Vec<f64>, room: f64) -> f64 {
    widths.sort_by(f64::total_cmp);
    let (mut left, mut waiting) = (room, widths.len() as f64);
    for width in &widths {
        if *width > left / waiting {
            return left / waiting;
        }
        left -= width;
        waiting -= 1.0;
    }
    widths.last().copied().unwrap_or(room)
}

fn duration_s(trace: &RunTrace) -> f64 {
    let last = trace.recordings.iter().filter_map(|recording| recording.rows.last()).map(|row| row.time_s);
    let longest = last.filter(|time| time.is_finite()).fold(trace.duration_s, f64::max);
    if longest.is_finite() && longest > 0.0 { longest } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_widest_entries_are_cut() {
        let shares = [fair_share(vec![50.0, 90.0, 20.0], 160.0), fair_share(vec![50.0, 90.0, 20.0], 130.0)];
        assert_eq!(shares.map(|share| share.round() as i32), [90, 60]);
        assert_eq!(fair_share(Vec::new(), 10.0).round() as i32, 10);
    }
}
