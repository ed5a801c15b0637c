//! The result as text: for a terminal, as Markdown, as CSV, and as JSON for a script.

use super::figures::Figures;
use super::goals::goal;
use crate::scenario::ReceiverKind;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write;

/// Columns, in the order of [`Figures`].
const COLUMNS: [&str; 12] = [
    "law",
    "time_rms_us",
    "time_p99_us",
    "time_max_us",
    "time_bias_us",
    "frequency_rms_ppb",
    "lock_10us_s",
    "lock_100us_s",
    "outage_end_worst_us",
    "recovery_s",
    "false_unlocks",
    "coverage_3sigma",
];
/// Short column names for a terminal, in us, ppb and s.
const SHORT: [&str; 12] = [
    "law",
    "rms us",
    "p99 us",
    "max us",
    "bias us",
    "freq ppb",
    "<10us s",
    "<100us s",
    "outage us",
    "back s",
    "unlocks",
    "3 sigma",
];
/// Widest table.
const WIDTH: u16 = 132;

/// A block of the result: one condition at one Sync interval.
struct Block<'a> {
    title: String,
    rows: Vec<[String; 12]>,
    figures: &'a [Figures],
}

fn blocks(figures: &[Figures]) -> Vec<Block<'_>> {
    let same = |a: &Figures, b: &Figures| a.condition == b.condition && a.log_sync_interval == b.log_sync_interval;
    figures.chunk_by(same).map(block).collect()
}

fn block(figures: &[Figures]) -> Block<'_> {
    let first = &figures[0];
    let title =
        format!("condition {}, Sync interval 2^{} s, {} seeds", first.condition, first.log_sync_interval, first.seeds);
    let mut rows: Vec<_> = figures.iter().map(cells).collect();
    rows.extend(goal_row(figures));
    Block { title, rows, figures }
}

fn cells(figures: &Figures) -> [String; 12] {
    [
        figures.law.to_string(),
        number(figures.time_rms_us),
        number(figures.time_p99_us),
        number(figures.time_max_us),
        number(figures.time_bias_us),
        number(figures.frequency_rms_ppb),
        lock(figures.lock_10us_s),
        lock(figures.lock_100us_s),
        number(figures.outage_end_worst_us),
        recovery(figures),
        figures.false_unlocks.to_string(),
        figures.coverage_3sigma.map_or_else(String::new, |share| format!("{share:.4}")),
    ]
}

/// The goals for the engine, each marked as met or not.
fn goal_row(figures: &[Figures]) -> Option<[String; 12]> {
    let goal = goal(&figures[0].condition, figures[0].log_sync_interval)?;
    let engine = figures.iter().find(|figures| figures.law == ReceiverKind::Engine);
    let mut row: [String; 12] = Default::default();
    row[0] = "goal of engine".to_owned();
    for (name, limit, met) in goal.columns(engine) {
        let Some(place) = COLUMNS.iter().position(|column| *column == name) else { continue };
        let mark = match met {
            Some(true) => " met",
            Some(false) => " missed",
            None => "",
        };
        if limit.is_some() {
            row[place] = format!("{}{mark}", number(limit));
        }
    }
    Some(row)
}

fn lock(value: Option<f64>) -> String {
    if value.is_none() { "never".to_owned() } else { number(value) }
}

fn recovery(figures: &Figures) -> String {
    if figures.outage_end_worst_us.is_some() { lock(figures.recovery_s) } else { String::new() }
}

/// Three significant digits.
pub(super) fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return String::new() };
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// One table for each condition and Sync interval.
#[must_use]
pub fn render_table(figures: &[Figures]) -> String {
    let mut text = String::new();
    for block in blocks(figures) {
        let mut table = Table::new();
        let row_separator = presets::NOTHING.row_separator;
        table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(row_separator)).set_width(WIDTH);
        table.set_header(SHORT);
        for row in &block.rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let _ = writeln!(text, "{}\n{}\n", block.title, table.trim_fmt());
    }
    text.truncate(text.trim_end().len());
    text
}

/// The result as Markdown.
#[must_use]
pub fn render_markdown(figures: &[Figures]) -> String {
    let mut text = "# Clock laws compared\n".to_owned();
    for block in blocks(figures) {
        let _ =
            write!(text, "\n## {}\n\n| {} |\n|{}\n", block.title, COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
        for row in &block.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
    text
}

/// The result as CSV, one line per condition, Sync interval and law.
#[must_use]
pub fn render_csv(figures: &[Figures]) -> String {
    let mut text = format!("condition,log_sync_interval,law,seeds,{}\n", COLUMNS[1..].join(","));
    for figures in blocks(figures).iter().flat_map(|block| block.figures) {
        let optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let fields = [
            figures.condition.clone(),
            figures.log_sync_interval.to_string(),
            figures.law.to_string(),
            figures.seeds.to_string(),
            optional(figures.time_rms_us),
            optional(figures.time_p99_us),
            optional(figures.time_max_us),
            optional(figures.time_bias_us),
            optional(figures.frequency_rms_ppb),
            optional(figures.lock_10us_s),
            optional(figures.lock_100us_s),
            optional(figures.outage_end_worst_us),
            optional(figures.recovery_s),
            figures.false_unlocks.to_string(),
            optional(figures.coverage_3sigma),
        ];
        let _ = writeln!(text, "{}", fields.join(","));
    }
    text
}

/// A list of [`Figures`].
#[must_use]
pub fn render_json(figures: &[Figures]) -> String {
    let mut text = serde_json::to_string_pretty(figures).unwrap_or_default();
    text.push('\n');
    text
}
