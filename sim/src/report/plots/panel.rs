//! The contents of a panel: lines, bands, true values, marks of clipped values, lock strips.

use super::axis::Scale;
use super::canvas::{Anchor, Canvas, Point, Rect, TextStyle};
use super::series::{Column, decimate, state_spans};
use super::theme::{self, Colour, INK, LABEL_SIZE};
use crate::record::{Recording, TraceRow};

/// A rectangle of the page with its two axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub(super) area: Rect,
    across: (f64, f64),
    pub(super) scale: Scale,
}

impl Panel {
    /// `across` is the range of the horizontal axis and must not be empty.
    pub(super) fn new(area: Rect, across: (f64, f64), scale: Scale) -> Self {
        Self { area, across, scale }
    }

    /// A time axis without values, for converting times to pixels.
    pub(super) fn time(left: f64, right: f64, duration_s: f64) -> Self {
        let area = Rect { left, top: 0.0, right, bottom: 1.0 };
        Self::new(area, (0.0, duration_s), Scale::Linear { low: 0.0, high: 1.0 })
    }

    /// The panel without its upper part of this height.
    pub(super) fn below(self, height: f64) -> Self {
        Self { area: Rect { top: self.area.top + height, ..self.area }, ..self }
    }

    /// Pixel of a place on the horizontal axis, kept inside the panel.
    pub(super) fn x(&self, value: f64) -> f64 {
        let share = (value - self.across.0) / (self.across.1 - self.across.0);
        self.area.left + share.clamp(0.0, 1.0) * (self.area.right - self.area.left)
    }

    /// Pixel of a value, kept inside the panel.
    pub(super) fn y(&self, value: f64) -> f64 {
        self.area.bottom - self.scale.unit(value).clamp(0.0, 1.0) * (self.area.bottom - self.area.top)
    }

    /// One value of all rows as runs of pixel columns.
    pub(super) fn columns(&self, rows: &[TraceRow], value: impl Fn(&TraceRow) -> Option<f64>) -> Vec<Vec<Column>> {
        decimate(rows.iter().map(|row| (self.x(row.time_s), value(row))))
    }

    /// A series: its mean as a line and, where a pixel holds many rows, their extremes as a
    /// translucent band. Values beyond the scale get a small triangle at the edge.
    pub(super) fn series(&self, canvas: &mut Canvas, runs: &[Vec<Column>], receiver: usize) {
        self.series_in(canvas, runs, theme::receiver(receiver), theme::stroke(receiver));
    }

    /// A series in any colour and width.
    pub(super) fn series_in(&self, canvas: &mut Canvas, runs: &[Vec<Column>], colour: Colour, width: f64) {
        for run in runs {
            let extremes: Vec<_> = run.iter().map(|column| (column.x, column.low, column.high)).collect();
            if run.iter().any(|column| column.high > column.low) {
                self.band(canvas, &extremes, colour.fade(0.28));
            }
            let line = self.points(run);
            if let [only] = line[..] {
                canvas.line(only, only, 4.0, colour);
            }
            canvas.polyline(&line, width, colour);
        }
        self.clip_marks(canvas, runs, colour);
    }

    /// True values as a thin, dark, dashed line, which stays visible on top of the estimates.
    pub(super) fn truth(&self, canvas: &mut Canvas, runs: &[Vec<Column>]) {
        for run in runs {
            canvas.dashed(&self.points(run), 1.8, INK);
        }
    }

    /// The area between two values, point by point; `points` are pixel, low and high.
    pub(super) fn band(&self, canvas: &mut Canvas, points: &[(f64, f64, f64)], colour: Colour) {
        let mut painted = self.area.left - 1.0;
        for pair in points.windows(2) {
            let ((x0, low0, high0), (x1, low1, high1)) = (pair[0], pair[1]);
            let mut x = x0.floor().max(painted + 1.0);
            while x <= x1 && x < self.area.right {
                let share = ((x - x0) / (x1 - x0).max(1e-9)).clamp(0.0, 1.0);
                let top = self.y(high0 + (high1 - high0) * share);
                let bottom = self.y(low0 + (low1 - low0) * share);
                canvas.fill_column(x, top, bottom, colour);
                painted = x;
                x += 1.0;
            }
        }
    }

    /// A horizontal band across the whole panel.
    pub(super) fn goal(&self, canvas: &mut Canvas, low: f64, high: f64, colour: Colour) {
        canvas.fill(Rect { top: self.y(high), bottom: self.y(low), ..self.area }, colour);
    }

    /// A horizontal line across the whole panel.
    pub(super) fn level(&self, canvas: &mut Canvas, value: f64, colour: Colour) {
        let y = self.y(value).round();
        canvas.fill(Rect { top: y - 1.0, bottom: y + 1.0, ..self.area }, colour);
    }

    /// Coloured bars of the lock states of one receiver between two heights. The worst states are
    /// drawn last and at least one pixel wide: one second of a day without lock must not disappear.
    ///
    /// Black bars are the receiver's changes of grandmaster; the names of states do not overlap
    /// them.
    pub(super) fn strip(&self, canvas: &mut Canvas, recording: &Recording, top: f64, bottom: f64) {
        let spans = state_spans(&recording.rows);
        for state in theme::STATES {
            for span in spans.iter().filter(|span| span.state == state) {
                let left = self.x(span.from_s).min(self.area.right - 1.0);
                let right = self.x(span.to_s).max(left + 1.0);
                canvas.fill(Rect { left, top, right, bottom }, theme::state(state));
            }
        }
        let changes: Vec<f64> =
            recording.grandmasters.iter().skip(1).map(|change| self.x(change.time_s).round()).collect();
        for x in &changes {
            canvas.fill(Rect { left: x - 2.0, top, right: x + 2.0, bottom }, INK);
        }
        for span in spans {
            let (left, right) = (self.x(span.from_s), self.x(span.to_s));
            let (name, middle) = (theme::state_name(span.state), (left + right) / 2.0);
            let width = canvas.text_width(name, LABEL_SIZE);
            let is_crossed = changes.iter().any(|x| (x - middle).abs() < width / 2.0 + 6.0);
            if width + 24.0 < right - left && !is_crossed {
                let style = TextStyle::new(LABEL_SIZE, theme::on_state(span.state)).anchored(Anchor::Middle);
                canvas.text(name, (middle, (top + bottom) / 2.0), style);
            }
        }
    }

    fn points(&self, run: &[Column]) -> Vec<Point> {
        run.iter().map(|column| (column.x, self.y(column.mean))).collect()
    }

    /// Triangles at the edges where values leave the scale.
    pub(super) fn clip_marks(&self, canvas: &mut Canvas, runs: &[Vec<Column>], colour: Colour) {
        const APART: f64 = 16.0;
        let (mut last_up, mut last_down) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        for column in runs.iter().flatten() {
            if self.scale.unit(column.high) > 1.0 && column.x >= last_up + APART {
                canvas.triangle((column.x, self.area.top + 2.0), 11.0, true, colour);
                last_up = column.x;
            }
            if self.scale.unit(column.low) < 0.0 && column.x >= last_down + APART {
                canvas.triangle((column.x, self.area.bottom - 2.0), 11.0, false, colour);
                last_down = column.x;
            }
        }
    }
}
