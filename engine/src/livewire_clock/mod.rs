//! The Livewire clock: the time by which Livewire devices sample, separate from PTP.
//!
//! Model: one device of the network is the master and sends a [packet](ClockPacket) with its time
//! every 30 to 40 ms to [`GROUP`]. Nobody answers, so only the time of arrival is known: the path
//! delay is assumed as with a PTP master that answers no Delay_Req, and the uncertainty includes
//! it. The servo is the same as for PTP: [`SlaveClock`](crate::clock::SlaveClock).
//!
//! The time is a count of clock frames of 250 us since some moment in the life of the first master,
//! and is neither TAI nor UTC nor any time of day. It is represented as a
//! [`PtpTime`](crate::PtpTime) of which only differences have a meaning. The number of the audio
//! frame follows from it: at 48 kHz a clock frame has 12 audio frames, so the RTP timestamp of a
//! time is that time in audio frames, modulo 2^32, through all wraps of the count.
//!
//! Masters: the one with the highest priority is followed, and among equals the one with the lowest
//! MAC address. Anybody can send packets in any name. So a master is followed when [several](HEARD)
//! of its packets agree with each other, and only after two seconds if its time is not the held
//! time. The number of remembered masters is bounded. Packets in the name of the master from
//! another address do not count, nor those that contradict the held time while others agree with it
//! (`contest`). Livewire has no authentication: a stranger who keeps sending with the highest
//! priority becomes the master.

mod contest;
mod diagnosis;
mod event;
mod master;
mod masters;
mod slave;
#[cfg(test)]
mod tests;
mod wire;

pub use diagnosis::ClockDiagnosis;
pub use event::ClockEvent;
pub use master::LivewireMaster;
pub use masters::{HEARD, Master};
pub use slave::{ClockCounters, LivewireClock, Refusal};
pub use wire::{
    CLOCK_FRAME, ClockPacket, ClockPacketError, HIGHEST_PRIORITY, MICROTICKS, MacAddress, MasterIdentity, PACKET_LEN,
};

use crate::units::Nanos;
use std::net::Ipv4Addr;

/// The group of the clock of low rate.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 192, 255, 2);
/// The UDP port of the clock.
pub const PORT: u16 = 7000;

/// Longest and shortest interval of packets: 30 to 40 ms.
const PACKET_INTERVAL: (Nanos, Nanos) = (Nanos::from_millis(30), Nanos::from_millis(40));
/// A master that is silent for this long, some 25 packets, is no longer followed.
const MASTER_TIMEOUT: Nanos = Nanos::from_secs(1);
