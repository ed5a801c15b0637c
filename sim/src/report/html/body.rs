//! The page's text.

use super::{MOST_GLITCHES, Story, script_safe};
use crate::check::Judgement;
use crate::report::Verdict;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::fmt::Write;

pub(super) const PLOT_SCRIPT: &str = include_str!("uplot/uPlot.iife.min.js");
pub(super) const PLOT_STYLE: &str = include_str!("uplot/uPlot.min.css");
pub(super) const PLOT_LICENCE: &str = include_str!("uplot/LICENSE");
const SCRIPT: &str = include_str!("page.js");
/// What all pages look like.
pub(super) const STYLE: &str = include_str!("page.css");

/// The beginning of every page.
pub(super) fn head(title: &str, styles: &[&str]) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        title { (title) }
        // A page without an icon asks for one.
        link rel="icon" href="data:,";
        @for style in styles { style { (PreEscaped(style)) } }
    }
}

pub(super) fn page(story: &Story<'_>) -> Markup {
    let summary = story.summary;
    html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(&format!("{}: {}", summary.scenario, verdict_of(story).1), &[PLOT_STYLE, STYLE])) }
            body {
                header {
                    p.hint { a href="../index.html" { "all runs" } }
                    h1 { (summary.scenario) }
                    p.lead { (summary.title) }
                    (facts(story))
                }
                main {
                    (verdicts(story))
                    (plots())
                    (stability(story))
                    (sounds(story))
                    (faults_heard(story))
                    (incidents(story))
                    (scenario(story))
                }
                (footer(story))
                script type="application/json" id="data" { (PreEscaped(script_safe(&story.data()))) }
                script { (PreEscaped(PLOT_SCRIPT)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn facts(story: &Story<'_>) -> Markup {
    let summary = story.summary;
    html! {
        ul.facts {
            li { b { (minutes(summary.duration_s, 0)) } " simulated" }
            li { "seed " b { (summary.seed) } }
            @for (index, recording) in story.trace.recordings.iter().enumerate() {
                li { (swatch(index)) (recording.receiver) }
            }
            @if !summary.overrides.is_empty() { li { "with " code { (summary.overrides.join(" ")) } } }
        }
    }
}

fn swatch(receiver: usize) -> Markup {
    html! { span.swatch style=(format!("background: var(--r{})", receiver % 6)) {} }
}

/// Class and words of the run's verdict.
fn verdict_of(story: &Story<'_>) -> (&'static str, &'static str) {
    let summary = story.summary;
    match () {
        () if summary.interrupted => ("part", "interrupted"),
        () if story.failures().any(|(judgement, _)| !judgement.skipped) => ("fail", "failed"),
        () if summary.skipped > 0 => ("part", "skipped in part"),
        () => ("pass", "passed"),
    }
}

fn verdicts(story: &Story<'_>) -> Markup {
    let summary = story.summary;
    let (class, words) = verdict_of(story);
    let hold = summary.expectations.iter().filter(|judgement| judgement.holds).count();
    let judged = |hold: bool| summary.expectations.iter().filter(move |judgement| judgement.holds == hold);
    html! {
        section id="verdicts" {
            div class=(format!("verdict {class}")) {
                (words)
                small { (hold) " of " (summary.expectations.len()) " expectations hold" }
            }
            ul.failures {
                @for (judgement, sentence) in story.failures() {
                    li class=[judgement.skipped.then_some("skipped")] { (sentence) }
                }
            }
            p.hint { "The command that repeats this run:" }
            div.command { pre id="command" { (story.command) } button id="copy" type="button" { "copy" } }
            @if !summary.expectations.is_empty() {
                details {
                    summary { "All " (summary.expectations.len()) " expectations" }
                    (table(judged(false).chain(judged(true))))
                }
            }
        }
    }
}

fn table<'a>(judged: impl Iterator<Item = &'a Judgement>) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "verdict" } th { "receiver" } th { "check" } th.n { "limit" } th.n { "measured" } } }
            tbody { @for judgement in judged { (row(judgement)) } }
        } }
    }
}

fn row(judgement: &Judgement) -> Markup {
    let (class, words) = match judgement.verdict() {
        Verdict::Pass => ("v good", "pass"),
        Verdict::Fail => ("v bad", "FAIL"),
        Verdict::ExpectedFailure => ("v warn", "fails as expected"),
        Verdict::UnexpectedPass => ("v bad", "UNEXPECTED PASS"),
        Verdict::NotJudged => ("v bad", "NOT JUDGED"),
        Verdict::Skipped => ("v warn", "skipped"),
        Verdict::Info => ("v", ""),
    };
    html! {
        tr {
            td class=(class) { (words) } td { (judgement.receiver) } td { (judgement.check) }
            td.n { (judgement.limit) } td.n { (judgement.measured_text()) }
        }
    }
}

fn plots() -> Markup {
    html! {
        section {
            h2 { "What happened" }
            div.tools {
                div.keys {
                    button id="in" type="button" title="zoom in (+)" aria-label="zoom in" { "+" }
                    button id="out" type="button" title="zoom out (-)" aria-label="zoom out" { "−" }
                    button id="left" type="button" title="earlier (left arrow)" aria-label="earlier" { "←" }
                    button id="right" type="button" title="later (right arrow)" aria-label="later" { "→" }
                    button id="all" type="button" title="the whole run (0)" { "all" }
                }
                div.readout id="readout" aria-live="off" { "Drag over a plot to zoom, double-click for the whole run; point for values." }
            }
            p.hint {
                "Shaded: a fault of the scenario, from its solid edge to its dashed one; violet where it silences the grandmaster. "
                "Marks at the top: faults heard. Triangles: what a receiver reported. Ctrl and wheel zooms, Shift and wheel moves."
            }
            div id="plots" tabindex="0" aria-label="plots over time" {}
            noscript { p { "The plots need JavaScript; the pictures beside this file show the same." } }
        }
    }
}

fn stability(story: &Story<'_>) -> Markup {
    let is_there = story.trace.recordings.iter().any(|recording| !recording.stability.is_empty());
    html! {
        @if is_there {
            section {
                h2 { "Stability of clocks" }
                p.hint { "Over the whole run, against the interval of observation, tau, in seconds; dashed: masks of the scenario, which hold in the spans of its expectations." }
                div id="stability" {}
            }
        }
    }
}

fn sounds(story: &Story<'_>) -> Markup {
    html! {
        @if !story.sounds.is_empty() {
            section {
                h2 { "Listen" }
                p.hint { "Another player goes on at the same moment. Red: faults heard. A click on a strip or a plot goes there." }
                @for sound in story.sounds {
                    div.sound {
                        div.name {
                            @if let Some(receiver) = sound.receiver { (swatch(receiver)) }
                            (sound.label)
                            small { a href=(file_url(&sound.file)) { (sound.file) } }
                        }
                        audio controls preload="metadata" src=(file_url(&sound.file)) {}
                        div.strip { div.playhead {} }
                    }
                }
            }
        }
    }
}

/// The address of a file beside the page: what is not plain is percent-encoded (RFC 3986).
pub(super) fn file_url(name: &str) -> String {
    let mut url = String::from("./");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

fn faults_heard(story: &Story<'_>) -> Markup {
    let names: Vec<&str> = story.trace.recordings.iter().map(|recording| recording.receiver.as_str()).collect();
    let counts = || names.iter().zip(story.glitches).filter_map(|(name, all)| Some((*name, all.as_ref()?.len())));
    let cut = counts().any(|(_, count)| count > MOST_GLITCHES);
    html! {
        section {
            h2 { "Faults heard" }
            @if counts().next().is_none() { p { "Nobody listened." } }
            p { @for (index, (name, count)) in counts().enumerate() {
                @if index > 0 { "; " } (name) ": " b { (count) }
            } }
            @if cut { p.hint { "The first " (MOST_GLITCHES) " of each receiver are listed and marked." } }
            @if story.shown_glitches().next().is_some() {
                div.scroll { table {
                    thead { tr { th { "receiver" } th.n { "from" } th.n { "length" } th { "what" } th { "" } } }
                    tbody {
                        @for (receiver, glitch) in story.shown_glitches() {
                            tr {
                                td { (swatch(receiver)) (names.get(receiver).copied().unwrap_or_default()) }
                                td.n { (minutes(glitch.from_s, 2)) }
                                td.n { (format!("{:.1} ms", 1e3 * (glitch.to_s - glitch.from_s))) }
                                td { (glitch.kind) }
                                td { button type="button" data-at=(format!("{:.4}", glitch.from_s)) data-receiver=(receiver) { "listen" } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn incidents(story: &Story<'_>) -> Markup {
    html! {
        @if !story.trace.incidents.is_empty() {
            section {
                h2 { "Faults of the scenario" }
                div.scroll { table {
                    thead { tr { th { "what" } th.n { "from" } th.n { "to" } th.n { "times" } } }
                    tbody {
                        @for incident in &story.trace.incidents {
                            @if let Some(first) = incident.times.first() {
                                tr {
                                    td { (incident.text) } td.n { (minutes(first.from_s, 2)) }
                                    td.n { @if let Some(to_s) = first.to_s { (minutes(to_s, 2)) } }
                                    td.n { (incident.times.len()) }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn scenario(story: &Story<'_>) -> Markup {
    html! {
        section {
            h2 { "Scenario" }
            @for (file, told) in story.files.iter().zip(&story.summary.files) {
                details { summary { (told.path) } pre { (file.text) } }
            }
        }
    }
}

fn footer(story: &Story<'_>) -> Markup {
    let summary = story.summary;
    html! {
        footer {
            p {
                "sim " (summary.tool_version) "; scenario " code { (summary.scenario_hash) } "; seed " (summary.seed) ". "
                "Numbers: " a href="./summary.json" { "summary.json" } ", " a href="./trace.csv" { "trace.csv" } "; picture: "
                a href="./overview.png" { "overview.png" } "."
            }
            details { summary { "Licence of uPlot, which draws the plots" } pre { (PLOT_LICENCE) } }
        }
    }
}

/// A time in minutes and seconds.
fn minutes(time_s: f64, decimals: usize) -> String {
    let width = if decimals > 0 { 3 + decimals } else { 2 };
    let scale = libm::pow(10.0, decimals as f64);
    let time_s = (time_s * scale).round() / scale;
    let minutes = libm::floor(time_s / 60.0);
    format!("{minutes:.0}:{:0width$.decimals$}", time_s - 60.0 * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_addresses() {
        assert_eq!(minutes(59.999, 2), "1:00.00");
        assert_eq!(minutes(754.25, 2), "12:34.25");
        assert_eq!(minutes(3600.0, 0), "60:00");
        assert_eq!(file_url("a b#1.wav"), "./a%20b%231.wav");
    }
}
