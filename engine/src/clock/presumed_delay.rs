//! The path delay that is assumed where no Delay_Resp measures it.
//!
//! Model: the best available knowledge is used, with its standard deviation. In order of
//! preference:
//!
//! * A delay that was measured on this path, or is known from a comparison with another path, stays
//!   valid.
//! * A round trip to the master, measured by any means, limits the delay, which is then assumed to
//!   be uniformly distributed between 0 and the whole round trip.
//! * Otherwise, the delay to another master on the same link is used, because it is probably
//!   similar.
//! * On an unknown local network, a typical delay is assumed. The measured jitter is added to its
//!   standard deviation, because on wireless paths both delay and jitter amount to milliseconds.

use crate::units::Nanos;

/// An assumed delay, with its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PresumedDelay {
    pub(super) mean: Nanos,
    pub(super) sigma: Nanos,
}

/// Standard deviation of the difference between the delays to two masters on the same link.
/// Derived: half of the difference that [step detection](super::step) accepts as another path.
const OTHER_PATH: Nanos = Nanos::from_nanos_f64(super::step::ROUTE_DIFFERENCE_NS / 2.0);
/// A shorter round trip, or a different uncertainty, is used only if it differs from the old value
/// by more than 1 / `SIGNIFICANT_SHARE` of that value. Judgement: smaller changes are not worth a
/// change of the estimate.
const SIGNIFICANT_SHARE: i64 = 8;

/// Origin of the delay in the estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nothing has ever been measured.
    #[default]
    Unmeasured,
    /// Measured or assumed for another master on the same link.
    Link,
    /// Measured on this path, or known from a comparison of its packets with the held time.
    Path,
}

/// Knowledge of the current path's delay, in addition to the estimate itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DelayKnowledge {
    pub(super) origin: Origin,
    /// The shortest round trip to the current master.
    round_trip: Option<Nanos>,
}

impl DelayKnowledge {
    /// Records a change of master. `presumed` states whether the delay to the previous master was
    /// assumed.
    pub(super) fn change_master(&mut self, presumed: bool) {
        self.round_trip = None;
        if self.origin != Origin::Unmeasured || presumed {
            self.origin = Origin::Link;
        }
    }

    /// Records that packets from the current path were compared with the held time, so that the
    /// delay of the path is as certain as the held time.
    pub(super) fn compare(&mut self) {
        if self.origin == Origin::Link {
            self.origin = Origin::Path;
        }
    }

    /// Records a measured round trip. Returns whether it adds information.
    pub(super) fn round_trip(&mut self, round_trip: Nanos) -> bool {
        let is_significant = |least: Nanos| round_trip < least - Nanos::new(least.as_nanos() / SIGNIFICANT_SHARE);
        let is_significant = round_trip > Nanos::ZERO && self.round_trip.is_none_or(is_significant);
        if is_significant {
            self.round_trip = Some(round_trip);
        }
        is_significant
    }

    /// Whether the assumed delay is based on the jitter alone, and the jitter has changed.
    pub(super) fn is_outdated(&self, presumed: PresumedDelay, usual: PresumedDelay) -> bool {
        let is_usual = self.origin == Origin::Unmeasured && self.round_trip.is_none();
        let significant = Nanos::new(presumed.sigma.as_nanos() / SIGNIFICANT_SHARE);
        is_usual && (usual.sigma - presumed.sigma).abs() > significant
    }

    /// The delay to assume, given the estimated delay and the usual delay on a local network.
    pub(super) fn presume(&self, estimated: PresumedDelay, usual: PresumedDelay) -> PresumedDelay {
        match (self.origin, self.round_trip) {
            (Origin::Path, _) => estimated,
            (_, Some(round_trip)) => PresumedDelay::within(round_trip),
            (Origin::Link, None) => estimated.of_other_master(),
            (Origin::Unmeasured, None) => usual,
        }
    }
}

impl PresumedDelay {
    /// Uniform distribution between 0 and the whole round trip, with a standard deviation of 1 /
    /// sqrt(12) times the round trip.
    fn within(round_trip: Nanos) -> Self {
        let sigma_s = round_trip.as_secs_f64() / libm::sqrt(12.0);
        Self { mean: Nanos::new(round_trip.as_nanos() / 2), sigma: Nanos::from_secs_f64(sigma_s) }
    }

    /// The delay to another master on the same link, assumed to be similar to this one; a negative
    /// estimate is replaced by 0.
    fn of_other_master(self) -> Self {
        let sigma_s = libm::hypot(self.sigma.as_secs_f64(), OTHER_PATH.as_secs_f64());
        Self { mean: self.mean.max(Nanos::ZERO), sigma: Nanos::from_secs_f64(sigma_s) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(mean: i64, sigma: i64) -> PresumedDelay {
        PresumedDelay { mean: Nanos::from_micros(mean), sigma: Nanos::from_micros(sigma) }
    }

    const USUAL: PresumedDelay = us(75, 150);

    #[test]
    fn the_best_of_what_is_known_speaks() {
        let estimated = us(40, 3);
        let mut known = DelayKnowledge::default();
        assert_eq!(known.presume(estimated, USUAL), USUAL);
        assert!(known.round_trip(Nanos::from_micros(120)));
        let of_round_trip = known.presume(estimated, USUAL);
        assert_eq!((of_round_trip.mean, of_round_trip.sigma.as_nanos()), (Nanos::from_micros(60), 34_641));
        known.origin = Origin::Path;
        assert_eq!(known.presume(estimated, USUAL), estimated);
        known.change_master(false);
        let of_link = known.presume(estimated, USUAL);
        assert_eq!((of_link.mean, of_link.sigma.as_nanos()), (estimated.mean, 100_045), "the round trip was another's");
        known.compare();
        assert_eq!(known.presume(estimated, USUAL), estimated);
    }

    #[test]
    fn a_comparison_tells_something_once_there_was_a_delay_to_compare_with() {
        let mut known = DelayKnowledge::default();
        known.compare();
        assert_eq!(known.presume(us(40, 3), USUAL), USUAL);
        known.change_master(true);
        known.compare();
        assert_eq!(known.presume(us(40, 160), USUAL), us(40, 160), "no jump of the time that is held");
    }

    #[test]
    fn only_a_round_trip_that_is_shorter_by_a_good_share_is_news() {
        let mut known = DelayKnowledge::default();
        let us = Nanos::from_micros;
        let significant = [0, -5, 80, 90, 71, 69, 68].map(|round_trip| known.round_trip(us(round_trip)));
        assert_eq!(significant, [false, false, true, false, false, true, false]);
    }

    #[test]
    fn what_comes_from_the_jitter_alone_follows_it() {
        let mut known = DelayKnowledge::default();
        let sigmas = [150, 160, 170, 100].map(|sigma| known.is_outdated(USUAL, us(75, sigma)));
        assert_eq!(sigmas, [false, false, true, true]);
        known.round_trip(Nanos::from_micros(100));
        assert!(!known.is_outdated(USUAL, us(75, 500)));
    }

    #[test]
    fn a_negative_estimate_is_not_carried_to_another_path() {
        let mut known = DelayKnowledge { origin: Origin::Link, ..DelayKnowledge::default() };
        assert_eq!(known.presume(us(-4, 3), USUAL).mean, Nanos::ZERO);
        known.origin = Origin::Path;
        assert_eq!(known.presume(us(-4, 3), USUAL).mean, Nanos::from_micros(-4), "what is measured is not touched");
    }
}
