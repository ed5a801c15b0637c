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

use super::heard_once::HeardOnce;
use super::{Crowd, Directory, Entry, MAX_SESSIONS, Removal, SapError, SapEvent, SessionKey};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Confirmed sessions of one address that nobody pushes out: more than a device of the field has,
/// and as many as four such addresses fill the room with.
pub(super) const GUARANTEED: usize = MAX_SESSIONS / 4;
/// Sessions of an address that are few: a device of 64 channels in streams of 8 has 8, and may
/// announce each by two groups of its own.
const FEW: usize = 16;

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
        self.events.push(SapEvent::Crowded(crowd));
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
