//! Consecutive samples that are all late or all early.
//!
//! Purpose: one outlier proves nothing. A run of outliers that is long enough, in samples and in
//! time, proves that the estimate is wrong.

use super::sample::Sample;
use crate::units::{LocalTime, Nanos};

/// Number of consecutive outliers that proves that the estimate is wrong, and the time that they
/// must span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    pub(super) samples: u32,
    pub(super) time: Nanos,
}

/// A run of outliers, and the outlier that represents it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutlierRun {
    since: LocalTime,
    last: LocalTime,
    pub(super) samples: u32,
    /// The sample with the smallest rank.
    pub(super) best: Sample,
    pub(super) best_rank_ns: f64,
}

impl OutlierRun {
    /// The run extended by a sample, or a new run that begins with the sample. The sample with the
    /// smallest `rank_ns` represents the run.
    pub(super) fn extended(run: Option<Self>, sample: &Sample, rank_ns: f64) -> Self {
        let new = Self { since: sample.at, last: sample.at, samples: 0, best: *sample, best_rank_ns: rank_ns };
        let mut run = run.unwrap_or(new);
        run.samples += 1;
        run.last = sample.at;
        if rank_ns < run.best_rank_ns {
            (run.best, run.best_rank_ns) = (*sample, rank_ns);
        }
        run
    }

    /// Time from the newest sample of the run to `now`.
    pub(super) fn silence(&self, now: LocalTime) -> Nanos {
        now.since(self.last)
    }

    /// Whether the run is long enough at `now`, in samples and in time.
    pub(super) fn proves(&self, now: LocalTime, proof: Proof) -> bool {
        self.samples >= proof.samples && now.since(self.since) >= proof.time
    }
}
