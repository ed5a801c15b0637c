//! The page of trends: how the main metrics of each run changed from one to the next.

use super::body::{STYLE, file_url, head};
use crate::report::history::HistoryLine;
use maud::{DOCTYPE, Markup, html};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Size of a trend's drawing, in pixels.
const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 28.0;
/// Runs that a trend shows: more would not be told apart.
const MOST: usize = 100;

/// The page, of folders with their histories.
pub(super) fn page(runs: &[(String, Vec<HistoryLine>)]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head("Trends of the simulator's runs", &[STYLE])) }
            body {
                header { p.hint { a href="./index.html" { "all runs" } } h1 { "Trends" } }
                main {
                    p.hint { "The main metrics of each run whose results, scenario or commit differ from those of the run before, the oldest at the left; at most the last " (MOST) "." }
                    @for (folder, lines) in runs.iter().filter(|(_, lines)| !lines.is_empty()) { (run(folder, lines)) }
                }
            }
        }
    };
    markup.into_string()
}

fn run(folder: &str, lines: &[HistoryLine]) -> Markup {
    let lines = &lines[lines.len().saturating_sub(MOST)..];
    let names: BTreeSet<String> = lines.iter().flat_map(|line| line.values().into_keys()).collect();
    let last = lines.last();
    html! {
        section {
            h2 { a href=(file_url(&format!("{folder}/summary.json"))) { (folder) } }
            p.hint {
                (lines.len()) @if lines.len() == 1 { " run" } @else { " runs" }
                @if let Some(last) = last {
                    "; the last: " (last.verdict) ", sim " (last.tool_version)
                    @if !last.commit.is_empty() { ", commit " code { (last.commit) } }
                }
            }
            div.scroll { table {
                thead { tr { th { "metric" } th { "trend" } th.n { "first" } th.n { "least" } th.n { "most" } th.n { "last" } } }
                tbody { @for name in &names { (row(name, lines)) } }
            } }
        }
    }
}

fn row(name: &str, lines: &[HistoryLine]) -> Markup {
    let values: Vec<Option<f64>> = lines.iter().map(|line| line.values().get(name).copied()).collect();
    let known = || values.iter().flatten().copied();
    let told = |value: Option<f64>| match value {
        Some(value) if value.is_finite() => format!("{value:.3}"),
        Some(_) => "never".to_owned(),
        None => String::new(),
    };
    html! {
        tr {
            td { (name) }
            td { (drawing(&values)) }
            td.n { (told(known().next())) }
            td.n { (told(known().min_by(f64::total_cmp))) }
            td.n { (told(known().max_by(f64::total_cmp))) }
            td.n { (told(known().last())) }
        }
    }
}

/// A line through the values; runs without one leave a gap.
fn drawing(values: &[Option<f64>]) -> Markup {
    let finite = || values.iter().flatten().filter(|value| value.is_finite());
    let (low, high) = finite().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let range = high - low;
    let place = |index: usize, value: f64| {
        let x = 4.0 + (WIDTH - 8.0) * index as f64 / (values.len() - 1).max(1) as f64;
        let share = if range > 0.0 { (value - low) / range } else { 0.5 };
        (x, HEIGHT - 4.0 - (HEIGHT - 8.0) * share)
    };
    let (mut path, mut is_down) = (String::new(), false);
    let mut end = None;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            is_down = false;
            continue;
        };
        let (x, y) = place(index, value);
        let _ = write!(path, "{}{x:.1} {y:.1}", if is_down { "L" } else { "M" });
        is_down = true;
        end = Some((x, y));
    }
    html! {
        svg.trend width=(WIDTH) height=(HEIGHT) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label="trend" {
            path d=(path) {}
            @if let Some((x, y)) = end { circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3" {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_has_a_gap_where_nothing_is_known_and_infinity_is_told() {
        let line = |metrics: &str| HistoryLine { metrics: metrics.to_owned(), ..HistoryLine::default() };
        let lines = ["a.x=1", "a.x=3", "", "a.x=inf", "a.x=2", "a.x=2"].map(line);
        let html = page(&[("one <run>".to_owned(), lines.to_vec()), ("empty".to_owned(), Vec::new())]);
        // From the bottom to the top, and after the gap in the middle.
        assert!(html.contains("d=\"M4.0 24.0L54.4 4.0M205.6 14.0L256.0 14.0\""), "{html}");
        assert!(html.contains("one &lt;run&gt;") && html.contains("never") && !html.contains("empty"));
        assert!(html.contains("./one%20%3Crun%3E/summary.json") && html.contains("6 runs"));
    }
}
