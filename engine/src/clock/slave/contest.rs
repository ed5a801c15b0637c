//! Holding the time while somebody else sends in the name of the master.
//!
//! Model: what was known before the contest is kept as it was, as an *anchor*; and as it takes a
//! moment to see that there is a contest, that is what was known some seconds earlier. A timestamp
//! agrees if it is within [`PULL_NS`] of the anchor's time, and nothing agrees any more once the
//! anchor itself may be off by as much. So whoever chooses timestamps freely moves the clock by no
//! more than that, and with what the anchor is off by the clock stays within half of what a locked
//! clock may be off by. When the master is not heard any more among the others, when what is heard
//! makes the time less certain than the anchor's, and when the contest is over, the clock goes on
//! by the anchor, not by what was learnt since.

use super::*;
use crate::clock::LockState;

/// What timestamps may move the time by during a contest, and what the anchor may be off by, ns.
const PULL_NS: f64 = CEILING_NS / 4.0;
/// Standard deviations by which the anchor may be off.
const ANCHOR_SIGMAS: f64 = 3.0;
/// How often it is noted what is known. What was noted the time before the last is the anchor.
const NOTED_EVERY: Nanos = Nanos::from_secs(2);
/// An estimate is less certain than the anchor's if its standard deviation is so many times larger.
const LESS_CERTAIN: f64 = 2.0;

/// What was known when it was noted the last two times, while there was one time and one path.
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
        let limit_ns = self.noise_limit_of_ns(estimator, sample.at);
        let adrift = self.anchor.is_some() && self.is_adrift(estimator, sample.at);
        Some(match off_ns {
            _ if adrift => Agreement::Contradicts(Nanos::new(off_ns as i64)),
            off_ns if off_ns <= limit_ns.min(PULL_NS) => Agreement::Agrees(Nanos::new(off_ns as i64)),
            off_ns if off_ns <= limit_ns.max(PULL_NS) => Agreement::Unclear,
            _ => Agreement::Contradicts(Nanos::new(off_ns as i64)),
        })
    }

    /// Whether an anchor may be off by too much to tell anything.
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

    /// Keeps the anchor while it is needed, and goes on by it while nothing is heard.
    pub(super) fn hold_by_anchor(&mut self, now: LocalTime) {
        let is_held = self.lock.state().is_usable() && self.new_master.is_none();
        if !is_held {
            self.known = Known::default();
        }
        if !(self.contested && is_held) {
            self.anchor = None;
            if is_held && self.lock.state() == LockState::Locked {
                self.known.note(now, &self.estimator);
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
