//! The master role of the Livewire clock, for networks without another master, and for tests.

use super::wire::{ClockPacket, MasterIdentity, PACKET_LEN};
use super::{MASTER_TIMEOUT, PACKET_INTERVAL};
use crate::units::{LocalTime, Nanos, PtpTime};

/// Packet interval: the middle of the usual range.
const INTERVAL: Nanos = Nanos::new((PACKET_INTERVAL.0.as_nanos() + PACKET_INTERVAL.1.as_nanos()) / 2);

/// How long the master listens before it sends: long enough to notice a better master, and for the
/// caller to lock to another master's time in order to continue it.
const LISTEN: Nanos = Nanos::from_secs(3);

/// Serves a Livewire clock, and is silent while a better master sends.
///
/// Contract (sans-IO): pass each datagram that is sent to the group to
/// [`LivewireMaster::handle_datagram`]. When [`LivewireMaster::poll_timeout`] is due, call
/// [`LivewireMaster::poll_transmit`] with the time to send, which should be read as late as
/// possible before the packet leaves.
///
/// ```
/// use engine::livewire_clock::{ClockPacket, LivewireMaster, MacAddress, MasterIdentity};
/// use engine::{LocalTime, PtpTime};
/// let identity = MasterIdentity::new(3, [192, 168, 2, 7].into(), MacAddress([2; 6]));
/// let mut master = LivewireMaster::new(identity, LocalTime::ZERO);
/// let due = master.poll_timeout();
/// let packet = master.poll_transmit(due, PtpTime::from_timestamp(5, 0)).expect("one is due");
/// assert_eq!(ClockPacket::parse(&packet)?.frame, 20_000);
/// assert!(master.poll_transmit(due, PtpTime::from_timestamp(5, 0)).is_none());
/// # Ok::<(), engine::livewire_clock::ClockPacketError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LivewireMaster {
    identity: MasterIdentity,
    due: LocalTime,
    sequence: u16,
    /// A better master, and when it loses precedence unless it sends again.
    better: Option<(MasterIdentity, LocalTime)>,
}

impl LivewireMaster {
    /// Creates a master that first listens for three seconds.
    #[must_use]
    pub fn new(identity: MasterIdentity, now: LocalTime) -> Self {
        Self { identity, due: now + LISTEN, sequence: 0, better: None }
    }

    /// The identity that the master sends.
    #[must_use]
    pub const fn identity(&self) -> &MasterIdentity {
        &self.identity
    }

    /// Handles a datagram that was sent to the group. While a better master sends, this master is
    /// silent.
    pub fn handle_datagram(&mut self, now: LocalTime, datagram: &[u8]) {
        let Ok(ClockPacket { master, .. }) = ClockPacket::parse(datagram) else { return };
        if master.mac != self.identity.mac && master.outranks(&self.identity) {
            self.better = Some((master, now + MASTER_TIMEOUT));
        }
    }

    /// The better master that keeps this one silent at `now`.
    #[must_use]
    pub fn better(&self, now: LocalTime) -> Option<MasterIdentity> {
        self.better.filter(|&(_, until)| until > now).map(|(master, _)| master)
    }

    /// When the next packet is due. While there is a better master, no packet is due before that
    /// master is considered gone.
    #[must_use]
    pub fn poll_timeout(&self) -> LocalTime {
        self.better.map_or(self.due, |(_, until)| until.max(self.due))
    }

    /// Returns the packet that is due at `now`, with the time `time` in it; `None` if no packet is
    /// due.
    pub fn poll_transmit(&mut self, now: LocalTime, time: PtpTime) -> Option<[u8; PACKET_LEN]> {
        if now < self.poll_timeout() {
            return None;
        }
        self.better = None;
        // Due times lie on a grid, except after pauses.
        let next = self.due + INTERVAL;
        self.due = if next > now { next } else { now + INTERVAL };
        self.sequence = self.sequence.wrapping_add(1);
        Some(ClockPacket::at(time, self.sequence, self.identity).emit())
    }
}
