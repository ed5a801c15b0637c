//! The table of masters that send a Livewire clock.
//!
//! Model: the table holds recent masters, by MAC address. Its size is bounded, and so is the number
//! of entries with the same IP address. Masters with the fewest packets that agree with each other
//! are removed first, then the masters whose last packet is oldest. The master that is followed is
//! never removed.

use super::MASTER_TIMEOUT;
use super::wire::{CLOCK_FRAME, ClockPacket, MacAddress, MasterIdentity};
use crate::units::{LocalTime, Nanos, PtpTime};
use std::fmt;
use std::net::Ipv4Addr;

/// Number of packets that must agree with each other before a master is followed: a quarter
/// of a second's worth.
pub const HEARD: u32 = 8;
/// Like [`HEARD`], but for a master whose time differs from the held time: two seconds' worth.
const HEARD_OF_OTHER_TIME: u32 = 64;
/// Maximum number of masters that are remembered.
const CAPACITY: usize = 16;
/// Maximum number of masters with the same IP address; a device has one clock, and perhaps several
/// network interfaces.
const CAPACITY_OF_ADDRESS: usize = 4;
/// Tolerance for the agreement of two packets: the time that passes from one packet to the other
/// may differ by this much from the local time between their arrivals. A delayed receiving thread
/// makes a timestamp at most 150 ms late.
const LATEST: Nanos = Nanos::from_millis(200);

/// A master, and the source of its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// The identity in the packets.
    pub identity: MasterIdentity,
    /// The source address of the packets.
    pub source: Ipv4Addr,
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.identity, self.source, super::PORT)
    }
}

/// The arrival of a packet, and the time in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PacketTime {
    pub(super) at: LocalTime,
    pub(super) time: PtpTime,
}

impl PacketTime {
    /// The time at host time `at`, extrapolated at the rate of the host's clock.
    pub(super) fn time_at(&self, at: LocalTime) -> PtpTime {
        self.time + (at - self.at)
    }

    /// Determines the time of a packet. The count in the packet wraps, so the possible time closest
    /// to `near` is used.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32, as the counter wraps")]
    pub(super) fn unwrap(packet: &ClockPacket, at: LocalTime, near: Option<PtpTime>) -> Self {
        let frame_ns = i128::from(CLOCK_FRAME.as_nanos());
        let frame = match near {
            None => i128::from(packet.frame),
            Some(near) => {
                let reference = near.as_nanos().div_euclid(frame_ns);
                reference + i128::from(packet.frame.wrapping_sub(reference as u32).cast_signed())
            }
        };
        Self { at, time: PtpTime::from_nanos(frame * frame_ns) + packet.within_frame() }
    }
}

/// A known master.
#[derive(Clone, Copy, Debug)]
struct Entry {
    master: Master,
    newest: PacketTime,
    /// Number of consecutive packets, up to the newest, that agree with each other.
    count: u32,
}

impl Entry {
    fn is_heard(&self, now: LocalTime) -> bool {
        now.since(self.newest.at) < MASTER_TIMEOUT
    }
}

/// The recent masters.
#[derive(Clone, Debug, Default)]
pub(super) struct Masters {
    entries: Vec<Entry>,
}

impl Masters {
    /// Records a packet that arrived at `at`, when the held time was `held`. Returns the time in
    /// the packet; `None` if the packet comes from a different address than the master's other
    /// packets.
    pub(super) fn hear(
        &mut self,
        packet: &ClockPacket,
        source: Ipv4Addr,
        at: LocalTime,
        held: Option<PtpTime>,
        followed: Option<MacAddress>,
    ) -> Option<PacketTime> {
        let master = Master { identity: packet.master, source };
        let known = self.entries.iter_mut().find(|entry| entry.master.identity.mac == packet.master.mac);
        let Some(entry) = known else {
            let newest = PacketTime::unwrap(packet, at, held);
            self.make_room(source, followed);
            self.entries.push(Entry { master, newest, count: 1 });
            return Some(newest);
        };
        if entry.master.source != source && entry.is_heard(at) {
            return None;
        }
        let expected = entry.newest.time_at(at);
        let stated = PacketTime::unwrap(packet, at, Some(expected));
        let fits = entry.is_heard(at) && (stated.time - expected).abs() < LATEST;
        let count = if fits { entry.count.saturating_add(1) } else { 1 };
        *entry = Entry { master, newest: stated, count };
        Some(stated)
    }

    /// The master to follow, and the newest time received from it; `agrees` states whether a time
    /// agrees with the held time.
    pub(super) fn best(&self, now: LocalTime, agrees: impl Fn(&PacketTime) -> bool) -> Option<(Master, PacketTime)> {
        let is_ready = |entry: &&Entry| {
            let enough = entry.count >= HEARD_OF_OTHER_TIME || entry.count >= HEARD && agrees(&entry.newest);
            enough && entry.is_heard(now)
        };
        let better = |best: &'_ Entry, entry: &'_ Entry| entry.master.identity.outranks(&best.master.identity);
        let ready = self.entries.iter().filter(is_ready);
        let best = ready.reduce(|best, entry| if better(best, entry) { entry } else { best })?;
        Some((best.master, best.newest))
    }

    /// The master with this MAC address, if it has sent a packet recently.
    pub(super) fn get(&self, now: LocalTime, mac: MacAddress) -> Option<Master> {
        let entry = self.entries.iter().find(|entry| entry.master.identity.mac == mac);
        entry.filter(|entry| entry.is_heard(now)).map(|entry| entry.master)
    }

    /// The master with the most packets that agree with each other, and their number.
    pub(super) fn nearest(&self, now: LocalTime) -> Option<(Master, u32)> {
        let heard = self.entries.iter().filter(|entry| entry.is_heard(now));
        heard.max_by_key(|entry| entry.count).map(|entry| (entry.master, entry.count))
    }

    /// Number of masters.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Removes a master if there is no room for another one from `source`.
    fn make_room(&mut self, source: Ipv4Addr, followed: Option<MacAddress>) {
        let of_source = |entry: &Entry| entry.master.source == source;
        if self.entries.iter().filter(|entry| of_source(entry)).count() >= CAPACITY_OF_ADDRESS {
            self.forget_one(followed, of_source);
        } else if self.entries.len() >= CAPACITY {
            self.forget_one(followed, |_| true);
        }
    }

    fn forget_one(&mut self, followed: Option<MacAddress>, among: impl Fn(&Entry) -> bool) {
        let all = self.entries.iter().enumerate();
        let others = all.filter(|(_, entry)| among(entry) && Some(entry.master.identity.mac) != followed);
        let least = others.min_by_key(|(_, entry)| (entry.count.min(HEARD), entry.newest.at));
        if let Some(index) = least.map(|(index, _)| index) {
            self.entries.swap_remove(index);
        }
    }
}
