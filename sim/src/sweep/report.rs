//! The files of a sweep: `index.html`, `runs.csv`, `runs.parquet`, `metrics.csv` and `sweep.json`.

use super::figures::{columns, value};
use super::parquet::{self, Column};
use super::{Ending, Plan, Record, Row, rows};
use crate::report::{ReportError, write_atomically, write_sweep_page};
use crate::scenario::Loaded;
use serde_json::{Value, json};
use std::path::Path;

/// A finished sweep.
#[derive(Debug)]
pub struct Outcome {
    /// Its runs.
    pub plan: Plan,
    /// What came of them, in order.
    pub records: Vec<Record>,
    /// The statistics of every metric.
    pub rows: Vec<Row>,
    /// The first run's scenario.
    loaded: Loaded,
}

/// An expectation that does not hold in some runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmet {
    /// The expectation.
    pub what: String,
    /// In how many runs.
    pub runs: usize,
    /// By how much at most; infinite if it could not be judged.
    pub missed_by: f64,
    /// The first run that misses it so.
    pub worst_run: usize,
}

impl Outcome {
    /// The outcome of all runs of a plan.
    ///
    /// # Errors
    /// If the scenario cannot be read any more.
    pub fn new(plan: Plan, records: Vec<Record>) -> Result<Self, String> {
        let loaded = plan.load(0)?;
        let rows = rows(&plan, &records);
        Ok(Self { plan, records, rows, loaded })
    }

    /// How many runs ended so.
    #[must_use]
    pub fn count(&self, ending: Ending) -> usize {
        self.records.iter().filter(|record| record.ending == ending).count()
    }

    /// The runs that failed, or were not run to their end.
    pub fn failing(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| matches!(record.ending, Ending::Failed | Ending::Error))
    }

    /// The command that repeats a run.
    #[must_use]
    pub fn command(&self, run: usize) -> String {
        self.plan.command(&self.loaded, run)
    }

    /// The expectations that do not hold everywhere, that of most runs first.
    #[must_use]
    pub fn unmet(&self) -> Vec<Unmet> {
        let mut unmet: Vec<Unmet> = Vec::new();
        for record in &self.records {
            for failure in &record.failures {
                let missed_by = failure.missed_by.0;
                match unmet.iter_mut().find(|other| other.what == failure.what) {
                    None => {
                        let (what, worst_run) = (failure.what.clone(), record.run);
                        unmet.push(Unmet { what, runs: 1, missed_by, worst_run });
                    }
                    Some(other) => {
                        other.runs += 1;
                        if missed_by > other.missed_by {
                            (other.missed_by, other.worst_run) = (missed_by, record.run);
                        }
                    }
                }
            }
        }
        unmet.sort_by_key(|unmet| std::cmp::Reverse(unmet.runs));
        unmet
    }

    /// What was varied in a run, in words.
    #[must_use]
    pub fn settings(&self, run: usize) -> String {
        let values = self.plan.values(self.plan.point_of(run));
        let words = values.iter().zip(&self.plan.vary).map(|(value, axis)| format!("{}={value}", axis.key));
        words.chain([format!("seed={}", self.plan.seed_of(run))]).collect::<Vec<_>>().join(" ")
    }

    fn json(&self) -> Value {
        let failing = self.failing().map(|record| {
            let sentences = record.failures.iter().map(|failure| failure.sentence.as_str());
            json!({
                "run": record.run,
                "settings": self.settings(record.run),
                "what": sentences.chain(record.error.as_deref()).collect::<Vec<_>>(),
                "command": self.command(record.run),
            })
        });
        let metrics = self.rows.iter().filter(|row| row.point.is_none()).map(|row| {
            json!({
                "receiver": row.receiver,
                "metric": row.metric,
                "runs": row.stats.runs,
                "p50": finite(row.stats.p50),
                "p95": finite(row.stats.p95),
                "worst": finite(row.stats.worst),
                "worst_run": row.stats.worst_run,
                "worst_infinite": row.stats.worst.is_infinite(),
            })
        });
        json!({
            "plan": self.plan,
            "runs": self.records.len(),
            "passed": self.count(Ending::Passed),
            "skipped": self.count(Ending::Skipped),
            "failed": self.count(Ending::Failed),
            "error": self.count(Ending::Error),
            "failing": failing.collect::<Vec<_>>(),
            "metrics": metrics.collect::<Vec<_>>(),
        })
    }

    fn runs_csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let columns = columns(&self.records);
        let keys = self.plan.vary.iter().map(|axis| axis.key.clone());
        let names = columns.iter().map(|(receiver, metric)| format!("{receiver}.{metric}"));
        let start = ["run", "seed"].map(str::to_owned).into_iter().chain(keys).chain(["ending".to_owned()]);
        writer.write_record(start.chain(names).chain(["command".to_owned()]))?;
        for record in &self.records {
            let point = self.plan.point_of(record.run);
            let values = self.plan.values(point).into_iter().map(str::to_owned);
            let figures = columns.iter().map(|column| text(value(record, column)));
            let start = [record.run.to_string(), self.plan.seed_of(record.run).to_string()];
            let start = start.into_iter().chain(values).chain([record.ending.word().to_owned()]);
            writer.write_record(start.chain(figures).chain([self.command(record.run)]))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }

    /// The table of `runs.csv` with numbers as numbers.
    fn runs_parquet(&self) -> Vec<u8> {
        let of_runs = |value: &dyn Fn(&Record) -> String| Column::Text(self.records.iter().map(value).collect());
        let whole = |value: &dyn Fn(&Record) -> i64| Column::Whole(self.records.iter().map(value).collect());
        // No seed is larger than the largest i64.
        let seed = |record: &Record| self.plan.seed_of(record.run) as i64;
        let mut table = vec![("run".to_owned(), whole(&|record| record.run as i64)), ("seed".to_owned(), whole(&seed))];
        for (place, axis) in self.plan.vary.iter().enumerate() {
            let value = |record: &Record| self.plan.values(self.plan.point_of(record.run))[place].to_owned();
            table.push((axis.key.clone(), of_runs(&value)));
        }
        table.push(("ending".to_owned(), of_runs(&|record| record.ending.word().to_owned())));
        for column in columns(&self.records) {
            let values = self.records.iter().map(|record| value(record, &column)).collect();
            table.push((format!("{}.{}", column.0, column.1), Column::Real(values)));
        }
        table.push(("command".to_owned(), of_runs(&|record| self.command(record.run))));
        parquet::file(&table, self.records.len())
    }

    fn metrics_csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let keys = self.plan.vary.iter().map(|axis| axis.key.as_str());
        let rest = ["receiver", "metric", "runs", "p50", "p95", "worst", "worst_seed", "command"];
        writer.write_record(keys.chain(rest))?;
        for Row { point, receiver, metric, stats } in &self.rows {
            // The rows of all points have no values of keys.
            let none = || self.plan.vary.iter().map(|_| "").collect();
            let values: Vec<&str> = point.map_or_else(none, |point| self.plan.values(point));
            let figures = [stats.p50, stats.p95, stats.worst].map(|value| text(Some(value)));
            let start = values.into_iter().map(str::to_owned).chain([receiver.clone(), metric.clone()]);
            let end = [self.plan.seed_of(stats.worst_run).to_string(), self.command(stats.worst_run)];
            writer.write_record(start.chain([stats.runs.to_string()]).chain(figures).chain(end))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

/// A number in a CSV file: nothing if it was not measured, `inf` if it is infinite.
fn text(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Writes all files into the folder of a sweep.
///
/// # Errors
/// If one cannot be written.
pub fn write_reports(outcome: &Outcome, folder: &Path) -> Result<(), ReportError> {
    for (name, made) in [("runs.csv", outcome.runs_csv()), ("metrics.csv", outcome.metrics_csv())] {
        let path = folder.join(name);
        let written = made.and_then(|bytes| Ok(write_atomically(&path, bytes)?));
        written.map_err(|source| ReportError::Csv { path: path.clone(), source })?;
    }
    let path = folder.join("runs.parquet");
    write_atomically(&path, outcome.runs_parquet()).map_err(|source| ReportError::Page { path, source })?;
    let path = folder.join("sweep.json");
    let json = format!("{:#}\n", outcome.json());
    write_atomically(&path, json).map_err(|source| ReportError::Page { path, source })?;
    write_sweep_page(outcome, folder)
}
