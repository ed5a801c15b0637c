//! Holding the time while somebody else sends in the name of the master.
//!
//! Model: what was known before the contest is kept as it was, as an *anchor*. A timestamp agrees
//! if it is within [`PULL_NS`] of the anchor's time, and nothing agrees any more once the anchor
//! itself may be off by as much. So whoever chooses timestamps freely moves the clock by no more
//! than that, and with what the anchor is off by the clock stays within half of what a locked clock
//! may be off by. When the master is not heard any more among the others, the clock goes on by the
//! anchor, not by what was learnt since.

use super::*;
use crate::clock::LockState;

/// What timestamps may move the time by during a contest, and what the anchor may be off by, ns.
const PULL_NS: f64 = CEILING_NS / 4.0;
/// Standard deviations by which the anchor may be off.
const ANCHOR_SIGMAS: f64 = 3.0;

impl SlaveClock {
    pub(super) fn agreement_with_anchor(&self, pair: &TimestampPair) -> Option<Agreement> {
        let is_held = self.lock.state().is_usable() && self.new_master.is_none();
        let origin = self.origin.filter(|_| is_held)?;
        let sample = Self::sample_from(origin, pair);
        let estimator = self.anchor.as_deref().unwrap_or(&self.estimator);
        let off_ns = estimator.lateness(&sample).abs();
        let limit_ns = self.noise_limit_of_ns(estimator, sample.at);
        let sigma_ns = estimator.precision_ns(sample.at, self.is_two_way());
        let adrift = self.anchor.is_some() && ANCHOR_SIGMAS * sigma_ns > PULL_NS;
        Some(match off_ns {
            _ if adrift => Agreement::Contradicts(Nanos::new(off_ns as i64)),
            off_ns if off_ns <= limit_ns.min(PULL_NS) => Agreement::Agrees(Nanos::new(off_ns as i64)),
            off_ns if off_ns <= limit_ns.max(PULL_NS) => Agreement::Unclear,
            _ => Agreement::Contradicts(Nanos::new(off_ns as i64)),
        })
    }

    pub(super) fn set_contested(&mut self, contested: bool) {
        self.contested = contested;
        self.hold_by_anchor();
    }

    /// Keeps the anchor while it is needed, and goes on by it while nothing is heard.
    pub(super) fn hold_by_anchor(&mut self) {
        let is_held = self.lock.state().is_usable() && self.new_master.is_none();
        if !(self.contested && is_held) {
            self.anchor = None;
            return;
        }
        if self.anchor.is_none() {
            self.anchor = Some(Box::new(self.estimator.clone()));
        }
        let silent = self.lock.state() == LockState::Holdover && self.lock.heard() == 0;
        if let Some(anchor) = self.anchor.as_deref().filter(|_| silent) {
            self.estimator.clone_from(anchor);
        }
    }

    /// A sample that is older than the newest one, as of then: it was held back.
    pub(super) fn carried(&self, sample: Sample) -> Sample {
        let newest = self.estimator.updated_at().filter(|&newest| newest > sample.at);
        let rate_ppb = self.known_rate_ppb();
        newest.zip(rate_ppb).map_or(sample, |(newest, rate_ppb)| Sample {
            at: newest,
            offset_ns: sample.offset_ns + rate_ppb * (newest - sample.at).as_secs_f64(),
            ..sample
        })
    }
}
