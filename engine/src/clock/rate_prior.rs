//! Prior knowledge of a clock's rate, and when a measured rate replaces it.
//!
//! Model: crystals differ by up to 100 ppm, but the rate of one crystal stays within a few ppm at
//! any temperature. So a stream whose rates were measured in an earlier session starts with them,
//! and an unknown stream starts at the nominal ratio instead of at the first noisy estimate.

use super::map::ClockMap;
use crate::units::{LocalTime, Ppb};

/// Standard deviation of the rate of an unknown crystal. Judgement: sound cards and PCs are
/// specified for +-50 ppm or +-100 ppm.
const UNKNOWN: Ppb = Ppb::from_ppm(100.0);
/// Standard deviation of a rate that was measured in an earlier session. Judgement: AT-cut crystals
/// change by some ppm between a cold and a warm room.
const REMEMBERED: Ppb = Ppb::from_ppm(2.0);
/// Standard deviation of the rate of a clock that is probably driven by the same oscillator as a
/// known clock: a sender that claims to follow PTP, or the successor of a sender on the same
/// network. Judgement: five times [`REMEMBERED`].
const INFERRED: Ppb = Ppb::from_ppm(10.0);
/// A measured rate is used once its standard deviation is below this fraction of the prior's.
/// Judgement: the change of pitch is then small when the measured rate takes over.
const FOLLOWED_SHARE: f64 = 0.2;

/// Growth of the standard deviation of a kept rate, ppb per second. Judgement: the drift of a
/// crystal that is warming up.
const AGEING_PPB_PER_S: f64 = 20.0;
/// Smallest standard deviation of a kept rate when an estimator restarts from that rate. Judgement:
/// the cause of the restart may have disturbed the rate before the restart.
const DISTURBED_RATE: Ppb = Ppb::from_ppm(1.0);
/// A rate is kept once its standard deviation is below this fraction of the prior's. Judgement: the
/// same as [`FOLLOWED_SHARE`].
const KNOWN_SHARE: f64 = 0.2;

/// A rate and its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RatePrior {
    pub(super) rate: Ppb,
    pub(super) sigma: Ppb,
}

impl RatePrior {
    /// The prior for a clock whose rate was measured in an earlier session, or for an unknown
    /// crystal.
    pub(crate) fn remembered(rate: Option<Ppb>) -> Self {
        rate.map_or(Self { rate: Ppb::ZERO, sigma: UNKNOWN }, |rate| Self { rate, sigma: REMEMBERED })
    }

    /// The prior from the rate of another clock that is probably driven by the same oscillator.
    pub(crate) fn inferred(rate: Ppb) -> Self {
        Self { rate, sigma: INFERRED }
    }

    /// The measured rate, or the prior rate until the measured rate is precise enough.
    pub(crate) fn or_measured(self, clock: Option<ClockMap>) -> Ppb {
        self.updated(clock).rate
    }

    /// Replaces the prior with the measured rate if that is precise enough, for a restart of the
    /// estimator.
    pub(crate) fn learn(&mut self, clock: Option<ClockMap>) {
        let well = FOLLOWED_SHARE * REMEMBERED.as_ppb();
        if let Some(clock) = clock.filter(|clock| clock.rate_sigma().as_ppb() < well) {
            *self = Self::inferred(clock.rate());
        }
    }

    /// The prior for this clock's successor, given the map measured for this clock.
    pub(crate) fn updated(self, clock: Option<ClockMap>) -> Self {
        let followed = FOLLOWED_SHARE * self.sigma.as_ppb();
        let measured = clock.filter(|clock| clock.rate_sigma().as_ppb() < followed);
        measured.map_or(self, |clock| Self::inferred(clock.rate()))
    }
}

/// The most precise rate that an estimator has measured, kept for a restart.
#[derive(Clone, Copy, Debug)]
pub(super) struct SteadyRate {
    at: LocalTime,
    rate_ppb: f64,
    sigma_ppb: f64,
}

impl SteadyRate {
    /// The better of the kept rate and a new rate with standard deviation `sigma_ppb`. A new rate
    /// is kept only if it is much more precise than `prior`, the standard deviation before the
    /// first sample.
    pub(super) fn better(kept: Option<Self>, at: LocalTime, rate_ppb: f64, sigma_ppb: f64, prior: Ppb) -> Option<Self> {
        let is_known = sigma_ppb < KNOWN_SHARE * prior.as_ppb();
        let is_better = is_known && kept.is_none_or(|kept| sigma_ppb <= kept.aged_sigma_ppb(at));
        if is_better { Some(Self { at, rate_ppb, sigma_ppb }) } else { kept }
    }

    fn aged_sigma_ppb(&self, now: LocalTime) -> f64 {
        self.sigma_ppb + AGEING_PPB_PER_S * now.since(self.at).as_secs_f64()
    }

    /// Rate and standard deviation with which an estimator restarts at `now`, ppb.
    pub(super) fn as_prior(&self, now: LocalTime) -> (f64, f64) {
        (self.rate_ppb, self.aged_sigma_ppb(now).max(DISTURBED_RATE.as_ppb()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Direction, Estimator, EstimatorConfig, Sample};
    use crate::units::Nanos;

    #[test]
    fn a_rate_is_followed_once_it_is_better_than_what_was_known() {
        for (remembered, first) in [(None, 0.0), (Some(Ppb::from_ppm(79.0)), 79.0)] {
            let known = RatePrior::remembered(remembered);
            let mut estimator = Estimator::new(EstimatorConfig::of_one_way(known, Nanos::from_micros(10)));
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
