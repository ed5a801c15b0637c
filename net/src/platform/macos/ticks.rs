//! Converts ticks of Mach absolute time: 1 ns on Intel processors, 125/3 ns on Apple processors.

use engine::{LocalTime, Nanos};

/// A stamp that is older than this, or in the future, is not in ticks of this clock. This happens
/// in an Intel program on an Apple processor, which sees a clock with 1 ns ticks, but stamps in the
/// ticks of the real clock.
const OLDEST: Nanos = Nanos::from_secs(1);

/// Length of a tick: `ticks` ticks last `ns` nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timebase {
    pub(super) ns: u32,
    pub(super) ticks: u32,
}

impl Timebase {
    /// Converts ticks to time, rounded down to whole ns.
    pub(super) fn time(self, ticks: u64) -> LocalTime {
        let ns = u128::from(ticks) * u128::from(self.ns) / u128::from(self.ticks.max(1));
        LocalTime::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX))
    }

    /// The first tick at or after a time.
    pub(super) fn deadline(self, time: LocalTime) -> u64 {
        self.count(time.as_nanos())
    }

    /// The smallest number of ticks that last at least this many ns.
    pub(super) fn count(self, ns: i64) -> u64 {
        let ns = u128::from(ns.max(0).unsigned_abs());
        let ticks = (ns * u128::from(self.ticks)).div_ceil(u128::from(self.ns.max(1)));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Reads the time in a control message for `SO_TIMESTAMP_MONOTONIC`; `None` if it is not a
    /// stamp in ticks of this clock.
    pub(super) fn stamp(self, message: &[u8], now: LocalTime) -> Option<LocalTime> {
        let stamp = self.time(u64::from_ne_bytes(message.try_into().ok()?));
        (Nanos::ZERO..OLDEST).contains(&(now - stamp)).then_some(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: Timebase = Timebase { ns: 1, ticks: 1 };
    const APPLE: Timebase = Timebase { ns: 125, ticks: 3 };

    #[test]
    fn a_second_is_as_long_on_all_processors() {
        assert_eq!(INTEL.time(1_000_000_000), LocalTime::from_nanos(1_000_000_000));
        assert_eq!(APPLE.time(24_000_000), LocalTime::from_nanos(1_000_000_000));
        let century_s = 100 * 365 * 86_400;
        assert_eq!(APPLE.time(24_000_000 * century_s), LocalTime::from_nanos(century_s as i64 * 1_000_000_000));
    }

    #[test]
    fn a_deadline_is_the_first_tick_that_is_not_before_it() {
        for ns in [0, 1, 41, 42, 83, 84, 125, 999_999_999, 86_400_000_000_007] {
            for timebase in [INTEL, APPLE] {
                let (due, ticks) = (LocalTime::from_nanos(ns), timebase.deadline(LocalTime::from_nanos(ns)));
                assert!(timebase.time(ticks) >= due, "{timebase:?} {ns}");
                assert!(ticks == 0 || timebase.time(ticks - 1) < due, "{timebase:?} {ns}");
            }
        }
        assert_eq!(APPLE.deadline(LocalTime::from_nanos(-5)), 0, "before the machine was started");
    }

    #[test]
    fn a_stamp_is_the_time_at_which_a_datagram_came() {
        let message = 24_000_000u64.to_ne_bytes();
        let now = |ns| LocalTime::from_nanos(ns);
        assert_eq!(APPLE.stamp(&message, now(1_000_030_000)), Some(now(1_000_000_000)));
        assert_eq!(APPLE.stamp(&message[..4], now(1_000_030_000)), None, "cut off");
    }

    #[test]
    fn a_stamp_of_another_clock_is_none() {
        let message = 24_000_000u64.to_ne_bytes();
        // What was a second there is 24 ms by a clock of 1 ns.
        assert_eq!(INTEL.stamp(&message, LocalTime::from_nanos(10_000_000_000)), None);
        assert_eq!(APPLE.stamp(&message, LocalTime::from_nanos(999_999_999)), None, "from the future");
    }
}
