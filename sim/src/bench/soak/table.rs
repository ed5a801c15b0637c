//! The result of a soak: a table by kind of cause, its worst cases as lines, and everything as
//! JSON.

use super::account::{HappeningFigures, SoakRun};
use super::{RECOVERY_S, WRONG_US};
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Widest table.
const WIDTH: u16 = 132;
/// Maximum number of wrong cases that are listed.
const TOLD: usize = 20;
const HEADER: [&str; 9] = [
    "cause",
    "times",
    "glitches",
    "longest ms",
    "no cause",
    "locked error us",
    "wrong locks",
    "recovery s",
    "too late",
];

/// All that happened of one kind.
#[derive(Default)]
struct Kind<'a>(Vec<&'a HappeningFigures>);

impl Kind<'_> {
    fn cells(&self, cause: &str) -> [String; 9] {
        let count = |of: fn(&HappeningFigures) -> usize| self.0.iter().map(|happening| of(happening)).sum::<usize>();
        let most = |of: fn(&HappeningFigures) -> f64| self.0.iter().map(|happening| of(happening)).fold(0.0, f64::max);
        let longest_ms = most(|happening| {
            let all = happening.glitches.iter().chain(&happening.uncaused);
            all.map(|glitch| glitch.length_ms).fold(0.0, f64::max)
        });
        let recovery_s = most(|happening| happening.recovery_s.unwrap_or(f64::INFINITY));
        [
            cause.to_owned(),
            self.0.len().to_string(),
            count(|happening| happening.glitches.len()).to_string(),
            format!("{longest_ms:.0}"),
            count(|happening| happening.uncaused.len()).to_string(),
            format!("{:.1}", most(|happening| happening.locked_error_us)),
            count(|happening| usize::from(happening.is_wrong_lock())).to_string(),
            format!("{recovery_s:.1}"),
            count(|happening| usize::from(happening.is_late())).to_string(),
        ]
    }
}

/// The table, and the wrong cases with the commands that reproduce them.
#[must_use]
pub fn render_soak_table(runs: &[SoakRun], seed: u64) -> String {
    let mut kinds: BTreeMap<&str, Kind<'_>> = BTreeMap::new();
    let all = runs.iter().flat_map(|run| &run.happenings);
    all.for_each(|happening| kinds.entry(happening.cause).or_default().0.push(happening));
    let mut table = Table::new();
    // Lines between all rows would double the table's height.
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(presets::NOTHING.row_separator));
    table.set_width(WIDTH).set_header(HEADER);
    for (cause, kind) in &kinds {
        table.add_row(kind.cells(cause));
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let hours = |of: bool| runs.iter().filter(|run| run.has_stream == of).fold(0.0, |sum, run| sum + run.hours);
    let mut text = format!(
        "{table}\n{:.0} h of clocks and {:.0} h of streams; a lock is wrong beyond {WRONG_US} us, and too late beyond {RECOVERY_S} s after \
         an attack",
        hours(false),
        hours(true)
    );
    let wrong: Vec<(u64, &HappeningFigures)> = runs.iter().flat_map(wrong).collect();
    for (run, happening) in wrong.iter().take(TOLD) {
        let _ =
            write!(text, "\nrun {run}, {}; reproduce with: sim bench soak --seed {seed} --run {run}", told(happening));
    }
    if wrong.len() > TOLD {
        let _ = write!(text, "\nand {} more", wrong.len() - TOLD);
    }
    text
}

fn wrong(run: &SoakRun) -> impl Iterator<Item = (u64, &HappeningFigures)> {
    run.happenings.iter().filter(|happening| !happening.is_good()).map(|happening| (run.run, happening))
}

/// A description of what is wrong after an event.
fn told(happening: &HappeningFigures) -> String {
    let HappeningFigures { cause, from_s, to_s, locked_error_us, recovery_s, uncaused, .. } = happening;
    let mut parts = Vec::new();
    if happening.is_wrong_lock() {
        parts.push(format!("locked and {locked_error_us:.0} us off"));
    }
    if happening.is_late() {
        parts.push(recovery_s.map_or_else(
            || "not locked again".to_owned(),
            |recovery_s| format!("locked again after {recovery_s:.1} s"),
        ));
    }
    parts.extend(uncaused.first().map(|glitch| {
        let count = uncaused.len();
        format!("{count} glitches without a cause, the first at {:.3} s ({})", glitch.from_s, glitch.kind)
    }));
    format!("{cause} from {from_s:.0} to {to_s:.0} s: {}", parts.join(", "))
}

/// All runs, for scripts.
#[must_use]
pub fn render_soak_json(runs: &[SoakRun]) -> String {
    let mut text = serde_json::to_string_pretty(runs).unwrap_or_default();
    text.push('\n');
    text
}
