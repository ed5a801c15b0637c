//! Who makes room for a new session when there is none.
//!
//! In this order:
//! 1. a session that was announced only once, the oldest of the address that has most of them; up
//!    to [`FEW`] of an address count as few, so that a device with some streams is not the one
//!    that has most where a flood comes from ever other addresses;
//! 2. if all are confirmed, the newest of the address that has most, if those are more than
//!    [`GUARANTEED`];
//! 3. nobody: the new one is refused.
//!
//! So one address pushes out nothing of another but what was heard once, and, with a flood of its
//! own, its own before that. What was pushed out before it was heard again is known by its
//! fingerprint, and is confirmed when it comes again.
//!
//! Breakdown point: whoever forges ever new source addresses, announces each session twice, and has
//! [`MAX_SESSIONS`] of them confirmed before an honest one is, keeps that one out; accepted source
//! addresses keep such a flood out. One that was confirmed before stays.

use super::{CONFIRMED_AFTER, Crowd, Directory, Entry, MAX_SESSIONS, Removal, SapError, SapEvent, SessionKey};
use crate::units::{LocalTime, Nanos};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

/// Confirmed sessions of one address that nobody pushes out: more than a device of the field has,
/// and as many as four such addresses fill the room with.
pub(super) const GUARANTEED: usize = MAX_SESSIONS / 4;
/// Sessions of an address that are few: a device of 64 channels in streams of 8 has 8, and may
/// announce each by two groups of its own.
const FEW: usize = 16;
/// Announcements that are known to have been heard once: 384 KiB; a flood of a thousand a second
/// takes a quarter of a minute to fill it.
const FINGERPRINTS: usize = 1 << 14;
/// Places that a fingerprint may have, of which the one that was heard first gives way: with 3000
/// newer ones, one is lost in a hundred million.
const PLACES: usize = 16;
/// What was heard longer ago is not confirmed by being heard again: the longest interval of those
/// in use, ten minutes by VLC.
const REMEMBERED: Nanos = Nanos::from_secs(600);

/// Announcements that were heard once, whether there was room for them or not.
#[derive(Clone, Debug, Default)]
pub(super) struct HeardOnce {
    /// By their fingerprints, each in one of its own places; empty until there is need.
    heard: Vec<Option<(u64, LocalTime)>>,
}

impl HeardOnce {
    /// FNV-1a of the announcer and its text. It need not withstand forgery: who forges an
    /// announcement can send it twice as well.
    pub(super) fn fingerprint(from: IpAddr, text: &[u8]) -> u64 {
        let octets = match from {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let bytes = octets.iter().chain(text);
        bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
    }

    /// It was heard at that time, and there was no room for it, or is none any more.
    pub(super) fn note(&mut self, fingerprint: u64, at: LocalTime) {
        self.heard.resize(FINGERPRINTS, None);
        // A copy of the same announcement is not heard later for that.
        let at = self.find(fingerprint).filter(|before| at.since(*before) <= REMEMBERED).unwrap_or(at);
        let places = self.heard.get_mut(places(fingerprint)).unwrap_or_default();
        let is_its = |slot: &Option<(u64, LocalTime)>| slot.is_some_and(|(other, _)| other == fingerprint);
        let oldest = |slot: &&mut Option<(u64, LocalTime)>| (!is_its(slot), slot.map(|(_, heard_at)| heard_at));
        if let Some(slot) = places.iter_mut().min_by_key(oldest) {
            *slot = Some((fingerprint, at));
        }
    }

    /// Whether it was heard before, long enough ago for it not to be a copy, and not too long ago.
    pub(super) fn knows(&self, now: LocalTime, fingerprint: u64) -> bool {
        self.find(fingerprint).is_some_and(|at| (CONFIRMED_AFTER..=REMEMBERED).contains(&now.since(at)))
    }

    fn find(&self, fingerprint: u64) -> Option<LocalTime> {
        let mut heard = self.heard.get(places(fingerprint))?.iter().flatten();
        heard.find(|(other, _)| *other == fingerprint).map(|(_, at)| *at)
    }
}

/// The low bits of FNV-1a depend on those of the text alone.
const fn places(fingerprint: u64) -> Range<usize> {
    let first = (fingerprint ^ fingerprint >> 32) as usize % (FINGERPRINTS / PLACES) * PLACES;
    first..first + PLACES
}

impl Directory {
    /// Makes room for a session.
    ///
    /// # Errors
    /// If nobody makes room.
    pub(super) fn make_room(&mut self) -> Result<(), SapError> {
        if self.sessions.len() < MAX_SESSIONS {
            return Ok(());
        }
        self.stats.crowded_out += 1;
        self.tell_crowd();
        let leaves = self.least_known().or_else(|| self.beyond_guarantee());
        let Some(key) = leaves else { return Err(SapError::Full(MAX_SESSIONS)) };
        if let Some(entry) = self.sessions.get(&key) {
            self.heard_once.note(HeardOnce::fingerprint(entry.from, &entry.text), entry.heard_at);
        }
        self.remove(key, Removal::Crowded);
        Ok(())
    }

    fn tell_crowd(&mut self) {
        if std::mem::replace(&mut self.is_crowded, true) {
            return;
        }
        let of_each = self.count(|_| true);
        let most = of_each.iter().max_by_key(|(_, count)| **count).map(|(from, count)| (*from, *count));
        let Some(most) = most else { return };
        let unconfirmed = self.sessions.values().filter(|entry| !entry.confirmed).count();
        let crowd = Crowd { sessions: self.sessions.len(), unconfirmed, addresses: of_each.len(), most };
        self.push(SapEvent::Crowded(crowd));
    }

    /// How many sessions there are of each address.
    fn count(&self, which: impl Fn(&Entry) -> bool) -> BTreeMap<IpAddr, usize> {
        let mut counts = BTreeMap::new();
        self.sessions
            .values()
            .filter(|entry| which(entry))
            .for_each(|entry| *counts.entry(entry.from).or_default() += 1);
        counts
    }

    /// The oldest that was announced only once, of the address that has most of them.
    fn least_known(&self) -> Option<SessionKey> {
        let of_each = self.count(|entry| !entry.confirmed);
        let unconfirmed = self.sessions.iter().filter(|(_, entry)| !entry.confirmed);
        let of_most = |(_, entry): &(&SessionKey, &Entry)| {
            let count = of_each.get(&entry.from).copied().unwrap_or(0).max(FEW);
            (Reverse(count), entry.heard_at)
        };
        unconfirmed.min_by_key(of_most).map(|(key, _)| key.clone())
    }

    /// The newest confirmed one of an address that has more than is guaranteed.
    fn beyond_guarantee(&self) -> Option<SessionKey> {
        let of_each = self.count(|entry| entry.confirmed);
        let (most, _) = of_each.into_iter().filter(|(_, count)| *count > GUARANTEED).max_by_key(|(_, count)| *count)?;
        let its = self.sessions.iter().filter(|(_, entry)| entry.from == most);
        its.max_by_key(|(_, entry)| entry.first_heard_at).map(|(key, _)| key.clone())
    }
}
