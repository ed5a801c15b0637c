//! The page of all runs in a folder.

use super::body::{STYLE, file_url, head};
use super::trends;
use crate::report::history::{HistoryLine, read_history};
use crate::report::{ReportError, write_atomically};
use maud::{DOCTYPE, html};
use serde_json::Value;
use std::path::Path;

/// Runs of which the index shows how they ended.
const SHOWN: usize = 20;

/// One run in the index.
struct Entry {
    folder: String,
    title: String,
    verdict: String,
    hold: usize,
    of: usize,
    failed: String,
    /// Verdicts, the oldest first.
    history: Vec<String>,
}

/// A run's verdict in a word, as the table of all runs has it.
fn verdict(summary: &Value) -> &'static str {
    let is = |key: &str| summary[key].as_bool() == Some(true);
    let skipped = |judgement: &Value| judgement["skipped"].as_bool() == Some(true);
    let fails = |judgement: &&Value| judgement["holds"].as_bool() != Some(true) && !skipped(judgement);
    let judged = summary["expectations"].as_array().map_or(&[][..], Vec::as_slice);
    match () {
        () if is("interrupted") => "interrupted",
        () if judged.iter().any(|judgement| fails(&judgement)) => "failed",
        () if judged.iter().any(skipped) => "skipped",
        () => "passed",
    }
}

impl Entry {
    fn of(folder: String, summary: &Value, history: &[HistoryLine]) -> Self {
        let judged = summary["expectations"].as_array().map_or(&[][..], Vec::as_slice);
        let hold = judged.iter().filter(|judgement| judgement["holds"].as_bool() == Some(true)).count();
        let failed = judged.iter().filter(|judgement| {
            judgement["holds"].as_bool() != Some(true) && judgement["skipped"].as_bool() != Some(true)
        });
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names: Vec<String> = failed
            .map(|judgement| format!("{} of {}", text(&judgement["check"]), text(&judgement["receiver"])))
            .collect();
        let history = &history[history.len().saturating_sub(SHOWN)..];
        Self {
            title: text(&summary["title"]),
            verdict: verdict(summary).to_owned(),
            hold,
            of: judged.len(),
            failed: names.join("; "),
            history: history.iter().map(|line| line.verdict.clone()).collect(),
            folder,
        }
    }
}

/// Writes `index.html` into a folder of reports: every run there, those that failed first; and
/// `history.html`: how their main metrics changed.
///
/// # Errors
/// If the folder or a history cannot be read, or a page not written.
pub fn write_index(reports: &Path) -> Result<(), ReportError> {
    let path = reports.join("index.html");
    let failed = |source| ReportError::Page { path: path.clone(), source };
    let (mut entries, mut histories) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(reports).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        let summary = std::fs::read_to_string(folder.join("summary.json")).ok();
        // A folder of something else, or a run that was not finished.
        let Some(summary) = summary.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else { continue };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let history = read_history(&folder)?;
        entries.push(Entry::of(name.clone(), &summary, &history));
        histories.push((name, history));
    }
    entries.sort_by(|a, b| (rank(a), &a.folder).cmp(&(rank(b), &b.folder)));
    histories.sort_by(|a, b| a.0.cmp(&b.0));
    let trends_path = reports.join("history.html");
    write_atomically(&trends_path, trends::page(&histories))
        .map_err(|source| ReportError::Page { path: trends_path, source })?;
    write_atomically(&path, page(&entries, reports)).map_err(failed)
}

fn rank(entry: &Entry) -> usize {
    ["failed", "interrupted", "skipped", "passed"].iter().position(|verdict| *verdict == entry.verdict).unwrap_or(0)
}

fn page(entries: &[Entry], reports: &Path) -> String {
    let count = |verdict: &str| entries.iter().filter(|entry| entry.verdict == verdict).count();
    let bad = count("failed") + count("interrupted");
    let class = if bad > 0 { "verdict fail" } else { "verdict pass" };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head("Runs of the simulator", &[STYLE])) }
            body {
                header { h1 { "Runs of the simulator" } }
                main {
                    div class=(class) {
                        @if bad > 0 { (bad) " of " (entries.len()) " failed" } @else { (entries.len()) " runs, none failed" }
                        small { (count("passed")) " passed, " (count("skipped")) " skipped in part" }
                    }
                    div.scroll { table {
                        thead { tr { th { "run" } th { "title" } th.n { "hold" } th { "verdict" } th { "history" } } }
                        tbody { @for entry in entries { (row(entry, reports)) } }
                    } }
                    p.hint { "History: runs whose results, scenario or commit differ from those of the run before, the oldest first; " a href="./history.html" { "trends of their metrics" } "; " code { "history.csv" } " in each folder has them all." }
                }
            }
        }
    };
    markup.into_string()
}

fn row(entry: &Entry, reports: &Path) -> maud::Markup {
    let class = |verdict: &str| match verdict {
        "passed" => "good",
        "skipped" | "interrupted" => "warn",
        _ => "bad",
    };
    // Runs without pictures have no page.
    let page = ["index.html", "summary.json"].into_iter().find(|name| reports.join(&entry.folder).join(name).exists());
    let target = file_url(&format!("{}/{}", entry.folder, page.unwrap_or_default()));
    html! {
        tr {
            td { a href=(target) { (entry.folder) } }
            td { (entry.title) @if !entry.failed.is_empty() { div.hint { (entry.failed) } } }
            td.n { (entry.hold) " of " (entry.of) }
            td class=(format!("v {}", class(&entry.verdict))) { (entry.verdict) }
            td { span.bars { @for verdict in &entry.history { i class=(class(verdict)) title=(verdict) {} } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_verdict_is_the_worst_of_its_parts() {
        let summary = |judged: Value| json!({ "interrupted": false, "expectations": judged });
        let judged = |holds: bool, skipped: bool| json!({ "holds": holds, "skipped": skipped });
        assert_eq!(verdict(&summary(json!([judged(true, false)]))), "passed");
        assert_eq!(verdict(&summary(json!([judged(true, false), judged(false, true)]))), "skipped");
        assert_eq!(verdict(&summary(json!([judged(false, false), judged(false, true)]))), "failed");
        assert_eq!(verdict(&json!({ "interrupted": true })), "interrupted");
    }

    #[test]
    fn the_index_lists_what_failed_first_and_escapes_names() {
        let folder = tempfile::tempdir().unwrap();
        for (name, holds) in [("a <run>", true), ("z", false)] {
            let run = folder.path().join(name);
            std::fs::create_dir(&run).unwrap();
            let expectation =
                json!({ "receiver": "engine", "check": "glitches & co", "holds": holds, "skipped": false });
            let summary = json!({ "title": name, "interrupted": false, "expectations": [expectation] });
            std::fs::write(run.join("summary.json"), summary.to_string()).unwrap();
        }
        std::fs::create_dir(folder.path().join("something else")).unwrap();
        write_index(folder.path()).unwrap();
        let html = std::fs::read_to_string(folder.path().join("index.html")).unwrap();
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is not in {html}"));
        assert!(at("./z/summary.json") < at("./a%20%3Crun%3E/summary.json"));
        assert!(at("glitches &amp; co of engine") > 0 && at("a &lt;run&gt;") > 0 && !html.contains("<run>"));
        assert!(html.contains("1 of 2 failed"));
    }
}
