//! The sender's media clock, estimated from the arrivals of its packets on one path.
//!
//! Model: an [`Estimator`] for one-way timestamps, and a [detector](ShiftDetector) of permanent
//! shifts. After such a shift, all packets arrive later or earlier than before, which the estimator
//! cannot distinguish from a change of rate. The offset is then moved at once, and the rate is
//! kept. If the arrivals were widely scattered before the shift, the estimate is discarded, except
//! for its most precise rate so far.

use crate::clock::{ClockMap, Estimator, EstimatorConfig, Judgement, RatePrior, Sample, Shift, ShiftDetector};
use crate::units::{LocalTime, Nanos};

/// Assumed jitter of the arrivals until it has been measured. Judgement: a wired network with other
/// traffic.
const JITTER: Nanos = Nanos::from_micros(300);
/// Scatter of the least delayed packets before a shift above which the estimate is discarded, ns.
/// Judgement: such an estimate is too inaccurate to be worth keeping.
const DISTURBED_NS: f64 = 1e6;

/// The arrivals on one path.
#[derive(Debug)]
pub(super) struct Arrivals {
    estimator: Estimator,
    shifts: ShiftDetector,
    /// When the arrivals last shifted.
    shifted_at: Option<LocalTime>,
    /// Whether the offset still belongs to the previous timeline.
    awaits_new_offset: bool,
}

impl Arrivals {
    /// Creates the estimator for a sender whose rate has this prior.
    pub(super) fn new(rate: RatePrior) -> Self {
        let estimator = Estimator::new(EstimatorConfig::of_one_way(rate, JITTER));
        Self { estimator, shifts: ShiftDetector::default(), shifted_at: None, awaits_new_offset: false }
    }

    /// Prepares for the next timeline, whose first packet sets the offset. The rate is kept.
    pub(super) fn moved(mut self) -> Self {
        self.shifts.reacquire();
        Self { awaits_new_offset: true, ..self }
    }

    /// Processes the arrival of a packet. Returns the shift that it proves, if any.
    pub(super) fn take(&mut self, sample: &Sample) -> Option<Shift> {
        if std::mem::take(&mut self.awaits_new_offset) {
            self.estimator.step_offset(-self.estimator.lateness(sample), 1);
            return None;
        }
        match self.shifts.judge(sample, self.estimator.lateness(sample)) {
            Judgement::Take => self.estimator.update(*sample),
            Judgement::Withhold => self.estimator.watch(sample),
            Judgement::Shift(shift) => {
                self.shift(sample.at, &shift);
                return Some(shift);
            }
        }
        None
    }

    /// Assumes a shift without proof. Call this only when all packets arrive too late to be used,
    /// so that a wrong assumption does no harm. Returns the shift; `None` if the packets are not
    /// late compared with earlier ones.
    pub(super) fn assume_shift(&mut self, now: LocalTime) -> Option<Shift> {
        let shift = self.shifts.assume(now)?;
        self.shift(now, &shift);
        Some(shift)
    }

    fn shift(&mut self, now: LocalTime, shift: &Shift) {
        self.shifted_at = Some(now);
        if shift.noise_ns < DISTURBED_NS {
            self.estimator.step_offset(-shift.later_ns, shift.packets);
        } else {
            self.estimator.reacquire();
            self.estimator.update(shift.least);
        }
    }

    /// Whether a packet arrives before it can have been sent, judging by earlier packets.
    pub(super) fn is_early(&self, sample: &Sample) -> bool {
        !self.awaits_new_offset && self.shifts.is_early(sample.at, self.estimator.lateness(sample))
    }

    /// Whether the arrivals have shifted within the last `time`, or are suspected of having
    /// shifted.
    pub(super) fn is_unsteady(&self, now: LocalTime, time: Nanos) -> bool {
        self.shifts.is_in_doubt() || self.shifted_at.is_some_and(|at| now.since(at) < time)
    }

    /// The sender's clock relative to the host's.
    pub(super) fn map(&self) -> Option<ClockMap> {
        self.estimator.map()
    }

    /// Jitter of the arrivals.
    pub(super) fn jitter(&self) -> Nanos {
        self.estimator.jitter()
    }
}
