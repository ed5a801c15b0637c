//! Fingerprints of announcements that have been heard once. If a session is removed for lack of
//! room before its second announcement, it is still confirmed when that announcement arrives.

use crate::units::{LocalTime, Nanos};
use std::net::IpAddr;
use std::ops::Range;

/// Minimum interval between an announcement and the repetition that confirms it. A repetition after
/// a shorter time may be a copy that was sent to another group.
pub(super) const CONFIRMED_AFTER: Nanos = Nanos::from_secs(1);
/// Number of slots. They take 384 KiB, and a flood of 1000 announcements per second fills them
/// in 16 s.
const FINGERPRINTS: usize = 1 << 14;
/// Number of slots in which a given fingerprint may be stored; a new fingerprint replaces the
/// oldest one in them. After 3000 newer fingerprints, one in ten million has been lost.
const PLACES: usize = 16;
/// Time within which a second announcement confirms a session: the longest interval in use, ten
/// minutes in VLC.
const REMEMBERED: Nanos = Nanos::from_secs(600);

/// Announcements of sessions that were refused or removed for lack of room.
#[derive(Clone, Debug, Default)]
pub(super) struct HeardOnce {
    /// Fingerprints, each in one of its slots; empty until the first one is stored.
    heard: Vec<Option<(u64, LocalTime)>>,
}

impl HeardOnce {
    /// FNV-1a hash of the announcer's address and its text. The hash need not resist forgery,
    /// because an attacker who can forge an announcement can also send it twice.
    pub(super) fn fingerprint(from: IpAddr, text: &[u8]) -> u64 {
        let octets = match from {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let bytes = octets.iter().chain(text);
        bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
    }

    /// Records an announcement that was heard at `at`, and for which the directory has no room.
    pub(super) fn note(&mut self, fingerprint: u64, at: LocalTime) {
        self.heard.resize(FINGERPRINTS, None);
        // If the announcement has been heard before, the time of the first reception is kept.
        let at = self.find(fingerprint).filter(|before| at.since(*before) <= REMEMBERED).unwrap_or(at);
        let places = self.heard.get_mut(places(fingerprint)).unwrap_or_default();
        let is_its = |slot: &Option<(u64, LocalTime)>| slot.is_some_and(|(other, _)| other == fingerprint);
        let oldest = |slot: &&mut Option<(u64, LocalTime)>| (!is_its(slot), slot.map(|(_, heard_at)| heard_at));
        if let Some(slot) = places.iter_mut().min_by_key(oldest) {
            *slot = Some((fingerprint, at));
        }
    }

    /// Whether the announcement has been heard before, at least [`CONFIRMED_AFTER`] and at most
    /// [`REMEMBERED`] ago. If it was heard more recently, this one may be a copy.
    pub(super) fn knows(&self, now: LocalTime, fingerprint: u64) -> bool {
        self.find(fingerprint).is_some_and(|at| (CONFIRMED_AFTER..=REMEMBERED).contains(&now.since(at)))
    }

    fn find(&self, fingerprint: u64) -> Option<LocalTime> {
        let mut heard = self.heard.get(places(fingerprint))?.iter().flatten();
        heard.find(|(other, _)| *other == fingerprint).map(|(_, at)| *at)
    }
}

/// The slots for a fingerprint. The two halves of the fingerprint are combined, because the low
/// bits of FNV-1a depend only on the low bits of the bytes in the text.
#[expect(clippy::cast_possible_truncation, reason = "only the low bits are used")]
const fn places(fingerprint: u64) -> Range<usize> {
    let first = (fingerprint ^ fingerprint >> 32) as usize % (FINGERPRINTS / PLACES) * PLACES;
    first..first + PLACES
}
