//! Steps of the system clock. When somebody sets this clock, earlier stamps are on another
//! timescale than later ones.
//!
//! Model: besides the system clock there is a steady clock, which is slewed together with it but
//! never set (Linux: `CLOCK_MONOTONIC` for `CLOCK_REALTIME`). The difference between the two clocks
//! changes only by steps, however much a time service slews them. So two readings reveal a step,
//! with an error equal to the time that they took. A stamp is converted with the difference that
//! was valid when it was taken. This is known in most cases, because a stamp in the new time was
//! taken after the last reading in the old time, and a stamp in the old time was taken before the
//! first reading in the new time. If a stamp may be either, its time is unknown.
//!
//! Assumption: no stamp waits to be read for more than a second longer than its reader states. If a
//! stamp waits longer while the clock is set back by about the same time, it is mistaken for a new
//! one.

use super::{EARLIEST, OLDEST};
use engine::{Nanos, PtpTime};

/// Smallest step that is detected. A smaller step cannot be distinguished from the resolution of
/// the clocks (a microsecond on macOS), and shifts a stamp by no more than this.
const SMALLEST: Nanos = Nanos::from_micros(2);
/// Largest error of a reading that cannot hide a relevant step. A reading with a larger error still
/// shows steps, but may hide a step as large as its error.
const EXACT: Nanos = Nanos::from_micros(2);

/// A reading of the system clock, between two readings of the steady clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) before: Nanos,
    pub(super) system: PtpTime,
    pub(super) after: Nanos,
}

impl Reading {
    pub(super) fn middle(&self) -> Nanos {
        self.before + Nanos::new(self.width().as_nanos() / 2)
    }

    fn width(&self) -> Nanos {
        self.after - self.before
    }

    fn origin(&self) -> Origin {
        Origin { at: self.system - self.middle(), error: Nanos::new(self.width().as_nanos() / 2) }
    }
}

/// System time at the zero of the steady clock.
#[derive(Clone, Copy, Debug)]
struct Origin {
    at: PtpTime,
    error: Nanos,
}

/// A step: the system clock was set between two readings.
#[derive(Clone, Copy, Debug)]
struct Step {
    old: Origin,
    /// The last reading before the step and the first reading after it, in steady-clock time.
    last_old: Nanos,
    first_new: Nanos,
    /// Whether stamps from before an earlier step may still be waiting.
    is_repeated: bool,
}

/// Detects steps of the system clock by comparing it with the steady clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    origin: Option<Origin>,
    /// When the clock was last read accurately enough to exclude a hidden step.
    read_at: Nanos,
    last: Option<Step>,
    count: u64,
}

impl Steps {
    /// Processes a reading. If the clock was set since the last reading, returns the size of the
    /// step.
    pub(super) fn observe(&mut self, reading: &Reading) -> Option<Nanos> {
        let (now, origin) = (reading.middle(), reading.origin());
        let Some(old) = self.origin else {
            (self.origin, self.read_at) = (Some(origin), now);
            return None;
        };
        let change = origin.at - old.at;
        if change.abs() > old.error + origin.error + SMALLEST {
            let is_repeated = self.last.is_some_and(|last| now - last.first_new < OLDEST);
            self.last = Some(Step { old, last_old: self.read_at, first_new: now, is_repeated });
            (self.origin, self.read_at) = (Some(origin), now);
            self.count += 1;
            return Some(change);
        }
        if origin.error <= EXACT {
            self.read_at = now;
        }
        if origin.error < old.error {
            self.origin = Some(origin);
        }
        None
    }

    /// When a stamp that is no older than `oldest` was taken, in steady-clock time. `None` if this
    /// is unknown or impossible.
    pub(super) fn stamped_at(&self, stamp: PtpTime, now: Nanos, oldest: Nanos) -> Option<Nanos> {
        let by = |origin: Origin| {
            let at = stamp - origin.at;
            (EARLIEST..oldest).contains(&(now - at)).then_some(at)
        };
        let origin = self.origin?;
        let Some(step) = self.last.filter(|step| now - step.first_new < oldest) else { return by(origin) };
        if step.is_repeated {
            return None;
        }
        let slack = step.old.error + origin.error + SMALLEST;
        let new = by(origin).filter(|&at| at >= step.last_old - slack);
        let old = by(step.old).filter(|&at| at <= step.first_new + slack);
        // If both conversions are possible, the time is unknown.
        new.xor(old)
    }

    /// How often the clock was set.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: PtpTime = PtpTime::from_timestamp(1_795_000_000, 0);

    fn us(us: i64) -> Nanos {
        Nanos::from_micros(us)
    }

    /// A system's clock that is ahead of [`EPOCH`] by `ahead_us`.
    fn system(at_us: i64, ahead_us: i64) -> PtpTime {
        EPOCH + us(at_us + ahead_us)
    }

    fn reading(at_us: i64, ahead_us: i64) -> Reading {
        let half = Nanos::new(30);
        Reading { before: us(at_us) - half, system: system(at_us, ahead_us), after: us(at_us) + half }
    }

    /// Read at 0 and at 10 ms, and set by so much in between.
    fn set_by(step_us: i64) -> Steps {
        let mut steps = Steps::default();
        assert_eq!(steps.observe(&reading(0, 0)), None);
        assert_eq!(steps.observe(&reading(10_000, step_us)), Some(us(step_us)));
        steps
    }

    #[test]
    fn a_stamp_from_before_the_clock_was_set_forward_keeps_its_time() {
        for step_us in [20_000, 500_000, 999_000, 1_000_000, 3_600_000_000] {
            let steps = set_by(step_us);
            let now = us(10_000);
            assert_eq!(steps.stamped_at(system(3_000, 0), now, OLDEST), Some(us(3_000)), "old, {step_us}");
            assert_eq!(steps.stamped_at(system(7_000, step_us), now, OLDEST), Some(us(7_000)), "new, {step_us}");
            assert_eq!(
                steps.stamped_at(system(20_000, step_us), us(20_010), OLDEST),
                Some(us(20_000)),
                "later, {step_us}"
            );
        }
    }

    #[test]
    fn a_stamp_from_before_the_clock_was_set_back_keeps_its_time() {
        for step_us in [-1_000_000, -3_600_000_000] {
            let steps = set_by(step_us);
            assert_eq!(steps.stamped_at(system(3_000, 0), us(10_000), OLDEST), Some(us(3_000)), "old, {step_us}");
            assert_eq!(steps.stamped_at(system(7_000, step_us), us(10_000), OLDEST), Some(us(7_000)), "new, {step_us}");
        }
    }

    #[test]
    fn a_stamp_that_may_be_of_either_time_is_of_none() {
        // Set by 3 ms: what shows 7 ms was stamped at 7 ms before, or at 4 ms after.
        let forward = set_by(3_000);
        assert_eq!(forward.stamped_at(system(7_000, 0), us(10_000), OLDEST), None);
        assert_eq!(forward.stamped_at(system(4_000, 3_000), us(10_000), OLDEST), None);
        // Only once everything is new.
        assert_eq!(forward.stamped_at(system(11_000, 3_000), us(11_010), OLDEST), Some(us(11_000)));
        let back = set_by(-3_000);
        assert_eq!(back.stamped_at(system(3_000, 0), us(10_000), OLDEST), None);
        assert_eq!(back.stamped_at(system(12_000, -3_000), us(12_010), OLDEST), None);
        assert_eq!(back.stamped_at(system(13_100, -3_000), us(13_110), OLDEST), Some(us(13_100)));
    }

    #[test]
    fn a_second_step_leaves_no_time_known_for_a_second() {
        let mut steps = set_by(500_000);
        assert_eq!(steps.observe(&reading(20_000, 200_000)), Some(us(-300_000)));
        assert_eq!(steps.stamped_at(system(20_100, 200_000), us(20_110), OLDEST), None);
        assert_eq!(steps.stamped_at(system(1_021_000, 200_000), us(1_021_010), OLDEST), Some(us(1_021_000)));
        assert_eq!(steps.count(), 2);
    }

    #[test]
    fn a_slow_reading_is_no_step_and_hides_none() {
        let mut steps = Steps::default();
        steps.observe(&reading(0, 0));
        // Interrupted for 4 ms before the system's clock was read.
        let slow = Reading { before: us(1_000), system: system(5_000, 0), after: us(5_000) };
        assert_eq!(steps.observe(&slow), None);
        assert_eq!(steps.observe(&reading(6_000, 0)), None, "what the first one knew is kept");
        let slow = Reading { before: us(7_000), system: system(9_000, 1_500), after: us(11_000) };
        assert_eq!(steps.observe(&slow), None, "a step of 1.5 ms is within its error");
        assert_eq!(steps.observe(&reading(12_000, 1_500)), Some(us(1_500)));
        // Known to have come after the exact reading only.
        assert_eq!(steps.stamped_at(system(6_100, 1_500), us(12_000), OLDEST), None);
        assert_eq!(steps.stamped_at(system(3_000, 0), us(12_000), OLDEST), Some(us(3_000)));
    }
}
