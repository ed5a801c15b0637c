//! A timeline that avoids steps.
//!
//! Model: the published timeline approaches its target exponentially, with time constant
//! [`TIME_CONSTANT_S`] and at a rate that differs from the target's rate by at most
//! [`LARGEST_SLEW_PPB`]. So the timeline follows a new estimate or another source without a step in
//! phase, and with an inaudible change of rate (200 ppm is a third of a cent). A difference that
//! would take too long to slew is stepped instead: the epoch changes, and consumers align again.

use super::map::{ClockMap, PtpMap};
use crate::units::{LocalTime, Nanos, Ppb, PtpTime};

/// Time constant of the approach, s. Judgement: too short for a listener to notice, but long enough
/// to smooth the noise of the estimate.
const TIME_CONSTANT_S: f64 = 2.0;
/// Largest difference of rate during the approach, ppb. Judgement: a third of a cent, which is
/// inaudible.
const LARGEST_SLEW_PPB: f64 = 200_000.0;
/// Difference from the target above which the timeline is stepped. Derived: slewing this difference
/// takes about a minute.
const STEP: Nanos = Nanos::from_millis(10);
/// Largest change of rate per second while coasting, ppb/s. Judgement: a change of 100 ppm takes 10
/// s.
const RATE_SLOPE_PPB: f64 = 10_000.0;

/// A timeline that is slewed towards its target.
#[derive(Clone, Debug, Default)]
pub(super) struct Slew {
    published: Option<PtpMap>,
    epoch: u32,
    /// Target minus timeline at the last call, ns; 0 while there is no target.
    behind_ns: f64,
}

impl Slew {
    /// The timeline. It is valid until the next call of [`Slew::follow`] or [`Slew::coast`], which
    /// must follow within a second.
    pub(super) fn published(&self) -> Option<&PtpMap> {
        self.published.as_ref()
    }

    /// Number of times that the timeline has been stepped.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Distance of the timeline from its target at the last call, ns; 0 while there is no target.
    pub(super) fn distance_ns(&self) -> f64 {
        self.behind_ns.abs()
    }

    /// Approaches `target`, or adopts its time at once if it has `stepped` or is too far away.
    /// Returns the step if there was one.
    pub(super) fn follow(&mut self, now: LocalTime, target: &PtpMap, stepped: bool) -> Option<Nanos> {
        let wanted = target.ptp_at(now);
        let clock = target.clock();
        let Some(behind) = self.published.map(|published| wanted - published.ptp_at(now)) else {
            self.publish(now, wanted, clock, clock.rate(), 0.0);
            return None;
        };
        if stepped || behind.abs() > STEP {
            self.epoch = self.epoch.wrapping_add(1);
            self.publish(now, wanted, clock, clock.rate(), 0.0);
            return Some(behind);
        }
        let behind_ns = behind.as_nanos_f64();
        let slew_ppb = (behind_ns / TIME_CONSTANT_S).clamp(-LARGEST_SLEW_PPB, LARGEST_SLEW_PPB);
        let rate = Ppb::new(clock.rate().as_ppb() + slew_ppb);
        let published = self.published.map_or(wanted, |published| published.ptp_at(now));
        self.publish(now, published, clock, rate, behind_ns);
        None
    }

    /// Continues without a target. The rate approaches `rate`, and `clock` provides the
    /// uncertainty. Begins at `start` if there is no timeline yet.
    pub(super) fn coast(&mut self, now: LocalTime, rate: Ppb, clock: &ClockMap, start: PtpTime) {
        let Some(published) = self.published else {
            self.publish(now, start, clock, rate, 0.0);
            return;
        };
        let (at, old) = (published.clock().estimated_at(), published.clock().rate().as_ppb());
        let limit = RATE_SLOPE_PPB * now.since(at).as_secs_f64();
        let approached = old + (rate.as_ppb() - old).clamp(-limit, limit);
        self.publish(now, published.ptp_at(now), clock, Ppb::new(approached), 0.0);
    }

    fn publish(&mut self, now: LocalTime, at_now: PtpTime, clock: &ClockMap, rate: Ppb, behind_ns: f64) {
        let sigma_ns = clock.mean_sigma_ns(now.max(clock.estimated_at()));
        let map = ClockMap {
            at: now,
            offset_ns: 0.0,
            rate_ppb: rate.as_ppb(),
            variance_offset: sigma_ns * sigma_ns + behind_ns * behind_ns,
            ..*clock
        };
        self.published = Some(PtpMap::new(now, at_now, map));
        self.behind_ns = behind_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> LocalTime {
        LocalTime::ZERO + Nanos::from_millis(ms)
    }

    fn map(offset_ns: i64, ppm: f64) -> PtpMap {
        let origin = PtpTime::from_timestamp(1_790_000_000, 0) + Nanos::new(offset_ns);
        PtpMap::new(LocalTime::ZERO, origin, ClockMap::exact(LocalTime::ZERO, 0.0, Ppb::from_ppm(ppm)))
    }

    #[test]
    fn a_difference_is_slewed_without_a_jump_and_is_gone_after_ten_seconds() {
        let mut slew = Slew::default();
        slew.follow(at(0), &map(0, 50.0), false);
        let target = map(300_000, 50.0);
        let mut last = slew.published().unwrap().ptp_at(at(0));
        for ms in (100..=20_000).step_by(100) {
            let now = at(ms);
            let before = slew.published().unwrap().ptp_at(now);
            assert_eq!(slew.follow(now, &target, false), None);
            let after = slew.published().unwrap().ptp_at(now);
            assert_eq!(before, after, "no jump");
            let rate = (after - last).as_nanos_f64() / 100e6 - 1.0;
            assert!((rate - 50e-6).abs() <= 201e-6, "{rate}");
            last = after;
        }
        assert!((target.ptp_at(at(20_000)) - last).abs() < Nanos::new(50));
        assert_eq!(slew.epoch(), 0);
    }

    #[test]
    fn an_hour_is_a_step_and_a_new_epoch() {
        let mut slew = Slew::default();
        slew.follow(at(0), &map(0, 0.0), false);
        let hour = Nanos::from_secs(3600);
        assert_eq!(slew.follow(at(100), &map(hour.as_nanos(), 0.0), false), Some(hour));
        assert_eq!(slew.epoch(), 1);
    }

    #[test]
    fn a_proven_step_is_taken_at_once() {
        let mut slew = Slew::default();
        slew.follow(at(0), &map(0, 0.0), false);
        assert_eq!(slew.follow(at(100), &map(1_000_000, 0.0), true), Some(Nanos::from_millis(1)));
        assert_eq!(slew.epoch(), 1);
    }

    #[test]
    fn coasting_changes_the_rate_slowly() {
        let mut slew = Slew::default();
        slew.follow(at(0), &map(0, 100.0), false);
        let clock = *slew.published().unwrap().clock();
        slew.coast(at(100), Ppb::ZERO, &clock, PtpTime::EPOCH);
        assert!((slew.published().unwrap().clock().rate().as_ppm() - 99.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn the_timeline_never_runs_backwards(offsets in proptest::collection::vec(-9_000_000i64..9_000_000, 1..40)) {
            let mut slew = Slew::default();
            slew.follow(at(0), &map(0, 0.0), false);
            let mut last = slew.published().unwrap().ptp_at(at(0));
            for (i, offset) in offsets.iter().enumerate() {
                let now = at(100 * (i as i64 + 1));
                slew.follow(now, &map(*offset, 0.0), false);
                let next = slew.published().unwrap().ptp_at(now);
                prop_assert!(next > last);
                last = next;
            }
        }
    }
}
