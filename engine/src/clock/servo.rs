//! The interface of a clock servo, which estimates PTP time from PTP timestamps.
//!
//! The engine's own servo is [`super::SlaveClock`]. The trait allows other servos to be compared
//! with it on the same packets.

use super::lock::{LockCause, LockState, LockTransition};
use super::map::PtpMap;
use super::sample::Direction;
use crate::units::{LocalTime, Nanos, PtpTime};

/// The two timestamps of one event message, with corrections applied.
///
/// Forward (Sync): `remote` is t1 plus the correction fields, `local` is t2. Reverse (Delay_Req):
/// `local` is t3, `remote` is t4 minus the correction field (IEEE 1588-2019, 11.3).
///
/// ```
/// use engine::clock::{ClockServo, Direction, LockState, TimestampPair};
/// use engine::clock::{SlaveClock, SlaveClockConfig};
/// use engine::{LocalTime, Nanos, PtpTime};
/// let mut clock = SlaveClock::new(SlaveClockConfig::default());
/// // PTP time is the host's time plus 1000 s, and the path takes 20 us: 10 s of 8 Syncs a second.
/// let ptp_at = |local: LocalTime| PtpTime::from_timestamp(1000, 0) + (local - LocalTime::ZERO);
/// let delay = Nanos::from_micros(20);
/// for i in 0..80 {
///     let local = LocalTime::from_nanos(i * 125_000_000);
///     let sent = ptp_at(local) - delay;
///     clock.observe(&TimestampPair { direction: Direction::Forward, local, remote: sent });
///     // A Delay_Req each second.
///     if i % 8 == 0 {
///         let received = ptp_at(local) + delay;
///         clock.observe(&TimestampPair { direction: Direction::Reverse, local, remote: received });
///     }
///     clock.advance(local);
/// }
/// let now = LocalTime::from_nanos(10_000_000_000);
/// let reading = clock.reading(now);
/// assert_eq!(reading.state, LockState::Locked);
/// let error = reading.map.unwrap().ptp_at(now) - ptp_at(now);
/// assert!(error.abs() < Nanos::from_micros(1), "{error}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampPair {
    /// Direction in which the message travelled.
    pub direction: Direction,
    /// The host's timestamp.
    pub local: LocalTime,
    /// The master's timestamp.
    pub remote: PtpTime,
}

/// The output of a clock servo at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockReading {
    /// State of the lock.
    pub state: LockState,
    /// Map from host time to PTP time, if there is one. Use it for playout only while
    /// [`LockState::is_usable`].
    pub map: Option<PtpMap>,
    /// Number that changes with every step of PTP time. Times from different epochs cannot be
    /// compared.
    pub epoch: u32,
    /// Origin of the path delay in the map.
    pub path_delay: PathDelay,
}

/// Result of comparing the timestamps of a message with the held time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Agreement {
    /// They agree within the noise; the value is the difference.
    Agrees(Nanos),
    /// The difference may or may not be noise.
    Unclear,
    /// Either the timestamps or the held time is wrong; the value is the difference.
    Contradicts(Nanos),
}

/// Origin of a path delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathDelay {
    /// Measured with Delay_Req and Delay_Resp.
    #[default]
    Measured,
    /// Assumed, because the master does not answer. The uncertainty allows for the error of this
    /// assumption.
    Assumed,
}

/// Estimates PTP time from PTP timestamps.
pub trait ClockServo {
    /// Processes a timestamp pair from the current master.
    fn observe(&mut self, pair: &TimestampPair);

    /// Announces that the next timestamps come from a new master or over a new path.
    fn change_master(&mut self, _now: LocalTime) {}

    /// Reports that a Delay_Req was not answered in time.
    fn request_unanswered(&mut self, _now: LocalTime) {}

    /// Reports that a packet to the current master was answered within `round_trip`, so that the
    /// path delay is at most `round_trip`.
    fn round_trip(&mut self, _round_trip: Nanos) {}

    /// Reports that the recent timestamps turned out not to come from the master, but that the next
    /// ones do. A clock without a usable time then starts again.
    fn reacquire(&mut self, _now: LocalTime) {}

    /// Announces that the Delay_Resp whose timestamps are observed next arrived `longest` after its
    /// Delay_Req left. This includes the time that the master took to answer.
    fn exchange_took(&mut self, _longest: Nanos) {}

    /// Compares timestamps with the held time; `None` while no time is held.
    fn agreement(&self, _pair: &TimestampPair) -> Option<Agreement> {
        None
    }

    /// Reports that another sender has begun (`contested`) or stopped using the master's identity.
    /// During the contest, [`ClockServo::agreement`] compares with the earlier estimate, and the
    /// caller passes only timestamps that agree to [`ClockServo::observe`], unless no time is held.
    fn contest(&mut self, _now: LocalTime, _contested: bool) {}

    /// Sets the current master's Sync interval, as observed in its messages.
    fn set_sync_interval(&mut self, interval: Nanos);

    /// Advances to `now`. Call it at least once per Sync interval, even if nothing is received.
    fn advance(&mut self, now: LocalTime);

    /// The estimate at `now`.
    fn reading(&self, now: LocalTime) -> ClockReading;

    /// Why the clock cannot lock, if the reason is known and will not pass with time.
    fn obstacle(&self) -> Option<LockCause> {
        None
    }

    /// The next change of the lock state that has not been polled yet.
    fn poll_transition(&mut self) -> Option<LockTransition>;
}
