//! The system clock as a reference, for hosts on which other software disciplines it: ptp4l with
//! phc2sys, PTPd, chrony.
//!
//! Model: the caller reads the system clock between two readings of the monotonic clock, and asks
//! the kernel how well the system clock is disciplined. A [`SlaveClock`] without a path delay
//! processes the pairs like Syncs. So a step of the system clock, for example when somebody sets
//! it, is detected and begins a new epoch, and a rate that does not settle is noticed. The kernel's
//! answer decides whether the clock is used at all; the engine's own estimate decides whether it is
//! trusted.

use super::estimator::DelayModel;
use super::lock::{LockState, LockTransition};
use super::sample::Direction;
use super::servo::{ClockReading, ClockServo, PathDelay, TimestampPair};
use super::slave::{SlaveClock, SlaveClockConfig};
use crate::units::{LocalTime, Nanos, Ppb, PtpTime};
use std::fmt;

/// Largest estimated error with which the system clock is used. Judgement: the packet time of
/// AES67.
const USABLE_ERROR: Nanos = Nanos::from_millis(1);
/// Longest time between the two readings of the monotonic clock. Judgement: if this time is longer,
/// the program was interrupted in between.
const LONGEST_READING: Nanos = Nanos::from_micros(100);

/// Timescale of the system clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemEpoch {
    /// TAI, like PTP.
    Tai,
    /// UTC, which is behind TAI by whole seconds (37 since 2017).
    Utc {
        /// TAI minus UTC, s.
        tai_minus_utc_s: i16,
    },
}

impl SystemEpoch {
    fn to_ptp(self, system: PtpTime) -> PtpTime {
        match self {
            Self::Tai => system,
            Self::Utc { tai_minus_utc_s } => system + Nanos::from_secs(i64::from(tai_minus_utc_s)),
        }
    }
}

/// State of the system clock according to the kernel (`adjtimex(2)` on Linux).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Discipline {
    /// Whether the clock is disciplined (not `STA_UNSYNC`).
    pub synchronised: bool,
    /// Estimated error.
    pub estimated_error: Nanos,
    /// Frequency correction applied to the crystal.
    pub frequency: Ppb,
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SystemReading {
    /// Reading of the host's monotonic clock before the system clock was read.
    pub before: LocalTime,
    /// Reading of the system clock.
    pub system: PtpTime,
    /// Reading of the host's monotonic clock after the system clock was read.
    pub after: LocalTime,
    /// State according to the kernel.
    pub discipline: Discipline,
}

/// How far the system clock can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SystemReport {
    /// State according to the kernel, at the last reading.
    pub discipline: Discipline,
    /// Rate of the system clock relative to the monotonic clock.
    pub rate: Ppb,
    /// Standard deviation of [`SystemReport::rate`].
    pub rate_sigma: Ppb,
    /// Number of times that the clock has been set.
    pub steps: u32,
    /// Number of readings that were discarded because they were interrupted.
    pub interrupted: u64,
}

impl SystemReport {
    /// Whether the clock can be used.
    #[must_use]
    pub fn is_sane(&self) -> bool {
        self.discipline.synchronised && self.discipline.estimated_error < USABLE_ERROR
    }
}

/// Advice for an undisciplined clock. Judgement: Windows does not report whether its clock is
/// disciplined, so no advice is given.
const ADVICE: &str = if cfg!(windows) { ", as far as is known" } else { ": start ptp4l and phc2sys, PTPd or chrony" };

impl fmt::Display for SystemReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.discipline.estimated_error;
        match (self.discipline.synchronised, self.is_sane()) {
            (false, _) => write!(f, "nobody disciplines the system clock{ADVICE}"),
            (true, false) => {
                write!(f, "the system clock is disciplined, but only to {error}; {USABLE_ERROR} is needed")
            }
            (true, true) => write!(f, "the system clock is disciplined to {error}"),
        }?;
        write!(f, "; {} against the monotonic clock, set {} times", self.rate, self.steps)
    }
}

/// The system clock, used as a reference.
///
/// ```
/// use engine::clock::{Discipline, LockState, SystemClock, SystemEpoch, SystemReading};
/// use engine::{LocalTime, Nanos, PtpTime};
/// let mut clock = SystemClock::new(SystemEpoch::Utc { tai_minus_utc_s: 37 });
/// let discipline = Discipline { synchronised: true, estimated_error: Nanos::from_micros(20), ..Discipline::default() };
/// for i in 0..40 {
///     let before = LocalTime::from_nanos(i * 125_000_000);
///     let system = PtpTime::from_timestamp(1_790_000_000, 0) + Nanos::from_millis(125 * i);
///     clock.observe(&SystemReading { before, system, after: before + Nanos::new(200), discipline });
/// }
/// let now = LocalTime::from_nanos(5_000_000_000);
/// assert_eq!(clock.reading(now).state, LockState::Locked);
/// assert!(clock.report().is_sane());
/// let ptp = clock.reading(now).map.unwrap().ptp_at(now);
/// assert!((ptp - PtpTime::from_timestamp(1_790_000_042, 0)).abs() < Nanos::from_micros(1));
/// ```
#[derive(Clone, Debug)]
pub struct SystemClock {
    epoch: SystemEpoch,
    clock: SlaveClock,
    discipline: Discipline,
    interrupted: u64,
}

impl SystemClock {
    /// Creates a clock that has not been read yet.
    #[must_use]
    pub fn new(epoch: SystemEpoch) -> Self {
        let mut config = SlaveClockConfig::default();
        config.estimator.delay = DelayModel::Absorbed;
        config.estimator.jitter = Nanos::from_micros(1);
        Self { epoch, clock: SlaveClock::one_way(config), discipline: Discipline::default(), interrupted: 0 }
    }

    /// Processes one reading. Eight per second are sufficient.
    pub fn observe(&mut self, reading: &SystemReading) {
        self.discipline = reading.discipline;
        let length = reading.after - reading.before;
        if length > LONGEST_READING {
            self.interrupted += 1;
            self.clock.advance(reading.after);
            return;
        }
        let middle = reading.before + Nanos::new(length.as_nanos() / 2);
        let remote = self.epoch.to_ptp(reading.system);
        self.clock.observe(&TimestampPair { direction: Direction::Forward, local: middle, remote });
    }

    /// The estimate at `now`; locked only while the clock is disciplined.
    #[must_use]
    pub fn reading(&self, now: LocalTime) -> ClockReading {
        let reading = self.clock.reading(now);
        let state = if self.report().is_sane() { reading.state } else { LockState::Unlocked };
        ClockReading { state, path_delay: PathDelay::Measured, ..reading }
    }

    /// How far the clock can be trusted.
    #[must_use]
    pub fn report(&self) -> SystemReport {
        let reading = self.clock.reading(LocalTime::ZERO);
        let clock = reading.map.map(|map| *map.clock()).unwrap_or_default();
        SystemReport {
            discipline: self.discipline,
            rate: clock.rate(),
            rate_sigma: clock.rate_sigma(),
            steps: reading.epoch,
            interrupted: self.interrupted,
        }
    }

    /// The next change of the lock state that has not been polled yet.
    pub fn poll_transition(&mut self) -> Option<LockTransition> {
        self.clock.poll_transition()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(clock: &mut SystemClock, from: i64, to: i64, ahead: Nanos, discipline: Discipline) {
        for i in from * 8..to * 8 {
            let before = LocalTime::ZERO + Nanos::from_millis(125 * i);
            let system = PtpTime::from_timestamp(1_790_000_000, 0) + Nanos::from_millis(125 * i) + ahead;
            clock.observe(&SystemReading { before, system, after: before + Nanos::new(300), discipline });
        }
    }

    const GOOD: Discipline =
        Discipline { synchronised: true, estimated_error: Nanos::from_micros(5), frequency: Ppb::ZERO };

    #[test]
    fn a_clock_that_nobody_disciplines_is_of_no_use_and_says_what_to_do() {
        let mut clock = SystemClock::new(SystemEpoch::Tai);
        run(&mut clock, 0, 10, Nanos::ZERO, Discipline { synchronised: false, ..GOOD });
        assert_eq!(clock.reading(LocalTime::ZERO).state, LockState::Unlocked);
        assert!(clock.report().to_string().contains("start ptp4l"), "{}", clock.report());
        run(&mut clock, 10, 20, Nanos::ZERO, GOOD);
        assert_eq!(clock.reading(LocalTime::ZERO).state, LockState::Locked);
    }

    #[test]
    fn setting_the_clock_is_a_new_epoch() {
        let mut clock = SystemClock::new(SystemEpoch::Tai);
        run(&mut clock, 0, 30, Nanos::ZERO, GOOD);
        run(&mut clock, 30, 40, Nanos::from_secs(-3600), GOOD);
        assert_eq!(clock.reading(LocalTime::ZERO).epoch, 1);
        assert_eq!(clock.report().steps, 1);
    }

    #[test]
    fn a_small_change_is_one_of_the_clock_and_not_of_a_route() {
        let mut clock = SystemClock::new(SystemEpoch::Tai);
        run(&mut clock, 0, 30, Nanos::ZERO, GOOD);
        run(&mut clock, 30, 60, Nanos::from_micros(100), GOOD);
        let now = LocalTime::ZERO + Nanos::from_secs(60);
        let truth = PtpTime::from_timestamp(1_790_000_060, 0) + Nanos::from_micros(100);
        let error = clock.reading(now).map.unwrap().ptp_at(now) - truth;
        assert!(error.abs() < Nanos::from_micros(2), "{error}");
    }

    #[test]
    fn an_interrupted_reading_is_left_out() {
        let mut clock = SystemClock::new(SystemEpoch::Tai);
        run(&mut clock, 0, 30, Nanos::ZERO, GOOD);
        let before = LocalTime::ZERO + Nanos::from_secs(30);
        let system = PtpTime::from_timestamp(1_790_000_030, 0) + Nanos::from_millis(4);
        clock.observe(&SystemReading { before, system, after: before + Nanos::from_millis(8), discipline: GOOD });
        let now = before + Nanos::from_millis(8);
        let error = clock.reading(now).map.unwrap().ptp_at(now) - PtpTime::from_timestamp(1_790_000_030, 8_000_000);
        assert!(error.abs() < Nanos::from_micros(1), "{error}");
        assert_eq!(clock.report().interrupted, 1);
    }
}
