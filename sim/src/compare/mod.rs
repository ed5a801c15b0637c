//! Two sides in the same weather: settings, laws or builds, seed by seed.

mod bands;
mod statistics;

pub(crate) use bands::Overlay;
pub use bands::Traces;
pub use statistics::{Comparison, LEVEL, Pairs, Verdict, compare};

use crate::report::{ReportError, write_atomically, write_compare_page};
use crate::scenario::Metric;
use crate::sweep::{Figures, is_lower_worse};
use std::path::Path;

/// A receiver, a metric, and the seeds with the values of A and B.
type Measured = (String, String, Vec<(u64, f64, f64)>);

/// One run of a side.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was measured.
    pub figures: Vec<Figures>,
    /// What happened over time.
    pub traces: Traces,
}

/// A compared metric of a receiver.
#[derive(Clone, Debug)]
pub struct Line {
    /// The receiver, by its name on side A.
    pub receiver: String,
    /// The metric.
    pub metric: String,
    /// Seeds, with the values of A and B.
    pub values: Vec<(u64, f64, f64)>,
    /// What they say.
    pub comparison: Comparison,
}

/// Both sides, compared.
#[derive(Debug)]
pub struct Duel {
    /// The scenario's name.
    pub scenario: String,
    /// What each side is, in words.
    pub sides: [String; 2],
    /// The seeds, in words.
    pub seeds: String,
    /// Share of A's median within which a difference does not matter.
    pub margin: f64,
    /// The metrics, in the order of reports.
    pub lines: Vec<Line>,
    pub(crate) overlays: Vec<Overlay>,
}

impl Duel {
    /// Compares the runs of two sides with the same seeds, in their order.
    ///
    /// # Errors
    /// If no receiver is on both sides.
    pub fn new(
        scenario: String,
        sides: [String; 2],
        seeds: (String, &[u64]),
        runs: [&[Run]; 2],
        margin: f64,
    ) -> Result<Self, String> {
        let pairs = receivers(runs)?;
        let mut lines: Vec<Measured> = Vec::new();
        for names in &pairs {
            for metric in Metric::ALL.iter().map(Metric::to_string) {
                let value = |run: &Run, name: &str| {
                    let figures = run.figures.iter().find(|figures| figures.receiver == name)?;
                    figures.values.iter().find(|(other, _)| *other == metric).map(|(_, figure)| figure.0)
                };
                let both = seeds.1.iter().zip(runs[0].iter().zip(runs[1]));
                let values =
                    both.filter_map(|(seed, (a, b))| Some((*seed, value(a, &names[0])?, value(b, &names[1])?)));
                let values: Vec<_> = values.collect();
                if !values.is_empty() {
                    lines.push((names[0].clone(), metric, values));
                }
            }
        }
        let of_line = |(_, metric, values): &Measured| Pairs {
            values: values.iter().map(|(_, a, b)| (*a, *b)).collect(),
            lower_is_worse: is_lower_worse(metric),
        };
        let compared = compare(&lines.iter().map(of_line).collect::<Vec<_>>(), margin);
        let lines = lines.into_iter().zip(compared);
        let lines = lines.map(|((receiver, metric, values), comparison)| Line { receiver, metric, values, comparison });
        let [a, b] = runs.map(|runs| runs.iter().map(|run| run.traces.clone()).collect::<Vec<_>>());
        let overlays = bands::overlays([&a, &b], &pairs);
        Ok(Self { scenario, sides, seeds: seeds.0, margin, lines: lines.collect(), overlays })
    }

    /// How many metrics have a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.comparison.verdict == verdict).count()
    }

    /// Writes `index.html`, and `pairs.csv` with both values of every seed.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let path = folder.join("pairs.csv");
        let csv = || {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["receiver", "metric", "seed", "a", "b", "verdict"])?;
            for line in &self.lines {
                for (seed, a, b) in &line.values {
                    let figures = [seed.to_string(), a.to_string(), b.to_string()];
                    let verdict = line.comparison.verdict.word();
                    let start = [line.receiver.as_str(), &line.metric];
                    writer
                        .write_record(start.into_iter().chain(figures.iter().map(String::as_str)).chain([verdict]))?;
                }
            }
            writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
        };
        let written = csv().and_then(|bytes| Ok(write_atomically(&path, bytes)?));
        written.map_err(|source| ReportError::Csv { path: path.clone(), source })?;
        write_compare_page(self, folder)
    }
}

/// The receivers that are compared: those of the same name; or the only one of each side.
fn receivers(runs: [&[Run]; 2]) -> Result<Vec<[String; 2]>, String> {
    let names = |side: &[Run]| -> Vec<String> {
        side.first().map(|run| run.figures.iter().map(|figures| figures.receiver.clone()).collect()).unwrap_or_default()
    };
    let [a, b] = runs.map(names);
    let same: Vec<[String; 2]> =
        a.iter().filter(|name| b.contains(name)).map(|name| [name.clone(), name.clone()]).collect();
    match (&a[..], &b[..]) {
        _ if !same.is_empty() => Ok(same),
        ([a], [b]) => Ok(vec![[a.clone(), b.clone()]]),
        _ => Err(format!(
            "the sides have no receiver in common: A has {}, B has {}; give both the same name",
            a.join(", "),
            b.join(", ")
        )),
    }
}
