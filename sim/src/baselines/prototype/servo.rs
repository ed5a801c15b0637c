//! The prototype's servo: estimates the rate of drift, and is locked while that is small.
//!
//! Law, per Follow_Up: the offset t2 - t1, minus the first offset ever measured, is stored with the
//! monotonic time of the call. The slope of a least-squares line through the last 32 of them goes
//! through a low-pass with alpha 0.1, from the 8th on; its output, clamped to +-500 ppm, is the
//! frequency. The servo locks when the drift was within 50 ppm for 3 consecutive samples, which is
//! always the case before there are 8 samples, and unlocks when it was not for 5 consecutive
//! samples. Nothing is ever reset, neither by another master nor by a step. Without samples, the
//! state does not change.

use engine::{LocalTime, Nanos, Ppb, PtpTime};
use std::collections::VecDeque;

// All constants are the prototype's.
const REGRESSION_POINTS: usize = 32;
const LEAST_POINTS: usize = 8;
const ALPHA: f64 = 0.1;
const LOCK_LIMIT: Ppb = Ppb::from_ppm(50.0);
const FREQUENCY_LIMIT: Ppb = Ppb::from_ppm(500.0);
const SAMPLES_TO_LOCK: u32 = 3;
const SAMPLES_TO_UNLOCK: u32 = 5;

/// The servo.
#[derive(Clone, Debug, Default)]
pub(super) struct Servo {
    /// The first pair of t2, by the wall clock, and t1.
    first: Option<(LocalTime, PtpTime)>,
    /// Monotonic time of the first call.
    began: Option<LocalTime>,
    /// The last points: time since the first call in s, and offset in ns.
    points: VecDeque<(f64, f64)>,
    /// Low-passed drift of the wall clock against PTP, not clamped.
    drift_ppb: f64,
    within: u32,
    beyond: u32,
    locked: bool,
}

impl Servo {
    /// Handles a Follow_Up at monotonic time `now`. Its Sync was sent at `t1` and received at `t2`
    /// by the wall clock.
    pub(super) fn update(&mut self, now: LocalTime, t1: PtpTime, t2: LocalTime) {
        let (first_t2, first_t1) = *self.first.get_or_insert((t2, t1));
        let offset = (t2 - first_t2) - (t1 - first_t1);
        let elapsed: Nanos = now - *self.began.get_or_insert(now);
        if self.points.len() == REGRESSION_POINTS {
            self.points.pop_front();
        }
        self.points.push_back((elapsed.as_secs_f64(), offset.as_nanos() as f64));
        if self.points.len() >= LEAST_POINTS {
            self.drift_ppb += ALPHA * (slope(&self.points) - self.drift_ppb);
        }
        self.judge();
    }

    fn judge(&mut self) {
        if self.drift_ppb.abs() < LOCK_LIMIT.as_ppb() {
            self.within += 1;
            self.beyond = 0;
            self.locked |= self.within >= SAMPLES_TO_LOCK;
        } else {
            self.within = 0;
            self.beyond += u32::from(self.locked);
            if self.beyond >= SAMPLES_TO_UNLOCK {
                self.locked = false;
                self.beyond = 0;
            }
        }
    }

    /// The flag that its display shows.
    pub(super) fn is_locked(&self) -> bool {
        self.locked
    }

    /// Low-passed drift of the wall clock against PTP.
    pub(super) fn drift(&self) -> Ppb {
        Ppb::new(self.drift_ppb)
    }

    /// Rate of PTP against the wall clock, clamped: the value that the audio reader uses.
    pub(super) fn frequency(&self) -> Ppb {
        Ppb::new((-self.drift_ppb).clamp(-FREQUENCY_LIMIT.as_ppb(), FREQUENCY_LIMIT.as_ppb()))
    }
}

/// Least-squares slope, ns/s.
fn slope(points: &VecDeque<(f64, f64)>) -> f64 {
    let n = points.len() as f64;
    let (mean_t, mean_x) = points.iter().fold((0.0, 0.0), |(t, x), point| (t + point.0 / n, x + point.1 / n));
    let (products, squares) = points.iter().fold((0.0, 0.0), |(products, squares), &(t, x)| {
        (products + (t - mean_t) * (x - mean_x), squares + (t - mean_t) * (t - mean_t))
    });
    if squares > 0.0 { products / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follow_Ups at 8 per second with the offset that `offset_ns` gives for their number.
    fn fed(servo: &mut Servo, numbers: std::ops::Range<i64>, offset_ns: impl Fn(i64) -> i64) {
        for i in numbers {
            let sent = Nanos::from_millis(125 * i);
            let t2 = LocalTime::from_nanos(1_790_000_000_000_000_000) + sent + Nanos::new(offset_ns(i));
            servo.update(LocalTime::from_nanos(1) + sent, PtpTime::EPOCH + sent, t2);
        }
    }

    fn drifting(ppm: f64) -> impl Fn(i64) -> i64 {
        move |i| (i as f64 * 125e6 * ppm * 1e-6) as i64
    }

    /// Numbers of the Follow_Ups, from the given one on, at which the flag changes.
    fn changes(servo: &mut Servo, numbers: std::ops::Range<i64>, offset_ns: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut flag = servo.is_locked();
        let mut at = Vec::new();
        for i in numbers {
            fed(servo, i..i + 1, &offset_ns);
            if servo.is_locked() != flag {
                flag = servo.is_locked();
                at.push(i);
            }
        }
        at
    }

    #[test]
    fn it_locks_at_the_third_sample_whatever_the_drift() {
        for ppm in [0.0, 30.0, 400.0] {
            let at = changes(&mut Servo::default(), 0..8, drifting(ppm));
            assert_eq!(at, [2], "the drift is 0 before the 8th sample; {ppm} ppm");
        }
    }

    #[test]
    fn the_low_pass_begins_at_the_8th_sample_with_a_tenth_of_the_slope() {
        let mut servo = Servo::default();
        fed(&mut servo, 0..7, drifting(40.0));
        assert_eq!(servo.drift(), Ppb::ZERO);
        for (n, share) in [(7, 0.1), (8, 0.19), (9, 0.271)] {
            fed(&mut servo, n..n + 1, drifting(40.0));
            assert!((servo.drift().as_ppm() - 40.0 * share).abs() < 1e-3, "{:?}", servo.drift());
        }
    }

    #[test]
    fn it_unlocks_at_the_fifth_drift_in_a_row_beyond_50_ppm_and_not_before() {
        // 60 (1 - 0.9^n) exceeds 50 from n = 18 on, which is sample 24; the fifth is 28.
        assert_eq!(changes(&mut Servo::default(), 0..400, drifting(60.0)), [2, 28]);
        assert_eq!(changes(&mut Servo::default(), 0..400, drifting(49.0)), [2]);
    }

    #[test]
    fn it_stays_unlocked_for_as_long_as_the_drift_lasts_and_locks_3_samples_after_it_is_small() {
        let mut servo = Servo::default();
        let until = 4_000;
        let bend = move |i: i64| drifting(80.0)(i.min(until));
        let at = changes(&mut servo, 0..until, bend);
        assert_eq!(at.len(), 2, "{at:?}");
        let at = changes(&mut servo, until..until + 100, bend);
        let first_within = {
            let mut again = Servo::default();
            fed(&mut again, 0..until, bend);
            (until..).find(|&i| {
                fed(&mut again, i..i + 1, bend);
                again.drift().as_ppm().abs() < 50.0
            })
        };
        assert_eq!(at, [first_within.unwrap() + 2]);
    }

    #[test]
    fn the_frequency_is_clamped_to_500_ppm_and_the_drift_behind_it_is_not() {
        let mut servo = Servo::default();
        fed(&mut servo, 0..400, drifting(900.0));
        assert!((servo.frequency().as_ppm() + 500.0).abs() < 1e-9);
        assert!((servo.drift().as_ppm() - 900.0).abs() < 0.1);
        fed(&mut servo, 400..800, drifting(-900.0));
        assert!((servo.frequency().as_ppm() - 500.0).abs() < 1e-9);
    }

    #[test]
    fn offsets_count_from_the_first_one_ever_and_no_step_resets_them() {
        let mut servo = Servo::default();
        fed(&mut servo, 0..100, |_| 37_000_000_000);
        assert_eq!((servo.drift(), servo.is_locked()), (Ppb::ZERO, true), "an epoch apart is no offset");
        // A step of 1 ms makes a slope while it is among the 32 points: the flag falls and returns.
        let at = changes(&mut servo, 100..300, |_| 37_001_000_000);
        assert_eq!(at.len(), 2, "{at:?}");
        assert!((104..110).contains(&at[0]) && at[1] > 132, "{at:?}");
    }

    #[test]
    fn only_the_last_32_offsets_count() {
        let mut servo = Servo::default();
        fed(&mut servo, 0..1_000, |i| if i < 500 { 1_000_000_000_000 } else { 0 });
        assert!(servo.drift().as_ppm().abs() < 1e-3, "{:?}", servo.drift());
    }
}
