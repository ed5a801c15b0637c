//! The table of `sim run`, and what failed.

use super::{Ending, Report, shown};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Widest table, as that of one run.
const WIDTH: u16 = 100;

/// One line a scenario, and the sums.
pub(super) fn render(reports: &[Report]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(presets::NOTHING.row_separator));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["scenario", "hold", "of", "verdict"]);
    for report in reports {
        let judged = report.summary.as_ref().map(|summary| &summary.expectations);
        let hold = judged.map_or(0, |all| all.iter().filter(|judgement| judgement.holds).count());
        let of = judged.map_or(0, Vec::len);
        table.add_row([report.scenario.clone(), hold.to_string(), of.to_string(), verdict(report)]);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let count = |ending: Ending| reports.iter().filter(|report| report.ending == ending).count();
    let rest = [
        (Ending::Skipped, "skipped in part"),
        (Ending::Error, "not run to the end"),
        (Ending::Interrupted, "interrupted"),
        (Ending::NotStarted, "not started"),
    ];
    let rest: String = rest
        .into_iter()
        .filter(|(ending, _)| count(*ending) > 0)
        .map(|(ending, name)| format!(", {} {name}", count(ending)))
        .collect();
    let sums = format!(
        "{} scenarios: {} passed, {} failed{rest}",
        reports.len(),
        count(Ending::Passed),
        count(Ending::Failed)
    );
    format!("{}\n{sums}", table.trim_fmt())
}

fn verdict(report: &Report) -> String {
    match report.ending {
        Ending::Passed => "pass".to_owned(),
        Ending::Skipped => "skipped in part".to_owned(),
        Ending::Interrupted => "interrupted".to_owned(),
        Ending::NotStarted => "not started".to_owned(),
        Ending::Error => "ERROR".to_owned(),
        Ending::Failed => {
            let judged = report.summary.iter().flat_map(|summary| &summary.expectations);
            let failed = judged.filter(|judgement| !judgement.holds && !judgement.skipped);
            let names: Vec<String> =
                failed.map(|judgement| format!("{} of {}", judgement.check, judgement.receiver)).collect();
            format!("FAIL: {}", names.join("; "))
        }
    }
}

/// Says what failed, by how much, and how it is repeated.
pub(super) fn print_failures(reports: &[Report]) {
    let is_told =
        |report: &&Report| report.exit_code != 0 && !matches!(report.ending, Ending::Interrupted | Ending::NotStarted);
    for report in reports.iter().filter(is_told) {
        let of = |text: &str| eprintln!("{}: {text}", report.scenario);
        if let Some(error) = &report.error {
            of(error);
        }
        for judgement in report.summary.iter().flat_map(|summary| &summary.expectations) {
            if let Some(sentence) = judgement.failure() {
                of(&sentence);
            }
        }
        eprintln!("reproduce with: {} (reports: {})", report.command, shown(&report.folder));
    }
}
