//! Records which clocks send Syncs, because an Announce alone does not show that a clock serves
//! time.
//!
//! Model: a master *sends* from its fourth Sync on, while Syncs keep arriving; it *has sent* once
//! they have stopped. The table is bounded. The sender with the fewest Syncs is removed first, so
//! forged senders displace a master only if [`CAPACITY`] of them each send as many Syncs as the
//! master.

use super::super::transmit::PeerAddress;
use crate::ptp::wire::PortIdentity;
use crate::units::{LocalTime, Nanos};

/// Maximum number of senders that are remembered: as many as foreign masters, for which IEEE
/// 1588-2019 9.3.2.4.5 requires room for at least 5. Forging this many senders at AES67's default
/// Sync interval takes 500 packets a second.
const CAPACITY: usize = 64;
/// Number of Syncs after which a clock is considered a sender: enough to compare its time with
/// another master's.
const SYNCS: u32 = 4;
/// Number of Sync intervals without a Sync after which a clock is considered silent, within the
/// bounds of [`SILENCE`].
const SILENT_INTERVALS: i64 = 4;
/// Shortest and longest time without a Sync after which a clock is considered silent. The longest
/// Sync interval of AES67 is 2 s (AES67-2018, A.4).
const SILENCE: (Nanos, Nanos) = (Nanos::from_secs(2), Nanos::from_secs(8));
/// Time of silence after which a clock is forgotten.
const FORGOTTEN: Nanos = Nanos::from_secs(60);

/// Whether a master sends Syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ptp) enum Evidence {
    /// No Sync has been received from the master.
    None,
    /// The master has sent Syncs, but is silent now.
    HasSent,
    /// The master sends Syncs.
    Sends,
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    identity: PortIdentity,
    address: PeerAddress,
    count: u32,
    first: LocalTime,
    last: LocalTime,
}

impl Sender {
    fn evidence(&self, now: LocalTime) -> Evidence {
        if self.count < SYNCS {
            return Evidence::None;
        }
        let interval = Nanos::new(self.last.since(self.first).as_nanos() / i64::from(self.count - 1));
        let silence = interval.times(SILENT_INTERVALS).clamp(SILENCE.0, SILENCE.1);
        if now.since(self.last) <= silence { Evidence::Sends } else { Evidence::HasSent }
    }
}

/// The clocks that send Syncs in a domain.
#[derive(Clone, Debug, Default)]
pub(in crate::ptp) struct SyncSenders(Vec<Sender>);

impl SyncSenders {
    /// Records the arrival of a Sync.
    pub(in crate::ptp) fn heard(&mut self, now: LocalTime, identity: PortIdentity, address: PeerAddress) {
        if let Some(sender) = self.0.iter_mut().find(|sender| (sender.identity, sender.address) == (identity, address))
        {
            if sender.evidence(now) == Evidence::HasSent {
                (sender.count, sender.first) = (0, now);
            }
            (sender.count, sender.last) = (sender.count.saturating_add(1), now);
            return;
        }
        self.0.retain(|sender| now.since(sender.last) < FORGOTTEN);
        if self.0.len() >= CAPACITY {
            let least = self.0.iter().enumerate().min_by_key(|(_, sender)| (sender.count, sender.last));
            if let Some(index) = least.map(|(index, _)| index) {
                self.0.swap_remove(index);
            }
        }
        self.0.push(Sender { identity, address, count: 1, first: now, last: now });
    }

    /// Whether the master `identity` at `address` sends Syncs.
    pub(in crate::ptp) fn evidence(&self, now: LocalTime, identity: PortIdentity, address: PeerAddress) -> Evidence {
        let sender = self.0.iter().find(|sender| (sender.identity, sender.address) == (identity, address));
        sender.map_or(Evidence::None, |sender| sender.evidence(now))
    }

    /// The earliest time at which a sender with this identity may be considered silent.
    pub(in crate::ptp) fn next_silence(&self, now: LocalTime, identity: PortIdentity) -> Option<LocalTime> {
        let sends = self.0.iter().find(|sender| sender.identity == identity && sender.evidence(now) == Evidence::Sends);
        sends.map(|sender| sender.last + SILENCE.0 + Nanos::new(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptp::wire::ClockIdentity;

    fn at(ms: i64) -> LocalTime {
        LocalTime::ZERO + Nanos::from_millis(ms)
    }

    fn identity(number: u64) -> PortIdentity {
        PortIdentity { clock_identity: ClockIdentity(number.to_be_bytes()), port_number: 1 }
    }

    const ADDRESS: PeerAddress = PeerAddress::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn who_sends_no_more_has_sent_and_begins_anew() {
        let (mut senders, master) = (SyncSenders::default(), identity(1));
        let evidence = |senders: &SyncSenders, ms| senders.evidence(at(ms), master, ADDRESS);
        (0..3).for_each(|i| senders.heard(at(125 * i), master, ADDRESS));
        assert_eq!(evidence(&senders, 300), Evidence::None);
        senders.heard(at(375), master, ADDRESS);
        assert_eq!(evidence(&senders, 375), Evidence::Sends);
        assert_eq!(evidence(&senders, 2_400), Evidence::HasSent);
        senders.heard(at(2_400), master, ADDRESS);
        assert_eq!(evidence(&senders, 2_400), Evidence::None);
        let elsewhere = PeerAddress::from([192, 0, 2, 66]);
        assert_eq!(senders.evidence(at(2_400), master, elsewhere), Evidence::None);
    }

    #[test]
    fn a_flood_of_senders_is_bounded_and_spares_who_sends_more() {
        let (mut senders, master) = (SyncSenders::default(), identity(1));
        for i in 0..4_000 {
            senders.heard(at(i), identity(1_000 + i as u64), ADDRESS);
            if i % 125 == 0 {
                (0..2).for_each(|_| senders.heard(at(i), master, ADDRESS));
            }
        }
        assert_eq!(senders.0.len(), CAPACITY);
        assert_eq!(senders.evidence(at(4_000), master, ADDRESS), Evidence::Sends);
    }
}
