//! The result of the comparison of drift laws: a table for a terminal, and JSON for a script.

use super::figures::DriftFigures;
use super::goals::goal;
use super::law::DriftLawKind;
use crate::bench::table::number;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write;

/// Columns, in the order of [`DriftFigures`].
const COLUMNS: [&str; 12] = [
    "law",
    "settle s",
    "rms ppm",
    "p-p ppm",
    "slew ppm/s",
    "delay p-p ms",
    "delay max ms",
    "phase dBc",
    "underruns",
    "overruns",
    "step s",
    "xrun s",
];
/// Widest table.
const WIDTH: u16 = 160;

fn cells(figures: &DriftFigures) -> [String; 12] {
    let removed = |seconds: Option<f64>| match seconds {
        None => String::new(),
        Some(seconds) if seconds.is_finite() => format!("{seconds:.0}"),
        Some(_) => "never".to_owned(),
    };
    [
        figures.law.to_string(),
        figures.settle_s.map_or_else(|| "never".to_owned(), |settle_s| format!("{settle_s:.0}")),
        number(figures.ratio_rms_ppm),
        number(Some(figures.ratio_pp_ppm)),
        number(Some(figures.slew_max_ppm_per_s)),
        number(Some(figures.delay_pp_ms)),
        number(Some(figures.delay_max_ms)),
        figures.phase_noise_dbc.map_or_else(String::new, |dbc| format!("{dbc:.1}")),
        figures.underruns.to_string(),
        figures.overruns.to_string(),
        removed(figures.step_removed_s),
        removed(figures.xrun_removed_s),
    ]
}

fn engine(figures: &[DriftFigures]) -> Option<&DriftFigures> {
    figures.iter().find(|figures| figures.law == DriftLawKind::Engine)
}

/// The goals for the engine, each marked as met or not.
fn goal_row(figures: &[DriftFigures]) -> Option<Vec<String>> {
    let columns = goal(&figures[0].condition)?.columns(engine(figures));
    let cell = |column: &Option<(f64, Option<bool>)>| {
        let Some((limit, met)) = column else { return String::new() };
        let mark = met.map_or("", |met| if met { " met" } else { " missed" });
        format!("{limit}{mark}")
    };
    Some(std::iter::once("goal of engine".to_owned()).chain(columns.iter().map(cell)).collect())
}

/// How many times steadier the engine's ratio is than that of PipeWire's RTP source.
fn headline(figures: &[DriftFigures]) -> Option<String> {
    let other = figures.iter().find(|figures| figures.law == DriftLawKind::PipewireRtp)?;
    let times = other.ratio_rms_ppm? / engine(figures)?.ratio_rms_ppm?;
    let goal = goal(&figures[0].condition).and_then(|goal| goal.steadier);
    let goal = goal
        .map_or_else(String::new, |goal| format!(", goal {goal:.0}: {}", if times >= goal { "met" } else { "missed" }));
    Some(format!("engine is {times:.0} times steadier than pipewire_rtp{goal}"))
}

/// One table for each condition.
#[must_use]
pub fn render_drift_table(figures: &[DriftFigures]) -> String {
    let mut text = String::new();
    for block in figures.chunk_by(|a, b| a.condition == b.condition) {
        let mut table = Table::new();
        let row_separator = presets::NOTHING.row_separator;
        table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(row_separator)).set_width(WIDTH);
        table.set_header(COLUMNS);
        for figures in block {
            table.add_row(cells(figures));
        }
        if let Some(row) = goal_row(block) {
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let headline = headline(block).map_or_else(String::new, |line| format!("{line}\n"));
        let (name, seeds) = (&block[0].condition, block[0].seeds);
        let _ = writeln!(text, "condition {name}, {seeds} seeds\n{}\n{headline}", table.trim_fmt());
    }
    text.truncate(text.trim_end().len());
    text
}

/// A list of [`DriftFigures`].
#[must_use]
pub fn render_drift_json(figures: &[DriftFigures]) -> String {
    let mut text = serde_json::to_string_pretty(figures).unwrap_or_default();
    text.push('\n');
    text
}
