//! The timers of a port, and the table of their due times.

use crate::units::LocalTime;

/// The timed events of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// A foreign master has been silent for too long, or no other clock has announced itself for so
    /// long that the port may become master (IEEE 1588-2019, 9.2.6.12).
    AnnounceReceipt,
    /// As slave: the next Delay_Req.
    DelayRequest,
    /// As slave: the clock servo is advanced.
    Clock,
    /// As slave: timestamps that were held back are judged.
    Claims,
    /// As slave of unicast masters: the next request, or the end of a grant.
    Unicast,
    /// As master: the next Announce.
    Announce,
    /// As master: the next Sync.
    Sync,
}

/// Number of timers.
const COUNT: usize = Timer::Sync as usize + 1;

/// When each [`Timer`] is due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timers([Option<LocalTime>; COUNT]);

impl Timers {
    /// Sets the timer; `None` stops it.
    pub(super) fn set(&mut self, timer: Timer, at: impl Into<Option<LocalTime>>) {
        self.0[timer as usize] = at.into();
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    pub(super) fn next(&self) -> Option<LocalTime> {
        self.0.iter().flatten().min().copied()
    }

    /// Stops the timer if it is due, and returns the time at which it was due.
    pub(super) fn take(&mut self, timer: Timer, now: LocalTime) -> Option<LocalTime> {
        let due = self.0[timer as usize].filter(|&at| at <= now);
        if due.is_some() {
            self.stop(timer);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_timer_is_next_and_fires_once() {
        let at = LocalTime::from_nanos;
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Sync, at(7));
        timers.set(Timer::Clock, at(5));
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(timers.take(Timer::Clock, at(4)), None);
        assert_eq!(timers.take(Timer::Clock, at(6)), Some(at(5)));
        assert_eq!(timers.take(Timer::Clock, at(6)), None);
        assert_eq!(timers.next(), Some(at(7)));
    }
}
