//! The interface of a clock law: whatever turns PTP timestamps into an idea of PTP time.
//!
//! The engine's own law is [`super::SlaveClock`]; the simulator carries other receivers' laws
//! behind the same trait, so that all are compared on the same packets.

use super::lock::{LockCause, LockState, LockTransition};
use super::map::PtpMap;
use super::sample::Direction;
use crate::units::{LocalTime, Nanos, PtpTime};

/// The two timestamps of one event message, corrections already applied.
///
/// Forward (Sync): `remote` is t1 plus the correction fields, `local` is t2. Reverse (Delay_Req):
/// `local` is t3, `remote` is t4 minus the correction field (IEEE 1588-2019, 11.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampPair {
    /// Which way the message travelled.
    pub direction: Direction,
    /// The host's timestamp.
    pub local: LocalTime,
    /// The master's timestamp.
    pub remote: PtpTime,
}

/// What a clock law says at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockReading {
    /// Lock state.
    pub state: LockState,
    /// The map from host time to PTP time, if there is one; use it for playout only while
    /// [`LockState::is_usable`].
    pub map: Option<PtpMap>,
    /// Changes whenever PTP time was stepped: times of different epochs cannot be compared.
    pub epoch: u32,
    /// Where the path delay in the map comes from.
    pub path_delay: PathDelay,
}

/// How the timestamps of a message lie to the time that is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Agreement {
    /// They agree: they are off by no more than this.
    Agrees(Nanos),
    /// They are off by as much as messages sometimes are.
    Unclear,
    /// One of both is wrong, by this.
    Contradicts(Nanos),
}

/// Where a clock's path delay comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathDelay {
    /// From Delay_Req and Delay_Resp.
    #[default]
    Measured,
    /// The master does not answer: a stated prior stands in, and the uncertainty says so.
    Assumed,
}

/// Turns PTP timestamps into an idea of PTP time.
pub trait ClockLaw {
    /// A timestamp pair of the present master.
    fn observe(&mut self, pair: &TimestampPair);

    /// The timestamps that follow are another master's, or came by another path.
    fn change_master(&mut self, _now: LocalTime) {}

    /// A Delay_Req got no answer in time.
    fn request_unanswered(&mut self, _now: LocalTime) {}

    /// Something went to the present master and came back within `round_trip`: no path delay is
    /// longer.
    fn round_trip(&mut self, _round_trip: Nanos) {}

    /// The timestamps of the last while were found to be no time of the master's; those that follow
    /// are.
    fn begin_anew(&mut self, _now: LocalTime) {}

    /// The Delay_Resp whose timestamps are observed next arrived this long after its Delay_Req
    /// left: the way there and back, and what the master took.
    fn exchange_took(&mut self, _longest: Nanos) {}

    /// How timestamps lie to the time that is held; `None` while none is.
    fn agreement(&self, _pair: &TimestampPair) -> Option<Agreement> {
        None
    }

    /// From now on somebody else sends in the name of the master, or does so no more. Meanwhile
    /// [`ClockLaw::agreement`] is with what was known before, and only timestamps that agree with
    /// that are observed, unless none is held.
    fn contest(&mut self, _now: LocalTime, _contested: bool) {}

    /// The present master's Sync interval, as seen on the wire.
    fn set_sync_interval(&mut self, interval: Nanos);

    /// Time passes: called at least once per Sync interval, also when nothing is received.
    fn advance(&mut self, now: LocalTime);

    /// What the law says at `now`.
    fn reading(&self, now: LocalTime) -> ClockReading;

    /// What keeps the clock from being locked, if it is known: it is none of the causes that time
    /// alone will remove.
    fn obstacle(&self) -> Option<LockCause> {
        None
    }

    /// The next change of lock state that was not yet told.
    fn poll_transition(&mut self) -> Option<LockTransition>;
}
