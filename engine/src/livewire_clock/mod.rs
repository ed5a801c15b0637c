//! The Livewire clock: the time by which Livewire devices sample, separate from PTP.
//!
//! Model: one device on the network is the master and sends a [packet](ClockPacket) with its time
//! every 30 to 40 ms to [`GROUP`]. Receivers do not answer, so the path delay cannot be measured.
//! It is assumed instead, as for a PTP master that answers no Delay_Reqs, and its uncertainty is
//! included in the uncertainty of the time. The servo is the same as for PTP:
//! [`SlaveClock`](crate::clock::SlaveClock).
//!
//! The time is a count of clock frames of 250 us from an arbitrary epoch; it is neither TAI nor UTC
//! nor a time of day. It is represented as a [`PtpTime`](crate::PtpTime), of which only differences
//! are meaningful. RTP timestamps follow from it: at 48 kHz, a clock frame has 12 audio frames, so
//! the RTP timestamp is the time in audio frames, modulo 2^32, even after the count of clock frames
//! has wrapped.
//!
//! Masters: the master with the highest priority is followed; among masters with equal priority,
//! the lowest MAC address wins. Anyone can send packets with any identity. So a master is followed
//! only when [several](HEARD) of its packets agree with each other. If its time differs from the
//! time that the clock already holds (the *held time*), its packets must agree for two seconds. The
//! number of remembered masters is bounded. Packets with the identity of a known master are ignored
//! if they come from another address. Packets from the followed master are also ignored if they
//! contradict the held time while others agree with it (`contest`). Livewire has no authentication:
//! anyone who keeps sending with the highest priority becomes the master.

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

/// The group of the low-rate clock.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 192, 255, 2);
/// The UDP port of the clock.
pub const PORT: u16 = 7000;

/// Shortest and longest interval between packets: 30 to 40 ms.
const PACKET_INTERVAL: (Nanos, Nanos) = (Nanos::from_millis(30), Nanos::from_millis(40));
/// A master that has been silent for this long, about 25 packets, is no longer followed.
const MASTER_TIMEOUT: Nanos = Nanos::from_secs(1);
