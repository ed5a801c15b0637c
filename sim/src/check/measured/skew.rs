//! Skew: how far apart in time two receivers play the same frame.
//!
//! Model: at the end of every trace interval each receiver's latency is known from true clocks, so
//! the difference of two latencies is what an observer with a microphone at each loudspeaker would
//! measure at that moment.

use crate::check::Listening;
use crate::record::TraceRow;

/// Source of a receiver's latency: the audio that was heard or, if it was not judged, the position
/// that the receiver reports.
pub(super) struct Latencies<'a> {
    rows: &'a [TraceRow],
    heard: Option<&'a Listening>,
}

impl<'a> Latencies<'a> {
    pub(super) fn new(rows: &'a [TraceRow], heard: Option<&'a Listening>) -> Self {
        Self { rows, heard }
    }

    /// The latency at the end of a row of this or another receiver, ms; `None` where nothing is
    /// played.
    pub(super) fn at(&self, row: &TraceRow) -> Option<f64> {
        // All receivers of a run have their rows at the same times.
        match self.heard {
            Some(heard) => heard.latency_ms_at(row.time_s),
            None => {
                let own = self.rows.binary_search_by(|own| own.time_s.total_cmp(&row.time_s)).ok();
                own.and_then(|at| self.rows[at].latency_ms)
            }
        }
    }
}

/// Largest absolute skew; `None` if there is none, or if one of the two receivers was silent at any
/// time.
pub(super) fn largest_us(skews: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let sizes: Option<Vec<f64>> = skews.map(|skew| skew.map(f64::abs)).collect();
    sizes?.into_iter().max_by(f64::total_cmp)
}

/// Root mean square of the skews; `None` as for [`largest_us`].
pub(super) fn rms_us(skews: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let skews: Vec<f64> = skews.collect::<Option<_>>()?;
    let squares: f64 = skews.iter().map(|skew| skew * skew).sum();
    (!skews.is_empty()).then(|| libm::sqrt(squares / skews.len() as f64))
}
