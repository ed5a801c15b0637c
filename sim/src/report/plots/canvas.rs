//! An anti-aliased painter on an RGB buffer.
//!
//! Coordinates are pixels with the origin at the top left; a shape's coverage of a pixel is
//! estimated from the distance of the pixel's centre to the shape's edge. Lines and text are
//! painted here and not by the crate plotters, because its thick lines are not anti-aliased and
//! have spikes at their joints, and its glyphs lose their side bearings. plotters only encodes the
//! finished picture.

use std::path::Path;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use plotters::prelude::{BitMapBackend, DrawingBackend};

use super::theme::{Colour, PAPER};
use crate::report::ReportError;

/// A point in pixels.
pub(super) type Point = (f64, f64);

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// The point of a text that its position refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The appearance of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextStyle {
    pub(super) size: f32,
    pub(super) colour: Colour,
    pub(super) anchor: Anchor,
    pub(super) bold: bool,
}

impl TextStyle {
    pub(super) fn new(size: f32, colour: Colour) -> Self {
        Self { size, colour, anchor: Anchor::Start, bold: false }
    }

    pub(super) fn anchored(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }
}

/// A picture that is being painted.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    font: FontRef<'static>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Result<Self, ReportError> {
        let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).map_err(|_| ReportError::Font)?;
        let pixels = PAPER.rgb.repeat(width * height);
        Ok(Self { width, height, pixels, font })
    }

    /// Fills a rectangle whose edges are rounded to whole pixels, so that grids and frames stay
    /// crisp.
    pub(super) fn fill(&mut self, rect: Rect, colour: Colour) {
        let (x0, x1) = span(rect.left.round(), rect.right.round(), self.width);
        let (y0, y1) = span(rect.top.round(), rect.bottom.round(), self.height);
        for y in y0..y1 {
            for x in x0..x1 {
                self.blend(x, y, colour, 1.0);
            }
        }
    }

    /// Fills the pixel column `x` from `top` to `bottom`, with soft ends.
    pub(super) fn fill_column(&mut self, x: f64, top: f64, bottom: f64, colour: Colour) {
        let (x0, x1) = span(x.floor(), x.floor() + 1.0, self.width);
        let (y0, y1) = span(top.floor(), bottom.ceil(), self.height);
        for y in y0..y1 {
            let covered = bottom.min(y as f64 + 1.0) - top.max(y as f64);
            for x in x0..x1 {
                self.blend(x, y, colour, covered as f32);
            }
        }
    }

    /// A straight line with round ends; a line from a point to itself is a disc.
    pub(super) fn line(&mut self, from: Point, to: Point, width: f64, colour: Colour) {
        let reach = width / 2.0 + 0.5;
        let (x0, x1) = span((from.0.min(to.0) - reach).floor(), (from.0.max(to.0) + reach).ceil(), self.width);
        let (y0, y1) = span((from.1.min(to.1) - reach).floor(), (from.1.max(to.1) + reach).ceil(), self.height);
        for y in y0..y1 {
            for x in x0..x1 {
                let distance = distance_to_segment((x as f64 + 0.5, y as f64 + 0.5), from, to);
                self.blend(x, y, colour, (reach - distance) as f32);
            }
        }
    }

    /// A line through all points.
    pub(super) fn polyline(&mut self, points: &[Point], width: f64, colour: Colour) {
        for pair in points.windows(2) {
            self.line(pair[0], pair[1], width, colour);
        }
    }

    /// A dashed line through all points; the dashes continue around the corners.
    pub(super) fn dashed(&mut self, points: &[Point], width: f64, colour: Colour) {
        const ON: f64 = 9.0;
        const PERIOD: f64 = 16.0;
        let mut walked = 0.0;
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let mut done = 0.0;
            while done < length {
                let phase = (walked + done) % PERIOD;
                let step = (if phase < ON { ON - phase } else { PERIOD - phase }).max(0.01).min(length - done);
                if phase < ON {
                    self.line(lerp(from, to, done / length), lerp(from, to, (done + step) / length), width, colour);
                }
                done += step;
            }
            walked += length;
        }
    }

    /// A triangle that points up or down, with its point at `tip`.
    pub(super) fn triangle(&mut self, tip: Point, size: f64, up: bool, colour: Colour) {
        let sign = if up { 1.0 } else { -1.0 };
        for row in 0..(size.ceil() as usize) {
            let offset = row as f64 + 0.5;
            let half = offset * 0.6;
            let y = tip.1.round() + sign * offset;
            self.line((tip.0 - half, y), (tip.0 + half, y), 1.0, colour);
        }
    }

    /// Writes one line of text; `at` is vertically in its middle.
    pub(super) fn text(&mut self, text: &str, at: Point, style: TextStyle) {
        let font = self.font.clone();
        let scaled = font.as_scaled(PxScale::from(style.size));
        let shift = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => self.text_width(text, style.size) / 2.0,
            Anchor::End => self.text_width(text, style.size),
        };
        // The middle of digits and capitals lies about 0.29 of the size above the baseline in this
        // font.
        let baseline = (at.1 + 0.29 * f64::from(style.size)).round() as f32;
        let mut pen = (at.0 - shift) as f32;
        let mut previous = None;
        for character in text.chars() {
            let id = font.glyph_id(character);
            pen += previous.map_or(0.0, |left| scaled.kern(left, id));
            self.glyph(&font, id.with_scale_and_position(style.size, point(pen, baseline)), style);
            pen += scaled.h_advance(id);
            previous = Some(id);
        }
    }

    fn glyph(&mut self, font: &FontRef<'static>, glyph: ab_glyph::Glyph, style: TextStyle) {
        let mut copies = vec![glyph];
        // The light face is thin on screens: a second copy, slightly to the right, gives normal and
        // bold weights.
        let mut second = copies[0].clone();
        second.position.x += if style.bold { 1.0 } else { 0.4 };
        copies.push(second);
        for copy in copies {
            let Some(outline) = font.outline_glyph(copy) else { continue };
            let bounds = outline.px_bounds();
            outline.draw(|x, y, coverage| {
                let (x, y) = (bounds.min.x + x as f32, bounds.min.y + y as f32);
                if x >= 0.0 && y >= 0.0 && x < self.width as f32 && y < self.height as f32 {
                    self.blend(x as usize, y as usize, style.colour, coverage);
                }
            });
        }
    }

    /// Width of a line of text in pixels.
    pub(super) fn text_width(&self, text: &str, size: f32) -> f64 {
        let scaled = self.font.as_scaled(PxScale::from(size));
        let mut previous = None;
        let mut width = 0.0;
        for character in text.chars() {
            let id = scaled.glyph_id(character);
            width += scaled.h_advance(id) + previous.map_or(0.0, |left| scaled.kern(left, id));
            previous = Some(id);
        }
        f64::from(width)
    }

    /// The text, or as much of it as fits into the width, ending in an ellipsis.
    pub(super) fn fit(&self, text: &str, size: f32, width: f64) -> String {
        if self.text_width(text, size) <= width {
            return text.to_owned();
        }
        let mut kept = text.to_owned();
        while kept.pop().is_some() {
            let short = format!("{}…", kept.trim_end_matches([' ', ',', ':', '(']));
            if self.text_width(&short, size) <= width {
                return short;
            }
        }
        String::new()
    }

    /// Encodes the picture as PNG.
    pub(super) fn save(&self, path: &Path) -> Result<(), ReportError> {
        let failed = |reason: String| ReportError::Picture { path: path.to_owned(), reason };
        let size = (self.width as u32, self.height as u32);
        let mut backend = BitMapBackend::new(path, size);
        backend.blit_bitmap((0, 0), size, &self.pixels).map_err(|error| failed(error.to_string()))?;
        backend.present().map_err(|error| failed(error.to_string()))
    }

    fn blend(&mut self, x: usize, y: usize, colour: Colour, coverage: f32) {
        let alpha = colour.alpha * coverage.clamp(0.0, 1.0);
        let start = (y * self.width + x) * 3;
        for (below, above) in self.pixels[start..start + 3].iter_mut().zip(colour.rgb) {
            *below = rounded(f32::from(*below) + (f32::from(above) - f32::from(*below)) * alpha);
        }
    }
}

/// A value from 0 to 255 as a whole number, halves away from zero. `f32::round` is a call of a
/// function for every pixel on processors without SSE 4.1.
fn rounded(value: f32) -> u8 {
    let whole = value as u8;
    whole + u8::from(value - f32::from(whole) >= 0.5)
}

/// The whole pixels from `from` to `to` that lie on the canvas. Casts of negative numbers saturate
/// at 0.
fn span(from: f64, to: f64, limit: usize) -> (usize, usize) {
    ((from as usize).min(limit), (to as usize).min(limit))
}

fn lerp(from: Point, to: Point, share: f64) -> Point {
    (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
}

fn distance_to_segment(at: Point, from: Point, to: Point) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let squared = dx * dx + dy * dy;
    let along = if squared > 0.0 { ((at.0 - from.0) * dx + (at.1 - from.1) * dy) / squared } else { 0.0 };
    let nearest = lerp(from, to, along.clamp(0.0, 1.0));
    (at.0 - nearest.0).hypot(at.1 - nearest.1)
}
