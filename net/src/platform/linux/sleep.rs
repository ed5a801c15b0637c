//! Sleeps until an absolute time, so that a thread that is interrupted between reading the clock
//! and going to sleep is still woken in time.

use super::clock::now;
use engine::LocalTime;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Returns when `due` has passed. Wakers do not end the sleep.
///
/// The kernel has no timer on the raw clock. The rate of its disciplined clock differs by 500 ppm
/// at most, which is less than a microsecond in the 1 ms between packets.
pub(crate) fn until(due: LocalTime) {
    let Ok(steered) = clock_gettime(ClockId::CLOCK_MONOTONIC) else { return };
    let ahead = (due - now()).as_nanos();
    if ahead <= 0 {
        return;
    }
    let at = steered.tv_sec() * 1_000_000_000 + steered.tv_nsec() + ahead;
    let at = TimeSpec::new(at / 1_000_000_000, at % 1_000_000_000);
    let flags = ClockNanosleepFlags::TIMER_ABSTIME;
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &at) == Err(Errno::EINTR) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Nanos;

    #[test]
    fn it_is_over_when_it_is_time_and_not_before() {
        for us in [-5, 0, 300, 3_000] {
            let due = now() + Nanos::from_micros(us);
            until(due);
            // The steered clock may run slightly ahead of the raw one.
            assert!(now() - due >= Nanos::from_micros(-2), "{}", now() - due);
        }
    }
}
