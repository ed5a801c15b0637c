//! Formats how late packets left.

use engine::send::LatenessHistogram;

/// Formats the distribution of lateness, for the end of a run.
pub(crate) fn histogram(lateness: &LatenessHistogram) -> String {
    let shares = [(50.0, 0.5), (90.0, 0.9), (99.0, 0.99), (99.9, 0.999), (100.0, 1.0)];
    let rows = shares.map(|(percent, share)| format!("  {percent:>5} % at most {}", lateness.quantile(share)));
    format!("lateness of {} packets:\n{}", lateness.count(), rows.join("\n"))
}
