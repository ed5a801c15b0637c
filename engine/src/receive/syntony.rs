//! Checks whether the sender is syntonized to PTP, as its SDP claims.
//!
//! Model: a sender that follows PTP runs at the rate of PTP, whatever the network does to its
//! packets. So the rate of its media clock, estimated from arrivals, is compared with PTP's; both
//! are measured against the host clock. The claim of the SDP is accepted until three conditions
//! hold at the same time: both rates are known well enough, they have differed for longer than
//! either takes to settle after a fault, and the sender has drifted away from PTP by more than a
//! PTP slave wanders. From then on, the stream is played without PTP, until the rates have been
//! equal for the same length of time.
//!
//! The drift is part of the criterion because a slave's phase error is bounded, but its rate need
//! not be close to PTP's: GStreamer's PTP clock was observed to be 20 to 50 ppm off for 10 s after
//! its start, and later up to 9 ppm off for 20 s; each time, it drifted by less than 0.4 ms in
//! total.
//!
//! Limit: a sender whose crystal happens to be within the limit of PTP's rate is not detected.

use crate::clock::ClockMap;
use crate::units::{LocalTime, Nanos, Ppb};

/// Maximum rate difference at which sender and PTP are still considered one clock. Judgement: ten
/// times the wander of a good PTP slave.
const LIMIT: Ppb = Ppb::from_ppm(3.0);
/// Rate difference below which sender and PTP are considered one clock again. Judgement: a
/// hysteresis of a factor of two.
const SAME: Ppb = Ppb::from_ppm(1.5);
/// How long the evidence must persist before the verdict changes. Judgement: when a clock is slewed
/// after a fault of its master, its rate exceeds the limit for only a few seconds.
const PATIENCE: Nanos = Nanos::from_secs(10);
/// A sender that has drifted by this much relative to PTP does not follow PTP. Judgement: twice the
/// wander of a poor slave, but little compared with most latencies.
const MOVED: Nanos = Nanos::from_millis(1);
/// [`MOVED`] as a multiple of the standard deviation of the combined wander of both clocks; the
/// larger of the two limits applies. Judgement: a normally distributed wander exceeds this by
/// chance in one of 16 000 cases.
const MOVED_SIGMAS: f64 = 4.0;
/// Rates with a larger standard deviation are not used as evidence. Judgement: a third of the
/// limit.
const KNOWN: Ppb = Ppb::from_ppm(1.0);

/// The verdict on one sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Syntony {
    broken: bool,
    difference: Ppb,
    against: Option<Against>,
}

/// Evidence against the current verdict.
#[derive(Clone, Copy, Debug)]
struct Against {
    since: LocalTime,
    last: LocalTime,
    /// How far the sender has drifted relative to PTP since `since`, ns.
    moved_ns: f64,
}

impl Against {
    fn new(now: LocalTime) -> Self {
        Self { since: now, last: now, moved_ns: 0.0 }
    }

    /// Adds the drift since the last comparison, given the rate difference.
    fn extend(mut self, now: LocalTime, difference: Ppb) -> Self {
        self.moved_ns += difference.as_ppb() * now.since(self.last).as_secs_f64();
        self.last = now;
        self
    }
}

impl Syntony {
    /// Compares the sender's media clock with PTP. Returns whether the sender follows PTP.
    pub(super) fn judge(&mut self, now: LocalTime, sender: &ClockMap, ptp: &ClockMap) -> bool {
        if sender.rate_sigma() >= KNOWN || ptp.rate_sigma() >= KNOWN {
            // Earlier evidence remains, but this interval adds none.
            self.against = self.against.map(|against| Against { last: now, ..against });
            return !self.broken;
        }
        self.difference = Ppb::new(sender.rate().as_ppb() - ptp.rate().as_ppb());
        let apart = self.difference.as_ppb().abs();
        // Evidence against the sender is kept until the difference falls below the smaller limit.
        let limit = if self.against.is_some() { SAME } else { LIMIT };
        let is_against = if self.broken { apart < SAME.as_ppb() } else { apart > limit.as_ppb() };
        self.against =
            is_against.then(|| self.against.unwrap_or_else(|| Against::new(now)).extend(now, self.difference));
        let wander_ns = libm::hypot(sender.phase_wander_ns(), ptp.phase_wander_ns());
        let moved_ns = MOVED.as_nanos_f64().max(MOVED_SIGMAS * wander_ns);
        let enough = |against: Against| {
            let moved = self.broken || against.moved_ns.abs() >= moved_ns;
            moved && now.since(against.since) >= PATIENCE
        };
        if self.against.is_some_and(enough) {
            self.broken = !self.broken;
            self.against = None;
        }
        !self.broken
    }

    /// Whether the sender has been found not to follow PTP.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The last known rate of the sender relative to PTP.
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

    /// The clock map that follows from a single packet.
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

    /// The verdict after every second of a sequence of rate differences, each of which lasts for
    /// some seconds.
    fn course(stretches: &[(f64, i64)]) -> Vec<bool> {
        let mut syntony = Syntony::default();
        let course = stretches.iter().flat_map(|&(ppm, seconds)| (0..seconds).map(move |_| ppm));
        let judge = |(second, ppm): (i64, f64)| {
            let now = LocalTime::ZERO + Nanos::from_secs(second);
            syntony.judge(now, &rate(20.0 + ppm), &rate(20.0))
        };
        (0..).zip(course).map(judge).collect()
    }

    #[test]
    fn rates_that_stay_apart_are_two_clocks() {
        // A difference must last for 10 s, and must move the sender by 1 ms.
        for (ppm, after_s) in [(4.0, 250), (-40.0, 25), (500.0, 10)] {
            let verdicts = course(&[(0.1, 5), (ppm, 300)]);
            assert_eq!(verdicts.iter().position(|&agrees| !agrees), Some(5 + after_s), "{ppm}");
            assert!(verdicts[5 + after_s..].iter().all(|&agrees| !agrees));
        }
    }

    #[test]
    fn small_and_short_differences_are_not() {
        assert!(course(&[(2.9, 1000)]).iter().all(|&agrees| agrees));
        assert!(course(&[(200.0, 9), (0.0, 1), (-200.0, 9), (0.0, 30)]).iter().all(|&agrees| agrees));
    }

    #[test]
    fn a_look_within_the_limit_does_not_clear_a_sender() {
        let verdicts = course(&[(3.5, 20), (2.5, 1)].repeat(20));
        assert!(verdicts.iter().any(|&agrees| !agrees));
    }

    /// The measured behaviour of GStreamer's slave.
    #[test]
    fn a_slave_that_wanders_is_on_ptp() {
        let wander = [(-45.0, 3), (-25.0, 5), (-12.0, 10), (-4.0, 3), (5.0, 10), (1.0, 3), (8.0, 12), (0.0, 5)];
        assert!(course(&wander.repeat(3)).iter().all(|&agrees| agrees));
    }

    #[test]
    fn a_sender_that_comes_back_to_ptp_is_believed_again() {
        let verdicts = course(&[(40.0, 30), (2.0, 20), (0.2, 20)]);
        assert_eq!(verdicts.iter().rposition(|&agrees| !agrees), Some(59), "2 ppm are no proof either way");
    }

    #[test]
    fn a_rate_that_is_not_known_is_no_evidence() {
        let mut syntony = Syntony::default();
        let vague = first_sample();
        for second in 0..60 {
            let now = LocalTime::ZERO + Nanos::from_secs(second);
            assert!(syntony.judge(now, &vague, &rate(60.0)) && syntony.judge(now, &rate(60.0), &vague));
        }
    }
}
