//! Holds the time while another sender uses the master's identity.
//!
//! Model: the estimate from before the contest is kept as an *anchor*. A contest is noticed only
//! after a moment, so the anchor is the estimate from a few seconds earlier. A timestamp agrees if
//! it is within [`PULL_NS`] of the anchor's time. Once the anchor's own error may exceed
//! [`PULL_NS`], no timestamp agrees. So an attacker who can choose timestamps freely cannot move
//! the clock by more than [`PULL_NS`]. Even with the anchor's own error, the error of the clock
//! stays within half of the error that a locked clock may have. The clock returns to the anchor,
//! and discards everything learnt since, in three cases: the master's own packets are no longer
//! received, the packets make the time less certain than the anchor, or the contest is over.

use super::*;
use crate::clock::LockState;

/// How far timestamps may move the time during a contest, ns, and also the largest permitted error
/// of the anchor. Derived: together they are half of the error that a locked clock may have.
const PULL_NS: f64 = CEILING_NS / 4.0;
/// Possible error of the anchor, in standard deviations of the anchor. Judgement: exceeded by
/// chance once in 370 (normal distribution).
const ANCHOR_SIGMAS: f64 = 3.0;
/// Interval at which the estimate is saved; the anchor is the second newest saved estimate.
/// Judgement: longer than it takes to notice a contest.
const NOTED_EVERY: Nanos = Nanos::from_secs(2);
/// An estimate is less certain than the anchor if its standard deviation is this many times larger.
/// Judgement: smaller differences are noise.
const LESS_CERTAIN: f64 = 2.0;

/// The last two estimates saved since the time was last stepped or the path last changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    noted_at: Option<LocalTime>,
    newer: Option<Box<Estimator>>,
    older: Option<Box<Estimator>>,
}

impl Known {
    fn note(&mut self, now: LocalTime, estimator: &Estimator) {
        if self.noted_at.is_some_and(|at| (now - at).abs() < NOTED_EVERY) {
            return;
        }
        self.noted_at = Some(now);
        self.older = self.newer.replace(Box::new(estimator.clone()));
    }
}

impl SlaveClock {
    pub(super) fn agreement_with_anchor(&self, pair: &TimestampPair) -> Option<Agreement> {
        let is_held = self.lock.state().is_usable() && self.new_master.is_none();
        let origin = self.origin.filter(|_| is_held)?;
        let sample = Self::sample_from(origin, pair);
        let estimator = self.anchor.as_deref().unwrap_or(&self.estimator);
        let off_ns = estimator.lateness(&sample).abs();
        let limit_ns = self.noise_limit_of_ns(estimator, sample.at, sample.direction);
        let adrift = self.anchor.is_some() && self.is_adrift(estimator, sample.at);
        Some(match off_ns {
            _ if adrift => Agreement::Contradicts(Nanos::from_nanos_f64(off_ns)),
            off_ns if off_ns <= limit_ns.min(PULL_NS) => Agreement::Agrees(Nanos::from_nanos_f64(off_ns)),
            off_ns if off_ns <= limit_ns.max(PULL_NS) => Agreement::Unclear,
            _ => Agreement::Contradicts(Nanos::from_nanos_f64(off_ns)),
        })
    }

    /// Whether an anchor's error may be too large for judging timestamps.
    pub(super) fn is_adrift(&self, anchor: &Estimator, now: LocalTime) -> bool {
        ANCHOR_SIGMAS * anchor.precision_ns(now, self.is_two_way()) > PULL_NS
    }

    pub(super) fn set_contested(&mut self, now: LocalTime, contested: bool) {
        self.contested = contested;
        if let Some(anchor) = self.anchor.as_deref().filter(|anchor| !contested && !self.is_adrift(anchor, now)) {
            self.estimator.clone_from(anchor);
        }
        self.hold_by_anchor(now);
    }

    /// Keeps the anchor while it is needed, and returns to it while the master is silent.
    pub(super) fn hold_by_anchor(&mut self, now: LocalTime) {
        let is_held = self.lock.state().is_usable() && self.new_master.is_none();
        if !is_held {
            self.known = Known::default();
        }
        if !(self.contested && is_held) {
            self.anchor = None;
            if is_held && self.lock.state() == LockState::Locked {
                self.known.note(now, &self.estimator);
                self.remembered.note(now, &self.estimator);
            }
            return;
        }
        if self.anchor.is_none() {
            let anchor = self.known.older.take().unwrap_or_else(|| Box::new(self.estimator.clone()));
            self.estimator.clone_from(&anchor);
            self.anchor = Some(anchor);
            self.known = Known::default();
        }
        let silent = self.lock.state() == LockState::Holdover && self.lock.heard() == 0;
        let sigma_ns = |estimator: &Estimator| estimator.precision_ns(now, self.is_two_way());
        let limit_ns = LESS_CERTAIN * self.anchor.as_deref().map_or(f64::INFINITY, sigma_ns);
        let less_certain = sigma_ns(&self.estimator) > limit_ns.max(STEP_FLOOR_NS);
        if let Some(anchor) = self.anchor.as_deref().filter(|_| silent || less_certain) {
            self.estimator.clone_from(anchor);
        }
    }

    /// The sample, extrapolated to the time of the newest sample if `sample` is older.
    pub(super) fn propagated(&self, sample: Sample) -> Sample {
        let newest = self.estimator.updated_at().filter(|&newest| newest > sample.at);
        let rate_ppb = self.known_rate_ppb();
        newest.zip(rate_ppb).map_or(sample, |(newest, rate_ppb)| Sample {
            at: newest,
            offset_ns: sample.offset_ns + rate_ppb * (newest - sample.at).as_secs_f64(),
            ..sample
        })
    }
}
