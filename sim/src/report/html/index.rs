//! The page of all runs in a folder, and what became of each scenario before.

use super::body::{STYLE, file_url, head};
use crate::report::{ReportError, write_atomically};
use crate::run::Summary;
use maud::{DOCTYPE, html};
use serde_json::Value;
use std::path::Path;

/// What a run's folder remembers of former runs.
const HISTORY: &str = "history.csv";
/// Its first line.
const COLUMNS: &str = "tool_version,scenario_hash,seed,verdict,hold,of,failed";
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
    fn of(folder: String, summary: &Value, history: &str) -> Self {
        let judged = summary["expectations"].as_array().map_or(&[][..], Vec::as_slice);
        let hold = judged.iter().filter(|judgement| judgement["holds"].as_bool() == Some(true)).count();
        let failed = judged.iter().filter(|judgement| {
            judgement["holds"].as_bool() != Some(true) && judgement["skipped"].as_bool() != Some(true)
        });
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names: Vec<String> = failed
            .map(|judgement| format!("{} of {}", text(&judgement["check"]), text(&judgement["receiver"])))
            .collect();
        let verdicts = history.lines().skip(1).filter_map(|line| line.split(',').nth(3)).map(str::to_owned);
        let mut history: Vec<String> = verdicts.collect();
        history.drain(..history.len().saturating_sub(SHOWN));
        Self {
            title: text(&summary["title"]),
            verdict: verdict(summary).to_owned(),
            hold,
            of: judged.len(),
            failed: names.join("; "),
            history,
            folder,
        }
    }
}

/// Adds a run to the history of its folder, unless the last one there had the same results: a run
/// that is only repeated is no news.
///
/// # Errors
/// If the history cannot be read or written.
pub fn note_history(summary: &Summary, folder: &Path) -> Result<(), ReportError> {
    let path = folder.join(HISTORY);
    let failed = |source| ReportError::Page { path: path.clone(), source };
    let mut text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!("{COLUMNS}\n"),
        Err(error) => return Err(failed(error)),
    };
    let value = serde_json::to_value(summary).map_err(|error| failed(error.into()))?;
    let entry = Entry::of(String::new(), &value, "");
    // Names of checks and receivers have commas.
    let names = entry.failed.replace('"', "\"\"");
    let Summary { tool_version, scenario_hash, seed, .. } = summary;
    let Entry { verdict, hold, of, .. } = entry;
    let line = format!("{tool_version},{scenario_hash},{seed},{verdict},{hold},{of},\"{names}\"");
    if text.lines().last() != Some(&line) {
        text.push_str(&line);
        text.push('\n');
        write_atomically(&path, text).map_err(failed)?;
    }
    Ok(())
}

/// Writes `index.html` into a folder of reports: every run there, those that failed first.
///
/// # Errors
/// If the folder cannot be read, or the page not written.
pub fn write_index(reports: &Path) -> Result<(), ReportError> {
    let path = reports.join("index.html");
    let failed = |source| ReportError::Page { path: path.clone(), source };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(reports).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        let read = |name: &str| std::fs::read_to_string(folder.join(name));
        // A folder of something else, or a run that was not finished.
        let Some(summary) = read("summary.json").ok().and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            continue;
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        entries.push(Entry::of(name, &summary, &read(HISTORY).unwrap_or_default()));
    }
    entries.sort_by(|a, b| (rank(a), &a.folder).cmp(&(rank(b), &b.folder)));
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
                    p.hint { "History: runs whose results differ from those before them, the oldest first; " code { (HISTORY) } " in each folder has them all." }
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
