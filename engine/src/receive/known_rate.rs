//! What is known of a clock's rate before its first timestamp, and when a measured one is worth
//! following.
//!
//! Model: crystals are within 100 ppm of each other; one that was measured before is within a few
//! ppm of that, whatever its temperature. A stream whose rates are both known begins as steady as
//! it will ever be; one that knows nothing begins at the nominal ratio and not at the first wild
//! guess.

use crate::clock::{ClockMap, DelayModel, EstimatorConfig};
use crate::units::{Nanos, Ppb};

/// A crystal of which nothing is known.
const UNKNOWN: Ppb = Ppb::from_ppm(100.0);
/// A crystal that was measured before, at another temperature.
const REMEMBERED: Ppb = Ppb::from_ppm(2.0);
/// A sender that is said to be on PTP, or is the successor of another one on the same network.
const INFERRED: Ppb = Ppb::from_ppm(10.0);
/// A measured rate is followed once it is this much more exact than what was known.
const FOLLOWED_SHARE: f64 = 0.2;

/// A rate and its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct KnownRate {
    rate: Ppb,
    sigma: Ppb,
}

impl KnownRate {
    /// One that was measured in an earlier session, if it was.
    pub(super) fn remembered(rate: Option<Ppb>) -> Self {
        rate.map_or(Self { rate: Ppb::ZERO, sigma: UNKNOWN }, |rate| Self { rate, sigma: REMEMBERED })
    }

    /// That of another clock that is very likely the same.
    pub(super) fn inferred(rate: Ppb) -> Self {
        Self { rate, sigma: INFERRED }
    }

    /// Starting point of an estimator of it, for timestamps of about this jitter.
    pub(super) fn estimator(self, jitter: Nanos) -> EstimatorConfig {
        EstimatorConfig { rate: self.rate, rate_sigma: self.sigma, jitter, delay: DelayModel::Absorbed }
    }

    /// The measured rate, or the known one while that is the better guess.
    pub(super) fn or_measured(self, clock: Option<ClockMap>) -> Ppb {
        self.updated(clock).rate
    }

    /// Keeps a rate that was measured better than any other knowledge of it, for when an estimator
    /// must begin anew.
    pub(super) fn learn(&mut self, clock: Option<ClockMap>) {
        let well = FOLLOWED_SHARE * REMEMBERED.as_ppb();
        if let Some(clock) = clock.filter(|clock| clock.rate_sigma().as_ppb() < well) {
            *self = Self::inferred(clock.rate());
        }
    }

    /// What is known of the clock that follows this one, of which so much was measured.
    pub(super) fn updated(self, clock: Option<ClockMap>) -> Self {
        let followed = FOLLOWED_SHARE * self.sigma.as_ppb();
        let measured = clock.filter(|clock| clock.rate_sigma().as_ppb() < followed);
        measured.map_or(self, |clock| Self::inferred(clock.rate()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Direction, Estimator, Sample};
    use crate::units::LocalTime;

    #[test]
    fn a_rate_is_followed_once_it_is_better_than_what_was_known() {
        for (remembered, first) in [(None, 0.0), (Some(Ppb::from_ppm(79.0)), 79.0)] {
            let known = KnownRate::remembered(remembered);
            let mut estimator = Estimator::new(known.estimator(Nanos::from_micros(10)));
            assert!((known.or_measured(estimator.map()).as_ppm() - first).abs() < 1e-9);
            for i in 0..3000 {
                let at = LocalTime::from_nanos(i * 10_000_000);
                let offset_ns = at.as_nanos() as f64 * 80e-6 - (i % 7) as f64 * 5e3;
                estimator.update(Sample { at, offset_ns, direction: Direction::Forward });
                if i == 3 {
                    assert!((known.or_measured(estimator.map()).as_ppm() - first).abs() < 1e-9);
                }
            }
            let ppm = known.or_measured(estimator.map()).as_ppm();
            assert!((ppm - 80.0).abs() < 0.2, "{ppm}");
        }
    }
}
