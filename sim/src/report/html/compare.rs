//! The page of a comparison: verdicts, then both sides over time with their bands.

use super::body::{PLOT_LICENCE, PLOT_SCRIPT, PLOT_STYLE, STYLE, head};
use super::data::{rounded, rounded_time};
use super::script_safe;
use super::sweep::shown;
use crate::compare::{Duel, LEVEL, Line, Verdict};
use crate::report::{ReportError, write_atomically};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};
use std::path::Path;

const SCRIPT: &str = include_str!("compare.js");

/// Writes `index.html` into the folder of a comparison.
///
/// # Errors
/// If it cannot be written.
pub fn write_compare_page(duel: &Duel, folder: &Path) -> Result<(), ReportError> {
    let path = folder.join("index.html");
    write_atomically(&path, page(duel).into_string()).map_err(|source| ReportError::Page { path, source })
}

fn page(duel: &Duel) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(&format!("A and B in {}", duel.scenario), &[PLOT_STYLE, STYLE])) }
            body {
                header {
                    p.hint { a href="../index.html" { "all runs" } }
                    h1 { "A and B in " (duel.scenario) }
                    ul.facts {
                        li { span.swatch style="background: var(--r0)" {} "A: " code { (duel.sides[0]) } }
                        li { span.swatch style="background: var(--r1)" {} "B: " code { (duel.sides[1]) } }
                        li { "seeds " b { (duel.seeds) } }
                    }
                }
                main {
                    (verdicts(duel))
                    section {
                        h2 { "Over time" }
                        p.hint { "Lines: the median of all seeds. Bands: 95 % of them." }
                        div id="plots" {}
                        noscript { p { "The plots need JavaScript." } }
                    }
                }
                footer {
                    p { "Both values of every seed: " a href="./pairs.csv" { "pairs.csv" } "." }
                    details { summary { "Licence of uPlot, which draws the plots" } pre { (PLOT_LICENCE) } }
                }
                script type="application/json" id="data" { (PreEscaped(script_safe(&data(duel)))) }
                script { (PreEscaped(PLOT_SCRIPT)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn verdicts(duel: &Duel) -> Markup {
    let order = [Verdict::Worse, Verdict::Better, Verdict::Undecided, Verdict::Equal];
    let count = |verdict| duel.count(verdict);
    html! {
        section id="verdicts" {
            h2 { "B against A" }
            p {
                b { (count(Verdict::Better)) } " metrics better, " b { (count(Verdict::Worse)) } " worse, "
                (count(Verdict::Equal)) " equal, " (count(Verdict::Undecided)) " undecided."
            }
            p.hint {
                "Wilcoxon's signed-rank test of the differences of each seed, two-sided, corrected by Holm for all metrics; "
                "better or worse: p < " (LEVEL) ". It assumes that seeds are independent. Equal: all pairs are, or the 95 % "
                "interval of the median difference is within " (shown(100.0 * duel.margin)) " % of A's median."
            }
            div.scroll { table {
                thead { tr {
                    th { "verdict" } th { "receiver" } th { "metric" } th.n { "A" } th.n { "B" } th.n { "B - A" }
                    th.n { "95 % of the seeds" } th.n { "p" } th.n { "seeds" }
                } }
                tbody {
                    @for verdict in order {
                        @for line in duel.lines.iter().filter(|line| line.comparison.verdict == verdict) { (row(line)) }
                    }
                }
            } }
        }
    }
}

fn row(line: &Line) -> Markup {
    let one = &line.comparison;
    let class = match one.verdict {
        Verdict::Better => "v good",
        Verdict::Worse => "v bad",
        Verdict::Undecided => "v warn",
        Verdict::Equal => "v",
    };
    html! {
        tr {
            td class=(class) { (one.verdict.word()) } td { (line.receiver) } td { (line.metric) }
            td.n { (shown(one.a)) } td.n { (shown(one.b)) } td.n { (shown(one.difference)) }
            td.n { (shown(one.band[0])) " to " (shown(one.band[1])) }
            td.n { @if let Some(p) = one.p { (format!("{p:.1e}")) } } td.n { (one.pairs) }
        }
    }
}

fn data(duel: &Duel) -> Value {
    let plots = duel.overlays.iter().map(|overlay| {
        let times: Vec<f64> = overlay.times.iter().map(|time| rounded_time(*time)).collect();
        let part = |values: &Vec<Option<f64>>| values.iter().map(|value| value.map(rounded)).collect::<Vec<_>>();
        let sides: Vec<Vec<_>> = overlay.sides.iter().map(|side| side.iter().map(part).collect()).collect();
        json!({ "title": overlay.title, "x": times, "sides": sides })
    });
    json!({ "plots": plots.collect::<Vec<_>>() })
}
