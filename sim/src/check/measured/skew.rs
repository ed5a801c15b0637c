//! Skew: how far apart in time two receivers play the same frame.
//!
//! Model: at the end of every trace interval each receiver's latency is known from true clocks, so the difference of two latencies is what an
//! observer with a microphone at each loudspeaker would measure at that moment.

use crate::record::TraceRow;

/// By how much later than another receiver one plays the same frame, row by row; nothing where one of them is silent.
pub(super) fn between_us<'a>(
    rows: impl Iterator<Item = &'a TraceRow>,
    others: &'a [TraceRow],
) -> impl Iterator<Item = Option<f64>> {
    rows.map(|row| {
        // All receivers of a run have their rows at the same times.
        let other = others.binary_search_by(|other| other.time_s.total_cmp(&row.time_s)).ok().map(|at| &others[at]);
        Some((row.latency_ms? - other?.latency_ms?) * 1e3)
    })
}

/// Largest size; nothing if there is none, or if one of the two was silent at any time.
pub(super) fn largest_us(skews: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let sizes: Option<Vec<f64>> = skews.map(|skew| skew.map(f64::abs)).collect();
    sizes?.into_iter().max_by(f64::total_cmp)
}

/// Root of the mean square; nothing likewise.
pub(super) fn rms_us(skews: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let skews: Vec<f64> = skews.collect::<Option<_>>()?;
    let squares: f64 = skews.iter().map(|skew| skew * skew).sum();
    (!skews.is_empty()).then(|| libm::sqrt(squares / skews.len() as f64))
}
