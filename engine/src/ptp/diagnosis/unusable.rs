//! Remembers received messages that could not be used.
//!
//! Memory is bounded: there is one entry for each kind of message, and two for other domains. An
//! entry stays while its sender is active, so that the reported reason does not change with every
//! packet of a flood.

use super::Instead;
use crate::ptp::authentication::Unauthenticated;
use crate::ptp::transmit::PeerAddress;
use crate::ptp::wire::{ClockIdentity, PortIdentity};
use crate::units::{LocalTime, Nanos};

/// How long an entry is valid after the last message of its kind: three of AES67's usual Announce
/// intervals (AES67-2018, A.4), or more for an Announce that states a longer interval.
const KEPT: Nanos = Nanos::from_secs(6);
/// Number of announce intervals without an Announce after which an announced clock is considered
/// gone, as for masters.
const KEPT_INTERVALS: i64 = 3;
/// Maximum number of other domains that are reported.
const DOMAINS: usize = 2;

/// A message that could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ptp) enum What {
    TooFar { grandmaster: ClockIdentity, steps_removed: u16 },
    Unannounced(PortIdentity),
    OtherDomain { grandmaster: ClockIdentity, domain: u8 },
    AlternateMaster(ClockIdentity),
    OtherSdo { sender: PortIdentity, major_sdo_id: u8 },
    Unauthenticated { sender: PortIdentity, reason: Unauthenticated },
    Version1(PeerAddress),
    Refused { sender: PortIdentity, source: PeerAddress },
}

/// An unusable message, and when it expires.
#[derive(Clone, Copy, Debug)]
struct Entry {
    what: What,
    until: LocalTime,
}

/// One entry for each kind of message, and two for other domains.
#[derive(Clone, Debug, Default)]
pub(in crate::ptp) struct Unusable {
    unauthenticated: Option<Entry>,
    too_far: Option<Entry>,
    unannounced: Option<Entry>,
    domains: [Option<Entry>; DOMAINS],
    alternate: Option<Entry>,
    sdo: Option<Entry>,
    version_1: Option<Entry>,
    refused: Option<Entry>,
}

impl Unusable {
    /// Records an unusable message that was received at `now`; `interval` is its announce interval
    /// if it is an Announce.
    pub(in crate::ptp) fn hear(&mut self, now: LocalTime, what: What, interval: Option<Nanos>) {
        let kept = interval.map_or(KEPT, |interval| interval.times(KEPT_INTERVALS)).max(KEPT);
        let entry = Entry { what, until: now + kept };
        let place = match what {
            What::Unauthenticated { .. } => &mut self.unauthenticated,
            What::TooFar { .. } => &mut self.too_far,
            What::Unannounced(_) => &mut self.unannounced,
            What::AlternateMaster(_) => &mut self.alternate,
            What::OtherSdo { .. } => &mut self.sdo,
            What::Version1(_) => &mut self.version_1,
            What::Refused { .. } => &mut self.refused,
            What::OtherDomain { domain, .. } => match self.place_of_domain(now, domain) {
                Some(place) => place,
                None => return,
            },
        };
        if place.is_none_or(|there| there.until <= now || is_same(&there.what, &what)) {
            *place = Some(entry);
        }
    }

    /// The entry of a domain, or a free entry; `None` if there is neither.
    fn place_of_domain(&mut self, now: LocalTime, domain: u8) -> Option<&mut Option<Entry>> {
        let is_of = |entry: &Option<Entry>| match entry.filter(|entry| entry.until > now).map(|entry| entry.what) {
            Some(What::OtherDomain { domain: there, .. }) => there == domain,
            _ => false,
        };
        let free = |entry: &Option<Entry>| entry.is_none_or(|entry| entry.until <= now);
        let index = self.domains.iter().position(is_of).or_else(|| self.domains.iter().position(free))?;
        self.domains.get_mut(index)
    }

    /// The entry that best explains at `now` why there is no master.
    pub(in crate::ptp) fn told(&self, now: LocalTime) -> Option<Instead> {
        let fresh = |entry: &Option<Entry>| entry.filter(|entry| entry.until > now).map(|entry| entry.what);
        let mut domains = self.domains.iter().filter_map(fresh).filter_map(|what| match what {
            What::OtherDomain { grandmaster, domain } => Some((grandmaster, domain)),
            _ => None,
        });
        let other_domain = domains.next().map(|first| Instead::OtherDomain { first, second: domains.next() });
        let of = |entry: &Option<Entry>| fresh(entry).and_then(instead);
        of(&self.unauthenticated)
            .or_else(|| of(&self.too_far))
            .or_else(|| of(&self.unannounced))
            .or_else(|| of(&self.refused))
            .or(other_domain)
            .or_else(|| of(&self.alternate))
            .or_else(|| of(&self.sdo))
            .or_else(|| of(&self.version_1))
    }
}

/// Whether both messages have the same sender.
fn is_same(there: &What, what: &What) -> bool {
    match (there, what) {
        (What::TooFar { grandmaster: a, .. }, What::TooFar { grandmaster: b, .. })
        | (What::AlternateMaster(a), What::AlternateMaster(b)) => a == b,
        (What::OtherDomain { grandmaster: a, domain: c }, What::OtherDomain { grandmaster: b, domain: d }) => {
            (a, c) == (b, d)
        }
        (What::Unannounced(a), What::Unannounced(b))
        | (What::OtherSdo { sender: a, .. }, What::OtherSdo { sender: b, .. })
        | (What::Unauthenticated { sender: a, .. }, What::Unauthenticated { sender: b, .. }) => a == b,
        (What::Version1(a), What::Version1(b)) => a == b,
        (What::Refused { sender: a, source: c }, What::Refused { sender: b, source: d }) => (a, c) == (b, d),
        _ => false,
    }
}

fn instead(what: What) -> Option<Instead> {
    match what {
        What::TooFar { grandmaster, steps_removed } => Some(Instead::TooFar { grandmaster, steps_removed }),
        What::Unannounced(sender) => Some(Instead::Unannounced(sender)),
        What::AlternateMaster(grandmaster) => Some(Instead::AlternateMaster(grandmaster)),
        What::OtherSdo { sender, major_sdo_id } => Some(Instead::OtherSdo { sender, major_sdo_id }),
        What::Unauthenticated { sender, reason } => Some(Instead::Unauthenticated { sender, reason }),
        What::Version1(from) => Some(Instead::Version1(from)),
        What::Refused { sender, source } => Some(Instead::Refused { sender, source }),
        What::OtherDomain { .. } => None,
    }
}
