//! The page of a sweep: how many runs pass, which fail, and every metric over the varied keys.

use super::body::{PLOT_LICENCE, PLOT_SCRIPT, PLOT_STYLE, STYLE, head};
use super::script_safe;
use crate::report::{ReportError, write_atomically};
use crate::sweep::{Ending, Outcome, Row, is_lower_worse};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const SCRIPT: &str = include_str!("sweep.js");
/// Most failing runs that the page lists; `runs.csv` has all.
const MOST_LISTED: usize = 100;
/// Most points of a distribution: one for each pixel is more than can be seen.
const MOST_QUANTILES: usize = 400;

/// Writes `index.html` into the folder of a sweep.
///
/// # Errors
/// If it cannot be written.
pub fn write_sweep_page(outcome: &Outcome, folder: &Path) -> Result<(), ReportError> {
    let path = folder.join("index.html");
    write_atomically(&path, page(outcome).into_string()).map_err(|source| ReportError::Page { path, source })
}

fn page(outcome: &Outcome) -> Markup {
    let (plan, name) = (&outcome.plan, outcome.plan.name());
    html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(&format!("sweep of {name}"), &[PLOT_STYLE, STYLE])) }
            body {
                header {
                    p.hint { a href="../index.html" { "all runs" } }
                    h1 { "Sweep of " (name) }
                    ul.facts {
                        li { b { (outcome.records.len()) } " runs" }
                        li { "seeds " b { (plan.seeds) } }
                        @for axis in &plan.vary { li { code { (axis.key) } " = " (axis.values.join(", ")) } }
                        @if !plan.set.is_empty() { li { "with " code { (plan.set.join(" ")) } } }
                    }
                }
                main {
                    (verdict(outcome))
                    (failing(outcome))
                    (maps(outcome))
                    (metrics(outcome))
                }
                footer {
                    p {
                        "sim " (plan.tool_version) "; scenario " code { (plan.scenario_hash) } ". Numbers: "
                        a href="./runs.csv" { "runs.csv" } ", " a href="./metrics.csv" { "metrics.csv" } ", "
                        a href="./sweep.json" { "sweep.json" } "."
                    }
                    details { summary { "Licence of uPlot, which draws the plots" } pre { (PLOT_LICENCE) } }
                }
                script type="application/json" id="data" { (PreEscaped(script_safe(&data(outcome)))) }
                script { (PreEscaped(PLOT_SCRIPT)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn verdict(outcome: &Outcome) -> Markup {
    let count = |ending| outcome.count(ending);
    let failing = count(Ending::Failed) + count(Ending::Error);
    let (class, words) = match () {
        () if failing > 0 => ("fail", format!("{failing} of {} runs failed", outcome.records.len())),
        () if count(Ending::Skipped) > 0 => ("part", "skipped in part".to_owned()),
        () => ("pass", "all runs passed".to_owned()),
    };
    html! {
        section id="verdicts" {
            div class=(format!("verdict {class}")) {
                (words)
                small {
                    (count(Ending::Passed)) " passed, " (count(Ending::Skipped)) " skipped in part, "
                    (count(Ending::Failed)) " failed, " (count(Ending::Error)) " not run to the end"
                }
            }
        }
    }
}

fn failing(outcome: &Outcome) -> Markup {
    let unmet = outcome.unmet();
    let all = outcome.failing().count();
    html! {
        @if !unmet.is_empty() {
            section {
                h2 { "Expectations that do not hold everywhere" }
                div.scroll { table {
                    thead { tr { th { "expectation" } th.n { "runs" } th.n { "missed by at most" } th { "there" } } }
                    tbody { @for unmet in &unmet {
                        tr {
                            td { (unmet.what) } td.n { (unmet.runs) } td.n { (shown(unmet.missed_by)) }
                            td { code { (outcome.command(unmet.worst_run)) } }
                        }
                    } }
                } }
            }
        }
        @if all > 0 {
            section {
                h2 { "Failing runs" }
                @if all > MOST_LISTED { p.hint { "The first " (MOST_LISTED) " of " (all) "; runs.csv has all." } }
                @for record in outcome.failing().take(MOST_LISTED) {
                    details {
                        summary { (outcome.settings(record.run)) }
                        ul.failures {
                            @for failure in &record.failures { li { (failure.sentence) } }
                            @if let Some(error) = &record.error { li { (error) } }
                        }
                        div.command { pre { (outcome.command(record.run)) } }
                    }
                }
            }
        }
    }
}

fn maps(outcome: &Outcome) -> Markup {
    html! {
        section {
            h2 { "Over the varied keys" }
            div.tools {
                label { "metric " select id="metric" {} }
                @if outcome.plan.points() > 1 { label { "of the runs " select id="statistic" {} } }
                @if outcome.plan.vary.len() > 1 {
                    label { "down " select id="down" {} }
                    label { "across " select id="across" {} }
                }
            }
            @if outcome.plan.points() > 1 {
                p.hint {
                    "Each cell is the worst of its points; red is worse. Select one for the command that repeats its worst run."
                }
                div.scroll { table id="map" {} }
                div.command { pre id="command" hidden {} }
                div.plot id="trend" {}
            }
            div.plot id="distribution" {}
            noscript { p { "Maps and plots need JavaScript; metrics.csv has the same numbers." } }
        }
    }
}

fn metrics(outcome: &Outcome) -> Markup {
    html! {
        section {
            h2 { "Every metric over all runs" }
            p.hint { "p95: 95 % of the runs are no worse. A run in which it could not be measured does not count." }
            div.scroll { table {
                thead { tr {
                    th { "receiver" } th { "metric" } th.n { "runs" } th.n { "p50" } th.n { "p95" } th.n { "worst" } th { "worst run" }
                } }
                tbody { @for row in outcome.rows.iter().filter(|row| row.point.is_none()) {
                    tr {
                        td { (row.receiver) } td { (row.metric) } td.n { (row.stats.runs) }
                        td.n { (shown(row.stats.p50)) } td.n { (shown(row.stats.p95)) } td.n { (shown(row.stats.worst)) }
                        td title=(outcome.command(row.stats.worst_run)) { (outcome.settings(row.stats.worst_run)) }
                    }
                } }
            } }
        }
    }
}

/// A number for people: four significant digits, and what never happened in words.
pub(super) fn shown(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "never" } else { "-never" }.to_owned();
    }
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    rounded.to_string()
}

/// A number for the script: JSON has no infinity.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!("never") }
}

/// The data of maps and plots.
fn data(outcome: &Outcome) -> Value {
    let plan = &outcome.plan;
    let mut columns: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    let overall: Vec<&Row> = outcome.rows.iter().filter(|row| row.point.is_none()).collect();
    let same = |a: &Row, b: &Row| a.receiver == b.receiver && a.metric == b.metric;
    for row in outcome.rows.iter().filter(|row| row.point.is_some()) {
        if let Some(place) = overall.iter().position(|other| same(other, row)) {
            columns.entry(place).or_default().push(row);
        }
    }
    let metrics = overall.iter().enumerate().map(|(place, row)| {
        let mut points = vec![Value::Null; plan.points()];
        for row in columns.get(&place).into_iter().flatten() {
            let seed = plan.seed_of(row.stats.worst_run);
            let figures = [row.stats.p50, row.stats.p95, row.stats.worst].map(number);
            if let Some(point) = row.point.and_then(|point| points.get_mut(point)) {
                *point = json!([figures[0], figures[1], figures[2], seed]);
            }
        }
        json!({
            "name": format!("{}: {}", row.receiver, row.metric),
            "lower_is_worse": is_lower_worse(&row.metric),
            "points": points,
            "distribution": distribution(outcome, row),
        })
    });
    let points = (0..plan.points()).map(|point| {
        let of_point = || outcome.records.iter().filter(move |record| plan.point_of(record.run) == point);
        let failed = of_point().filter(|record| matches!(record.ending, Ending::Failed | Ending::Error));
        let first = failed.clone().next().map_or(point * plan.seeds.len(), |record| record.run);
        // Every command ends with the seed, which the script puts there.
        let command = outcome.command(first);
        let stem = command.trim_end_matches(|letter: char| letter.is_ascii_digit());
        json!({
            "places": plan.places(point),
            "runs": of_point().count(),
            "failed": failed.count(),
            "seed": plan.seed_of(first),
            "command": stem,
        })
    });
    json!({
        "axes": plan.vary,
        "points": points.collect::<Vec<_>>(),
        "metrics": metrics.collect::<Vec<_>>(),
    })
}

/// A metric's finite values from best to worst: at which share of the runs, and the value.
fn distribution(outcome: &Outcome, row: &Row) -> Value {
    let of_run = outcome.records.iter().flat_map(|record| &record.figures);
    let values = of_run.filter(|figures| figures.receiver == row.receiver).flat_map(|figures| &figures.values);
    let mut values: Vec<f64> = values.filter(|(name, _)| *name == row.metric).map(|(_, figure)| figure.0).collect();
    values.sort_by(f64::total_cmp);
    if is_lower_worse(&row.metric) {
        values.reverse();
    }
    let all = values.len();
    let step = all.div_ceil(MOST_QUANTILES).max(1);
    let kept = values
        .iter()
        .enumerate()
        .filter(|(index, value)| value.is_finite() && ((all - 1 - index).is_multiple_of(step)));
    let (shares, values): (Vec<f64>, Vec<f64>) =
        kept.map(|(index, value)| (100.0 * (index + 1) as f64 / all as f64, *value)).unzip();
    json!([shares, values])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(shown(1234.5678), "1235");
        assert_eq!(shown(0.000_123_456), "0.0001235");
        assert_eq!(shown(f64::INFINITY), "never");
        assert_eq!(shown(0.0), "0");
    }
}
