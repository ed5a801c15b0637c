//! What became of a scenario before: a line for each run in the folder of its reports.
//!
//! A line has no date: results do not depend on it, and lines are in the order of the runs.

use super::{ReportError, write_atomically};
use crate::run::{ReceiverSummary, Summary};
use crate::scenario::Metric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of the file.
const FILE: &str = "history.csv";
/// Runs that are remembered: some 500 kB for four receivers.
const MOST_LINES: usize = 1000;
/// The metrics whose trend is worth a look.
const METRICS: [Metric; 8] = [
    Metric::HeardShare,
    Metric::Glitches,
    Metric::LatencyMs,
    Metric::LongestGapMs,
    Metric::LockTimeS,
    Metric::LockedShare,
    Metric::ClockErrorUs,
    Metric::RatioErrorPpm,
];
/// Digits of a commit's name.
const COMMIT_DIGITS: usize = 12;

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryLine {
    /// Version of the simulator.
    pub tool_version: String,
    /// The commit that was checked out where the scenario's file is; empty if that is unknown.
    pub commit: String,
    /// Hash of the scenario and of what the command line changed.
    pub scenario_hash: String,
    /// Its seed.
    pub seed: String,
    /// `passed`, `failed`, `skipped` or `interrupted`.
    pub verdict: String,
    /// Expectations that hold.
    pub hold: String,
    /// All expectations.
    pub of: String,
    /// Those that failed, in words.
    pub failed: String,
    /// The main metrics: `receiver.metric=value`, with spaces between.
    pub metrics: String,
}

impl HistoryLine {
    fn of(summary: &Summary, scenario: &Path) -> Self {
        let judged = &summary.expectations;
        let failed = judged.iter().filter(|judgement| !judgement.holds && !judgement.skipped);
        let names: Vec<String> =
            failed.map(|judgement| format!("{} of {}", judgement.check, judgement.receiver)).collect();
        let metrics: Vec<String> = summary.receivers.iter().flat_map(metrics_of).collect();
        Self {
            tool_version: summary.tool_version.to_owned(),
            commit: commit_of(scenario).unwrap_or_default(),
            scenario_hash: summary.scenario_hash.clone(),
            seed: summary.seed.to_string(),
            verdict: verdict(summary).to_owned(),
            hold: judged.iter().filter(|judgement| judgement.holds).count().to_string(),
            of: judged.len().to_string(),
            failed: names.join("; "),
            metrics: metrics.join(" "),
        }
    }

    /// Its metrics by `receiver.metric`.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, f64> {
        let pair =
            |text: &str| text.rsplit_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
        self.metrics.split(' ').filter_map(pair).collect()
    }
}

fn metrics_of(receiver: &ReceiverSummary) -> Vec<String> {
    let value = |metric: Metric| match receiver.metrics.get(&metric).copied().flatten() {
        Some(value) => Some(value.to_string()),
        None => receiver.infinite.contains(&metric).then(|| "inf".to_owned()),
    };
    let told = |metric: Metric| Some(format!("{}.{metric}={}", receiver.name, value(metric)?));
    METRICS.into_iter().filter_map(told).collect()
}

/// A run's verdict in a word.
fn verdict(summary: &Summary) -> &'static str {
    let judged = &summary.expectations;
    match () {
        () if summary.interrupted => "interrupted",
        () if judged.iter().any(|judgement| !judgement.holds && !judgement.skipped) => "failed",
        () if judged.iter().any(|judgement| judgement.skipped) => "skipped",
        () => "passed",
    }
}

/// The history of a folder, the oldest run first; empty if there is none.
///
/// # Errors
/// If it cannot be read, or is not a history.
pub fn read_history(folder: &Path) -> Result<Vec<HistoryLine>, ReportError> {
    let path = folder.join(FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ReportError::Page { path, source }),
    };
    let lines: Result<Vec<HistoryLine>, csv::Error> = csv::Reader::from_reader(text.as_slice()).deserialize().collect();
    lines.map_err(|source| ReportError::Csv { path, source })
}

/// Adds a run to the history of its folder, unless the last one there was the same in everything:
/// a run that is only repeated is no news. The oldest lines are dropped beyond a thousand.
///
/// # Errors
/// If the history cannot be read or written.
pub fn note_history(summary: &Summary, scenario: &Path, folder: &Path) -> Result<(), ReportError> {
    let mut lines = read_history(folder)?;
    let line = HistoryLine::of(summary, scenario);
    if lines.last() == Some(&line) {
        return Ok(());
    }
    lines.push(line);
    lines.drain(..lines.len().saturating_sub(MOST_LINES));
    let path = folder.join(FILE);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let serialized = lines.iter().try_for_each(|line| writer.serialize(line));
    serialized.map_err(|source| ReportError::Csv { path: path.clone(), source })?;
    let text = writer.into_inner().map_err(|error| error.into_error());
    text.and_then(|text| write_atomically(&path, text)).map_err(|source| ReportError::Page { path, source })
}

/// The commit that is checked out where a file is; none if it is in no repository of Git, or in one
/// that keeps its references in another way than files.
fn commit_of(file: &Path) -> Option<String> {
    let folder = file.canonicalize().ok()?;
    let git = folder.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    let git = if git.is_file() {
        // A worktree or submodule: the file says where the folder is.
        let text = std::fs::read_to_string(&git).ok()?;
        git.parent()?.join(text.strip_prefix("gitdir:")?.trim())
    } else {
        git
    };
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let hash = match head.trim().strip_prefix("ref: ") {
        None => head.trim().to_owned(),
        Some(reference) => resolved(&git, reference)?,
    };
    let is_hash = hash.len() >= COMMIT_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| hash[..COMMIT_DIGITS].to_owned())
}

/// The commit of a reference, which is a file of its own or a line of a packed one.
fn resolved(git: &Path, reference: &str) -> Option<String> {
    let common = std::fs::read_to_string(git.join("commondir")).map(|text| git.join(text.trim()));
    let folders: [PathBuf; 2] = [git.to_owned(), common.unwrap_or_else(|_| git.to_owned())];
    let loose = folders.iter().find_map(|folder| std::fs::read_to_string(folder.join(reference)).ok());
    loose.map(|text| text.trim().to_owned()).or_else(|| {
        let packed = std::fs::read_to_string(folders[1].join("packed-refs")).ok()?;
        let lines = packed.lines().filter_map(|line| line.split_once(' '));
        lines.into_iter().find(|(_, name)| *name == reference).map(|(hash, _)| hash.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(verdict: &str, metrics: &str) -> HistoryLine {
        HistoryLine { verdict: verdict.to_owned(), metrics: metrics.to_owned(), ..HistoryLine::default() }
    }

    #[test]
    fn values_are_by_receiver_and_metric() {
        let values = line("passed", "engine.latency_ms=21.5 a.b.lock_time_s=inf odd").values();
        assert_eq!(values.len(), 2);
        assert_eq!((values["engine.latency_ms"], values["a.b.lock_time_s"]), (21.5, f64::INFINITY));
    }

    /// Lines of a form that had fewer columns are kept, and what is no history is an error.
    #[test]
    fn older_histories_are_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_history(folder.path()).unwrap().is_empty());
        let old = "tool_version,scenario_hash,seed,verdict,hold,of,failed\n0.1.0,ab,7,failed,1,2,\"a, b of engine\"\n";
        std::fs::write(folder.path().join(FILE), old).unwrap();
        let lines = read_history(folder.path()).unwrap();
        assert_eq!((lines[0].verdict.as_str(), lines[0].failed.as_str()), ("failed", "a, b of engine"));
        std::fs::write(folder.path().join(FILE), "a,b\n1\n").unwrap();
        assert!(matches!(read_history(folder.path()), Err(ReportError::Csv { .. })));
    }

    #[test]
    fn a_commit_is_found_loose_packed_detached_and_of_a_worktree() {
        let place = tempfile::tempdir().unwrap();
        let git = place.path().join(".git");
        let scenario = place.path().join("scenarios/x.toml");
        let write = |path: &Path, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        write(&scenario, "");
        write(&git.join("HEAD"), "ref: refs/heads/main\n");
        assert_eq!(commit_of(&scenario), None);
        write(&git.join("packed-refs"), &format!("# pack-refs\n{one} refs/heads/main\n"));
        assert_eq!(commit_of(&scenario), Some(one[..12].to_owned()));
        write(&git.join("refs/heads/main"), &format!("{two}\n"));
        assert_eq!(commit_of(&scenario), Some(two[..12].to_owned()));
        write(&git.join("HEAD"), &format!("{one}\n"));
        assert_eq!(commit_of(&scenario), Some(one[..12].to_owned()));
        let worktree = place.path().join("elsewhere/y.toml");
        write(&worktree, "");
        write(&place.path().join("elsewhere/.git"), "gitdir: ../.git/worktrees/y\n");
        write(&git.join("worktrees/y/HEAD"), "ref: refs/heads/main\n");
        write(&git.join("worktrees/y/commondir"), "../..\n");
        assert_eq!(commit_of(&worktree), Some(two[..12].to_owned()));
    }
}
