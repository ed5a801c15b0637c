//! `sim history`: how the main metrics of runs changed from one run to the next.

use crate::{EXIT_USAGE, terminal};
use sim::report::{HistoryLine, read_history, write_index};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Heights of the bars of a trend.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[derive(clap::Args)]
pub(crate) struct History {
    /// Runs, by the names of their folders; all if none is given.
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// The folder of the reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,

    /// Only metrics whose names contain this, such as `latency_ms` or `engine.`.
    #[arg(long, value_name = "TEXT", default_value = "")]
    metric: String,

    /// Shows at most so many runs of each, the last ones.
    #[arg(long, value_name = "COUNT", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..))]
    last: u16,
}

pub(crate) fn run(arguments: &History) -> ExitCode {
    match shown(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn shown(arguments: &History) -> Result<(), String> {
    let names = if arguments.runs.is_empty() { all(&arguments.reports)? } else { arguments.runs.clone() };
    for name in &names {
        let folder = arguments.reports.join(name);
        let lines = read_history(&folder).map_err(|error| error.to_string())?;
        if lines.is_empty() {
            let right = "name a folder of a run, or leave it out for all";
            return Err(format!("{}: there is no history in it: {right}", folder.display()));
        }
        tell(name, &lines[lines.len().saturating_sub(usize::from(arguments.last))..], &arguments.metric);
    }
    write_index(&arguments.reports).map_err(|error| error.to_string())?;
    terminal::say(format_args!("page: {}", arguments.reports.join("history.html").display()));
    Ok(())
}

/// The runs that have a history.
fn all(reports: &Path) -> Result<Vec<String>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}; name the folder with --reports", reports.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(reports).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("history.csv").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        Err(format!("{}: there is no run with a history in it", reports.display()))
    } else {
        Ok(names)
    }
}

fn tell(name: &str, lines: &[HistoryLine], wanted: &str) {
    let verdicts: String = lines.iter().filter_map(|line| line.verdict.chars().next()).collect();
    let commit = lines.last().map(|line| line.commit.as_str()).filter(|commit| !commit.is_empty());
    let commit = commit.map_or_else(String::new, |commit| format!(", the last at commit {commit}"));
    terminal::say(format_args!("{name}: {} runs ({verdicts}){commit}", lines.len()));
    let metrics: BTreeSet<String> = lines.iter().flat_map(|line| line.values().into_keys()).collect();
    let metrics: Vec<String> = metrics.into_iter().filter(|metric| metric.contains(wanted)).collect();
    let widest = metrics.iter().map(String::len).max().unwrap_or(0);
    for metric in &metrics {
        let values: Vec<Option<f64>> = lines.iter().map(|line| line.values().get(metric).copied()).collect();
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let (Some(first), Some(last)) = (known.first(), known.last()) else { continue };
        terminal::say(format_args!("  {metric:widest$}  {}  {} -> {}", bars(&values), told(*first), told(*last)));
    }
}

fn told(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "never".to_owned() }
}

/// A bar for each run; a space where nothing is known, and a cross where it never happened.
fn bars(values: &[Option<f64>]) -> String {
    let finite = || values.iter().flatten().filter(|value| value.is_finite());
    let (low, high) = finite().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if !value.is_finite() => '×',
        Some(value) if high > low => BARS[((value - low) / (high - low) * (BARS.len() - 1) as f64).round() as usize],
        Some(_) => BARS[3],
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_with_values() {
        assert_eq!(bars(&[Some(1.0), Some(8.0), None, Some(f64::INFINITY), Some(4.5)]), "▁█ ×▅");
        assert_eq!(bars(&[Some(2.0), Some(2.0)]), "▄▄");
    }
}
