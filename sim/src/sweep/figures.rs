//! Statistics of a metric over runs.

use super::{Plan, Record};
use crate::scenario::Metric;

/// Whether smaller values of a metric are worse. Of all others, larger ones are: errors, times,
/// faults, packets that went astray.
#[must_use]
pub fn is_lower_worse(metric: &str) -> bool {
    let lower = [Metric::HeardShare, Metric::LockedShare, Metric::Coverage3Sigma, Metric::DisplayedAudioPercent];
    lower.iter().any(|other| other.to_string() == metric)
}

/// A metric over runs. Infinite values, of what never happened, are the worst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Runs in which it could be measured.
    pub runs: usize,
    /// The median: half of the runs are no worse.
    pub p50: f64,
    /// 95 % of the runs are no worse.
    pub p95: f64,
    /// The worst value.
    pub worst: f64,
    /// The first run that had it.
    pub worst_run: usize,
}

impl Stats {
    /// Of runs and their values, by the nearest rank; none if there is no value.
    #[must_use]
    pub fn of(values: &[(usize, f64)], lower_is_worse: bool) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| {
            let order = a.1.total_cmp(&b.1);
            let worse = if lower_is_worse { order.reverse() } else { order };
            worse.then(b.0.cmp(&a.0))
        });
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1));
        let (worst_run, worst) = *sorted.last()?;
        Some(Self { runs: sorted.len(), p50: rank(50)?.1, p95: rank(95)?.1, worst, worst_run })
    }
}

/// A metric of a receiver over the runs at one point, or at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The point; none for all runs.
    pub point: Option<usize>,
    /// The receiver.
    pub receiver: String,
    /// The metric.
    pub metric: String,
    /// Its statistics.
    pub stats: Stats,
}

/// Receivers and metrics of all runs, in the order of reports.
pub(super) fn columns(records: &[Record]) -> Vec<(String, String)> {
    let mut columns: Vec<(String, String)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut receivers: Vec<&str> = Vec::new();
    for figures in records.iter().flat_map(|record| &record.figures) {
        if !receivers.contains(&figures.receiver.as_str()) {
            receivers.push(&figures.receiver);
        }
        for (metric, _) in &figures.values {
            if seen.insert((figures.receiver.as_str(), metric.as_str())) {
                columns.push((figures.receiver.clone(), metric.clone()));
            }
        }
    }
    let order: Vec<String> = Metric::ALL.iter().map(Metric::to_string).collect();
    let place = |(receiver, metric): &(String, String)| {
        let receiver = receivers.iter().position(|other| other == receiver);
        (receiver, order.iter().position(|other| other == metric).unwrap_or(order.len()), metric.clone())
    };
    columns.sort_by_key(place);
    columns
}

/// The value of a column in a run.
pub(super) fn value(record: &Record, (receiver, metric): &(String, String)) -> Option<f64> {
    let figures = record.figures.iter().find(|figures| figures.receiver == *receiver)?;
    figures.values.iter().find(|(name, _)| name == metric).map(|(_, figure)| figure.0)
}

/// The statistics of every metric: over all runs, then over those of each point if there are
/// several.
#[must_use]
pub fn rows(plan: &Plan, records: &[Record]) -> Vec<Row> {
    let columns = columns(records);
    let points = if plan.points() > 1 { plan.points() } else { 0 };
    let mut rows = Vec::new();
    for point in [None].into_iter().chain((0..points).map(Some)) {
        let of_point: Vec<&Record> = match point {
            None => records.iter().collect(),
            Some(point) => records.iter().filter(|record| plan.point_of(record.run) == point).collect(),
        };
        for column in &columns {
            let values: Vec<(usize, f64)> =
                of_point.iter().filter_map(|record| Some((record.run, value(record, column)?))).collect();
            let (receiver, metric) = column.clone();
            let stats = Stats::of(&values, is_lower_worse(&metric));
            rows.extend(stats.map(|stats| Row { point, receiver, metric, stats }));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_at_the_end_that_hurts() {
        let values: Vec<(usize, f64)> = (0..20).map(|run| (run, (run * 7 % 20) as f64)).collect();
        let stats = Stats::of(&values, false).unwrap();
        assert_eq!((stats.p50, stats.p95, stats.worst, stats.worst_run, stats.runs), (9.0, 18.0, 19.0, 17, 20));
        let stats = Stats::of(&values, true).unwrap();
        assert_eq!((stats.p50, stats.p95, stats.worst, stats.worst_run), (10.0, 1.0, 0.0, 0));
        let never = Stats::of(&[(0, 1.0), (1, f64::INFINITY), (2, f64::INFINITY)], false).unwrap();
        assert_eq!((never.worst, never.worst_run), (f64::INFINITY, 1));
        assert_eq!(Stats::of(&[], false), None);
    }

    #[test]
    fn names_of_metrics_that_are_worse_when_small_exist() {
        assert!(is_lower_worse("heard_share") && is_lower_worse("coverage_3sigma") && !is_lower_worse("glitches"));
    }
}
