//! Slips as tables for a terminal, and as JSON for a script.

use super::{SlipFigures, SlipKind};
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write;

/// Columns of all cells.
const COLUMNS: [&str; 12] = [
    "slips",
    "ms",
    "depth ms",
    "packet",
    "callback",
    "not heard ms",
    "right after s",
    "jumps",
    "depth after ms",
    "told off ms",
    "rate ppm",
    "limit",
];
/// Columns of the table with the worst of all packet and callback lengths.
const WORST: [&str; 9] =
    ["slips", "ms", "depth ms", "runs", "not heard ms", "right after s", "told off ms", "rate ppm", "missed"];

fn right(after_s: Option<f64>) -> String {
    after_s.map_or_else(|| "never".to_owned(), |after_s| format!("{after_s:.2}"))
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    let row_separator = presets::NOTHING.row_separator;
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(row_separator));
    table.set_header(columns.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// The worst of all packet and callback lengths at each depth, and how many of them are within the
/// limits.
#[must_use]
pub fn render_slip_table(figures: &[SlipFigures]) -> String {
    let same = |a: &SlipFigures, b: &SlipFigures| {
        let key = |figures: &SlipFigures| {
            (figures.case.kind, figures.case.size_ms.to_bits(), figures.case.depth_ms.to_bits())
        };
        key(a) == key(b)
    };
    let row = |runs: &[SlipFigures]| {
        let worst = |of: fn(&SlipFigures) -> f64| runs.iter().map(of).fold(0.0, f64::max);
        let latest =
            runs.iter().map(|run| run.right_after_s).try_fold(0.0, |worst, after_s| Some(f64::max(worst, after_s?)));
        vec![
            runs[0].case.kind.to_string(),
            format!("{}", runs[0].case.size_ms),
            format!("{}", runs[0].case.depth_ms),
            runs.len().to_string(),
            format!("{:.0}", worst(|run| run.not_heard_ms)),
            right(latest),
            format!("{:.2}", worst(|run| run.told_error_ms.abs())),
            format!("{:.2}", worst(|run| run.rate_ppm)),
            runs.iter().filter(|run| !run.is_good()).count().to_string(),
        ]
    };
    let mut text = table(&WORST, figures.chunk_by(same).map(row));
    let _ = write!(text, "\n{}", summary(figures));
    text
}

/// Every cell.
#[must_use]
pub fn render_slip_cells(figures: &[SlipFigures]) -> String {
    let row = |run: &SlipFigures| {
        vec![
            run.case.kind.to_string(),
            format!("{}", run.case.size_ms),
            format!("{}", run.case.depth_ms),
            run.case.packet_frames.to_string(),
            run.case.callback_frames.to_string(),
            format!("{:.0}", run.not_heard_ms),
            right(run.right_after_s),
            run.jumps.to_string(),
            format!("{:.2}", run.depth_after_ms),
            format!("{:.2}", run.told_error_ms),
            format!("{:.2}", run.rate_ppm),
            if run.is_good() { "met" } else { "missed" }.to_owned(),
        ]
    };
    format!("{}\n{}", table(&COLUMNS, figures.iter().map(row)), summary(figures))
}

/// How many are within the limits, by kind of slip.
fn summary(figures: &[SlipFigures]) -> String {
    let of = |kind: SlipKind| {
        let runs = || figures.iter().filter(move |run| run.case.kind == kind);
        let good = runs().filter(|run| run.is_good()).count();
        (runs().count() > 0).then(|| format!("{kind} {good} of {}", runs().count()))
    };
    let kinds: Vec<String> = SlipKind::ALL.iter().copied().filter_map(of).collect();
    format!("right within 1 s, at most 1 s not heard, and not said to be a new source: {}", kinds.join(", "))
}

/// A list of [`SlipFigures`].
#[must_use]
pub fn render_slip_json(figures: &[SlipFigures]) -> String {
    let mut text = serde_json::to_string_pretty(figures).unwrap_or_default();
    text.push('\n');
    text
}
