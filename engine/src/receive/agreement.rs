//! Whether the sender is on PTP, as its SDP says.
//!
//! Model: a sender on PTP has PTP's rate, whatever the network does to its packets. So the rate of its media clock, from arrivals, and PTP's are compared, both
//! against the host's clock. What an SDP promises is believed until the two are known well enough to differ for longer than either takes to settle
//! after a fault; from then on PTP says nothing of this sender, until the rates have been the same for as long.
//!
//! Not found: a sender whose crystal is by chance within the limit of PTP's rate.

use crate::clock::ClockMap;
use crate::units::{LocalTime, Nanos, Ppb};

/// Rates further apart than this are not the same clock's: a PTP slave's wander is a tenth of it.
const LIMIT: Ppb = Ppb::from_ppm(3.0);
/// Rates within this are the same clock's again.
const SAME: Ppb = Ppb::from_ppm(1.5);
/// How long the evidence must last. A timeline that is slewed after a fault of its master is beyond the limit for some seconds.
const PATIENCE: Nanos = Nanos::from_secs(10);
/// Rates that are less certain than this are no evidence.
const KNOWN: Ppb = Ppb::from_ppm(1.0);

/// The verdict on one sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreement {
    broken: bool,
    difference: Ppb,
    /// Since when the evidence has been against the verdict.
    against_since: Option<LocalTime>,
}

impl Agreement {
    /// Compares the sender's media clock with PTP; returns whether the sender is to be taken for one on PTP.
    pub(super) fn judge(&mut self, now: LocalTime, sender: &ClockMap, ptp: &ClockMap) -> bool {
        if sender.rate_sigma() >= KNOWN || ptp.rate_sigma() >= KNOWN {
            self.against_since = None;
            return !self.broken;
        }
        self.difference = Ppb::new(sender.rate().as_ppb() - ptp.rate().as_ppb());
        let apart = self.difference.as_ppb().abs();
        let against = if self.broken { apart < SAME.as_ppb() } else { apart > LIMIT.as_ppb() };
        if !against {
            self.against_since = None;
        } else if now.since(*self.against_since.get_or_insert(now)) >= PATIENCE {
            self.broken = !self.broken;
            self.against_since = None;
        }
        !self.broken
    }

    /// Whether the sender was found not to be on PTP.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The sender's rate against PTP's, when it was last known.
    pub(super) fn difference(&self) -> Ppb {
        self.difference
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DelayModel, Direction, Estimator, EstimatorConfig, Sample};

    fn rate(ppm: f64) -> ClockMap {
        ClockMap::exact(LocalTime::ZERO, 0.0, Ppb::from_ppm(ppm))
    }

    /// What is known from a single packet.
    fn first_sample() -> ClockMap {
        let config = EstimatorConfig {
            rate: Ppb::ZERO,
            rate_sigma: Ppb::from_ppm(100.0),
            jitter: Nanos::from_micros(100),
            delay: DelayModel::Absorbed,
        };
        let mut estimator = Estimator::new(config);
        estimator.update(Sample { at: LocalTime::ZERO, offset_ns: 0.0, direction: Direction::Forward });
        estimator.map().unwrap()
    }

    /// Verdicts after every second of a course of differences, each held for some seconds.
    fn course(stretches: &[(f64, i64)]) -> Vec<bool> {
        let mut agreement = Agreement::default();
        let course = stretches.iter().flat_map(|&(ppm, seconds)| (0..seconds).map(move |_| ppm));
        let judge = |(second, ppm): (i64, f64)| {
            let now = LocalTime::ZERO + Nanos::from_secs(second);
            agreement.judge(now, &rate(20.0 + ppm), &rate(20.0))
        };
        (0..).zip(course).map(judge).collect()
    }

    #[test]
    fn rates_that_stay_apart_are_two_clocks() {
        for ppm in [3.1, -40.0] {
            let verdicts = course(&[(0.1, 5), (ppm, 30)]);
            assert_eq!(verdicts.iter().position(|&agrees| !agrees), Some(15), "{ppm}");
            assert!(verdicts[15..].iter().all(|&agrees| !agrees));
        }
    }

    #[test]
    fn small_and_short_differences_are_not() {
        assert!(course(&[(2.9, 100)]).iter().all(|&agrees| agrees));
        assert!(course(&[(200.0, 10), (0.0, 1), (-200.0, 10), (0.0, 30)]).iter().all(|&agrees| agrees));
    }

    #[test]
    fn a_sender_that_comes_back_to_ptp_is_believed_again() {
        let verdicts = course(&[(40.0, 20), (2.0, 20), (0.2, 20)]);
        assert_eq!(verdicts.iter().rposition(|&agrees| !agrees), Some(49), "2 ppm are no proof either way");
    }

    #[test]
    fn a_rate_that_is_not_known_is_no_evidence() {
        let mut agreement = Agreement::default();
        let vague = first_sample();
        for second in 0..60 {
            let now = LocalTime::ZERO + Nanos::from_secs(second);
            assert!(agreement.judge(now, &vague, &rate(60.0)) && agreement.judge(now, &rate(60.0), &vague));
        }
    }
}
